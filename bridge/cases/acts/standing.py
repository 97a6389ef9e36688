"""Gates that several acts share."""

from bridge.cases.acts.signature import Asked


def gate_taken_back(asked: Asked) -> str | None:
    """Refuse work on a case that is over but for what the customer still believes."""
    if asked.case.side_state == "retraction-due":
        return "the case has ended; the customer is still owed a retraction"
    return None
