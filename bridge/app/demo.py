"""The demo: broker, simulated fleet, service and console in one process, on this machine only.

First some weeks of history are played as fast as they go, so that baselines are learned; then the
clock runs at a speed a person can follow. Everything goes through MQTT and detection; what the demo
itself keeps (its clock, the repairs made) stands in one small file, so that it goes on where it was.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.adapters.mqtt.native import demo_broker
from bridge.app import logs
from bridge.app.service import Service, build
from bridge.app.settings import Settings
from bridge.cases.inputs import CatalogChanged
from bridge.flow.clock import ScaledClock, SystemClock
from bridge.flow.ports import DemoState
from bridge.model.catalog import Catalog
from bridge.model.errors import ConflictError
from bridge.model.instants import NS_PER_S, as_datetime
from simulators.colleagues import Colleagues
from simulators.feeder import Feeder
from simulators.fleet import Fleet, FleetOptions
from simulators.publish import Broker

HISTORY_DAYS = 21
CHUNK_S = 6 * 3600
SAVE_EVERY_S = 1.0
BACKLOG_MAX = 3_000
"""Journal records the watch may be behind before the demo's clock waits for it."""

SEATS = {
    "engineer": "fe-jonas",
    "account-manager": "am-lena",
    "coordinator": "co-dana",
    "operator": "op-alex",
}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says; see ``bridge demo --help``."""

    seed: int = 1
    speed: float = 600.0
    faults: str = "all"
    fresh: bool = False
    port: int = 8080
    folder: Path | None = None
    history_days: int = HISTORY_DAYS


@dataclass(slots=True)
class Memory:
    """What survives a restart of the demo."""

    start_ns: int
    now_ns: int
    speed: float
    live: bool = False
    paused: bool = False
    repairs: list[tuple[str, int]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Replace the file in one step, so that a kill leaves the old one or the new one."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), "utf-8")
        os.replace(fresh, path)

    @classmethod
    def load(cls, path: Path) -> "Memory | None":
        """Return what an earlier run left, or None."""
        if not path.exists():
            return None
        tree = json.loads(path.read_text("utf-8"))
        tree["repairs"] = [(asset, int(t_ns)) for asset, t_ns in tree["repairs"]]
        return cls(**tree)


class DemoControl:
    """The demo's clock and seats, as the page's header sees them (the `Demo` port)."""

    def __init__(self, clock: ScaledClock, memory: Memory) -> None:
        self._clock = clock
        self._memory = memory
        self.progress = 1.0 if memory.live else 0.0
        self.taken: set[str] = set()

    def state(self) -> DemoState:
        """Return the clock, the phase and the seats."""
        return DemoState(
            now=as_datetime(self._clock.now_ns()),
            speed=self._memory.speed,
            paused=self._memory.paused,
            phase="live" if self._memory.live else "history",
            progress=self.progress,
            seats=SEATS,
        )

    def run_at(self, speed: float) -> None:
        """Run at so many simulated seconds per second."""
        self._memory.speed = min(max(speed, 1.0), 20_000.0)
        self.apply()

    def pause(self) -> None:
        """Stand still."""
        self._memory.paused = True
        self.apply()

    def resume(self) -> None:
        """Go on at the last speed."""
        self._memory.paused = False
        self.apply()

    def take_seat(self, person: str) -> None:
        """Let a visitor act as this person; the simulated colleague steps aside."""
        self.taken.add(person)

    def apply(self, *, hold: bool = False) -> None:
        """Let the clock run as the memory says; `hold` keeps it standing."""
        runs = self._memory.live and not self._memory.paused and not hold
        self._clock.run_at(self._memory.speed if runs else 0.0)


@dataclass(slots=True)
class Run:
    """One run of the demo, from its open service on."""

    options: DemoOptions
    memory: Memory
    file: Path
    clock: ScaledClock
    control: DemoControl
    fleet: Fleet
    feeder: Feeder
    service: Service

    async def play(self, console: Console) -> None:
        """Play the history that is missing, then go live until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_repairs(), name="demo repairs")
            if not self.memory.live:
                await self._history(console)
            self.memory.live = True
            self.control.progress = 1.0
            self.control.apply()
            self.feeder.fed_ns = self.clock.now_ns()
            group.create_task(self.feeder.live(self.clock), name="demo feeder")
            group.create_task(self._keep(), name="demo memory")
            await self._colleagues()

    async def _history(self, console: Console) -> None:
        start_ns = self.memory.now_ns
        end_ns = self.memory.start_ns + self.options.history_days * 86_400 * NS_PER_S
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[day]}"),
        )
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
            task = bar.add_task(
                "Playing three weeks of history", total=end_ns - start_ns, day=""
            )

            async def finished(until_ns: int) -> None:
                self.clock.move_to(until_ns)
                await self.service.caught_up(timeout_s=120)
                self.memory.now_ns = until_ns
                self._save()
                self.control.progress = (until_ns - self.memory.start_ns) / (
                    end_ns - self.memory.start_ns
                )
                bar.update(
                    task, completed=until_ns - start_ns, day=f"{as_datetime(until_ns):%d %b}"
                )

            await self.feeder.history(start_ns, end_ns, CHUNK_S, finished)

    async def _keep(self) -> None:
        """Remember the clock, and let it wait where detection is behind."""
        held = False
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            behind = await self.service.backlog() > BACKLOG_MAX
            if behind != held:
                held = behind
                self.control.apply(hold=held)
            self.memory.now_ns = self.clock.now_ns()
            self._save()

    def _save(self) -> None:
        self.memory.repairs = self.fleet.repairs()
        self.memory.save(self.file)

    async def _watch_repairs(self) -> None:
        """Repair the simulated machine when somebody, visitor or colleague, has executed a case."""
        views, tenant = self.service.views, self.service.settings.service.tenant
        after = await self.service.last_event()
        while True:
            await views.wait_events(after=after, timeout_s=1.0)
            for stored in await views.events(tenant, after=after):
                after = stored.seq
                event = stored.event
                if event.type == "acted" and event.do == "execute" and event.case:
                    case = await views.case(tenant, event.case)
                    if case is not None:
                        self.fleet.repair(case.asset, self.clock.now_ns())

    async def _colleagues(self) -> None:
        people = [person["id"] for person in self.fleet.tree["people"]]
        tokens = {}
        for person in people:
            tokens[person] = await self.service.people.issue_token(
                self.service.settings.service.tenant,
                person,
                f"demo-{uuid4()}",
                expires=as_datetime(self.clock.now_ns()) + timedelta(days=3650),
            )
        colleagues = Colleagues(
            url=f"http://127.0.0.1:{self.options.port}",
            tokens=tokens,
            seed=self.options.seed,
            taken=lambda: self.control.taken,
            now=lambda: as_datetime(self.clock.now_ns()),
        )
        await colleagues.run()


