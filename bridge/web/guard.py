"""Headers that every answer carries: no foreign script, no framing, no sniffing."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NONCE_BYTES = 16
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of every page: no inline script, nothing from elsewhere.

The plotting library makes style elements of its own; they pass by the answer's nonce, which
only our script knows. Nothing else inline passes.
"""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Add the protecting headers to every HTTP answer.

    Parameters
    ----------
    app : ASGI application
        What answers.
    secure : bool
        Whether browsers are told to use TLS from now on (RFC 6797).
    """

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        if secure:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything but HTTP passes as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        nonce = secrets.token_urlsafe(NONCE_BYTES)
        scope.setdefault("state", {})["nonce"] = nonce

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = _POLICY.format(nonce=nonce)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", _cache_control(scope))
            await send(message)

        await self._app(scope, receive, guarded)


def _cache_control(scope: Scope) -> str:
    """Return how long a browser may keep an answer: scripts and styles only."""
    if not scope["path"].startswith("/static/"):
        return "no-store"
    if b"v=" in scope["query_string"]:
        return "public, max-age=31536000, immutable"
    return "no-cache"
