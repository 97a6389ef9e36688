"""The simulators on a real mosquitto: what is said to be sent is there."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import numpy as np
import pytest

from simulators.commands import FleetRun, run_fleet
from simulators.faults import NS, Fault
from simulators.feeder import Feeder, keeps_rows
from simulators.fleet import Fleet, FleetOptions
from simulators.network import Network, NetworkFaults
from simulators.publish import Broker
from tests.servers import Mosquitto

HOUR_NS = 3600 * NS
START_NS = 20_000 * 24 * HOUR_NS


def broker_of(mosquitto: Mosquitto) -> Broker:
    """Give the address and a user who may write."""
    return Broker(mosquitto.host, mosquitto.port, "simulator", "simulator")


async def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


class Heard:
    """Rows that arrived, by asset, in the order of arrival."""

    def __init__(self) -> None:
        self.messages = 0
        self.times: dict[str, list[int]] = {}

    @property
    def rows(self) -> int:
        """How many, all together."""
        return sum(len(times) for times in self.times.values())

    async def until(self, rows: int) -> None:
        """Wait for so many rows, and a moment for too many."""
        await eventually(lambda: self.rows >= rows)
        await asyncio.sleep(0.2)
        assert self.rows == rows


@asynccontextmanager
async def listening(mosquitto: Mosquitto, prefix: str) -> AsyncIterator[Heard]:
    """Subscribe as the bridge would, and collect."""
    heard = Heard()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard.messages += 1
            asset = str(message.topic).split("/")[2]
            rows = json.loads(message.payload)["rows"]
            heard.times.setdefault(asset, []).extend(row["t"] for row in rows)

    async with (
        aiomqtt.Client(
            mosquitto.host, mosquitto.port, username="bridge", password="bridge"
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        await client.subscribe(f"{prefix}/+/+/telemetry", qos=1)
        task = group.create_task(listen(client))
        yield heard
        task.cancel()


class HandClock:
    """A clock that a test moves."""

    def __init__(self, now_ns: int) -> None:
        self.at_ns = now_ns

    def now_ns(self) -> int:
        """Return what the test says."""
        return self.at_ns


async def test_history_and_live_send_every_row_once(mosquitto: Mosquitto) -> None:
    """A day in chunks and six hours live: each row once, in order, none in between lost."""
    fleet = Fleet(FleetOptions(1, START_NS, faults=False))
    feeder = Feeder(fleet, broker_of(mosquitto), "feeder-1", "once", fed_ns=START_NS)
    async with listening(mosquitto, "once") as heard:
        for hour in range(6, 25, 6):
            await feeder.feed(START_NS + hour * HOUR_NS)
        assert feeder.sent == 4 * 24
        clock = HandClock(feeder.fed_ns)
        async with asyncio.TaskGroup() as group:
            live = group.create_task(feeder.live(clock))
            for _ in range(6):
                clock.at_ns += HOUR_NS
                await asyncio.sleep(0.3)
            await heard.until(30 * 12 * 24)
            live.cancel()
    for asset, times in heard.times.items():
        expected = fleet.rows(asset, START_NS, START_NS + 30 * HOUR_NS).t_ns // 1_000_000
        assert times == expected.tolist(), asset


async def test_a_gateway_that_was_away_sends_late_or_never(mosquitto: Mosquitto) -> None:
    """Rows of the time away come in a block afterwards, from gateways that keep them."""
    fleet = Fleet(FleetOptions(1, START_NS, faults=False))
    gateways = {row["id"]: row["gateway"] for row in fleet.tree["assets"]}
    away = (START_NS + 3 * HOUR_NS, START_NS + 5 * HOUR_NS)
    for chain in fleet.gateway_faults.values():
        chain.faults = [Fault("gateway", "away", away[0], 7200.0, 1.0, away[1])]
    keepers = {gateway for gateway in fleet.gateway_faults if keeps_rows(gateway)}
    assert 0 < len(keepers) < len(fleet.gateway_faults)
    feeder = Feeder(fleet, broker_of(mosquitto), "feeder-2", "late", fed_ns=START_NS)
    kept = sum(gateway in keepers for gateway in gateways.values())
    async with listening(mosquitto, "late") as heard:
        await feeder.feed(START_NS + 4 * HOUR_NS)
        await heard.until(24 * 3 * 12)
        again = Feeder(fleet, feeder.broker, "feeder-2", "late", fed_ns=feeder.fed_ns)
        await again.feed(START_NS + 6 * HOUR_NS)
        await heard.until(24 * 4 * 12 + kept * 2 * 12)
    for asset, times in heard.times.items():
        held = [t for t in times if away[0] <= t * 1_000_000 < away[1]]
        assert len(held) == (24 if gateways[asset] in keepers else 0)


async def test_what_the_network_did_is_what_arrives(mosquitto: Mosquitto) -> None:
    """The counts of sent, doubled and lost are the broker's."""
    fleet = Fleet(FleetOptions(2, START_NS, faults=False))
    faults = NetworkFaults(0.2, 0.2, 0.1, 0.01, 0.01, 5)
    network = Network(faults, np.random.default_rng(4))
    feeder = Feeder(
        fleet, broker_of(mosquitto), "feeder-3", "rough", 1, network, fed_ns=START_NS
    )
    async with listening(mosquitto, "rough") as heard:
        await feeder.feed(START_NS + 5 * HOUR_NS)
        await feeder.flush()
        assert network.offered == 24 * 60 == network.sent + network.lost
        assert min(network.duplicated, network.lost, network.reordered, network.late) > 0
        assert feeder.sent == network.sent + network.duplicated
        await heard.until(feeder.sent)


