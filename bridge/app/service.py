"""Wires the parts of the roles that run here, and runs them."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from typing_extensions import override

from bridge.adapters.channels.console import ConsoleChannel
from bridge.adapters.channels.journal import JournalChannel
from bridge.adapters.journal.lock import DataFolder
from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.adapters.records.records import Records
from bridge.app import logs, opening
from bridge.app.settings import Settings
from bridge.app.wording import load_wording
from bridge.cases.wording import Wording
from bridge.flow.archive import Archive, ArchiveOptions
from bridge.flow.clock import Clock, SystemClock
from bridge.flow.desk import Desk, DeskOptions
from bridge.flow.intake import Intake, IntakeOptions
from bridge.flow.metrics import Metrics
from bridge.flow.outbox import OutboxLoop, OutboxOptions
from bridge.flow.ports import (
    CatalogStore,
    Channel,
    Demo,
    Inbox,
    People,
    Retention,
    SeriesStore,
    Source,
    Views,
)
from bridge.flow.supervision import Part, SupervisionOptions, Supervisor
from bridge.flow.watch import Watch, WatchOptions
from bridge.model.errors import ConflictError
from bridge.model.slots import SlotTable
from bridge.web.application import create_app
from bridge.web.context import WebContext, WebOptions

log = structlog.get_logger()
CAUGHT_UP_EVERY_S = 0.02
GAUGES_EVERY_S = 2.0
GATEWAYS_EVERY_S = 30.0


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
        service = Service(
            settings, clock, metrics, journal, series, records, Supervisor([], metrics)
        )
        wiring = _Wiring(service, demo, load_wording(settings.web.address))
        parts = [*await wiring.parts(), Part("gauges", wiring.gauges)]
        options = SupervisionOptions(stop_s=settings.service.stop_timeout_s / len(parts))
        service.supervisor = Supervisor(parts, metrics, options)
        yield service


class _Wiring:
    """Makes the parts of each role from the ports of a service."""

    def __init__(self, service: Service, demo: Demo | None, wording: Wording) -> None:
        self._service = service
        self._demo = demo
        self._wording = wording
        self._source: Source | None = None
        self._gateways: dict[tuple[str, str], str] = {}

    async def parts(self) -> list[Part]:
        """Return the parts of this process's roles, in the order of start."""
        makers: dict[str, Callable[[], Awaitable[list[Part]]]] = {
            "desk": self._desk,
            "watch": self._watch,
            "archive": self._archive,
            "web": self._web,
            "intake": self._intake,
        }
        chosen = self._service.settings.service.roles
        return [
            part for role, make in makers.items() if role in chosen for part in await make()
        ]

    async def gauges(self) -> None:
        """Keep the gauges of journal and offsets fresh."""
        service, metrics = self._service, self._service.metrics
        while True:
            usage = await service.journal.usage()
            metrics.journal_bytes.set(usage.used_bytes)
            metrics.journal_cap_bytes.set(usage.cap_bytes)
            if self._source is not None and self._source.status.broker_dropped is not None:
                metrics.broker_dropped.set(self._source.status.broker_dropped)
            await asyncio.sleep(GAUGES_EVERY_S)

    async def _intake(self) -> list[Part]:
        service, settings = self._service, self._service.settings
        slots = SlotTable()
        slots.absorb(await service.journal.slots())
        await self._learn_gateways()

        async def run() -> None:
            async with opening.make_source(settings, service.clock) as source:
                self._source = source
                intake = Intake(
                    source=source,
                    journal=service.journal,
                    mappings=opening.mappings(settings),
                    slots=slots,
                    metrics=service.metrics,
                    options=IntakeOptions(
                        limits=opening.limits(settings), gateway_of=self._gateway_of
                    ),
                )
                await intake.run()

        return [Part("intake", run), Part("gateways", self._follow_gateways)]

    def _gateway_of(self, tenant: str, asset: str) -> str | None:
        """Return the gateway that may speak for an asset; None where no catalog names it."""
        return self._gateways.get((tenant, asset))

    async def _follow_gateways(self) -> None:
        """Learn of new catalogs; intake refuses what a gateway says of another's asset."""
        while True:
            await asyncio.sleep(GATEWAYS_EVERY_S)
            await self._learn_gateways()

    async def _learn_gateways(self) -> None:
        catalogs = self._service.catalogs
        for tenant in await catalogs.tenants():
            latest = await catalogs.latest(tenant)
            assets = latest[1].assets if latest else ()
            self._gateways |= {(tenant, each.id): each.gateway or "" for each in assets}

    async def _archive(self) -> list[Part]:
        service, series = self._service, self._service.settings.series
        assert service.series is not None
        archive = Archive(
            journal=service.journal,
            store=service.series,
            metrics=service.metrics,
            clock=service.clock,
            options=ArchiveOptions(
                retention=Retention(
                    series.raw_days, series.downsampled_days, series.downsample_s
                ),
                when_full=service.settings.journal.when_full,
            ),
        )
        return [Part("archive", archive.run)]

    async def _watch(self) -> list[Part]:
        service, watch = self._service, self._service.settings.watch
        part = Watch(
            journal=service.journal,
            inbox=service.inbox,
            catalogs=service.catalogs,
            series=service.series,
            clock=service.clock,
            metrics=service.metrics,
            folder=opening.snapshots(service.settings),
            options=WatchOptions(
                snapshot_every_s=watch.snapshot_every_s,
                status_every_s=watch.status_every_s,
                lateness_s=watch.lateness_s,
            ),
        )
        return [Part("watch", part.run)]

    async def _desk(self) -> list[Part]:
        service, settings = self._service, self._service.settings
        channels: dict[str, Channel] = {
            "console": ConsoleChannel(),
            "journal": JournalChannel(service.journal),
        }
        smtp = opening.smtp_channel(settings)
        channels["email"] = smtp or ConsoleChannel(name="email")
        for hook in settings.channels.webhook:
            channels[f"webhook:{hook.name}"] = opening.webhook_channel(hook)
        desk = Desk(
            store=service.records.desk,
            catalogs=service.catalogs,
            wording=self._wording,
            clock=service.clock,
            metrics=service.metrics,
            options=DeskOptions(
                tick_s=settings.desk.tick_s,
                webhooks=tuple(hook.name for hook in settings.channels.webhook),
                public_url=settings.web.address,
            ),
        )
        outbox = OutboxLoop(
            outbox=service.records.outbox,
            channels=channels,
            inbox=service.inbox,
            clock=service.clock,
            metrics=service.metrics,
            options=OutboxOptions(attempts_max=settings.channels.attempts_max),
        )
        return [Part("desk", desk.run), Part("outbox", outbox.run)]

    async def _web(self) -> list[Part]:
        service, web = self._service, self._service.settings.web
        assert service.series is not None
        context = WebContext(
            views=service.views,
            inbox=service.inbox,
            people=service.people,
            catalogs=service.catalogs,
            series=service.series,
            journal=service.journal,
            clock=service.clock,
            metrics=service.metrics,
            texts=self._wording,
            ready=self._reasons,
            demo=self._demo,
            secure=web.tls_certificate is not None or web.behind_proxy,
            tenant=service.settings.service.tenant,
            options=WebOptions(session_hours=web.session_hours),
        )
        app = create_app(context)

        async def run() -> None:
            await _serve_web(app, service.settings)

        return [Part("web", run)]

    def _reasons(self) -> dict[str, str]:
        reasons = self._service.supervisor.reasons()
        if self._source is not None and not self._source.status.connected:
            reasons["broker"] = self._source.status.detail
        return reasons


