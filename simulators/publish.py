"""Rows as MQTT messages: one shape for live rows (one per message) and for history (many).

Topic ``PREFIX/SITE/ASSET/telemetry``, payload ``{"rows": [{"t": <ms>, "<signal>": <value>, ...}]}``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiomqtt
import numpy as np

from simulators.fleet import Rows

PREFIX = "demo"
WINDOW = 100
"""Messages under way at once: enough to hide the broker's answer time."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to publish.

    Parameters
    ----------
    host, port : str, int
        The broker.
    user, password : str or None
        Sign-in there.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str, user: str | None = None, password: str | None = None) -> "Broker":
        """Read ``host`` or ``host:port``."""
        host, _, port = text.partition(":")
        if port and not port.isdigit():
            raise ValueError(f"broker {text!r}: host or host:port is allowed")
        return cls(host or "127.0.0.1", int(port or 1883), user, password)


@dataclass(frozen=True, slots=True)
class Message:
    """One message and the event time of its last row."""

    topic: str
    payload: bytes
    t_ns: int


def messages(rows: Rows, *, rows_max: int, prefix: str = PREFIX) -> Iterator[Message]:
    """Yield a machine's rows as messages of at most `rows_max` rows each, in order of time."""
    topic = f"{prefix}/{rows.site}/{rows.asset}/telemetry"
    names = list(rows.signals)
    table = np.column_stack([rows.signals[name] for name in names]).round(4).tolist()
    stamps = (rows.t_ns // 1_000_000).tolist()
    for start in range(0, len(stamps), rows_max):
        part = range(start, min(start + rows_max, len(stamps)))
        body = {
            "rows": [{"t": stamps[i], **dict(zip(names, table[i], strict=True))} for i in part]
        }
        payload = json.dumps(body, separators=(",", ":")).encode()
        yield Message(topic, payload, int(rows.t_ns[part[-1]]))


@asynccontextmanager
async def connected(broker: Broker, client_id: str) -> AsyncIterator[aiomqtt.Client]:
    """Connect to a broker for publishing; leaves cleanly."""
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=client_id,
        username=broker.user,
        password=broker.password,
        max_queued_outgoing_messages=0,
        max_inflight_messages=WINDOW * 2,
    )
    client.pending_calls_threshold = WINDOW * 2  # we mean to have that many under way
    async with client:
        yield client


async def send(client: aiomqtt.Client, batch: list[Message], *, timeout_s: float = 60.0) -> int:
    """Publish messages with QoS 1 in order and wait until the broker has acknowledged all.

    Returns
    -------
    int
        How many were acknowledged; all of them, or an error is raised.

    Raises
    ------
    aiomqtt.MqttError
        The broker is away or refused; what was sent before may have arrived.
    """
    for start in range(0, len(batch), WINDOW):
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
            for message in batch[start : start + WINDOW]:
                group.create_task(
                    client.publish(message.topic, message.payload, qos=1, timeout=timeout_s),
                    name=f"publish {message.topic}",
                )
    return len(batch)
