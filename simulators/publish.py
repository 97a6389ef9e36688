"""Rows as MQTT messages: one shape for live rows (one per message) and for history (many).

Topic ``PREFIX/SITE/ASSET/telemetry``; payload
``{"rows": [{"t": <ms>, "<signal>": <value>, ...}, ...]}``, without what a row has no value of.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator, Sequence
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
    host : str
        Name or address.
    port : int
        Its MQTT port.
    user, password : str or None
        Sign-in there.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str, user: str | None = None, password: str | None = None) -> "Broker":
        """Read ``host`` or ``host:port``.

        Raises
        ------
        ValueError
            It is neither.
        """
        host, _, port = text.rpartition(":") if ":" in text else (text, "", "1883")
        if not host or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ValueError(f"broker {text!r}: host or host:port is allowed")
        return cls(host.strip("[]"), int(port), user, password)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Parameters
    ----------
    topic : str
        Where it goes.
    payload : bytes
        JSON.
    t_ns : int
        Event time of its last row.
    rows, values : int
        How many rows it holds, and how many values of signals.
    """

    topic: str
    payload: bytes
    t_ns: int
    rows: int = 1
    values: int = 0


def messages(rows: Rows, *, rows_max: int, prefix: str = PREFIX) -> Iterator[Message]:
    """Yield a machine's rows as messages of at most `rows_max` rows each, in their order."""
    topic = f"{prefix}/{rows.site}/{rows.asset}/telemetry"
    names = list(rows.signals)
    table = np.column_stack([rows.signals[name] for name in names]).tolist() if names else []
    stamps = (rows.t_ns // 1_000_000).tolist()
    for start in range(0, len(stamps), rows_max):
        part = range(start, min(start + rows_max, len(stamps)))
        body = [row(stamps[i], names, table[i]) for i in part]
        values = sum(len(each) - 1 for each in body)
        yield Message(topic, encoded(body), int(rows.t_ns[part[-1]]), len(part), values)


def row(t_ms: int, names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Return one row of a payload: its time, and each value that is a number."""
    present = {
        name: value for name, value in zip(names, values, strict=True) if math.isfinite(value)
    }
    return {"t": t_ms, **present}


def encoded(rows: Sequence[dict[str, float]]) -> bytes:
    """Return rows as a payload."""
    return json.dumps({"rows": rows}, separators=(",", ":"), allow_nan=False).encode()


@asynccontextmanager
async def connected(broker: Broker, client_id: str) -> AsyncIterator[aiomqtt.Client]:
    """Connect to a broker for publishing; leaves cleanly.

    Raises
    ------
    aiomqtt.MqttError
        Nobody answers there, or it refuses.
    """
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


async def send(
    client: aiomqtt.Client, batch: Sequence[Message], *, timeout_s: float = 60.0
) -> int:
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
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                for message in batch[start : start + WINDOW]:
                    group.create_task(
                        client.publish(
                            message.topic, message.payload, qos=1, timeout=timeout_s
                        ),
                        name=f"publish {message.topic}",
                    )
        except* aiomqtt.MqttError as errors:
            raise aiomqtt.MqttError(str(errors.exceptions[0])) from errors
    return len(batch)
