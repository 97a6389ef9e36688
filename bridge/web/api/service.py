"""The live stream, who I am, and what operators look after."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from bridge.model.instants import as_datetime
from bridge.web.problems import ProblemError
from bridge.web.readers import Reader
from bridge.web.signin import Caller, Context, Operator
from bridge.web.stream import follow

router = APIRouter(tags=["service"])


@router.get("/me")
async def me(caller: Caller, reader: Reader, context: Context) -> dict[str, Any]:
    """Return whom this request acts as, and the bridge's time."""
    return {
        "tenant": caller.tenant,
        "person": caller.person,
        "role": caller.role,
        "via": caller.via,
        "name": reader.name,
        "language": reader.language,
        "timezone": reader.timezone,
        "now": context.now(),
    }


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(
    context: Context,
    caller: Caller,
    last: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    after: Annotated[int | None, Query(ge=0, description="Start later than this.")] = None,
) -> StreamingResponse:
    """Follow the tenant's events live as server-sent events; the id of each is its number."""
    start = after
    if last:
        if not last.isdecimal():
            raise ProblemError(
                422, f"Last-Event-ID: found {last[:40]!r}; the number of an event is allowed"
            )
        start = int(last)
    if start is None:
        start = await context.views.last_event(caller.tenant)
    return StreamingResponse(
        follow(context, caller.tenant, start),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.get("/dead-letters")
async def dead_letters(
    context: Context,
    caller: Operator,
    before: Annotated[int | None, Query(ge=1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List messages that could not be taken in, the newest first, with the reason.

    Letters whose topic told no tenant belong to who runs the service's own tenant.
    """
    tenants = {caller.tenant, ""} if caller.tenant == context.tenant else {caller.tenant}
    found = await context.journal.dead_letters(before=before, limit=limit + 1, tenants=tenants)
    items = [
        {
            "number": number,
            "at": as_datetime(letter.at_ns),
            "topic": letter.topic,
            "reason": letter.reason,
            "detail": letter.detail,
            "payload_base64": base64.b64encode(letter.payload).decode(),
        }
        for number, letter in found[:limit]
    ]
    more = str(items[-1]["number"]) if len(found) > limit else None
    return {"items": items, "next": more}
