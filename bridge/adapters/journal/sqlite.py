"""The embedded journal: one SQLite file, one row per micro-batch, one fsync per commit.

Writing has a thread and a connection of its own, reading another: a reader never waits for an
fsync, the event loop for neither (WAL lets both go on side by side). Several processes may open
the file; only one of them may append samples, which the lock of the data folder sees to
(`bridge.adapters.journal.lock`).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bridge.adapters.journal.schema import connect, explain
from bridge.flow.ports import Entry, JournalUsage, Record
from bridge.model.errors import ConflictError, JournalFullError
from bridge.model.samples import DeadLetter
from bridge.model.slots import SignalSlot

T = TypeVar("T")

RECORD_OVERHEAD_BYTES = 64
"""What a record takes beside its body: key, kind, tenant, page slack."""


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Limits of the journal.

    Attributes
    ----------
    cap_bytes : int
        Most that untrimmed records may take; appending samples beyond it is refused.
    letters_max, letters_cap_bytes, letter_bytes : int
        How many dead letters are kept, how much they may take, and where a payload is cut; the
        oldest go first. Their numbers never start again, so what went is still countable.
    poll_s : float
        How often a waiting reader looks for records of another process.
    busy_s : float
        How long a statement waits for a lock of another process.
    """

    cap_bytes: int = 4 << 30
    letters_max: int = 10_000
    letters_cap_bytes: int = 64 << 20
    letter_bytes: int = 16 << 10
    poll_s: float = 0.1
    busy_s: float = 5.0


