"""Delivers what the desk stored: at least once, each channel on its own, giving up in the open.

Theory of operation: every channel has a lane. A lane takes what is due, sends to different
receivers side by side and to one receiver in order; only a retry can be overtaken. Retries wait
on a clock that starts at the machine's time and runs on monotonic time: it survives a restart,
and neither a clock that is set nor a demo's fast clock moves it. A notification that cannot be
delivered becomes an input of the desk (`DeliveryEnded`), which shows it as an ownership gap.
The input is stored before the notification is marked: a crash between repeats, never loses.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from bridge.cases.inputs import DeliveryEnded
from bridge.flow.clock import Clock, ScaledClock, SystemClock
from bridge.flow.failures import first_of
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Channel, Inbox, Notification, Outbox, Receipt, Sending
from bridge.model.detections import derive_id
from bridge.model.errors import UnavailableError
from bridge.model.instants import NS_PER_S, as_datetime

log = structlog.get_logger()

_DETAIL_MAX = 500


@dataclass(frozen=True, slots=True)
class OutboxOptions:
    """How hard the outbox tries.

    Parameters
    ----------
    attempts_max : int
        Attempts before a notification is given up.
    backoff_first_s, backoff_max_s : float
        Wait after the first failure and the ceiling of later waits; doubled in between, each
        shortened at random by up to half, so that retries do not come in step.
    send_s : float
        Longest single attempt.
    concurrency : int
        Receivers of one channel served at a time.
    batch : int
        Most notifications taken at a time.
    idle_s : float
        Longest wait before the table is looked at again.
    patient : frozenset of str
        Channels that never give up: what detection must hear stays until it is heard.
    """

    attempts_max: int = 12
    backoff_first_s: float = 2.0
    backoff_max_s: float = 900.0
    send_s: float = 30.0
    concurrency: int = 4
    batch: int = 50
    idle_s: float = 1.0
    patient: frozenset[str] = frozenset({"journal"})


class OutboxLoop:
    """All lanes, as one part.

    Parameters
    ----------
    channels : mapping of name to Channel
        A notification for any other name is given up with that reason.
    clock : Clock
        The desk's clock: when something was sent or given up, as the desk sees it.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        inbox: Inbox,
        clock: Clock,
        metrics: Metrics,
        options: OutboxOptions | None = None,
    ) -> None:
        self._outbox = outbox
        self._channels = dict(channels)
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self._options = options or OutboxOptions()
        self._real: Clock = ScaledClock(SystemClock().now_ns())
        # Who was reached since the start or since the last failure: the desk hears of the first
        # delivery after a failure, which closes the gap, and not of each one.
        self._reached: set[tuple[str, str, str]] = set()

    async def run(self) -> None:
        """Deliver until cancelled.

        Raises
        ------
        UnavailableError
            The records are away.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for name in self._channels:
                    group.create_task(self._lane(name), name=f"outbox {name}")
                group.create_task(self._lane(None), name="outbox of unknown channels")
        except BaseExceptionGroup as errors:
            # The supervisor tells an outage from a bug by the error itself.
            raise first_of(errors) from errors

    async def _lane(self, name: str | None) -> None:
        others = () if name is not None else tuple(self._channels)
        while True:
            found = await self._outbox.due(
                now_ns=self._real.now_ns(),
                limit=self._options.batch,
                channel=name,
                other_than=others,
            )
            if not found:
                await self._outbox.wait(timeout_s=self._options.idle_s)
                continue
            await self._send_all(found)

    async def _send_all(self, found: Sequence[Sending]) -> None:
        by_receiver: dict[tuple[str, str], list[Sending]] = defaultdict(list)
        for each in found:
            by_receiver[each.notification.tenant, each.notification.to].append(each)
        places = asyncio.Semaphore(self._options.concurrency)
        async with asyncio.TaskGroup() as group:
            for sendings in by_receiver.values():
                to = sendings[0].notification.to
                group.create_task(self._send_in_order(sendings, places), name=f"to {to}")

    async def _send_in_order(
        self, sendings: Sequence[Sending], places: asyncio.Semaphore
    ) -> None:
        async with places:
            for each in sendings:
                receipt = await self._attempt(each.notification)
                await self._settle(each, receipt)
                if not receipt.ok and receipt.retry:
                    return  # what fails for one is not tried with the next at once

    async def _attempt(self, notification: Notification) -> Receipt:
        channel = self._channels.get(notification.channel)
        if channel is None:
            known = ", ".join(sorted(self._channels)) or "none"
            detail = f"no channel {notification.channel} is set up; there are: {known}"
            return Receipt(ok=False, retry=False, detail=detail)
        try:
            async with asyncio.timeout(self._options.send_s):
                return await channel.send(notification)
        except TimeoutError:
            detail = f"no answer within {self._options.send_s:g} s"
        except UnavailableError as error:
            detail = str(error)
        except Exception as error:
            log.exception("channel failed", channel=channel.name, notification=notification.id)
            detail = f"{type(error).__name__}: {error}"
        return Receipt(ok=False, retry=True, detail=detail)

    async def _settle(self, sending: Sending, receipt: Receipt) -> None:
        notification, options = sending.notification, self._options
        detail = receipt.detail[:_DETAIL_MAX]
        tried_out = (
            sending.attempts + 1 >= options.attempts_max
            and notification.channel not in options.patient
        )
        if receipt.ok:
            await self._tell(notification, "sent", detail)
            at = as_datetime(self._clock.now_ns())
            await self._outbox.mark(notification.id, "sent", detail=detail, at=at)
            state = "sent"
        elif receipt.retry and not tried_out:
            next_at_ns = self._real.now_ns() + self._backoff_ns(sending.attempts)
            await self._outbox.mark(
                notification.id, "waiting", detail=detail, next_at_ns=next_at_ns
            )
            state = "retried"
        else:
            await self._tell(notification, "dead", detail)
            await self._outbox.mark(notification.id, "dead", detail=detail)
            state = "dead"
        # An unknown name comes from a catalog: it must not become a label of its own.
        known = notification.channel in self._channels
        label = notification.channel if known else "unknown"
        self._metrics.notifications.labels(label, state).inc()
        self._log(sending, state, detail)

    async def _tell(
        self, notification: Notification, state: Literal["sent", "dead"], reason: str
    ) -> None:
        key = (notification.tenant, notification.to, notification.channel)
        if state == "sent" and key in self._reached:
            return
        ended = DeliveryEnded(
            id=derive_id("delivery", str(notification.id), state),
            tenant=notification.tenant,
            at=as_datetime(self._clock.now_ns()),
            notification=notification.id,
            to=notification.to,
            channel=notification.channel,
            case=notification.case,
            state=state,
            reason=reason,
        )
        await self._inbox.submit(ended)
        if state == "sent":
            self._reached.add(key)
        else:
            self._reached.discard(key)

    def _backoff_ns(self, attempts: int) -> int:
        options = self._options
        # The exponent is bounded so that the power cannot overflow.
        wait_s = min(options.backoff_first_s * 2.0 ** min(attempts, 40), options.backoff_max_s)
        return int(wait_s * random.uniform(0.5, 1.0) * NS_PER_S)  # noqa: S311 - jitter

    def _log(self, sending: Sending, state: str, detail: str) -> None:
        notification = sending.notification
        say = {"sent": log.debug, "retried": log.warning, "dead": log.error}[state]
        event = {"sent": "notification sent", "retried": "notification put off"}
        say(
            event.get(state, "notification undeliverable"),
            notification=str(notification.id),
            tenant=notification.tenant,
            channel=notification.channel,
            to=notification.to,
            case=str(notification.case) if notification.case else None,
            attempt=sending.attempts + 1,
            detail=detail,
        )
