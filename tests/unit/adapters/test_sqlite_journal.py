"""The journal's file: it stays small, has one service, and its errors tell what to do."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.adapters.journal.lock import DataFolder
from bridge.adapters.journal.sqlite import JournalOptions, SqliteJournal
from bridge.flow.ports import Entry
from bridge.model.errors import ConflictError, UnavailableError
from bridge.model.samples import DeadLetter


def samples(size: int) -> Entry:
    """Make a record of some size."""
    return Entry("samples", "acme", os.urandom(size))


async def test_file_stays_within_its_cap(tmp_path: Path) -> None:
    """Filled and trimmed many times over, the file does not outgrow the cap by much."""
    path = tmp_path / "journal.sqlite"
    cap_bytes = 2 << 20
    async with await SqliteJournal.open(path, JournalOptions(cap_bytes=cap_bytes)) as journal:
        for _ in range(6):
            for _ in range(19):
                last = await journal.append([samples(100_000)])
            await journal.finish("archive", last)
            assert await journal.trim(["archive"]) == 19
            assert (await journal.usage()).used_bytes == 0
        size = path.stat().st_size
    assert size < cap_bytes * 1.3


async def test_large_trims_give_the_disk_back(tmp_path: Path) -> None:
    """After a backlog was worked off, most of its space returns to the disk."""
    path = tmp_path / "journal.sqlite"
    async with await SqliteJournal.open(path) as journal:
        last = await journal.append([samples(1 << 20) for _ in range(160)])
    assert path.stat().st_size > 160 << 20
    async with await SqliteJournal.open(path) as journal:
        await journal.finish("archive", last)
        await journal.trim(["archive"])
    assert path.stat().st_size < 110 << 20


async def test_trim_removes_more_than_one_portion(tmp_path: Path) -> None:
    """Thousands of finished records go in one call, in several transactions."""
    async with await SqliteJournal.open(tmp_path / "journal.sqlite") as journal:
        last = await journal.append([samples(10) for _ in range(1_700)])
        await journal.finish("a", last - 100)
        assert await journal.trim(["a"]) == 1_600
        assert len(await journal.read(0, limit=1_000)) == 100


async def test_commits_are_synchronous(tmp_path: Path) -> None:
    """WAL mode and a sync per commit: a power cut takes nothing that was acknowledged."""
    async with await SqliteJournal.open(tmp_path / "journal.sqlite") as journal:
        modes = await journal._writer.run(  # noqa: SLF001 - a promise nothing else shows
            lambda db: [
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]
        )
    assert modes == ["wal", 2]


async def test_a_locked_file_is_unavailable(tmp_path: Path) -> None:
    """A long transaction of somebody else is waited for, then told; nothing is half written."""
    path = tmp_path / "journal.sqlite"
    async with await SqliteJournal.open(path, JournalOptions(busy_s=0.1)) as journal:
        await journal.append([samples(10)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="another process holds it"):
            await journal.append([samples(10)])
        assert len(await journal.read(0)) == 1, "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        await journal.append([samples(10)])
        assert len(await journal.read(0)) == 2


async def test_a_full_disk_says_so(tmp_path: Path) -> None:
    """A disk without room is unavailable with advice, and the journal goes on afterwards."""
    async with await SqliteJournal.open(tmp_path / "journal.sqlite") as journal:
        await journal.append([samples(10)])

        def limit(db: sqlite3.Connection, more: int) -> None:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count={pages + more}")

        # SQLite answers a page limit with the same error as a disk without room.
        await journal._writer.run(lambda db: limit(db, 0))  # noqa: SLF001
        letter = DeadLetter("acme", "t", b"?", "bad-json", "", 0)
        with pytest.raises(UnavailableError, match="free space"):
            await journal.append([samples(100_000)], letters=[letter])
        assert len(await journal.read(0)) == 1
        assert await journal.dead_letters() == []
        await journal._writer.run(lambda db: limit(db, 1_000))  # noqa: SLF001
        assert await journal.append([samples(100_000)]) == 2


async def test_foreign_files_are_refused(tmp_path: Path) -> None:
    """Another program's database, text, and a newer release's journal are refused by name."""
    database = tmp_path / "other.sqlite"
    other = sqlite3.connect(database)
    other.execute("CREATE TABLE t (x)")
    other.close()
    text = tmp_path / "text"
    text.write_text("not a database, though long enough to be taken for one" * 100)
    newer = tmp_path / "newer.sqlite"
    await (await SqliteJournal.open(newer)).close()
    later = sqlite3.connect(newer)
    later.execute("PRAGMA user_version=99")
    later.close()
    for path, word in ((database, "something else"), (text, "not a journal"), (newer, "99")):
        with pytest.raises(ConflictError, match=word):
            await SqliteJournal.open(path)


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A path through a file is unavailable, with the path."""
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="file"):
        await SqliteJournal.open(tmp_path / "file" / "journal.sqlite")


async def test_closing_ends_the_threads(tmp_path: Path) -> None:
    """Closed twice, it leaves no thread and no file beside the database."""
    journal = await SqliteJournal.open(tmp_path / "journal.sqlite")
    await journal.append([samples(10)])
    await journal.read(0)
    await journal.close()
    await journal.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("journal")]
    left = [each.name for each in tmp_path.iterdir()]  # noqa: ASYNC240 - nothing else runs
    assert left == ["journal.sqlite"]


def test_the_folder_is_locked(tmp_path: Path) -> None:
    """A second holder is refused with the process id of the first, until it is released."""
    folder = tmp_path / "new" / "folder"
    with DataFolder.lock(folder):
        with pytest.raises(ConflictError, match=f"process {os.getpid()}"):
            DataFolder.lock(folder)
        DataFolder.lock(folder, "other").release()
    held = DataFolder.lock(folder)
    held.release()
    held.release()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    """A killed holder leaves its file but no lock; while it lives its id is named."""
    code = (
        "import sys, time, pathlib\nfrom bridge.adapters.journal.lock import DataFolder\n"
        "held = DataFolder.lock(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match=f"process {process.pid}"):
            DataFolder.lock(tmp_path)
        process.kill()
    DataFolder.lock(tmp_path).release()


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    """A folder that is a file is unavailable with advice."""
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="owner and rights"):
        DataFolder.lock(tmp_path / "file")
