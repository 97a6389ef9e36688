"""Watching: the journal's samples through detection into the desk's inbox.

The loop reads records, hands them to the engine in a thread, and puts what it said, how the
assets stand and the offset into the inbox in one transaction. A snapshot is a copy made in
memory between two batches and written while the watch goes on. A restart loads the newest
snapshot that is not later than what the inbox has, and reads on from there: statements have
derived ids, so saying them again says nothing new, and what the inbox has already is not put
again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from bridge.cases.inputs import Detected
from bridge.flow.clock import Clock
from bridge.flow.derived import columns, renamed
from bridge.flow.engine import Counts, Derived, Engine, EngineOptions
from bridge.flow.keeping import Arrays, dump, load
from bridge.flow.metrics import Metrics
from bridge.flow.ports import CatalogStore, Inbox, Journal, Record, SeriesStore
from bridge.flow.snapshots import Snapshots
from bridge.flow.standing import statuses
from bridge.model.catalog import Catalog
from bridge.model.control import CONTROL, CatalogControl
from bridge.model.detections import AssetStatus, Detection
from bridge.model.errors import UnavailableError
from bridge.model.instants import NS_PER_S, as_datetime

READER = "watch"
QUEUE = "derived series"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How the watch works.

    Parameters
    ----------
    snapshot_every_s, snapshots_kept : float, int
        How often the state is written, and how many are kept.
    status_every_s : float
        Real time between two states of one asset.
    offset_every_s, offset_idle_s : float
        The offset is put at least so often, also where nothing is to be said; and so soon after
        the last time where everything that is journalled has been watched.
    lateness_s : float or None
        Known reordering of all sources; None learns it per asset.
    read_records, round_s : int, float
        Most records per read of the journal; fewer where a round takes longer than this.
    idle_s : float
        Longest wait for a record before the watch looks who is away.
    relearn_days : float
        How much of the series store is read where no snapshot can be used.
    derived_max : int
        Points of derived series that may wait for the store; the oldest are dropped.
    """

    snapshot_every_s: float = 60.0
    snapshots_kept: int = 3
    status_every_s: float = 2.0
    offset_every_s: float = 1.0
    offset_idle_s: float = 0.1
    lateness_s: float | None = None
    read_records: int = 64
    round_s: float = 0.5
    idle_s: float = 0.5
    relearn_days: float = 30.0
    derived_max: int = 20_000


@dataclass(slots=True)
class WatchStatus:
    """How the watch stands, for `/readyz` and the console."""

    state: Literal["starting", "learning", "running", "waiting"] = "starting"
    detail: str = ""
    position: int = 0


@dataclass(slots=True)
class _Run:
    """What one run of the watch holds."""

    engine: Engine
    position: int
    committed: int
    catalogs: dict[tuple[str, int], Catalog] = field(default_factory=dict)
    marks: dict[tuple[str, str], int] = field(default_factory=dict)
    put_s: float = 0.0
    status_s: float = 0.0
    snapshot_s: float = 0.0
    reach: int = 1
    kept: int = -1
    """Offset of the last snapshot; -1 where something was said since."""