async def _serve_web(app: object, settings: Settings) -> None:
    web = settings.web
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=web.host,
        port=web.port,
        ssl_certfile=web.tls_certificate,
        ssl_keyfile=str(web.tls_key) if web.tls_key else None,
        proxy_headers=web.behind_proxy,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    try:
        await server.serve()
    except SystemExit as error:
        raise ConflictError(
            f"port {web.port} on {web.host} is taken; stop what holds it, "
            "or choose another: --set web.port=8081 (demo: --port 8081)"
        ) from error
    except asyncio.CancelledError:
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                await server.shutdown()
        raise


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service decides when to stop."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(settings: Settings) -> None:
    """Run the service until SIGINT or SIGTERM."""
    logs.set_up(settings.service.log_format, settings.service.log_level)

    async def until_stopped() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        async with build(settings) as service:
            log.info(
                "service started",
                roles=",".join(settings.service.roles),
                data=str(settings.service.data_folder),
                console=settings.web.address if "web" in settings.service.roles else None,
            )
            await service.run()

    try:
        asyncio.run(until_stopped())
    except asyncio.CancelledError:
        log.info("service stopped")
    except BaseExceptionGroup as group:
        conflicts = group.subgroup(ConflictError)
        if conflicts is None:
            raise
        first = conflicts.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        sys.stderr.write(f"bridge: {first}\n")
        raise SystemExit(1) from group
