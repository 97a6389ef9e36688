"""The desk's loop on real records: order, outcomes, restarts, and inputs that we fail on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.adapters.records.records import Records
from bridge.cases.desk import decide
from bridge.cases.inputs import ActRequested, CatalogChanged, Detected
from bridge.cases.state import evolve
from bridge.flow.clock import ScaledClock
from bridge.flow.desk import Desk, DeskOptions, Rules
from bridge.flow.metrics import Metrics
from bridge.flow.ports import CaseFilter, Decision
from bridge.model.catalog import Account, Asset, Catalog, FailureMode, Model, Person, Site
from bridge.model.detections import Prediction, derive_id
from bridge.model.errors import ConflictError, UnavailableError
from bridge.model.instants import as_ns
from tests.records import NOW

CATALOG = Catalog(
    tenant="acme",
    people=(
        Person(id="ada", name="Ada", role="engineer", email="ada@example.org"),
        Person(id="sam", name="Sam", role="account-manager"),
        Person(id="lea", name="Lea", role="lead-engineer", email="lea@example.org"),
    ),
    accounts=(Account(id="north", name="North", account_owner="sam", engineer="ada"),),
    sites=(Site(id="hall", account="north", name="Hall"),),
    models=(
        Model(
            id="press",
            name="Press",
            failure_modes=(FailureMode(id="wear", name="Wear", plain="worn"),),
        ),
    ),
    assets=(Asset(id="press-07", model="press", site="hall"),),
)


@dataclass(frozen=True)
class Message:
    """A letter as the test words it."""

    subject: str
    text: str = "text"
    html: str = "<p>text</p>"


class Plain:
    """Words letters by their kind and their case."""

    def render(self, letter, state) -> Message:
        """Word a letter."""
        case = state.cases.get(letter.case) or state.closed.get(letter.case)
        return Message(f"{letter.kind} {case.label if case else ''}")


@dataclass
class Running:
    """A desk that runs, and what it runs on."""

    records: Records
    metrics: Metrics
    clock: ScaledClock

    async def ask(self, input_):
        """Submit an input and wait for its outcome."""
        seq = await self.records.inbox.submit(input_)
        return await self.records.inbox.outcome(seq, timeout_s=10)

    def counted(self, status: str) -> float | None:
        """Return how many inputs ended with a status."""
        name = "bridge_desk_inputs_total"
        return self.metrics.registry.get_sample_value(name, {"status": status})

    async def adopt(self) -> None:
        """Give the desk its catalog."""
        version = await self.records.catalogs.put(CATALOG)
        given = CatalogChanged(
            id=derive_id("catalog", version),
            tenant="acme",
            at=NOW,
            version=version,
            catalog=CATALOG,
        )
        assert (await self.ask(given)).status == 200


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Give a file of this test's own."""
    return f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"


def on(records: Records, clock: ScaledClock, metrics: Metrics, **options) -> Desk:
    """Make a desk on records."""
    return Desk(
        store=options.pop("store", records.desk),
        catalogs=records.catalogs,
        wording=Plain(),
        clock=clock,
        metrics=metrics,
        options=DeskOptions(look_every_s=0.05, webhooks=("crm",), **options),
    )


@asynccontextmanager
async def desk(url: str, **options) -> AsyncIterator[Running]:
    """Run a desk on a database until the block ends."""
    async with await Records.open(url) as records:
        metrics, clock = Metrics(), ScaledClock(as_ns(NOW), speed=0)
        part = on(records, clock, metrics, **options)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(part.run())
            yield Running(records, metrics, clock)
            task.cancel()


def predicted(number: int = 1, days: float = 20) -> Detected:
    """Make the input of a good prediction."""
    said = Prediction(
        id=derive_id("prediction", number),
        tenant="acme",
        asset="press-07",
        at=NOW,
        mode="wear",
        p10=NOW + timedelta(days=days),
        p50=NOW + timedelta(days=days + 5),
        p90=NOW + timedelta(days=days + 10),
        confidence="high",
    )
    return Detected(id=derive_id(str(said.id)), tenant="acme", at=NOW, detection=said)


def act(by: str, do: str, **fields: object) -> ActRequested:
    """Make a person's act on the press."""
    return ActRequested(
        id=derive_id(by, do), tenant="acme", at=NOW, by=by, asset="press-07", mode="wear",
        do=do, **fields,
    )  # fmt: skip


async def only_case(records: Records):
    """Return the one case there is."""
    (case,) = (await records.views.cases("acme", CaseFilter())).items
    return case


async def test_prediction_to_letters(url: str) -> None:
    """A prediction becomes one case with two tasks, and each owner a letter where they read."""
    async with desk(url) as running:
        await running.adopt()
        outcome = await running.ask(predicted())
        case = await only_case(running.records)
        assert outcome.status == 200
        assert outcome.case == case.id
        assert (case.engineering.owner, case.sales.owner) == ("ada", "sam")
        sent = {
            (each.notification.to, each.notification.channel): each.notification
            for each in await running.records.views.notifications("acme", case=case.id)
        }
        assert sent["ada", "email"].subject == f"new {case.label}"
        assert sent["ada", "email"].address == "ada@example.org"
        # Sam has no mailbox: the console is where Sam reads.
        assert sent["sam", "console"].address == ""
        assert sent["crm", "webhook:crm"].text.startswith("{")
        control = await running.records.outbox.due(now_ns=0, channel="journal")
        assert [each.notification.to for each in control] == ["journal"]


