"""REST under /api/v1: one application of its own, so that its OpenAPI holds nothing else."""

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from bridge.web import problems
from bridge.web.api import assets, cases, catalog, service
from bridge.web.context import WebContext
from bridge.web.problems import MEDIA_TYPE

DESCRIPTION = """
Every request acts as a person of one tenant: by `Authorization: Bearer TOKEN`
(`bridge token issue`) or by the console's session. Errors are problem details (RFC 9457).
Lists have `items` and `next`; hand `next` back to get more.
"""


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was found and what is allowed."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    key: {"type": "string"} for key in ("field", "found", "allowed")
                },
            },
        },
    },
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": what, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    for status, what in (
        (401, "Not signed in"),
        (403, "Not yours to do"),
        (404, "Not known to this tenant"),
        (409, "Not now"),
        (413, "Larger than allowed"),
        (422, "Not complete, or not allowed"),
        (503, "A part is away; ask again"),
    )
}
# Shown in OpenAPI only; `bridge.web.signin` looks at the request itself.
_bearer = HTTPBearer(auto_error=False, description="`bridge token issue` makes a token.")


def create_api(context: WebContext) -> FastAPI:
    """Return the REST application, to be mounted at /api/v1."""
    api = FastAPI(
        title="bridge",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        responses=_PROBLEMS,
        dependencies=[Depends(_bearer)],
    )
    api.state.context = context
    problems.install(api)
    for part in (assets, cases, catalog, service):
        api.include_router(part.router)
    return api
