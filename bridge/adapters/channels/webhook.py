"""Signed webhooks: CloudEvents in structured mode, signed as Standard Webhooks says.

References
----------
CloudEvents 1.0.2, HTTP protocol binding, 3.2 structured content mode.
Standard Webhooks 1.0: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from bridge.flow.clock import Clock, SystemClock
from bridge.flow.ports import Notification, Receipt
from bridge.model.errors import InputError, UnavailableError
from bridge.model.instants import NS_PER_S

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
WINDOW_S = 300
"""How far a receiver lets the timestamp be from its own clock, in seconds."""
_PREFIX = "whsec_"
_DETAIL_MAX = 200
_TRY_LATER = {408, 425, 429}


def sign(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message: HMAC-SHA256 over ``id.timestamp.body``, as ``v1,...``.

    Parameters
    ----------
    secret : str
        ``whsec_`` and base64 as Standard Webhooks has it, or any text, whose bytes are the key.
    timestamp : int
        Seconds since the Unix epoch.
    """
    content = f"{id_}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), content, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def check_secret(secret: str) -> None:
    """Raise `InputError` where a secret cannot be a key, before the first message needs it."""
    _key(secret)


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    now: int,
    window_s: int = WINDOW_S,
) -> str:
    """Check a received message and return its id, which the receiver takes once.

    Parameters
    ----------
    headers : mapping of str to str
        As received; names in any case.
    now : int
        The receiver's clock, in seconds since the Unix epoch.

    Raises
    ------
    InputError
        A header is missing, the time is outside the window (a replay), or no signature fits.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id_, stamp, signatures = (
            given[f"webhook-{name}"] for name in ("id", "timestamp", "signature")
        )
    except KeyError as error:
        raise InputError(f"{error.args[0]}: found nothing; allowed: a header") from error
    if not stamp.isdecimal():
        raise InputError(f"webhook-timestamp: found {stamp!r}; allowed: seconds")
    if abs(now - int(stamp)) > window_s:
        raise InputError(f"webhook-timestamp: found {stamp}, more than {window_s} s off {now}")
    expected = sign(secret, id_, int(stamp), body).encode()
    # Several signatures stand there while a key is changed; one that fits is enough.
    if not any(hmac.compare_digest(each.encode(), expected) for each in signatures.split()):
        raise InputError("webhook-signature: found none that fits this body and key")
    return id_


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """One receiver.

    Parameters
    ----------
    name : str
        What the settings call it.
    url : str
        Where it listens.
    secret : str
        The key it shares with us, see `sign`.
    timeout_s : float
        Longest wait for its answer.
    """

    name: str
    url: str
    secret: str = field(repr=False)
    timeout_s: float = 10.0


class WebhookChannel:
    """Implements `Channel` for one receiver.

    Notes
    -----
    Redirects are not followed: a body signed for one receiver must not go to another.
    """

    def __init__(self, options: WebhookOptions, *, clock: Clock | None = None) -> None:
        self.name = f"webhook:{options.name}"
        self._options = options
        # The receiver compares with its own clock, so a demo's fast clock must not stamp.
        self._clock = clock or SystemClock()
        self._client = httpx.AsyncClient(timeout=options.timeout_s, follow_redirects=False)

    async def send(self, notification: Notification) -> Receipt:
        """Post one CloudEvent; 2xx is taken, 408, 425, 429 and 5xx may be tried again."""
        body = notification.text.encode()
        now_s = self._clock.now_ns() // NS_PER_S
        id_ = str(notification.id)
        headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": "bridge",
            "webhook-id": id_,
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign(self._options.secret, id_, now_s, body),
        }
        try:
            answer = await self._client.post(self._options.url, content=body, headers=headers)
        except httpx.InvalidURL as error:
            return Receipt(ok=False, retry=False, detail=f"{self._options.url}: {error}")
        except httpx.HTTPError as error:
            detail = f"{type(error).__name__}: {error}"
            return Receipt(ok=False, retry=True, detail=detail)
        detail = f"HTTP {answer.status_code}"
        if answer.is_success:
            return Receipt(ok=True, retry=False, detail=detail)
        retry = answer.status_code in _TRY_LATER or answer.is_server_error
        said = answer.text[:_DETAIL_MAX].strip()
        return Receipt(ok=False, retry=retry, detail=f"{detail}: {said}".rstrip(": "))

    async def ping(self) -> str:
        """Return what answers at the URL, whatever its status; raises `UnavailableError`."""
        try:
            answer = await self._client.head(self._options.url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            detail = f"{self._options.url}: {type(error).__name__}: {error}"
            raise UnavailableError(self.name, detail) from error
        return f"{self._options.url}: HTTP {answer.status_code}"

    async def close(self) -> None:
        """Close the connections that were kept."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise InputError(
            f"webhook secret: what follows {_PREFIX} is no base64; allowed: {_PREFIX}BASE64, "
            "or any other text"
        ) from error
