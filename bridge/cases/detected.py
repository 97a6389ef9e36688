"""What the desk makes of detection's words: a case opens, moves or ends - or nothing happens.

A word older than what was heard of the same asset and mode came late and changes nothing, so
that duplicates and reordering make no second case (law 9).
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bridge.cases.audit import fingerprint
from bridge.cases.draft import Draft
from bridge.cases.ending import end_case
from bridge.cases.events import FactsUpdated
from bridge.cases.facts import facts_of, same_but_time
from bridge.cases.grouping import join
from bridge.cases.material import is_material, is_news
from bridge.cases.opening import open_case, open_sales_side, waiver_reason
from bridge.cases.severity import ORDER, severity_of
from bridge.model.case import Case
from bridge.model.detections import Anomaly, Cleared, Detection, Prediction
from bridge.model.values import UNKNOWN_MODE, Severity


def on_detection(draft: Draft, said: Detection) -> None:
    """Decide on one detection.

    Data-quality and connectivity words never reach a case: only a machine fault may reach a
    customer, and a dead sensor or a silent device is none (the four conditions told apart).
    """
    decide = _DECIDE.get(type(said))
    if decide is not None:
        decide(draft, said)


def _predicted(draft: Draft, said: Prediction) -> None:
    case = _case_for(draft, said)
    if _late(draft, said, case):
        return
    if case is None:
        if not _same_rise(draft, said):
            open_case(draft, said)
    elif case.side_state is None:
        _update(draft, case, said)


def _case_for(draft: Draft, said: Prediction) -> Case | None:
    """Return the open case that a prediction is about.

    Its own mode's; else, since one machine's trouble is first seen and then understood, the
    asset's case of an unknown pattern or of a bare anomaly. A pattern that matches none (any
    more) while a case with a mode is open is about that case.
    """
    state = draft.state
    exact = state.case_of(said.asset, said.mode)
    if exact is not None:
        return exact
    if said.mode == UNKNOWN_MODE:
        named = [case for case in state.cases_of(said.asset) if case.mode is not None]
        if named:
            return named[-1]
    else:
        unknown = state.case_of(said.asset, UNKNOWN_MODE)
        # What an engineer confirmed or a customer was told is not renamed under their hands.
        if unknown is not None and unknown.told_at is None and not unknown.finding_confirmed:
            return unknown
    return state.case_of(said.asset, None)


def _late(draft: Draft, said: Prediction, case: Case | None) -> bool:
    """Return whether something newer was heard; of two at once the earlier P50 counts."""
    newest = draft.state.heard.get((said.asset, said.mode))
    if newest is None or said.at > newest:
        return False
    if said.at < newest or case is None:
        return True
    known = case.facts.p50
    return said.p50 is None or (known is not None and said.p50 >= known)


QUIET_DAYS: dict[Severity, float] = {"low": 30, "medium": 14, "high": 7, "critical": 2}
"""How long a judged rise stays quiet: the nearer the failure, the sooner people look again."""


def _same_rise(draft: Draft, said: Prediction) -> bool:
    """Return whether a person ended an episode of this very rise, and it got no worse since.

    Detection goes on seeing what somebody called a false alarm. A new rise, a higher severity
    than the one that was judged, or the same after `QUIET_DAYS` is a recurrence. Without an
    onset a prediction counts as new.
    """
    ending = draft.state.endings.get((said.asset, said.mode))
    if ending is None or said.onset is None or said.onset > ending.at:
        return False
    if draft.now - ending.at > timedelta(days=QUIET_DAYS[ending.severity]):
        return False
    facts = facts_of(said, draft.catalog, draft.now)
    severity = severity_of(facts, draft.now, draft.catalog.policy)
    return ORDER.index(severity) <= ORDER.index(ending.severity)


def _update(draft: Draft, case: Case, said: Prediction) -> None:
    if waiver_reason(said) is not None:
        return  # Poor data and a learning baseline move no date of an open case.
    keep_mode = case.mode if said.mode == UNKNOWN_MODE and case.mode else None
    facts = same_but_time(case.facts, facts_of(said, draft.catalog, draft.now, keep_mode))
    if case.waiver is None and not is_news(case.facts, facts, draft.now):
        return
    share = draft.catalog.policy.material_change
    renamed = facts.mode != case.mode
    before = draft.state.episodes.get((case.asset, facts.mode))
    stop = facts.advice == "stop" and case.facts.advice != "stop"
    draft.emit(
        FactsUpdated,
        case=case.id,
        facts=facts,
        facts_hash=fingerprint(facts),
        severity=severity_of(facts, draft.now, draft.catalog.policy),
        material=renamed or stop or is_material(case.told_p50, facts.p50, draft.now, share),
        episode=(before.number + 1 if before else 1) if renamed else None,
        previous=before.case if before and renamed else None,
        stop=stop,
        heard=said.mode,
        heard_at=said.at,
    )
    if case.waiver is not None:
        open_sales_side(draft, case.id)
    draft.move(case.id)


def _anomalous(draft: Draft, said: Anomaly) -> None:
    newest = draft.state.heard.get((said.asset, None))
    if newest is not None and said.at <= newest:
        return
    if not join(draft, said):
        open_case(draft, said)


def _cleared(draft: Draft, said: Cleared) -> None:
    case = draft.state.case_of(said.asset, said.mode)
    if case is None and said.mode == UNKNOWN_MODE:
        # The pattern lost its name on an open case, and now the rise itself is gone.
        named = draft.state.cases_of(said.asset)
        case = next(
            (each for each in named if draft.state.notes[each.id].heard == UNKNOWN_MODE), None
        )
    newest = draft.state.heard.get((said.asset, said.mode))
    if case is None or case.side_state is not None or (newest is not None and said.at < newest):
        return
    end_case(draft, case.id, reason=said.reason or "cleared", heard_at=said.at)


_DECIDE: dict[type[Detection], Callable[[Draft, Any], None]] = {
    Prediction: _predicted,
    Anomaly: _anomalous,
    Cleared: _cleared,
}
