"""Machines: their state, series, health, and what detection said of them."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from bridge.flow.ports import Identity
from bridge.model.catalog import Catalog
from bridge.model.detections import AssetStatus
from bridge.model.instants import as_ns
from bridge.model.values import Instant
from bridge.web.api.shapes import After, PageLimit, page_of, series_shape
from bridge.web.context import WebContext
from bridge.web.problems import ProblemError, not_found
from bridge.web.readers import TenantCatalog
from bridge.web.signin import Caller, Context

router = APIRouter(tags=["assets"])

_SPAN = timedelta(days=7)
DetectionType = Literal["anomaly", "prediction", "cleared", "data-quality", "connectivity"]
_DERIVED = ("~score", "~health")

From = Annotated[
    Instant | None, Query(alias="from", description="Default: 7 days before `to`.")
]
To = Annotated[Instant | None, Query(description="Default: now.")]
Before = Annotated[UUID | None, Query(description="`next` of the page before.")]
Points = Annotated[int, Query(ge=2, le=2_000)]


@router.get("/assets")
async def list_assets(
    context: Context,
    caller: Caller,
    catalog: TenantCatalog,
    *,
    account: str | None = None,
    after: After = None,
    limit: PageLimit = 500,
) -> dict[str, Any]:
    """List every machine, also those that send but are not in the catalog."""
    statuses = {each.asset: each for each in await context.views.statuses(caller.tenant)}
    names = {*catalog.asset_by_id, *statuses}
    if account is not None:
        names = {name for name in names if _account_id(catalog, name) == account}
    found, more = page_of(((name, name) for name in names), after, limit)
    items = [_asset_shape(catalog, name, statuses.get(name)) for name in found]
    return {"items": items, "next": more, "total": len(names)}


@router.get("/assets/{asset}")
async def get_asset(
    asset: str, context: Context, caller: Caller, catalog: TenantCatalog
) -> dict[str, Any]:
    """Return one machine: its entry in the catalog and how it stands now."""
    status = await known_status(context, caller.tenant, catalog, asset)
    shape = _asset_shape(catalog, asset, status)
    shape["signals"] = status.signals if status else {}
    shape["stored_signals"] = await context.series.signals(caller.tenant, asset)
    return shape


@router.get("/assets/{asset}/series")
async def get_series(  # noqa: PLR0913 - each is one query parameter
    asset: str,
    context: Context,
    caller: Caller,
    catalog: TenantCatalog,
    *,
    signals: Annotated[str, Query(description="Names, comma-separated; empty: all.")] = "",
    start: From = None,
    to: To = None,
    points: Points = 800,
) -> dict[str, Any]:
    """Return series over time, reduced on the server to at most `points` buckets each."""
    await known_status(context, caller.tenant, catalog, asset)
    begin, end = span(context, start, to)
    stored = await context.series.signals(caller.tenant, asset)
    asked = [name for name in signals.split(",") if name]
    missing = [name for name in asked if name not in stored]
    if missing:
        raise ProblemError(
            422,
            f"signals: {', '.join(missing)} not stored for {asset}",
            more={"field": "signals", "allowed": stored},
        )
    names = asked or [name for name in stored if not name.startswith("~")]
    found = await context.series.query(
        caller.tenant,
        asset,
        names,
        start_ns=as_ns(begin),
        end_ns=as_ns(end),
        points_max=min(points, context.options.points_max),
    )
    return {
        "asset": asset,
        "from": begin,
        "to": end,
        "signals": {name: series_shape(each) for name, each in found.items()},
    }


@router.get("/assets/{asset}/health")
async def get_health(  # noqa: PLR0913 - each is one query parameter
    asset: str,
    context: Context,
    caller: Caller,
    catalog: TenantCatalog,
    *,
    start: From = None,
    to: To = None,
    points: Points = 400,
) -> dict[str, Any]:
    """Return a machine's condition now, and its score and health over time."""
    status = await known_status(context, caller.tenant, catalog, asset)
    begin, end = span(context, start, to)
    found = await context.series.query(
        caller.tenant,
        asset,
        _DERIVED,
        start_ns=as_ns(begin),
        end_ns=as_ns(end),
        points_max=points,
    )
    return {
        "asset": asset,
        "condition": status.condition if status else None,
        "score": status.score if status else None,
        "health": status.health if status else None,
        "as_new": status.as_new if status else None,
        "learned": status.learned if status else 0,
        "history": {name.removeprefix("~"): series_shape(each) for name, each in found.items()},
    }


@router.get("/predictions")
async def predictions(
    context: Context,
    caller: Caller,
    asset: str | None = None,
    before: Before = None,
    limit: PageLimit = 100,
) -> dict[str, Any]:
    """List predictions, of one machine or of all, the newest first."""
    return await _detections(context, caller, (asset, "prediction"), before, limit)


@router.get("/detections")
async def detections(
    context: Context,
    caller: Caller,
    *,
    asset: str | None = None,
    type: Annotated[DetectionType | None, Query()] = None,  # noqa: A002 - the parameter's public name
    before: Before = None,
    limit: PageLimit = 100,
) -> dict[str, Any]:
    """List anomalies, predictions, data quality and connectivity, the newest first."""
    return await _detections(context, caller, (asset, type), before, limit)


async def _detections(
    context: WebContext,
    caller: Identity,
    which: tuple[str | None, str | None],
    before: UUID | None,
    limit: int,
) -> dict[str, Any]:
    asset, type_ = which
    found = await context.views.detections(
        caller.tenant, asset=asset, type_=type_, before=before, limit=limit + 1
    )
    items = [each.model_dump(mode="json") for each in found[:limit]]
    return {"items": items, "next": items[-1]["id"] if len(found) > limit else None}


async def known_status(
    context: WebContext, tenant: str, catalog: Catalog, asset: str
) -> AssetStatus | None:
    """Return how a machine stands, or None where it never sent.

    Raises
    ------
    ProblemError
        404 where neither the catalog nor the telemetry of this tenant has it.
    """
    status = await context.views.status(tenant, asset)
    if status is None and asset not in catalog.asset_by_id:
        raise not_found("asset", asset)
    return status


def span(
    context: WebContext, start: datetime | None, to: datetime | None
) -> tuple[datetime, datetime]:
    """Return the span that a request means, by default the last seven days."""
    end = to or context.now()
    begin = start or end - _SPAN
    if begin >= end:
        raise ProblemError(
            422,
            f"from: found {begin.isoformat()}; a time before to ({end.isoformat()}) is allowed",
            more={"field": "from"},
        )
    return begin, end


def _asset_shape(catalog: Catalog, name: str, status: AssetStatus | None) -> dict[str, Any]:
    asset = catalog.asset_by_id.get(name)
    return {
        "id": name,
        "known": asset is not None,
        "model": asset.model if asset else None,
        "site": asset.site if asset else None,
        "location": asset.location if asset else None,
        "account": _account_id(catalog, name),
        "zone": catalog.zone_of(asset) if asset else None,
        "gateway": asset.gateway if asset else None,
        "condition": status.condition if status else None,
        "at": status.at if status else None,
        "score": status.score if status else None,
        "health": status.health if status else None,
        "as_new": status.as_new if status else None,
        "learned": status.learned if status else None,
        "operating_state": status.operating_state if status else None,
    }


def _account_id(catalog: Catalog, name: str) -> str | None:
    asset = catalog.asset_by_id.get(name)
    account = catalog.account_of(asset) if asset else None
    return account.id if account else None
