"""Sends what a fleet measures: a stretch of history as fast as it goes, then live by a clock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import aiomqtt

from simulators.faults import NS
from simulators.fleet import Fleet, Rows
from simulators.network import Network
from simulators.publish import PREFIX, Broker, Message, connected, messages, send

LIVE_STEP_S = 0.25
"""Real time between two looks at the clock: short enough to look continuous on a page."""

RECONNECT_S = 1.0


class Clock(Protocol):
    """Where simulated time comes from."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        ...


@dataclass(slots=True)
class Feeder:
    """Publishes a fleet's rows.

    Attributes
    ----------
    fed_ns : int
        Everything before this time has been published (or held back by a gateway that is away).
    sent : int
        Messages acknowledged by the broker.
    """

    fleet: Fleet
    broker: Broker
    client_id: str = "fleet"
    prefix: str = PREFIX
    rows_max: int = 96
    network: Network | None = None
    fed_ns: int = 0
    sent: int = 0
    _held: dict[str, list[Message]] = field(default_factory=dict)

    async def history(
        self,
        start_ns: int,
        end_ns: int,
        chunk_s: int,
        finished: Callable[[int], Awaitable[None]],
    ) -> None:
        """Publish [start, end) chunk by chunk; `finished(chunk_end)` is awaited after each."""
        async with connected(self.broker, self.client_id) as client:
            self.fed_ns = start_ns
            while self.fed_ns < end_ns:
                until_ns = min(self.fed_ns + chunk_s * NS, end_ns)
                await self._feed(client, until_ns)
                await finished(until_ns)

    async def live(self, clock: Clock) -> None:
        """Publish each row when the clock passes its time, until cancelled; reconnects by itself."""
        while True:
            try:
                async with connected(self.broker, self.client_id) as client:
                    while True:
                        await self._feed(client, clock.now_ns())
                        await asyncio.sleep(LIVE_STEP_S)
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(RECONNECT_S)

    async def _feed(self, client: aiomqtt.Client, until_ns: int) -> None:
        if until_ns <= self.fed_ns:
            return
        batch = self._due(self.fed_ns, until_ns)
        if self.network is not None:
            batch = list(self.network.through(batch))
        self.sent += await send(client, batch)
        self.fed_ns = until_ns

    def _due(self, start_ns: int, end_ns: int) -> list[Message]:
        """Return the messages of [start, end), oldest first; gateways that are away hold theirs."""
        due = [
            message
            for row in self.fleet.tree["assets"]
            for message in self._of_asset(
                row["gateway"], self.fleet.rows(row["id"], start_ns, end_ns)
            )
        ]
        due.sort(key=lambda message: message.t_ns)
        return due

    def _of_asset(self, gateway: str, rows: Rows) -> Iterator[Message]:
        away = self.fleet.away(gateway, rows.t_ns)
        if away.any():
            gone = messages(rows.where(away), rows_max=self.rows_max, prefix=self.prefix)
            self._held.setdefault(rows.asset, []).extend(gone)
        if len(rows) and not away[-1] and rows.asset in self._held:
            held = self._held.pop(rows.asset)
            if keeps_rows(gateway):
                yield from held
        yield from messages(rows.where(~away), rows_max=self.rows_max, prefix=self.prefix)


def keeps_rows(gateway: str) -> bool:
    """Return whether a gateway stores rows while it is away and sends them late; half of them do."""
    return bool(sum(gateway.encode()) % 2)
