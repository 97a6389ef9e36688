"""How one event changes one case: the only place where a case's fields are written."""

from collections.abc import Callable
from typing import Any

from bridge.cases.events import (
    Acted,
    CaseCleared,
    CaseClosed,
    CaseOpened,
    EventBase,
    FactsUpdated,
    SalesSideOpened,
    SeverityChanged,
    TaskChanged,
    WaiverRenewed,
)
from bridge.model.case import Case, CaseState, Task

Changes = dict[str, Any]


def opened(event: CaseOpened) -> Case:
    """Return the case that an opening event stands for."""
    assert event.case is not None
    return Case(
        id=event.case,
        number=event.number,
        tenant=event.tenant,
        asset=event.asset,
        account=event.account,
        mode=event.mode,
        episode=event.episode,
        previous=event.previous,
        opened_at=event.at,
        updated_at=event.at,
        severity=event.severity,
        facts=event.facts,
        facts_hash=event.facts_hash,
        told_p50=event.facts.p50,
        engineering=event.engineering,
        sales=event.sales,
        waiver=event.waiver,
    )


def applied(case: Case, event: EventBase) -> Case:
    """Return a case after an event about it, unchanged where the event writes no field."""
    change = _CHANGES.get(type(event))
    if change is None:
        return case
    return case.model_copy(update={**change(case, event), "updated_at": event.at})


def _facts(_case: Case, event: FactsUpdated) -> Changes:
    changes: Changes = {
        "facts": event.facts,
        "facts_hash": event.facts_hash,
        "severity": event.severity,
    }
    if event.material:
        changes["told_p50"] = event.facts.p50
    if event.episode is not None:
        changes |= {
            "mode": event.facts.mode,
            "episode": event.episode,
            "previous": event.previous,
        }
    return changes


def _sales(_case: Case, event: SalesSideOpened) -> Changes:
    return {"sales": event.sales, "waiver": None}


def _severity(_case: Case, event: SeverityChanged) -> Changes:
    return {"severity": event.severity}


def _waiver(_case: Case, event: WaiverRenewed) -> Changes:
    return {"waiver": event.waiver}


def _task(_case: Case, event: TaskChanged) -> Changes:
    return {event.task.side: event.task}


def _cleared(_case: Case, event: CaseCleared) -> Changes:
    return {"side_state": "retraction-due"} if event.retraction else {}


def _closed(case: Case, event: CaseClosed) -> Changes:
    return {
        "state": "closed",
        "side_state": None,
        "closed_at": event.at,
        "engineering": _over(case.engineering),
        "sales": _over(case.sales) if case.sales else None,
    }


def _over(task: Task) -> Task:
    return task.model_copy(
        update={
            "state": "done",
            "next_action": "none",
            "waiting_on": None,
            "waiting_since": None,
            "due": None,
        }
    )


def _acted(case: Case, event: Acted) -> Changes:
    return _ACTS[event.do](case, event) if event.do in _ACTS else {}


def _confirmed_finding(case: Case, event: Acted) -> Changes:
    return {
        "finding_confirmed": True,
        "finding": event.finding or case.finding,
        "state": _aligned(case, finding=True, message=case.message_confirmed),
    }


def _confirmed_message(case: Case, _event: Acted) -> Changes:
    return {
        "message_confirmed": True,
        "state": _aligned(case, finding=case.finding_confirmed, message=True),
    }


def _aligned(case: Case, *, finding: bool, message: bool) -> CaseState:
    return "aligned" if case.state == "open" and finding and message else case.state


def _informed(case: Case, event: Acted) -> Changes:
    return {
        "told_at": case.told_at or event.at,
        "told": event.told or case.told,
        "state": "informed" if case.state in {"open", "aligned"} else case.state,
    }


def _planned(case: Case, event: Acted) -> Changes:
    return {"state": "planned", "action": event.action or case.action}


def _executed(case: Case, event: Acted) -> Changes:
    return {"state": "executed", "action": event.action or case.action}


def _verified(_case: Case, _event: Acted) -> Changes:
    return {"state": "verified"}


def _stated(case: Case, event: Acted) -> Changes:
    return {
        "finding": event.finding or case.finding,
        "action": event.action or case.action,
        "told": event.told or case.told,
    }


_ACTS: dict[str, Callable[[Case, Acted], Changes]] = {
    "confirm-finding": _confirmed_finding,
    "confirm-message": _confirmed_message,
    "inform": _informed,
    "plan": _planned,
    "execute": _executed,
    "verify": _verified,
    "close": _stated,
}

_CHANGES: dict[type[EventBase], Callable[[Case, Any], Changes]] = {
    FactsUpdated: _facts,
    SalesSideOpened: _sales,
    SeverityChanged: _severity,
    WaiverRenewed: _waiver,
    TaskChanged: _task,
    CaseCleared: _cleared,
    CaseClosed: _closed,
    Acted: _acted,
}