class Watch:
    """The reader "watch" of the journal.

    Parameters
    ----------
    journal, inbox, catalogs, series
        Ports: from where, to where, by which catalogs, and where derived series go.
    clock, metrics
        The bridge's clock, and what is counted.
    folder : Path
        Where snapshots lie.
    """

    def __init__(  # noqa: PLR0913 - one port each
        self,
        *,
        journal: Journal,
        inbox: Inbox,
        catalogs: CatalogStore,
        series: SeriesStore,
        clock: Clock,
        metrics: Metrics,
        folder: Path,
        options: WatchOptions | None = None,
    ) -> None:
        self.status = WatchStatus()
        self._journal = journal
        self._inbox = inbox
        self._catalogs = catalogs
        self._series = series
        self._clock = clock
        self._metrics = metrics
        self._options = options or WatchOptions()
        self._snapshots = Snapshots(folder, self._options.snapshots_kept)
        self._derived: deque[Derived] = deque()
        self._news = asyncio.Event()
        self._copy: tuple[dict[str, Any], Arrays] | None = None
        self._copied = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled; what was not yet put is watched again next time.

        Raises
        ------
        UnavailableError
            The journal or the catalogs do not answer. An inbox that does not is waited for.
        """
        self.status.state = "starting"
        run = await self._restore()
        self.status.state, self.status.detail = "running", ""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write_snapshots(), name="watch snapshots")
                group.create_task(self._write_derived(), name="watch derived series")
                while True:
                    await self._turn(run)
        finally:
            run.engine.halt()  # or its thread would go on to the end of what it was given

    async def _turn(self, run: _Run) -> None:
        """One round: read, watch, put; look who is away when there is nothing to read."""
        records = await self._journal.read(run.position, limit=run.reach)
        if records:
            began_s = time.monotonic()
            said = await self._feed(run, records)
            # Short rounds: what was said is told soon, and a restart repeats little.
            calm = time.monotonic() - began_s < self._options.round_s
            most = self._options.read_records
            run.reach = min(2 * run.reach, most) if calm else max(run.reach // 2, 1)
        else:
            said = await asyncio.to_thread(run.engine.check, self._clock.now_ns())
        await self._put(run, said, idle=not records)
        await self._snapshot(run)
        if not records:
            unsaid = run.position > run.committed
            wait_s = self._options.offset_idle_s if unsaid else self._options.idle_s
            await self._journal.wait(run.position, timeout_s=wait_s)

    async def _feed(self, run: _Run, records: Sequence[Record]) -> dict[str, list[Detection]]:
        """Let the engine take some records; return what it said beyond what the inbox has."""
        engine = run.engine
        engine.absorb(await self._journal.slots(after=len(engine.slots)))
        await self._fetch(run, records)
        known = [each for each in records if each.offset <= run.committed]
        if known:
            # A replay: the inbox has what is said of these.
            await asyncio.to_thread(engine.feed, known, run.catalogs)
        fresh = records[len(known) :]
        said = await asyncio.to_thread(engine.feed, fresh, run.catalogs) if fresh else {}
        run.position = records[-1].offset
        self.status.position = run.position
        self._count(engine)
        self._queue(engine)
        return said

    async def _fetch(self, run: _Run, records: Sequence[Record]) -> None:
        """Get the catalogs that control records name."""
        for record in records:
            if record.kind != "control":
                continue
            control = CONTROL.validate_json(record.body)
            if isinstance(control, CatalogControl):
                await self._catalog(run, control.tenant, control.version)

    async def _catalog(self, run: _Run, tenant: str, version: int) -> None:
        catalog = await self._catalogs.get(tenant, version)
        if catalog is None:
            log.error("catalog missing", tenant=tenant, version=version)
            return
        run.catalogs[tenant, version] = catalog

    async def _put(self, run: _Run, said: dict[str, list[Detection]], *, idle: bool) -> None:
        """Put what was said, how assets stand, and the offset; wait for an absent inbox."""
        now_s = time.monotonic()
        states: dict[str, list[AssetStatus]] = {}
        if now_s - run.status_s >= self._options.status_every_s:
            run.status_s = now_s
            for each in await asyncio.to_thread(_statuses, run):
                states.setdefault(each.tenant, []).append(each)
        moved = run.position > run.committed
        wait_s = self._options.offset_idle_s if idle else self._options.offset_every_s
        overdue = moved and now_s - run.put_s >= wait_s
        tenants = sorted(set(said) | set(states))
        if not tenants and overdue:
            tenants = sorted(run.engine.tenants)[:1]
        now = as_datetime(self._clock.now_ns())
        for number, tenant in enumerate(tenants, 1):
            # The offset moves with the last tenant: all of it is durable then.
            last = number == len(tenants)
            offset = max(run.position, run.committed) if last else run.committed
            await self._put_one(
                tenant, (said.get(tenant, []), states.get(tenant, [])), (now, offset)
            )
        if said:
            run.kept = -1
        if tenants:
            run.committed, run.put_s = max(run.position, run.committed), now_s

    async def _put_one(
        self,
        tenant: str,
        what: tuple[list[Detection], list[AssetStatus]],
        when: tuple[datetime, int],
    ) -> None:
        said, states = what
        now, offset = when
        inputs = [
            Detected.model_validate(
                {"id": each.id, "tenant": tenant, "at": now, "detection": each}
            )
            for each in said
        ]
        while True:
            try:
                await self._inbox.put(tenant, inputs, states, reader=READER, offset=offset)
                break
            except UnavailableError as error:
                self.status.state, self.status.detail = "waiting", str(error)
                await asyncio.sleep(error.retry_after_s)
        self.status.state, self.status.detail = "running", ""
        for each in said:
            self._metrics.detections.labels(str(getattr(each, "type", "other"))).inc()

    def _count(self, engine: Engine) -> None:
        """Count what was not watched, by reason."""
        counts, engine.counts = engine.counts, Counts()
        for reason in ("late", "repeat", "future", "unwatched"):
            number = getattr(counts, reason)
            if number:
                self._metrics.late.labels(reason).inc(number)

    def _queue(self, engine: Engine) -> None:
        """Queue points of derived series; where there are too many the oldest are dropped."""
        fresh, engine.derived = engine.derived, []
        self._derived.extend(fresh)
        dropped = max(len(self._derived) - self._options.derived_max, 0)
        for _ in range(dropped):
            self._derived.popleft()
        if dropped:
            self._metrics.refused.labels("derived-queue-full").inc(dropped)
        self._metrics.queue(QUEUE, len(self._derived), self._options.derived_max)
        if self._derived:
            self._news.set()

    async def _write_derived(self) -> None:
        """Write derived series while the watch runs; a store that is away is waited for."""
        while True:
            await self._news.wait()
            self._news.clear()
            points = list(self._derived)
            self._derived.clear()
            slots, samples = columns(points, self._clock.now_ns())
            try:
                await self._series.write(samples, slots, offset=None)
            except UnavailableError as error:
                self._derived.extendleft(reversed(points))
                await asyncio.sleep(error.retry_after_s)
                self._news.set()

    async def _snapshot(self, run: _Run) -> None:
        """Copy the state where it is time and the last copy is written."""
        now_s = time.monotonic()
        due = now_s - run.snapshot_s >= self._options.snapshot_every_s
        if not due or self._copied.is_set() or run.position != run.committed:
            return
        if run.position == run.kept:
            return
        run.snapshot_s = now_s
        self._copy = await asyncio.to_thread(dump, run.engine, run.position)
        run.kept = run.position
        self._copied.set()

    async def _write_snapshots(self) -> None:
        """Write copies for as long as the watch runs, and let the journal go behind them."""
        while True:
            await self._copied.wait()
            assert self._copy is not None
            header, arrays = self._copy
            try:
                kept = await asyncio.to_thread(self._snapshots.write, header, arrays)
                await self._journal.finish(READER, kept[-1])
                log.info("snapshot written", offset=header["offset"], kept=len(kept))
            except OSError as error:
                log.warning("snapshot refused", offset=header["offset"], error=str(error))
            self._copy = None
            self._copied.clear()

    async def _restore(self) -> _Run:
        """Load the newest snapshot that can be used, or begin anew."""
        committed = await self._inbox.offset(READER)
        for offset in self._snapshots.offsets():
            if offset > committed:
                continue
            run = _Run(self._engine(), offset, committed, snapshot_s=time.monotonic())
            try:
                header, arrays = await asyncio.to_thread(self._snapshots.read, offset)
                run.engine.absorb(await self._journal.slots())
                for tenant, kept in header["tenants"].items():
                    if kept["catalog"]:
                        await self._catalog(run, tenant, kept["catalog"])
                load(run.engine, header, arrays, run.catalogs)
            except (ValueError, KeyError, TypeError) as error:
                log.warning("snapshot refused", offset=offset, error=str(error))
                continue
            log.info("snapshot loaded", offset=offset, behind=committed - offset)
            return run
        return await self._begin(committed)

    async def _begin(self, committed: int) -> _Run:
        """Begin without a snapshot: read the whole journal, and what it lost from the store."""
        run = _Run(self._engine(), 0, committed, snapshot_s=time.monotonic())
        run.engine.absorb(await self._journal.slots())
        if not committed:
            return run
        self.status.state, self.status.detail = "learning", "no usable snapshot"
        usage = await self._journal.usage()
        log.warning("state learned again", committed=committed, first=usage.first_offset)
        if usage.first_offset > 1:
            try:
                await self._learn(run)
            except BaseException:
                run.engine.halt()
                raise
        return run

    async def _learn(self, run: _Run) -> None:
        """Learn from the series store what the journal no longer has; nothing is said of it."""
        now_ns = self._clock.now_ns()
        start_ns = now_ns - int(self._options.relearn_days * 86_400 * NS_PER_S)
        for tenant in await self._catalogs.tenants():
            found = await self._catalogs.latest(tenant)
            if found is not None:
                run.engine.adopt(found[1], found[0])
            async for slots, samples in self._series.scan(
                tenant, start_ns=start_ns, end_ns=now_ns
            ):
                known = renamed(run.engine, slots, samples)
                await asyncio.to_thread(run.engine.take, tenant, known)
                run.engine.tenant(tenant).teller.take()

    def _engine(self) -> Engine:
        now_ns = self._clock.now_ns()
        return Engine(EngineOptions(self._options.lateness_s, since_ns=now_ns))


def _statuses(run: _Run) -> list[AssetStatus]:
    return list(statuses(run.engine, run.marks))
