"""Events as CloudEvents 1.0, as webhooks receive them."""

from typing import Any

from bridge.cases.events import (
    Acted,
    CaseCleared,
    CaseClosed,
    CaseOpened,
    ClockAged,
    Event,
    FactsUpdated,
    RepairRecorded,
    SalesSideOpened,
    SeverityChanged,
    TaskChanged,
)
from bridge.model.case import Case, Task

TYPES: dict[type, str] = {
    CaseOpened: "bridge.case.opened.v1",
    FactsUpdated: "bridge.case.updated.v1",
    SeverityChanged: "bridge.case.severity-changed.v1",
    Acted: "bridge.case.acted.v1",
    CaseCleared: "bridge.case.cleared.v1",
    CaseClosed: "bridge.case.closed.v1",
    SalesSideOpened: "bridge.task.created.v1",
    TaskChanged: "bridge.task.changed.v1",
    ClockAged: "bridge.task.aged.v1",
    RepairRecorded: "bridge.asset.repaired.v1",
}
"""What other systems hear of; refused acts and catalogs stay inside."""

ENVELOPE = {"id", "tenant", "at", "by", "input", "case", "type"}
WITHHELD = {"facts", "note", "engineering", "sales", "task", "gateway", "heard", "heard_at"}
"""Not sent as they are: internal notes never, facts by their hash, tasks in their own shape."""


def is_public(event: Event) -> bool:
    """Return whether other systems are told of an event."""
    return type(event) in TYPES


def cloud_event(event: Event, case: Case | None, source: str) -> dict[str, Any]:
    """Return an event as a CloudEvent in JSON format, with the case as it is after it.

    Parameters
    ----------
    event : Event
        One of `TYPES`.
    case : Case or None
        None where it belongs to no case.
    source : str
        URI reference of this service and tenant.

    References
    ----------
    CloudEvents 1.0.2, JSON event format.
    """
    own = event.model_dump(mode="json", by_alias=True, exclude=ENVELOPE | WITHHELD)
    shape = _case(case) if case else None
    own = {key: value for key, value in own.items() if shape is None or key not in shape}
    subject = case.label if case else getattr(event, "asset", event.tenant)
    return {
        "specversion": "1.0",
        "id": str(event.id),
        "source": source,
        "type": TYPES[type(event)],
        "subject": subject,
        "time": event.at.isoformat(),
        "datacontenttype": "application/json",
        "data": {"by": event.by, **own, "case": shape},
    }


def _case(case: Case) -> dict[str, Any]:
    dumped = case.model_dump(
        mode="json",
        include={
            "id",
            "asset",
            "account",
            "mode",
            "episode",
            "previous",
            "state",
            "side_state",
            "severity",
            "facts_hash",
            "told_at",
            "waiver",
        },
    )
    dates = case.facts.model_dump(
        mode="json", include={"p10", "p50", "p90", "act_by", "advice", "confidence"}
    )
    tasks = {"engineering": _task(case.engineering), "sales": _task(case.sales)}
    return {**dumped, "number": case.label, **dates, "tasks": tasks}


def _task(task: Task | None) -> dict[str, Any] | None:
    return task.model_dump(mode="json") if task else None
