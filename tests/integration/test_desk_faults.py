"""The desk through kills and outages: nothing decided twice, nothing lost, the chain whole."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.adapters.records.database import RecordsOptions
from bridge.adapters.records.records import Records
from bridge.cases.inputs import Detected
from bridge.flow.clock import Clock, SystemClock
from bridge.flow.desk import Desk, DeskOptions
from bridge.flow.metrics import Metrics
from bridge.flow.ports import CaseFilter
from bridge.flow.supervision import Part, SupervisionOptions, Supervisor
from bridge.model.catalog import Asset
from bridge.model.detections import Prediction, derive_id
from bridge.model.errors import UnavailableError
from tests.servers import ROOT, Postgres, locate, not_run
from tests.unit.flow.test_desk import CATALOG, NOW, Plain

ASSETS = 150
FLEET = CATALOG.model_copy(
    update={
        "assets": tuple(
            Asset(id=f"press-{n}", model="press", site="hall") for n in range(ASSETS)
        )
    }
)


def predicted(number: int) -> Detected:
    """Make the prediction of a numbered press."""
    said = Prediction(
        id=derive_id("prediction", number),
        tenant="acme",
        asset=f"press-{number}",
        at=NOW,
        mode="wear",
        p10=NOW + timedelta(days=4000 + number),
        p50=NOW + timedelta(days=4100 + number),
        p90=NOW + timedelta(days=4200 + number),
        confidence="high",
    )
    return Detected(id=derive_id(str(said.id)), tenant="acme", at=NOW, detection=said)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
    return request.getfixturevalue("postgres_database")


async def killed_in_between(url: str, records: Records, chance: random.Random) -> int:
    """Run a desk in a process of its own, kill it while it decides; give what it left."""
    before = await waiting(records)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.desk_child", url,
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(30):
        while await waiting(records) == before:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.005)
    await asyncio.sleep(chance.uniform(0, 0.03))
    assert child.returncode is None, "the desk ended by itself"
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    return await waiting(records)


async def waiting(records: Records) -> int:
    """Give how many inputs are not handled."""
    return len(await records.desk.next_inputs("acme", limit=1_000))


def running(records: Records, clock: Clock) -> Desk:
    """Make a desk on records."""
    return Desk(
        store=records.desk,
        catalogs=records.catalogs,
        wording=Plain(),
        clock=clock,
        metrics=Metrics(),
        options=DeskOptions(look_every_s=0.1, webhooks=("crm",)),
    )


async def test_killed_desk_decides_nothing_twice(url: str) -> None:
    """A desk killed again and again ends with one case per machine and a whole chain."""
    inputs = [predicted(number) for number in range(ASSETS)]
    chance = random.Random(7)  # noqa: S311 - moments of kills, no secrets
    async with await Records.open(url) as records:
        await records.catalogs.put(FLEET)
        seqs = [await records.inbox.submit(each) for each in inputs]
        for _ in range(4):
            assert 0 < await killed_in_between(url, records, chance) < ASSETS
            assert (await records.verify_chain("acme")).broken_at is None
        async with asyncio.TaskGroup() as group:
            task = group.create_task(running(records, SystemClock()).run())
            outcomes = [await records.inbox.outcome(each, timeout_s=30) for each in seqs]
            for each in inputs:
                await records.inbox.submit(each)
            task.cancel()
        cases = (await records.views.cases("acme", CaseFilter(), limit=1_000)).items
        assert sorted(case.asset for case in cases) == sorted(
            f"press-{n}" for n in range(ASSETS)
        )
        assert len({case.number for case in cases}) == ASSETS
        assert {each.case for each in outcomes} == {case.id for case in cases}
        await decided_once(records)
        sent = await records.views.notifications("acme", limit=10_000)
        assert len({each.notification.id for each in sent}) == len(sent)
        assert {each.notification.case for each in sent} >= {case.id for case in cases}


async def decided_once(records: Records) -> None:
    """Hold the events to one opening per machine and a whole chain."""
    events = await records.views.events("acme", limit=10_000)
    opened = [each.event.asset for each in events if each.event.type == "case-opened"]
    assert len(opened) == len(set(opened)) == ASSETS
    chain = await records.verify_chain("acme")
    assert (chain.events, chain.broken_at) == (len(events), None)


@pytest.fixture
def postgres_own() -> Iterator[Postgres]:
    """Give a PostgreSQL of this test's own, to be killed and started again."""
    binary = locate("postgres")
    if binary is None:
        not_run("postgres", "make services")
    server = Postgres(binary)
    try:
        server.start()
        server.execute("CREATE DATABASE away")
        yield server
    finally:
        server.remove()


async def test_postgres_away_and_back(postgres_own: Postgres) -> None:
    """While PostgreSQL is away callers hear so; once it is back the desk goes on by itself."""
    options = RecordsOptions(connect_s=1, busy_s=2)
    async with await Records.open(postgres_own.dsn("away"), options) as records:
        await records.catalogs.put(FLEET)
        part = Part("desk", running(records, SystemClock()).run)
        quick = SupervisionOptions(backoff_first_s=0.1, backoff_max_s=0.5)
        keeper = Supervisor([part], Metrics(), quick)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(keeper.run())
            await goes_through(records, 0)
            postgres_own.kill()
            with pytest.raises(UnavailableError, match="records"):
                await records.inbox.submit(predicted(1))
            with pytest.raises(UnavailableError, match="records"):
                await records.ping()
            async with asyncio.timeout(20):
                while "desk" not in keeper.reasons():  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.05)
            postgres_own.start()
            await goes_through(records, 1)
            await goes_through(records, 2)
            assert keeper.status["desk"].restarts >= 1
            task.cancel()
        cases = (await records.views.cases("acme", CaseFilter())).items
        assert len({case.number for case in cases}) == len(cases) == 3
        assert (await records.verify_chain("acme")).broken_at is None


async def goes_through(records: Records, number: int) -> None:
    """Submit a prediction, again while the database is away, and wait until it is handled."""
    async with asyncio.timeout(30):
        while True:
            try:
                seq = await records.inbox.submit(predicted(number))
                assert (await records.inbox.outcome(seq, timeout_s=20)).status == 200
            except UnavailableError:
                await asyncio.sleep(0.2)
            else:
                return
