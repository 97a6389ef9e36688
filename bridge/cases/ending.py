"""How a case ends without a close: cleared by detection, or a false alarm by an engineer."""

from datetime import datetime
from uuid import UUID

from bridge.cases.draft import Draft
from bridge.cases.events import CaseCleared


def end_case(
    draft: Draft,
    case_id: UUID,
    *,
    reason: str,
    false_alarm: bool = False,
    heard_at: datetime | None = None,
) -> None:
    """End an untold case; a told one stays open until the customer knows better.

    A machine that was repaired clears because of it: prevented is not false, so nothing has to
    be taken back. Where the work was done the case waits for people to verify and close it.
    """
    case = draft.case(case_id)
    repaired = draft.state.notes[case_id].repaired and not false_alarm
    told = case.told_at is not None
    retraction = told and not repaired
    draft.emit(
        CaseCleared,
        case=case_id,
        reason=reason,
        false_alarm=false_alarm,
        retraction=retraction,
        heard_at=heard_at,
    )
    if retraction:
        draft.move(case_id)
    elif not told and not (repaired and case.state in {"executed", "verified"}):
        draft.close(case_id, reason)
