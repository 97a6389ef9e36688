"""E-mail to people: a thread per case, HTML and text, the same message id at each attempt."""

import asyncio
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Literal

import aiosmtplib

from bridge.flow.ports import Notification, Receipt
from bridge.model.errors import UnavailableError

_TRANSIENT = range(400, 500)


@dataclass(frozen=True, slots=True)
class SmtpOptions:
    """How the mail server is reached.

    Parameters
    ----------
    sender : str
        Address that mails come from, as ``bridge@example.org`` or ``Bridge <bridge@...>``.
    username, password : str
        Empty for no sign-in.
    security : str
        ``none``, ``starttls`` (refused where the server does not offer it) or ``tls``.
    tls_ca : str or None
        File of the authority to trust instead of the system's.
    timeout_s : float
        Longest wait for one reply.
    """

    host: str
    port: int = 25
    sender: str = "bridge@localhost"
    username: str = ""
    password: str = field(default="", repr=False)
    security: Literal["none", "starttls", "tls"] = "starttls"
    tls_ca: str | None = None
    timeout_s: float = 15.0


class SmtpChannel:
    """Implements `Channel` over SMTP.

    Notes
    -----
    A message has its notification's id, so a server or mailbox that sees it twice can tell. All
    messages of a case name one thread, made of the case's id, as what they answer [RFC 5322,
    3.6.4]: mail programs show them together, whichever of them arrived.
    """

    name = "email"

    def __init__(self, options: SmtpOptions) -> None:
        self._options = options
        plain = options.security == "none"
        self._context = None if plain else ssl.create_default_context(cafile=options.tls_ca)
        self._domain = parseaddr(options.sender)[1].rpartition("@")[2] or "localhost"

    async def send(self, notification: Notification) -> Receipt:
        """Hand one message to the server; 4xx and outages may be tried again, 5xx may not."""
        try:
            message = self.message(notification)
        except ValueError as error:
            detail = f"address {notification.address!r}: {error}"
            return Receipt(ok=False, retry=False, detail=detail)
        client = self._client()
        try:
            async with client:
                _, reply = await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            return _refused(first.code, first.message)
        except aiosmtplib.SMTPAuthenticationError as error:
            # Wrong sign-in is repaired by an operator: the mail waits for it, as far as it may.
            return Receipt(ok=False, retry=True, detail=f"{error.code} {error.message}")
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code, error.message)
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError) as error:
            return Receipt(ok=False, retry=True, detail=_said(error))
        finally:
            client.close()
        return Receipt(ok=True, retry=False, detail=reply)

    async def ping(self) -> str:
        """Return the server's greeting; raises `UnavailableError`."""
        client = self._client()
        where = f"{self._options.host}:{self._options.port}"
        try:
            async with client:
                reply = await client.noop()
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError) as error:
            raise UnavailableError("smtp", f"{where}: {_said(error)}") from error
        finally:
            client.close()
        return f"{where}: {reply.code} {reply.message}"

    def message(self, notification: Notification) -> EmailMessage:
        """Return the mail of a notification; the same notification gives the same mail.

        Raises
        ------
        ValueError
            The address is none.
        """
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self._options.sender
        message["To"] = notification.address
        if "@" not in parseaddr(notification.address)[1]:
            raise ValueError("no e-mail address")
        message["Subject"] = " ".join(notification.subject.split())
        message["Date"] = format_datetime(notification.at)
        message["Message-ID"] = f"<{notification.id}@{self._domain}>"
        if notification.case is not None:
            thread = f"<case-{notification.case}@{self._domain}>"
            message["In-Reply-To"] = thread
            message["References"] = thread
        # No vacation note comes back to a machine [RFC 3834].
        message["Auto-Submitted"] = "auto-generated"
        message["X-Bridge-Kind"] = notification.kind
        message.set_content(notification.text)
        if notification.html:
            message.add_alternative(notification.html, subtype="html")
        return message

    def _client(self) -> aiosmtplib.SMTP:
        options = self._options
        return aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port,
            username=options.username or None,
            password=options.password or None,
            use_tls=options.security == "tls",
            start_tls=options.security == "starttls",
            tls_context=self._context,
            timeout=options.timeout_s,
        )


def _refused(code: int, message: str) -> Receipt:
    return Receipt(ok=False, retry=code in _TRANSIENT, detail=f"{code} {message}")


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"no answer in time ({error})"
    return str(error) or type(error).__name__
