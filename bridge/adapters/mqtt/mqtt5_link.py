"""One connection to an MQTT 5 broker: bytes to messages, acknowledgements to bytes.

The packets are read and written by the `mqtt5` library; this is the socket's side of it. A thin
stream is read in gulps: after a small read the socket rests for some milliseconds, because
reading 25,000 messages per second one by one costs three times the processor of reading what
gathered. A full link does not read at all, so that the broker holds the rest.
"""

import asyncio
from collections.abc import Callable

import mqtt5
import numpy as np
from typing_extensions import override

from bridge.adapters.mqtt.options import DROPPED_TOPIC
from bridge.model.errors import ConflictError, UnavailableError

BUFFER_BYTES = 256 * 1024
# A read that fills this much of the buffer shows a backlog: no rest then.
_BUSY_BYTES = BUFFER_BYTES // 8
_QOS_2 = 0x04
_PUBACK, _PUBREC = 0x40, 0x50
_QOS_2_MARK = 1 << 16
_REFUSED = 0x80


class Link(asyncio.BufferedProtocol):
    """A connection and what it has taken in.

    Parameters
    ----------
    arrived : callable
        Called when messages came in or the link broke.
    coalesce_s : float
        Rest after a small read.
    packet_bytes_max : int
        Largest packet that is taken.
    subscription_count : int
        How many of the subscriptions, from the first, the broker must grant.
    """

    def __init__(
        self,
        arrived: Callable[[], None],
        *,
        coalesce_s: float,
        packet_bytes_max: int,
        subscription_count: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._arrived = arrived
        self._coalesce_s = coalesce_s
        self._bytes_max = packet_bytes_max
        self._subscription_count = subscription_count
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._end = 0
        self._transport: asyncio.Transport | None = None
        self._full = self._resting = self._paused = False
        self._timers: list[asyncio.TimerHandle] = []
        self._heard_s = loop.time()
        self._lost = asyncio.Event()
        self.topics: list[str] = []
        self.payloads: list[bytes] = []
        self.packet_ids: list[int] = []
        self.size_bytes = 0
        self.dropped: int | None = None
        self.closed = False
        self.explained = False
        self.fault: ConflictError | UnavailableError | None = None
        self.connack: asyncio.Future[mqtt5.ConnAckPacket | None] = loop.create_future()
        self.suback: asyncio.Future[mqtt5.SubAckPacket | None] = loop.create_future()

    # --- what the source calls ---

    def take(self) -> tuple[list[str], list[bytes], list[int], int]:
        """Hand over what came in: topics, payloads, packet ids, and the bytes they took."""
        taken = self.topics, self.payloads, self.packet_ids, self.size_bytes
        self.topics, self.payloads, self.packet_ids, self.size_bytes = [], [], [], 0
        return taken

    def write(self, packets: bytes) -> None:
        """Send, unless the connection is gone."""
        if self._transport is not None and not self.closed:
            self._transport.write(packets)

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Send PUBACK (or PUBREC) for these, in this order [MQTT-4.6.0-2], in one write."""
        if not packet_ids:
            return
        ids = np.array(packet_ids, dtype=np.uint32)
        frames = np.empty((len(packet_ids), 4), dtype=np.uint8)
        frames[:, 0] = np.where(ids & _QOS_2_MARK, _PUBREC, _PUBACK)
        frames[:, 1] = 2
        frames[:, 2] = ids >> 8 & 0xFF
        frames[:, 3] = ids & 0xFF
        self.write(frames.tobytes())

    def set_full(self, *, full: bool) -> None:
        """Stop or go on reading."""
        self._full = full
        self._set_reading()

    def keep_alive(self, interval_s: float) -> None:
        """Ping at half the interval; a link that is silent for one and a half is broken."""
        if self.closed or interval_s <= 0:
            return
        silent_s = self._loop.time() - self._heard_s
        # A full link does not listen, so its silence says nothing.
        if silent_s > 1.5 * interval_s and not self._full:
            self.fault = UnavailableError("broker", f"silent for {silent_s:.0f} s")
            self.abort()
            return
        self.write(mqtt5.PingReqPacket().write())
        self._later(interval_s / 2, lambda: self.keep_alive(interval_s))

    def abort(self) -> None:
        """Close without ceremony."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self, timeout_s: float) -> None:
        """Say goodbye and wait for the broker to close; it keeps the session.

        Closing first, with something unread, would reset the connection, and the broker could
        lose acknowledgements that are on the way.
        """
        if self._transport is None or self.closed:
            return
        self.write(mqtt5.DisconnectPacket().write())
        self._coalesce_s = 0.0
        self._full = self._resting = False
        self._set_reading()
        try:
            async with asyncio.timeout(timeout_s):
                await self._lost.wait()
        finally:
            self.abort()

    # --- what the transport calls ---

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._lost.set()
        for timer in self._timers:
            timer.cancel()
        self.explained = self.fault is not None or exc is not None
        if self.fault is None:
            self.fault = UnavailableError("broker", str(exc or "it closed the connection"))
        if not self.connack.done():
            self.connack.set_result(None)
        if not self.suback.done():
            self.suback.set_result(None)
        self._arrived()

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        if self._end == len(self._buffer):  # one packet larger than the buffer
            larger = memoryview(bytearray(2 * len(self._buffer)))
            larger[: self._end] = self._buffer
            self._buffer = larger
        return self._buffer[self._end :]

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._heard_s = self._loop.time()
        end = self._end + nbytes
        start = self._read(end)
        # What waits for nobody, such as answers to pings, must not add up to a full link.
        self.size_bytes = self.size_bytes + start if self.topics else 0
        rest = end - start
        if rest and start:
            self._buffer[:rest] = self._buffer[start:end]
        self._end = rest
        if rest > self._bytes_max:
            self._break_off(f"a packet of more than {self._bytes_max} bytes")
        if nbytes < _BUSY_BYTES and self._coalesce_s and not self._resting:
            self._resting = True
            self._later(self._coalesce_s, self._rested)
            self._set_reading()
        self._arrived()

    def _read(self, end: int) -> int:
        """Take all whole packets up to `end`; return where the rest begins."""
        view = self._buffer[:end]
        topics, payloads, ids = self.topics, self.payloads, self.packet_ids
        read, publish = mqtt5.read, mqtt5.PublishPacket
        start = 0
        while start < end:
            try:
                packet, size = read(view[start:])
            except IndexError:  # not whole yet
                break
            except ValueError as error:
                self._break_off(f"a malformed packet: {error}")
                return end
            if type(packet) is publish:
                topic, packet_id = packet.topic, packet.packet_id
                if packet_id is not None:
                    ids.append(packet_id | _QOS_2_MARK if view[start] & _QOS_2 else packet_id)
                elif topic[:1] == "$" and self._report(topic, packet.payload):
                    start += size
                    continue
                topics.append(topic)
                payloads.append(packet.payload)
            else:
                self._control(packet)
            start += size
        return start

    def _control(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.ConnAckPacket():
                if not self.connack.done():
                    self.connack.set_result(packet)
            case mqtt5.SubAckPacket():
                self._granted(packet)
            case mqtt5.PubRelPacket():
                self.write(mqtt5.PubCompPacket(packet.packet_id).write())
            case mqtt5.DisconnectPacket():
                self._disconnected(packet)
            case _:
                pass  # PINGRESP: `_heard_s` has noted it

    def _granted(self, packet: mqtt5.SubAckPacket) -> None:
        # The library's codes are no integers, whatever its stubs say.
        codes = packet.reason_codes[: self._subscription_count]
        refused = [code for code in codes if int(code) >= _REFUSED]
        if refused:
            self.fault = UnavailableError(
                "broker", f"refused a subscription: {refused[0].name}"
            )
            self.abort()
        elif not self.suback.done():
            self.suback.set_result(packet)

    def _disconnected(self, packet: mqtt5.DisconnectPacket) -> None:
        if packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
            self.fault = ConflictError(
                "another client connected with this client id: one bridge per id may run"
            )
        else:
            detail = f"disconnected: {packet.reason_code.name} {packet.reason_str or ''}"
            self.fault = UnavailableError("broker", detail.strip())
        self.abort()

    def _report(self, topic: str, payload: bytes) -> bool:
        if topic == DROPPED_TOPIC and payload.isdigit():
            self.dropped = int(payload)
        return topic.startswith("$SYS/")

    def _break_off(self, what: str) -> None:
        self.fault = UnavailableError("broker", f"it sent {what}")
        self.abort()

    def _rested(self) -> None:
        self._resting = False
        self._set_reading()

    def _set_reading(self) -> None:
        pause = self._full or self._resting
        if self._transport is None or self.closed or pause == self._paused:
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        elif not self._transport.is_closing():
            self._heard_s = self._loop.time()
            self._transport.resume_reading()

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._timers = [timer for timer in self._timers if timer.when() > self._loop.time()]
        self._timers.append(self._loop.call_later(delay_s, call))
