"""False alarm: nothing is wrong, and why; a customer who was told is owed a retraction."""

from uuid import UUID

from bridge.cases.acts.signature import Act, Asked, missing
from bridge.cases.acts.standing import gate_taken_back
from bridge.cases.draft import Draft
from bridge.cases.ending import end_case


def _incomplete(asked: Asked) -> str | None:
    return missing(asked, reason="why it is a false alarm")


def _end(draft: Draft, case: UUID, asked: Asked) -> None:
    end_case(draft, case, reason=asked.request.reason, false_alarm=True)


ACT = Act(sides=("engineering",), incomplete=_incomplete, gate=gate_taken_back, effect=_end)
