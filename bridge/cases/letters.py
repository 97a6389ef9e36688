"""What must be sent, to whom and why: letters follow from events, and from nothing else.

A letter to a person is rendered later (`wording`); one to the webhooks or to the journal
carries its JSON. The id is made of event and receiver: following an event twice sends once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from bridge.cases.audit import canonical
from bridge.cases.clouds import cloud_event, is_public
from bridge.cases.controls import control_of
from bridge.cases.events import (
    CaseCleared,
    CaseOpened,
    ClockAged,
    Event,
    FactsUpdated,
    SalesSideOpened,
    TaskChanged,
    TroubleBegan,
    TroubleEnded,
    WaiverRenewed,
)
from bridge.cases.owners import on_call
from bridge.cases.state import DeskState, projection
from bridge.cases.troubles import Trouble
from bridge.model.case import Case
from bridge.model.catalog import Person
from bridge.model.detections import derive_id
from bridge.model.values import Side

Kind = Literal[
    "new",
    "update",
    "reminder",
    "escalation",
    "cleared",
    "retraction",
    "trouble",
    "event",
    "control",
]

WEBHOOKS = "*"
"""Receiver of a letter that goes to every webhook."""

SOURCE = "/bridge"
"""Source of the CloudEvents, completed by the tenant."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one receiver, not rendered yet.

    Parameters
    ----------
    to : str
        Person id, ``*`` for every webhook, ``journal`` for the journal.
    channel : str
        ``email`` or what the person prefers, ``webhook``, ``journal``.
    case : UUID or None
        Groups a thread.
    side : Side or None
        In whose words a person reads it; None where it is about the service itself.
    text : str
        JSON, for machines only.
    percent : int
        How much of a task's time is used up: reminders and escalations.
    urgent : bool
        Advice to stop: it goes out at once, whatever the hour.
    reason : str
        Why it was a false alarm, in the engineer's words; how bad a trouble is.
    trouble : (kind, place) or None
        What is wrong with the service itself.
    over : bool
        Whether the trouble is over.
    """

    id: UUID
    tenant: str
    to: str
    channel: str
    kind: Kind
    case: UUID | None
    at: datetime
    side: Side | None = None
    text: str = ""
    percent: int = 0
    urgent: bool = False
    reason: str = ""
    trouble: Trouble | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom an event is told, why, and in whose words."""

    person: str
    kind: Kind
    side: Side
    percent: int = 0
    urgent: bool = False


def follow(event: Event, state: DeskState, *, source: str = SOURCE) -> tuple[Letter, ...]:
    """Return the letters that follow from an event that `evolve` has just folded in.

    Parameters
    ----------
    source : str
        First part of the source that CloudEvents name.
    """
    case = projection(state, event.case) if event.case and _known(state, event.case) else None
    letters = [_to_person(event, state, each) for each in _readers(event, case, state)]
    if isinstance(event, TroubleBegan | TroubleEnded):
        letters += [_to_operator(event, person) for person in _operators(state)]
    if is_public(event):
        cloud = cloud_event(event, case, f"{source}/{event.tenant}")
        letters.append(_to_machine(event, WEBHOOKS, "webhook", "event", canonical(cloud)))
    control = control_of(event)
    if control is not None:
        letters.append(_to_machine(event, "journal", "journal", "control", control))
    return tuple(letters)


def _known(state: DeskState, case: UUID) -> bool:
    return case in state.cases or case in state.closed


def _to_person(event: Event, state: DeskState, reader: Reader) -> Letter:
    return Letter(
        id=derive_id("letter", str(event.id), reader.person, reader.kind),
        tenant=event.tenant,
        to=reader.person,
        channel=state.catalog.person_by_id[reader.person].channel,
        kind=reader.kind,
        case=event.case,
        at=event.at,
        side=reader.side,
        percent=reader.percent,
        urgent=reader.urgent,
        reason=event.reason if isinstance(event, CaseCleared) and event.false_alarm else "",
    )


