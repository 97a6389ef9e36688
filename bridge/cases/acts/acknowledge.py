"""Acknowledge: a side has seen its task; a coordinator may say so for either side."""

from bridge.cases.acts.signature import BOTH, Act, Asked


def _no_task(asked: Asked) -> str | None:
    if asked.case.task(asked.side) is None:
        return f"the case has no {asked.side} task: it is waived"
    return None


ACT = Act(sides=BOTH, coordinator=True, gate=_no_task)
