"""Intake: what the broker delivers is decoded, journalled, and only then acknowledged.

Two loops share a short line of decoded deliveries: one receives and decodes, the other commits
all that stands in the line at once and acknowledges it. So while the journal writes to disk the
next messages are decoded, and the slower the disk, the larger its commits.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from bridge.codec import blob
from bridge.codec.payloads import Limits, Mapping
from bridge.codec.telemetry import Decoded, GatewayOf, TelemetryDecoder
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Delivery, Entry, Journal, Source
from bridge.model.errors import JournalFullError, UnavailableError
from bridge.model.samples import DeadLetter, Samples
from bridge.model.slots import SlotTable

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """How much intake holds at a time.

    Parameters
    ----------
    waiting_max : int
        Messages decoded and not yet in a commit; beyond it nothing more is received.
    commit_messages_max : int
        Messages of one commit.
    limits : Limits
        What one message and one tenant may take up.
    source_name : str
        Label of the source in the metrics.
    gateway_of : callable or None
        Who may speak for an asset that a payload names (`bridge.codec.telemetry.GatewayOf`).
    """

    waiting_max: int = 16_384
    commit_messages_max: int = 16_384
    limits: Limits = field(default_factory=Limits)
    source_name: str = "mqtt"
    gateway_of: GatewayOf | None = None


@dataclass(slots=True)
class IntakeStatus:
    """What intake can say of itself; `blocked_by` is empty while all is well."""

    waiting_messages: int = 0
    committed_messages: int = 0
    committed_samples: int = 0
    commits: int = 0
    last_offset: int = 0
    blocked_by: str = ""


class Intake:
    """Moves messages from a source to the journal; acknowledges what is durable.

    Parameters
    ----------
    source : Source
        Already entered.
    journal : Journal
        Where they go.
    mappings : sequence of Mapping
        How topics and payloads are read.
    slots : SlotTable
        What the journal holds, absorbed by the caller; intake is the one that issues new slots.
    metrics : Metrics
        Counts everything.
    options : IntakeOptions
        Limits.

    Notes
    -----
    After a cancellation or a failed commit the deliveries stay in line, and `run` begins with
    them: the broker would not send them again on a living connection. A commit that was
    cancelled half way may so be made twice, slots included; what reads the journal passes over
    what it knows.
    """

    def __init__(
        self,
        *,
        source: Source,
        journal: Journal,
        mappings: Sequence[Mapping],
        slots: SlotTable,
        metrics: Metrics,
        options: IntakeOptions | None = None,
    ) -> None:
        self._source = source
        self._journal = journal
        self._slots = slots
        self._metrics = metrics
        self._options = options or IntakeOptions()
        self._decoder = TelemetryDecoder(
            mappings, slots, limits=self._options.limits, gateway_of=self._options.gateway_of
        )
        self._line: list[tuple[Delivery, Decoded]] = []
        self._came = asyncio.Event()
        self._went = asyncio.Event()
        self.status = IntakeStatus()

    async def run(self) -> None:
        """Run until cancelled.

        Raises
        ------
        ConflictError
            From the source: another client uses this client id.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(), name="intake: receive")
                group.create_task(self._commit_all(), name="intake: commit")
        except BaseExceptionGroup as failed:
            # The supervisor tells a conflict from a defect by type, so one error comes out
            # bare.
            if len(failed.exceptions) == 1:
                raise failed.exceptions[0] from None
            raise

    async def _receive(self) -> None:
        counted = self._metrics.messages.labels(self._options.source_name)
        while True:
            while self.status.waiting_messages >= self._options.waiting_max:
                self._went.clear()
                await self._went.wait()
            delivery = await self._source.receive()
            # No await from here to the line, so that a cancelled run loses no delivery.
            decoded = self._decoder.decode(delivery.messages)
            counted.inc(len(delivery.messages))
            self._line.append((delivery, decoded))
            self.status.waiting_messages += len(delivery.messages)
            self._came.set()

    async def _commit_all(self) -> None:
        while True:
            while not self._line:
                self._came.clear()
                await self._came.wait()
            taken = self._next()
            await self._commit(taken)
            del self._line[: len(taken)]
            for delivery, decoded in taken:
                self._source.acknowledge(delivery)
                self._count(decoded)
                self.status.waiting_messages -= len(delivery.messages)
            self._went.set()
            self._metrics.queue(
                "intake", self.status.waiting_messages, self._options.waiting_max
            )

    def _next(self) -> list[tuple[Delivery, Decoded]]:
        """Take what fits into one commit from the head of the line, at least one delivery."""
        room = self._options.commit_messages_max
        taken: list[tuple[Delivery, Decoded]] = []
        for delivery, decoded in self._line:
            room -= len(delivery.messages)
            if taken and room < 0:
                break
            taken.append((delivery, decoded))
        return taken

    async def _commit(self, taken: list[tuple[Delivery, Decoded]]) -> None:
        """Commit, however long the journal is full or away."""
        entries = _entries([decoded for _, decoded in taken])
        letters = [letter for _, decoded in taken for letter in decoded.letters]
        while True:
            try:
                await self._append(entries, letters)
            except UnavailableError as error:
                self._blocked(error)
                await asyncio.sleep(error.retry_after_s)
            else:
                if self.status.blocked_by:
                    _log.info("intake resumed", after=self.status.blocked_by)
                    self.status.blocked_by = ""
                return

    async def _append(self, entries: list[Entry], letters: list[DeadLetter]) -> None:
        if not entries and not letters:
            return
        fresh = self._slots.take_fresh()
        started_s = time.monotonic()
        try:
            offset = await self._journal.append(entries, slots=fresh, letters=letters)
        except BaseException:
            self._slots.put_back(fresh)
            raise
        self._metrics.commit_s.observe(time.monotonic() - started_s)
        self.status.last_offset = max(offset, self.status.last_offset)
        self.status.commits += 1

    def _blocked(self, error: UnavailableError) -> None:
        reason = "journal-full" if isinstance(error, JournalFullError) else "journal-away"
        self._metrics.intake_blocked.labels(reason).inc()
        if self.status.blocked_by != reason:
            self.status.blocked_by = reason
            _log.warning("intake blocked", reason=reason, detail=error.detail)

    def _count(self, decoded: Decoded) -> None:
        self._metrics.samples.inc(decoded.sample_count)
        for reason, count in decoded.refused.items():
            self._metrics.refused.labels(reason).inc(count)
        self.status.committed_messages += decoded.message_count
        self.status.committed_samples += decoded.sample_count


def _entries(batches: Sequence[Decoded]) -> list[Entry]:
    """Make one blob per tenant of consecutive batches."""
    by_tenant: dict[str, list[Samples]] = {}
    for decoded in batches:
        for tenant, samples in decoded.batches.items():
            by_tenant.setdefault(tenant, []).append(samples)
    return [
        Entry("samples", tenant, blob.encode(_joined(parts)))
        for tenant, parts in by_tenant.items()
    ]


def _joined(parts: list[Samples]) -> Samples:
    if len(parts) == 1:
        return parts[0]
    return Samples(
        np.concatenate([part.signal for part in parts]),
        np.concatenate([part.t_ns for part in parts]),
        np.concatenate([part.value for part in parts]),
        parts[
            -1
        ].receive_ns,  # the earliest would make the later parts' rows ones of the future
    )
