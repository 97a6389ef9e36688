"""Rows per second into the journal and the stores, and through the archive.

``pytest tests/bench/bench_stores.py --benchmark-enable -s`` prints the rates; without it
every bench runs once, small, so that it cannot rot.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.adapters.series.duckdb import DuckDbStore
from bridge.adapters.series.influx import InfluxStore
from bridge.adapters.series.influx_client import InfluxOptions
from bridge.codec import blob
from bridge.codec.lineprotocol import encode
from bridge.flow.archive import Archive, ArchiveOptions
from bridge.flow.clock import SystemClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Entry, Retention, SeriesStore
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable

START_NS = 1_780_000_000 * NS_PER_S
ASSETS, SIGNALS = 500, 4
SMALL = {"batches": 2, "rows": 2_000}
LARGE = {"batches": 25, "rows": 40_000}


def slots() -> list[SignalSlot]:
    """Name 500 assets of 4 signals."""
    table = SlotTable()
    for asset in range(ASSETS):
        for signal in range(SIGNALS):
            table.slot("acme", f"asset-{asset:03d}", f"signal-{signal}")
    return table.rows


def batches(n_batches: int, n_rows: int) -> list[Samples]:
    """Make batches, asset by asset within each second, as a fleet sends."""
    k = ASSETS * SIGNALS
    values = np.random.default_rng(7)
    made = []
    for n in range(n_batches):
        row = np.arange(n * n_rows, (n + 1) * n_rows, dtype=np.int64)
        made.append(
            Samples(
                (row % k).astype(np.int32),
                START_NS + row // k * NS_PER_S,
                np.round(values.normal(50, 5, n_rows), 3),
                START_NS,
            )
        )
    return made


@pytest.fixture
def size(request: pytest.FixtureRequest) -> dict[str, int]:
    """Decide how much is done: little unless benches were asked for."""
    return LARGE if request.config.getoption("benchmark_enable") else SMALL


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder and remove what is large in it."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


class Watch:
    """Times a block and prints its rate."""

    def __init__(self, what: str, rows: int) -> None:
        self.what, self.rows = what, rows

    def __enter__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def __exit__(self, *error: object) -> None:
        wall_s, cpu_s = time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s
        print(  # noqa: T201 - what a bench is for
            f"\n{self.what}: {self.rows / wall_s:,.0f} rows/s, "
            f"{cpu_s / self.rows * 1e6:.2f} us CPU a row ({self.rows:,} rows)",
            end="",
        )


async def write_all(store: SeriesStore, what: str, size: dict[str, int]) -> None:
    """Write all batches, and the last one again."""
    rows, made = slots(), batches(size["batches"], size["rows"])
    with Watch(what, size["batches"] * size["rows"]):
        for offset, batch in enumerate(made, 1):
            assert await store.write(batch, rows, offset=offset) == []
    with Watch(f"{what}, again", size["rows"]):
        assert await store.write(made[-1], rows, offset=len(made)) == []
    with Watch(f"{what}, query of a signal in 800 buckets", size["rows"]):
        await store.query(
            "acme", "asset-007", ["signal-1"], start_ns=0, end_ns=2 * START_NS, points_max=800
        )


async def test_journal(folder: Path, size: dict[str, int]) -> None:
    """The journal takes records of 5000 samples, each commit synced."""
    bodies = [blob.encode(each) for each in batches(size["batches"] * 4, 5_000)]
    async with await SqliteJournal.open(folder / "journal.sqlite") as journal:
        with Watch("journal, append", len(bodies) * 5_000):
            for body in bodies:
                await journal.append([Entry("samples", "acme", body)])
        with Watch("journal, read and decode", len(bodies) * 5_000):
            after = 0
            while records := await journal.read(after):
                after = records[-1].offset
                for record in records:
                    blob.decode(record.body)
        assert after == len(bodies)
        small = blob.encode(batches(1, 4)[0])
        with Watch("journal, commits of 1 message of 4 samples", 4 * size["batches"] * 10):
            for _ in range(size["batches"] * 10):
                await journal.append([Entry("samples", "acme", small)])


async def test_duckdb(folder: Path, size: dict[str, int]) -> None:
    """DuckDB takes batches with their offset."""
    store = await DuckDbStore.open(folder / "series.duckdb")
    await write_all(store, "duckdb, write", size)
    await store.close()
    bytes_a_row = (folder / "series.duckdb").stat().st_size / (size["batches"] * size["rows"])
    print(f"\nduckdb: {bytes_a_row:.1f} bytes a row on disk", end="")  # noqa: T201


async def test_influxdb(request: pytest.FixtureRequest, size: dict[str, int]) -> None:
    """InfluxDB takes batches as line protocol, 20000 rows a body."""
    server = request.getfixturevalue("influxdb")
    org = request.getfixturevalue("influxdb_org")
    store = InfluxStore(InfluxOptions(url=server.url, org=org, token=server.token))
    await write_all(store, "influxdb, write", size)
    await store.close()


def test_line_protocol(size: dict[str, int]) -> None:
    """The line protocol of a batch is one concatenation."""
    rows, made = slots(), batches(size["batches"], size["rows"])
    with Watch("line protocol, encode", size["batches"] * size["rows"]):
        for batch in made:
            assert encode(batch, rows)


async def test_archive(folder: Path, size: dict[str, int]) -> None:
    """A backlog goes from the journal through the archive into DuckDB."""
    made = batches(size["batches"] * 4, 5_000)
    options = ArchiveOptions(retention=Retention(raw_days=0), trim_readers=("archive",))
    async with await SqliteJournal.open(folder / "journal.sqlite") as journal:
        await journal.append([], slots=slots())
        for each in made:
            last = await journal.append([Entry("samples", "acme", blob.encode(each))])
        store = await DuckDbStore.open(folder / "series.duckdb")
        archive = Archive(
            journal=journal,
            store=store,
            metrics=Metrics(),
            clock=SystemClock(),
            options=options,
        )
        with Watch("archive, journal to duckdb", len(made) * 5_000):
            async with asyncio.TaskGroup() as group, asyncio.timeout(100):
                task = group.create_task(archive.run(), name="archive")
                while archive.status.position < last:  # noqa: ASYNC110 - looks from outside
                    await asyncio.sleep(0.005)
                task.cancel()
        assert archive.status.samples == len(made) * 5_000
        await store.close()
