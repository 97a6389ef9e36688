"""The source for MQTT 5 brokers: a persistent session, acknowledged only when told to.

It needs no task of its own: `receive` connects again when the connection is gone, timers keep
it alive.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import mqtt5

from bridge.adapters.mqtt.comeback import Comeback
from bridge.adapters.mqtt.mqtt5_link import Link
from bridge.adapters.mqtt.options import (
    DROPPED_TOPIC,
    RECEIVE_MAX,
    SUBACK_PATIENCE_S,
    MqttOptions,
)
from bridge.adapters.mqtt.subscriptions import outdated
from bridge.flow.clock import Clock
from bridge.flow.ports import Delivery, SourceStatus
from bridge.model.errors import ConflictError, UnavailableError
from bridge.model.samples import Messages

_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Token:
    """On which connection messages came, their packet ids and their size."""

    link: Link
    packet_ids: list[int]
    size_bytes: int


class Mqtt5Source:
    """A `Source` (`bridge.flow.ports`) on MQTT 5.

    Parameters
    ----------
    options : MqttOptions
        Where the broker is and what to take.
    clock : Clock
        Stamps what is received.

    Notes
    -----
    QoS 2 is subscribed as QoS 1. Should a session of an earlier program still send some, it is
    answered by PUBREC after the commit and by PUBCOMP, and may be delivered twice.

    After a reconnect the broker sends again what was not acknowledged; acknowledging an older
    delivery then does nothing.
    """

    def __init__(self, options: MqttOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._tls = None if options.tls is None else options.tls.context()
        self._link: Link | None = None
        self._arrived = asyncio.Event()
        self._had_session = False
        self._handed_out = self._handed_out_bytes = 0
        self._comeback = Comeback(options)
        self.status = SourceStatus()

    async def __aenter__(self) -> Self:
        """Connect once; raises UnavailableError where the broker does not let us in."""
        await self._connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Disconnect; the broker keeps the session."""
        if self._link is not None:
            with suppress(TimeoutError):
                await self._link.close(_GOODBYE_S)
        self._set_connected(connected=False, detail="closed")

    async def receive(self) -> Delivery:
        """Wait for the next messages; a cancelled call loses none of them.

        Raises
        ------
        ConflictError
            Another client took the session over; connecting again would only take it back.
        """
        while True:
            delivery = self._take()
            if delivery is not None:
                return delivery
            if self._link is None or self._link.closed:
                await self._reconnect()
                continue
            self._arrived.clear()
            await self._arrived.wait()

    def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge a delivery; deliveries are acknowledged in the order received."""
        token = delivery.token
        assert isinstance(token, _Token)
        self._handed_out -= len(delivery.messages)
        self._handed_out_bytes -= token.size_bytes
        if token.link is self._link:
            token.link.acknowledge(token.packet_ids)
        self._settle()

    def _take(self) -> Delivery | None:
        link = self._link
        if link is None or not link.topics:
            return None
        topics, payloads, packet_ids, size_bytes = link.take()
        self._handed_out += len(topics)
        self._handed_out_bytes += size_bytes
        self.status.received += len(topics)
        messages = Messages(topics, payloads, self._clock.now_ns())
        return Delivery(messages, _Token(link, packet_ids, size_bytes))

    def _settle(self) -> None:
        """Count what is under way; stop reading at a limit, go on below half of both."""
        link = self._link
        if link is None:
            return
        status, options = self.status, self._options
        status.unacknowledged = self._handed_out + len(link.topics)
        status.broker_dropped = (
            link.dropped if link.dropped is not None else status.broker_dropped
        )
        share = max(
            status.unacknowledged / options.unacknowledged_max,
            (self._handed_out_bytes + link.size_bytes) / options.unacknowledged_bytes_max,
        )
        if share >= 1.0:
            link.set_full(full=True)
        elif share <= 0.5:  # noqa: PLR2004 - half
            link.set_full(full=False)
        if link.closed and status.connected:
            self._set_connected(connected=False, detail=str(link.fault))

    def _on_arrived(self) -> None:
        self._settle()
        self._arrived.set()

    async def _reconnect(self) -> None:
        """Wait and try again until connected, as often as it takes."""
        link, loop = self._link, asyncio.get_running_loop()
        if link is not None and isinstance(link.fault, ConflictError):
            raise link.fault
        self._comeback.lost(loop.time(), explained=link is None or link.explained)
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
        options = self._options
        loop = asyncio.get_running_loop()
        link = Link(
            self._on_arrived,
            coalesce_s=options.coalesce_ms / 1e3,
            packet_bytes_max=options.packet_bytes_max,
            subscription_count=len(options.subscriptions),
        )
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                await loop.create_connection(
                    lambda: link, options.host, options.port, ssl=self._tls
                )
                await self._introduce(link)
        except (OSError, TimeoutError) as error:
            link.abort()
            detail = str(error) or f"no answer within {options.connect_timeout_s} s"
            where = f"{options.host}:{options.port}"
            raise UnavailableError("broker", f"{where}: {detail}") from error
        except BaseException:
            link.abort()
            raise
        self._comeback.connected(loop.time())

    async def _introduce(self, link: Link) -> None:
        """Send CONNECT and SUBSCRIBE; the link counts as ours once messages may come on it."""
        options = self._options
        link.write(_connect_packet(options))
        connack = await link.connack
        if connack is None:
            detail = getattr(link.fault, "detail", str(link.fault))
            raise UnavailableError("broker", options.unanswered(detail))
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            reason = f"{connack.reason_code.name} {connack.reason_str or ''}".strip()
            raise UnavailableError("broker", f"refused client {options.client_id!r}: {reason}")
        if self._had_session and not connack.session_present:
            self.status.session_lost += 1
        self._had_session = True
        self._link = link
        self._settle()
        old = await asyncio.to_thread(
            outdated, options, session_present=connack.session_present
        )
        if old:
            link.write(mqtt5.UnsubscribePacket(2, old).write())
        link.write(_subscribe_packet(options))
        link.keep_alive(connack.server_keep_alive or options.keep_alive_s)
        # A resumed session may send a backlog before SUBACK, longer than we read at a time.
        if connack.session_present:
            await asyncio.wait({link.suback}, timeout=SUBACK_PATIENCE_S)
        elif await link.suback is None:
            raise link.fault or UnavailableError("broker", "it closed the connection")
        self._set_connected(connected=True, detail="connected")

    def _set_connected(self, *, connected: bool, detail: str) -> None:
        self.status.detail = detail
        if self.status.connected != connected:
            self.status.connected = connected
            self.status.since_ns = self._clock.now_ns()


def _connect_packet(options: MqttOptions) -> bytes:
    return mqtt5.ConnectPacket(
        options.client_id,
        username=options.username or None,
        password=options.password.encode() if options.password else None,
        clean_start=options.session_expiry_s == 0,
        keep_alive=options.keep_alive_s,
        session_expiry_interval=options.session_expiry_s,
        receive_max=RECEIVE_MAX,
        max_packet_size=options.packet_bytes_max,
    ).write()


def _subscribe_packet(options: MqttOptions) -> bytes:
    # Retained messages are the past; a resumed session has had them.
    once = mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
    filters = [
        mqtt5.TopicFilter(one, max_qos=mqtt5.QoS(options.qos), retain_handling=once)
        for one in options.subscriptions
    ]
    if options.watch_dropped:
        filters.append(mqtt5.TopicFilter(DROPPED_TOPIC, max_qos=mqtt5.QoS.AT_MOST_ONCE))
    return mqtt5.SubscribePacket(1, filters).write()
