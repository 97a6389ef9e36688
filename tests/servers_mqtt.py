"""Publishing to a test broker, simply and surely."""

from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import Mosquitto


class Broker(Protocol):
    """Where a broker is; one of the tests has users, one of the demo has none."""

    host: str
    port: int


def publish(
    broker: Broker,
    topic: str,
    payloads: list[bytes],
    *,
    qos: int = 1,
    user: str = "simulator",
) -> None:
    """Publish all of it from a client of its own, and return when the broker has it."""
    publish_many(broker, [(topic, payload) for payload in payloads], qos=qos, user=user)


def publish_many(
    broker: Broker,
    messages: list[tuple[str, bytes]],
    *,
    qos: int = 1,
    user: str = "simulator",
) -> None:
    """Publish (topic, payload) pairs in order."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    if isinstance(broker, Mosquitto):
        client.username_pw_set(user, user)
    client.max_inflight_messages_set(1_000)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        sent = [client.publish(topic, payload, qos=qos) for topic, payload in messages]
        for one in sent:
            one.wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()
