"""Execute: the work was done, planned or not; an emergency repair is recorded like any."""

from bridge.cases.acts.signature import Act, Asked, missing
from bridge.cases.acts.standing import gate_taken_back


def _incomplete(asked: Asked) -> str | None:
    return missing(asked, action="what was done")


ACT = Act(sides=("engineering",), incomplete=_incomplete, gate=gate_taken_back)
