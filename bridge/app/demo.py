"""The demo: broker, simulated fleet, service and console in one process, on this machine only.

First some weeks of history are played as fast as they go, so that baselines are learned; then
the clock runs at a speed a person can follow. Everything goes through MQTT and detection; what
the demo itself keeps (its clock, the repairs made) stands in one small file, so that it goes on
where it was.
"""

import asyncio
import errno
import json
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console

from bridge.adapters.journal.lock import DataFolder
from bridge.adapters.mqtt.native import DemoBroker, demo_broker
from bridge.app import logs
from bridge.app.demo_play import Run
from bridge.app.demo_state import (
    DEFAULT_SPEED,
    DemoControl,
    Memory,
    check_room,
    clear,
    default_folder,
)
from bridge.app.service import Service, build
from bridge.app.settings import Settings
from bridge.cases.inputs import CatalogChanged
from bridge.flow.clock import ScaledClock, SystemClock
from bridge.model.catalog import Catalog
from bridge.model.errors import BridgeError, ConflictError, UnavailableError
from bridge.model.instants import NS_PER_S, as_datetime
from simulators.feeder import Feeder
from simulators.fleet import Fleet, FleetOptions, soon_after
from simulators.publish import Broker

HISTORY_DAYS = 21
ROW_NS = 600 * NS_PER_S
HOST = "127.0.0.1"
WEB_READY_S = 20.0
SEEDS = range(2**31)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says; see ``bridge demo --help``.

    Parameters
    ----------
    seed : int
        Another seed, another fate of the fleet.
    speed : float or None
        Simulated seconds per second, once it is live; None goes on as it was.
    faults : str
        ``all``, or ``none``.
    fresh : bool
        Forget what an earlier demo left.
    port : int
        Of the console.
    folder : Path or None
        Where data are kept; None is the user's cache.
    history_days : int
        Played before it goes live.
    """

    seed: int = 1
    speed: float | None = DEFAULT_SPEED
    faults: str = "all"
    fresh: bool = False
    port: int = 8080
    folder: Path | None = None
    history_days: int = HISTORY_DAYS

    def __post_init__(self) -> None:
        if self.faults not in {"all", "none"}:
            raise ConflictError(f"--faults {self.faults}: all or none is allowed")
        if self.seed not in SEEDS:
            raise ConflictError(f"--seed {self.seed}: 0 to {SEEDS.stop - 1} is allowed")


def run_demo(options: DemoOptions) -> None:
    """Run the demo until Ctrl-C or SIGTERM.

    Raises
    ------
    ConflictError
        The port is taken, or a demo already runs on this folder.
    UnavailableError
        The disk is full, or no broker starts.
    """
    console = Console(stderr=True)
    logs.set_up("text", "warning")

    async def until_stopped() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        async with open_demo(options, console) as run:
            console.print(
                f"[bold]The bridge is at {run.url}[/bold] (one click signs you in; "
                "API: Authorization: Bearer demo). Ctrl-C stops it.",
                soft_wrap=True,
            )
            await run.play()

    try:
        asyncio.run(until_stopped())
    except asyncio.CancelledError:
        console.print("Stopped; the same command goes on where it was.")
    except BaseExceptionGroup as group:
        raise _plain(group) from group
    except OSError as error:
        raise _plain(error) from error


@asynccontextmanager
async def open_demo(options: DemoOptions, console: Console) -> AsyncIterator[Run]:
    """Start broker and service and hand out a run that has not begun to play.

    Raises
    ------
    ConflictError
        The port is taken, a demo already runs on this folder, or the folder is another demo's.
    UnavailableError
        The disk is full, or no broker starts.
    """
    began_s = time.monotonic()
    _check_port(options.port)
    folder = options.folder or default_folder(options.seed, options.faults)
    check_room(folder)
    async with AsyncExitStack() as stack:
        stack.enter_context(DataFolder.lock(folder, "demo"))
        if options.fresh:
            clear(folder)
        memory = _remembered(options, folder / "demo.json")
        clock = ScaledClock(memory.now_ns, speed=0.0)
        control = DemoControl(clock, memory)
        broker = await stack.enter_async_context(demo_broker(folder / "broker"))
        console.print(f"Broker: {broker.name}, port {broker.port}. Data: {folder}", style="dim")
        settings = _settings(options, folder, broker)
        service = await stack.enter_async_context(build(settings, clock=clock, demo=control))
        fleet = _fleet(memory)
        await _put_catalog(service, fleet, clock)
        address = Broker(broker.host, broker.port)
        feeder = Feeder(fleet, address, "demo-fleet", fed_ns=memory.fed_ns)
        run = Run(
            memory=memory,
            file=folder / "demo.json",
            url=f"http://{HOST}:{options.port}",
            clock=clock,
            control=control,
            fleet=fleet,
            feeder=feeder,
            service=service,
            console=console,
            began_s=began_s,
        )
        async with service.running():
            try:
                await _web_answers(options.port)
                yield run
            finally:
                run.save()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConflictError(
                f"port {port} is taken ({error.strerror}); stop what holds it, or choose "
                f"another: bridge demo --port {port + 1}"
            ) from error


def _remembered(options: DemoOptions, file: Path) -> Memory:
    memory = Memory.load(file)
    if memory is None:
        end_ns = SystemClock().now_ns() // ROW_NS * ROW_NS
        start_ns = end_ns - options.history_days * 86_400 * NS_PER_S
        memory = Memory(options.seed, options.faults, start_ns, end_ns, start_ns, start_ns)
    if (memory.seed, memory.faults) != (options.seed, options.faults):
        raise ConflictError(
            f"{file.parent} holds a demo with --seed {memory.seed} --faults {memory.faults}; "
            "use these, another --folder, or --fresh"
        )
    memory.speed = options.speed or memory.speed
    return memory


def _fleet(memory: Memory) -> Fleet:
    history_days = (memory.history_end_ns - memory.start_ns) / NS_PER_S / 86_400
    fleet = Fleet(
        FleetOptions(
            memory.seed,
            memory.start_ns,
            every_s=ROW_NS // NS_PER_S,
            faults=memory.faults == "all",
            fail_days=soon_after(history_days) if memory.faults == "all" else (),
        )
    )
    fleet.repair_again(memory.repairs)
    return fleet


async def _web_answers(port: int) -> None:
    """Wait until the console can be opened."""
    try:
        async with asyncio.timeout(WEB_READY_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError as error:
        raise UnavailableError("console", f"nothing answers on port {port}") from error


def _settings(options: DemoOptions, folder: Path, broker: DemoBroker) -> Settings:
    tree: dict[str, Any] = {
        "service": {"data_folder": str(folder / "data"), "log_level": "warning"},
        "broker": {
            "host": broker.host,
            "port": broker.port,
            "protocol": broker.protocol,
            "client_id": "bridge-demo",
        },
        "intake": {
            "mapping": [
                {
                    "topic": "demo/+/{asset}/telemetry",
                    "tenant": "default",
                    "shape": "rows",
                    "signals_key": "rows",
                    "time_key": "t",
                    "time_unit": "ms",
                }
            ]
        },
        "web": {"port": options.port, "public_url": f"http://{HOST}:{options.port}"},
    }
    # The environment of a real service must not reach the demo: it would write to its stores.
    return Settings(file_tree=tree, _env_prefix="BRIDGE_OF_THE_DEMO_")  # type: ignore[call-arg]


async def _put_catalog(service: Service, fleet: Fleet, clock: ScaledClock) -> None:
    """Store the fleet's catalog and tell the desk, as ``PUT /api/v1/catalog`` does."""
    catalog = Catalog.model_validate_json(json.dumps(fleet.tree))
    known = await service.catalogs.latest(catalog.tenant)
    if known is not None and known[1] == catalog:
        return
    version = await service.catalogs.put(catalog)
    await service.inbox.submit(
        CatalogChanged(
            id=uuid4(),
            tenant=catalog.tenant,
            at=as_datetime(clock.now_ns()),
            version=version,
            catalog=catalog,
        )
    )


def _plain(error: BaseException) -> BaseException:
    """Return the error that a person can mend out of what the parts raised together."""
    while isinstance(error, BaseExceptionGroup):
        mendable = error.subgroup((BridgeError, OSError)) or error
        error = mendable.exceptions[0]
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return UnavailableError("disk", "it is full; make room, or use another --folder")
    return error


__all__ = ["DemoOptions", "open_demo", "run_demo"]
