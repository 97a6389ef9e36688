"""The web application: REST under /api/v1, pages for both roles, probes for machines."""

import bokeh.util.paths
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from bridge.web import probes, problems
from bridge.web.api.routes import create_api
from bridge.web.console import details, pages, session
from bridge.web.console.saying import Say
from bridge.web.context import WebContext
from bridge.web.guard import Guard
from bridge.web.problems import ProblemError, problem_response
from bridge.web.sizes import SizeLimit

_COMPRESS_FROM = 1_000


def create_app(context: WebContext) -> FastAPI:
    """Return the ASGI application that serves REST, pages and probes on the context's ports.

    Parameters
    ----------
    context : WebContext
        Ports and options; nothing else is read, no setting and no environment.

    Notes
    -----
    The event stream at /api/v1/stream ends with its client only: give the server a bounded
    graceful shutdown (uvicorn: ``timeout_graceful_shutdown``).
    """
    app = FastAPI(title="bridge", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    api = create_api(context)
    app.state.api = api
    problems.install(app)
    _install_error_pages(app)
    for part in (probes, session, pages, details):
        app.include_router(part.router)
    app.mount("/api/v1", api)
    app.mount("/static/bokeh", StaticFiles(directory=bokeh.util.paths.bokehjs_path() / "js"))
    app.mount("/static", StaticFiles(directory=pages.STATIC))
    app.add_middleware(SizeLimit, options=context.options)
    app.add_middleware(GZipMiddleware, minimum_size=_COMPRESS_FROM)
    app.add_middleware(Guard, secure=context.secure)
    return app


def _install_error_pages(app: FastAPI) -> None:
    """Answer a browser with a page, and send who is not signed in to the sign-in."""

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> Response:
        return _answer(request, error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _answer(
            request, ProblemError(error.status_code, str(error.detail), headers=error.headers)
        )


def _answer(request: Request, error: ProblemError) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "")
    if not wants_page:
        return problem_response(error)
    if error.status == 401:  # noqa: PLR2004 - RFC 9110
        return RedirectResponse(session.sign_in_path(request), 303)
    context: WebContext = request.app.state.context
    say = Say(session.language_of(request), "UTC", context.now())
    html = (
        pages.templates()
        .get_template("problem.html")
        .render(say=say, t=say.t, error=error, path=request.url.path)
    )
    return HTMLResponse(html, error.status)
