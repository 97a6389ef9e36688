"""Refuses bodies that are too large before they are read: they would only fill the memory."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.web.context import WebOptions

CATALOG_PATH = "/api/v1/catalog"


class SizeLimit:
    """Answer 413 for a body above the limit, whether its length was told or not.

    Parameters
    ----------
    app : ASGI application
        What answers; it turns the `HTTPException` that reading raises into a problem.
    options : WebOptions
        The limits.
    """

    def __init__(self, app: ASGIApp, *, options: WebOptions) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HTTP passes as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        catalog = scope["path"] == CATALOG_PATH
        limit = self._options.catalog_bytes_max if catalog else self._options.body_bytes_max
        told = Headers(scope=scope).get("content-length", "")
        size = 0

        async def limited() -> Message:
            nonlocal size
            if told.isdecimal() and int(told) > limit:
                raise _too_large(told, limit)
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(f"more than {limit}", limit)
            return message

        await self._app(scope, limited, send)


def _too_large(found: str, limit: int) -> HTTPException:
    detail = f"body: found {found} bytes; up to {limit} are allowed here"
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
