"""What every channel promises, against real servers, and what each promises on its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from bridge.adapters.channels.console import ConsoleChannel
from bridge.adapters.channels.journal import JournalChannel
from bridge.adapters.channels.smtp import SmtpChannel, SmtpOptions
from bridge.adapters.channels.webhook import WebhookChannel, WebhookOptions, sign, verify
from bridge.flow.clock import ScaledClock
from bridge.flow.ports import Channel, Notification
from bridge.model.control import CONTROL, RepairControl
from bridge.model.detections import derive_id
from bridge.model.errors import InputError, UnavailableError
from bridge.model.instants import as_ns
from tests.fakes.journal import FakeJournal
from tests.mailbox import Smtp
from tests.records import NOW, a_notification
from tests.servers import HOST, free_port, self_signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_S = int(NOW.timestamp())


@dataclass
class Receiver:
    """A receiver of webhooks on a real socket: keeps what it gets, answers as it is told."""

    port: int = 0
    status: str = "204 No Content"
    silent: bool = False
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}/hook"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, keep it and answer."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if self.silent:
                await reader.read()
            if head[0].startswith("POST"):
                self.got.append((headers, body))
            reply = f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(reply.encode())
            await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a receiver that listens."""
    found = Receiver()
    async with await asyncio.start_server(found.answer, HOST, 0) as server:
        found.port = server.sockets[0].getsockname()[1]
        yield found


def webhook(url: str, *, timeout_s: float = 5) -> WebhookChannel:
    """Make a channel to a receiver."""
    options = WebhookOptions("crm", url, SECRET, timeout_s=timeout_s)
    return WebhookChannel(options, clock=ScaledClock(as_ns(NOW), speed=0))


def email(host: str, port: int, **options: object) -> SmtpChannel:
    """Make a channel to a mail server."""
    given = {"sender": "Bridge <bridge@example.org>", "security": "none", **options}
    return SmtpChannel(SmtpOptions(host=host, port=port, **given))


CONTROL_RECORD = RepairControl(
    id=derive_id("repair"), tenant="acme", at=NOW, asset="press-07", mode="wear"
)
TEXTS = {"journal": CONTROL.dump_json(CONTROL_RECORD, by_alias=True).decode()}


@pytest.fixture(params=["email", "webhook", "journal", "console"])
async def channel(
    request: pytest.FixtureRequest, smtp: Smtp, receiver: Receiver
) -> AsyncIterator[Channel]:
    """Give each channel with its real counterpart."""
    async with webhook(receiver.url) as hook:
        yield {
            "email": email(smtp.host, smtp.port),
            "webhook": hook,
            "journal": JournalChannel(FakeJournal()),
            "console": ConsoleChannel(),
        }[request.param]


def for_(channel: Channel) -> Notification:
    """Make a notification that a channel can carry."""
    return a_notification(text=TEXTS.get(channel.name, "text"), channel=channel.name)


async def test_sends_and_answers(channel: Channel) -> None:
    """What is handed over is delivered, twice does no harm, and the other end can be asked."""
    assert (await channel.send(for_(channel))).ok
    assert (await channel.send(for_(channel))).ok
    assert await channel.ping()


@pytest.mark.parametrize("name", ["email", "webhook"])
async def test_outage_may_be_tried_again(name: str) -> None:
    """A server that is not there is the world's fault: try again, and a ping says so."""
    port = free_port()
    channel = email(HOST, port) if name == "email" else webhook(f"http://{HOST}:{port}/")
    receipt = await channel.send(a_notification())
    assert (receipt.ok, receipt.retry) == (False, True)
    assert receipt.detail
    with pytest.raises(UnavailableError, match=str(port)):
        await channel.ping()


