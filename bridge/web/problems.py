"""Errors as problem details (RFC 9457): one shape for everything that REST refuses."""

from collections.abc import Awaitable, Callable, Mapping
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
        if each["type"] == "json_invalid":
            said = each.get("ctx", {}).get("error", "")
            found.append(
                {
                    "field": "body",
                    "found": f"no JSON at character {each['loc'][-1]}: {said}",
                    "allowed": "JSON in UTF-8",
                }
            )
            continue
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
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, _handler(answer))


def _handler(answer: Callable[[Any], ProblemError]) -> Callable[..., Awaitable[Response]]:
    async def handle(_request: Request, error: Exception) -> Response:
        return problem_response(answer(error))

    return handle


def _invalid(error: RequestValidationError) -> ProblemError:
    errors = field_errors(error)
    words = (f"{each['field']}: found {each['found']}; {each['allowed']}" for each in errors)
    return ProblemError(422, "; ".join(words), more={"errors": errors})


def _catalog(error: CatalogError) -> ProblemError:
    errors = [
        {"field": each.key, "found": each.found, "allowed": each.allowed}
        for each in error.problems
    ]
    return ProblemError(422, str(error), more={"errors": errors})


def _away(error: UnavailableError) -> ProblemError:
    retry = {"Retry-After": str(max(1, round(error.retry_after_s)))}
    return ProblemError(503, str(error), headers=retry)


def _http(error: HTTPException) -> ProblemError:
    return ProblemError(error.status_code, str(error.detail), headers=error.headers)


_ANSWERS: dict[type[Exception], Callable[[Any], ProblemError]] = {
    ProblemError: lambda error: error,
    RequestValidationError: _invalid,
    CatalogError: _catalog,
    InputError: lambda error: ProblemError(422, str(error)),
    ConflictError: lambda error: ProblemError(409, str(error)),
    UnavailableError: _away,
    HTTPException: _http,
    # The server logs the exception itself; what it says is not for callers.
    Exception: lambda _error: ProblemError(500, "the service failed; its log says how"),
}
