"""What each side of a case does next, and by when: one step, or waiting on the other side.

The keys of steps are a closed set (`STEPS`); wording turns each into a sentence per role.

=============== =========== =======================================================
step            side        what
=============== =========== =======================================================
confirm-finding engineering look at the machine's evidence and confirm the finding
plan            engineering say what will be done and when
execute         engineering do it
verify          engineering check that it helped
confirm-message sales       confirm what the customer will be told
inform          sales       tell the customer (waiting, until the engineer confirmed)
follow-up       sales       tell the customer how it went (waiting on the work)
retract         sales       take back what the customer still believes
close           both        close with finding, action and what the customer was told
none            both        nothing; the case is over
=============== =========== =======================================================
"""

from dataclasses import dataclass
from datetime import datetime

from bridge.cases.clocks import after_working
from bridge.model.case import Case, Task, TaskState
from bridge.model.catalog import Catalog, Policy
from bridge.model.values import Side

STEPS = (
    "confirm-finding",
    "plan",
    "execute",
    "verify",
    "confirm-message",
    "inform",
    "follow-up",
    "retract",
    "close",
    "none",
)

OTHER: dict[Side, Side] = {"engineering": "sales", "sales": "engineering"}

ALLOWANCE = {"plan": 2.0, "execute": 10.0, "verify": 4.0, "close": 4.0}
"""Time for a step as a multiple of the side's time to acknowledge; 1 where it is not here."""

BEFORE_FAILURE = ("confirm-finding", "plan", "execute", "confirm-message", "inform")
"""Steps that are too late after the latest safe date."""


@dataclass(frozen=True, slots=True)
class Step:
    """A side's next step; `waiting_on` while the other side has to move first."""

    key: str
    waiting_on: Side | None = None


def step_of(case: Case, side: Side) -> Step:
    """Return the one next step of a side of an open case."""
    return _engineering(case) if side == "engineering" else _sales(case)


def _engineering(case: Case) -> Step:
    if case.side_state == "retraction-due":
        return Step("close", waiting_on="sales")
    if case.state == "executed":
        return Step("verify")
    if case.state == "verified":
        return Step("close")
    if not case.finding_confirmed:
        return Step("confirm-finding")
    return Step("execute") if case.state == "planned" else Step("plan")


def _sales(case: Case) -> Step:
    if case.side_state == "retraction-due":
        return Step("retract")
    if case.state == "verified":
        return Step("close")
    if case.told_at is not None:
        return Step("follow-up", waiting_on="engineering")
    stop = case.facts.advice == "stop"
    if case.message_confirmed or (stop and case.finding_confirmed):
        return Step("inform", waiting_on=None if case.finding_confirmed else "engineering")
    return Step("confirm-message")


def moved(
    case: Case,
    side: Side,
    catalog: Catalog,
    now: datetime,
    state: TaskState | None = None,
) -> Task | None:
    """Return a side's task as it has to be now, or None where there is none or nothing changes.

    Parameters
    ----------
    state : TaskState or None
        State that the side's own act has given its task.

    Notes
    -----
    A due time stands until the step changes; a side that waits is due when the other side is.
    """
    task = case.task(side)
    if task is None or task.state == "done":
        return None
    step = step_of(case, side)
    update: dict[str, object] = {"next_action": step.key, "waiting_on": step.waiting_on}
    now_in = state or task.state
    if step.key != task.next_action or step.waiting_on != task.waiting_on:
        update["due"] = _due(case, task, step, catalog, now)
        update["waiting_since"] = now if step.waiting_on else None
        if now_in != "created":
            now_in = "waiting" if step.waiting_on else "in-progress"
    elif step.waiting_on is not None:
        update["due"] = _due(case, task, step, catalog, now)
    new = task.model_copy(update={**update, "state": now_in})
    return new if new != task else None


def _due(
    case: Case, task: Task, step: Step, catalog: Catalog, now: datetime
) -> datetime | None:
    if step.waiting_on is not None:
        other = case.task(step.waiting_on)
        return other.due if other else None
    person = catalog.person_by_id.get(task.owner)
    due = after_working(person, now, allowance_h(step.key, task.side, catalog.policy))
    act_by = case.facts.act_by
    if step.key in BEFORE_FAILURE and act_by is not None and act_by > now:
        return min(due, act_by)
    return due


def allowance_h(step: str, side: Side, policy: Policy) -> float:
    """Return the working hours of the owner that a step may take."""
    hours = policy.acknowledge_h
    base = hours.engineering if side == "engineering" else hours.sales
    return base * ALLOWANCE.get(step, 1.0)
