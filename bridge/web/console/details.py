"""The page of one case and the page of one machine, with their plots."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response

from bridge.flow.ports import CaseFilter, StoredEvent
from bridge.model.case import Case, Facts
from bridge.model.catalog import Contact
from bridge.model.instants import as_ns
from bridge.web.acts import offers, side_of
from bridge.web.api.assets import known_status
from bridge.web.api.cases import find_case
from bridge.web.console.pages import Visit, Visitor
from bridge.web.console.plots import DARK, LIGHT, draw
from bridge.web.console.rows import machine_words, row
from bridge.web.console.saying import clock_at
from bridge.web.console.story import is_small, name_of, timeline
from bridge.web.console.why import Reason, present, reasons

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_PANELS = 3
_BEFORE = timedelta(days=21)
_EVENTS = 500


@router.get("/cases/{name}")
async def case_page(visit: Visitor, name: str) -> Response:
    """Show one case: sentence, actions, why, the other side, timeline."""
    context, tenant = visit.context, visit.who.tenant
    case = await find_case(context, tenant, name)
    events = await _all_events(visit, case)
    sendings = await context.views.notifications(tenant, case=case.id)
    return await visit.page(
        "case.html",
        case=case,
        row=row(case, visit.who),
        machine=machine_words(visit.catalog, case.asset),
        offers=offers(case, visit.who),
        reasons=reasons(case.facts),
        moments=timeline(events, sendings, visit.catalog, visit.say),
        untold=sum(is_small(each.event) for each in events),
        hash=events[-1].hash if events else "",
        texts=context.texts,
        words={"language": visit.say.language, "zone": visit.say.zone},
        own_side=side_of(visit.who.role),
        name_of=lambda person: name_of(visit.catalog, person, visit.say),
        contacts=_contacts(visit, case),
        part_name=lambda part: _part_name(visit, part),
        previous=await context.views.case(tenant, case.previous) if case.previous else None,
    )


async def _all_events(visit: Visit, case: Case) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    while True:
        after = found[-1].seq if found else 0
        more = await visit.context.views.events(
            visit.who.tenant, after=after, case=case.id, limit=_EVENTS
        )
        found += more
        if len(more) < _EVENTS:
            return found


@router.get("/cases/{name}/plot")
async def case_plot(visit: Visitor, name: str, theme: str = "light") -> JSONResponse:
    """Return the plot of a case's signals with its fan."""
    case = await find_case(visit.context, visit.who.tenant, name)
    shown = reasons(case.facts)[:_PANELS]
    return await _plot(
        visit, case.asset, shown, _span_of(case, visit.say.now), case.facts, theme
    )


@router.get("/assets/{asset}")
async def asset_page(visit: Visitor, asset: str) -> Response:
    """Show one machine: how it stands, its signals, its cases, what was wrong with its data."""
    context, tenant = visit.context, visit.who.tenant
    status = await known_status(context, tenant, visit.catalog, asset)
    found = await context.views.cases(tenant, CaseFilter(asset=asset), limit=50)
    quality = [
        each
        for kind in ("data-quality", "connectivity")
        for each in await context.views.detections(tenant, asset=asset, type_=kind, limit=20)
    ]
    return await visit.page(
        "asset.html",
        asset=asset,
        known=visit.catalog.asset_by_id.get(asset),
        machine=machine_words(visit.catalog, asset),
        status=status,
        signals=present(status, _units(visit, asset)) if status else [],
        qualities={name: value.get("quality") for name, value in status.signals.items()}
        if status
        else {},
        cases=found.items,
        quality=sorted(quality, key=lambda each: each.at, reverse=True)[:20],
    )


@router.get("/assets/{asset}/plot")
async def asset_plot(
    visit: Visitor, asset: str, theme: str = "light", days: int = 7
) -> JSONResponse:
    """Return the plot of a machine's signals over the last days, health first."""
    status = await known_status(visit.context, visit.who.tenant, visit.catalog, asset)
    now = visit.say.now
    begin = now - timedelta(days=min(max(days, 1), 400))
    stored = await visit.context.series.signals(visit.who.tenant, asset)
    by_name = (
        {each.signal: each for each in present(status, _units(visit, asset))} if status else {}
    )
    empty = (0.0, None, None, None, None)
    stored.sort(key=lambda name: (not name.startswith("~"), name))
    shown = [by_name.get(name) or Reason(name, "", *empty) for name in stored]
    return await _plot(visit, asset, shown, (begin, now), None, theme)


async def _plot(
    visit: Visit,
    asset: str,
    shown: list[Reason],
    span: tuple[datetime, datetime],
    facts: Facts | None,
    theme: str,
) -> JSONResponse:
    found = await visit.context.series.query(
        visit.who.tenant,
        asset,
        [each.signal for each in shown],
        start_ns=as_ns(span[0]),
        end_ns=as_ns(min(span[1], visit.say.now)),
        points_max=600,
    )
    # A third of a second of work that nobody else shall wait for.
    item: dict[str, Any] = await asyncio.to_thread(
        draw,
        shown,
        found,
        span=span,
        facts=facts,
        say=visit.say,
        palette=DARK if theme == "dark" else LIGHT,
    )
    return JSONResponse(item)


def _span_of(case: Case, now: datetime) -> tuple[datetime, datetime]:
    """Return a case's time axis: from before its onset to its P90 or its end."""
    facts = case.facts
    begin = min(facts.onset or case.opened_at, case.opened_at - _BEFORE)
    end = case.closed_at or now
    if facts.p90 is not None and case.closed_at is None:
        end = max(end, facts.p90)
    return begin - (end - begin) * 0.03, end + (end - begin) * 0.05


def _units(visit: Visit, asset: str) -> dict[str, str]:
    known = visit.catalog.asset_by_id.get(asset)
    model = visit.catalog.model_by_id.get(known.model) if known else None
    return {each.name: each.unit for each in model.signals} if model else {}


def _part_name(visit: Visit, part: str) -> str:
    known = visit.catalog.part_by_id.get(part)
    return known.name if known else part


def _contacts(visit: Visit, case: Case) -> list[tuple[Contact, str]]:
    """Return the customer's contacts, each with the time at the contact's place."""
    account = visit.catalog.account_by_id.get(case.account or "")
    if account is None:
        return []
    return [
        (each, clock_at(visit.say.now, each.timezone or account.timezone))
        for each in account.contacts
    ]
