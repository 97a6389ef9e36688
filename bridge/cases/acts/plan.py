"""Plan: what will be done, and until when; after a repair that did not help, once more."""

from bridge.cases.acts.signature import Act, Asked, missing
from bridge.cases.acts.standing import gate_taken_back


def _incomplete(asked: Asked) -> str | None:
    return missing(asked, action="what will be done")


ACT = Act(sides=("engineering",), incomplete=_incomplete, gate=gate_taken_back)
