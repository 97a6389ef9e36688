"""Values for tests of records, desk and outbox: cases, notifications, detections."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bridge.cases.events import CaseOpened
from bridge.cases.inputs import Detected
from bridge.flow.ports import Notification
from bridge.model.case import Case, Facts, Task
from bridge.model.detections import Anomaly, AssetStatus, derive_id

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def a_task(case: UUID, side: str, owner: str) -> Task:
    """Make a task just created."""
    return Task(
        id=derive_id(case, side),
        side=side,
        owner=owner,
        created_at=NOW,
        next_action="confirm-finding",
    )


def a_case(name: str = "one", tenant: str = "acme", **changes: object) -> Case:
    """Make an open case of both sides; its name makes its id."""
    id_ = derive_id(tenant, name)
    days = changes.pop("days", 10)
    values: dict = {
        "id": id_,
        "tenant": tenant,
        "asset": "press-07",
        "account": "north",
        "mode": "bearing-wear",
        "episode": 1,
        "opened_at": NOW,
        "updated_at": NOW,
        "severity": "high",
        "facts": Facts(
            asset="press-07",
            mode="bearing-wear",
            act_by=NOW + timedelta(days=days) if days is not None else None,
        ),
        "facts_hash": "0" * 64,
        "engineering": a_task(id_, "engineering", "ada"),
        "sales": a_task(id_, "sales", "sam"),
    }
    return Case(**{**values, **changes})


def opening(case: Case) -> CaseOpened:
    """Make the event that opened a case."""
    return CaseOpened(
        id=derive_id("opening", case.id),
        tenant=case.tenant,
        at=NOW,
        by="detection",
        input=derive_id("input", case.id),
        case=case.id,
        number=case.number,
        asset=case.asset,
        account=case.account,
        mode=case.mode,
        episode=case.episode,
        severity=case.severity,
        facts=case.facts,
        facts_hash=case.facts_hash,
        engineering=case.engineering,
        sales=case.sales,
        waiver=None,
    )


def a_notification(name: str = "one", **changes: object) -> Notification:
    """Make a notification; its name makes its id."""
    values: dict = {
        "id": derive_id("notification", name),
        "tenant": "acme",
        "to": "ada",
        "channel": "email",
        "kind": "new",
        "case": derive_id("acme", "one"),
        "subject": "C-2001 press-07: bearing wear",
        "text": "Look at press-07 before 12 March.",
        "html": "<p>Look at <b>press-07</b> before 12 March.</p>",
        "at": NOW,
        "address": "ada@example.org",
    }
    return Notification(**{**values, **changes})


def detected(number: int, tenant: str = "acme", asset: str = "press-07") -> Detected:
    """Make the input of a numbered anomaly."""
    said = Anomaly(
        id=derive_id("anomaly", tenant, number),
        tenant=tenant,
        asset=asset,
        at=NOW + timedelta(minutes=number),
        score=0.9,
    )
    return Detected(id=derive_id(said.id), tenant=tenant, at=said.at, detection=said)


def a_status(asset: str = "press-07", condition: str = "normal") -> AssetStatus:
    """Make a status of an asset."""
    return AssetStatus(tenant="acme", asset=asset, at=NOW, condition=condition, known=True)
