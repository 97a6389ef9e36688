"""Who asks: a bearer token, a session's cookie, or the demo's token; never a name in a body."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from bridge.flow.ports import Identity
from bridge.web.context import WebContext
from bridge.web.problems import ProblemError

COOKIE = "bridge_session"
DEMO_TOKEN = "demo"  # noqa: S105 - exists in the demo only, on loopback, and is written in its README
OPERATORS = ("operator", "admin")
_SAFE = ("GET", "HEAD", "OPTIONS")


def context_of(request: Request) -> WebContext:
    """Return what the application was made with."""
    context = request.app.state.context
    assert isinstance(context, WebContext)
    return context


Context = Annotated[WebContext, Depends(context_of)]


async def identify(request: Request) -> Identity | None:
    """Return whom a request acts as, or None; a cookie counts only from our own pages.

    Raises
    ------
    ProblemError
        403 where another site's page makes a browser use its cookie here.
    """
    context = context_of(request)
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        return await _by_token(context, token.strip())
    session = request.cookies.get(COOKIE)
    if not session:
        return None
    identity = await context.people.by_session(session, now=context.now())
    if identity and identity.via == "demo" and context.demo is None:
        return None  # a demo's session opens nothing when the same records serve for real
    if identity and request.method not in _SAFE:
        check_origin(request)
    return identity


async def signed_in(request: Request) -> Identity:
    """Return whom a request acts as; without one it is refused."""
    identity = await identify(request)
    if identity is None:
        raise ProblemError(
            401,
            "sign in, or send 'Authorization: Bearer TOKEN' (`bridge token issue` makes one)",
            headers={"WWW-Authenticate": 'Bearer realm="bridge"'},
        )
    return identity


Caller = Annotated[Identity, Depends(signed_in)]


async def operator(caller: Caller) -> Identity:
    """Return the caller where the caller runs the service."""
    if caller.role not in OPERATORS:
        raise ProblemError(
            403,
            f"role {caller.role} may not do this",
            more={"allowed_roles": list(OPERATORS)},
        )
    return caller


Operator = Annotated[Identity, Depends(operator)]


def check_origin(request: Request) -> None:
    """Refuse a writing request that a page of another site sent [OWASP: verifying origin].

    Browsers name the page's origin in every writing request; one that names none is no page.
    """
    origin = request.headers.get("origin")
    allowed = context_of(request).options.origins
    if origin in allowed:
        return
    if origin is not None and urlsplit(origin).netloc == request.headers.get("host"):
        return
    if origin is None and request.headers.get("sec-fetch-site") in {"same-origin", "none"}:
        return
    raise ProblemError(403, f"a page of {origin or 'an unnamed origin'} may not act here")


async def _by_token(context: WebContext, token: str) -> Identity | None:
    seat, _, role = token.partition(":")
    if context.demo is not None and seat == DEMO_TOKEN:
        return await demo_identity(context, role or "operator")
    return await context.people.by_token(token, now=context.now())


async def demo_identity(context: WebContext, role: str) -> Identity:
    """Return the identity of one of the demo's seats.

    Raises
    ------
    ProblemError
        401 where the demo has no such seat.
    """
    assert context.demo is not None
    seats = context.demo.state().seats
    if role not in seats:
        raise ProblemError(401, f"the demo has no seat {role}; it has {', '.join(seats)}")
    return Identity(tenant=context.tenant, person=seats[role], role=role, via="demo")
