"""Opens what the settings name: sources, journal, stores, records, channels.

Adapters are imported where they are opened: a command that asks the records for a token need
not load a database of series and a broker's client.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.app.settings import MappingSection, Settings, WebhookSection
from bridge.codec.payloads import Limits, Mapping
from bridge.flow.clock import Clock, SystemClock
from bridge.flow.ports import Channel, Journal, SeriesStore, Source

if TYPE_CHECKING:
    from bridge.adapters.channels.smtp import SmtpChannel
    from bridge.adapters.channels.webhook import WebhookChannel
    from bridge.adapters.journal.sqlite import SqliteJournal
    from bridge.adapters.mqtt.options import MqttOptions
    from bridge.adapters.records.records import Records

GIB = 1 << 30


def mappings(settings: Settings) -> list[Mapping]:
    """Return the payload mappings; the service's tenant stands in where a topic names none.

    Raises
    ------
    InputError
        A mapping's parts do not go together; it says which.
    """
    return [_mapping(each, settings.service.tenant) for each in settings.intake.mapping]


def limits(settings: Settings) -> Limits:
    """Return what one message and one tenant may take up."""
    intake = settings.intake
    return Limits(
        payload_bytes_max=intake.payload_bytes_max,
        rows_max=intake.rows_max,
        tenants_max=intake.tenants_max,
        assets_max=intake.assets_max,
        signals_max=intake.signals_max,
        asset_signals_max=intake.signals_per_asset_max,
    )


def make_source(settings: Settings, clock: Clock) -> Source:
    """Return the source that the settings name, not yet connected."""
    from bridge.adapters.mqtt.mqtt5_source import Mqtt5Source
    from bridge.adapters.mqtt.paho_source import PahoSource

    options = mqtt_options(settings)
    if settings.broker.protocol == "mqtt5":
        return Mqtt5Source(options, clock=clock)
    return PahoSource(options, clock=clock)


async def open_journal(settings: Settings) -> "SqliteJournal":
    """Open the journal in the data folder."""
    from bridge.adapters.journal.sqlite import JournalOptions, SqliteJournal

    folder = settings.service.data_folder
    folder.mkdir(parents=True, exist_ok=True)
    cap_bytes = int(settings.journal.cap_gib * GIB)
    return await SqliteJournal.open(folder / "journal.db", JournalOptions(cap_bytes=cap_bytes))


@asynccontextmanager
async def open_series(settings: Settings) -> AsyncIterator[SeriesStore]:
    """Open the series store that the settings name; closes it on leaving."""
    store: SeriesStore
    if settings.series.kind == "influxdb":
        from bridge.adapters.series.influx import InfluxOptions, InfluxStore

        store = InfluxStore(
            InfluxOptions(
                url=settings.series.url,
                org=settings.series.org,
                token=settings.series.secret,
                bucket_prefix=settings.series.bucket_prefix,
            )
        )
    else:
        from bridge.adapters.series.duckdb import DuckDbStore

        settings.service.data_folder.mkdir(parents=True, exist_ok=True)
        store = await DuckDbStore.open(settings.service.data_folder / "series.duckdb")
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_records(settings: Settings) -> AsyncIterator["Records"]:
    """Open the records and bring their tables up to date; closes them on leaving."""
    from bridge.adapters.records.records import Records

    if settings.records.secret is None:
        settings.service.data_folder.mkdir(parents=True, exist_ok=True)
    async with await Records.open(settings.records_url) as records:
        yield records


def smtp_channel(settings: Settings) -> "SmtpChannel | None":
    """Return the e-mail channel, or None where no host is set."""
    from bridge.adapters.channels.smtp import SmtpChannel, SmtpOptions

    smtp = settings.channels.smtp
    if smtp.host is None:
        return None
    return SmtpChannel(
        SmtpOptions(
            host=smtp.host,
            port=smtp.port,
            sender=smtp.sender,
            username=smtp.user or "",
            password=smtp.secret or "",
            security=smtp.security,
        )
    )


def webhook_channel(section: WebhookSection) -> "WebhookChannel":
    """Return one signed webhook."""
    from bridge.adapters.channels.webhook import WebhookChannel, WebhookOptions

    return WebhookChannel(
        WebhookOptions(name=section.name, url=section.url, secret=section.secret)
    )


def channel_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the channels that `open_channels` opens."""
    hooks = settings.channels.webhook
    return ("console", "journal", "email", *(f"webhook:{hook.name}" for hook in hooks))