@pytest.mark.parametrize("name", ["email", "webhook"])
async def test_silence_may_be_tried_again(name: str) -> None:
    """A server that takes the connection and says nothing costs the time-out, not more."""
    silent = Receiver(silent=True)
    async with await asyncio.start_server(silent.answer, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        if name == "email":
            channel: Channel = email(HOST, port, timeout_s=0.3)
        else:
            channel = webhook(f"http://{HOST}:{port}/", timeout_s=0.3)
        async with asyncio.timeout(5):
            receipt = await channel.send(a_notification())
    assert (receipt.ok, receipt.retry) == (False, True)


async def test_mail_is_complete_and_threaded(smtp: Smtp) -> None:
    """A mail has text and HTML, the desk's date, its own id, and its case's thread."""
    channel = email(smtp.host, smtp.port)
    first = a_notification("one", subject="Lager prüfen\r\nBcc: all@example.org")
    for each in (first, first, a_notification("two"), a_notification("none", case=None)):
        assert (await channel.send(each)).ok
    one, again, two, none = smtp.messages
    assert one["To"] == "ada@example.org"
    assert one["Subject"] == "Lager prüfen Bcc: all@example.org"
    assert one["Bcc"] is None
    assert one["Date"].datetime == NOW
    assert one["Message-ID"] == again["Message-ID"] != two["Message-ID"]
    assert one["References"] == two["References"] == one["In-Reply-To"]
    assert none["References"] is None
    assert one["Auto-Submitted"] == "auto-generated"
    text, html = one.get_body(["plain"]), one.get_body(["html"])
    assert text.get_content().strip() == first.text
    assert html.get_content().strip() == first.html


@pytest.mark.parametrize(
    ("reply", "retry"), [("451 Try later", True), ("552 Mailbox full for good", False)]
)
async def test_mail_refusals(smtp: Smtp, reply: str, retry: bool) -> None:  # noqa: FBT001
    """The server's 4xx may be tried again, its 5xx may not, and its word is kept."""
    smtp.replies.append(reply)
    receipt = await email(smtp.host, smtp.port).send(a_notification())
    assert (receipt.ok, receipt.retry) == (False, retry)
    assert reply.split(" ", 1)[1] in receipt.detail


@pytest.mark.parametrize("address", ["", "ada", "ada@example.org\nBcc: b@example.org"])
async def test_wrong_address(smtp: Smtp, address: str) -> None:
    """An address that is none is given up at once, and nothing is sent."""
    receipt = await email(smtp.host, smtp.port).send(a_notification(address=address))
    assert (receipt.ok, receipt.retry) == (False, False)
    assert smtp.messages == []


@asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[tuple[Controller, list[str]]]:
    """Run a mail server that wants STARTTLS and a sign-in, as bridge with password bridge."""
    took: list[str] = []

    class Handler:
        async def handle_DATA(self, server, session, envelope) -> str:  # noqa: ARG002, N802
            took.append(f"{session.login_data} over {type(session.ssl).__name__}")
            return "250 OK"

    def allow(server, session, envelope, mechanism, data) -> AuthResult:  # noqa: ARG001
        ok = (data.login, data.password) == (b"bridge", b"bridge")
        session.login_data = data.login.decode()
        return AuthResult(success=ok, handled=ok)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    class Secured(Controller):
        def factory(self) -> SMTP:
            return SMTP(
                self.handler,
                tls_context=context,
                require_starttls=True,
                auth_required=True,
                authenticator=allow,
            )

    server = Secured(Handler(), hostname=HOST, port=free_port())
    server.start()
    try:
        yield server, took
    finally:
        server.stop()


async def test_mail_by_starttls_with_sign_in(tmp_path: Path) -> None:
    """With STARTTLS and a sign-in a mail goes out encrypted; a wrong password may be mended."""
    authority = str(self_signed(tmp_path))
    async with secured(tmp_path) as (server, took):
        given = {"security": "starttls", "username": "bridge", "tls_ca": authority}
        right = email("localhost", server.port, password="bridge", **given)
        assert (await right.send(a_notification())).ok
        assert len(took) == 1
        wrong = await email("localhost", server.port, password="?", **given).send(
            a_notification()
        )
        assert (wrong.ok, wrong.retry) == (False, True)
        stranger = email("localhost", server.port, security="starttls")
        assert not (await stranger.send(a_notification())).ok
        assert len(took) == 1


async def test_starttls_is_never_given_up(smtp: Smtp) -> None:
    """Where the server offers no STARTTLS, nothing goes out in the clear."""
    receipt = await email(smtp.host, smtp.port, security="starttls").send(a_notification())
    assert not receipt.ok
    assert smtp.messages == []


async def test_webhook_is_signed(receiver: Receiver) -> None:
    """What the receiver gets verifies with its key, and carries the notification's id."""
    given = a_notification(text='{"specversion":"1.0"}', html="")
    async with webhook(receiver.url) as channel:
        assert (await channel.send(given)).ok
    ((headers, body),) = receiver.got
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert body == given.text.encode()
    assert verify(headers, body, SECRET, NOW_S) == str(given.id)
    wrong = {
        "another body": (headers, body + b" ", SECRET, NOW_S),
        "another key": (headers, body, "whsec_AAAA", NOW_S),
        "too late": (headers, body, SECRET, NOW_S + 301),
        "from the future": (headers, body, SECRET, NOW_S - 301),
        "another id": ({**headers, "webhook-id": "x"}, body, SECRET, NOW_S),
        "no signature": ({"webhook-id": "x", "webhook-timestamp": "1"}, body, SECRET, NOW_S),
        "no number": ({**headers, "webhook-timestamp": "-1"}, body, SECRET, NOW_S),
    }
    for arguments in wrong.values():
        with pytest.raises(InputError, match="webhook-"):
            verify(*arguments)
    both = {**headers, "webhook-signature": "v1,old " + headers["webhook-signature"]}
    assert verify(both, body, SECRET, NOW_S + 300)


def test_signature_is_the_standards() -> None:
    """The signature is what Standard Webhooks prints as its example."""
    body = b'{"test": 2432232314}'
    signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
        ("429 Too Many Requests", True),
        ("408 Request Timeout", True),
        ("400 Bad Request", False),
        ("410 Gone", False),
        ("302 Found", False),
    ],
)
async def test_webhook_refusals(receiver: Receiver, status: str, retry: bool) -> None:  # noqa: FBT001
    """What the receiver says decides whether it is tried again."""
    receiver.status = status
    async with webhook(receiver.url) as channel:
        receipt = await channel.send(a_notification())
    assert (receipt.ok, receipt.retry) == (False, retry)
    assert status[:3] in receipt.detail


async def test_journal_gets_each_record_once() -> None:
    """A control record stands in the journal once, and what is none is given up."""
    journal = FakeJournal()
    channel = JournalChannel(journal)
    given = a_notification(channel="journal", to="journal", text=TEXTS["journal"])
    assert (await channel.send(given)).ok
    assert (await channel.send(given)).ok
    records = await journal.read(0)
    assert [CONTROL.validate_json(each.body) for each in records] == [CONTROL_RECORD]
    assert [(each.kind, each.tenant) for each in records] == [("control", "acme")]
    wrong = await channel.send(a_notification("wrong", text="{}"))
    assert (wrong.ok, wrong.retry) == (False, False)