def run_demo(options: DemoOptions) -> None:
    """Run the demo until Ctrl-C or SIGTERM.

    Raises
    ------
    ConflictError
        The port is taken, or a demo already runs on this folder.
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
                f"[bold]The bridge is at http://127.0.0.1:{options.port}[/bold] "
                "(one click signs you in; API: Authorization: Bearer demo). Ctrl-C stops."
            )
            await run.play(console)

    try:
        asyncio.run(until_stopped())
    except asyncio.CancelledError:
        console.print("Stopped; the same command goes on where it was.")


@asynccontextmanager
async def open_demo(options: DemoOptions, console: Console) -> AsyncIterator[Run]:
    """Start broker and service and hand out a run that has not begun to play."""
    folder = options.folder or default_folder(options)
    if options.fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "demo.json"
    memory = Memory.load(file) or _first(options)
    memory.speed = options.speed
    clock = ScaledClock(memory.now_ns, speed=0.0)
    control = DemoControl(clock, memory)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(demo_broker(folder / "broker"))
        console.print(f"Broker: {address.name} on port {address.port}.", style="dim")
        settings = _settings(options, folder, address.port)
        service = await stack.enter_async_context(build(settings, clock=clock, demo=control))
        fleet = Fleet(
            FleetOptions(options.seed, memory.start_ns, faults=options.faults != "none")
        )
        fleet.repair_again(memory.repairs)
        await _put_catalog(service, fleet, clock)
        feeder = Feeder(fleet, Broker(port=address.port), client_id="demo-fleet")
        stack.push_async_callback(_stop_quietly)
        async with service.running():
            run = Run(options, memory, file, clock, control, fleet, feeder, service)
            try:
                yield run
            finally:
                memory.now_ns = clock.now_ns() if memory.live else memory.now_ns
                run._save()  # noqa: SLF001 - the last word of this run


async def _stop_quietly() -> None:
    sys.stderr.flush()


def default_folder(options: DemoOptions) -> Path:
    """Return where a demo of this seed keeps its data: the user's cache folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = f"seed-{options.seed}" + ("-healthy" if options.faults == "none" else "")
    return base / "bridge" / "demo" / name


def _first(options: DemoOptions) -> Memory:
    day_ns = 86_400 * NS_PER_S
    start_ns = (SystemClock().now_ns() // day_ns - options.history_days) * day_ns
    return Memory(start_ns=start_ns, now_ns=start_ns, speed=options.speed)


def _settings(options: DemoOptions, folder: Path, broker_port: int) -> Settings:
    tree: dict[str, Any] = {
        "service": {"data_folder": str(folder / "data"), "log_level": "warning"},
        "broker": {"port": broker_port, "client_id": "bridge-demo"},
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
        "web": {"port": options.port, "public_url": f"http://127.0.0.1:{options.port}"},
    }
    return Settings(file_tree=tree)  # type: ignore[call-arg]


async def _put_catalog(service: Service, fleet: Fleet, clock: ScaledClock) -> None:
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


__all__ = ["ConflictError", "DemoOptions", "run_demo"]
