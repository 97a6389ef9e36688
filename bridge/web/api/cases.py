"""Cases, their story, and the acts of people."""

import re
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Query
from pydantic import Field

from bridge.cases.inputs import ActRequested, Repaired
from bridge.flow.ports import CaseFilter, Identity, Outcome
from bridge.model.case import ActName, Case, CaseState
from bridge.model.detections import derive_id
from bridge.model.values import Id, Instant, Side, Value
from bridge.web.api.shapes import (
    After,
    PageLimit,
    case_details,
    case_shape,
    event_shape,
    sending_shape,
)
from bridge.web.context import WebContext
from bridge.web.problems import ProblemError, not_found
from bridge.web.readers import Reader
from bridge.web.signin import OPERATORS, Caller, Context

router = APIRouter(tags=["cases"])

_NUMBER = re.compile(r"^C-(\d{1,12})$", re.IGNORECASE)
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key again gives the same outcome and acts once.",
    ),
]


class ActBody(Value):
    """An act; who acts comes from the sign-in."""

    do: ActName
    side: Side | None = Field(default=None, description="For coordinators, who act for either.")
    reason: str = Field(default="", max_length=4_000)
    finding: str = Field(default="", max_length=4_000)
    action: str = Field(default="", max_length=4_000)
    told: str = Field(default="", max_length=4_000)
    until: Instant | None = None
    note: str = Field(default="", max_length=4_000)


class RepairBody(Value):
    """A repair that was made; the machine's baseline starts anew."""

    asset: Id
    mode: Id | None = None
    finding: str = Field(default="", max_length=4_000)
    action: str = Field(default="", max_length=4_000)


async def find_case(context: WebContext, tenant: str, name: str) -> Case:
    """Return a case by its id or its number such as C-2041; another tenant's is not found."""
    number = _NUMBER.match(name)
    if number:
        case = await context.views.case_by_number(tenant, int(number[1]))
    else:
        try:
            case = await context.views.case(tenant, UUID(name))
        except ValueError:
            case = None
    if case is None:
        raise not_found("case", name)
    return case


@router.get("/cases")
async def list_cases(  # noqa: PLR0913 - each is one query parameter
    context: Context,
    caller: Caller,
    reader: Reader,
    *,
    owner: Annotated[str | None, Query(description="Person id, or `me`.")] = None,
    asset: str | None = None,
    account: str | None = None,
    state: Annotated[list[CaseState] | None, Query()] = None,
    open: Annotated[bool, Query(description="Only cases that are not closed.")] = False,  # noqa: A002 - the parameter's public name
    text: str | None = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """List cases, the most urgent first; follow `next` for more."""
    where = CaseFilter(
        owner=caller.person if owner == "me" else owner,
        asset=asset,
        account=account,
        states=tuple(state) if state else None,
        open_only=open,
        text=text,
    )
    page = await context.views.cases(caller.tenant, where, after=after, limit=limit)
    items = [case_shape(case, context.texts, reader) for case in page.items]
    return {"items": items, "next": page.next, "total": page.total}


@router.get("/cases/{name}")
async def get_case(
    name: str, context: Context, caller: Caller, reader: Reader
) -> dict[str, Any]:
    """Return a case by id or number, with its facts."""
    case = await find_case(context, caller.tenant, name)
    return case_details(case, context.texts, reader)


@router.get("/cases/{name}/events")
async def case_events(
    name: str,
    context: Context,
    caller: Caller,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> dict[str, Any]:
    """Return what happened in a case, in order, refused acts too, with the chain's hashes."""
    case = await find_case(context, caller.tenant, name)
    found = await context.views.events(
        caller.tenant, after=after, case=case.id, limit=limit + 1
    )
    items = [event_shape(each) for each in found[:limit]]
    return {"items": items, "next": str(items[-1]["seq"]) if len(found) > limit else None}


@router.get("/cases/{name}/notifications")
async def case_notifications(
    name: str,
    context: Context,
    caller: Caller,
    before: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: PageLimit = 200,
) -> dict[str, Any]:
    """Return who was told of a case, when, and how the delivery stands, the newest first."""
    case = await find_case(context, caller.tenant, name)
    found = await context.views.notifications(
        caller.tenant, case=case.id, before=before, limit=limit + 1
    )
    items = [sending_shape(each) for each in found[:limit]]
    return {"items": items, "next": items[-1]["id"] if len(found) > limit else None}


@router.post("/cases/{name}/acts")
async def act(
    name: str,
    body: ActBody,
    context: Context,
    caller: Caller,
    reader: Reader,
    key: Key = None,
) -> dict[str, Any]:
    """Act on a case as the person signed in, and wait for what the desk makes of it."""
    case = await find_case(context, caller.tenant, name)
    if context.demo is not None:
        context.demo.take_seat(caller.person)
    asked = ActRequested(
        id=input_id(caller, key),
        tenant=caller.tenant,
        at=context.now(),
        by=caller.person,
        case=case.id,
        **body.model_dump(),
    )
    seq = await context.inbox.submit(asked)
    outcome = await context.inbox.outcome(seq, timeout_s=context.options.outcome_timeout_s)
    raise_refusal(outcome)
    now = await context.views.case(caller.tenant, case.id) or case
    return {"status": outcome.status, "case": case_shape(now, context.texts, reader)}


@router.get("/tasks")
async def tasks(
    context: Context,
    caller: Caller,
    reader: Reader,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
) -> dict[str, Any]:
    """List the open tasks of the person signed in, the most urgent first."""
    where = CaseFilter(owner=caller.person, open_only=True)
    page = await context.views.cases(caller.tenant, where, after=after, limit=limit)
    items = [
        {"case": {"id": shape["id"], "number": shape["number"]}, **task}
        for shape in (case_shape(case, context.texts, reader) for case in page.items)
        for task in shape["tasks"].values()
        if task and task["owner"] == caller.person
    ]
    return {"items": items, "next": page.next}


@router.post("/repairs", status_code=201)
async def record_repair(
    body: RepairBody, context: Context, caller: Caller, key: Key = None
) -> dict[str, Any]:
    """Record a repair as the person signed in."""
    if caller.role not in _REPAIRERS:
        raise ProblemError(
            403,
            f"role {caller.role} does not record repairs",
            more={"allowed_roles": list(_REPAIRERS)},
        )
    if not await _is_known(context, caller.tenant, body.asset):
        raise not_found("asset", body.asset)
    made = Repaired(
        id=input_id(caller, key),
        tenant=caller.tenant,
        at=context.now(),
        by=caller.person,
        **body.model_dump(),
    )
    seq = await context.inbox.submit(made)
    outcome = await context.inbox.outcome(seq, timeout_s=context.options.outcome_timeout_s)
    raise_refusal(outcome)
    return {"status": outcome.status, "case": str(outcome.case) if outcome.case else None}


_REPAIRERS = ("engineer", "lead-engineer", "coordinator", *OPERATORS)


def input_id(caller: Identity, key: str | None) -> UUID:
    """Return the id of a request, made of person and key, so that twice is once."""
    return derive_id("request", caller.tenant, caller.person, key) if key else uuid4()


def raise_refusal(outcome: Outcome) -> None:
    """Raise what the desk refused, with its reason."""
    if outcome.status >= _REFUSED:
        more = {"case": str(outcome.case)} if outcome.case else {}
        raise ProblemError(outcome.status, outcome.reason, more=more)


_REFUSED = 400


async def _is_known(context: WebContext, tenant: str, asset: str) -> bool:
    found = await context.catalogs.latest(tenant)
    if found and asset in found[1].asset_by_id:
        return True
    return await context.views.status(tenant, asset) is not None
