"""Ports of the records: inbox, desk store, outbox, views, catalogs, channels."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from bridge.cases.events import Event
from bridge.cases.inputs import Input
from bridge.model.case import Case
from bridge.model.catalog import Catalog
from bridge.model.detections import AssetStatus, Detection


@dataclass(frozen=True, slots=True)
class Queued:
    """An input in the desk's queue."""

    seq: int
    input: Input


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the desk made of an input: status 200, or 403 / 409 / 422 with the reason."""

    status: int
    reason: str = ""
    case: UUID | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver, rendered; `id` is its idempotency key.

    Parameters
    ----------
    id : UUID
        Derived from what it tells and to whom.
    to : str
        Person id, or the name of a webhook.
    channel : str
        ``email``, ``webhook``, ...
    kind : str
        new, update, reminder, escalation, digest, retraction, cleared.
    case : UUID or None
        Groups a thread.
    subject, text, html : str
        As it is sent; for webhooks `text` is the CloudEvent's JSON.
    at : datetime
        When it fell due, by the bridge's clock.
    address : str
        E-mail address or URL name.
    """

    id: UUID
    tenant: str
    to: str
    channel: str
    kind: str
    case: UUID | None
    subject: str
    text: str
    html: str
    at: datetime
    address: str = ""


@dataclass(frozen=True, slots=True)
class Sending:
    """A notification as the outbox holds it."""

    notification: Notification
    state: Literal["waiting", "sent", "dead"]
    attempts: int
    next_at_ns: int
    detail: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the tenant's hash chain."""

    seq: int
    event: Event
    hash: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one transaction of the desk stores.

    Parameters
    ----------
    handled : sequence of (seq, Outcome)
        Inputs that are done with.
    events : sequence of Event
        In order; the store chains their hashes.
    cases : sequence of Case
        Projections as they are after the events; where `number` is None the store gives one.
    notifications : sequence of Notification
        Outbox rows; an id that is there already is passed over.
    """

    handled: Sequence[tuple[int, Outcome]]
    events: Sequence[Event]
    cases: Sequence[Case]
    notifications: Sequence[Notification]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of anything, newest or most urgent first, and the key of the next page."""

    items: list[Case]
    next: str | None
    total: int


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases; None means any."""

    owner: str | None = None
    asset: str | None = None
    account: str | None = None
    states: tuple[str, ...] | None = None
    open_only: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits in a queue; `oldest_ns` by the bridge's clock, None where nothing does."""

    length: int
    oldest_ns: int | None


class Inbox(Protocol):
    """The desk's queue, durable; each input id is taken once."""

    async def submit(self, input_: Input) -> int:
        """Queue one input and return its number; the same id again returns the same number.

        Raises
        ------
        ConflictError
            A person's input with this id asked for something else.
        """
        ...

    async def outcome(self, seq: int, *, timeout_s: float) -> Outcome:
        """Wait until the desk has handled an input, or raise `UnavailableError`."""
        ...

    async def put(
        self,
        tenant: str,
        inputs: Sequence[Input],
        statuses: Sequence[AssetStatus],
        *,
        reader: str,
        offset: int,
    ) -> None:
        """Queue detections, replace asset states and note the offset, in one transaction."""
        ...

    async def offset(self, reader: str) -> int:
        """Return the journal offset whose detections are durable here."""
        ...

    async def backlog(self) -> Backlog:
        """Return how many inputs of all tenants wait for the desk, and since when."""
        ...


