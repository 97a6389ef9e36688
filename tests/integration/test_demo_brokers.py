"""The brokers that the demo starts for itself."""

import asyncio
from pathlib import Path

import pytest

from bridge.adapters.mqtt import native
from bridge.adapters.mqtt.embedded import EmbeddedBroker
from bridge.adapters.mqtt.mqtt5_source import Mqtt5Source
from bridge.adapters.mqtt.native import DemoBroker, NativeBroker, find_mosquitto
from bridge.adapters.mqtt.options import MqttOptions
from bridge.adapters.mqtt.paho_source import PahoSource
from bridge.flow.clock import SystemClock
from bridge.flow.ports import Source
from bridge.model.errors import UnavailableError
from tests.servers import SERVICES, not_run
from tests.servers_mqtt import publish


def options_for(broker: NativeBroker | EmbeddedBroker | DemoBroker) -> MqttOptions:
    """Give options for a broker without users."""
    return MqttOptions(port=broker.port, filters=("plant/#",), backoff_min_s=0.05)


async def take(source: Source, count: int) -> list[bytes]:
    """Receive and acknowledge until ``count`` payloads are there."""
    found: list[bytes] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            delivery = await source.receive()
            found += delivery.messages.payloads
            source.acknowledge(delivery)
    return found


async def test_native_broker_keeps_messages(tmp_path: Path) -> None:
    """A mosquitto of our own keeps what waits for the bridge over a restart of both."""
    if find_mosquitto() is None:
        not_run("mosquitto", SERVICES)
    payloads = [b"%d" % number for number in range(500)]
    async with NativeBroker(tmp_path / "broker") as broker:
        async with Mqtt5Source(options_for(broker), clock=SystemClock()) as source:
            await asyncio.to_thread(publish, broker, "plant/a", payloads[:100])
            assert await take(source, 100) == payloads[:100]
        await asyncio.to_thread(publish, broker, "plant/a", payloads[100:])
    async with (
        NativeBroker(tmp_path / "broker", port=broker.port) as broker,
        Mqtt5Source(options_for(broker), clock=SystemClock()) as source,
    ):
        assert await take(source, 400) == payloads[100:]


async def test_native_broker_on_a_taken_port(tmp_path: Path) -> None:
    """A port that is taken is named, with what mosquitto said."""
    if find_mosquitto() is None:
        not_run("mosquitto", SERVICES)
    async with NativeBroker(tmp_path / "one") as broker:
        with pytest.raises(UnavailableError, match=f"port {broker.port}"):
            async with NativeBroker(tmp_path / "two", port=broker.port):
                pass


async def test_embedded_broker() -> None:
    """The broker inside the process delivers by MQTT 3.1.1, in order."""
    payloads = [b"%d" % number for number in range(300)]
    async with (
        EmbeddedBroker() as broker,
        PahoSource(options_for(broker), clock=SystemClock()) as source,
    ):
        await asyncio.to_thread(publish, broker, "plant/a", payloads)
        assert await take(source, 300) == payloads


async def test_embedded_broker_on_a_taken_port() -> None:
    """A port that is taken is named."""
    async with EmbeddedBroker() as broker:
        with pytest.raises(UnavailableError, match=f"port {broker.port}"):
            async with EmbeddedBroker(broker.port):
                pass


async def test_demo_takes_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without mosquitto on the machine the demo has a broker all the same, and says which."""
    monkeypatch.setattr(native, "find_mosquitto", lambda: None)
    async with native.demo_broker(tmp_path) as broker:
        assert broker.protocol == "mqtt311"
        async with PahoSource(options_for(broker), clock=SystemClock()) as source:
            await asyncio.to_thread(publish, broker, "plant/a", [b"1"])
            assert await take(source, 1) == [b"1"]
    monkeypatch.undo()
    if native.find_mosquitto() is None:
        not_run("mosquitto", SERVICES)
    async with native.demo_broker(tmp_path) as broker:
        assert broker.protocol == "mqtt5"
        async with Mqtt5Source(options_for(broker), clock=SystemClock()):
            pass
