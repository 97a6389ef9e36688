"""How cases, tasks, events and machines look in JSON, in SCENARIO's words."""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from fastapi import Query

from bridge.flow.ports import Sending, Series, StoredEvent
from bridge.model.case import Case, Task
from bridge.model.catalog import Person
from bridge.model.instants import as_datetime
from bridge.model.values import Side
from bridge.web.context import Texts

T = TypeVar("T")
After = Annotated[str | None, Query(description="`next` of the page before.")]
PageLimit = Annotated[int, Query(ge=1, le=500)]


def page_of(
    items: Iterable[tuple[str, T]], after: str | None, limit: int
) -> tuple[list[T], str | None]:
    """Return one page of items by their keys, and the key that the next page comes after.

    A key and no number: an object that comes or goes in between shifts nothing.
    """
    left = sorted(
        (pair for pair in items if after is None or pair[0] > after), key=lambda pair: pair[0]
    )
    more = left[limit - 1][0] if len(left) > limit else None
    return [item for _, item in left[:limit]], more


def case_shape(case: Case, texts: Texts, reader: Person) -> dict[str, Any]:
    """Return a case as lists show it, with both tasks, each in its side's words."""
    return {
        "id": str(case.id),
        "number": case.label,
        "asset": case.asset,
        "account": case.account,
        "mode": case.mode,
        "episode": case.episode,
        "previous": str(case.previous) if case.previous else None,
        "state": case.state,
        "side_state": case.side_state,
        "severity": case.severity,
        "opened_at": case.opened_at,
        "updated_at": case.updated_at,
        "closed_at": case.closed_at,
        "facts_hash": case.facts_hash,
        "p10": case.facts.p10,
        "p50": case.facts.p50,
        "p90": case.facts.p90,
        "act_by": case.facts.act_by,
        "confidence": case.facts.confidence,
        "finding_confirmed": case.finding_confirmed,
        "message_confirmed": case.message_confirmed,
        "told_at": case.told_at,
        "tasks": {
            "engineering": task_shape(case, "engineering", texts, reader),
            "sales": task_shape(case, "sales", texts, reader),
        },
        "waiver": case.waiver.model_dump(mode="json") if case.waiver else None,
    }


def case_details(case: Case, texts: Texts, reader: Person) -> dict[str, Any]:
    """Return a case with its facts and what people wrote."""
    return {
        **case_shape(case, texts, reader),
        "facts": case.facts.model_dump(mode="json", by_alias=True),
        "finding": case.finding,
        "action": case.action,
        "told": case.told,
    }


def task_shape(case: Case, side: Side, texts: Texts, reader: Person) -> dict[str, Any] | None:
    """Return one side's task, or None where a waiver says why there is none."""
    task: Task | None = case.task(side)
    if task is None:
        return None
    words = {"language": reader.language, "zone": reader.timezone}
    return {
        **task.model_dump(mode="json"),
        "text": texts.task_text(case, side=side, **words),
        "next_step": texts.next_step(case, side=side, **words),
    }


def event_shape(stored: StoredEvent) -> dict[str, Any]:
    """Return an event of the audit trail; a catalog's content stands under /catalog."""
    content = stored.event.model_dump(mode="json", by_alias=True, exclude={"catalog"})
    return {"seq": stored.seq, "hash": stored.hash, **content}


def sending_shape(sending: Sending) -> dict[str, Any]:
    """Return a notification and how its delivery stands; its address is not shown."""
    told = sending.notification
    return {
        "id": str(told.id),
        "at": told.at,
        "to": told.to,
        "case": str(told.case) if told.case else None,
        "channel": told.channel,
        "kind": told.kind,
        "subject": told.subject,
        "text": told.text,
        "state": sending.state,
        "attempts": sending.attempts,
        "detail": sending.detail,
        "sent_at": sending.sent_at,
    }


def series_shape(series: Series) -> dict[str, list[Any]]:
    """Return a series as columns: time, mean, low, high per bucket."""
    return {
        "time": [as_datetime(int(t_ns)).isoformat() for t_ns in series.t_ns],
        "mean": _finite(series.mean.tolist()),
        "low": _finite(series.low.tolist()),
        "high": _finite(series.high.tolist()),
    }


def _finite(values: list[float]) -> list[float | None]:
    """Return the values with None for what JSON has no number for."""
    return [value if abs(value) < float("inf") else None for value in values]
