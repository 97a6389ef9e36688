"""Archiving: from the journal into the series store, every sample once, whatever fails between.

The store's write is idempotent and carries the journal's offset, so each step may be repeated:
a batch is written, what the store refuses for ever becomes dead letters, and only then does
the reader's position in the journal move. A crash between any two of these repeats a part
that changes nothing.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import structlog

from bridge.codec import blob
from bridge.flow.clock import Clock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Journal, Record, Refused, Retention, SeriesStore
from bridge.model.errors import PayloadError, UnavailableError
from bridge.model.samples import DeadLetter, Samples
from bridge.model.slots import SlotTable

READER = "archive"
LETTER_ROWS = 500
_SETTLE_S = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How the archive works.

    Attributes
    ----------
    rows_max, age_max_s : int, float
        A batch is written once it has this many rows, or its first record waited so long.
    read_records : int
        Records per read of the journal.
    backoff_s, backoff_max_s : float
        First and longest wait for a store that is away; doubled in between, with jitter.
    trim_every_s, retention_every_s : float
        How often the journal is trimmed and old samples become means.
    trim_readers : tuple of str
        Who has to have finished a record before it may go.
    retention : Retention
        How long samples are kept.
    when_full : {"hold", "skip"}
        Above `skip_above` of the journal's cap: hold (the broker keeps what is new), or leave
        the older half of what waits out of the archive, recorded as a dead letter.
    skip_above : float
        Share of the journal's cap.
    """

    rows_max: int = 50_000
    age_max_s: float = 1.0
    read_records: int = 64
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    trim_every_s: float = 10.0
    retention_every_s: float = 3_600.0
    trim_readers: tuple[str, ...] = (READER, "watch")
    retention: Retention = field(default_factory=Retention)
    when_full: Literal["hold", "skip"] = "hold"
    skip_above: float = 0.9


@dataclass(slots=True)
class ArchiveStatus:
    """How the archive stands, for `/readyz` and the console."""

    state: Literal["starting", "running", "waiting"] = "starting"
    detail: str = ""
    position: int = 0
    samples: int = 0
    refused: int = 0
    skipped: int = 0
    """Records that were left out because the journal was full."""


@dataclass(slots=True)
class _Pending:
    """What was read and is not yet written; `last` is the offset up to which it goes."""

    last: int
    blocks: list[Samples] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    rows: int = 0
    received_ns: int | None = None

    def merged(self) -> Samples:
        """Return all blocks as one, in order."""
        return Samples(
            np.concatenate([each.signal for each in self.blocks] or [np.empty(0, np.int32)]),
            np.concatenate([each.t_ns for each in self.blocks] or [np.empty(0, np.int64)]),
            np.concatenate([each.value for each in self.blocks] or [np.empty(0, np.float64)]),
            self.received_ns or 0,
        )


