"""Values as rows and back."""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from bridge.cases.events import Event
from bridge.flow.ports import Notification, Sending, StoredEvent
from bridge.model.case import Case
from bridge.model.instants import as_datetime, as_ns

FIRST_NUMBER = 2001
"""Number of a tenant's first case: C-2001."""
NEVER_NS = 2**63 - 1
"""Stands where a case has no date, so that it sorts last."""
_SEVERITIES = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def event_row(event: Event) -> dict[str, Any]:
    """Return an event as a row, without its place in the tenant's chain."""
    return {
        "tenant": event.tenant,
        "id": event.id,
        "at_ns": as_ns(event.at),
        "type": event.type,
        "case_id": event.case,
        "by": event.by,
        "body": event.model_dump_json(by_alias=True),
    }


def stored_event(row: Row[*tuple[Any, ...]]) -> StoredEvent:
    """Return the event of a row with seq, body and hash."""
    return StoredEvent(row.seq, _EVENT.validate_json(row.body), row.hash)


def case_row(case: Case) -> dict[str, Any]:
    """Return a numbered case with the columns that lists are sorted and filtered by."""
    act_by = case.facts.act_by
    return {
        "tenant": case.tenant,
        "id": case.id,
        "number": case.number,
        "asset": case.asset,
        "account": case.account,
        "mode": case.mode,
        "state": case.state,
        "closed": int(case.state == "closed"),
        "act_by_ns": NEVER_NS if act_by is None else as_ns(act_by),
        "severity": _SEVERITIES[case.severity],
        "engineering_owner": case.engineering.owner,
        "sales_owner": case.sales.owner if case.sales else None,
        "search": f"{case.label} {case.asset} {case.account or ''}".lower(),
        "body": case.model_dump_json(by_alias=True),
    }


def notification_row(notification: Notification) -> dict[str, Any]:
    """Return a notification as a new row of the outbox, due at once."""
    return {
        "tenant": notification.tenant,
        "id": notification.id,
        "case_id": notification.case,
        "to": notification.to,
        "channel": notification.channel,
        "kind": notification.kind,
        "subject": notification.subject,
        "text": notification.text,
        "html": notification.html,
        "address": notification.address,
        "at_ns": as_ns(notification.at),
        "state": "waiting",
        "attempts": 0,
        "next_at_ns": 0,
        "detail": "",
    }


def sending(row: Row[*tuple[Any, ...]]) -> Sending:
    """Return a row of the outbox with all its columns."""
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's public access to columns by name
    return Sending(
        notification=Notification(
            id=found["id"],
            tenant=found["tenant"],
            to=found["to"],
            channel=found["channel"],
            kind=found["kind"],
            case=found["case_id"],
            subject=found["subject"],
            text=found["text"],
            html=found["html"],
            at=as_datetime(found["at_ns"]),
            address=found["address"],
        ),
        state=found["state"],
        attempts=found["attempts"],
        next_at_ns=found["next_at_ns"],
        detail=found["detail"],
        sent_at=None if found["sent_at_ns"] is None else as_datetime(found["sent_at_ns"]),
    )
