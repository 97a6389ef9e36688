"""The archive before a real InfluxDB that is killed and comes back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.adapters.series.influx import InfluxStore
from bridge.adapters.series.influx_client import InfluxOptions
from bridge.codec import blob
from bridge.flow.archive import Archive, ArchiveOptions
from bridge.flow.clock import SystemClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Entry, Retention
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SlotTable
from tests.servers import SERVICES, InfluxDB, locate, not_run

START_NS = 1_780_000_000 * NS_PER_S
ROWS = 100
OPTIONS = ArchiveOptions(
    age_max_s=0.05,
    backoff_s=0.05,
    backoff_max_s=0.2,
    trim_every_s=0,
    trim_readers=("archive",),
    retention=Retention(raw_days=0),
)


@pytest.fixture
def server() -> Iterator[InfluxDB]:
    """Give a server of the test's own, to be killed."""
    own = InfluxDB(locate("influxd") or not_run("InfluxDB 2", SERVICES))
    try:
        own.start()
        yield own
    finally:
        own.remove()


def record(number: int, table: SlotTable) -> Entry:
    """Make samples of two assets, a second each."""
    row = np.arange(ROWS, dtype=np.int64)
    slots = np.array([table.slot("acme", f"asset-{n}", "x") for n in range(2)], np.int32)
    samples = Samples(
        slots[row % 2],
        START_NS + (number * ROWS + row) * NS_PER_S,
        (number * ROWS + row).astype(np.float64),
        START_NS,
    )
    return Entry("samples", "acme", blob.encode(samples))


async def reach(archive: Archive, state: str, position: int = 0) -> None:
    """Wait until the archive stands so."""
    async with asyncio.timeout(30):
        while archive.status.state != state or archive.status.position < position:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # it looks from outside


async def test_the_server_is_killed(server: InfluxDB, tmp_path: Path) -> None:
    """Killed twice while written to, it has every sample in the end; the state told so."""
    table = SlotTable()
    async with await SqliteJournal.open(tmp_path / "journal.sqlite") as journal:
        store = InfluxStore(
            InfluxOptions(url=server.url, org=server.org, token=server.token, timeout_s=3)
        )
        archive = Archive(
            journal=journal,
            store=store,
            metrics=Metrics(),
            clock=SystemClock(),
            options=OPTIONS,
        )

        async def append(first: int, n: int) -> int:
            last = 0
            for number in range(first, first + n):
                entry = record(number, table)
                last = await journal.append([entry], slots=table.take_fresh())
            return last

        async with asyncio.TaskGroup() as group:
            task = group.create_task(archive.run(), name="archive")
            await reach(archive, "running", await append(0, 20))
            for turn in range(2):
                await append(20 + 20 * turn, 10)
                await asyncio.sleep(0.02 + 0.05 * turn)
                await asyncio.to_thread(server.kill)
                last = await append(30 + 20 * turn, 10)
                await reach(archive, "waiting")
                await asyncio.to_thread(server.start)
                await reach(archive, "running", last)
            task.cancel()
        assert await journal.dead_letters() == []
        values: list[float] = []
        async for _, block in store.scan("acme", start_ns=0, end_ns=2 * START_NS):
            values += block.value.tolist()
        await store.close()
    assert values == [float(each) for each in range(60 * ROWS)]
