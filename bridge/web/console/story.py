"""The timeline of a case: each event as who, when and what."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.cases.events import (
    Acted,
    ActRefused,
    AnomalyJoined,
    CaseCleared,
    CaseClosed,
    CaseOpened,
    ClockAged,
    Event,
    EventBase,
    FactsUpdated,
    GapClosed,
    GapOpened,
    RepairRecorded,
    SalesSideOpened,
    SeverityChanged,
    TaskChanged,
    TroubleBegan,
    TroubleEnded,
    WaiverRenewed,
)
from bridge.flow.ports import Sending, StoredEvent
from bridge.model.catalog import Catalog
from bridge.web.console.saying import Say

MACHINES = ("detection", "clock", "outbox", "catalog")


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline.

    Parameters
    ----------
    kind : str
        machine, person, refused or told: how it is drawn.
    quotes : tuple of str
        What a person typed, word for word.
    """

    at: datetime
    who: str
    what: str
    kind: str
    quotes: tuple[str, ...] = ()


def timeline(
    events: list[StoredEvent], sendings: list[Sending], catalog: Catalog, say: Say
) -> list[Moment]:
    """Return what happened in a case and who was told, the newest first."""
    moments = [
        _moment(each.event, catalog, say)
        for each in events
        if not is_small(each.event) and not _follows_an_act(each.event)
    ]
    moments += _told(sendings, catalog, say)
    return sorted(moments, key=lambda each: each.at, reverse=True)


def is_small(event: Event) -> bool:
    """Tell whether an event only moved the dates a little, which owners are not told either."""
    return isinstance(event, FactsUpdated) and not event.material


def _follows_an_act(event: Event) -> bool:
    """Tell whether an event only carries on a person's act, which stands there itself."""
    return isinstance(event, TaskChanged) and event.by not in MACHINES


def name_of(catalog: Catalog, person: str, say: Say) -> str:
    """Return a person's name, or the word for a part of the service."""
    if person in MACHINES:
        return say.t(person)
    known = catalog.person_by_id.get(person)
    return known.name if known else person


def _moment(event: Event, catalog: Catalog, say: Say) -> Moment:
    kind = "machine" if event.by in MACHINES else "person"
    if isinstance(event, ActRefused):
        kind = "refused"
    quotes: tuple[str, ...] = ()
    if isinstance(event, Acted):
        typed = (event.finding, event.action, event.told, event.reason, event.note)
        quotes = tuple(text for text in typed if text)
    if isinstance(event, RepairRecorded):
        quotes = tuple(text for text in (event.finding, event.action) if text)
    return Moment(
        event.at, name_of(catalog, event.by, say), _what(event, catalog, say), kind, quotes
    )


def _what(event: Event, catalog: Catalog, say: Say) -> str:
    words = _WORDS.get(type(event))
    return words(event, catalog, say) if words else say.t(event.type)


def _acted(event: Acted, _catalog: Catalog, say: Say) -> str:
    text = say.t(f"did:{event.do}")
    return f"{text} {say.moment(event.until)}" if event.until else text


def _refused(event: ActRefused, _catalog: Catalog, say: Say) -> str:
    return say.t(
        "{act} was refused ({status}): {reason}",
        act=say.t(f"do:{event.do}"),
        status=event.status,
        reason=event.reason,
    )


def _dated(event: CaseOpened | FactsUpdated, _catalog: Catalog, say: Say) -> str:
    facts = event.facts
    first = isinstance(event, CaseOpened)
    if facts.p10 is None or facts.p50 is None or facts.p90 is None:
        return say.t("The case opened; no date yet.") if first else say.t("No date any more.")
    text = (
        "The case opened: failure 10 % by {p10}, 50 % by {p50}, 90 % by {p90}."
        if first
        else "The dates moved: 10 % by {p10}, 50 % by {p50}, 90 % by {p90}."
    )
    dates = {"p10": facts.p10, "p50": facts.p50, "p90": facts.p90}
    return say.t(text, **{key: say.day(when, facts.timezone) for key, when in dates.items()})


