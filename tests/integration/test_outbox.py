"""The outbox on real records and a real mail server: once, in order, and never silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.adapters.channels.console import ConsoleChannel
from bridge.adapters.channels.smtp import SmtpChannel, SmtpOptions
from bridge.adapters.records.records import Records
from bridge.cases.inputs import DeliveryEnded
from bridge.flow.clock import ScaledClock
from bridge.flow.metrics import Metrics
from bridge.flow.outbox import OutboxLoop, OutboxOptions
from bridge.flow.ports import Channel, Decision, Notification, Receipt
from bridge.model.errors import UnavailableError
from bridge.model.instants import as_ns
from tests.mailbox import Smtp
from tests.records import NOW, a_notification

QUICK = OutboxOptions(
    attempts_max=3, backoff_first_s=0.02, backoff_max_s=0.05, send_s=0.5, idle_s=0.05
)


@dataclass
class Scripted:
    """A channel that answers as it is told, and notes what it was given."""

    name: str = "email"
    answers: list[object] = field(default_factory=list)
    got: list[str] = field(default_factory=list)

    async def send(self, notification: Notification) -> Receipt:
        """Answer with the next of `answers`, else take it."""
        self.got.append(notification.subject)
        answer = self.answers.pop(0) if self.answers else Receipt(True, False, "ok")  # noqa: FBT003
        if isinstance(answer, BaseException):
            raise answer
        if answer == "silence":
            await asyncio.sleep(60)
        assert isinstance(answer, Receipt)
        return answer

    async def ping(self) -> str:
        """Answer."""
        return "scripted"


LATER = Receipt(ok=False, retry=True, detail="451 later")
NEVER = Receipt(ok=False, retry=False, detail="550 unknown")


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    """Give records whose desk is acquired."""
    async with await Records.open(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}") as found:
        await found.desk.acquire("acme")
        yield found


@asynccontextmanager
async def delivering(
    records: Records, *channels: Channel, options: OutboxOptions = QUICK
) -> AsyncIterator[Metrics]:
    """Run the loop until the block ends."""
    metrics = Metrics()
    loop = OutboxLoop(
        outbox=records.outbox,
        channels={each.name: each for each in channels},
        inbox=records.inbox,
        clock=ScaledClock(as_ns(NOW), speed=0),
        metrics=metrics,
        options=options,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(loop.run())
        yield metrics
        task.cancel()


async def store(records: Records, *notifications: Notification) -> None:
    """Put notifications into the outbox as the desk does."""
    await records.desk.commit("acme", Decision([], [], [], notifications))


async def settled(records: Records) -> dict[str, tuple[str, int, str]]:
    """Wait until nothing waits; give state, attempts and detail by subject."""
    async with asyncio.timeout(15):
        while True:
            found = await records.views.notifications("acme")
            if all(each.state != "waiting" for each in found):
                return {
                    each.notification.subject: (each.state, each.attempts, each.detail)
                    for each in found
                }
            await asyncio.sleep(0.02)


async def told(records: Records) -> list[DeliveryEnded]:
    """Give what the desk was told."""
    return [each.input for each in await records.desk.next_inputs("acme")]


async def test_mail_arrives(records: Records, smtp: Smtp) -> None:
    """A stored notification arrives once, and the row says when by the desk's clock."""
    channel = SmtpChannel(SmtpOptions(host=smtp.host, port=smtp.port, security="none"))
    async with delivering(records, channel):
        await store(records, a_notification())
        await settled(records)
    (found,) = await records.views.notifications("acme")
    assert (found.state, found.sent_at) == ("sent", NOW)
    assert [each["Subject"] for each in smtp.messages] == [a_notification().subject]


async def test_greylisting_is_waited_out(records: Records, smtp: Smtp) -> None:
    """A server that says later twice gets the mail at the third attempt, once."""
    smtp.replies += ["451 Greylisted", "451 Greylisted"]
    channel = SmtpChannel(SmtpOptions(host=smtp.host, port=smtp.port, security="none"))
    async with delivering(records, channel) as metrics:
        await store(records, a_notification())
        found = await settled(records)
    assert [state[:2] for state in found.values()] == [("sent", 3)]
    assert len(smtp.messages) == 1
    labels = {"channel": "email", "state": "retried"}
    sample = metrics.registry.get_sample_value("bridge_notifications_total", labels)
    assert sample == 2


