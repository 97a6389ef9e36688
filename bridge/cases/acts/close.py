"""Close: with finding, action and what the customer was told - an empty close is none.

A case whose customer still believes in a failure that will not come stays open until the
retraction was told.
"""

from uuid import UUID

from bridge.cases.acts.signature import BOTH, Act, Asked, missing
from bridge.cases.acts.standing import gate_taken_back
from bridge.cases.draft import Draft


def _incomplete(asked: Asked) -> str | None:
    return missing(
        asked,
        finding="what was found",
        action="what was done",
        told="what the customer was told, or that nothing was",
    )


def _close(draft: Draft, case: UUID, asked: Asked) -> None:
    draft.close(case, f"closed by {asked.request.by}")


ACT = Act(sides=BOTH, incomplete=_incomplete, gate=gate_taken_back, effect=_close)
