"""One run of the demo: history as fast as it goes, then live; repairs; colleagues."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.app.demo_state import DemoControl, Memory
from bridge.app.service import Service
from bridge.cases.events import Acted, CaseOpened, Event, RepairRecorded, SalesSideOpened
from bridge.flow.clock import ScaledClock
from bridge.model.instants import NS_PER_S, as_datetime, as_ns
from simulators.colleagues import Colleagues
from simulators.feeder import Feeder, Pace
from simulators.fleet import Fleet

CHUNK_S = 6 * 3600
STEP_S = 30 * 60
"""The clock runs on in such steps: shorter than what makes a silent machine missed."""

SETTLE_S = 0.005
STEP_PATIENCE_S = 2.0
PATIENCE_S = 60.0
KEEP_EVERY_S = 1.0
BACKLOG_MAX = 300
"""Journal records that detection may be behind before the demo's clock waits for it."""

TOKEN_DAYS = 36_500
"""The demo's clock may run for years in a night."""


@dataclass(slots=True)
class Run:
    """One run of the demo, from its open service on."""

    memory: Memory
    file: Path
    url: str
    clock: ScaledClock
    control: DemoControl
    fleet: Fleet
    feeder: Feeder
    service: Service
    console: Console
    began_s: float
    first_case_s: float | None = None

    async def play(self) -> None:
        """Play the history that is missing, then go live until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_events(), name="demo events")
            group.create_task(self._colleagues(), name="demo colleagues")
            if not self.memory.live:
                await self.history()
                self.memory.live = True
                self.save()
                self.console.print("Live: the clock in the page's header sets the speed.")
            self.control.progress = 1.0
            self.control.apply()
            group.create_task(self.feeder.live(self.clock), name="demo feeder")
            group.create_task(self._keep(), name="demo memory")

    async def history(self) -> None:
        """Play the history from where it was left to its end."""
        start_ns, end_ns = self.memory.start_ns, self.memory.history_end_ns
        await self._catalog_known()
        before = self._taken_in() - self.feeder.values
        pace = Pace(STEP_S, self.clock.move_to, lambda: self._journalled(before))
        async with self._bar(end_ns - start_ns) as bar:
            while self.feeder.fed_ns < end_ns:
                until_ns = min(self.feeder.fed_ns + CHUNK_S * NS_PER_S, end_ns)
                await self.feeder.feed(until_ns, pace)
                await self._caught_up()
                self.memory.now_ns = until_ns
                self.save()
                self.control.progress = (until_ns - start_ns) / (end_ns - start_ns)
                bar.update(
                    bar.task_ids[0],
                    completed=until_ns - start_ns,
                    day=f"{as_datetime(until_ns):%d %b}",
                )

    def save(self) -> None:
        """Remember where the demo is."""
        if self.memory.live:
            self.memory.now_ns = self.clock.now_ns()
        self.memory.fed_ns = self.feeder.fed_ns
        self.memory.repairs = self.fleet.repairs()
        self.memory.save(self.file)

    @asynccontextmanager
    async def _bar(self, total: int) -> AsyncIterator[Progress]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[day]}"),
            TimeElapsedColumn(),
        )
        if not self.console.is_terminal:
            self.console.print("Playing weeks of history; the page shows how far it is.")
        with Progress(*columns, console=self.console, transient=True) as bar:
            bar.add_task("Playing weeks of history", total=total, day="")
            yield bar

    async def _catalog_known(self) -> None:
        """Wait until detection knows the machines, so that no row comes before its model."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            if (await self.service.journal.usage()).last_offset:
                break
            await asyncio.sleep(SETTLE_S)
        await self._caught_up()

    def _taken_in(self) -> int:
        """Return how many values the service has journalled since it started."""
        registry = self.service.metrics.registry
        return int(registry.get_sample_value("bridge_samples_total") or 0)

    async def _journalled(self, before: int) -> None:
        """Wait until all that was sent is journalled; not long for what is refused."""
        deadline_s = time.monotonic() + STEP_PATIENCE_S
        while self._taken_in() - before < self.feeder.values:
            if time.monotonic() > deadline_s:
                return
            await asyncio.sleep(SETTLE_S)

    async def _caught_up(self) -> None:
        """Wait until detection and desk are done with all that is journalled."""
        while True:
            try:
                await self.service.caught_up(timeout_s=PATIENCE_S)
            except TimeoutError:
                behind = await self.service.backlog()
                self.console.print(f"Detection is {behind} records behind; waiting for it.")
            else:
                return

    async def _keep(self) -> None:
        """Remember the clock, and let it wait where detection is behind."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            self.control.hold(held=await self.service.backlog() > BACKLOG_MAX)
            self.save()

    async def _watch_events(self) -> None:
        """Repair the simulated machine when somebody, visitor or colleague, repaired a case."""
        views, tenant = self.service.views, self.service.settings.service.tenant
        while True:
            after = self.memory.events
            for stored in await views.events(tenant, after=after):
                await self._happened(stored.event)
                self.memory.events = stored.seq
            if self.memory.events == after:
                await views.wait_events(after=after, timeout_s=1.0)

    async def _happened(self, event: Event) -> None:
        match event:
            case Acted(do="execute", case=case_id) if case_id is not None:
                case = await self.service.views.case(event.tenant, case_id)
                if case is not None:
                    self._repair(case.asset, event)
            case RepairRecorded():
                self._repair(event.asset, event)
            case CaseOpened() | SalesSideOpened() if self.first_case_s is None:
                await self._first_case(event)
            case _:
                pass

    async def _first_case(self, event: CaseOpened | SalesSideOpened) -> None:
        """Say once that there is something to look at: a case with a task for either side."""
        case = event.case and await self.service.views.case(event.tenant, event.case)
        if case and case.sales is not None:
            self.first_case_s = time.monotonic() - self.began_s
            self.console.print(
                f"{case.label}: {case.asset}, {case.facts.mode_name or case.mode}; a task for "
                f"engineering, one for sales, {self.first_case_s:.0f} s after the start."
            )

    def _repair(self, asset: str, event: Event) -> None:
        if asset in self.fleet.machines:
            self.fleet.repair(asset, as_ns(event.at))

    async def _colleagues(self) -> None:
        """Let colleagues act; while history plays they only acknowledge, the rest is live."""
        people = [person["id"] for person in self.fleet.tree["people"]]
        tenant = self.service.settings.service.tenant
        expires = as_datetime(self.clock.now_ns()) + timedelta(days=TOKEN_DAYS)
        tokens = {}
        for person in people:
            name = f"demo-colleague-{person}"
            await self.service.people.revoke_token(tenant, name)
            tokens[person] = await self.service.people.issue_token(
                tenant, person, name, expires=expires
            )
        colleagues = Colleagues(
            url=self.url,
            tokens=tokens,
            reader="co-dana",
            seed=self.memory.seed,
            taken=self.control.taken,
            now=lambda: as_datetime(self.clock.now_ns()),
            allowed=lambda act: self.memory.live or act == "acknowledge",
            acting=self.control.acting,
        )
        await colleagues.run()
