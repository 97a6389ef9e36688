"""What every journal promises, whichever adapter keeps it.

A new adapter joins by a second entry in `OPENERS`: given a folder, it opens the journal of
that folder, the same one each time, with a cap of `CAP` bytes and room for 50 dead letters.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.adapters.journal.sqlite import JournalOptions, SqliteJournal
from bridge.flow.ports import Entry, Journal
from bridge.model.errors import ConflictError, JournalFullError
from bridge.model.samples import DeadLetter
from bridge.model.slots import SignalSlot

Opener = Callable[[], Awaitable[Journal]]
CAP = 20_000


async def open_sqlite(folder: Path) -> Journal:
    """Open the embedded journal."""
    return await SqliteJournal.open(
        folder / "journal.sqlite", JournalOptions(cap_bytes=CAP, letters_max=50)
    )


OPENERS = {"sqlite": open_sqlite}


@pytest.fixture(params=OPENERS)
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Open the journal of this test, as often as it likes."""
    opened: list[Journal] = []

    async def again() -> Journal:
        opened.append(await OPENERS[request.param](tmp_path))
        return opened[-1]

    yield again
    for journal in opened:
        await journal.close()


@pytest.fixture
async def journal(opener: Opener) -> Journal:
    """Give an empty journal."""
    return await opener()


def samples(number: int, size: int = 10) -> Entry:
    """Make a record whose body tells its number."""
    return Entry("samples", "acme", number.to_bytes(4, "big").ljust(size, b"\0"))


def letter(number: int, payload: bytes = b"?") -> DeadLetter:
    """Make a dead letter that tells its number."""
    return DeadLetter("acme", "acme/press-07", payload, "bad-json", f"letter {number}", number)


async def fill(journal: Journal) -> list[int]:
    """Append records of 1000 bytes until no more fits; return their offsets."""
    taken: list[int] = []
    while True:
        try:
            taken.append(await journal.append([samples(len(taken), 1_000)]))
        except JournalFullError:
            return taken


async def test_reads_back_in_order(journal: Journal) -> None:
    """What is appended is read back once, in order, with growing offsets, kind and tenant."""
    last = await journal.append([samples(1), Entry("control", "other", b"{}")])
    assert await journal.append([samples(3)]) > last
    records = await journal.read(0)
    assert [(each.kind, each.tenant) for each in records] == [
        ("samples", "acme"), ("control", "other"), ("samples", "acme")
    ]  # fmt: skip
    assert [each.body for each in records] == [samples(1).body, b"{}", samples(3).body]
    offsets = [each.offset for each in records]
    assert offsets == sorted(set(offsets))
    assert offsets[0] >= 1
    assert offsets[1] == last
    assert await journal.read(offsets[0], limit=1) == records[1:2]
    assert await journal.read(offsets[2]) == []


async def test_survives_reopening(opener: Opener) -> None:
    """Records, slots, letters and positions are there after a restart."""
    slot = SignalSlot(0, 0, "acme", "press-07", "temperature")
    first = await opener()
    last = await first.append([samples(1)], slots=[slot], letters=[letter(1)])
    await first.finish("archive", last)
    await first.close()
    second = await opener()
    assert [each.body for each in await second.read(0)] == [samples(1).body]
    assert await second.slots() == [slot]
    assert [each for _, each in await second.dead_letters()] == [letter(1)]
    assert await second.position("archive") == last
    assert (await second.usage()).last_offset == last


async def test_trim_needs_every_reader(journal: Journal) -> None:
    """Only what all named readers have finished goes; one that never finished holds all."""
    offsets = [await journal.append([samples(each)]) for each in range(5)]
    await journal.finish("archive", offsets[3])
    assert await journal.trim(["archive", "watch"]) == 0
    await journal.finish("watch", offsets[1])
    assert await journal.trim(["archive", "watch"]) == 2
    assert [each.offset for each in await journal.read(0)] == offsets[2:]
    usage = await journal.usage()
    assert (usage.first_offset, usage.last_offset) == (offsets[2], offsets[4])
    assert usage.readers == {"archive": offsets[3], "watch": offsets[1]}
    assert await journal.trim([]) == 0


async def test_offsets_never_come_again(opener: Opener) -> None:
    """Offsets grow on after everything was trimmed and the journal reopened."""
    journal = await opener()
    last = await journal.append([samples(1), samples(2)])
    await journal.finish("archive", last)
    assert await journal.trim(["archive"]) == 2
    await journal.close()
    journal = await opener()
    usage = await journal.usage()
    assert (usage.first_offset, usage.last_offset, usage.used_bytes) == (last + 1, last, 0)
    assert await journal.append([samples(3)]) > last


async def test_position_never_moves_back(journal: Journal) -> None:
    """A late `finish` of an earlier offset changes nothing; readers are apart."""
    assert await journal.position("archive") == 0
    await journal.finish("archive", 7)
    await journal.finish("archive", 3)
    assert await journal.position("archive") == 7
    assert await journal.position("watch") == 0


