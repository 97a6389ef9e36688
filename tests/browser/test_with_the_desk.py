"""Pages and REST on the real records and the real desk: one case from start to end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from bridge.adapters.records.records import Records
from bridge.cases.inputs import Detected
from bridge.flow.desk import Desk, DeskOptions
from bridge.flow.ports import Identity
from bridge.model.catalog import Catalog
from bridge.model.detections import Evidence, Prediction, derive_id
from bridge.web.application import create_app
from bridge.web.context import WebContext
from tests.fakes.showroom import DAY, LEVELS, NOW, a_context, a_status, catalog, wording
from tests.unit.web.test_pages import fields

LIFE = [
    ("am-1", {"do": "inform", "told": "too early"}, 409, "open"),
    ("am-1", {"do": "confirm-finding", "finding": "not mine"}, 403, "open"),
    ("fe-1", {"do": "confirm-finding", "finding": "race mark"}, 200, "open"),
    ("am-1", {"do": "confirm-message"}, 200, "aligned"),
    ("am-1", {"do": "inform", "told": "between the 13th and the 27th"}, 200, "informed"),
    ("fe-1", {"do": "plan", "action": "new bearing", "until": "2026-10-10T08:00:00+02:00"},
     200, "planned"),
    ("fe-1", {"do": "execute", "action": "bearing replaced"}, 200, "executed"),
    ("fe-1", {"do": "verify"}, 200, "verified"),
    ("fe-1", {"do": "close"}, 422, "verified"),
    ("fe-1", {"do": "close", "finding": "worn", "action": "replaced", "told": "all well"},
     200, "closed"),
    ("fe-1", {"do": "acknowledge"}, 409, "closed"),
]  # fmt: skip


@dataclass
class Plant:
    """A client of the application and what it rests on."""

    client: httpx.AsyncClient
    records: Records

    async def headers(self, person: str) -> dict[str, str]:
        """Return a session of a person as a browser sends it."""
        role = catalog().person_by_id[person].role
        identity = Identity("default", person, role, "session")
        session = await self.records.people.open_session(identity, expires=NOW + DAY)
        return {"Cookie": f"bridge_session={session}", "Origin": "http://t"}


def prediction() -> Prediction:
    """Return a significant prediction on good data."""
    return Prediction(
        id=derive_id("p"), tenant="default", asset="HX450-0173", at=NOW,
        mode="bearing-outer-race", confidence="medium", score=0.97,
        p10=NOW + 12 * DAY, p50=NOW + 18 * DAY, p90=NOW + 26 * DAY, onset=NOW - 14 * DAY,
        contributions={"envelope": 0.7, "bearing_temp": 0.3},
        evidence=Evidence(
            window_from=NOW - 21 * DAY, window_to=NOW, latest={"envelope": 1.3},
            baseline={"envelope": LEVELS["envelope"]}, completeness=0.99,
        ),
    )  # fmt: skip


@pytest.fixture
async def plant(tmp_path) -> AsyncIterator[Plant]:
    """Run a desk on records of its own, and let a prediction open a case."""
    fakes = a_context(demo=False)
    async with await Records.open(f"sqlite+aiosqlite:///{tmp_path}/records.db") as records:
        place: Catalog = catalog()
        await records.catalogs.put(place)
        context = WebContext(
            **{
                **fields(fakes),
                "views": records.views,
                "inbox": records.inbox,
                "people": records.people,
                "catalogs": records.catalogs,
            }
        )
        desk = Desk(
            store=records.desk, catalogs=records.catalogs, wording=wording(),
            clock=context.clock, metrics=context.metrics,
            options=DeskOptions(look_every_s=0.1),
        )  # fmt: skip
        seen = prediction()
        input_ = Detected(id=seen.id, tenant="default", at=NOW, detection=seen)
        status = a_status(place, "HX450-0173", "degrading")
        await records.inbox.put("default", [input_], [status], reader="watch", offset=1)
        transport = httpx.ASGITransport(create_app(context))
        async with (
            asyncio.TaskGroup() as group,
            httpx.AsyncClient(transport=transport, base_url="http://t") as client,
        ):
            running = group.create_task(desk.run())
            async with asyncio.timeout(10):
                while await records.views.case_by_number("default", 1) is None:
                    last = await records.views.last_event("default")
                    await records.views.wait_events(after=last, timeout_s=1)
            yield Plant(client, records)
            running.cancel()


async def test_one_case_from_start_to_end(plant):
    """A case goes its whole way over REST, and its page shows it to both in both languages."""
    client = plant.client
    who = {person: await plant.headers(person) for person in ("fe-1", "am-1", "co-1")}
    found = (await client.get("/api/v1/cases?open=true", headers=who["am-1"])).json()["items"]
    assert [each["number"] for each in found] == ["C-1"]
    assert found[0]["tasks"]["engineering"]["owner"] == "fe-1"
    assert found[0]["tasks"]["sales"]["owner"] == "am-1"
    for number, (person, body, status, state) in enumerate(LIFE):
        headers = {**who[person], "Idempotency-Key": f"act-{number}"}
        for _ in range(2):
            answer = await client.post("/api/v1/cases/C-1/acts", headers=headers, json=body)
            assert answer.status_code == status, (body, answer.text)
        case = (await client.get("/api/v1/cases/C-1", headers=who[person])).json()
        assert case["state"] == state, body
        for reader, session in who.items():
            for language in ("en", "de"):
                cookie = f"{session['Cookie']}; bridge_language={language}"
                page = await client.get("/cases/C-1", headers={"Cookie": cookie})
                assert page.status_code == 200, (reader, page.text)
    events = (await client.get("/api/v1/cases/C-1/events", headers=who["fe-1"])).json()["items"]
    kinds = [each["type"] for each in events]
    assert kinds.count("case-opened") == kinds.count("case-closed") == 1
    assert kinds.count("acted") == sum(status == 200 for _, _, status, _ in LIFE)
    assert kinds.count("act-refused") == sum(status != 200 for _, _, status, _ in LIFE)


async def test_lists_on_real_records(plant):
    """Inbox, fleet, machine and their REST show the case that the desk opened."""
    engineer = await plant.headers("fe-1")
    for path in (
        "/inbox",
        "/inbox?tab=all",
        "/inbox?tab=all&q=C-1",
        "/fleet",
        "/assets/HX450-0173",
    ):
        page = await plant.client.get(path, headers=engineer)
        assert page.status_code == 200
        assert "C-1" in page.text, path
    none = await plant.client.get("/inbox?tab=all&q=nobody", headers=engineer)
    assert "No case matches" in none.text
    sent = await plant.client.get("/api/v1/cases/C-1/notifications", headers=engineer)
    assert {each["to"] for each in sent.json()["items"]} >= {"fe-1", "am-1"}
    seen = await plant.client.get("/api/v1/predictions?asset=HX450-0173", headers=engineer)
    assert len(seen.json()["items"]) == 1
