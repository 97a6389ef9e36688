"""One case, its facts and its two linked tasks, as the desk's projections hold them."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from bridge.model.detections import Evidence
from bridge.model.values import (
    Advice,
    Confidence,
    Id,
    Instant,
    Money,
    Number,
    Severity,
    Side,
    Value,
)

CaseState = Literal["open", "aligned", "informed", "planned", "executed", "verified", "closed"]
TaskState = Literal["created", "acknowledged", "in-progress", "waiting", "done", "declined"]
SideState = Literal["retraction-due"]
ActName = Literal[
    "acknowledge",
    "confirm-finding",
    "confirm-message",
    "inform",
    "plan",
    "execute",
    "verify",
    "close",
    "false-alarm",
]
"""The acts the desk knows; a new one is a name here and a module in `bridge.cases.acts`."""


class Facts(Value):
    """What both roles read: one immutable block; each update makes a new one.

    Attributes
    ----------
    p10, p50, p90 : datetime or None
        Times by which the failure has happened with 10, 50 and 90 %; None means "no date yet".
    contributions : mapping of signal to share
        Shares of the score; they sum to 1.
    cost : (low, high) or None
        Money for the downtime if nothing is done, `downtime_h` x the outcome's cost per hour.
    act_by : datetime or None
        Latest safe date: P10, or at once under stop advice.
    timezone : str
        Zone of the machine: whoever reads the dates of failure reads the same local days.
    contact, contact_timezone : str
        Role of the customer's first contact, never the name, and the zone to call in.
    """

    asset: Id
    model: str = ""
    site: str = ""
    location: str = ""
    timezone: str = "UTC"
    account: str = ""
    contact: str = ""
    contact_timezone: str = ""
    mode: Id | None
    mode_name: str = ""
    plain: str = ""
    component: str = ""
    advice: Advice = "watch"
    p10: Instant | None = None
    p50: Instant | None = None
    p90: Instant | None = None
    act_by: Instant | None = None
    confidence: Confidence = "low"
    contributions: dict[str, Number] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    score: Number | None = None
    health: Number | None = None
    as_new: Number | None = None
    quality: Literal["good", "poor"] = "good"
    baseline: Literal["learned", "learning"] = "learned"
    onset: Instant | None = None
    evidence: Evidence | None = None
    action: str = ""
    work_h: Number = 0
    people: int = 1
    skills: tuple[str, ...] = Field(default=(), strict=False)
    parts: tuple[str, ...] = Field(default=(), strict=False)
    downtime_h: tuple[Number, Number] = Field(default=(0.0, 0.0), strict=False)
    outcome: str = ""
    cost: tuple[Money, Money] | None = Field(default=None, strict=False)


class Task(Value):
    """One side's half of a case.

    Attributes
    ----------
    owner : str
        Person id; `gap` is true where it is a fallback, because nobody is named or able.
    next_action : str
        What this side does next: one of a closed set of keys that wording puts into words.
    waiting_on : str or None
        ``engineering`` or ``sales`` while the other side has to move first.
    """

    id: UUID = Field(strict=False)
    side: Side
    owner: Id
    gap: bool = False
    state: TaskState = "created"
    created_at: Instant
    due: Instant | None = None
    next_action: str
    waiting_on: Side | None = None
    waiting_since: Instant | None = None


class Waiver(Value):
    """Why a case has no task on one side, and until when."""

    side: Side
    reason: str
    until: Instant
    by: str


class Case(Value):
    """A predicted failure of one asset in one mode: one episode.

    Attributes
    ----------
    number : int or None
        The number people see (C-2041), given at first commit.
    previous : UUID or None
        The case of the episode before, where this is a recurrence.
    told_at : datetime or None
        When the customer was first told since the case opened.
    facts_hash : str
        SHA-256 of the canonical JSON of `facts`.
    told_p50 : datetime or None
        The P50 the owners were last told; a material change is measured from it.
    """

    id: UUID = Field(strict=False)
    number: int | None = None
    tenant: Id
    asset: Id
    account: str | None = None
    mode: Id | None
    episode: int
    previous: UUID | None = Field(default=None, strict=False)
    opened_at: Instant
    updated_at: Instant
    closed_at: Instant | None = None
    state: CaseState = "open"
    side_state: SideState | None = None
    severity: Severity
    facts: Facts
    facts_hash: str
    told_p50: Instant | None = None
    told_at: Instant | None = None
    finding_confirmed: bool = False
    message_confirmed: bool = False
    finding: str = ""
    action: str = ""
    told: str = ""
    engineering: Task
    sales: Task | None = None
    waiver: Waiver | None = None

    @property
    def label(self) -> str:
        """The number as people write it, such as C-2041."""
        return f"C-{self.number}" if self.number is not None else "C-new"

    def task(self, side: Side) -> Task | None:
        """Return the task of a side, or None where a waiver says why there is none."""
        return self.engineering if side == "engineering" else self.sales
