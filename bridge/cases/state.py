"""What the desk of one tenant remembers, and how events change it: the fold.

The state is the fold of the tenant's events, nothing else: a desk that starts again reads them
and goes on. Closed cases leave it but for some: it grows with what is open, not with the years.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from bridge.cases.ageing import wake_of
from bridge.cases.events import (
    Acted,
    AnomalyJoined,
    CaseCleared,
    CaseClosed,
    CaseOpened,
    CatalogAdopted,
    ClockAged,
    Event,
    FactsUpdated,
    GapClosed,
    GapOpened,
    RepairRecorded,
    SalesSideOpened,
    TaskChanged,
    TroubleBegan,
    TroubleEnded,
)
from bridge.cases.fold import applied, opened
from bridge.cases.notes import Notes, leading
from bridge.cases.owners import Gap
from bridge.cases.troubles import Trouble
from bridge.model.case import Case
from bridge.model.catalog import Catalog
from bridge.model.values import UNKNOWN_MODE, Severity

CLOSED_KEPT = 1_000
"""Closed cases whose projection can still be asked for."""

HANDLED_KEPT = 20_000
"""Input ids remembered; older ones are stopped by the inbox, which takes each id once."""

FIRST_NUMBER = 1

Key = tuple[str, str | None]
"""Asset and failure mode (None for anomalies without one)."""


class Episode(NamedTuple):
    """The newest episode of a key, open or not."""

    number: int
    case: UUID


@dataclass(frozen=True, slots=True)
class Ending:
    """How a person ended an episode: detection repeating itself about it is no news."""

    at: datetime
    severity: Severity


@dataclass(slots=True)
class DeskState:
    """All that one tenant's desk decides by.

    Attributes
    ----------
    cases : mapping of case id to Case
        Open cases.
    notes : mapping of case id to Notes
        What the desk keeps of an open case beside its projection.
    open_by_key, open_by_asset
        Indexes of `cases`, so that an input costs the same with ten thousand open cases.
    episodes : mapping of (asset, mode) to Episode
        The newest episode of each key.
    endings : mapping of (asset, mode) to Ending
        Episodes that a person ended.
    heard : mapping of (asset, mode) to datetime
        Event time of the newest word of detection: older words come late and change nothing.
    alarms : mapping of (site, leading signal) to {case id: datetime}
        Open cases of bare anomalies, and when the last one came to each.
    groups : mapping of gateway to (case id, datetime)
        The case that further anomalies of a gateway join, and when the last one came.
    gaps : mapping of Gap to str
        Open gaps and their fallback owners.
    wakes : mapping of case id to datetime
        When time alone will next change a case.
    """

    tenant: str
    catalog: Catalog
    catalog_version: int = 0
    cases: dict[UUID, Case] = field(default_factory=dict)
    closed: dict[UUID, Case] = field(default_factory=dict)
    notes: dict[UUID, Notes] = field(default_factory=dict)
    open_by_key: dict[Key, UUID] = field(default_factory=dict)
    open_by_asset: dict[str, list[UUID]] = field(default_factory=dict)
    episodes: dict[Key, Episode] = field(default_factory=dict)
    endings: dict[Key, Ending] = field(default_factory=dict)
    heard: dict[Key, datetime] = field(default_factory=dict)
    alarms: dict[tuple[str, str], dict[UUID, datetime]] = field(default_factory=dict)
    groups: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)
    gaps: dict[Gap, str] = field(default_factory=dict)
    troubles: dict[Trouble, str] = field(default_factory=dict)
    wakes: dict[UUID, datetime] = field(default_factory=dict)
    handled: dict[UUID, None] = field(default_factory=dict)
    last_number: int = FIRST_NUMBER - 1

    def case_of(self, asset: str, mode: str | None) -> Case | None:
        """Return the open case of an asset in a mode, or None."""
        found = self.open_by_key.get((asset, mode))
        return self.cases[found] if found else None

    def cases_of(self, asset: str) -> list[Case]:
        """Return an asset's open cases, the oldest first."""
        return [self.cases[found] for found in self.open_by_asset.get(asset, ())]


def initial(tenant: str) -> DeskState:
    """Return the state of a desk before its first event, with an empty catalog."""
    return DeskState(tenant=tenant, catalog=Catalog(tenant=tenant))


def projection(state: DeskState, case_id: UUID) -> Case:
    """Return a case as it stands.

    Raises
    ------
    KeyError
        There is no such case, or it closed more than `CLOSED_KEPT` closings ago.
    """
    return state.cases[case_id] if case_id in state.cases else state.closed[case_id]


def evolve(state: DeskState, event: Event) -> DeskState:
    """Fold one recorded event into the state, in place, and return it; no rule is run again."""
    state.handled[event.input] = None
    if len(state.handled) > HANDLED_KEPT:
        del state.handled[next(iter(state.handled))]
    if isinstance(event, CaseOpened):
        _open(state, event)
    elif event.case in state.cases:
        state.cases[event.case] = applied(state.cases[event.case], event)
    remember = _MEMORY.get(type(event))
    if remember is not None:
        remember(state, event)
    if event.case in state.cases:
        _wake(state, event.case, event.at)
    return state


def _wake(state: DeskState, case_id: UUID, now: datetime) -> None:
    wake = wake_of(state.cases[case_id], state.notes[case_id], state.catalog, now)
    if wake is None:
        state.wakes.pop(case_id, None)
    else:
        state.wakes[case_id] = wake


