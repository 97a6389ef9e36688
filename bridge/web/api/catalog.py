"""The tenant's catalog: read whole or by kind, replaced as a whole in versions."""

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from bridge.cases.inputs import CatalogChanged
from bridge.model.catalog import Catalog
from bridge.model.detections import derive_id
from bridge.web.problems import ProblemError, not_found
from bridge.web.readers import TenantCatalog
from bridge.web.signin import Caller, Context, Operator

router = APIRouter(tags=["catalog"])

Kind = Literal[
    "people",
    "on_call",
    "accounts",
    "sites",
    "models",
    "parts",
    "assets",
    "contracts",
    "commitments",
    "service_history",
    "kpis",
]
_KINDS: tuple[str, ...] = get_args(Kind)
_IDENTITY = {"service_history": ("site", "metric"), "kpis": ("id", "department")}


@router.get("/catalog")
async def get_catalog(context: Context, caller: Caller, response: Response) -> dict[str, Any]:
    """Return the newest catalog, whole; its version stands in the ETag."""
    found = await context.catalogs.latest(caller.tenant)
    if found is None:
        raise ProblemError(404, "no catalog yet: `bridge catalog import PATH` brings one in")
    version, catalog = found
    response.headers["etag"] = f'"{version}"'
    return {"version": version, "catalog": catalog.model_dump(mode="json", by_alias=True)}


@router.get("/catalog/{kind}")
async def get_kind(kind: Kind, catalog: TenantCatalog) -> dict[str, Any]:
    """Return all objects of one kind."""
    items = [each.model_dump(mode="json", by_alias=True) for each in getattr(catalog, kind)]
    return {"items": items, "next": None}


@router.get("/catalog/{kind}/{name}")
async def get_object(kind: Kind, name: str, catalog: TenantCatalog) -> dict[str, Any]:
    """Return one object of a kind by its id."""
    for each in getattr(catalog, kind):
        if getattr(each, "id", None) == name:
            shape: dict[str, Any] = each.model_dump(mode="json", by_alias=True)
            return shape
    raise not_found(kind, name)


@router.put("/catalog")
async def put_catalog(
    catalog: Catalog,
    context: Context,
    caller: Operator,
    dry_run: Annotated[bool, Query(description="Only say what would change.")] = False,  # noqa: FBT002 - a query parameter
) -> dict[str, Any]:
    """Replace the tenant's catalog and say what that adds, changes and removes."""
    if catalog.tenant != caller.tenant:
        raise ProblemError(
            403,
            f"tenant: found {catalog.tenant}; {caller.tenant} is allowed",
            more={"field": "tenant", "allowed": caller.tenant},
        )
    found = await context.catalogs.latest(caller.tenant)
    before_version, before = found or (0, Catalog(tenant=caller.tenant))
    changes = differences(before, catalog)
    if dry_run:
        return {"version": before_version, "dry_run": True, **changes}
    version = await context.catalogs.put(catalog)
    if version != before_version:
        await context.inbox.submit(
            CatalogChanged(
                id=derive_id("catalog", caller.tenant, version),
                tenant=caller.tenant,
                at=context.now(),
                version=version,
                catalog=catalog,
            )
        )
    return {"version": version, "dry_run": False, **changes}


def differences(before: Catalog, after: Catalog) -> dict[str, list[str]]:
    """Return which objects are added, changed and removed, as ``kind/id``."""
    old, new = _objects(before), _objects(after)
    return {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(key for key in new.keys() & old.keys() if new[key] != old[key]),
        "removed": sorted(old.keys() - new.keys()),
    }


def _objects(catalog: Catalog) -> dict[str, BaseModel]:
    found: dict[str, BaseModel] = {"policy": catalog.policy}
    for kind in _KINDS:
        for number, each in enumerate(getattr(catalog, kind)):
            parts = [getattr(each, key, number) for key in _IDENTITY.get(kind, ("id",))]
            found["/".join([kind, *map(str, parts)])] = each
    return found
