"""Inbox, fleet and the frame of every page; each renders whole or only its live part."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import bokeh
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from bridge.flow.ports import CaseFilter, Identity
from bridge.model.case import Case
from bridge.model.catalog import Catalog, Person
from bridge.web.console.fleet import places, tally
from bridge.web.console.rows import Row, in_order, machine_words, row
from bridge.web.console.saying import Say, clock_at
from bridge.web.console.story import name_of
from bridge.web.context import WebContext
from bridge.web.readers import LANGUAGES, Reader, TenantCatalog
from bridge.web.signin import OPERATORS, Caller, Context

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

STATIC = Path(__file__).parent / "static"
SPEEDS = (1, 60, 300, 600, 1_800, 3_600, 7_200, 20_000)
"""Speeds that the demo's header offers, in simulated seconds per second."""
TABS = ("todo", "waiting", "all", "closed")
_SHOWN = 100
_ON_TILES = 1_000


@cache
def templates() -> Environment:
    """Return the pages' templates; what is missing in one is an error, never an empty place."""
    environment = Environment(
        loader=PackageLoader("bridge.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        static=_static_version(),
        bokeh=bokeh.__version__,
        speeds=SPEEDS,
        machine_words=machine_words,
        person_name=name_of,
        clock_at=clock_at,
    )
    return environment


def _static_version() -> str:
    """Return a short hash of script and style: browsers keep them until it changes."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
    return hashlib.sha256(content).hexdigest()[:10]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page: who looks, in which words, at which moment."""

    request: Request
    context: WebContext
    who: Identity
    person: Person
    catalog: Catalog
    say: Say

    async def page(self, template: str, **values: Any) -> HTMLResponse:  # noqa: ANN401 - what templates show
        """Return a page, or only its live part where the page itself asks for news."""
        html = (
            templates()
            .get_template(template)
            .render(
                frame="part.html" if "x-part" in self.request.headers else "page.html",
                say=self.say,
                t=self.say.t,
                who=self.who,
                person=self.person,
                languages=LANGUAGES,
                path=self.request.url.path,
                nonce=self.request.state.nonce,
                demo=self.context.demo.state() if self.context.demo else None,
                seq=await self.context.views.last_event(self.who.tenant),
                **values,
            )
        )
        return HTMLResponse(html)


async def _visit(
    request: Request, context: Context, who: Caller, person: Reader, catalog: TenantCatalog
) -> Visit:
    return Visit(request, context, who, person, catalog, Say.to(person, context.now()))


Visitor = Annotated[Visit, Depends(_visit)]


@router.get("/")
async def home(who: Caller) -> Response:
    """Lead to the page that the role starts with."""
    return RedirectResponse("/fleet" if who.role in OPERATORS else "/inbox", 303)


@router.get("/inbox")
async def inbox(
    visit: Visitor,
    tab: str | None = None,
    q: str = "",
    after: Annotated[str | None, Query()] = None,
) -> Response:
    """Show the cases that wait for the reader, the costliest first."""
    own = visit.who.role not in (*OPERATORS, "coordinator")
    tab = tab if tab in TABS else ("todo" if own else "all")
    mine = await _mine(visit) if own else []
    counts = {
        "todo": sum(each.my_move for each in mine),
        "waiting": sum(not each.my_move for each in mine),
    }
    following: str | None = None
    if tab in {"todo", "waiting"}:
        rows = [each for each in mine if each.my_move == (tab == "todo")]
        total = len(rows)
    else:
        states = ("closed",) if tab == "closed" else None
        where = CaseFilter(states=states, open_only=tab == "all", text=q or None)
        found = await visit.context.views.cases(
            visit.who.tenant, where, after=after, limit=_SHOWN
        )
        rows = [row(case, visit.who) for case in found.items]
        following, total = found.next, found.total
    if tab != "closed":
        rows = in_order(rows, visit.say.now)
    return await visit.page(
        "inbox.html",
        tab=tab,
        own=own,
        counts=counts,
        rows=rows[:_SHOWN],
        total=total,
        following=following,
        q=q,
        catalog=visit.catalog,
        texts=visit.context.texts,
    )


async def _mine(visit: Visit) -> list[Row]:
    where = CaseFilter(owner=visit.who.person, open_only=True)
    limit = visit.context.options.page_max
    found = await visit.context.views.cases(visit.who.tenant, where, limit=limit)
    rows = [row(case, visit.who) for case in found.items]
    return [each for each in rows if each.mine and each.mine.owner == visit.who.person]


@router.get("/fleet")
async def fleet(visit: Visitor, condition: str = "") -> Response:
    """Show the state of every machine at a glance, by customer and site."""
    statuses = await visit.context.views.statuses(visit.who.tenant)
    found = places(visit.catalog, statuses, await _open_cases(visit))
    return await visit.page("fleet.html", places=found, tally=tally(found), condition=condition)


async def _open_cases(visit: Visit) -> list[Case]:
    """Return the open cases of the tenant, page by page, the most urgent thousand at most."""
    where = CaseFilter(open_only=True)
    found: list[Case] = []
    after: str | None = None
    while len(found) < _ON_TILES:
        page = await visit.context.views.cases(
            visit.who.tenant, where, after=after, limit=visit.context.options.page_max
        )
        found += page.items
        after = page.next
        if after is None:
            break
    return found


@router.get("/api")
async def api_page(visit: Visitor) -> Response:
    """Show what the REST offers, without a script from elsewhere."""
    schema = visit.request.app.state.api.openapi()
    return await visit.page("api.html", schema=schema)