async def test_live_survives_the_brokers_restart(mosquitto_own: Mosquitto) -> None:
    """A broker that goes away is waited for; nothing measured meanwhile is missing."""
    fleet = Fleet(FleetOptions(1, START_NS, faults=False))
    feeder = Feeder(fleet, broker_of(mosquitto_own), "feeder-4", "again", fed_ns=START_NS)
    clock = HandClock(START_NS + HOUR_NS)
    async with asyncio.TaskGroup() as group:
        live = group.create_task(feeder.live(clock))
        await eventually(lambda: feeder.fed_ns >= clock.at_ns)
        mosquitto_own.kill()
        clock.at_ns += HOUR_NS
        await asyncio.sleep(0.5)
        mosquitto_own.start()
        await eventually(lambda: feeder.fed_ns >= clock.at_ns)
        live.cancel()
    assert feeder.rows >= 24 * 24


async def test_the_fleet_command_sends_history_up_to_now(
    mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """History comes first, up to now; events are JSON lines, counts stand at the end."""
    run = FleetRun(
        broker_of(mosquitto),
        fleet=FleetOptions(3),
        history_days=1,
        seconds=4,
        prefix="command",
        reconnect_every_s=0.5,
        speed=36_000,
    )
    async with listening(mosquitto, "command") as heard:
        await run_fleet(run)
        told = capsys.readouterr()
        counts = json.loads(told.err.splitlines()[-1].removeprefix("fleet: "))
        # A line that breaks in the middle of a handful sends all of it again, as devices do.
        await eventually(lambda: heard.rows >= counts["rows"])
    assert sum(len(set(times)) for times in heard.times.values()) == counts["rows"]
    assert counts["rows"] > 24 * 288
    for line in filter(None, told.out.splitlines()):
        assert {"time", "of", "event", "detail"} == set(json.loads(line))


def test_replay_says_what_was_acknowledged(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The command sends a whole file as fast as it goes and says how much."""
    path = tmp_path / "two.csv"
    lines = [f"{'ab'[i % 2]},{i},{i / 7},{i if i % 3 else ''}" for i in range(1_000)]
    path.write_text("\n".join(["machine,t,x,y", *lines]) + "\n")

    async def hear() -> tuple[Heard, str]:
        command = [
            sys.executable, "-m", "simulators", "replay", str(path), "--asset", "machine",
            "--time", "t", "--speed", "0", "--stamps", "last", "--prefix", "replayed",
            "--broker", f"{mosquitto.host}:{mosquitto.port}",
            "--user", "simulator", "--password", "simulator",
        ]  # fmt: skip
        async with listening(mosquitto, "replayed") as heard:
            process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
            _, told = await process.communicate()
            assert process.returncode == 0, told.decode()
            await heard.until(1_000)
        return heard, told.decode()

    heard, told = asyncio.run(hear())
    assert "1000 rows in 18 messages acknowledged" in told
    assert heard.messages == 18
    assert {asset: len(times) for asset, times in heard.times.items()} == {"a": 500, "b": 500}
    assert all(times == sorted(times) for times in heard.times.values())


def test_a_broker_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Nobody at that port: one line on stderr and exit code 2."""
    path = tmp_path / "one.csv"
    path.write_text("asset,time,x\na,1,2\n")
    for command in (["replay", str(path)], ["fleet", "--seconds", "1"]):
        answer = subprocess.run(
            [sys.executable, "-m", "simulators", *command, "--broker", "127.0.0.1:1"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert answer.returncode == 2, answer.stderr
        assert answer.stderr.splitlines()[-1].startswith("simulators: ")
        assert "Traceback" not in answer.stderr
