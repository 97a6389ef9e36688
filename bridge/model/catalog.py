"""The catalog: machines, customers, people and promises, as one frozen tree of one tenant.

Files in YAML are read by `bridge.codec.catalog`; here are only the objects and their look-ups.
Dates `to`, `until` and `warranty_until` are inclusive.
"""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.model.values import (
    Advice,
    Day,
    Hours,
    Id,
    Instant,
    Language,
    LocalDate,
    LocalTime,
    Money,
    Number,
    Role,
    Side,
    Value,
    Window,
    Zone,
)

Many = Field(default=(), strict=False)


class AcknowledgeHours(Value):
    """Working hours in which a new task is to be acknowledged, per side."""

    engineering: Number = 4
    sales: Number = 8


class Policy(Value):
    """The numbers a tenant may set; every one has a default."""

    false_alarms_per_machine_year: Annotated[Number, Field(gt=0)] = 1
    renewal_days: int = 60
    high_risk_days: Number = 30
    critical_days: Number = 7
    kpi_tolerance: Number = 0.02
    fairness_days: Number = 3
    material_change: Number = 0.25
    acknowledge_h: AcknowledgeHours = AcknowledgeHours()
    min_n: int = 5
    group_window_min: Number = 15


class Works(Value):
    """Working hours of a person, in the person's zone."""

    days: tuple[Day, ...] = Field(strict=False)
    from_: LocalTime = Field(alias="from")
    to: LocalTime


class Absence(Value):
    """Whole local days away, both ends included."""

    from_: LocalDate = Field(alias="from")
    to: LocalDate


class Person(Value):
    """Someone who owns tasks, books visits or runs the service."""

    id: Id
    name: str
    role: Role
    email: str | None = None
    language: Language = "en"
    timezone: Zone = "UTC"
    works: Works | None = None
    absent: tuple[Absence, ...] = Many
    deputy: Id | None = None
    skills: tuple[str, ...] = Many
    holidays: str | None = None
    channel: str = "email"

    @property
    def side(self) -> Side | None:
        """The side whose acts this person may do; None for coordinators and operators."""
        return _SIDES.get(self.role)


_SIDES: dict[str, Side] = {
    "engineer": "engineering",
    "lead-engineer": "engineering",
    "account-manager": "sales",
    "lead-account-manager": "sales",
}


class OnCall(Value):
    """Who answers at once when advice is stop: turns of `turn_days` days from `from`."""

    side: Side
    sites: tuple[Id, ...] = Many
    people: tuple[Id, ...] = Field(strict=False, min_length=1)
    from_: Instant = Field(alias="from")
    turn_days: int = 7


class Contact(Value):
    """A person at the customer."""

    id: Id
    name: str
    role: str = ""
    email: str | None = None
    phone: str | None = None
    languages: tuple[Language, ...] = Many
    timezone: Zone | None = None
    consent: tuple[Literal["service", "marketing", "survey"], ...] = Many
    quiet_hours: Hours | None = None


class Outcome(Value):
    """One critical-to-outcome profile: what the customer earns with some assets."""

    id: Id
    name: str
    assets: tuple[Id, ...] = Many
    cost_per_hour: Money | None = None
    protected: tuple[Window, ...] = Many


class Account(Value):
    """A customer."""

    id: Id
    name: str
    timezone: Zone = "UTC"
    language: Language = "en"
    account_owner: Id | None = None
    engineer: Id | None = None
    renewal: LocalDate | None = None
    contacts: tuple[Contact, ...] = Many
    outcomes: tuple[Outcome, ...] = Many


class Site(Value):
    """A place of an account where assets stand."""

    id: Id
    account: Id
    name: str
    timezone: Zone | None = None
    travel_h: Number = 0
    holidays: str | None = None


class Signal(Value):
    """One measurement point of a model; `limits` are what the sensor can physically show."""

    name: Id
    unit: str = ""
    limits: Annotated[tuple[Number, Number], Field(strict=False)] | None = None
    every_s: Annotated[Number, Field(gt=0)] | None = None
    role: Literal["value", "setting", "cycle", "speed", "waveform"] = "value"
    rate_hz: Number | None = None
    max_age_s: Number | None = None
    by_exception: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Signal":
        if self.limits and self.limits[0] >= self.limits[1]:
            raise ValueError("limits are [low, high] with low < high")
        return self


class Symptom(Value):
    """One signal of a failure mode's pattern."""

    signal: Id
    direction: Literal["up", "down", "either"] = "up"


class FailureMode(Value):
    """How a model fails, what it shows, and what to do about it."""

    id: Id
    name: str
    plain: str
    component: str = ""
    signature: tuple[Symptom, ...] = Many
    advice: Advice = "watch"
    action: str = ""
    work_h: Number = 0
    people: int = 1
    skills: tuple[str, ...] = Many
    parts: tuple[Id, ...] = Many
    downtime_h: Annotated[tuple[Number, Number], Field(strict=False)] = (0.0, 0.0)


