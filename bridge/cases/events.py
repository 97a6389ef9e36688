"""What happened at the desk, in the past tense: the append-only truth and the audit trail.

An event holds everything its effect needs, also the catalog facts its decision used, so that a
rebuild folds events and never re-runs a rule.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from bridge.model.case import ActName, Facts, Task, Waiver
from bridge.model.catalog import Catalog
from bridge.model.values import Id, Instant, Severity, Side, Value


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
    """A case opened with its facts and its tasks."""

    type: Literal["case-opened"] = "case-opened"
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


class FactsUpdated(EventBase):
    """The prediction moved: new facts; `material` where the owners are told again."""

    type: Literal["facts-updated"] = "facts-updated"
    facts: Facts
    facts_hash: str
    severity: Severity
    material: bool


class SalesSideOpened(EventBase):
    """A good prediction on an engineering-only case ended the waiver."""

    type: Literal["sales-side-opened"] = "sales-side-opened"
    sales: Task


class Acted(EventBase):
    """A person's act was accepted."""

    type: Literal["acted"] = "acted"
    do: ActName
    side: Side
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
    | SalesSideOpened
    | Acted
    | ActRefused
    | TaskChanged
    | SeverityChanged
    | CaseCleared
    | CaseClosed
    | GapOpened
    | GapClosed
    | RepairRecorded
    | CatalogAdopted,
    Field(discriminator="type"),
]
