"""The `fleet` command: a fleet on any broker, by a clock of its own, with its business events."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from simulators.catalog import catalog
from simulators.faults import DAY_S, NS
from simulators.feeder import Feeder
from simulators.fleet import Fleet, FleetOptions
from simulators.network import Network, NetworkFaults
from simulators.publish import Broker

CHUNK_S = 6 * 3600
EVENTS_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What ``python -m simulators fleet`` was asked for."""

    broker: Broker
    seed: int = 1
    speed: float = 60.0
    history_days: float = 0.0
    seconds: float = 0.0
    faults: bool = True
    prefix: str = "demo"
    network: NetworkFaults = field(default_factory=NetworkFaults)
    reconnect_every_s: float = 0.0


class RunningClock:
    """Simulated time that begins at real now and runs at a fixed speed."""

    def __init__(self, start_ns: int, speed: float) -> None:
        self._start_ns, self._speed, self._began_s = start_ns, speed, time.monotonic()

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return self._start_ns + int((time.monotonic() - self._began_s) * self._speed * NS)


async def run_fleet(run: FleetRun) -> None:
    """Send the history, then go on live until the time is up or it is cancelled."""
    now_ns = time.time_ns()  # noqa: TID251 - a simulator is a device: it has a clock of its own
    start_ns = now_ns - int(run.history_days * DAY_S) * NS
    fleet = Fleet(FleetOptions(run.seed, start_ns, faults=run.faults))
    network = Network(run.network, np.random.default_rng(run.seed))
    feeder = Feeder(fleet, run.broker, f"fleet-{run.seed}", run.prefix, network=network)
    if run.history_days:
        await feeder.history(start_ns, now_ns, CHUNK_S, _said_day)
    feeder.fed_ns = now_ns
    clock = RunningClock(now_ns, run.speed)
    try:
        async with asyncio.timeout(run.seconds or None), asyncio.TaskGroup() as group:
            group.create_task(_live(feeder, clock, run.reconnect_every_s), name="fleet live")
            group.create_task(_tell(fleet, clock), name="fleet events")
    except TimeoutError:
        pass
    finally:
        counts = {"sent": feeder.sent, "duplicated": network.duplicated, "lost": network.lost}
        sys.stderr.write(f"fleet: {json.dumps(counts)}\n")


async def _live(feeder: Feeder, clock: RunningClock, reconnect_every_s: float) -> None:
    while True:
        try:
            async with asyncio.timeout(reconnect_every_s or None):
                await feeder.live(clock)
        except TimeoutError:
            continue


async def _said_day(until_ns: int) -> None:
    if until_ns // NS % DAY_S < CHUNK_S:
        sys.stderr.write(f"fleet: history to {_iso(until_ns)}\n")


async def _tell(fleet: Fleet, clock: RunningClock) -> None:
    """Print what happens to the machines, once each, as JSON lines."""
    told: set[tuple[str, str, int]] = set()
    while True:
        now_ns = clock.now_ns()
        for event in events(fleet, now_ns):
            key = (str(event["asset"]), str(event["event"]), int(event["t_ns"]))
            if key not in told:
                told.add(key)
                line = {"time": _iso(int(event["t_ns"])), **event}
                del line["t_ns"]
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
        await asyncio.sleep(EVENTS_EVERY_S)


def events(fleet: Fleet, now_ns: int) -> list[dict[str, str | int]]:
    """Return every business event up to a time: fault begins, failed, repaired, load changed."""
    found: list[dict[str, str | int]] = []
    for asset, chain in fleet.machine_faults.items():
        for fault in chain.until(now_ns + 1):
            found.append(_event(asset, "fault begins", fault.mode, fault.onset_ns))
            down = chain.down_span(fault)
            if down:
                found.append(_event(asset, "failed", fault.mode, down[0]))
            end_ns = down[1] if down else fault.end_ns
            if end_ns is not None:
                found.append(_event(asset, "repaired", fault.mode, end_ns))
    for asset, machine in fleet.machines.items():
        if machine.step and machine.step_ns is not None:
            found.append(_event(asset, "load changed", f"{machine.step:+.0%}", machine.step_ns))
    return [event for event in found if int(event["t_ns"]) <= now_ns]


def _event(asset: str, what: str, detail: str, t_ns: int) -> dict[str, str | int]:
    return {"asset": asset, "event": what, "detail": detail, "t_ns": t_ns}


def _iso(t_ns: int) -> str:
    return str(np.datetime64(t_ns // NS, "s")) + "Z"


def write_catalog(path: Path) -> None:
    """Write the fleet's catalog as YAML (JSON is YAML, so no library is needed to read it)."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - only this option needs it

    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 140
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(catalog(), file)
