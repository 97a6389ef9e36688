"""REST on fakes: each endpoint answers its caller, and nobody else."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bridge.web.application import create_app
from bridge.web.context import WebContext
from tests.fakes.showroom import a_context

READS = [
    "/assets",
    "/assets/HX450-0173",
    "/assets/HX450-0173/series",
    "/assets/HX450-0173/health",
    "/predictions",
    "/detections",
    "/cases",
    "/cases/C-2041",
    "/cases/C-2041/events",
    "/cases/C-2041/notifications",
    "/tasks",
    "/catalog",
    "/catalog/assets",
    "/catalog/assets/HX450-0173",
    "/me",
]


@pytest.fixture
def context() -> WebContext:
    """Give a context of a real service (no demo) on fakes."""
    return a_context(demo=False)


@pytest.fixture
async def api(context: WebContext) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that is not signed in."""
    transport = httpx.ASGITransport(create_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://t/api/v1") as client:
        yield client


async def bearer(context: WebContext, person: str, tenant: str = "default") -> dict[str, str]:
    """Return the header of a fresh token."""
    token = await context.people.issue_token(tenant, person, "test", expires=None)
    return {"Authorization": f"Bearer {token}"}


def problem(answer: httpx.Response, status: int) -> dict:
    """Return a problem after a look at its shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert {"type", "title", "status", "detail"} <= content.keys()
    assert content["status"] == status
    return content


@pytest.mark.parametrize("path", READS)
async def test_reads_answer_who_is_signed_in(api, context, path):
    """Whoever is signed in reads."""
    answer = await api.get(path, headers=await bearer(context, "fe-1"))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", [*READS, "/stream", "/dead-letters"])
async def test_reads_refuse_who_is_not(api, path):
    """Without a sign-in there is nothing to read, and the answer says how to sign in."""
    answer = await api.get(path)
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_demo_token_is_unknown_to_a_real_service(api):
    """The token `demo` opens the demo only."""
    problem(await api.get("/me", headers={"Authorization": "Bearer demo"}), 401)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/nobodys",
        "/assets/nobodys/series",
        "/assets/nobodys/health",
        "/cases/C-3001",
        "/cases/C-3001/events",
        "/cases/C-3001/notifications",
        "/cases/not-an-id",
        "/catalog/assets/nobodys",
    ],
)
async def test_what_the_tenant_does_not_have_is_not_found(api, context, path):
    """What is unknown, or another tenant's, is 404."""
    problem(await api.get(path, headers=await bearer(context, "fe-1")), 404)


async def test_another_tenants_case_is_not_found_by_id(api, context):
    """Knowing the id of another tenant's case opens nothing, reading or acting."""
    theirs = context.views.shelf.cases["other"][0]
    mine = await bearer(context, "fe-1")
    problem(await api.get(f"/cases/{theirs.id}", headers=mine), 404)
    act = await api.post(f"/cases/{theirs.id}/acts", headers=mine, json={"do": "acknowledge"})
    problem(act, 404)
    assert context.inbox.inputs == []


async def test_cases_have_both_tasks_in_their_own_words(api, context):
    """A listed case shows one hash of facts and two tasks, worded differently."""
    answer = await api.get("/cases?open=true", headers=await bearer(context, "am-1"))
    case = next(each for each in answer.json()["items"] if each["number"] == "C-2041")
    assert len(case["facts_hash"]) == 64
    tasks = case["tasks"]
    assert tasks["engineering"]["owner"] == "fe-1"
    assert tasks["sales"]["waiting_on"] == "engineering"
    assert tasks["engineering"]["text"] != tasks["sales"]["text"]
    for key in ("state", "due", "next_action"):
        assert tasks["sales"][key]


async def test_a_waived_side_has_no_task(api, context):
    """A case without a sales side shows null and the dated waiver instead."""
    answer = await api.get("/cases/C-2043", headers=await bearer(context, "fe-1"))
    assert answer.json()["tasks"]["sales"] is None
    assert answer.json()["waiver"]["until"]


async def test_cases_are_paged(api, context):
    """Following `next` gives every case once."""
    mine = await bearer(context, "fe-1")
    seen, following = [], ""
    while following is not None:
        page = (await api.get(f"/cases?limit=2&after={following}", headers=mine)).json()
        seen += [each["number"] for each in page["items"]]
        following = page["next"]
    assert len(seen) == len(set(seen)) == page["total"] == 6


async def test_cases_are_filtered(api, context):
    """Filters narrow the list."""
    mine = await bearer(context, "fe-2")
    owned = (await api.get("/cases?owner=me", headers=mine)).json()["items"]
    assert [each["number"] for each in owned] == ["C-2044"]
    closed = (await api.get("/cases?state=closed", headers=mine)).json()["items"]
    assert [each["number"] for each in closed] == ["C-2019"]


async def test_an_act_is_done_once_per_key(api, context):
    """The same key again gives the same outcome and no second act."""
    headers = {**await bearer(context, "fe-1"), "Idempotency-Key": "k-1"}
    body = {"do": "confirm-finding", "finding": "race mark"}
    first = await api.post("/cases/C-2041/acts", headers=headers, json=body)
    again = await api.post("/cases/C-2041/acts", headers=headers, json=body)
    assert first.status_code == again.status_code == 200
    assert len(context.inbox.inputs) == 1
    assert context.inbox.inputs[0].by == "fe-1"
    assert again.json()["case"]["finding_confirmed"] is True


async def test_a_key_is_for_one_request(api, context):
    """The same key for another request is refused: its outcome would be the first one's."""
    headers = {**await bearer(context, "fe-1"), "Idempotency-Key": "k-1"}
    body = {"asset": "HX450-0173", "finding": "worn", "action": "replaced"}
    assert (await api.post("/repairs", headers=headers, json=body)).status_code == 201
    other = await api.post("/repairs", headers=headers, json={**body, "action": "cleaned"})
    assert "idempotency key" in problem(other, 409)["detail"]
    assert len(context.inbox.inputs) == 1


@pytest.mark.parametrize(
    ("path", "rows"),
    [("/assets", 8), ("/detections", 3), ("/catalog/people", 5), ("/cases/C-2041/events", 1)],
)
async def test_lists_are_paged(api, context, path, rows):
    """Following `next`, item by item, gives the whole list once."""
    mine = await bearer(context, "fe-1")
    whole = (await api.get(path, headers=mine)).json()["items"]
    assert len(whole) >= rows
    seen, following = [], None
    for _ in range(len(whole)):
        key = "before" if path == "/detections" else "after"
        params = {"limit": 1} | ({key: following} if following else {})
        page = (await api.get(path, headers=mine, params=params)).json()
        seen += page["items"]
        following = page["next"]
    assert seen == whole
    assert following is None


async def test_detections_have_closed_types(api, context):
    """A type of detection that does not exist is refused, not answered with nothing."""
    answer = await api.get("/detections?type=alarm", headers=await bearer(context, "fe-1"))
    assert "anomaly" in problem(answer, 422)["errors"][0]["allowed"]


async def test_large_bodies_are_refused(api, context):
    """A body above the limit is refused before it is parsed, also one without a length."""
    mine = await bearer(context, "fe-1")
    large = b" " * (context.options.body_bytes_max + 1)

    async def pieces():
        for _ in range(3):
            yield large[: len(large) // 2]

    for content in (large, pieces()):
        answer = await api.post("/repairs", headers=mine, content=content)
        assert "allowed" in problem(answer, 413)["detail"]


async def test_what_is_no_json_is_named(api, context):
    """A body that is no JSON says where it stops to be."""
    mine = {**await bearer(context, "fe-1"), "content-type": "application/json"}
    answer = await api.post("/repairs", headers=mine, content=b'{"asset": }')
    error = problem(answer, 422)["errors"][0]
    assert error["field"] == "body"
    assert "character 10" in error["found"]


async def test_keys_of_two_people_are_two_keys(api, context):
    """A key belongs to the person who uses it."""
    for person in ("fe-1", "am-1"):
        headers = {**await bearer(context, person), "Idempotency-Key": "k"}
        await api.post("/cases/C-2041/acts", headers=headers, json={"do": "acknowledge"})
    assert len(context.inbox.inputs) == 2


@pytest.mark.parametrize(
    ("person", "body", "status"),
    [
        ("am-1", {"do": "confirm-finding"}, 403),
        ("am-1", {"do": "inform", "told": "soon"}, 409),
        ("fe-1", {"do": "close"}, 422),
    ],
)
async def test_refusals_of_the_desk_are_problems(api, context, person, body, status):
    """What the desk refuses comes back with its status and its reason."""
    answer = await api.post(
        "/cases/C-2041/acts", headers=await bearer(context, person), json=body
    )
    assert problem(answer, status)["detail"]


async def test_who_acts_is_never_taken_from_a_body(api, context):
    """A body that names who acts is refused."""
    answer = await api.post(
        "/cases/C-2041/acts",
        headers=await bearer(context, "am-1"),
        json={"do": "acknowledge", "by": "fe-1"},
    )
    assert problem(answer, 422)["errors"][0]["field"] == "by"


async def test_wrong_fields_say_what_is_allowed(api, context):
    """A wrong value is answered with the field, what was found and what is allowed."""
    answer = await api.post(
        "/cases/C-2041/acts", headers=await bearer(context, "fe-1"), json={"do": "explode"}
    )
    error = problem(answer, 422)["errors"][0]
    assert error["field"] == "do"
    assert "explode" in error["found"]
    assert "acknowledge" in error["allowed"]


async def test_tasks_are_the_callers_own(api, context):
    """The list of tasks holds the caller's side only."""
    items = (await api.get("/tasks", headers=await bearer(context, "am-1"))).json()["items"]
    assert items
    assert {each["side"] for each in items} == {"sales"}


async def test_series_are_reduced_and_named(api, context):
    """Series have at most so many points; an unknown signal is named with the known."""
    mine = await bearer(context, "fe-1")
    answer = await api.get("/assets/HX450-0173/series?signals=envelope&points=50", headers=mine)
    series = answer.json()["signals"]["envelope"]
    assert len(series["time"]) == len(series["mean"]) == 50
    wrong = await api.get("/assets/HX450-0173/series?signals=nose", headers=mine)
    assert "envelope" in problem(wrong, 422)["allowed"]


async def test_a_span_needs_an_offset_and_an_order(api, context):
    """A time without an offset, or an end before the start, is refused."""
    mine = await bearer(context, "fe-1")
    path = "/assets/HX450-0173/series"
    problem(await api.get(f"{path}?from=2026-10-01T00:00:00", headers=mine), 422)
    span = {"from": "2026-10-02T00:00:00Z", "to": "2026-10-01T00:00:00Z"}
    problem(await api.get(path, params=span, headers=mine), 422)


async def test_unknown_machines_are_listed(api, context):
    """A machine that sends and is not in the catalog is listed as such."""
    items = (await api.get("/assets", headers=await bearer(context, "fe-1"))).json()["items"]
    known = {each["id"]: each["known"] for each in items}
    assert known["test-rig-9"] is False
    assert known["HX450-0173"] is True


async def test_a_repair_is_recorded(api, context):
    """A repair reaches the desk as the caller's; a seller does not record one."""
    body = {"asset": "HX450-0173", "finding": "worn", "action": "bearing replaced"}
    answer = await api.post("/repairs", headers=await bearer(context, "fe-1"), json=body)
    assert answer.status_code == 201
    assert (context.inbox.inputs[0].by, context.inbox.inputs[0].asset) == ("fe-1", "HX450-0173")
    problem(await api.post("/repairs", headers=await bearer(context, "am-1"), json=body), 403)
    unknown = {**body, "asset": "nobodys"}
    problem(
        await api.post("/repairs", headers=await bearer(context, "fe-1"), json=unknown), 404
    )


async def test_the_catalog_is_replaced_by_operators(api, context):
    """An operator's catalog becomes a version, tells its changes, reaches the desk once."""
    operator = await bearer(context, "op-1")
    found = (await api.get("/catalog", headers=operator)).json()
    catalog = found["catalog"]
    catalog["parts"].append({"id": "belt", "name": "Belt"})
    catalog["parts"][0]["in_stock"] = 3
    dry = await api.put("/catalog?dry_run=true", headers=operator, json=catalog)
    assert dry.json()["added"] == ["parts/belt"]
    assert dry.json()["changed"] == ["parts/bearing-kit"]
    assert context.inbox.inputs == []
    for _ in range(2):
        answer = await api.put("/catalog", headers=operator, json=catalog)
        assert answer.json()["version"] == 2
    assert len(context.inbox.inputs) == 1


async def test_a_catalog_that_names_nothing_is_refused(api, context):
    """A reference to nothing is refused as in a file, and nothing is stored."""
    operator = await bearer(context, "op-1")
    catalog = (await api.get("/catalog", headers=operator)).json()["catalog"]
    catalog["assets"][0]["model"] = "nosuch"
    found = problem(await api.put("/catalog", headers=operator, json=catalog), 422)
    assert found["errors"][0]["field"] == "assets[0].model"
    assert (await api.get("/catalog", headers=operator)).json()["version"] == 1


async def test_objects_are_found_by_what_identifies_them(api, context):
    """An object whose identity has two parts is found by both."""
    mine = await bearer(context, "op-1")
    turns = (await api.get("/catalog/on_call", headers=mine)).json()["items"]
    for each in turns:
        path = f"/catalog/on_call/{each['side']}/{','.join(each['sites'])}"
        assert (await api.get(path, headers=mine)).json() == each


async def test_the_catalog_is_guarded(api, context):
    """Only operators replace a catalog, only their own tenant's, and errors name the field."""
    catalog = (await api.get("/catalog", headers=await bearer(context, "fe-1"))).json()[
        "catalog"
    ]
    problem(await api.put("/catalog", headers=await bearer(context, "fe-1"), json=catalog), 403)
    operator = await bearer(context, "op-1")
    other = {**catalog, "tenant": "other"}
    problem(await api.put("/catalog", headers=operator, json=other), 403)
    catalog["assets"][0]["colour"] = "red"
    found = problem(await api.put("/catalog", headers=operator, json=catalog), 422)
    assert found["errors"][0]["field"] == "assets.0.colour"


async def test_dead_letters_are_for_operators_of_the_tenant(api, context):
    """Operators see their own tenant's dead letters, nobody else sees any."""
    problem(await api.get("/dead-letters", headers=await bearer(context, "fe-1")), 403)
    answer = await api.get("/dead-letters", headers=await bearer(context, "op-1"))
    assert [each["topic"] for each in answer.json()["items"]] == ["plant/x"]


async def test_events_hide_the_catalogs_content(api, context):
    """A case's events carry the chain's hashes and follow in order."""
    answer = await api.get("/cases/C-2041/events", headers=await bearer(context, "fe-1"))
    items = answer.json()["items"]
    assert items[0]["type"] == "case-opened"
    assert len(items[0]["hash"]) == 64


async def test_the_schema_is_complete(api):
    """OpenAPI describes each path with an operation that has a summary."""
    schema = (await api.get("/openapi.json")).json()
    assert schema["openapi"].startswith("3.")
    assert {"/cases", "/cases/{name}/acts", "/stream", "/assets/{asset}/series"} <= schema[
        "paths"
    ].keys()


async def test_unknown_paths_are_problems(api):
    """A path that does not exist is a problem too."""
    problem(await api.get("/nothing"), 404)
    problem(await api.delete("/cases"), 405)