def _task(event: TaskChanged | SalesSideOpened, catalog: Catalog, say: Say) -> str:
    task = event.task if isinstance(event, TaskChanged) else event.sales
    text = say.t(
        "{side}: {state}, owner {owner}",
        side=say.t(f"side:{task.side}"),
        state=say.t(task.state),
        owner=name_of(catalog, task.owner, say),
    )
    if task.waiting_on:
        return text + ", " + say.t("waiting on {side}", side=say.t(task.waiting_on))
    if task.due is not None and task.state != "done":
        return text + ", " + say.t("due {when}", when=say.moment(task.due))
    return text


def _aged(event: ClockAged, catalog: Catalog, say: Say) -> str:
    text = say.t(
        "{side}: {percent} % of the time is used up",
        side=say.t(f"side:{event.side}"),
        percent=event.percent,
    )
    if event.escalated_to is None:
        return text
    name = name_of(catalog, event.escalated_to, say)
    return text + ", " + say.t("escalated to {name}", name=name)


def _cleared(event: CaseCleared, _catalog: Catalog, say: Say) -> str:
    head = "False alarm." if event.false_alarm else "The prediction no longer holds."
    tail = " " + say.t("The customer was told, so a retraction is due.")
    return say.t(head) + (tail if event.retraction else "")


def _gap_opened(event: GapOpened, catalog: Catalog, say: Say) -> str:
    return say.t(
        "Ownership gap ({kind}): {owner} stands in.",
        kind=say.t(event.kind),
        owner=name_of(catalog, event.owner, say),
    )


def _gap_closed(event: GapClosed, _catalog: Catalog, say: Say) -> str:
    return say.t("The ownership gap ({kind}) is filled.", kind=say.t(event.kind))


def _severity(event: SeverityChanged, _catalog: Catalog, say: Say) -> str:
    return say.t("The priority is now {severity}.", severity=say.t(event.severity))


def _joined(event: AnomalyJoined, _catalog: Catalog, say: Say) -> str:
    return say.t("A further anomaly of {asset} joined.", asset=event.asset)


def _waived(event: WaiverRenewed, _catalog: Catalog, say: Say) -> str:
    return say.t("The waiver holds until {when}.", when=say.day(event.waiver.until))


def _trouble(event: TroubleBegan, _catalog: Catalog, say: Say) -> str:
    return say.t("Trouble in the service: {detail}", detail=event.detail)


def _over(event: TroubleEnded, _catalog: Catalog, say: Say) -> str:
    return say.t("The trouble is over: {detail}", detail=event.detail)


def _plain(text: str) -> Callable[[Any, Catalog, Say], str]:
    return lambda _event, _catalog, say: say.t(text)


_WORDS: dict[type[EventBase], Callable[[Any, Catalog, Say], str]] = {
    Acted: _acted,
    ActRefused: _refused,
    AnomalyJoined: _joined,
    CaseCleared: _cleared,
    CaseClosed: _plain("The case is closed."),
    CaseOpened: _dated,
    ClockAged: _aged,
    FactsUpdated: _dated,
    GapClosed: _gap_closed,
    GapOpened: _gap_opened,
    RepairRecorded: _plain("A repair was recorded."),
    SalesSideOpened: _task,
    SeverityChanged: _severity,
    TaskChanged: _task,
    TroubleBegan: _trouble,
    TroubleEnded: _over,
    WaiverRenewed: _waived,
}
"""What to say of each kind of event; one that is not here stands by its name."""


def _told(sendings: list[Sending], catalog: Catalog, say: Say) -> list[Moment]:
    """Return one line for all who were told the same at one time."""
    groups: dict[tuple[datetime, str, str, str], list[str]] = {}
    for each in sendings:
        told = each.notification
        key = (told.at, told.channel.partition(":")[0], told.kind, each.state)
        groups.setdefault(key, []).append(name_of(catalog, told.to, say))
    return [
        Moment(
            at,
            say.t("outbox"),
            say.t(
                "To {names} by {channel} ({kind}): {state}",
                names=", ".join(sorted(set(names))),
                channel=say.t(channel),
                kind=say.t(f"kind:{kind}"),
                state=say.t(f"sending:{state}"),
            ),
            "told",
        )
        for (at, channel, kind, state), names in groups.items()
    ]
