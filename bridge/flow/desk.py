"""Runs the case desk: takes inputs in order, decides, stores what follows in one transaction.

Theory of operation: per tenant there is one loop and one writer. The state in memory is the
fold of the stored events and runs ahead of the store only within one batch; if storing it
fails, the loop raises and the next start folds anew, so memory and store never differ. An input
that our own code cannot handle is tried again on its own, then answered with 500, logged and
counted: it must neither block those behind it nor vanish.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

import structlog

from bridge.cases.desk import answer_of, decide
from bridge.cases.events import Event
from bridge.cases.inputs import CatalogChanged, Input, Ticked
from bridge.cases.letters import Letter, follow
from bridge.cases.state import DeskState, evolve, initial, projection
from bridge.flow import chronicle
from bridge.flow.clock import Clock
from bridge.flow.failures import first_of
from bridge.flow.metrics import Metrics
from bridge.flow.ports import CatalogStore, Decision, DeskStore, Notification, Outcome, Queued
from bridge.model.detections import derive_id
from bridge.model.instants import NS_PER_S, as_datetime

log = structlog.get_logger()

_DAY_NS = 86_400 * NS_PER_S


class Rendered(Protocol):
    """A letter in its reader's words."""

    @property
    def subject(self) -> str:
        """One line."""
        ...

    @property
    def text(self) -> str:
        """Plain text."""
        ...

    @property
    def html(self) -> str:
        """The same as HTML."""
        ...


class Words(Protocol):
    """Words letters to people; `bridge.cases.wording.Wording` does it."""

    def render(self, letter: Letter, state: DeskState) -> Rendered:
        """Return a letter in the words of its reader's side and language."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The pure desk that the loop runs; another one only in tests of the loop."""

    decide: Callable[[Input, DeskState], Sequence[Event]] = decide
    evolve: Callable[[DeskState, Event], DeskState] = evolve
    follow: Callable[..., Sequence[Letter]] = follow


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """How the desk runs.

    Parameters
    ----------
    tick_s : float
        How often time is looked at, in seconds of the desk's clock.
    idle_s : float
        Longest wait for an input before the clock is read again, in real seconds.
    look_every_s : float
        How often new tenants and catalogs are looked for, in real seconds.
    batch : int
        Most inputs in one transaction.
    tries : int
        How often an input that our code fails on is tried before it is answered with 500.
    webhooks : tuple of str
        Names of the receivers that every letter to ``webhook`` goes to, each by the channel
        ``webhook:NAME``.
    public_url : str
        Where this service is found: the source of its CloudEvents starts with it.
    """

    tick_s: float = 30.0
    idle_s: float = 0.25
    look_every_s: float = 1.0
    batch: int = 200
    tries: int = 3
    webhooks: tuple[str, ...] = ()
    public_url: str = "/bridge"
    rules: Rules = field(default_factory=Rules)


class Desk:
    """The desks of all tenants, as one part.

    Parameters
    ----------
    catalogs : CatalogStore
        Looked at so that a catalog is adopted also where nobody told the desk of it.
    wording : Words
        Words letters to people.
    """

    def __init__(
        self,
        *,
        store: DeskStore,
        catalogs: CatalogStore,
        wording: Words,
        clock: Clock,
        metrics: Metrics,
        options: DeskOptions | None = None,
    ) -> None:
        self._store = store
        self._wiring = _Wiring(
            store, catalogs, wording, clock, metrics, options or DeskOptions()
        )

    async def run(self) -> None:
        """Serve every tenant, also those that come later, until cancelled.

        Raises
        ------
        ConflictError
            Another desk serves one of the tenants.
        UnavailableError
            The store is away; the next `run` folds the state anew.
        """
        served: set[str] = set()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for tenant in await self._store.tenants():
                        if tenant not in served:
                            served.add(tenant)
                            desk = _TenantDesk(tenant, self._wiring)
                            group.create_task(desk.run(), name=f"desk {tenant}")
                    await asyncio.sleep(self._wiring.options.look_every_s)
        except BaseExceptionGroup as errors:
            # The supervisor tells a conflict and an outage from a bug by the error itself.
            raise first_of(errors) from errors