async def test_full_writes_nothing(journal: Journal) -> None:
    """At the cap samples are refused whole, with slots and letters; trimming makes room."""
    taken = await fill(journal)
    assert 10 < len(taken) < 20
    with pytest.raises(JournalFullError) as caught:
        await journal.append([samples(0, 1_000)])
    assert caught.value.used_bytes <= caught.value.cap_bytes == CAP
    slot = SignalSlot(0, 0, "acme", "press-07", "temperature")
    with pytest.raises(JournalFullError):
        await journal.append([samples(0, 2_000)], slots=[slot], letters=[letter(1)])
    assert await journal.slots() == []
    assert await journal.dead_letters() == []
    assert (await journal.usage()).last_offset == taken[-1]
    await journal.finish("archive", taken[2])
    await journal.trim(["archive"])
    assert await journal.append([samples(0, 2_000)]) > taken[-1]


async def test_full_takes_control_and_letters(journal: Journal) -> None:
    """A full journal still takes control records and dead letters, which alone can help it."""
    await fill(journal)
    before = (await journal.usage()).last_offset
    await journal.append([], letters=[letter(1)])
    assert await journal.append([Entry("control", "acme", b"x" * 2_000)]) > before
    assert len(await journal.dead_letters()) == 1


async def test_used_bytes_count_what_lives(journal: Journal) -> None:
    """Usage grows with bodies and falls to nothing when all was trimmed."""
    await journal.append([samples(0, 5_000)])
    used = (await journal.usage()).used_bytes
    assert 5_000 <= used < 6_000
    last = await journal.append([samples(0, 5_000)])
    assert (await journal.usage()).used_bytes == 2 * used
    await journal.finish("a", last)
    await journal.trim(["a"])
    assert (await journal.usage()).used_bytes == 0


async def test_wait_wakes_at_once(journal: Journal) -> None:
    """A waiting reader wakes when something is appended, and times out when nothing is."""
    assert not await journal.wait(0, timeout_s=0.05)
    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        waiting = group.create_task(journal.wait(0, timeout_s=30), name="waiting")
        await asyncio.sleep(0)
        last = await journal.append([samples(1)])
        assert await waiting
    assert not await journal.wait(last, timeout_s=0)


async def test_wait_sees_other_processes(opener: Opener) -> None:
    """A reader with a connection of its own wakes for what another one appended."""
    writer, reader = await opener(), await opener()
    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        waiting = group.create_task(reader.wait(0, timeout_s=30), name="waiting")
        await asyncio.sleep(0.01)
        await writer.append([samples(1)])
        assert await waiting
    assert len(await reader.read(0)) == 1


async def test_slots_are_issued_once(journal: Journal) -> None:
    """The same slot again is one slot; another signal under its number is refused whole."""
    slots = [SignalSlot(each, 0, "acme", "press-07", f"signal-{each}") for each in range(3)]
    await journal.append([], slots=slots[:2])
    await journal.append([], slots=slots[1:])
    assert await journal.slots() == slots
    assert await journal.slots(after=2) == slots[2:]
    with pytest.raises(ConflictError, match="slot 0"):
        await journal.append([samples(1)], slots=[SignalSlot(0, 0, "acme", "mill-01", "speed")])
    assert await journal.slots() == slots
    assert await journal.read(0) == []


async def test_letters_page_from_the_newest(journal: Journal) -> None:
    """Dead letters come newest first, page by number, whole but for a cut payload."""
    await journal.append([], letters=[letter(each, b"\0\xff" * 20_000) for each in range(3)])
    page = await journal.dead_letters(limit=2)
    assert [each.detail for _, each in page] == ["letter 2", "letter 1"]
    rest = await journal.dead_letters(before=page[-1][0])
    assert [each.detail for _, each in rest] == ["letter 0"]
    assert 0 < len(rest[0][1].payload) < 40_000
    assert (await journal.usage()).dead_letters == 3


async def test_letters_are_of_a_tenant(journal: Journal) -> None:
    """Asked for some tenants, a page is full of theirs however many stand in between."""
    letters = [letter(1), *(replace(letter(2), tenant="other") for _ in range(5)), letter(3)]
    await journal.append([], letters=[*letters, replace(letter(4), tenant="")])
    found = await journal.dead_letters(limit=2, tenants={"acme"})
    assert [each.detail for _, each in found] == ["letter 3", "letter 1"]
    assert len(await journal.dead_letters(tenants={"other", ""})) == 6
    assert await journal.dead_letters(tenants=()) == []


async def test_letters_are_capped(journal: Journal) -> None:
    """The oldest dead letters make room for new ones; their numbers tell how many went."""
    for start in range(0, 120, 40):
        await journal.append([], letters=[letter(start + each) for each in range(40)])
    kept = await journal.dead_letters(limit=1_000)
    assert [each.at_ns for _, each in kept] == list(range(119, 69, -1))
    assert kept[0][0] - kept[-1][0] == 49
    assert kept[0][0] == 120
    assert (await journal.usage()).dead_letters == 50


async def test_concurrent_appends_are_all_there(journal: Journal) -> None:
    """Appends of many tasks each get an offset of their own and stay together."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(journal.append([samples(2 * each), samples(2 * each + 1)]))
            for each in range(20)
        ]
    assert len({task.result() for task in tasks}) == 20
    numbers = [int.from_bytes(each.body[:4], "big") for each in await journal.read(0)]
    assert sorted(numbers) == list(range(40))
    assert all(low + 1 == high for low, high in zip(numbers[::2], numbers[1::2], strict=True))
