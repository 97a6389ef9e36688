"""For whom something is worded: the person behind a request, and the tenant's catalog."""

from typing import Annotated

from fastapi import Depends, Request

from bridge.flow.ports import Identity
from bridge.model.catalog import Catalog, Person
from bridge.web.context import WebContext
from bridge.web.signin import Caller, Context

LANGUAGES = ("en", "de")
LANGUAGE_COOKIE = "bridge_language"


async def catalog_of(context: WebContext, tenant: str) -> Catalog:
    """Return the tenant's newest catalog; an empty one before the first import."""
    found = await context.catalogs.latest(tenant)
    return found[1] if found else Catalog(tenant=tenant)


async def _tenant_catalog(context: Context, caller: Caller) -> Catalog:
    return await catalog_of(context, caller.tenant)


TenantCatalog = Annotated[Catalog, Depends(_tenant_catalog)]


def person_of(catalog: Catalog, who: Identity) -> Person:
    """Return the caller's entry in the catalog, or a plain one for who runs the service."""
    known = catalog.person_by_id.get(who.person)
    if known is not None:
        return known
    return Person.model_validate(
        {"id": who.person, "name": who.person, "role": who.role, "timezone": "UTC"}
    )


async def _reader(request: Request, catalog: TenantCatalog, caller: Caller) -> Person:
    person = person_of(catalog, caller)
    chosen = request.cookies.get(LANGUAGE_COOKIE) or person.language
    if chosen not in LANGUAGES:
        chosen = LANGUAGES[0]
    return person.model_copy(update={"language": chosen})


Reader = Annotated[Person, Depends(_reader)]
"""The caller as a reader; a language chosen in the page goes before the catalog's."""
