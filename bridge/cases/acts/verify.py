"""Verify: the work helped. There has to be work to verify."""

from bridge.cases.acts.signature import Act, Asked
from bridge.cases.acts.standing import gate_taken_back


def _gate(asked: Asked) -> str | None:
    if asked.case.state not in {"executed", "verified"}:
        return "nothing has been executed yet"
    return gate_taken_back(asked)


ACT = Act(sides=("engineering",), gate=_gate)
