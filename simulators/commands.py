"""The `fleet` command: a fleet on any broker, with its own clock and its business events."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn
from ruamel.yaml import YAML

from simulators.catalog import catalog
from simulators.faults import DAY_S, NS
from simulators.feeder import Feeder
from simulators.fleet import Fleet, FleetOptions, soon_after
from simulators.network import Network, NetworkFaults
from simulators.publish import Broker, connected

CHUNK_S = 6 * 3600
COUNTS = ("offered", "sent", "duplicated", "lost", "reordered", "late")
EVENTS_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What ``python -m simulators fleet`` was asked for.

    Parameters
    ----------
    broker : Broker
        Where to.
    fleet : FleetOptions
        Which fleet; its start is found from `history_days`.
    speed : float
        Simulated seconds per second, once it is live.
    history_days : float
        Sent first.
    seconds : float
        Real time after which it stops; 0 never.
    prefix : str
        First part of the topics.
    network : NetworkFaults
        What happens to messages.
    reconnect_every_s : float
        Real time after which the line is dropped, again and again; 0 never.
    """

    broker: Broker
    fleet: FleetOptions = field(default_factory=FleetOptions)
    speed: float = 1.0
    history_days: float = 0.0
    seconds: float = 0.0
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
    fleet = Fleet(replace(run.fleet, start_ns=start_ns, fail_days=soon_after(run.history_days)))
    network = Network(run.network, np.random.default_rng(run.fleet.seed))
    feeder = Feeder(
        fleet,
        run.broker,
        f"fleet-{run.fleet.seed}",
        run.prefix,
        network=network,
        fed_ns=start_ns,
    )
    async with connected(run.broker, feeder.client_id):
        pass  # a wrong address or password is told at once; later ones are waited for
    try:
        async with asyncio.timeout(run.seconds or None), asyncio.TaskGroup() as group:
            await _history(feeder, now_ns)
            clock = RunningClock(now_ns, run.speed)
            group.create_task(_live(feeder, clock, run.reconnect_every_s), name="fleet live")
            group.create_task(_tell(fleet, clock), name="fleet events")
    except TimeoutError:
        await feeder.flush()
    finally:
        counts = {
            "rows": feeder.rows,
            "acknowledged": feeder.sent,
            **{name: getattr(network, name) for name in COUNTS},
        }
        sys.stderr.write(f"fleet: {json.dumps(counts)}\n")


async def _history(feeder: Feeder, end_ns: int) -> None:
    columns = (*Progress.get_default_columns()[:2], TimeRemainingColumn())
    start_ns = feeder.fed_ns
    if start_ns >= end_ns:
        return
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("history", total=end_ns - start_ns)
        while feeder.fed_ns < end_ns:
            await feeder.feed(min(feeder.fed_ns + CHUNK_S * NS, end_ns))
            bar.update(task, completed=feeder.fed_ns - start_ns)


async def _live(feeder: Feeder, clock: RunningClock, reconnect_every_s: float) -> None:
    while True:
        try:
            async with asyncio.timeout(reconnect_every_s or None):
                await feeder.live(clock)
        except TimeoutError:
            continue


async def _tell(fleet: Fleet, clock: RunningClock) -> None:
    """Print what happens to the machines, once each, as JSON lines."""
    told: set[tuple[str, str, int]] = set()
    while True:
        now_ns = clock.now_ns()
        for event in events(fleet, now_ns):
            key = (str(event["of"]), str(event["event"]), int(event["t_ns"]))
            if key not in told:
                told.add(key)
                line = {"time": _iso(int(event["t_ns"])), **event}
                del line["t_ns"]
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
        await asyncio.sleep(EVENTS_EVERY_S)


def events(fleet: Fleet, now_ns: int) -> list[dict[str, str | int]]:
    """Return the business events up to a time, oldest first.

    Each says of whom (`of`: an asset or a gateway), what (`event`: fault begins, failed,
    repaired, load changed, sensor stuck, sensor well, away, back), `detail`, and when (`t_ns`).
    """
    found = [
        _event(asset, "load changed", f"{machine.step:+.0%}", machine.step_ns)
        for asset, machine in fleet.machines.items()
        if machine.step and machine.step_ns is not None
    ]
    chains = [
        *(("fault begins", "repaired", chain) for chain in fleet.machine_faults.values()),
        *(("sensor stuck", "sensor well", chain) for chain in fleet.sensor_faults.values()),
        *(("away", "back", chain) for chain in fleet.gateway_faults.values()),
    ]
    for begins, ends, chain in chains:
        for fault in chain.until(now_ns + 1):
            found.append(_event(chain.name, begins, fault.mode, fault.onset_ns))
            found.append(_event(chain.name, ends, fault.mode, chain.over(fault)))
            found += [
                _event(chain.name, "failed", fault.mode, down[0])
                for down in filter(None, [chain.down_span(fault)])
            ]
    past = [event for event in found if int(event["t_ns"]) <= now_ns]
    return sorted(past, key=lambda event: int(event["t_ns"]))


def _event(of: str, what: str, detail: str, t_ns: int) -> dict[str, str | int]:
    return {"of": of, "event": what, "detail": detail, "t_ns": t_ns}


def _iso(t_ns: int) -> str:
    return str(np.datetime64(t_ns // NS, "s")) + "Z"


def write_catalog(path: Path, every_s: int = 300) -> None:
    """Write the fleet's catalog as a YAML file that ``bridge check`` accepts."""
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 140
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(catalog(every_s), file)