def _operators(state: DeskState) -> list[Person]:
    """Return who runs the service; where the catalog names nobody, the leads of engineering."""
    people = state.catalog.people
    found = [each for each in people if each.role in {"operator", "admin"}]
    return found or [each for each in people if each.role == "lead-engineer"]


def _to_operator(event: TroubleBegan | TroubleEnded, person: Person) -> Letter:
    return Letter(
        id=derive_id("letter", str(event.id), person.id, "trouble"),
        tenant=event.tenant,
        to=person.id,
        channel=person.channel,
        kind="trouble",
        case=None,
        at=event.at,
        reason=event.detail,
        trouble=(event.kind, event.on),
        over=isinstance(event, TroubleEnded),
    )


def _to_machine(event: Event, to: str, channel: str, kind: Kind, text: bytes) -> Letter:
    return Letter(
        id=derive_id("letter", str(event.id), channel),
        tenant=event.tenant,
        to=to,
        channel=channel,
        kind=kind,
        case=event.case,
        at=event.at,
        text=text.decode(),
    )


def _readers(event: Event, case: Case | None, state: DeskState) -> list[Reader]:
    """Return whom to tell, each person once; nobody is told of what was their own act."""
    tell = _TELL.get(type(event))
    if tell is None or case is None:
        return []
    once: dict[str, Reader] = {}
    for reader in tell(event, case, state):
        if reader.person in state.catalog.person_by_id and reader.person != event.by:
            once.setdefault(reader.person, reader)
    return list(once.values())


def _opened(_event: CaseOpened, case: Case, state: DeskState) -> Iterable[Reader]:
    stop = case.facts.advice == "stop"
    yield from _owners(case, "new", urgent=stop)
    if stop:
        yield from _on_call(case, state, "new")


def _moved(event: FactsUpdated, case: Case, state: DeskState) -> Iterable[Reader]:
    if event.material:
        yield from _owners(case, "update", urgent=event.stop)
    if event.stop:
        yield from _on_call(case, state, "update")


def _on_call(case: Case, state: DeskState, kind: Kind) -> Iterable[Reader]:
    asset = state.catalog.asset_by_id.get(case.asset)
    person = on_call(state.catalog, asset, "engineering", case.updated_at)
    if person is not None:
        yield Reader(person, kind, "engineering", urgent=True)


def _owners(case: Case, kind: Kind, *, urgent: bool = False) -> Iterable[Reader]:
    for task in (case.engineering, case.sales):
        if task is not None:
            yield Reader(task.owner, kind, task.side, urgent=urgent)


def _sales_side(event: SalesSideOpened, _case: Case, _state: DeskState) -> Iterable[Reader]:
    yield Reader(event.sales.owner, "new", "sales")


def _handed_over(event: TaskChanged, _case: Case, _state: DeskState) -> Iterable[Reader]:
    if event.new_owner:
        yield Reader(event.task.owner, "new", event.task.side)


def _aged(event: ClockAged, case: Case, _state: DeskState) -> Iterable[Reader]:
    task = case.task(event.side)
    if event.escalated_to is not None:
        yield Reader(event.escalated_to, "escalation", event.side, event.percent)
    if task is not None:
        yield Reader(task.owner, "reminder", event.side, event.percent)


def _cleared(event: CaseCleared, case: Case, _state: DeskState) -> Iterable[Reader]:
    if event.retraction and case.sales is not None:
        yield Reader(case.sales.owner, "retraction", "sales")
    yield from _owners(case, "cleared")


def _waived_on(_event: WaiverRenewed, case: Case, _state: DeskState) -> Iterable[Reader]:
    yield Reader(case.engineering.owner, "reminder", "engineering")


_TELL: dict[type, Callable[[Any, Case, DeskState], Iterable[Reader]]] = {
    CaseOpened: _opened,
    FactsUpdated: _moved,
    SalesSideOpened: _sales_side,
    TaskChanged: _handed_over,
    ClockAged: _aged,
    CaseCleared: _cleared,
    WaiverRenewed: _waived_on,
}