@asynccontextmanager
async def open_channels(
    settings: Settings, journal: Journal
) -> AsyncIterator[dict[str, Channel]]:
    """Open every channel by its name; closes their connections on leaving.

    Without a mail server, mail counts as delivered by being shown in the console.
    """
    from bridge.adapters.channels.console import ConsoleChannel
    from bridge.adapters.channels.journal import JournalChannel

    async with AsyncExitStack() as stack:
        channels: dict[str, Channel] = {
            "console": ConsoleChannel(),
            "journal": JournalChannel(journal),
            "email": smtp_channel(settings) or ConsoleChannel(name="email"),
        }
        for hook in settings.channels.webhook:
            channel = await stack.enter_async_context(webhook_channel(hook))
            channels[channel.name] = channel
        yield channels


async def ask_broker(settings: Settings) -> str:
    """Connect to the broker once, as another client than the service, and say how it went.

    It keeps no session and joins no group: a session would fill with messages that nobody
    fetches, a group would give it some of the service's.
    """
    broker = settings.broker
    alone = {
        "client_id": f"{broker.client_id}-check", "session_expiry_s": 0, "share_group": None,
    }  # fmt: skip
    probe = settings.model_copy(update={"broker": broker.model_copy(update=alone)})
    async with make_source(probe, SystemClock()) as source:
        return f"{broker.host}:{broker.port} by {broker.protocol}: {source.status.detail}"


async def ask_smtp(settings: Settings) -> str:
    """Ask the mail server for its name."""
    channel = smtp_channel(settings)
    return await channel.ping() if channel else "no host"


async def ask_webhook(section: WebhookSection) -> str:
    """Ask a webhook's receiver whether it is there."""
    async with webhook_channel(section) as channel:
        return await channel.ping()


def snapshots(settings: Settings) -> Path:
    """Return the folder of the watch's snapshots."""
    return settings.service.data_folder / "snapshots"


def _mapping(section: MappingSection, tenant: str) -> Mapping:
    return Mapping(
        topic=section.topic,
        format=section.format,
        time_key=section.time_key,
        time_unit=section.time_unit,
        shape=section.shape,
        signals_key=section.signals_key or "",
        asset_key=section.asset_key,
        tenant=section.tenant or tenant,
        names=section.names,
        ignore=section.ignore,
    )


def mqtt_options(settings: Settings) -> "MqttOptions":
    """Return how to reach the broker and what to take from it; raises InputError."""
    from bridge.adapters.mqtt.options import MqttOptions, TlsOptions

    broker = settings.broker
    tls = (
        TlsOptions(broker.tls_ca, broker.tls_certificate, broker.tls_key)
        if broker.tls
        else None
    )
    filters = tuple(dict.fromkeys(each.template.filter for each in mappings(settings)))
    return MqttOptions(
        host=broker.host,
        port=broker.port,
        client_id=broker.client_id,
        filters=filters,
        share_group=broker.share_group or "",
        username=broker.user or "",
        password=broker.secret or "",
        tls=tls,
        keep_alive_s=broker.keep_alive_s,
        session_expiry_s=broker.session_expiry_s,
        unacknowledged_max=broker.unacknowledged_max,
        unacknowledged_bytes_max=broker.unacknowledged_bytes_max,
        coalesce_ms=broker.coalesce_ms,
        connect_timeout_s=broker.connect_timeout_s,
        subscriptions_file=settings.service.data_folder / "subscriptions.json",
    )
