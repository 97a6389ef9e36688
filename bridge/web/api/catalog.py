"""The tenant's catalog: read whole or by kind, replaced as a whole in versions."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from bridge.cases.inputs import CatalogChanged
from bridge.codec import catalog as catalog_file
from bridge.codec.references import identity
from bridge.model.catalog import Catalog
from bridge.model.detections import derive_id
from bridge.web.api.shapes import After, PageLimit, page_of
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
async def get_kind(
    kind: Kind, catalog: TenantCatalog, after: After = None, limit: PageLimit = 500
) -> dict[str, Any]:
    """List the objects of one kind by what identifies them."""
    keyed = ((identity(kind, each), each) for each in getattr(catalog, kind))
    found, more = page_of(keyed, after, limit)
    items = [each.model_dump(mode="json", by_alias=True) for each in found]
    return {"items": items, "next": more}


@router.get("/catalog/{kind}/{name:path}")
async def get_object(kind: Kind, name: str, catalog: TenantCatalog) -> dict[str, Any]:
    """Return one object of a kind by what identifies it, such as its id."""
    for each in getattr(catalog, kind):
        if identity(kind, each) == name:
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
    """Replace the tenant's catalog and say what that adds, changes and removes.

    A reference to nothing is refused here as `bridge check` refuses it in a file: the desk
    would find no owner and no site for such a machine.
    """
    if catalog.tenant != caller.tenant:
        raise ProblemError(
            403,
            f"tenant: found {catalog.tenant}; {caller.tenant} is allowed",
            more={"field": "tenant", "allowed": caller.tenant},
        )
    catalog_file.check(catalog)
    found = await context.catalogs.latest(caller.tenant)
    before_version, before = found or (0, Catalog(tenant=caller.tenant))
    compared = catalog_file.compare(before, catalog)
    changes = {
        "added": compared.added,
        "changed": compared.changed,
        "removed": compared.orphaned,
    }
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
