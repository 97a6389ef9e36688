"""What intake promises: journal first, acknowledgement afterwards, nothing lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bridge.codec import blob
from bridge.codec.payloads import Limits, Mapping
from bridge.flow.intake import Intake, IntakeOptions
from bridge.flow.metrics import Metrics
from bridge.model.errors import ConflictError, JournalFullError
from bridge.model.slots import SlotTable
from tests.fakes.journal import FakeJournal
from tests.fakes.source import FakeSource

MAPPINGS = [
    Mapping("plant/{asset}/telemetry", time_key="ts", shape="key", signals_key="values"),
    Mapping("{tenant}/t/{asset}/{signal}", format="scalar"),
]
GOOD = b'{"ts": 1800000000000, "values": {"temp": %d, "vib": 0.5}}'


class Rig:
    """Intake between a fake source and a fake journal."""

    def __init__(self, source: FakeSource | None = None, **options: object) -> None:
        self.source = source or FakeSource()
        self.journal = FakeJournal()
        self.metrics = Metrics()
        self.slots = SlotTable()
        self.intake = Intake(
            source=self.source,
            journal=self.journal,
            mappings=MAPPINGS,
            slots=self.slots,
            metrics=self.metrics,
            options=IntakeOptions(**options),  # type: ignore[arg-type]
        )

    def values(self) -> list[float]:
        """Give all journalled values in order."""
        bodies = [blob.decode(record.body) for record in self.journal.records]
        return [value for samples in bodies for value in samples.value.tolist()]

    def counted(self, name: str, **labels: str) -> float:
        """Give a metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run intake meanwhile."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.intake.run())
            yield
            task.cancel()


async def until(what: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(5):
        while not what():  # noqa: ASYNC110 - what is watched has no event
            await asyncio.sleep(0.001)


async def test_journal_then_acknowledgement() -> None:
    """Deliveries are acknowledged in order, and only after the journal has them."""
    rig = Rig()
    rig.journal.delay_s = 0.02
    for number in range(3):
        rig.source.put(("plant/a/telemetry", GOOD % number))
    async with rig.running():
        await until(lambda: rig.intake.status.waiting_messages == 3)
        assert rig.source.acknowledged == []
        await until(lambda: len(rig.source.acknowledged) == 3)
        assert rig.values() == [0.0, 0.5, 1.0, 0.5, 2.0, 0.5]
    assert rig.source.acknowledged == [1, 2, 3]
    assert [row.signal for row in rig.journal.rows] == ["temp", "vib"]


async def test_group_commit() -> None:
    """What waits while a commit is under way goes into the next one together."""
    rig = Rig()
    rig.journal.delay_s = 0.05
    rig.source.put(("plant/a/telemetry", GOOD % 0))
    async with rig.running():
        await until(lambda: rig.intake.status.waiting_messages == 1)
        await asyncio.sleep(0.01)
        for number in range(1, 50):
            rig.source.put(("plant/a/telemetry", GOOD % number))
        await until(lambda: len(rig.source.acknowledged) == 50)
    assert len(rig.journal.commit_sizes) == 2
    assert rig.values()[::2] == list(range(50))


async def test_tenants_apart() -> None:
    """Each tenant's samples are an entry of their own."""
    rig = Rig()
    rig.source.put(("acme/t/m1/temp", b"1"), ("zorn/t/m1/temp", b"2"), ("acme/t/m1/temp", b"3"))
    async with rig.running():
        await until(lambda: rig.source.acknowledged == [1])
    found = {record.tenant: blob.decode(record.body) for record in rig.journal.records}
    assert found["acme"].value.tolist() == [1.0, 3.0]
    assert found["zorn"].value.tolist() == [2.0]
    assert found["acme"].t_ns.tolist() == [1_800_000_000 * 10**9] * 2


async def test_full_journal() -> None:
    """A full journal: nothing is acknowledged until it has room; then nothing is missing."""
    rig = Rig(waiting_max=4)
    full = JournalFullError(10, 10)
    full.retry_after_s = 0.05
    rig.journal.failures = [full, full]
    for number in range(20):
        rig.source.put(("plant/a/telemetry", GOOD % number))
    async with rig.running():
        await until(lambda: rig.intake.status.blocked_by == "journal-full")
        assert rig.source.acknowledged == []
        assert rig.intake.status.waiting_messages <= 4
        await until(lambda: len(rig.source.acknowledged) == 20)
        assert rig.intake.status.blocked_by == ""
    assert rig.values()[::2] == list(range(20))
    assert [row.slot for row in rig.journal.rows] == [0, 1]
    assert rig.counted("bridge_intake_blocked_total", reason="journal-full") == 2


async def test_crash_and_restart() -> None:
    """After a defect in the journal, a new run commits what was in line, slots included."""
    rig = Rig()
    rig.journal.failures = [RuntimeError("defect")]
    rig.source.put(("plant/a/telemetry", GOOD % 7))
    with pytest.raises(RuntimeError, match="defect"):
        await rig.intake.run()
    assert rig.source.acknowledged == []
    async with rig.running():
        await until(lambda: rig.source.acknowledged == [1])
    assert rig.values() == [7.0, 0.5]
    assert len(rig.journal.rows) == 2


async def test_cancelled_at_any_moment() -> None:
    """However often it is cancelled, every delivery is committed and acknowledged in order."""
    rig = Rig()
    rig.journal.delay_s = 0.002
    for number in range(60):
        rig.source.put(("plant/a/telemetry", GOOD % number))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(rig.intake.run())
            await asyncio.sleep(0.0005 * (number % 7))
            task.cancel()
    async with rig.running():
        await until(lambda: len(rig.source.acknowledged) == 60)
    assert rig.source.acknowledged == list(range(1, 61))
    assert rig.values()[::2] == list(range(60))


async def test_bad_messages_become_letters() -> None:
    """What cannot be taken is kept with its reason, counted, and acknowledged."""
    rig = Rig(limits=Limits(letter_bytes_max=8))
    rig.source.put(
        ("plant/a/telemetry", b"{broken and long"),
        ("elsewhere", b"1"),
        ("plant/a/telemetry", b'{"ts": 1800000000000, "values": {"temp": 3, "vib": "x"}}'),
    )
    async with rig.running():
        await until(lambda: rig.source.acknowledged == [1])
    assert [letter.reason for letter in rig.journal.letters] == [
        "bad-json", "wrong-topic", "not-a-number",
    ]  # fmt: skip
    assert rig.journal.letters[0].payload == b"{broken "
    assert rig.values() == [3.0]
    assert rig.counted("bridge_refused_total", reason="not-a-number") == 1
    assert rig.counted("bridge_messages_total", source="mqtt") == 3
    assert rig.counted("bridge_samples_total") == 1


async def test_conflict_comes_out_bare() -> None:
    """A client id used twice ends the run with ConflictError itself, not in a group."""

    class Taken(FakeSource):
        async def receive(self) -> None:  # type: ignore[override]
            raise ConflictError("taken")

    rig = Rig(Taken())
    with pytest.raises(ConflictError):
        await rig.intake.run()
