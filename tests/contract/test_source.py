"""What every source promises, against a real mosquitto."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import mqtt5
import pytest

from bridge.adapters.mqtt.options import MqttOptions
from bridge.flow.clock import SystemClock
from bridge.flow.ports import Delivery, Source
from bridge.model.errors import ConflictError, InputError, UnavailableError
from tests.servers import Mosquitto
from tests.servers_mqtt import publish, publish_many
from tests.sources import SOURCES, WAIT_S, Kit, collect, drained, kit_for, numbered


@pytest.fixture(params=SOURCES)
def make(request: pytest.FixtureRequest) -> Callable[[MqttOptions], Source]:
    """Give each kind of source in turn."""
    return SOURCES[request.param]


@pytest.fixture
def kit(mosquitto: Mosquitto, make: Callable[[MqttOptions], Source]) -> Kit:
    """Give a source for the shared broker."""
    return kit_for(mosquitto, make)


@pytest.mark.parametrize("qos", [0, 1])
async def test_order_and_content(kit: Kit, mosquitto: Mosquitto, qos: int) -> None:
    """Every message comes, unchanged and in the order sent."""
    async with kit.source(qos=qos) as source:
        publish(mosquitto, kit.topic, numbered(3_000), qos=qos)
        assert await collect(source, 3_000) == numbered(3_000)
        assert source.status.received == 3_000
        assert source.status.unacknowledged == 0
        assert source.status.connected


async def test_topics_come_along(kit: Kit, mosquitto: Mosquitto) -> None:
    """A message comes with its own topic and the time of its receipt."""
    async with kit.source() as source:
        publish(mosquitto, kit.topic, [b"1"])
        async with asyncio.timeout(WAIT_S):
            delivery = await source.receive()
    assert delivery.messages.topics == [kit.topic]
    assert abs(delivery.messages.receive_ns - SystemClock().now_ns()) < 60 * 10**9


async def test_session_keeps_what_comes_meanwhile(kit: Kit, mosquitto: Mosquitto) -> None:
    """What is published while the source is away waits at the broker."""
    async with kit.source():
        pass
    publish(mosquitto, kit.topic, numbered(2_000))
    async with kit.source() as source:
        assert await collect(source, 2_000) == numbered(2_000)


async def test_unacknowledged_comes_again(kit: Kit, mosquitto: Mosquitto) -> None:
    """What was not acknowledged is delivered again after a restart; the rest is not."""
    async with kit.source() as source:
        publish(mosquitto, kit.topic, numbered(50))
        await collect(source, 50)
        publish(mosquitto, kit.topic, numbered(50, first=50))
        await collect(source, 50, acknowledge=False)
    async with kit.source() as source:
        assert await collect(source, 50) == numbered(50, first=50)
        assert await drained(source) == []


@pytest.mark.parametrize(
    ("limits", "payload_bytes", "most"),
    [
        ({"unacknowledged_max": 500}, 2_000, 1_500),
        ({"unacknowledged_bytes_max": 2 << 20, "packet_bytes_max": 1 << 20}, 20_000, 150),
        ({"unacknowledged_bytes_max": 4 << 20, "packet_bytes_max": 2 << 20}, 1_000_000, 8),
    ],
)
async def test_stops_reading_when_full(
    kit: Kit, mosquitto: Mosquitto, limits: dict[str, int], payload_bytes: int, most: int
) -> None:
    """The unacknowledged stay near the limits of count and size, until acknowledged."""
    count = 10_000_000 // payload_bytes
    async with kit.source(**limits) as source:
        payloads = [payload.rjust(payload_bytes) for payload in numbered(count)]
        publish(mosquitto, kit.topic, payloads)
        held: list[Delivery] = []
        try:
            async with asyncio.timeout(1.5):
                while True:
                    held.append(await source.receive())
        except TimeoutError:
            pass
        held_count = sum(len(delivery.messages) for delivery in held)
        assert most // 3 <= held_count < most
        assert source.status.unacknowledged == held_count
        for delivery in held:
            source.acknowledge(delivery)
        rest = await collect(source, count - held_count)
    found = [payload for delivery in held for payload in delivery.messages.payloads] + rest
    assert [payload.strip() for payload in found] == numbered(count)


async def test_cancelled_receive_loses_nothing(kit: Kit, mosquitto: Mosquitto) -> None:
    """A cancelled call leaves its messages to the next."""
    found: list[bytes] = []
    async with kit.source() as source:
        for number in range(40):
            publish(mosquitto, kit.topic, numbered(5, first=5 * number))
            try:
                async with asyncio.timeout(0.001 * (number % 4)):
                    delivery = await source.receive()
            except TimeoutError:
                continue
            found += delivery.messages.payloads
            source.acknowledge(delivery)
        found += await collect(source, 200 - len(found))
    assert found == numbered(200)


async def test_broker_restart(
    mosquitto_own: Mosquitto, make: Callable[[MqttOptions], Source]
) -> None:
    """A broker that comes back is found again, with the session and the unacknowledged."""
    kit = kit_for(mosquitto_own, make)
    async with kit.source() as source:
        publish(mosquitto_own, kit.topic, numbered(100))
        async with asyncio.timeout(WAIT_S):
            early = await source.receive()
        mosquitto_own.stop()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(collect(source, 100))
            await asyncio.sleep(0.3)
            assert not source.status.connected
            await asyncio.to_thread(mosquitto_own.start)
        source.acknowledge(early)  # of the old connection: it changes nothing
        assert set(task.result()) | set(early.messages.payloads) == set(numbered(100))
        assert source.status.reconnects >= 1
        assert source.status.session_lost == 0
        assert set(await drained(source)) <= set(numbered(100))
        assert source.status.unacknowledged == 0


async def test_no_broker() -> None:
    """Entering without a broker says so, with its address."""
    options = MqttOptions(port=1, connect_timeout_s=2.0)
    for make in SOURCES.values():
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
            async with make(options):
                pass


async def test_wrong_password(kit: Kit) -> None:
    """A refused sign-in says so."""
    with pytest.raises(UnavailableError, match=r"(?i)not.authori"):
        async with kit.source(password="wrong"):
            pass


@pytest.mark.parametrize("share_group", ["", "g"])
async def test_what_is_no_longer_asked_for(
    kit: Kit, mosquitto: Mosquitto, tmp_path: Path, share_group: str
) -> None:
    """A filter that is gone from the options is gone from the session, the others stay."""
    gone, kept = f"{kit.topic}/gone", f"{kit.topic}/kept"
    options = {
        "subscriptions_file": tmp_path / "subscriptions.json",
        "share_group": share_group,
    }
    async with kit.source(filters=(gone, kept), **options) as source:
        publish_many(mosquitto, [(gone, b"0"), (kept, b"1")])
        assert sorted(await collect(source, 2)) == [b"0", b"1"]
    publish(mosquitto, gone, [b"2"])
    async with kit.source(filters=(kept,), **options) as source:
        # What the session held already is still delivered.
        assert await collect(source, 1) == [b"2"]
        publish_many(mosquitto, [(gone, b"3"), (kept, b"4")])
        assert await drained(source) == [b"4"]
    publish_many(mosquitto, [(gone, b"5"), (kept, b"6")])
    async with kit.source(filters=(kept,), **options) as source:
        assert await drained(source) == [b"6"]
    async with kit.source(filters=(gone,), **options) as source:
        publish_many(mosquitto, [(gone, b"7"), (kept, b"8")])
        assert await drained(source) == [b"7"]


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', None])
async def test_memory_of_subscriptions_is_damaged(
    kit: Kit, mosquitto: Mosquitto, tmp_path: Path, content: str | None
) -> None:
    """A file of subscriptions that cannot be read or written stops nothing."""
    path = tmp_path / "subscriptions.json"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    async with kit.source(subscriptions_file=path) as source:
        publish(mosquitto, kit.topic, numbered(3))
        assert await collect(source, 3) == numbered(3)


async def test_no_session_where_none_is_wanted(kit: Kit, mosquitto: Mosquitto) -> None:
    """With an expiry of 0 the broker forgets the client, and what an earlier session held."""
    async with kit.source():
        pass
    publish(mosquitto, kit.topic, numbered(3))
    for _ in range(2):
        async with kit.source(session_expiry_s=0) as source:
            assert await drained(source) == []
        publish(mosquitto, kit.topic, numbered(3))


async def test_second_client_with_this_id(kit: Kit, mosquitto: Mosquitto) -> None:
    """Of two clients with one id the newcomer gives up with ConflictError; the elder stays."""
    found: list[bytes] = []

    async def elder(source: Source) -> None:
        found.extend(await collect(source, 20))

    async with kit.source(settled_s=0.5) as first, asyncio.TaskGroup() as group:
        group.create_task(elder(first))
        await asyncio.sleep(0.7)
        async with kit.source(settled_s=60.0) as second:
            with pytest.raises(ConflictError, match="another client"):
                async with asyncio.timeout(WAIT_S):
                    await second.receive()
        publish(mosquitto, kit.topic, numbered(20))
    assert found == numbered(20)


async def test_broker_tells_drops(kit: Kit) -> None:
    """The broker's own count of dropped messages shows in the status."""
    async with kit.source() as source:
        async with asyncio.timeout(WAIT_S):
            while source.status.broker_dropped is None:
                await drained(source, 0.2)
        assert source.status.broker_dropped >= 0


async def test_shared_group(kit: Kit, mosquitto: Mosquitto) -> None:
    """Two members of a group get each message once between them."""
    async with (
        kit.source(share_group="g") as one,
        kit.source(share_group="g", client_id=kit.options.client_id + "-2") as two,
    ):
        publish(mosquitto, kit.topic, numbered(100))
        found = await drained(one, 1.0) + await drained(two, 1.0)
    assert sorted(found) == sorted(numbered(100))


def test_options_are_checked() -> None:
    """Options that would lose messages or stall are refused."""
    for wrong in (
        {"client_id": ""},
        {"qos": 2},
        {"unacknowledged_max": 65_535},
        {"unacknowledged_bytes_max": 20 << 20},
        {"filters": ()},
    ):
        with pytest.raises(InputError):
            MqttOptions(**wrong)  # type: ignore[arg-type]


def test_library_reads_what_it_writes() -> None:
    """The codec library refuses half a packet by IndexError, which the link relies on."""
    packet = mqtt5.PublishPacket("a", b"x", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
    with pytest.raises(IndexError):
        mqtt5.read(memoryview(packet)[:-1])
