"""Opens the service of the roles that run here, runs its parts, and stops them."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from bridge.adapters.journal.lock import DataFolder
from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.adapters.records.records import Records
from bridge.app import logs, opening
from bridge.app.settings import Settings
from bridge.app.wiring import Opened, Wiring
from bridge.flow.clock import Clock, SystemClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import CatalogStore, Demo, Inbox, People, SeriesStore, Views
from bridge.flow.supervision import SupervisionOptions, Supervisor
from bridge.model.errors import ConflictError

log = structlog.get_logger()
CAUGHT_UP_EVERY_S = 0.02


@dataclass(slots=True)
class Service:
    """An open service; `running` runs its parts.

    Attributes
    ----------
    settings : Settings
    journal, series, records
        The stores of this process's roles.
    supervisor : Supervisor
        What runs, and how each part stands.
    """

    settings: Settings
    clock: Clock
    metrics: Metrics
    journal: SqliteJournal
    series: SeriesStore | None
    records: Records
    supervisor: Supervisor

    @property
    def inbox(self) -> Inbox:
        """The desk's queue."""
        return self.records.inbox

    @property
    def views(self) -> Views:
        """The read side."""
        return self.records.views

    @property
    def people(self) -> People:
        """Sign-in and tokens."""
        return self.records.people

    @property
    def catalogs(self) -> CatalogStore:
        """Versions of the catalog."""
        return self.records.catalogs

    async def run(self) -> None:
        """Run all parts until cancelled."""
        await self.supervisor.run()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all parts while the block lasts."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(), name="service")
            try:
                yield
            finally:
                task.cancel()

    async def backlog(self) -> int:
        """Return how many journal records detection has not finished."""
        usage = await self.journal.usage()
        return usage.last_offset - await self.inbox.offset("watch")

    async def caught_up(self, *, timeout_s: float) -> None:
        """Wait until detection and desk have handled all that is journalled.

        Raises
        ------
        TimeoutError
            They have not in that time.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                if await self.backlog() <= 0 and not await self._unhandled():
                    return
                await asyncio.sleep(CAUGHT_UP_EVERY_S)

    async def last_event(self) -> int:
        """Return the number of the newest event of the service's tenant."""
        return await self.views.last_event(self.settings.service.tenant)

    async def _unhandled(self) -> bool:
        desk = self.records.desk
        return any([await desk.next_inputs(tenant, limit=1) for tenant in await desk.tenants()])


@asynccontextmanager
async def build(
    settings: Settings, *, clock: Clock | None = None, demo: Demo | None = None
) -> AsyncIterator[Service]:
    """Open everything that the settings' roles need; closes in reverse order on leaving.

    Raises
    ------
    ConflictError
        Another service holds the data folder.
    UnavailableError
        A store does not answer.
    """
    clock = clock or SystemClock()
    metrics = Metrics()
    roles = settings.service.roles
    async with AsyncExitStack() as stack:
        for role in roles:
            stack.enter_context(DataFolder.lock(settings.service.data_folder, role))
        journal = await opening.open_journal(settings)
        stack.push_async_callback(journal.close)
        series: SeriesStore | None = None
        if {"archive", "watch", "web"} & set(roles):
            series = await stack.enter_async_context(opening.open_series(settings))
        records = await stack.enter_async_context(opening.open_records(settings))
        wiring = Wiring(Opened(settings, clock, metrics, journal, series, records), demo)
        parts = await wiring.parts()
        options = SupervisionOptions(stop_s=settings.service.stop_timeout_s / len(parts))
        supervisor = Supervisor(parts, metrics, options)
        wiring.troubles.append(supervisor.reasons)
        yield Service(settings, clock, metrics, journal, series, records, supervisor)


def serve(settings: Settings) -> None:
    """Run the service until SIGINT or SIGTERM.

    Raises
    ------
    ConflictError, InputError, UnavailableError
        What keeps the service from running at all: a second one on the same data folder or
        client id, a taken port, settings that do not go together, records that are away.
    """
    logs.set_up(settings.service.log_format, settings.service.log_level)
    try:
        asyncio.run(_until_stopped(settings))
    except asyncio.CancelledError:
        log.info("service stopped")
    except BaseExceptionGroup as group:
        conflicts = group.subgroup(ConflictError)
        if conflicts is None:
            raise
        first: BaseException = conflicts
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _until_stopped(settings: Settings) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    watchdog = threading.Timer(settings.service.stop_timeout_s, _give_up)
    watchdog.daemon = True

    def stop() -> None:
        if not watchdog.is_alive():
            log.info("service stopping")
            watchdog.start()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with build(settings) as service:
        # What was loaded stays for ever: looking through it again and again, and once more at
        # the end, would cost half a second of every stop.
        gc.collect()
        gc.freeze()
        log.info(
            "service started",
            roles=",".join(settings.service.roles),
            data=str(settings.service.data_folder),
            console=settings.web.address if "web" in settings.service.roles else None,
        )
        await service.run()


def _give_up() -> None:
    """End at once: whatever was promised is durable, and who waits for us has waited enough."""
    log.error("service did not stop in time")
    sys.stderr.flush()
    os._exit(1)