def _open(state: DeskState, event: CaseOpened) -> None:
    case = opened(event)
    state.cases[case.id] = case
    notes = Notes(heard=event.heard, gateway=event.gateway)
    for task in (event.engineering, event.sales):
        if task is not None:
            notes.clock(task, event.at)
    state.notes[case.id] = notes
    state.open_by_key[event.asset, event.mode] = case.id
    state.open_by_asset.setdefault(event.asset, []).append(case.id)
    state.episodes[event.asset, event.mode] = Episode(event.episode, case.id)
    state.endings.pop((event.asset, event.mode), None)
    state.last_number = max(state.last_number, event.number or 0)
    _hear(state, (event.asset, event.heard), event.heard_at)
    if event.gateway is not None:
        state.groups[event.gateway] = (case.id, event.at)
    asset = state.catalog.asset_by_id.get(event.asset)
    signal = leading(event.facts.contributions)
    if event.mode is None and asset is not None and signal:
        notes.alarm = (asset.site, signal)
        state.alarms.setdefault(notes.alarm, {})[case.id] = event.at


def _hear(state: DeskState, key: Key, at: datetime | None) -> None:
    if at is not None:
        at = at.astimezone(UTC)
        state.heard[key] = max(at, state.heard.get(key, at))


def _facts(state: DeskState, event: FactsUpdated) -> None:
    assert event.case is not None
    case = state.cases[event.case]
    state.notes[event.case].heard = event.heard
    _hear(state, (case.asset, event.heard), event.heard_at)
    if event.episode is not None:
        for key in ((case.asset, None), (case.asset, UNKNOWN_MODE)):
            if state.open_by_key.get(key) == case.id:
                del state.open_by_key[key]
        _ungroup(state, case.id)
        state.open_by_key[case.asset, case.mode] = case.id
        state.episodes[case.asset, case.mode] = Episode(event.episode, case.id)


def _joined(state: DeskState, event: AnomalyJoined) -> None:
    assert event.case is not None
    _hear(state, (event.asset, None), event.heard_at)
    notes = state.notes.get(event.case)
    if notes is None:
        return
    if event.asset != state.cases[event.case].asset:
        notes.joined[event.asset] = event.leading
    if notes.gateway is not None and state.groups.get(notes.gateway, (None,))[0] == event.case:
        state.groups[notes.gateway] = (event.case, event.at)
    if notes.alarm is not None:
        state.alarms[notes.alarm][event.case] = event.at


def _task(state: DeskState, event: TaskChanged) -> None:
    if event.case in state.notes:
        state.notes[event.case].clock(event.task, event.at)


def _sales(state: DeskState, event: SalesSideOpened) -> None:
    if event.case in state.notes:
        state.notes[event.case].clock(event.sales, event.at)


def _aged(state: DeskState, event: ClockAged) -> None:
    if event.case in state.notes:
        state.notes[event.case].aged[event.side] = event.percent


def _acted(state: DeskState, event: Acted) -> None:
    if event.case in state.notes and event.do == "execute":
        state.notes[event.case].repaired = True


def _repaired(state: DeskState, event: RepairRecorded) -> None:
    for case in state.cases_of(event.asset):
        if event.mode is None or case.mode == event.mode:
            state.notes[case.id].repaired = True


def _cleared(state: DeskState, event: CaseCleared) -> None:
    if event.case in state.cases:
        case = state.cases[event.case]
        _hear(state, (case.asset, case.mode), event.heard_at)


def _close(state: DeskState, event: CaseClosed) -> None:
    if event.case not in state.cases:
        return
    case = state.cases.pop(event.case)
    state.closed[case.id] = case
    if len(state.closed) > CLOSED_KEPT:
        del state.closed[next(iter(state.closed))]
    _ungroup(state, case.id)
    del state.notes[case.id]
    state.wakes.pop(case.id, None)
    key = (case.asset, case.mode)
    if state.open_by_key.get(key) == case.id:
        del state.open_by_key[key]
    rest = [each for each in state.open_by_asset[case.asset] if each != case.id]
    if rest:
        state.open_by_asset[case.asset] = rest
    else:
        del state.open_by_asset[case.asset]
    if event.by != "detection":
        state.endings[key] = Ending(event.at, case.severity)


def _ungroup(state: DeskState, case_id: UUID) -> None:
    """Let nothing more join a case."""
    notes = state.notes[case_id]
    gateway, notes.gateway = notes.gateway, None
    if gateway is not None and state.groups.get(gateway, (None,))[0] == case_id:
        del state.groups[gateway]
    alarm, notes.alarm = notes.alarm, None
    if alarm is not None:
        del state.alarms[alarm][case_id]
        if not state.alarms[alarm]:
            del state.alarms[alarm]


def _gap_opened(state: DeskState, event: GapOpened) -> None:
    state.gaps[Gap(event.kind, event.on)] = event.owner


def _gap_closed(state: DeskState, event: GapClosed) -> None:
    state.gaps.pop(Gap(event.kind, event.on), None)


def _troubled(state: DeskState, event: TroubleBegan) -> None:
    state.troubles[event.kind, event.on] = event.detail


def _well(state: DeskState, event: TroubleEnded) -> None:
    state.troubles.pop((event.kind, event.on), None)


def _catalog(state: DeskState, event: CatalogAdopted) -> None:
    state.catalog, state.catalog_version = event.catalog, event.version
    for case_id in state.cases:
        _wake(state, case_id, event.at)


_MEMORY: dict[type, Callable[[DeskState, Any], None]] = {
    FactsUpdated: _facts,
    AnomalyJoined: _joined,
    TaskChanged: _task,
    SalesSideOpened: _sales,
    ClockAged: _aged,
    Acted: _acted,
    RepairRecorded: _repaired,
    CaseCleared: _cleared,
    CaseClosed: _close,
    GapOpened: _gap_opened,
    GapClosed: _gap_closed,
    TroubleBegan: _troubled,
    TroubleEnded: _well,
    CatalogAdopted: _catalog,
}
