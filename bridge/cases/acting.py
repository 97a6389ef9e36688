"""What the desk makes of a person's act: the checks in their one order, record and effect.

403 comes first (also for a person the tenant does not know), then 409 where no case is open,
then 422 for what is missing, then 409 for what has to happen first. A refused act is recorded,
too.
"""

from typing import Literal, NamedTuple

from bridge.cases.acts.registry import ACTS
from bridge.cases.acts.signature import Act, Asked
from bridge.cases.draft import Acting, Draft
from bridge.cases.events import Acted, ActRefused
from bridge.cases.inputs import ActRequested
from bridge.model.case import Case
from bridge.model.catalog import Person
from bridge.model.values import Side


class Refusal(NamedTuple):
    """Why an act was refused: 403 not yours, 409 not now, 422 not complete."""

    status: Literal[403, 409, 422]
    reason: str


def on_act(draft: Draft, request: ActRequested) -> None:
    """Record an act and what follows from it, or record that it was refused."""
    case = _named(draft, request)
    checked = _check(draft, request, case)
    if isinstance(checked, Refusal):
        draft.emit(
            ActRefused,
            case=case.id if case else request.case,
            do=request.do,
            status=checked.status,
            reason=checked.reason,
        )
        return
    _record(draft, checked)
    ACTS[request.do].effect(draft, checked.case.id, checked)
    if draft.case(checked.case.id).state != "closed":
        draft.move(checked.case.id, _acting(checked))


def _named(draft: Draft, request: ActRequested) -> Case | None:
    if request.case is not None:
        return draft.state.cases.get(request.case)
    if request.asset is None:
        return None
    return draft.state.case_of(request.asset, request.mode)


def _check(draft: Draft, request: ActRequested, case: Case | None) -> Asked | Refusal:
    act = ACTS[request.do]
    side = _side(draft.catalog.person_by_id.get(request.by), act, request)
    if isinstance(side, Refusal):
        return side
    if case is None:
        return Refusal(409, "there is no open case to act on")
    asked = Asked(request, case, side)
    incomplete = act.incomplete(asked)
    if incomplete:
        return Refusal(422, incomplete)
    closed = act.gate(asked)
    return Refusal(409, closed) if closed else asked


def _side(person: Person | None, act: Act, request: ActRequested) -> Side | Refusal:
    if person is None:
        return Refusal(403, f"{request.by} is nobody this tenant knows")
    if person.role == "coordinator" and act.coordinator:
        return request.side or "engineering"
    if person.side is not None and person.side in act.sides:
        return person.side
    whose = " or ".join(act.sides)
    return Refusal(403, f"{request.do} belongs to {whose}, not to the role {person.role}")


def _record(draft: Draft, asked: Asked) -> None:
    request, case = asked.request, asked.case
    reason = request.reason
    if request.do == "inform" and case.facts.advice == "stop" and not case.message_confirmed:
        words = "stop advice: told on the engineer's confirmation alone"
        reason = f"{reason} ({words})" if reason else words
    draft.emit(
        Acted,
        case=case.id,
        do=request.do,
        side=asked.side,
        asset=case.asset,
        mode=case.mode,
        reason=reason,
        finding=request.finding,
        action=request.action,
        told=request.told,
        until=request.until,
        note=request.note,
    )


def _acting(asked: Asked) -> Acting | None:
    """Let the first act of a side acknowledge its task; a plan sets when the work is due."""
    task = asked.case.task(asked.side)
    if task is None:
        return None
    do = asked.request.do
    if do != "acknowledge":
        until = asked.request.until if do == "plan" else None
        return Acting(asked.side, "waiting" if task.waiting_on else "in-progress", until)
    return Acting(asked.side, "acknowledged" if task.state == "created" else task.state)
