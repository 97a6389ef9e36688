"""Sends what a fleet measures: history as fast as it goes, then live by a clock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import aiomqtt

from simulators.faults import NS
from simulators.fleet import Fleet
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


@dataclass(frozen=True, slots=True)
class Pace:
    """How a long stretch is sent: step by step, so that a clock and a receiver can keep up.

    Parameters
    ----------
    step_s : float
        Measured time in one step.
    before : callable
        Told the end of each step before it is sent.
    after : callable
        Awaited after each step.
    """

    step_s: float
    before: Callable[[int], None]
    after: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Feeder:
    """Publishes a fleet's rows, each once, in order of time per machine.

    Rows that a gateway could not send while it was away are sent in one block when it is back,
    by those gateways that store them (`keeps_rows`).

    Attributes
    ----------
    fleet : Fleet
        Whose rows.
    broker : Broker
        Where to.
    client_id : str
        At the broker.
    prefix : str
        First part of the topics.
    rows_max : int
        Rows per message at most.
    network : Network or None
        What happens to messages on their way.
    fed_ns : int
        Everything before this time has been published, or held back by a gateway that is away.
    sent, rows, values : int
        Messages acknowledged by the broker, and the rows and values in them.
    """

    fleet: Fleet
    broker: Broker
    client_id: str = "fleet"
    prefix: str = PREFIX
    rows_max: int = 96
    network: Network | None = None
    fed_ns: int = 0
    sent: int = 0
    rows: int = 0
    values: int = 0

    async def feed(self, until_ns: int, pace: Pace | None = None) -> None:
        """Publish everything before a time and return when the broker has it; reconnects."""
        step_ns = int(pace.step_s * NS) if pace else until_ns
        while self.fed_ns < until_ns:
            try:
                async with connected(self.broker, self.client_id) as client:
                    while self.fed_ns < until_ns:
                        end_ns = min(self.fed_ns + step_ns, until_ns)
                        if pace:
                            pace.before(end_ns)
                        await self._feed(client, end_ns)
                        if pace:
                            await pace.after()
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(RECONNECT_S)

    async def live(self, clock: Clock) -> None:
        """Publish each row when the clock passes its time, until cancelled; reconnects."""
        while True:
            try:
                async with connected(self.broker, self.client_id) as client:
                    while True:
                        await self._feed(client, clock.now_ns())
                        await asyncio.sleep(LIVE_STEP_S)
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(RECONNECT_S)

    async def flush(self) -> None:
        """Send what the network still holds back, at the end of a run."""
        if self.network is not None:
            rest = list(self.network.flush())
            async with connected(self.broker, self.client_id) as client:
                await self._send(client, rest)

    async def _feed(self, client: aiomqtt.Client, until_ns: int) -> None:
        if until_ns <= self.fed_ns:
            return
        batch = self.due(self.fed_ns, until_ns)
        if self.network is not None:
            batch = list(self.network.through(batch))
        await self._send(client, batch)
        self.fed_ns = until_ns

    async def _send(self, client: aiomqtt.Client, batch: list[Message]) -> None:
        self.sent += await send(client, batch)
        self.rows += sum(message.rows for message in batch)
        self.values += sum(message.values for message in batch)

    def due(self, start_ns: int, end_ns: int) -> list[Message]:
        """Return the messages that leave the gateways in [start, end), oldest first."""
        due = [
            message
            for asset in self.fleet.tree["assets"]
            for message in self._of_asset(asset["id"], asset["gateway"], start_ns, end_ns)
        ]
        due.sort(key=lambda message: message.t_ns)
        return due

    def _of_asset(
        self, asset: str, gateway: str, start_ns: int, end_ns: int
    ) -> Iterator[Message]:
        for onset_ns, back_ns in self.fleet.away_spans(gateway, end_ns):
            if start_ns <= back_ns < end_ns and keeps_rows(gateway):
                late = self.fleet.rows(asset, onset_ns, back_ns)
                yield from messages(late, rows_max=self.rows_max, prefix=self.prefix)
        rows = self.fleet.rows(asset, start_ns, end_ns)
        present = rows.where(~self.fleet.away(gateway, rows.t_ns))
        yield from messages(present, rows_max=self.rows_max, prefix=self.prefix)


def keeps_rows(gateway: str) -> bool:
    """Return whether a gateway stores rows while it is away and sends them late; half do."""
    return bool(sum(gateway.encode()) % 2)
