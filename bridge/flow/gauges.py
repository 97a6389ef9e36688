"""Keeps the gauges fresh that no part sees by itself: journal, offsets, backlogs, the broker.

They are looked at from outside the parts, so that they go on growing where a part hangs or its
store is away: that is when somebody needs them.
"""

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import structlog

from bridge.codec import blob
from bridge.flow.clock import Clock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Backlog, Inbox, Journal, JournalUsage, Outbox, SourceStatus
from bridge.model.errors import PayloadError
from bridge.model.instants import NS_PER_S

log = structlog.get_logger()

ARCHIVE, WATCH, DESK, OUTBOX = "archive", "watch", "desk", "outbox"


def no_source() -> SourceStatus | None:
    """Stand for a process that takes nothing in."""
    return None


@dataclass(frozen=True, slots=True)
class GaugeOptions:
    """What is looked at, and how often.

    Parameters
    ----------
    every_s : float
        Real time between two looks.
    unacknowledged_max : int
        Room of the source: messages taken in and not yet journalled.
    channels : collection of str
        Names of the outbox's channels; what waits for any other counts as ``unknown``, so that
        a name from a catalog does not become a label.
    """

    every_s: float = 2.0
    unacknowledged_max: int = 20_000
    channels: Collection[str] = ()


@dataclass(slots=True)
class Gauges:
    """The part that looks.

    Attributes
    ----------
    journal, inbox, outbox, clock, metrics
        Ports, and what is kept fresh.
    source : callable
        How the source stands; None where this process has none.
    """

    journal: Journal
    inbox: Inbox
    outbox: Outbox
    clock: Clock
    metrics: Metrics
    source: Callable[[], SourceStatus | None] = no_source
    options: GaugeOptions = field(default_factory=GaugeOptions)
    _seen: SourceStatus = field(default_factory=lambda: SourceStatus(connected=True))

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self.options.every_s)

    async def look(self) -> None:
        """Look once; raises `UnavailableError` where journal or records are away."""
        self._show_source()
        usage = await self.journal.usage()
        self.metrics.journal_bytes.set(usage.used_bytes)
        self.metrics.journal_cap_bytes.set(usage.cap_bytes)
        self.metrics.dead_letters.set(usage.dead_letters)
        self.metrics.queue("journal bytes", usage.used_bytes, usage.cap_bytes)
        await self._show_offset(ARCHIVE, usage.readers.get(ARCHIVE, 0), usage)
        await self._show_offset(WATCH, await self.inbox.offset(WATCH), usage)
        self._show_backlog(DESK, await self.inbox.backlog())
        await self._show_outbox()

    def _show_source(self) -> None:
        status = self.source()
        if status is None:
            return
        metrics = self.metrics
        metrics.broker_connected.set(status.connected)
        metrics.broker_reconnects.set(status.reconnects)
        metrics.broker_sessions_lost.set(status.session_lost)
        if status.broker_dropped is not None:
            metrics.broker_dropped.set(status.broker_dropped)
        metrics.queue("unacknowledged", status.unacknowledged, self.options.unacknowledged_max)
        tell_broker(self._seen, status)
        self._seen = replace(status)

    async def _show_offset(self, reader: str, position: int, usage: JournalUsage) -> None:
        """Show how old the oldest record is that a reader has not finished."""
        received_ns: int | None = None
        if position < usage.last_offset:
            for record in await self.journal.read(position, limit=1):
                received_ns = _received_ns(record.kind, record.body)
        self._show_age(reader, received_ns)
        behind = max(usage.last_offset - max(position, usage.first_offset - 1), 0)
        self.metrics.queue(f"journal to {reader}", behind, math.inf)

    async def _show_outbox(self) -> None:
        waiting = dict.fromkeys((*self.options.channels, "unknown"), 0)
        oldest: list[int] = []
        for channel, backlog in (await self.outbox.backlog()).items():
            waiting[channel if channel in self.options.channels else "unknown"] += (
                backlog.length
            )
            oldest += [backlog.oldest_ns] if backlog.oldest_ns is not None else []
        for channel, length in waiting.items():
            self.metrics.queue(f"outbox {channel}", length, math.inf)
        self._show_age(OUTBOX, min(oldest, default=None))

    def _show_backlog(self, name: str, backlog: Backlog) -> None:
        self.metrics.queue(name, backlog.length, math.inf)
        self._show_age(name, backlog.oldest_ns)

    def _show_age(self, name: str, oldest_ns: int | None) -> None:
        age_ns = 0 if oldest_ns is None else self.clock.now_ns() - oldest_ns
        self.metrics.offset_age_s.labels(name).set(max(age_ns, 0) / NS_PER_S)


def _received_ns(kind: str, body: bytes) -> int | None:
    """Return when a record was received; a control record and a broken one tell no time."""
    if kind != "samples":
        return None
    try:
        return blob.decode(body).receive_ns
    except PayloadError:
        return None


def tell_broker(before: SourceStatus, now: SourceStatus) -> None:
    """Log what has changed between two looks at a source."""
    if now.session_lost > before.session_lost:
        log.error("session lost at broker", detail="what it held for this service is gone")
    if now.connected and (now.reconnects > before.reconnects or not before.connected):
        log.info("broker connected again", reconnects=now.reconnects)
    elif before.connected and not now.connected:
        log.warning("broker away", detail=now.detail)
