"""The archive: every sample once in the store, whatever is away, refused or broken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from bridge.adapters.journal.sqlite import JournalOptions, SqliteJournal
from bridge.codec import blob
from bridge.flow.archive import Archive, ArchiveOptions
from bridge.flow.clock import ScaledClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Entry, Retention
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SlotTable
from tests.fakes.series import FakeSeries

START_NS = 1_780_000_000 * NS_PER_S
FAST = ArchiveOptions(
    age_max_s=0.02,
    backoff_s=0.01,
    backoff_max_s=0.02,
    trim_every_s=0,
    trim_readers=("archive",),
    retention=Retention(raw_days=0),
)


class Bench:
    """A journal, a store and an archive between them, with an intake's slots."""

    def __init__(self, journal: SqliteJournal, options: ArchiveOptions = FAST) -> None:
        self.journal = journal
        self.store = FakeSeries()
        self.metrics = Metrics()
        self.slots = SlotTable()
        self.archive = self.another(options)
        self.sent: dict[int, float] = {}

    def another(self, options: ArchiveOptions = FAST) -> Archive:
        """Make an archive as after a restart."""
        clock = ScaledClock(START_NS, speed=0)
        return Archive(
            journal=self.journal,
            store=self.store,
            metrics=self.metrics,
            clock=clock,
            options=options,
        )

    def body(self, t_s: int, *values: float, signal: str = "x") -> bytes:
        """Encode samples of one signal, a second apart."""
        slot = self.slots.slot("acme", "press-07", signal)
        times = np.arange(t_s, t_s + len(values), dtype=np.int64) * NS_PER_S
        return blob.encode(
            Samples(
                np.full(len(values), slot, np.int32),
                START_NS + times,
                np.array(values, np.float64),
                START_NS,
            )
        )

    async def append(self, body: bytes, kind: str = "samples") -> int:
        """Append one record with the slots it is the first to use."""
        entry = Entry(kind, "acme", body)  # type: ignore[arg-type]
        return await self.journal.append([entry], slots=self.slots.take_fresh())

    def stored(self, signal: str = "x") -> dict[int, float]:
        """Read what the store holds, by second."""
        points = self.store.raw.get(("acme", "press-07", signal), {})
        return {(t - START_NS) // NS_PER_S: value for t, value in points.items()}

    def refused(self, reason: str) -> float:
        """Read a counter."""
        labels = {"reason": reason}
        return self.metrics.registry.get_sample_value("bridge_refused_total", labels) or 0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a bench on a journal of its own."""
    options = JournalOptions(cap_bytes=20_000, poll_s=0.01)
    async with await SqliteJournal.open(tmp_path / "journal.sqlite", options) as journal:
        yield Bench(journal)


@asynccontextmanager
async def running(archive: Archive) -> AsyncIterator[None]:
    """Run an archive beside the test, and cancel it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(archive.run(), name="archive")
        try:
            yield
        finally:
            task.cancel()


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true; 10 s are a failure."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it looks from outside, nothing signals to it
            await asyncio.sleep(0.005)


async def test_archives_what_is_there_and_what_comes(bench: Bench) -> None:
    """Records from before and after the start arrive, and are trimmed once finished."""
    await bench.append(bench.body(0, 1.0, 2.0))
    async with running(bench.archive):
        await until(lambda: bench.stored() == {0: 1.0, 1: 2.0})
        last = await bench.append(bench.body(2, 3.0, signal="y"))
        await until(lambda: bench.stored("y") == {2: 3.0})
        await until(lambda: bench.archive.status.position == last)
        await bench.append(bench.body(3, 4.0))
        await until(lambda: bench.archive.status.position == last + 1)
    assert await bench.journal.position("archive") == last + 1
    assert (await bench.journal.usage()).first_offset >= last
    assert bench.archive.status.samples == 4


async def test_merges_small_records(bench: Bench) -> None:
    """Many small records become few writes."""
    for t_s in range(30):
        await bench.append(bench.body(t_s, float(t_s)))
    async with running(bench.archive):
        await until(lambda: len(bench.stored()) == 30)
    assert bench.store.writes == 1


async def test_passes_control_records(bench: Bench) -> None:
    """Control records are none of its business, and do not hold it up."""
    last = await bench.append(b"{}", kind="control")
    async with running(bench.archive):
        await until(lambda: bench.archive.status.position == last)
    assert await bench.journal.dead_letters() == []


async def test_waits_for_a_store_that_is_away(bench: Bench) -> None:
    """While the store is away the state says so and nothing is lost; then it goes on."""
    bench.store.away = -1
    await bench.append(bench.body(0, 1.0))
    async with running(bench.archive):
        await until(lambda: bench.archive.status.state == "waiting")
        assert "the fake is away" in bench.archive.status.detail
        await bench.append(bench.body(1, 2.0))
        assert await bench.journal.position("archive") == 0
        bench.store.away = 0
        await until(lambda: bench.stored() == {0: 1.0, 1: 2.0})
        await until(lambda: bench.archive.status.state == "running")


async def test_refused_rows_become_dead_letters(bench: Bench) -> None:
    """What the store refuses is kept with reason and values, counted; the rest goes on."""
    bench.store.refuses = {"y"}
    await bench.append(bench.body(0, 1.0, float("inf")))
    last = await bench.append(bench.body(0, *range(600), signal="y"))
    await bench.append(bench.body(5, 5.0))
    async with running(bench.archive):
        await until(lambda: bench.archive.status.position == last + 1)
    assert bench.stored() == {0: 1.0, 5: 5.0}
    letters = [each for _, each in await bench.journal.dead_letters()]
    assert sorted(each.reason for each in letters) == [
        "not-finite", "store-refused", "store-refused"
    ]  # fmt: skip
    assert {each.topic for each in letters} == {"series/press-07/x", "series/press-07/y"}
    (infinite,) = (each for each in letters if each.reason == "not-finite")
    assert infinite.payload == f"{START_NS + NS_PER_S},inf\n".encode()
    assert infinite.tenant == "acme"
    lines = b"".join(each.payload for each in letters if each.topic.endswith("y")).splitlines()
    assert {int(line.split(b",")[0]) for line in lines} == {
        START_NS + t * NS_PER_S for t in range(600)
    }
    assert bench.refused("store-refused") == 600
    assert bench.refused("not-finite") == 1
    assert bench.archive.status.refused == 601


async def test_broken_records_are_left_behind(bench: Bench) -> None:
    """A record that cannot be decoded, or names an unknown slot, is a letter, not a loop."""
    good = bench.body(0, 1.0)
    broken = await bench.append(good[:-1] + b"!")
    entry = Entry("samples", "acme", bench.body(1, 2.0, signal="never told"))
    await bench.journal.append([entry])
    bench.slots.take_fresh()
    last = await bench.append(bench.body(2, 3.0))
    async with running(bench.archive):
        await until(lambda: bench.archive.status.position == last)
    assert bench.stored() == {2: 3.0}
    letters = [each for _, each in await bench.journal.dead_letters()]
    assert [each.reason for each in letters] == ["unknown-slot", "bad-blob"]
    assert letters[1].topic == f"journal/{broken}"
    assert letters[1].payload == good[:-1] + b"!"
    assert bench.refused("bad-blob") == 1


async def test_restarts_where_the_store_is(bench: Bench) -> None:
    """A store behind the journal's reader gets again what the journal still has."""
    last = await bench.append(bench.body(0, 1.0))
    await bench.append(bench.body(1, 2.0))
    await bench.journal.finish("archive", last + 1)
    bench.store.offset = last
    async with running(bench.archive):
        await until(lambda: bench.archive.status.position == last + 1)
    assert bench.stored() == {1: 2.0}


async def test_restarts_where_the_journal_is(bench: Bench) -> None:
    """A store ahead of the journal (one that began anew) does not make it pass any over."""
    bench.store.offset = 500
    await bench.append(bench.body(0, 1.0))
    async with running(bench.archive):
        await until(lambda: bench.stored() == {0: 1.0})
    assert bench.store.offset == 1


async def test_store_without_position_is_not_asked(bench: Bench) -> None:
    """Where the store keeps no position, the journal's own counts."""
    last = await bench.append(bench.body(0, 1.0))
    await bench.journal.finish("archive", last)
    bench.store.keeps_position = False
    await bench.append(bench.body(1, 2.0))
    async with running(bench.another()):
        await until(lambda: bench.stored() == {1: 2.0})


@pytest.mark.parametrize("when_full", ["hold", "skip"])
async def test_when_full(bench: Bench, when_full: str) -> None:
    """The store away and the journal nearly full: `skip` makes room on record, `hold` waits."""
    options = ArchiveOptions(
        age_max_s=0.02,
        backoff_s=0.01,
        backoff_max_s=0.02,
        trim_every_s=0,
        trim_readers=("archive", "watch"),
        read_records=1,
        rows_max=1,
        when_full=when_full,  # type: ignore[arg-type]
        skip_above=0.3,
    )
    archive = bench.another(options)
    bench.store.away = -1
    for t_s in range(60):
        last = await bench.append(bench.body(t_s, float(t_s)))
    async with running(archive):
        await until(lambda: archive.status.state == "waiting")
        await asyncio.sleep(0.1)
        assert archive.status.skipped == 0, (
            "the watch holds the journal, skipping frees nothing"
        )
        await bench.journal.finish("watch", last)
        await asyncio.sleep(0.2)
        bench.store.away = 0
        await until(lambda: archive.status.position == last)
    skipped = archive.status.skipped
    letters = [each for _, each in await bench.journal.dead_letters()]
    if when_full == "hold":
        assert (skipped, letters) == (0, [])
        assert len(bench.stored()) == 60
    else:
        assert skipped >= 30
        assert bench.stored().keys() == set(range(skipped, 60))
        assert {each.reason for each in letters} == {"archive-skipped"}
        assert letters[-1].topic == "journal/1-30"
        assert bench.refused("archive-skipped") == skipped


async def test_runs_retention(bench: Bench) -> None:
    """Old samples become means on its own."""
    day_ns = 86_400 * NS_PER_S
    options = ArchiveOptions(age_max_s=0.01, retention=Retention(raw_days=1))
    archive = bench.another(options)
    old = {START_NS - 3 * day_ns: 1.0, START_NS: 2.0}
    bench.store.raw["acme", "press-07", "x"] = old
    async with running(archive):
        await until(lambda: list(old) == [START_NS])


async def test_cancelled_mid_way_loses_nothing(bench: Bench) -> None:
    """Cancelled at any point and started again, every sample is there once."""
    for t_s in range(20):
        await bench.append(bench.body(t_s, float(t_s)))
    for turn in range(8):
        async with running(bench.another()):
            for _ in range(turn):
                await asyncio.sleep(0.002)
    async with running(bench.another()):
        await until(lambda: bench.stored() == {t: float(t) for t in range(20)})
