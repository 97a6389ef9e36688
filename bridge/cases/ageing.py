"""When time alone changes a case: clocks at 50, 80 and 100 %, severity, end of a waiver."""

from datetime import datetime
from typing import Literal

from bridge.cases.clocks import share_times
from bridge.cases.notes import Notes
from bridge.cases.severity import changes_at, severity_of
from bridge.model.case import Case, Task
from bridge.model.catalog import Catalog
from bridge.model.values import Side

Percent = Literal[50, 80, 100]
LAST: Percent = 100
STAGES: tuple[Percent, ...] = (50, 80, LAST)
"""The first two remind the owner, the third goes to the lead."""

SIDES: tuple[Side, ...] = ("engineering", "sales")


def stage_of(
    task: Task, notes: Notes, catalog: Catalog, now: datetime
) -> tuple[Percent | None, datetime | None]:
    """Return the stage a task's clock has newly reached, and when the next one comes.

    A side that waits for the other has no clock of its own: the other side's runs.
    """
    told = notes.aged.get(task.side, 0)
    if task.due is None or task.waiting_on is not None or task.state == "done" or told >= LAST:
        return None, None
    person = catalog.person_by_id.get(task.owner)
    ahead = [stage for stage in STAGES if stage > told]
    shares = tuple(stage / 100 for stage in ahead)
    reached: Percent | None = None
    times = share_times(person, notes.since[task.side], task.due, shares)
    for stage, at in zip(ahead, times, strict=True):
        if at > now:
            return reached, at
        reached = stage
    return reached, None


def wake_of(case: Case, notes: Notes, catalog: Catalog, now: datetime) -> datetime | None:
    """Return the next instant at which a tick has something to do for a case, or None."""
    times: list[datetime] = []
    for side in SIDES:
        task = case.task(side)
        if task is not None:
            reached, next_at = stage_of(task, notes, catalog, now)
            times += [now] if reached else []
            times += [next_at] if next_at else []
    if case.side_state is None:  # a case that is over but for the retraction gets no worse
        if case.severity != severity_of(case.facts, now, catalog.policy):
            times.append(now)
        times += [at for at in changes_at(case.facts, catalog.policy) if at > now]
    if case.waiver is not None:
        times.append(case.waiver.until)
    return min(times, default=None)