@dataclass(frozen=True, slots=True)
class _Wiring:
    store: DeskStore
    catalogs: CatalogStore
    wording: Words
    clock: Clock
    metrics: Metrics
    options: DeskOptions

    @property
    def rules(self) -> Rules:
        """The pure desk."""
        return self.options.rules


@dataclass(slots=True)
class _Batch:
    """What one transaction will hold; `touched` keeps the order of the cases."""

    handled: list[tuple[int, Outcome]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    touched: dict[UUID, None] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)


class _TenantDesk:
    def __init__(self, tenant: str, wiring: _Wiring) -> None:
        self._tenant = tenant
        self._wiring = wiring
        self._state = initial(tenant)
        self._head = 0
        self._failures: dict[int, int] = {}
        self._ticked_ns = self._head_logged_ns = -(2**62)
        self._looked_s = float("-inf")

    async def run(self) -> None:
        store, options = self._wiring.store, self._wiring.options
        await store.acquire(self._tenant)
        await self._fold()
        # Before the first input: what came while no desk ran is decided by the newest catalog.
        await self._adopt()
        while True:
            # One at a time while an input is suspect, so that it fails alone.
            limit = 1 if self._failures else options.batch
            inputs = await store.next_inputs(self._tenant, limit=limit)
            if inputs:
                await self._work(inputs)
            await self._tick()
            if not inputs:
                if time.monotonic() - self._looked_s >= options.look_every_s:
                    await self._adopt()
                await store.wait(self._tenant, timeout_s=options.idle_s)

    async def _fold(self) -> None:
        state, head, digest = initial(self._tenant), 0, ""
        async for stored in self._wiring.store.events(self._tenant):
            state = self._wiring.rules.evolve(state, stored.event)
            head, digest = stored.seq, stored.hash
        self._state, self._head = state, head
        log.info("desk state folded", tenant=self._tenant, head=head, hash=digest)

    async def _work(self, inputs: Sequence[Queued]) -> None:
        batch = _Batch()
        for queued in inputs:
            how = self._step(queued, batch)
            if how == "tainted":
                # The state took a part of what cannot be stored: go back to what is stored.
                await self._fold()
                batch = _Batch()
            if how != "done":
                self._give_up(queued, batch)
                break
            await asyncio.sleep(0)  # pages and intake run in between
        await self._commit(batch)

    def _step(self, queued: Queued, batch: _Batch) -> Literal["done", "undecided", "tainted"]:
        decided = False
        try:
            events = self._wiring.rules.decide(queued.input, self._state)
            decided = True
            self._take(events, batch)
        except Exception as error:
            self._failures[queued.seq] = self._failures.get(queued.seq, 0) + 1
            log.exception(
                "input failed",
                tenant=self._tenant,
                seq=queued.seq,
                input=str(queued.input.id),
                type=queued.input.type,
                error=str(error),
                tries=self._failures[queued.seq],
                story=self._story(queued.input),
            )
            return "tainted" if decided else "undecided"
        answer = answer_of(events)
        batch.handled.append((queued.seq, Outcome(answer.status, answer.reason, answer.case)))
        return "done"

    def _take(self, events: Sequence[Event], batch: _Batch) -> None:
        rules, source = self._wiring.rules, self._wiring.options.public_url
        for event in events:
            self._state = rules.evolve(self._state, event)
            batch.events.append(event)
            if event.case is not None:
                batch.touched[event.case] = None
            for letter in rules.follow(event, self._state, source=source):
                batch.notifications += self._notifications(letter)

    def _give_up(self, queued: Queued, batch: _Batch) -> None:
        if self._failures[queued.seq] < self._wiring.options.tries:
            return
        reason = "the bridge failed on this input; its log says why"
        batch.handled.append((queued.seq, Outcome(500, reason)))

    async def _adopt(self) -> None:
        """Adopt the newest catalog where its input never came: who stored it died too early."""
        self._looked_s = time.monotonic()
        latest = await self._wiring.catalogs.latest(self._tenant)
        present = self._state.catalog_version
        if latest is None or latest[0] == present:
            return
        version, catalog = latest
        await self._apply(
            CatalogChanged(
                id=derive_id("catalog found", self._tenant, present, version),
                tenant=self._tenant,
                at=as_datetime(self._wiring.clock.now_ns()),
                version=version,
                catalog=catalog,
            )
        )

    async def _apply(self, input_: Input) -> None:
        """Decide on what the desk told itself; where that fails, the part is started again."""
        batch = _Batch()
        self._take(self._wiring.rules.decide(input_, self._state), batch)
        await self._commit(batch)

    async def _tick(self) -> None:
        now_ns = self._wiring.clock.now_ns()
        if now_ns - self._ticked_ns >= self._wiring.options.tick_s * NS_PER_S:
            self._ticked_ns = now_ns
            await self._apply(
                Ticked(
                    id=derive_id("tick", self._tenant, now_ns),
                    tenant=self._tenant,
                    at=as_datetime(now_ns),
                )
            )
        if now_ns - self._head_logged_ns >= _DAY_NS:
            self._head_logged_ns = now_ns
            await self._log_head()

    async def _commit(self, batch: _Batch) -> None:
        if not batch.handled and not batch.events:
            return
        cases = [
            projection(self._state, case)
            for case in batch.touched
            if case in self._state.cases or case in self._state.closed
        ]
        await self._wiring.store.commit(
            self._tenant, Decision(batch.handled, batch.events, cases, batch.notifications)
        )
        metrics = self._wiring.metrics
        for seq, outcome in batch.handled:
            self._failures.pop(seq, None)
            metrics.desk_inputs.labels(str(outcome.status)).inc()
        for event in batch.events:
            metrics.desk_events.labels(event.type).inc()
        chronicle.tell(self._tenant, batch.events, cases)

    async def _log_head(self) -> None:
        """Write the head of the chain into the log, where a cut tail would show."""
        digest = None
        async for stored in self._wiring.store.events(self._tenant, after=self._head):
            self._head, digest = stored.seq, stored.hash
        if digest is not None:
            log.info("event chain grown", tenant=self._tenant, head=self._head, hash=digest)

    def _notifications(self, letter: Letter) -> list[Notification]:
        if letter.channel == "webhook":
            return [
                _plain(
                    letter,
                    to=name,
                    channel=f"webhook:{name}",
                    id_=derive_id("webhook", str(letter.id), name),
                )
                for name in self._wiring.options.webhooks
            ]
        if letter.channel == "journal":
            return [_plain(letter, to=letter.to, channel=letter.channel, id_=letter.id)]
        message = self._wiring.wording.render(letter, self._state)
        person = self._state.catalog.person_by_id.get(letter.to)
        address = (person.email if person else None) or ""
        # Who has no mailbox reads it in the console: that is a delivery, not a failure.
        channel = "console" if letter.channel == "email" and not address else letter.channel
        return [
            Notification(
                id=letter.id,
                tenant=letter.tenant,
                to=letter.to,
                channel=channel,
                kind=letter.kind,
                case=letter.case,
                subject=message.subject,
                text=message.text,
                html=message.html,
                at=letter.at,
                address=address,
            )
        ]

    def _story(self, input_: Input) -> str:
        """Tell how the cases stand that an input is about: the log alone explains it."""
        asset = getattr(input_, "asset", None) or getattr(
            getattr(input_, "detection", None), "asset", None
        )
        case = getattr(input_, "case", None)
        found = [each for each in self._state.cases.values() if each.id == case]
        found = found or (self._state.cases_of(asset) if asset else [])
        told = [f"{each.label} {each.asset} {each.mode} {each.state}" for each in found]
        return "; ".join(told) or "no open case"


def _plain(letter: Letter, *, to: str, channel: str, id_: UUID) -> Notification:
    return Notification(
        id=id_,
        tenant=letter.tenant,
        to=to,
        channel=channel,
        kind=letter.kind,
        case=letter.case,
        subject=letter.kind,
        text=letter.text,
        html="",
        at=letter.at,
        address=to,
    )
