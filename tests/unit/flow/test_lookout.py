import asyncio
from pathlib import Path

import pytest

from bridge.adapters.journal.sqlite import JournalOptions, SqliteJournal
from bridge.cases.inputs import Input, TroubleSeen
from bridge.flow.lookout import Lookout, LookoutOptions
from bridge.flow.ports import Entry

NOON_NS = 1_790_000_000 * 10**9


class Clock:
    """Stands still."""

    def now_ns(self) -> int:
        """Return noon."""
        return NOON_NS


class Inbox:
    """Keeps what is submitted."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []

    async def submit(self, input_: Input) -> int:
        """Keep it."""
        self.inputs.append(input_)
        return len(self.inputs)

    def said(self) -> list[tuple[str, str, bool]]:
        """What was said, in order."""
        return [
            (each.kind, each.on, each.active)
            for each in self.inputs
            if isinstance(each, TroubleSeen)
        ]


@pytest.fixture
async def journal(tmp_path: Path):
    """A journal of one mebibyte."""
    async with await SqliteJournal.open(
        tmp_path / "journal.db", JournalOptions(cap_bytes=1 << 20)
    ) as opened:
        yield opened


async def fill(journal: SqliteJournal, kib: int) -> int:
    """Append so many kibibytes and return the offset."""
    return await journal.append([Entry("samples", "default", bytes(kib << 10))])


async def test_each_level_is_told_once_and_once_when_over(journal: SqliteJournal):
    """50 and 80 % of the cap are told with the hours left; emptying it ends both."""
    inbox = Inbox()
    lookout = Lookout(journal, inbox, Clock(), lambda: None)  # type: ignore[arg-type]
    await lookout.look(0.0)
    assert inbox.said() == []
    await fill(journal, 560)
    await lookout.look(60.0)
    await lookout.look(61.0)
    assert inbox.said() == [("journal-filling", "50%", True)]
    last = await fill(journal, 300)
    await lookout.look(120.0)
    assert inbox.said()[1:] == [("journal-filling", "80%", True)]
    assert "full in about 0.0 h" in inbox.inputs[1].detail  # type: ignore[union-attr]
    await journal.finish("archive", last)
    await journal.trim(["archive"])
    await lookout.look(180.0)
    assert inbox.said()[2:] == [
        ("journal-filling", "50%", False),
        ("journal-filling", "80%", False),
    ]


async def test_hours_left_follow_the_speed_of_filling(journal: SqliteJournal):
    """100 KiB in a minute leave (cap - used) / 100 minutes."""
    lookout = Lookout(journal, Inbox(), Clock(), lambda: None)  # type: ignore[arg-type]
    await lookout.look(0.0)
    assert lookout.hours_left(await journal.usage()) is None
    await fill(journal, 100)
    await lookout.look(60.0)
    usage = await journal.usage()
    expected = (usage.cap_bytes - usage.used_bytes) / usage.used_bytes / 60
    assert lookout.hours_left(usage) == pytest.approx(expected, rel=0.01)


async def test_messages_dropped_at_the_broker_are_a_loss_to_tell(journal: SqliteJournal):
    """A rise of the broker's count is told; a count that was there before is not."""
    inbox, counts = Inbox(), [7, 7, 9, 9]
    lookout = Lookout(journal, inbox, Clock(), lambda: counts.pop(0))  # type: ignore[arg-type]
    for second in range(4):
        await lookout.look(float(second))
    assert inbox.said() == [
        ("broker-dropped", "broker", True),
        ("broker-dropped", "broker", False),
    ]
    assert "2 messages, 9 in all" in inbox.inputs[0].detail  # type: ignore[union-attr]


async def start(journal: SqliteJournal, memory: Path, *counts: int) -> Inbox:
    """Run a lookout that sees these counts of the broker, then end it."""
    inbox, left, over = Inbox(), list(counts), asyncio.Event()

    def dropped() -> int | None:
        if not left:
            over.set()
        return left.pop(0) if left else None

    options = LookoutOptions(every_s=0.001)
    lookout = Lookout(journal, inbox, Clock(), dropped, options, memory)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(lookout.run())
        async with asyncio.timeout(5):
            await over.wait()
        task.cancel()
    return inbox


async def test_what_is_dropped_while_the_service_is_away_is_told(
    journal: SqliteJournal, tmp_path: Path
):
    """A broker drops when nobody fetches: the rise over the last run's count is told."""
    memory = tmp_path / "broker-dropped"
    assert (await start(journal, memory, 7, 7)).inputs == []
    assert (await start(journal, memory, 7)).inputs == []
    told = (await start(journal, memory, 19)).inputs
    assert [each.detail for each in told] == ["12 messages, 19 in all"]
    assert (await start(journal, memory, 19)).inputs == []


async def test_a_broker_that_started_again_counts_anew(journal: SqliteJournal, tmp_path: Path):
    """After a restart of the broker all that it says it dropped is new; 0 is nothing."""
    memory = tmp_path / "broker-dropped"
    await start(journal, memory, 7)
    told = (await start(journal, memory, 3)).inputs
    assert [each.detail for each in told] == ["3 messages, 3 in all"]
    assert (await start(journal, memory, 0)).inputs == []


async def test_a_damaged_memory_is_none(journal: SqliteJournal, tmp_path: Path):
    """What cannot be read counts as a first start."""
    memory = tmp_path / "broker-dropped"
    memory.write_bytes(b"\xffseven")
    assert (await start(journal, memory, 9)).inputs == []