class DeskStore(Protocol):
    """What the desk itself needs; one writer per tenant."""

    async def acquire(self, tenant: str) -> None:
        """Become the tenant's only desk; raises `ConflictError` where another one runs."""
        ...

    async def tenants(self) -> list[str]:
        """Return every tenant that has a catalog or an input."""
        ...

    def events(self, tenant: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Yield the tenant's events in order."""
        ...

    async def next_inputs(self, tenant: str, *, limit: int = 200) -> list[Queued]:
        """Return inputs not handled yet, in order."""
        ...

    async def wait(self, tenant: str, *, timeout_s: float) -> bool:
        """Wait until there may be an input; False when time ran out."""
        ...

    async def commit(self, tenant: str, decision: Decision) -> list[Case]:
        """Store a decision in one transaction; return the cases with their numbers."""
        ...


class Outbox(Protocol):
    """Notifications to be sent."""

    async def backlog(self) -> dict[str, Backlog]:
        """Return by channel how many notifications wait, and since when."""
        ...

    async def due(
        self,
        *,
        now_ns: int,
        limit: int = 50,
        channel: str | None = None,
        other_than: Collection[str] = (),
    ) -> list[Sending]:
        """Return waiting ones whose time has come, of one channel or of all but some."""
        ...

    async def mark(
        self,
        id_: UUID,
        state: Literal["waiting", "sent", "dead"],
        *,
        detail: str = "",
        next_at_ns: int = 0,
        at: datetime | None = None,
    ) -> None:
        """Note how an attempt ended; `waiting` with a later time is a retry, `at` when sent."""
        ...

    async def wait(self, *, timeout_s: float) -> bool:
        """Wait until there may be something due."""
        ...


class Views(Protocol):
    """Read side for REST and pages; every call names the tenant."""

    async def cases(
        self, tenant: str, where: CaseFilter, *, after: str | None = None, limit: int = 50
    ) -> Page:
        """Return one page of cases, the most urgent first."""
        ...

    async def case(self, tenant: str, id_: UUID) -> Case | None:
        """Return a case, or None where the tenant has none by that id."""
        ...

    async def case_by_number(self, tenant: str, number: int) -> Case | None:
        """Return the case that people write as C-`number`."""
        ...

    async def last_event(self, tenant: str) -> int:
        """Return the number of the tenant's newest event, or 0; streams start after it."""
        ...

    async def events(
        self, tenant: str, *, after: int = 0, case: UUID | None = None, limit: int = 500
    ) -> list[StoredEvent]:
        """Return events of a tenant, or of one case, in order."""
        ...

    async def wait_events(self, *, after: int, timeout_s: float) -> bool:
        """Wait until an event of any tenant with a later sequence number may be there."""
        ...

    async def notifications(
        self,
        tenant: str,
        *,
        case: UUID | None = None,
        before: UUID | None = None,
        limit: int = 200,
    ) -> list[Sending]:
        """Return notifications, the newest first, older than the one with the id `before`."""
        ...

    async def statuses(self, tenant: str) -> list[AssetStatus]:
        """Return how every asset of the tenant stands."""
        ...

    async def status(self, tenant: str, asset: str) -> AssetStatus | None:
        """Return how one asset stands, or None."""
        ...

    async def detections(
        self,
        tenant: str,
        *,
        asset: str | None = None,
        type_: str | None = None,
        before: UUID | None = None,
        limit: int = 200,
    ) -> list[Detection]:
        """Return the newest detections that reached the desk.

        Older than the one with the id `before`; raises `InputError` where none is kept by it.
        """
        ...


class CatalogStore(Protocol):
    """Versions of each tenant's catalog; the newest counts."""

    async def put(self, catalog: Catalog) -> int:
        """Store a catalog and return its version; an equal one returns the present version."""
        ...

    async def latest(self, tenant: str) -> tuple[int, Catalog] | None:
        """Return the newest version and its catalog, or None."""
        ...

    async def get(self, tenant: str, version: int) -> Catalog | None:
        """Return one version, or None."""
        ...

    async def tenants(self) -> list[str]:
        """Return every tenant that has a catalog."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a delivery went; `retry` tells whether trying again can help."""

    ok: bool
    retry: bool
    detail: str


class Channel(Protocol):
    """A way to reach somebody; sending the same notification id twice must be harmless."""

    name: str

    async def send(self, notification: Notification) -> Receipt:
        """Deliver, once or more often; the receipt says how it went."""
        ...

    async def ping(self) -> str:
        """Return what answers there; raises `UnavailableError`."""
        ...
