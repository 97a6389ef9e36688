"""Confirm finding: the engineer has looked and stands behind what the customer may be told."""

from bridge.cases.acts.signature import Act, Asked, missing


def _incomplete(asked: Asked) -> str | None:
    return missing(asked, finding="what was found")


ACT = Act(sides=("engineering",), incomplete=_incomplete)