async def test_refusal_names_status_and_reason(url: str) -> None:
    """An act that the desk refuses comes back with its status and a reason."""
    async with desk(url) as running:
        await running.adopt()
        await running.ask(predicted())
        refused = await running.ask(act("sam", "plan", action="swap"))
        assert refused.status == 403
        assert refused.reason
        accepted = await running.ask(act("ada", "confirm-finding", finding="worn"))
        assert accepted.status == 200
        assert (await only_case(running.records)).finding == "worn"
        assert running.counted("403") == 1


async def test_restart_goes_on(url: str) -> None:
    """After a restart the desk knows its cases by their events, and handles nothing twice."""
    async with desk(url) as running:
        await running.adopt()
        await running.ask(predicted())
        before = await only_case(running.records)
        events = await running.records.views.last_event("acme")
    async with desk(url) as running:
        assert (await running.ask(predicted())).status == 200
        assert (await running.ask(act("ada", "acknowledge"))).case == before.id
        after = await only_case(running.records)
        assert after.number == before.number
        assert after.engineering.state == "acknowledged"
        assert await running.records.views.last_event("acme") > events


def failing(where: str, on: str) -> Rules:
    """Make rules that fail at one step of one input."""

    def failing_decide(input_, state):
        if where == "decide" and input_.id == derive_id("ada", on):
            raise RuntimeError("rules are broken")
        return decide(input_, state)

    def failing_evolve(state, event):
        state = evolve(state, event)
        if where == "evolve" and event.input == derive_id("ada", on):
            raise RuntimeError("fold is broken")
        return state

    return Rules(decide=failing_decide, evolve=failing_evolve)


@pytest.mark.parametrize("where", ["decide", "evolve"])
async def test_input_we_fail_on_does_not_block(url: str, where: str) -> None:
    """An input that our code fails on is answered with 500, counted, and blocks no other."""
    async with desk(url, rules=failing(where, "confirm-finding")) as running:
        await running.adopt()
        await running.ask(predicted())
        acts = [
            act("ada", "acknowledge"),
            act("ada", "confirm-finding", finding="worn"),
            act("sam", "confirm-message"),
        ]
        seqs = [await running.records.inbox.submit(each) for each in acts]
        ended = [await running.records.inbox.outcome(each, timeout_s=10) for each in seqs]
        assert [each.status for each in ended] == [200, 500, 200]
        case = await only_case(running.records)
        assert not case.finding_confirmed
        assert case.message_confirmed
        assert running.counted("500") == 1


async def test_time_is_looked_at(url: str) -> None:
    """When the desk's clock moves on, tasks age without any input."""
    async with desk(url) as running:
        await running.adopt()
        await running.ask(predicted())
        seen = await running.records.views.last_event("acme")
        running.clock.move_to(as_ns(NOW + timedelta(days=19)))
        assert await running.records.views.wait_events(after=seen, timeout_s=10)
        events = await running.records.views.events("acme", after=seen)
        assert {each.event.by for each in events} == {"clock"}


async def test_catalog_nobody_told_of(url: str) -> None:
    """A catalog that was stored, but never told, is adopted all the same, and once."""
    async with desk(url) as running:
        await running.records.catalogs.put(CATALOG)
        assert await running.records.views.wait_events(after=0, timeout_s=10)
        assert (await running.ask(predicted())).status == 200
        assert (await only_case(running.records)).engineering.owner == "ada"
        events = await running.records.views.events("acme")
        assert [each.event.type for each in events].count("catalog-adopted") == 1


async def test_first_inputs_meet_the_catalog(url: str) -> None:
    """What was detected before the desk ran is decided by the catalog that is there by then."""
    async with await Records.open(url) as records:
        await records.inbox.submit(predicted())
        await records.catalogs.put(CATALOG)
    async with desk(url) as running:
        await running.ask(predicted())
        assert (await only_case(running.records)).engineering.owner == "ada"


async def test_second_desk_is_a_conflict(url: str) -> None:
    """A second desk on the same tenant ends with a conflict that the supervisor can read."""
    async with desk(url) as running:
        await running.adopt()
        async with await Records.open(url) as records, asyncio.timeout(5):
            second = on(records, running.clock, Metrics())
            with pytest.raises(ConflictError, match="tenant acme has a desk already"):
                await second.run()


async def test_commit_failure_rebuilds_from_the_store(url: str) -> None:
    """When a commit fails the desk raises; started again it decides on what is stored."""
    async with await Records.open(url) as records:
        metrics, clock = Metrics(), ScaledClock(as_ns(NOW), speed=0)
        store = Flaky(records)
        part = on(records, clock, metrics, store=store)
        running = Running(records, metrics, clock)

        async def until_it_fails() -> None:
            with pytest.raises(UnavailableError, match="records"):
                await part.run()

        async with asyncio.TaskGroup() as group:
            group.create_task(until_it_fails())
            await running.adopt()
            store.fails = True
            seq = await records.inbox.submit(predicted())
            with pytest.raises(UnavailableError):
                await records.inbox.outcome(seq, timeout_s=0.5)
        await until_it_fails()
        store.fails = False
        async with asyncio.TaskGroup() as group:
            task = group.create_task(part.run())
            assert (await records.inbox.outcome(seq, timeout_s=10)).status == 200
            assert (await only_case(records)).number is not None
            task.cancel()


class Flaky:
    """A desk store whose commits fail on demand."""

    def __init__(self, records: Records) -> None:
        self.inner = records.desk
        self.fails = False

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    async def commit(self, tenant: str, decision: Decision):
        """Commit, or fail as a database that went away."""
        if self.fails:
            raise UnavailableError("records", "switched off by the test")
        return await self.inner.commit(tenant, decision)
