"""Signing in and out, the language of the pages, and the demo's clock."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from bridge.flow.ports import Demo, Identity
from bridge.web.console.pages import templates
from bridge.web.console.saying import Say
from bridge.web.context import WebContext
from bridge.web.problems import ProblemError
from bridge.web.readers import LANGUAGE_COOKIE, LANGUAGES, catalog_of
from bridge.web.signin import COOKIE, Caller, Context, check_origin, demo_identity

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_YEAR_S = 365 * 86_400
_FASTEST = 20_000


def language_of(request: Request) -> str:
    """Return the language of a page that nobody is signed in to."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    asked = request.headers.get("accept-language", "")[:2].lower()
    return asked if asked in LANGUAGES else LANGUAGES[0]


def local_path(path: str) -> str:
    """Return the path where it lies on this site, else the start page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


@router.get("/signin")
async def form(request: Request, context: Context, to: str = "/") -> Response:
    """Show the sign-in; in the demo, its seats."""
    return await _form(request, context, to=to, failed=False)


async def _form(
    request: Request, context: WebContext, *, to: str, failed: bool
) -> HTMLResponse:
    say = Say(language_of(request), "UTC", context.now())
    catalog = await catalog_of(context, context.tenant)
    demo = context.demo.state() if context.demo else None
    seats = [
        (role, catalog.person_by_id[person].name if person in catalog.person_by_id else person)
        for role, person in (demo.seats.items() if demo else ())
    ]
    html = (
        templates()
        .get_template("signin.html")
        .render(
            say=say,
            t=say.t,
            to=local_path(to),
            failed=failed,
            seats=seats,
            tenant=context.tenant,
            path="/signin",
        )
    )
    return HTMLResponse(html, 401 if failed else 200)


@router.post("/signin")
async def sign_in(
    request: Request,
    context: Context,
    person: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1_000)],
    tenant: Annotated[str, Form(max_length=64)] = "",
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Sign in by name and password."""
    check_origin(request)
    identity = await context.people.verify(tenant or context.tenant, person, password)
    if identity is None:
        return await _form(request, context, to=to, failed=True)
    return await _enter(context, identity, local_path(to))


@router.post("/signin/seat")
async def take_seat(
    request: Request,
    context: Context,
    role: Annotated[str, Form(max_length=64)],
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Take one of the demo's seats."""
    check_origin(request)
    demo = _demo(context)
    identity = await demo_identity(context, role)
    demo.take_seat(identity.person)
    return await _enter(context, identity, local_path(to))


async def _enter(context: WebContext, identity: Identity, to: str) -> RedirectResponse:
    hours = context.options.session_hours
    # The demo's clock may run thousands of times faster than the visitor's day.
    hours = hours * _FASTEST if context.demo else hours
    expires = context.now() + timedelta(hours=hours)
    session = await context.people.open_session(identity, expires=expires)
    answer = RedirectResponse(to, 303)
    answer.set_cookie(
        COOKIE,
        session,
        max_age=int(context.options.session_hours * 3_600),
        httponly=True,
        samesite="lax",
        secure=context.secure,
    )
    return answer


@router.post("/signout")
async def sign_out(request: Request, context: Context, _who: Caller) -> Response:
    """End the session."""
    session = request.cookies.get(COOKIE)
    if session:
        await context.people.close_session(session)
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.post("/language")
async def choose_language(
    request: Request,
    context: Context,
    language: Annotated[str, Form(max_length=8)],
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Keep the language of the pages in this browser."""
    check_origin(request)
    answer = RedirectResponse(local_path(to), 303)
    if language in LANGUAGES:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=_YEAR_S,
            samesite="lax",
            httponly=True,
            secure=context.secure,
        )
    return answer


@router.get("/demo/state")
async def demo_state(context: Context, _who: Caller) -> JSONResponse:
    """Return the demo's clock and phase for the page's header."""
    return _state(_demo(context))


@router.post("/demo/clock")
async def demo_clock(
    context: Context,
    _who: Caller,
    do: Annotated[str, Form(pattern="^(pause|resume|speed)$")],
    speed: Annotated[float, Form(ge=1, le=_FASTEST)] = 1,
) -> JSONResponse:
    """Pause the demo, let it go on, or set its speed."""
    demo = _demo(context)
    if do == "pause":
        demo.pause()
    elif do == "resume":
        demo.resume()
    else:
        demo.run_at(speed)
    return _state(demo)


def _demo(context: WebContext) -> Demo:
    if context.demo is None:
        raise ProblemError(404, "this is no demo")
    return context.demo


def _state(demo: Demo) -> JSONResponse:
    state = demo.state()
    return JSONResponse(
        {
            "now_ms": int(state.now.timestamp() * 1_000),
            "speed": state.speed,
            "paused": state.paused,
            "phase": state.phase,
            "progress": state.progress,
        }
    )


def sign_in_path(request: Request) -> str:
    """Return where to sign in and come back from."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/signin?to={quote(here, safe='/')}"
