"""The case desk's one decision: an input and the state in, events out.

Theory of operation. `decide` reads the state and returns what happened; `evolve` (in `state`)
is the only one who writes it. Every kind of input has a module of its own; inside it a `Draft`
collects events and knows how the cases stand after them. What must be sent follows from the
events (`letters.follow`), so a decision that is stored is complete.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from bridge.cases.acting import on_act
from bridge.cases.adopting import on_catalog
from bridge.cases.detected import on_detection
from bridge.cases.draft import Draft
from bridge.cases.events import (
    Acted,
    ActRefused,
    Event,
    GapClosed,
    GapOpened,
    RepairRecorded,
    TroubleBegan,
    TroubleEnded,
)
from bridge.cases.inputs import (
    ActRequested,
    CatalogChanged,
    DeliveryEnded,
    Detected,
    Input,
    InputBase,
    Repaired,
    Ticked,
    TroubleSeen,
)
from bridge.cases.owners import Gap, fallback
from bridge.cases.state import DeskState
from bridge.cases.ticking import on_tick


def decide(input_: Input, state: DeskState) -> tuple[Event, ...]:
    """Return what an input leads to; nothing where it was handled before or is no news.

    Pure: the same input and state give the same events, with the same ids.
    """
    if input_.id in state.handled:
        return ()
    assert input_.tenant == state.tenant, "an input of another tenant is never this desk's"
    by, handle = _HANDLERS[type(input_)]
    draft = Draft(state, input_, by(input_))
    handle(draft, input_)
    return tuple(draft.events)


class Answer(NamedTuple):
    """How an input ended, for whoever waits: 200, or 403 / 409 / 422 with the reason."""

    status: int
    reason: str
    case: UUID | None


def answer_of(events: Sequence[Event]) -> Answer:
    """Return the answer that a decision's events give."""
    for event in events:
        if isinstance(event, ActRefused):
            return Answer(event.status, event.reason, event.case)
    acted = next((event for event in events if isinstance(event, Acted)), None)
    first = acted or next((event for event in events if event.case), None)
    return Answer(200, "", first.case if first else None)


def _detected(draft: Draft, input_: Detected) -> None:
    on_detection(draft, input_.detection)


def _repaired(draft: Draft, input_: Repaired) -> None:
    case = next(
        (
            case
            for case in draft.state.cases_of(input_.asset)
            if input_.mode is None or case.mode == input_.mode
        ),
        None,
    )
    draft.emit(
        RepairRecorded,
        case=case.id if case else None,
        asset=input_.asset,
        mode=input_.mode,
        finding=input_.finding,
        action=input_.action,
    )


def _delivered(draft: Draft, input_: DeliveryEnded) -> None:
    """Show a person who cannot be reached as a gap, until something reaches them again."""
    gap = Gap("channel-dead", f"{input_.to}/{input_.channel}")
    known = gap in draft.state.gaps
    if input_.state == "dead" and not known:
        person = draft.catalog.person_by_id.get(input_.to)
        side = (person.side if person else None) or "engineering"
        owner = fallback(draft.catalog, side, draft.now)
        draft.emit(GapOpened, case=input_.case, kind=gap.kind, on=gap.on, owner=owner)
    elif input_.state == "sent" and known:
        draft.emit(GapClosed, case=input_.case, kind=gap.kind, on=gap.on)


def _troubled(draft: Draft, input_: TroubleSeen) -> None:
    """Tell of a trouble once when it begins and once when it is over."""
    known = (input_.kind, input_.on) in draft.state.troubles
    if input_.active != known:
        kind = TroubleBegan if input_.active else TroubleEnded
        draft.emit(kind, kind=input_.kind, on=input_.on, detail=input_.detail)


def _ticked(draft: Draft, _input: Ticked) -> None:
    on_tick(draft)


def _said_by(name: str) -> Callable[[Any], str]:
    return lambda _input: name


def _person(input_: ActRequested | Repaired) -> str:
    return input_.by


_HANDLERS: dict[type[InputBase], tuple[Callable[[Any], str], Callable[[Draft, Any], None]]] = {
    Detected: (_said_by("detection"), _detected),
    ActRequested: (_person, on_act),
    Repaired: (_person, _repaired),
    CatalogChanged: (_said_by("catalog"), on_catalog),
    DeliveryEnded: (_said_by("outbox"), _delivered),
    TroubleSeen: (_said_by("lookout"), _troubled),
    Ticked: (_said_by("clock"), _ticked),
}
