"""The embedded series store: one DuckDB file, written and read in threads of its own.

Theory of operation. A sample is a row (id, t, value) of one append-only table; ids are the
store's own, so that a journal that began anew cannot mix up its series. Rows arrive nearly in
order of time, so DuckDB's zone maps find a time range without an index; a unique index would
cost more than all the rest. Identity is kept by a high-water mark per signal: later rows are
new and are appended; others are compared with what is stored in their range of time, and
change it only where they differ (the last value written stands). What is older than the
retention becomes means in a second table; queries read both, weighted by how many samples a
row stands for.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from bridge.adapters.series.lane import DuckDbOptions, Lane, open_file
from bridge.adapters.series.screen import TIME_MAX_NS, TIME_MIN_NS, screen
from bridge.adapters.series.statements import (
    DAY_NS,
    SCAN_ROWS,
    Columns,
    Connection,
    append,
    downsample_day,
    execute,
    first,
    load_marks,
    merge,
    reduce,
    window,
)
from bridge.flow.ports import Refused, Retention, Series
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples, Times
from bridge.model.slots import SignalSlot

Key = tuple[str, str, str]


class DuckDbStore:
    """`SeriesStore` in one DuckDB file; `open` makes it, `close` releases it."""

    keeps_position = True

    def __init__(self, path: Path, options: DuckDbOptions) -> None:
        self.path = path
        self._write = Lane("series-write", lambda: open_file(path, options))
        self._read = Lane("series-read", self._write.cursor)
        self._ids: dict[Key, int] = {}
        self._names: dict[tuple[str, str], dict[str, int]] = {}
        # High-water mark per id; None while unknown, as after an error of unknown outcome.
        self._marks: Times | None = None

    @classmethod
    async def open(cls, path: Path, options: DuckDbOptions | None = None) -> Self:
        """Open the file, making it and its folder the first time.

        Raises
        ------
        ConflictError
            Another process has it open (DuckDB lets only one in), or it is of a newer release.
        UnavailableError
            It cannot be opened.
        """
        store = cls(path, options or DuckDbOptions())
        try:
            rows = await store._write.run(
                lambda db: db.execute(
                    "SELECT id, tenant, asset, signal FROM signals"
                ).fetchall()
            )
        except BaseException:
            await store.close()
            raise
        for number, *key in rows:
            store._know((key[0], key[1], key[2]), number)
        return store

    async def write(
        self, batch: Samples, slots: Sequence[SignalSlot], *, offset: int | None
    ) -> list[Refused]:
        """Write a batch and its offset in one transaction; return what is refused for ever."""
        # Sorting a large batch takes milliseconds: in the thread too, not on the event loop.
        return await self._write.run(lambda db: self._screen(db, batch, slots, offset))

    async def position(self) -> int:
        """Return the last offset that is durable here, 0 at first."""
        return await self._write.run(
            lambda db: first(db, "SELECT number FROM state WHERE name = 'position'") or 0
        )

    async def query(
        self,
        tenant: str,
        asset: str,
        signals: Sequence[str],
        *,
        start_ns: int,
        end_ns: int,
        points_max: int = 800,
    ) -> dict[str, Series]:
        """Return each signal in [start, end), reduced to at most `points_max` buckets.

        Buckets are the same for all signals of one call: as wide as the time from the first to
        the last sample over `points_max`. A signal with no more samples than that comes as it
        is. Signals without samples in the range are left out.
        """
        assert points_max > 0, "points_max must be positive"
        known = self._names.get((tenant, asset), {})
        wanted = {known[name]: name for name in signals if name in known}
        start_ns, end_ns = max(start_ns, TIME_MIN_NS), min(end_ns, TIME_MAX_NS)
        if not wanted or start_ns >= end_ns:
            return {}
        found = await self._read.run(
            lambda db: reduce(db, list(wanted), (start_ns, end_ns), points_max)
        )
        return {wanted[number]: series for number, series in found.items()}

    async def signals(self, tenant: str, asset: str) -> list[str]:
        """Return the names of an asset's stored signals, sorted."""
        return sorted(self._names.get((tenant, asset), {}))

    async def scan(
        self, tenant: str, *, start_ns: int, end_ns: int, assets: Sequence[str] | None = None
    ) -> AsyncIterator[tuple[list[SignalSlot], Samples]]:
        """Yield raw samples in time order, block by block (replay, relearning, export).

        The slots are numbered anew for this scan, the same in every block; `receive_ns` of a
        block is the time of its last sample, as the store does not keep when it was received.
        """
        slots, ids = self._scanned(tenant, assets)
        if not slots:
            return
        number_of = np.full(max(ids) + 1, -1, np.int32)
        number_of[ids] = np.arange(len(ids), dtype=np.int32)
        at_ns, end_ns = max(start_ns, TIME_MIN_NS), min(end_ns, TIME_MAX_NS)
        width_ns = DAY_NS
        while True:
            look = partial(window, ids=ids, span=(at_ns, end_ns), width_ns=width_ns)
            found = await self._read.run(look)
            if found is None:
                return
            (number, t_ns, value), at_ns, width_ns = found
            for at in range(0, len(t_ns), SCAN_ROWS):
                cut = slice(at, at + SCAN_ROWS)
                block = t_ns[cut]
                yield slots, Samples(number_of[number[cut]], block, value[cut], int(block[-1]))

    async def keep(self, retention: Retention, *, now_ns: int) -> int:
        """Turn raw samples past their time into means, a day at a time; return rows removed.

        A sample that arrives after its time was turned into means is added to them; sent twice
        then, it counts twice in the mean, while least and greatest stay right.
        """
        removed = 0
        if retention.raw_days > 0:
            width_ns = int(retention.downsample_s * NS_PER_S)
            cut_ns = (now_ns - int(retention.raw_days * DAY_NS)) // width_ns * width_ns
            while True:
                gone = await self._write.run(lambda db: downsample_day(db, cut_ns, width_ns))
                removed += gone
                if not gone:
                    break
        if retention.downsampled_days > 0:
            cut_ns = now_ns - int(retention.downsampled_days * DAY_NS)
            removed += await self._write.run(
                lambda db: first(db, "DELETE FROM means WHERE t < ?", cut_ns) or 0
            )
        if removed:
            await self._write.run(lambda db: execute(db, "CHECKPOINT"))
        return removed

    async def export(self, path: Path) -> None:
        """Write all raw samples with their names into one Parquet file."""
        await self._read.run(
            lambda db: execute(
                db,
                "COPY (SELECT tenant, asset, signal, t AS t_ns, value FROM samples "
                "JOIN signals USING (id) ORDER BY t) TO ? (FORMAT parquet)",
                str(path),
            )
        )

    async def ping(self) -> str:
        """Return the store's name and version."""
        row = await self._read.run(lambda db: db.execute("SELECT version()").fetchone())
        return f"DuckDB {row[0] if row else 'unknown'}"

    async def close(self) -> None:
        """Finish what runs and release the file; a second call does nothing."""
        await self._read.close()
        await self._write.close()

    def _know(self, key: Key, number: int) -> None:
        self._ids[key] = number
        self._names.setdefault(key[:2], {})[key[2]] = number

    def _scanned(
        self, tenant: str, assets: Sequence[str] | None
    ) -> tuple[list[SignalSlot], list[int]]:
        asked = None if assets is None else set(assets)
        slots: list[SignalSlot] = []
        ids: list[int] = []
        asset_slot = 0
        for (owner, asset), names in sorted(self._names.items()):
            if owner != tenant or (asked is not None and asset not in asked):
                continue
            for signal, number in sorted(names.items()):
                slots.append(SignalSlot(len(slots), asset_slot, tenant, asset, signal))
                ids.append(number)
            asset_slot += 1
        return slots, ids

    def _screen(
        self, db: Connection, batch: Samples, slots: Sequence[SignalSlot], offset: int | None
    ) -> list[Refused]:
        screened = screen(batch, slots)
        rows = screened.rows
        keys = {
            slot: (slots[slot].tenant, slots[slot].asset, slots[slot].signal)
            for slot in np.unique(batch.signal[rows]).tolist()
        }
        columns = (batch.signal[rows], batch.t_ns[rows], batch.value[rows])
        self._commit(db, keys, columns, offset)
        return screened.refused

    def _commit(
        self, db: Connection, keys: dict[int, Key], columns: Columns, offset: int | None
    ) -> None:
        """Write in one transaction, in the writing thread; new ids are known once durable."""
        signal, t_ns, value = columns
        marks = self._marks if self._marks is not None else load_marks(db, len(self._ids))
        self._marks = None
        unknown = [key for key in keys.values() if key not in self._ids]
        fresh = {key: len(self._ids) + n for n, key in enumerate(unknown)}
        marks = np.concatenate([marks, np.full(len(fresh), TIME_MIN_NS - 1, np.int64)])
        number_of = np.zeros(max(keys, default=0) + 1, np.int32)
        for slot, key in keys.items():
            number_of[slot] = fresh[key] if key in fresh else self._ids[key]
        ids = number_of[signal]
        new = t_ns > marks[ids]
        db.execute("BEGIN")
        for key, number in fresh.items():
            db.execute("INSERT INTO signals VALUES (?, ?, ?, ?)", (number, *key))
        append(db, (ids[new], t_ns[new], value[new]))
        merge(db, (ids[~new], t_ns[~new], value[~new]))
        if offset is not None:
            db.execute("UPDATE state SET number = ? WHERE name = 'position'", (offset,))
        db.execute("COMMIT")
        for key, number in fresh.items():
            self._know(key, number)
        np.maximum.at(marks, ids, t_ns)
        self._marks = marks
