"""Discovery against publishers of different habits on a real broker."""

import asyncio
import json
import math
import tomllib
from collections.abc import Callable

import pytest

from bridge.app.discover import Discovery, Door, discover
from bridge.codec import catalog
from bridge.codec.payloads import Mapping
from bridge.flow.clock import SystemClock
from bridge.model.errors import UnavailableError
from tests.servers import Mosquitto
from tests.servers_mqtt import publish_many

Messages = list[tuple[str, bytes]]


def now_ms() -> int:
    """Give the time as devices stamp it."""
    return SystemClock().now_ns() // 1_000_000


def pressed() -> Messages:
    """Six presses on two sites, JSON with the signals under a key."""
    first_ms = now_ms()
    return [
        (
            f"plant/site-{press % 2}/press-{press}/telemetry",
            json.dumps(
                {
                    "ts": first_ms + 1_000 * step,
                    "machine": f"press-{press}",
                    "seq": step,
                    "values": {"temp_c": 20.5 + step, "vib": math.sin(step), "mode": "auto"},
                }
            ).encode(),
        )
        for step in range(10)
        for press in range(6)
    ]


def scalars() -> Messages:
    """Three pumps with one topic for each signal."""
    return [
        (f"pumps/{pump}/{signal}", b"%.2f" % (10 * number + step))
        for step in range(10)
        for pump in ("p-1", "p-2", "p-3")
        for number, signal in enumerate(("flow_l_min", "pressure_bar"))
    ]


def packs() -> Messages:
    """Two meters in SenML with a base time."""
    first_s = now_ms() / 1e3
    return [
        (
            f"meters/{meter}/senml",
            json.dumps(
                [
                    {"bt": first_s + 5 * step, "n": "power", "u": "W", "v": 400 + step},
                    {"bu": "Cel", "n": "inlet", "v": 20.5},
                    {"n": "door", "u": "/", "vb": step % 2 == 0},
                ]
            ).encode(),
        )
        for step in range(10)
        for meter in ("m-1", "m-2")
    ]


def columns() -> Messages:
    """One gateway that sends several readings at once, its machine named in the payload."""
    first_s = now_ms() // 1_000
    return [
        (
            "gw/gw-7/data",
            json.dumps(
                {
                    "device": f"mill-{number % 2}",
                    "rows": [
                        {"time": first_s + 60 * number + step, "Spindle load (%)": 50 + step}
                        for step in range(5)
                    ],
                }
            ).encode(),
        )
        for number in range(10)
    ]


def noise() -> Messages:
    """What is no measurement."""
    return [("office/printer", b"out of paper"), ("bin/blob", b"\x00\xff\x00")]


async def found(broker: Mosquitto, *makers: Callable[[], Messages]) -> Discovery:
    """Publish while discovery listens."""
    heard: list[tuple[float, int]] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            discover(
                broker.host, broker.port, 2.0, door=Door("bridge", "bridge"),
                progress=lambda elapsed_s, count: heard.append((elapsed_s, count)),
            )
        )  # fmt: skip
        await asyncio.sleep(0.5)
        for maker in makers:
            await asyncio.to_thread(publish_many, broker, maker())
    assert heard[-1][0] == 2.0
    assert heard[-1][1] >= sum(len(maker()) for maker in makers)
    return task.result()


def mappings(discovery: Discovery) -> list[Mapping]:
    """Read the mappings back from the settings file as the service would."""
    tree = tomllib.loads(discovery.toml)
    return [Mapping(**section) for section in tree["intake"]["mapping"]]


async def test_json_under_a_key(mosquitto_own: Mosquitto) -> None:
    """Machines, signals, time and rate of JSON publishers are found, sites passed over."""
    discovery = await found(mosquitto_own, pressed)
    (mapping,) = mappings(discovery)
    assert mapping == Mapping(
        "plant/+/{asset}/telemetry", time_key="ts", time_unit="ms", shape="key",
        signals_key="values", ignore=["mode"],
    )  # fmt: skip
    read = catalog.from_text(discovery.catalog)
    assert sorted(asset.id for asset in read.assets) == [f"press-{n}" for n in range(6)]
    (model,) = read.models
    assert [(one.name, one.unit, one.every_s) for one in model.signals] == [
        ("temp_c", "degC", 1), ("vib", "", 1),
    ]  # fmt: skip
    assert "seen: 20.5 to 29.5" in discovery.catalog
    assert discovery.heard.refused == {}


async def test_many_habits_at_once(mosquitto_own: Mosquitto) -> None:
    """Publishers of four kinds beside each other are told apart; noise is listed as such."""
    discovery = await found(mosquitto_own, pressed, scalars, packs, columns, noise)
    by_topic = {mapping.topic: mapping for mapping in mappings(discovery)}
    assert by_topic.keys() == {
        "plant/+/{asset}/telemetry", "pumps/{asset}/{signal}", "meters/{asset}/senml",
        "gw/{gateway}/data",
    }  # fmt: skip
    assert by_topic["pumps/{asset}/{signal}"].format == "scalar"
    assert by_topic["meters/{asset}/senml"].format == "senml"
    rows = by_topic["gw/{gateway}/data"]
    assert (rows.shape, rows.signals_key, rows.time_key) == ("rows", "rows", "time")
    assert (rows.time_unit, rows.asset_key) == ("s", "device")
    assert rows.names == {"Spindle load (%)": "Spindle-load"}
    assert discovery.heard.refused == {}
    assert discovery.heard.strange == ["bin/blob", "office/printer"]
    assert "office/printer" in discovery.toml
    read = catalog.from_text(discovery.catalog)
    assert len(read.assets) == 6 + 3 + 2 + 2
    assert len(read.models) == 4
    (meter,) = (
        model for model in read.models if "power" in {one.name for one in model.signals}
    )
    assert {one.name: one.unit for one in meter.signals} == {
        "power": "W", "inlet": "degC", "door": "",
    }  # fmt: skip


async def test_silence(mosquitto_own: Mosquitto) -> None:
    """A silent broker gives files that say so and can still be read."""
    discovery = await found(mosquitto_own)
    assert "Heard 0 messages" in discovery.summary
    assert catalog.from_text(discovery.catalog).assets == ()
    assert "Nothing was heard" in discovery.toml


async def test_no_broker() -> None:
    """Where no broker answers, the address is named."""
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        await discover("127.0.0.1", 1, 0.1)


async def test_over_tls(mosquitto: Mosquitto) -> None:
    """A broker that speaks TLS is listened to, and the settings say how to reach it."""
    door = Door("bridge", "bridge", tls=True, tls_ca=mosquitto.ca_file)
    discovery = await discover(mosquitto.host, mosquitto.tls_port, 0.5, door=door)
    broker = tomllib.loads(discovery.toml)["broker"]
    assert broker["tls"] is True
    assert broker["tls_ca"] == str(mosquitto.ca_file)
    assert "password" not in broker