class SqliteJournal:
    """`Journal` in one SQLite file; `open` makes it, `close` (or leaving it) releases it."""

    def __init__(self, path: Path, options: JournalOptions) -> None:
        self.path = path
        self.options = options
        self._writer = _Lane(path, options.busy_s, "journal-write")
        self._reader = _Lane(path, options.busy_s, "journal-read")
        self._last = 0
        self._grown = asyncio.Event()

    @classmethod
    async def open(cls, path: Path, options: JournalOptions | None = None) -> Self:
        """Open the file, making it and its folder the first time.

        Raises
        ------
        ConflictError
            The file is something else, or of a newer release.
        UnavailableError
            It cannot be opened.
        """
        journal = cls(path, options or JournalOptions())
        try:
            journal._last = await journal._writer.run(_last_offset)
        except BaseException:
            await journal.close()
            raise
        return journal

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        slots: Sequence[SignalSlot] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> int:
        """Commit all of it durably in one transaction and return the last offset.

        A cancelled call may still commit: the caller then has not acknowledged and appends
        again, which readers take as a repetition.

        Raises
        ------
        JournalFullError
            At the cap; nothing was written. Control records and dead letters alone still pass.
        ConflictError
            A slot already names another signal: two services issue slots on one journal.
        """
        options = self.options

        def work(db: sqlite3.Connection) -> int:
            db.execute("BEGIN IMMEDIATE")
            _put_entries(db, entries, options.cap_bytes)
            _put_slots(db, slots)
            _put_letters(db, letters, options)
            last = _last_offset(db)
            db.execute("COMMIT")
            return last

        last = await self._writer.run(work)
        if last > self._last:
            self._last = last
            self._grown.set()
            self._grown = asyncio.Event()
        return last

    async def read(self, after: int, *, limit: int = 64) -> list[Record]:
        """Return up to `limit` records with an offset greater than `after`, in order."""

        def work(db: sqlite3.Connection) -> list[Record]:
            rows = db.execute(
                'SELECT "offset", kind, tenant, body FROM records WHERE "offset" > ? '
                'ORDER BY "offset" LIMIT ?',
                (after, limit),
            )
            return [Record(*row) for row in rows]

        return await self._reader.run(work)

    async def wait(self, after: int, *, timeout_s: float) -> bool:
        """Wait until a record later than `after` may be there; False when time ran out."""
        deadline = time.monotonic() + timeout_s
        while True:
            grown = self._grown
            if self._last <= after:
                self._last = max(self._last, await self._reader.run(_last_offset))
            if self._last > after:
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            try:
                async with asyncio.timeout(min(left_s, self.options.poll_s)):
                    await grown.wait()
            except TimeoutError:
                continue

    async def slots(self, after: int = 0) -> list[SignalSlot]:
        """Return the slots from number `after` on."""

        def work(db: sqlite3.Connection) -> list[SignalSlot]:
            rows = db.execute("SELECT * FROM slots WHERE slot >= ? ORDER BY slot", (after,))
            return [SignalSlot(*row) for row in rows]

        return await self._reader.run(work)

    async def position(self, reader: str) -> int:
        """Return the offset up to which a reader has finished; 0 at first."""
        return await self._reader.run(lambda db: _positions(db).get(reader, 0))

    async def finish(self, reader: str, offset: int) -> None:
        """Note that a reader has finished up to an offset; it never moves back."""
        await self._writer.run(
            lambda db: db.execute(
                "INSERT INTO readers VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
                "SET position = max(position, excluded.position)",
                (reader, offset),
            ).close()
        )

    async def trim(self, readers: Sequence[str]) -> int:
        """Remove what all named readers have finished; return how many records went.

        In short transactions, so that appending is never held up for long. Without readers, or
        with one that never finished anything, nothing goes.
        """
        removed = 0
        while True:
            gone = await self._writer.run(lambda db: _trim_some(db, readers))
            removed += gone
            if gone < _TRIM_RECORDS:
                break
        await self._writer.run(_give_back)
        return removed

    async def usage(self) -> JournalUsage:
        """Return how full it is; `dead_letters` counts those still kept."""
        cap_bytes = self.options.cap_bytes

        def work(db: sqlite3.Connection) -> JournalUsage:
            db.execute("BEGIN")
            used, letters = db.execute("SELECT used, letters FROM totals").fetchone()
            last = _last_offset(db)
            (first,) = db.execute('SELECT min("offset") FROM records').fetchone()
            readers = _positions(db)
            db.execute("COMMIT")
            return JournalUsage(used, cap_bytes, first or last + 1, last, readers, letters)

        return await self._reader.run(work)

    async def dead_letters(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        tenants: Collection[str] | None = None,
    ) -> list[tuple[int, DeadLetter]]:
        """Return dead letters by number, the newest first, older than number `before`.

        Of these tenants alone; "" is that of letters whose topic told none, None is all.
        """
        some = "1" if tenants is None else f"tenant IN ({','.join('?' * len(tenants))})"
        # The table is capped at some thousand rows: a look through all of them is no cost.
        query = f"SELECT * FROM letters WHERE number < ? AND {some}"  # noqa: S608 - only marks

        def work(db: sqlite3.Connection) -> list[tuple[int, DeadLetter]]:
            newest = _NUMBER_MAX if before is None else before
            rows = db.execute(
                f"{query} ORDER BY number DESC LIMIT ?", (newest, *(tenants or ()), limit)
            )
            return [(row[0], DeadLetter(*row[1:])) for row in rows]

        return await self._reader.run(work)

    async def close(self) -> None:
        """Finish what runs and release the file; a second call does nothing."""
        await self._reader.close()
        await self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Lane:
    """One thread with one connection, opened at the first call."""

    def __init__(self, path: Path, busy_s: float, name: str) -> None:
        self._path = path
        self._busy_s = busy_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it in the thread; whatever it raises, no transaction stays open."""

        def guarded() -> T:
            if self._db is None:
                self._db = connect(self._path, busy_s=self._busy_s)
            try:
                return work(self._db)
            except sqlite3.Error as error:
                raise explain(error, self._path) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

        return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)

    async def close(self) -> None:
        """Close the connection in its thread and end the thread."""
        if self._closed:
            return
        self._closed = True

        def release() -> None:
            if self._db is not None:
                self._db.close()

        await asyncio.get_running_loop().run_in_executor(self._pool, release)
        self._pool.shutdown(wait=True)


_NUMBER_MAX = (1 << 63) - 1
_TRIM_RECORDS = 500
_GIVE_BACK_PAGES = 16_384  # 64 MiB: less than this is kept for the next records


def _last_offset(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
    return int(row[0]) if row else 0


def _positions(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, position FROM readers"))


def _put_entries(db: sqlite3.Connection, entries: Sequence[Entry], cap_bytes: int) -> None:
    size = sum(len(entry.body) + RECORD_OVERHEAD_BYTES for entry in entries)
    (used,) = db.execute("SELECT used FROM totals").fetchone()
    if used + size > cap_bytes and any(entry.kind == "samples" for entry in entries):
        raise JournalFullError(used, cap_bytes)
    db.executemany(
        "INSERT INTO records (kind, tenant, body) VALUES (?, ?, ?)",
        [(entry.kind, entry.tenant, entry.body) for entry in entries],
    )
    db.execute("UPDATE totals SET used = used + ?", (size,))


def _put_slots(db: sqlite3.Connection, slots: Sequence[SignalSlot]) -> None:
    for slot in slots:
        row = (slot.slot, slot.asset_slot, slot.tenant, slot.asset, slot.signal)
        db.execute("INSERT OR IGNORE INTO slots VALUES (?, ?, ?, ?, ?)", row)
        kept = db.execute("SELECT * FROM slots WHERE slot = ?", (slot.slot,)).fetchone()
        if kept != row:
            raise ConflictError(
                f"slot {slot.slot} is {'/'.join(kept[2:])} in the journal, not "
                f"{slot.tenant}/{slot.asset}/{slot.signal}: another service writes here"
            )


def _put_letters(
    db: sqlite3.Connection, letters: Sequence[DeadLetter], options: JournalOptions
) -> None:
    if not letters:
        return
    rows = [
        (
            each.tenant,
            each.topic,
            each.payload[: options.letter_bytes],
            each.reason,
            each.detail,
            each.at_ns,
        )
        for each in letters
    ]
    db.executemany(
        "INSERT INTO letters (tenant, topic, payload, reason, detail, at_ns) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    size = sum(len(row[2]) + RECORD_OVERHEAD_BYTES for row in rows)
    db.execute(
        "UPDATE totals SET letters = letters + ?, letter_bytes = letter_bytes + ?",
        (len(rows), size),
    )
    _drop_oldest_letters(db, options)


def _drop_oldest_letters(db: sqlite3.Connection, options: JournalOptions) -> None:
    count, size = db.execute("SELECT letters, letter_bytes FROM totals").fetchone()
    while count > options.letters_max or size > options.letters_cap_bytes:
        number, length = db.execute(
            "SELECT number, length(payload) FROM letters ORDER BY number LIMIT 1"
        ).fetchone()
        db.execute("DELETE FROM letters WHERE number = ?", (number,))
        count, size = count - 1, size - length - RECORD_OVERHEAD_BYTES
    db.execute("UPDATE totals SET letters = ?, letter_bytes = ?", (count, size))


def _trim_some(db: sqlite3.Connection, readers: Sequence[str]) -> int:
    """Remove some of what all readers have finished, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    positions = _positions(db)
    upto = min((positions.get(name, 0) for name in readers), default=0)
    # `length` of a blob is in the row's header: no body is read.
    count, size, last = db.execute(
        'SELECT count(*), total(length(body)), max("offset") FROM '
        '(SELECT "offset", body FROM records WHERE "offset" <= ? ORDER BY "offset" LIMIT ?)',
        (upto, _TRIM_RECORDS),
    ).fetchone()
    if count:
        db.execute('DELETE FROM records WHERE "offset" <= ?', (last,))
        freed = int(size) + count * RECORD_OVERHEAD_BYTES
        db.execute("UPDATE totals SET used = used - ?", (freed,))
    db.execute("COMMIT")
    return int(count)


def _give_back(db: sqlite3.Connection) -> None:
    """Return pages to the disk where many are free; a few are kept for the next records."""
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    if free > 2 * _GIVE_BACK_PAGES:
        # It frees a page a step; a cursor without columns takes one step, a script all.
        db.executescript(f"PRAGMA incremental_vacuum({_GIVE_BACK_PAGES})")
