"""One validated tree of settings, read once, before the first socket opens.

Order of precedence, the strongest first: ``--set section.key=value``, environment
(``BRIDGE_SECTION__KEY``), the TOML file, the defaults here. A secret may stand in a file of its
own: ``password_file`` instead of ``password``. `deploy/bridge.toml` documents every option; a
test holds it complete.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from bridge.app import options
from bridge.app.urls import Origin, Url
from bridge.model.errors import CatalogError, InputError

RoleName = Literal["intake", "archive", "watch", "desk", "web"]
ALL_ROLES: tuple[RoleName, ...] = ("intake", "archive", "watch", "desk", "web")
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def secret(self) -> str | None:
        """The section's secret in clear text; None where it has none."""
        return None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        """Read the secret once: a missing file shows before the first socket opens."""
        _ = self.secret
        return self


def _secret(value: SecretStr | None, file: Path | None, key: str) -> SecretStr | None:
    if value is not None and file is not None:
        raise ValueError(f"give either {key} or {key}_file, not both")
    if file is not None:
        try:
            value = SecretStr(file.read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            said = getattr(error, "strerror", None) or "no text in UTF-8"
            raise ValueError(f"{key}_file {file}: {said}") from error
    if value is not None and not value.get_secret_value():
        raise ValueError(f"{file or key} is empty: leave {key} out, or give one")
    return value


class ServiceSection(Section):
    """What every role shares."""

    data_folder: Path = Path("bridge-data")
    roles: tuple[RoleName, ...] = ALL_ROLES
    tenant: str = "default"
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    stop_timeout_s: Positive = 5.0


class BrokerSection(Section):
    """The MQTT broker."""

    protocol: Literal["mqtt5", "mqtt311"] = "mqtt5"
    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: str = "bridge"
    user: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    tls: bool = False
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    share_group: str | None = None
    keep_alive_s: Annotated[int, Field(ge=1, le=65535)] = 30
    session_expiry_s: Annotated[int, Field(ge=1)] = 7 * 86_400
    unacknowledged_max: Annotated[int, Field(ge=1, le=32_000)] = 20_000
    unacknowledged_bytes_max: Annotated[int, Field(ge=32 << 20)] = 64 << 20
    coalesce_ms: Annotated[float, Field(ge=0)] = 2.0
    connect_timeout_s: Positive = 10.0

    @property
    @override
    def secret(self) -> str | None:
        """The password in clear text, from the file or the value."""
        found = _secret(self.password, self.password_file, "password")
        return found.get_secret_value() if found else None

    @model_validator(mode="after")
    def _encrypted(self) -> "BrokerSection":
        files = (self.tls_ca, self.tls_certificate, self.tls_key)
        if not self.tls and any(files):
            raise ValueError("tls_ca, tls_certificate and tls_key need tls = true")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class MappingSection(Section):
    """How messages of some topics are read; see `bridge.codec`."""

    topic: str
    format: Literal["json", "senml", "scalar"] = "json"
    tenant: str | None = None
    time_key: str | None = None
    time_unit: Literal["s", "ms", "us", "ns", "iso"] = "ms"
    shape: Literal["root", "key", "rows", "columns"] = "root"
    signals_key: str | None = None
    asset_key: str | None = None
    names: dict[str, str] = {}
    ignore: tuple[str, ...] = ()


class IntakeSection(Section):
    """What is subscribed and how it is decoded."""

    mapping: tuple[MappingSection, ...] = (
        MappingSection(
            topic="{tenant}/{asset}/telemetry",
            time_key="ts",
            shape="key",
            signals_key="values",
        ),
    )
    payload_bytes_max: Annotated[int, Field(ge=1)] = 1_048_576
    tenants_max: Annotated[int, Field(ge=1)] = 1_000
    assets_max: Annotated[int, Field(ge=1)] = 200_000
    signals_max: Annotated[int, Field(ge=1)] = 2_000_000
    signals_per_asset_max: Annotated[int, Field(ge=1)] = 500
    rows_max: Annotated[int, Field(ge=1)] = 10_000


class JournalSection(Section):
    """The log that telemetry is durable in before it is acknowledged."""

    cap_gib: Positive = 8.0
    when_full: Literal["hold", "skip"] = "hold"


class SeriesSection(Section):
    """The store of the series."""

    kind: Literal["duckdb", "influxdb"] = "duckdb"
    url: Url = "http://127.0.0.1:8086"
    org: str = "bridge"
    token: SecretStr | None = None
    token_file: Path | None = None
    bucket_prefix: str = "bridge-"
    raw_days: Annotated[float, Field(ge=0)] = 400.0
    downsampled_days: Annotated[float, Field(ge=0)] = 0.0
    downsample_s: Positive = 3600.0

    @property
    @override
    def secret(self) -> str:
        """The token in clear text, from the file or the value."""
        found = _secret(self.token, self.token_file, "token")
        return found.get_secret_value() if found else ""


class RecordsSection(Section):
    """Events, projections, outbox, people: a SQLAlchemy URL; by default SQLite."""

    url: SecretStr | None = None
    url_file: Path | None = None

    @property
    @override
    def secret(self) -> str | None:
        """The URL with its password."""
        found = _secret(self.url, self.url_file, "url")
        return found.get_secret_value() if found else None


class WatchSection(Section):
    """Detection."""

    snapshot_every_s: Positive = 60.0
    status_every_s: Positive = 2.0
    lateness_s: Annotated[float, Field(ge=0)] | None = None


class DeskSection(Section):
    """The case desk."""

    tick_s: Positive = 30.0


class SmtpSection(Section):
    """E-mail to people."""

    host: str | None = None
    port: Port = 25
    sender: str = "bridge@localhost"
    user: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"

    @property
    @override
    def secret(self) -> str | None:
        """The password in clear text, from the file or the value."""
        found = _secret(self.password, self.password_file, "password")
        return found.get_secret_value() if found else None


class WebhookSection(Section):
    """One receiver of CloudEvents."""

    name: str
    url: Url
    secret_key: SecretStr | None = None
    secret_key_file: Path | None = None

    @property
    @override
    def secret(self) -> str:
        """The signing key in clear text."""
        found = _secret(self.secret_key, self.secret_key_file, "secret_key")
        return found.get_secret_value() if found else ""

    @model_validator(mode="after")
    def _signed(self) -> "WebhookSection":
        if self.secret_key is None and self.secret_key_file is None:
            raise ValueError("secret_key or secret_key_file is needed: webhooks are signed")
        from bridge.adapters.channels.webhook import check_secret  # most commands need no HTTP

        try:
            check_secret(self.secret)
        except InputError as error:
            raise ValueError(str(error)) from error
        return self


class ChannelsSection(Section):
    """How people and other systems are reached."""

    smtp: SmtpSection = SmtpSection()
    webhook: tuple[WebhookSection, ...] = ()
    attempts_max: Annotated[int, Field(ge=1)] = 12


class WebSection(Section):
    """REST and console."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    public_url: Url | None = None
    session_hours: Positive = 12.0
    origins: tuple[Origin, ...] = ()

    @property
    def address(self) -> str:
        """Where people find the console: the public URL, else host and port as they are."""
        scheme = "https" if self.tls_certificate else "http"
        return self.public_url or f"{scheme}://{self.host}:{self.port}"

    @model_validator(mode="after")
    def _safe(self) -> "WebSection":
        loopback = self.host in {"127.0.0.1", "::1", "localhost"}
        encrypted = self.tls_certificate is not None and self.tls_key is not None
        if not loopback and not encrypted and not self.behind_proxy:
            raise ValueError(
                f"host {self.host} is not loopback: give tls_certificate and tls_key, "
                "or set behind_proxy = true where a proxy speaks TLS"
            )
        return self


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=options.PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    service: ServiceSection = ServiceSection()
    broker: BrokerSection = BrokerSection()
    intake: IntakeSection = IntakeSection()
    journal: JournalSection = JournalSection()
    series: SeriesSection = SeriesSection()
    records: RecordsSection = RecordsSection()
    watch: WatchSection = WatchSection()
    desk: DeskSection = DeskSection()
    channels: ChannelsSection = ChannelsSection()
    web: WebSection = WebSection()

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put ``--set`` first, then the environment, then the file (handed in by `load`)."""
        given: dict[str, Any] = dict(init_settings())
        file_tree = given.pop("file_tree", {})
        return (
            InitSettingsSource(settings_cls, given),
            env_settings,
            InitSettingsSource(settings_cls, file_tree),
        )

    @property
    def records_url(self) -> str:
        """The URL of the records, SQLite in the data folder where none is given."""
        return (
            self.records.secret
            or f"sqlite+aiosqlite:///{self.service.data_folder / 'records.db'}"
        )


def load(path: Path | None, overrides: list[str] | None = None) -> Settings:
    """Read and validate the settings.

    Parameters
    ----------
    path : Path or None
        The TOML file; None for defaults and environment alone.
    overrides : list of str
        ``section.key=value`` each; the value is TOML, or text where it is none.

    Raises
    ------
    CatalogError
        With every problem: where it stands, which key, what was found and what is allowed.
    """
    tree = options.read_file(path) if path else {}
    given = options.read_overrides(overrides or [])
    options.check_environment(Settings.model_fields)
    try:
        return Settings(file_tree=tree, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise CatalogError(
            [options.problem_of(each, path) for each in error.errors()]
        ) from error