class Model(Value):
    """An asset model: its signals and its failure modes."""

    id: Id
    name: str
    signals: tuple[Signal, ...] = Many
    failure_modes: tuple[FailureMode, ...] = Many


class OnOrder(Value):
    """Parts on their way."""

    quantity: int
    arrives: LocalDate


class Part(Value):
    """A spare part."""

    id: Id
    name: str
    in_stock: int = 0
    lead_time_days: Number = 0
    on_order: tuple[OnOrder, ...] = Many


class Bearing(Value):
    """A bearing of an asset and its geometry."""

    location: str
    geometry: str


class Asset(Value):
    """One machine (the serial item)."""

    id: Id
    model: Id
    site: Id
    location: str = ""
    batch: str | None = None
    commissioned: LocalDate | None = None
    warranty_until: LocalDate | None = None
    gateway: Id | None = None
    engineer: Id | None = None
    account_owner: Id | None = None
    topic: str | None = None
    timezone: Zone | None = None
    bearings: tuple[Bearing, ...] = Many
    maintenance: tuple[Window, ...] = Many
    planned_stops: tuple[Window, ...] = Many


class Guarantee(Value):
    """A measured promise of a contract."""

    metric: Literal["uptime"]
    target: Number
    period: Literal["month", "quarter", "year"]


class Contract(Value):
    """What an account is entitled to."""

    id: Id
    account: Id
    assets: Literal["all"] | Annotated[tuple[Id, ...], Field(strict=False)] = "all"
    from_: LocalDate = Field(alias="from")
    until: LocalDate
    entitlements: tuple[str, ...] = Many
    guarantees: tuple[Guarantee, ...] = Many


class Commitment(Value):
    """A promise somebody made."""

    id: Id
    account: Id
    site: Id | None = None
    metric: Literal["response_h", "uptime", "visit", "entitlement"]
    target: Number | str
    made_by: Id
    made_at: Instant
    source: str = ""
    status: Literal["draft", "active"] = "draft"


class ServiceHistory(Value):
    """What was measured of a promise's metric at a site."""

    site: Id
    metric: str
    values: tuple[Number, ...] = Many


class Kpi(Value):
    """A department's definition of a measure; identity is (id, department)."""

    id: Id
    name: str
    department: str
    formula: str
    unit: str = ""
    version: int = 1


class Catalog(Value):
    """Everything above, for one tenant."""

    tenant: Id = "default"
    policy: Policy = Policy()
    people: tuple[Person, ...] = Many
    on_call: tuple[OnCall, ...] = Many
    accounts: tuple[Account, ...] = Many
    sites: tuple[Site, ...] = Many
    models: tuple[Model, ...] = Many
    parts: tuple[Part, ...] = Many
    assets: tuple[Asset, ...] = Many
    contracts: tuple[Contract, ...] = Many
    commitments: tuple[Commitment, ...] = Many
    service_history: tuple[ServiceHistory, ...] = Many
    kpis: tuple[Kpi, ...] = Many

    @cached_property
    def person_by_id(self) -> dict[str, Person]:
        """People by id."""
        return {each.id: each for each in self.people}

    @cached_property
    def account_by_id(self) -> dict[str, Account]:
        """Accounts by id."""
        return {each.id: each for each in self.accounts}

    @cached_property
    def site_by_id(self) -> dict[str, Site]:
        """Sites by id."""
        return {each.id: each for each in self.sites}

    @cached_property
    def model_by_id(self) -> dict[str, Model]:
        """Models by id."""
        return {each.id: each for each in self.models}

    @cached_property
    def asset_by_id(self) -> dict[str, Asset]:
        """Assets by id."""
        return {each.id: each for each in self.assets}

    @cached_property
    def part_by_id(self) -> dict[str, Part]:
        """Parts by id."""
        return {each.id: each for each in self.parts}

    def account_of(self, asset: Asset) -> Account | None:
        """Return the account whose site hosts the asset, or None where none is named."""
        site = self.site_by_id.get(asset.site)
        return self.account_by_id.get(site.account) if site else None

    def zone_of(self, asset: Asset) -> str:
        """Return the IANA zone of an asset: its own, else its site's, else its account's."""
        site = self.site_by_id.get(asset.site)
        account = self.account_of(asset)
        return (
            asset.timezone
            or (site.timezone if site else None)
            or (account.timezone if account else "UTC")
        )

    def mode_of(self, asset_id: str, mode_id: str) -> FailureMode | None:
        """Return the failure mode of an asset's model, or None."""
        asset = self.asset_by_id.get(asset_id)
        model = self.model_by_id.get(asset.model) if asset else None
        return (
            next((m for m in model.failure_modes if m.id == mode_id), None) if model else None
        )
