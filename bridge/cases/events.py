"""What happened at the desk, in the past tense: the append-only truth and the audit trail.

An event holds everything its effect needs, also the catalog facts its decision used, so that a
rebuild folds events and never re-runs a rule.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from bridge.cases.troubles import TroubleKind
from bridge.model.case import ActName, Facts, Task, Waiver
from bridge.model.catalog import Catalog
from bridge.model.values import Id, Instant, Number, Severity, Side, Value


class EventBase(Value):
    """Base of all events.

    Attributes
    ----------
    id : UUID
        Derived from the input and the event's place in its decision.
    at : datetime
        The desk's time.
    by : str
        Person id, ``detection``, ``clock`` or ``outbox``.
    input : UUID
        The input that led to it.
    """

    id: UUID = Field(strict=False)
    tenant: Id
    at: Instant
    by: str
    input: UUID = Field(strict=False)
    case: UUID | None = Field(default=None, strict=False)


class CaseOpened(EventBase):
    """A case opened with its facts and its tasks.

    Attributes
    ----------
    number : int or None
        What people write as C-2041; the desk is the tenant's one writer, so it counts.
    gateway : str or None
        Set where a case of anomalies may be joined by others of the same gateway.
    heard : str or None
        Mode that detection named; heard_at its event time: older words are late words.
    """

    type: Literal["case-opened"] = "case-opened"
    number: int | None = None
    asset: Id
    account: str | None
    mode: Id | None
    episode: int
    previous: UUID | None = Field(default=None, strict=False)
    severity: Severity
    facts: Facts
    facts_hash: str
    engineering: Task
    sales: Task | None
    waiver: Waiver | None
    gateway: str | None = None
    heard: Id | None = None
    heard_at: Instant | None = None


class FactsUpdated(EventBase):
    """The prediction moved: new facts; `material` where the owners are told again.

    Attributes
    ----------
    episode, previous
        Set where the facts give the case another mode (first a bare anomaly or an unknown
        pattern): its place among the episodes of that mode.
    stop : bool
        Advice to stop reached the case with these facts.
    """

    type: Literal["facts-updated"] = "facts-updated"
    facts: Facts
    facts_hash: str
    severity: Severity
    material: bool
    episode: int | None = None
    previous: UUID | None = Field(default=None, strict=False)
    stop: bool = False
    heard: Id | None = None
    heard_at: Instant | None = None


class AnomalyJoined(EventBase):
    """A further anomaly belongs to an open case: same machine, or same gateway in time."""

    type: Literal["anomaly-joined"] = "anomaly-joined"
    asset: Id
    leading: str = ""
    score: Number
    heard_at: Instant | None = None


class SalesSideOpened(EventBase):
    """A good prediction on an engineering-only case ended the waiver."""

    type: Literal["sales-side-opened"] = "sales-side-opened"
    sales: Task


class Acted(EventBase):
    """A person's act was accepted; asset and mode are the case's."""

    type: Literal["acted"] = "acted"
    do: ActName
    side: Side
    asset: Id
    mode: Id | None = None
    reason: str = ""
    finding: str = ""
    action: str = ""
    told: str = ""
    until: Instant | None = None
    note: str = ""


class ActRefused(EventBase):
    """A person's act was refused; it shows in the audit and changes nothing."""

    type: Literal["act-refused"] = "act-refused"
    do: ActName
    status: Literal[403, 404, 409, 422]
    reason: str


class TaskChanged(EventBase):
    """One side's task moved on: state, next action, due time, owner or whom it waits for."""

    type: Literal["task-changed"] = "task-changed"
    task: Task
    new_owner: bool = False


class ClockAged(EventBase):
    """So much of a task's time is used up (50, 80 or 100 %); at 100 % it went to the lead."""

    type: Literal["clock-aged"] = "clock-aged"
    side: Side
    percent: Literal[50, 80, 100]
    escalated_to: str | None = None


class WaiverRenewed(EventBase):
    """The reason why a case has one side only still held when the waiver ended."""

    type: Literal["waiver-renewed"] = "waiver-renewed"
    waiver: Waiver


class SeverityChanged(EventBase):
    """Time or a prediction changed the severity."""

    type: Literal["severity-changed"] = "severity-changed"
    severity: Severity


class CaseCleared(EventBase):
    """The prediction no longer holds, or was a false alarm; a told case owes a retraction."""

    type: Literal["case-cleared"] = "case-cleared"
    reason: str
    false_alarm: bool
    retraction: bool
    heard_at: Instant | None = None


class CaseClosed(EventBase):
    """The case is over; it never reopens."""

    type: Literal["case-closed"] = "case-closed"
    reason: str


class GapOpened(EventBase):
    """Nobody is named or able: a fallback owns it meanwhile."""

    type: Literal["gap-opened"] = "gap-opened"
    kind: str
    on: str
    owner: str


class GapClosed(EventBase):
    """The ownership gap is filled."""

    type: Literal["gap-closed"] = "gap-closed"
    kind: str
    on: str


class TroubleBegan(EventBase):
    """The service is in trouble: what, where, and how bad."""

    type: Literal["trouble-began"] = "trouble-began"
    kind: TroubleKind
    on: str
    detail: str


class TroubleEnded(EventBase):
    """The trouble is over."""

    type: Literal["trouble-ended"] = "trouble-ended"
    kind: TroubleKind
    on: str
    detail: str


class RepairRecorded(EventBase):
    """A repair was recorded."""

    type: Literal["repair-recorded"] = "repair-recorded"
    asset: Id
    mode: Id | None = None
    finding: str = ""
    action: str = ""


class CatalogAdopted(EventBase):
    """The desk decides by a new catalog version from here on."""

    type: Literal["catalog-adopted"] = "catalog-adopted"
    version: int
    catalog: Catalog


Event = Annotated[
    CaseOpened
    | FactsUpdated
    | AnomalyJoined
    | SalesSideOpened
    | Acted
    | ActRefused
    | TaskChanged
    | ClockAged
    | WaiverRenewed
    | SeverityChanged
    | CaseCleared
    | CaseClosed
    | GapOpened
    | GapClosed
    | TroubleBegan
    | TroubleEnded
    | RepairRecorded
    | CatalogAdopted,
    Field(discriminator="type"),
]
