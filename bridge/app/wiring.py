"""Makes the parts of each role from what the service has opened.

What a role needs is imported where the role is wired: a process that only takes messages in
need not load detection and the console.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bridge.adapters.records.records import Records
from bridge.app import opening
from bridge.app.settings import Settings
from bridge.app.wording import load_wording
from bridge.flow.clock import Clock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Demo, Journal, Retention, SeriesStore, Source
from bridge.flow.supervision import Part
from bridge.model.slots import SlotTable

log = structlog.get_logger()
GATEWAYS_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Opened:
    """What the parts run on; `series` is None where no role of this process needs it."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    journal: Journal
    series: SeriesStore | None
    records: Records


class Wiring:
    """Makes the parts of the roles that run in this process.

    Parameters
    ----------
    opened : Opened
        Their ports.
    demo : Demo or None
        The demo's clock and seats, for the console.

    Attributes
    ----------
    troubles : list of callable
        Each gives reasons by part why the service is not ready; empty means ready.
    """

    def __init__(self, opened: Opened, demo: Demo | None = None) -> None:
        self._opened = opened
        self._demo = demo
        self._wording = load_wording(opened.settings.web.address)
        self._source: Source | None = None
        self._gateways: dict[tuple[str, str], str] = {}
        self.troubles: list[Callable[[], dict[str, str]]] = []

    async def parts(self) -> list[Part]:
        """Return the parts of this process's roles, in the order of start.

        Raises
        ------
        InputError
            The settings of a part do not go together: no restart would mend it.
        """
        makers: dict[str, Callable[[], Awaitable[list[Part]]]] = {
            "desk": self._desk,
            "watch": self._watch,
            "archive": self._archive,
            "web": self._web,
            "intake": self._intake,
        }
        chosen = self._opened.settings.service.roles
        parts = [
            part for role, make in makers.items() if role in chosen for part in await make()
        ]
        return [*parts, self._gauges()]

    def _gauges(self) -> Part:
        from bridge.flow.gauges import GaugeOptions, Gauges

        opened, settings = self._opened, self._opened.settings
        gauges = Gauges(
            journal=opened.journal,
            inbox=opened.records.inbox,
            outbox=opened.records.outbox,
            clock=opened.clock,
            metrics=opened.metrics,
            source=lambda: self._source.status if self._source else None,
            options=GaugeOptions(
                unacknowledged_max=settings.broker.unacknowledged_max,
                channels=opening.channel_names(settings),
            ),
        )
        return Part("gauges", gauges.run)

    async def _intake(self) -> list[Part]:
        from bridge.flow.intake import Intake, IntakeOptions
        from bridge.flow.lookout import Lookout, LookoutOptions

        opened, settings = self._opened, self._opened.settings
        mappings = opening.mappings(settings)
        opening.make_source(
            settings, opened.clock
        )  # what it refuses is refused before the start
        slots = SlotTable()
        slots.absorb(await opened.journal.slots())
        await self._learn_gateways()
        options = IntakeOptions(limits=opening.limits(settings), gateway_of=self._gateway_of)

        async def run() -> None:
            async with opening.make_source(settings, opened.clock) as source:
                self._source = source
                log.info(
                    "broker connected", broker=f"{settings.broker.host}:{settings.broker.port}"
                )
                intake = Intake(
                    source=source,
                    journal=opened.journal,
                    mappings=mappings,
                    slots=slots,
                    metrics=opened.metrics,
                    options=options,
                )
                await intake.run()

        self.troubles.append(self._broker_troubles)
        lookout = Lookout(
            journal=opened.journal,
            inbox=opened.records.inbox,
            clock=opened.clock,
            dropped=self._dropped,
            options=LookoutOptions(tenant=settings.service.tenant),
            memory=settings.service.data_folder / "broker-dropped",
        )
        return [
            Part("intake", run),
            Part("gateways", self._follow_gateways),
            Part("lookout", lookout.run),
        ]

    def _dropped(self) -> int | None:
        return self._source.status.broker_dropped if self._source else None

    def _broker_troubles(self) -> dict[str, str]:
        if self._source is None or self._source.status.connected:
            return {}
        return {"broker": self._source.status.detail}

    def _gateway_of(self, tenant: str, asset: str) -> str | None:
        """Return the gateway that may speak for an asset; None where no catalog names it."""
        return self._gateways.get((tenant, asset))

    async def _follow_gateways(self) -> None:
        """Learn of new catalogs; intake refuses what a gateway says of another's asset."""
        while True:
            await asyncio.sleep(GATEWAYS_EVERY_S)
            await self._learn_gateways()

    async def _learn_gateways(self) -> None:
        catalogs = self._opened.records.catalogs
        found: dict[tuple[str, str], str] = {}
        for tenant in await catalogs.tenants():
            latest = await catalogs.latest(tenant)
            assets = latest[1].assets if latest else ()
            found |= {(tenant, each.id): each.gateway or "" for each in assets}
        self._gateways = found

    async def _archive(self) -> list[Part]:
        from bridge.flow.archive import Archive, ArchiveOptions

        opened, series = self._opened, self._opened.settings.series
        assert opened.series is not None
        archive = Archive(
            journal=opened.journal,
            store=opened.series,
            metrics=opened.metrics,
            clock=opened.clock,
            options=ArchiveOptions(
                retention=Retention(
                    series.raw_days, series.downsampled_days, series.downsample_s
                ),
                when_full=opened.settings.journal.when_full,
            ),
        )

        def troubles() -> dict[str, str]:
            waiting = archive.status.state == "waiting"
            return {"series": archive.status.detail} if waiting else {}

        self.troubles.append(troubles)
        return [Part("archive", archive.run)]

    async def _watch(self) -> list[Part]:
        from bridge.flow.watch import Watch, WatchOptions

        opened, watch = self._opened, self._opened.settings.watch
        assert opened.series is not None
        part = Watch(
            journal=opened.journal,
            inbox=opened.records.inbox,
            catalogs=opened.records.catalogs,
            series=opened.series,
            clock=opened.clock,
            metrics=opened.metrics,
            folder=opening.snapshots(opened.settings),
            options=WatchOptions(
                snapshot_every_s=watch.snapshot_every_s,
                status_every_s=watch.status_every_s,
                lateness_s=watch.lateness_s,
            ),
        )

        def troubles() -> dict[str, str]:
            return {"watch": part.status.detail} if part.status.state == "waiting" else {}

        self.troubles.append(troubles)
        return [Part("watch", part.run)]

    async def _desk(self) -> list[Part]:
        from bridge.flow.desk import Desk, DeskOptions
        from bridge.flow.outbox import OutboxLoop, OutboxOptions

        opened, settings = self._opened, self._opened.settings
        desk = Desk(
            store=opened.records.desk,
            catalogs=opened.records.catalogs,
            wording=self._wording,
            clock=opened.clock,
            metrics=opened.metrics,
            options=DeskOptions(
                tick_s=settings.desk.tick_s,
                webhooks=tuple(hook.name for hook in settings.channels.webhook),
                public_url=settings.web.address,
            ),
        )
        options = OutboxOptions(attempts_max=settings.channels.attempts_max)

        async def deliver() -> None:
            async with opening.open_channels(settings, opened.journal) as channels:
                outbox = OutboxLoop(
                    outbox=opened.records.outbox,
                    channels=channels,
                    inbox=opened.records.inbox,
                    clock=opened.clock,
                    metrics=opened.metrics,
                    options=options,
                )
                await outbox.run()

        return [Part("desk", desk.run), Part("outbox", deliver)]

    async def _web(self) -> list[Part]:
        from bridge.app.listening import listen
        from bridge.web.application import create_app
        from bridge.web.context import WebContext, WebOptions

        opened, web = self._opened, self._opened.settings.web
        assert opened.series is not None
        context = WebContext(
            views=opened.records.views,
            inbox=opened.records.inbox,
            people=opened.records.people,
            catalogs=opened.records.catalogs,
            series=opened.series,
            journal=opened.journal,
            clock=opened.clock,
            metrics=opened.metrics,
            texts=self._wording,
            ready=self._reasons,
            demo=self._demo,
            secure=web.tls_certificate is not None or web.behind_proxy,
            tenant=opened.settings.service.tenant,
            options=WebOptions(session_hours=web.session_hours, origins=web.origins),
        )
        app = create_app(context)

        async def run() -> None:
            await listen(app, web)

        return [Part("web", run)]

    def _reasons(self) -> dict[str, str]:
        return {part: why for each in self.troubles for part, why in each().items()}
