"""The source for brokers that speak only MQTT 3.1.1: paho-mqtt with acknowledgements by hand.

paho reads in a thread of its own and hands each message to a callback there; a bounded line
leads from it to the event loop. When the line and what is under way reach the limit, the
callback waits, so the thread does not read and the broker holds the rest. While it waits paho
cannot ping; a wait longer than the keep-alive ends in a reconnect, after which the broker sends
the unacknowledged again.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from bridge.adapters.mqtt.comeback import Comeback
from bridge.adapters.mqtt.options import MqttOptions
from bridge.adapters.mqtt.paho_line import Line
from bridge.flow.clock import Clock
from bridge.flow.ports import Delivery, SourceStatus
from bridge.model.errors import UnavailableError
from bridge.model.samples import Messages


@dataclass(frozen=True, slots=True)
class _Token:
    """On which connection messages came, their packet ids (QoS 0 has none) and their size."""

    line: Line
    packet_ids: list[int]
    size_bytes: int


class PahoSource:
    """A `Source` (`bridge.flow.ports`) on MQTT 3.1.1.

    Parameters
    ----------
    options : MqttOptions
        Where the broker is and what to take; the session's expiry is the broker's matter in
        MQTT 3.1.1.
    clock : Clock
        Stamps what is received.

    Notes
    -----
    QoS 2 is subscribed as QoS 1. Each connection has a paho client of its own, so that an
    acknowledgement of an older connection cannot reach a newer one.
    """

    def __init__(self, options: MqttOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._tls = None if options.tls is None else options.tls.context()
        self._comeback = Comeback(options)
        self._line: Line | None = None
        self._arrived = asyncio.Event()
        self._handed_out = self._handed_out_bytes = 0
        self._had_session = False
        self.status = SourceStatus()

    async def __aenter__(self) -> Self:
        """Connect once; raises UnavailableError where the broker does not let us in."""
        await self._connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Disconnect; the broker keeps the session."""
        if self._line is not None:
            await asyncio.to_thread(self._line.close)
        self._set_connected(connected=False, detail="closed")

    async def receive(self) -> Delivery:
        """Wait for the next messages; a cancelled call loses none of them.

        Raises
        ------
        ConflictError
            Another client uses this client id.
        """
        while True:
            self._arrived.clear()
            line = self._line
            delivery = None if line is None else self._take(line)
            if delivery is not None:
                return delivery
            if line is None or line.lost.is_set():
                await self._reconnect()
            else:
                await self._arrived.wait()

    def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge a delivery; deliveries are acknowledged in the order received."""
        token = delivery.token
        assert isinstance(token, _Token)
        self._handed_out -= len(delivery.messages)
        self._handed_out_bytes -= token.size_bytes
        if token.line is self._line:
            token.line.acknowledge(token.packet_ids)
        if self._line is not None:
            self._line.set_handed_out(self._handed_out, self._handed_out_bytes)
        self._settle()

    def _take(self, line: Line) -> Delivery | None:
        topics, payloads, packet_ids, size_bytes = line.take()
        if not topics:
            self._settle()
            return None
        self._handed_out += len(topics)
        self._handed_out_bytes += size_bytes
        line.set_handed_out(self._handed_out, self._handed_out_bytes)
        self.status.received += len(topics)
        self._settle()
        messages = Messages(topics, payloads, self._clock.now_ns())
        return Delivery(messages, _Token(line, packet_ids, size_bytes))

    def _settle(self) -> None:
        line = self._line
        if line is None:
            return
        self.status.unacknowledged = self._handed_out + line.waiting
        if line.dropped is not None:
            self.status.broker_dropped = line.dropped
        if line.lost.is_set() and self.status.connected:
            self._set_connected(connected=False, detail=line.detail)

    async def _reconnect(self) -> None:
        """Wait and try again until connected, as often as it takes."""
        self._comeback.lost(time.monotonic(), explained=False)
        while True:
            await asyncio.sleep(self._comeback.wait_s())
            try:
                await self._connect()
            except UnavailableError as error:
                self._comeback.failed()
                self._set_connected(connected=False, detail=error.detail)
            else:
                self.status.reconnects += 1
                return

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._wake)

        line = Line(self._options, wake, self._tls)
        try:
            session_present = await asyncio.to_thread(line.open)
        except BaseException:
            await asyncio.to_thread(line.close)
            raise
        if self._had_session and not session_present:
            self.status.session_lost += 1
        self._had_session = True
        self._line = line
        line.set_handed_out(self._handed_out, self._handed_out_bytes)
        self._comeback.connected(time.monotonic())
        self._set_connected(connected=True, detail="connected")

    def _wake(self) -> None:
        self._settle()
        self._arrived.set()

    def _set_connected(self, *, connected: bool, detail: str) -> None:
        self.status.detail = detail
        if self.status.connected != connected:
            self.status.connected = connected
            self.status.since_ns = self._clock.now_ns()
