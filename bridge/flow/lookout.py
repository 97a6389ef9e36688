"""Looks out for what operators must hear of before it hurts: a filling journal, losses.

Each trouble is told once when it begins and once when it is over, through the desk like
everything else that people are told.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bridge.cases.inputs import TroubleSeen
from bridge.cases.troubles import TroubleKind
from bridge.flow.clock import Clock
from bridge.flow.ports import Inbox, Journal, JournalUsage
from bridge.model.detections import derive_id
from bridge.model.instants import as_datetime

log = structlog.get_logger()

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class LookoutOptions:
    """When a trouble begins and when it is over.

    Parameters
    ----------
    tenant : str
        Whose operators are told.
    every_s : float
        How often is looked, in real seconds.
    levels : tuple of float
        Shares of the journal's cap, ascending, at which the operators are told.
    clear_share : float
        A level is over when the journal has fallen below this share of it.
    rate_s : float
        Over how long the speed of filling is measured.
    """

    tenant: str = "default"
    every_s: float = 5.0
    levels: tuple[float, ...] = (0.5, 0.8)
    clear_share: float = 0.9
    rate_s: float = 120.0


@dataclass(slots=True)
class Lookout:
    """The part that looks.

    Attributes
    ----------
    journal, inbox, clock
        Ports.
    dropped : callable
        How many messages the broker says it has dropped so far; None where it does not say.
    memory : Path or None
        File that keeps that count: what is dropped while this service is away, which is when a
        broker drops, shows as a rise over what was seen last.
    """

    journal: Journal
    inbox: Inbox
    clock: Clock
    dropped: Callable[[], int | None]
    options: LookoutOptions = field(default_factory=LookoutOptions)
    memory: Path | None = None
    _active: set[tuple[str, str]] = field(default_factory=set)
    _sizes: deque[tuple[float, int]] = field(default_factory=deque)
    _dropped: int | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        self._dropped = await asyncio.to_thread(self._remembered)
        while True:
            await self.look(time.monotonic())
            await asyncio.sleep(self.options.every_s)

    async def look(self, real_s: float) -> None:
        """Look once.

        Parameters
        ----------
        real_s : float
            Monotonic real time, for the speed of filling.
        """
        usage = await self.journal.usage()
        self._sizes.append((real_s, usage.used_bytes))
        while self._sizes[0][0] < real_s - self.options.rate_s:
            self._sizes.popleft()
        for level in self.options.levels:
            await self._level(level, usage)
        await self._drops()

    def hours_left(self, usage: JournalUsage) -> float | None:
        """Return how long the journal lasts at its present speed; None: it does not fill."""
        (first_s, first_bytes), (last_s, last_bytes) = self._sizes[0], self._sizes[-1]
        grown = last_bytes - first_bytes
        if last_s <= first_s or grown <= 0:
            return None
        return (usage.cap_bytes - usage.used_bytes) / grown * (last_s - first_s) / 3600

    async def _level(self, level: float, usage: JournalUsage) -> None:
        on = f"{level:.0%}"
        share = usage.used_bytes / usage.cap_bytes
        if share >= level:
            hours = self.hours_left(usage)
            left = "it is not growing now" if hours is None else f"full in about {hours:.1f} h"
            stand = f"{usage.used_bytes // MIB} of {usage.cap_bytes // MIB} MiB ({share:.0%})"
            detail = f"{stand}; {left}"
            await self._begin("journal-filling", on, detail)
        elif share < level * self.options.clear_share:
            await self._end("journal-filling", on, f"{share:.0%} of its cap")

    async def _drops(self) -> None:
        count = self.dropped()
        if count is None:
            return
        before = self._dropped
        if count == before:
            await self._end("broker-dropped", "broker", "no further messages dropped")
            return
        # A broker that started again counts from 0: all it says now is new.
        lost = 0 if before is None else count - before if count > before else count
        if lost:
            log.error("messages lost at the broker", count=lost)
            detail = f"{lost} messages, {count} in all"
            await self._begin("broker-dropped", "broker", detail)
        # Remembered last: a crash before tells it again rather than never.
        self._dropped = count
        await asyncio.to_thread(self._remember, count)

    def _remembered(self) -> int | None:
        try:
            text = self.memory.read_text("ascii") if self.memory else ""
        except (OSError, UnicodeDecodeError):
            return None
        return int(text) if text.strip().isdecimal() else None

    def _remember(self, count: int) -> None:
        if self.memory is None:
            return
        part = self.memory.with_suffix(".part")
        try:
            part.write_text(f"{count}\n", "ascii")
            part.replace(self.memory)
        except OSError as error:
            log.warning("broker's count not kept", file=str(self.memory), detail=error.strerror)

    async def _begin(self, kind: TroubleKind, on: str, detail: str) -> None:
        if (kind, on) not in self._active:
            await self._tell(kind, on, detail, active=True)
            self._active.add((kind, on))

    async def _end(self, kind: TroubleKind, on: str, detail: str) -> None:
        if (kind, on) in self._active:
            await self._tell(kind, on, detail, active=False)
            self._active.discard((kind, on))

    async def _tell(self, kind: TroubleKind, on: str, detail: str, *, active: bool) -> None:
        now = as_datetime(self.clock.now_ns())
        tenant = self.options.tenant
        await self.inbox.submit(
            TroubleSeen(
                id=derive_id("trouble", tenant, kind, on, str(active), now),
                tenant=tenant,
                at=now,
                kind=kind,
                on=on,
                active=active,
                detail=detail,
            )
        )
