"""The sources under test, with a session and a topic of their own, and ways to read them."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bridge.adapters.mqtt.mqtt5_source import Mqtt5Source
from bridge.adapters.mqtt.options import MqttOptions
from bridge.adapters.mqtt.paho_source import PahoSource
from bridge.flow.clock import SystemClock
from bridge.flow.ports import Delivery, Source
from tests.servers import Mosquitto

WAIT_S = 20.0


@dataclass(frozen=True)
class Kit:
    """A kind of source, and options with a session and a topic of its own."""

    make: Callable[[MqttOptions], Source]
    options: MqttOptions
    topic: str

    def source(self, **changes: Any) -> Source:
        """Make one with some options changed."""
        return self.make(replace(self.options, **changes))


SOURCES = {
    "mqtt5": lambda options: Mqtt5Source(options, clock=SystemClock()),
    "paho": lambda options: PahoSource(options, clock=SystemClock()),
}


def kit_for(broker: Mosquitto, make: Callable[[MqttOptions], Source]) -> Kit:
    """Give a client id and a topic that no other test uses."""
    name = secrets.token_hex(6)
    options = MqttOptions(
        host=broker.host, port=broker.port, username="bridge", password="bridge",
        client_id=f"test-{name}", filters=(f"plant/{name}/+",),
        backoff_min_s=0.05, backoff_max_s=0.2, connect_timeout_s=5.0,
    )  # fmt: skip
    return Kit(make, options, f"plant/{name}/a")


async def collect(source: Source, count: int, *, acknowledge: bool = True) -> list[bytes]:
    """Receive until ``count`` payloads are there."""
    found: list[bytes] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            delivery = await source.receive()
            found += delivery.messages.payloads
            if acknowledge:
                source.acknowledge(delivery)
    return found


def numbered(count: int, first: int = 0) -> list[bytes]:
    """Give payloads that tell their place."""
    return [b"%d" % number for number in range(first, first + count)]


async def drained(source: Source, wait_s: float = 0.5) -> list[bytes]:
    """Receive what still comes."""
    found: list[bytes] = []
    try:
        async with asyncio.timeout(wait_s):
            while True:
                delivery: Delivery = await source.receive()
                found += delivery.messages.payloads
                source.acknowledge(delivery)
    except TimeoutError:
        return found
