"""REST under /api/v1: one application of its own, so that its OpenAPI holds nothing else."""

from fastapi import FastAPI

from bridge.web import problems
from bridge.web.api import assets, cases, catalog, service
from bridge.web.context import WebContext

DESCRIPTION = """
Every request acts as a person of one tenant: by `Authorization: Bearer TOKEN`
(`bridge token issue`) or by the console's session. Errors are problem details (RFC 9457).
Lists have `items` and `next`; hand `next` back to get more.
"""


def create_api(context: WebContext) -> FastAPI:
    """Return the REST application, to be mounted at /api/v1."""
    api = FastAPI(
        title="bridge",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    api.state.context = context
    problems.install(api)
    for part in (assets, cases, catalog, service):
        api.include_router(part.router)
    return api
