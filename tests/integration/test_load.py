"""The load generator against a real broker, and into intake."""

import asyncio
import json
import secrets

import pytest
from typer.testing import CliRunner

from bridge.adapters.mqtt.mqtt5_source import Mqtt5Source
from bridge.adapters.mqtt.options import MqttOptions
from bridge.codec.payloads import Mapping
from bridge.codec.telemetry import decode
from bridge.flow.clock import SystemClock
from bridge.model.slots import SlotTable
from simulators.load import Load, app, send
from tests.servers import Mosquitto


async def test_all_of_it_arrives(mosquitto: Mosquitto) -> None:
    """What it reports as acknowledged is what a subscriber gets, in the order sent."""
    name = secrets.token_hex(4)
    options = MqttOptions(
        port=mosquitto.port, client_id=name, filters=(f"{name}/#",), username="bridge",
        password="bridge",
    )  # fmt: skip
    load = Load(
        port=mosquitto.port, username="simulator", password="simulator", client_id=name + "-l",
        topic=name + "/{machine}/telemetry", machines=7, signals=6, count=5_003, step_ms=1_000,
        start_ns=1_800_000_000 * 10**9,
    )  # fmt: skip
    values: list[int] = []
    mapping = Mapping(
        f"{name}/{{asset}}/telemetry", time_key="ts", shape="key", signals_key="values"
    )
    async with Mqtt5Source(options, clock=SystemClock()) as source:
        report = await send(load)
        async with asyncio.timeout(20):
            while len(values) < 5_003:
                delivery = await source.receive()
                source.acknowledge(delivery)
                values += [json.loads(body)["seq"] for body in delivery.messages.payloads]
                decoded = decode(delivery.messages, [mapping], SlotTable())
                assert decoded.letters == []
                assert decoded.sample_count == 6 * len(delivery.messages)
    assert values == list(range(5_003))
    assert (report.sent, report.acknowledged, report.refused) == (5_003, 5_003, 0)


async def test_rate_and_duration(mosquitto: Mosquitto) -> None:
    """It keeps the rate asked for, for the time asked for."""
    load = Load(
        port=mosquitto.port, username="simulator", password="simulator",
        client_id=secrets.token_hex(4), topic="load-rate/{machine}", rate=1_000, duration_s=1.0,
        qos=0,
    )  # fmt: skip
    report = await send(load)
    assert 900 <= report.sent <= 1_001
    assert report.wall_s < 3


def test_command_reports_json(mosquitto: Mosquitto) -> None:
    """The command prints one JSON object, and fails with a sentence where no broker is."""
    words = ["--count", "100", "--username", "simulator", "--password", "simulator", "--json"]
    done = CliRunner().invoke(app, ["--port", str(mosquitto.port), *words])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["acknowledged"] == 100
    failed = CliRunner().invoke(app, ["--port", "1", *words])
    assert failed.exit_code == 1
    assert "127.0.0.1:1" in failed.output


@pytest.mark.parametrize("wrong", [{}, {"count": 1, "qos": 2}, {"count": 1, "machines": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    """A load without an end, or with nothing to send, is refused."""
    with pytest.raises(ValueError, match=r"allowed|above 0"):
        Load(**wrong)
