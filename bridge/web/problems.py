"""Errors as problem details (RFC 9457): one shape for everything that REST refuses."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bridge.model.errors import CatalogError, ConflictError, InputError, UnavailableError

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """A request that is refused, with what the caller needs to do better.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        What was found and what is allowed.
    more : mapping
        Further members of the problem, such as ``errors`` or ``allowed``.
    headers : mapping
        Of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.more = dict(more or {})
        self.headers = dict(headers or {})


def not_found(what: str, name: object) -> ProblemError:
    """Return the problem of a name that the caller's tenant does not have."""
    return ProblemError(404, f"no {what} {name!s} is known here")


def problem_response(error: ProblemError) -> JSONResponse:
    """Return a problem as an HTTP answer."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        **error.more,
    }
    return JSONResponse(content, error.status, headers=error.headers, media_type=MEDIA_TYPE)


def field_errors(error: RequestValidationError) -> list[dict[str, str]]:
    """Return what is wrong field by field: where, what was found, what is allowed."""
    found = []
    for each in error.errors():
        where = [str(part) for part in each["loc"] if part not in {"body", "query", "path"}]
        value = each.get("input")
        found.append(
            {
                "field": ".".join(where) or "body",
                "found": "nothing" if each["type"] == "missing" else repr(value)[:80],
                "allowed": each["msg"].removeprefix("Value error, "),
            }
        )
    return found


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        errors = field_errors(error)
        words = "; ".join(
            f"{each['field']}: found {each['found']}; {each['allowed']}" for each in errors
        )
        return problem_response(ProblemError(422, words, more={"errors": errors}))

    @app.exception_handler(CatalogError)
    async def catalog(_request: Request, error: CatalogError) -> Response:
        errors = [
            {"field": each.key, "found": each.found, "allowed": each.allowed}
            for each in error.problems
        ]
        return problem_response(ProblemError(422, str(error), more={"errors": errors}))

    @app.exception_handler(InputError)
    async def wrong(_request: Request, error: InputError) -> Response:
        return problem_response(ProblemError(422, str(error)))

    @app.exception_handler(ConflictError)
    async def conflict(_request: Request, error: ConflictError) -> Response:
        return problem_response(ProblemError(409, str(error)))

    @app.exception_handler(UnavailableError)
    async def away(_request: Request, error: UnavailableError) -> Response:
        retry = {"Retry-After": str(max(1, round(error.retry_after_s)))}
        return problem_response(ProblemError(503, str(error), headers=retry))

    @app.exception_handler(Exception)
    async def ours(_request: Request, _error: Exception) -> Response:
        # The server logs the exception itself; what it says is not for callers.
        return problem_response(ProblemError(500, "the service failed; its log says how"))

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        return problem_response(
            ProblemError(error.status_code, str(error.detail), headers=error.headers)
        )