@pytest.mark.parametrize(
    ("answers", "attempts", "detail"),
    [
        ([NEVER], 1, "550 unknown"),
        ([LATER] * 3, 3, "451 later"),
        ([UnavailableError("smtp", "away")] * 3, 3, "smtp is not available: away"),
        ([LATER, LATER, RuntimeError("a bug")], 3, "RuntimeError: a bug"),
        ([LATER, LATER, "silence"], 3, "no answer within 0.5 s"),
    ],
)
async def test_given_up_in_the_open(
    records: Records, answers: list[object], attempts: int, detail: str
) -> None:
    """What cannot be delivered is dead with its reason, and the desk is told."""
    async with delivering(records, Scripted(answers=list(answers))):
        await store(records, a_notification())
        found = await settled(records)
    assert list(found.values()) == [("dead", attempts, detail)]
    (ended,) = await told(records)
    assert (ended.state, ended.to, ended.channel) == ("dead", "ada", "email")
    assert (ended.notification, ended.reason, ended.at) == (a_notification().id, detail, NOW)


async def test_unknown_channel(records: Records) -> None:
    """A channel nobody set up is a reason to give up, and names those that are."""
    async with delivering(records, ConsoleChannel(), Scripted()) as metrics:
        await store(records, a_notification(channel="pigeon"))
        found = await settled(records)
    assert list(found.values()) == [
        ("dead", 1, "no channel pigeon is set up; there are: console, email")
    ]
    labels = {"channel": "unknown", "state": "dead"}
    assert metrics.registry.get_sample_value("bridge_notifications_total", labels) == 1
    assert [each.channel for each in await told(records)] == ["pigeon"]


async def test_one_channel_holds_no_other_up(records: Records) -> None:
    """While one channel is silent, another delivers."""
    silent = Scripted("sms", ["silence"] * 9)
    async with delivering(records, silent, Scripted()):
        await store(records, a_notification("a", channel="sms"), a_notification("b"))
        async with asyncio.timeout(1.2):
            while {each.state for each in await records.views.notifications("acme")} != {  # noqa: ASYNC110
                "sent",
                "waiting",
            }:
                await asyncio.sleep(0.01)


async def test_in_order_per_receiver(records: Records) -> None:
    """One receiver gets what was stored first first."""
    channel = Scripted()
    given = [a_notification(str(n), subject=f"{n:02}") for n in range(30)]
    async with delivering(records, channel):
        await store(records, *given)
        await settled(records)
    assert channel.got == [each.subject for each in given]


async def test_desk_hears_of_the_first_success_only(records: Records) -> None:
    """After a failure the first delivery is told, which closes the gap; later ones are not."""
    channel = Scripted(answers=[NEVER])
    async with delivering(records, channel):
        for name in "abcd":
            await store(records, a_notification(name, subject=name))
            await settled(records)
    assert [each.state for each in await told(records)] == ["dead", "sent"]


async def test_patient_channel_never_gives_up(records: Records) -> None:
    """What detection must hear is tried until it is heard, past every limit."""
    channel = Scripted("journal", [LATER] * 7)
    async with delivering(records, channel):
        await store(records, a_notification(channel="journal", to="journal"))
        found = await settled(records)
    assert [state[:2] for state in found.values()] == [("sent", 8)]


async def test_restart_goes_on(records: Records) -> None:
    """What waited when the loop ended is delivered by the next one."""
    away = Scripted(answers=[LATER] * 99)
    patient = OutboxOptions(backoff_first_s=0.2, idle_s=0.05)
    async with delivering(records, away, options=patient):
        await store(records, a_notification())
        async with asyncio.timeout(5):
            while not (await records.views.notifications("acme"))[0].attempts:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    async with delivering(records, Scripted()):
        found = await settled(records)
    assert [state[0] for state in found.values()] == ["sent"]