class Archive:
    """The reader "archive" of the journal; the only writer of samples into the store.

    Parameters
    ----------
    journal, store : Journal, SeriesStore
        From where, and to where.
    metrics, clock : Metrics, Clock
        What is counted, and what time dead letters and ages are told by.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        store: SeriesStore,
        metrics: Metrics,
        clock: Clock,
        options: ArchiveOptions | None = None,
    ) -> None:
        self.status = ArchiveStatus()
        self._journal = journal
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._options = options or ArchiveOptions()
        self._slots = SlotTable()
        self._trim_at_s = self._keep_at_s = 0.0

    async def run(self) -> None:
        """Archive until cancelled; what was read and not yet written is read again next time.

        Raises
        ------
        UnavailableError
            The journal does not answer. A store that does not is waited for in here.
        """
        self.status.state = "starting"
        self.status.position = await self._start()
        while True:
            self.status.state, self.status.detail = "running", ""
            pending = await self._gather()
            if pending.last > self.status.position:
                await self._put(pending)
            await self._care()

    async def _start(self) -> int:
        """Return where to begin: the smaller of what journal and store know."""
        position = await self._journal.position(READER)
        if self._store.keeps_position:
            position = min(position, await self._store.position())
        usage = await self._journal.usage()
        if usage.first_offset > position + 1 and usage.last_offset:
            # The store is younger than the journal's trimming: restored, replaced, or deleted.
            log.warning(
                "archive found a gap", position=position, first_offset=usage.first_offset
            )
        log.info("archive started", position=position, last_offset=usage.last_offset)
        return position

    async def _gather(self) -> _Pending:
        """Read until a batch is full or old enough, or for one second when nothing comes."""
        options, pending = self._options, _Pending(self.status.position)
        until_s = time.monotonic() + options.age_max_s
        while pending.rows < options.rows_max:
            records = await self._journal.read(pending.last, limit=options.read_records)
            if records and pending.last == self.status.position:
                until_s = time.monotonic() + options.age_max_s
            for record in records:
                await self._take(pending, record)
            self._show(pending)
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            if not records and not pending.blocks:
                await self._journal.wait(pending.last, timeout_s=left_s)
            elif len(records) < options.read_records:
                # Caught up: let a few records gather, or each one would cost a read.
                await asyncio.sleep(min(left_s, _SETTLE_S))
        return pending

    async def _take(self, pending: _Pending, record: Record) -> None:
        pending.last = record.offset
        if record.kind != "samples":
            return
        try:
            samples = blob.decode(record.body)
            await self._learn_slots(samples)
        except PayloadError as error:
            self._metrics.refused.labels(error.reason).inc()
            self.status.refused += 1
            log.warning("record undecodable", offset=record.offset, reason=error.reason)
            where = f"journal/{record.offset}"
            pending.letters.append(
                DeadLetter(
                    record.tenant, where, record.body, error.reason, error.detail, self._now()
                )
            )
            return
        pending.blocks.append(samples)
        pending.rows += len(samples)
        if pending.received_ns is None:
            pending.received_ns = samples.receive_ns

    async def _learn_slots(self, samples: Samples) -> None:
        if not len(samples):
            return
        known = len(self._slots)
        highest = int(samples.signal.max())
        if highest >= known:
            self._slots.absorb(await self._journal.slots(known))
        if highest >= len(self._slots) or int(samples.signal.min()) < 0:
            raise PayloadError(
                "unknown-slot", f"slot {highest}; the journal has {len(self._slots)}"
            )

    async def _put(self, pending: _Pending) -> None:
        """Write a batch, waiting for the store as long as it takes, then finish its records."""
        batch, backoff_s = pending.merged(), self._options.backoff_s
        while (refused := await self._try(batch, pending.last, backoff_s)) is None:
            backoff_s = min(backoff_s * 2, self._options.backoff_max_s)
            await self._trim()
            if await self._skip(pending):
                return
        if self.status.state == "waiting":
            log.info("series available", position=pending.last)
        letters = [*pending.letters, *self._refuse(refused, batch, pending.last)]
        if letters:
            await self._journal.append([], letters=letters)
        await self._finish(pending.last)
        self.status.samples += len(batch)
        self._show(_Pending(pending.last))

    async def _try(self, batch: Samples, offset: int, backoff_s: float) -> list[Refused] | None:
        """Write once; where the store is away, wait and return None."""
        try:
            return await self._store.write(batch, self._slots.rows, offset=offset)
        except UnavailableError as error:
            await self._wait(error, backoff_s)
            return None

    async def _wait(self, error: UnavailableError, backoff_s: float) -> None:
        if self.status.state != "waiting":
            log.warning("series unavailable", detail=error.detail)
        self.status.state, self.status.detail = "waiting", str(error)
        jittered_s = backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        await asyncio.sleep(max(jittered_s, error.retry_after_s))

    def _refuse(self, refused: list[Refused], batch: Samples, offset: int) -> list[DeadLetter]:
        """Make dead letters of refused rows: one per signal and reason, in portions, as CSV."""
        letters: list[DeadLetter] = []
        for each in refused:
            word, _, detail = each.reason.partition(": ")
            self._metrics.refused.labels(word).inc(len(each.rows))
            self.status.refused += len(each.rows)
            log.warning("samples refused", reason=word, n=len(each.rows), offset=offset)
            order = each.rows[np.argsort(batch.signal[each.rows], kind="stable")]
            cuts = np.flatnonzero(np.diff(batch.signal[order])) + 1
            for rows in np.split(order, cuts):
                name = self._slots.rows[batch.signal[rows[0]]]
                for at in range(0, len(rows), LETTER_ROWS):
                    part = rows[at : at + LETTER_ROWS]
                    times, values = batch.t_ns[part].tolist(), batch.value[part].tolist()
                    lines = (f"{t},{v!r}\n" for t, v in zip(times, values, strict=True))
                    payload = "".join(lines).encode()
                    where = f"series/{name.asset}/{name.signal}"
                    letters.append(
                        DeadLetter(name.tenant, where, payload, word, detail, self._now())
                    )
        return letters

    async def _finish(self, offset: int) -> None:
        await self._journal.finish(READER, offset)
        self.status.position = offset

    async def _skip(self, pending: _Pending) -> bool:
        """Leave out the older half of what waits, if so chosen and nobody else holds it."""
        options = self._options
        if options.when_full != "skip":
            return False
        usage = await self._journal.usage()
        others = [usage.readers.get(name, 0) for name in options.trim_readers if name != READER]
        held_by_others = min(others, default=usage.last_offset) <= self.status.position
        if usage.used_bytes < options.skip_above * usage.cap_bytes or held_by_others:
            return False
        first = self.status.position + 1
        last = max(pending.last, (first + usage.last_offset) // 2)
        skipped = last - first + 1
        detail = f"records {first} to {last} are not in the series store: the journal was full"
        log.error("records skipped", first=first, last=last, used_bytes=usage.used_bytes)
        self._metrics.refused.labels("archive-skipped").inc(skipped)
        self.status.skipped += skipped
        gap = DeadLetter(
            "", f"journal/{first}-{last}", b"", "archive-skipped", detail, self._now()
        )
        await self._journal.append([], letters=[*pending.letters, gap])
        await self._finish(last)
        return True

    async def _care(self) -> None:
        """Trim and keep, each when its time has come."""
        await self._trim()
        if time.monotonic() < self._keep_at_s:
            return
        self._keep_at_s = time.monotonic() + self._options.retention_every_s
        try:
            removed = await self._store.keep(self._options.retention, now_ns=self._now())
        except UnavailableError as error:
            log.warning("retention postponed", detail=error.detail)
            return
        if removed:
            log.info("series reduced", removed=removed)

    async def _trim(self) -> None:
        if time.monotonic() < self._trim_at_s:
            return
        self._trim_at_s = time.monotonic() + self._options.trim_every_s
        await self._journal.trim(self._options.trim_readers)

    def _show(self, pending: _Pending) -> None:
        self._metrics.queue("archive", pending.rows, self._options.rows_max)

    def _now(self) -> int:
        return self._clock.now_ns()
