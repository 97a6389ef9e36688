"""What the passing of time does: clocks age, severities rise, waivers end."""

from datetime import timedelta

from bridge.cases.ageing import LAST, SIDES, stage_of
from bridge.cases.draft import Draft
from bridge.cases.events import ClockAged, SeverityChanged, WaiverRenewed
from bridge.cases.opening import WAIVER_DAYS
from bridge.cases.owners import lead_of
from bridge.cases.severity import severity_of
from bridge.model.case import Case
from bridge.model.values import Side


def on_tick(draft: Draft) -> None:
    """Look at every case for which something falls due by now, and at no other."""
    due = [case for case, at in draft.state.wakes.items() if at <= draft.now]
    for case_id in due:
        case = draft.state.cases[case_id]
        for side in SIDES:
            _age(draft, case, side)
        severity = severity_of(case.facts, draft.now, draft.catalog.policy)
        if severity != case.severity and case.side_state is None:
            draft.emit(SeverityChanged, case=case_id, severity=severity)
        if case.waiver is not None and case.waiver.until <= draft.now:
            _renew(draft, case)


def _age(draft: Draft, case: Case, side: Side) -> None:
    task = case.task(side)
    if task is None:
        return
    reached, _ = stage_of(task, draft.state.notes[case.id], draft.catalog, draft.now)
    if reached is None:
        return
    lead = lead_of(draft.catalog, side, draft.now) if reached == LAST else None
    draft.emit(ClockAged, case=case.id, side=side, percent=reached, escalated_to=lead)


def _renew(draft: Draft, case: Case) -> None:
    """Renew a waiver whose reason still holds: good data would have ended it before."""
    assert case.waiver is not None
    until = draft.now + timedelta(days=WAIVER_DAYS)
    waiver = case.waiver.model_copy(update={"until": until, "by": draft.by})
    draft.emit(WaiverRenewed, case=case.id, waiver=waiver)
