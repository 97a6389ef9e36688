"""`bridge discover`: listen to a broker, write a beginning of the settings and the catalog."""

import asyncio
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from bridge.adapters.mqtt.options import TlsOptions
from bridge.codec import draft, infer
from bridge.flow.clock import Clock, SystemClock
from bridge.model.errors import UnavailableError
from bridge.model.samples import Messages

MESSAGES_MAX = 50_000
BYTES_MAX = 128 << 20
_SHOW_S = 0.2

Progress = Callable[[float, int], None]
"""Called with the seconds that have passed and the messages so far."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was made of what was heard.

    Parameters
    ----------
    toml, catalog : str
        Contents of ``bridge.toml`` and of the catalog file.
    summary : str
        One sentence.
    heard : Heard
        The same as objects.
    """

    toml: str
    catalog: str
    summary: str
    heard: draft.Heard


@dataclass(frozen=True, slots=True)
class Door:
    """How to get into the broker.

    Parameters
    ----------
    user, password : str or None
        Sign-in there.
    tls : bool
        Speak TLS.
    tls_ca, tls_certificate, tls_key : Path or None
        The broker's authority, and a client certificate with its key.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    def settings(self) -> dict[str, str | bool]:
        """Return the options of ``[broker]`` that stand for this, without the password."""
        found: dict[str, str | bool] = {"user": self.user} if self.user else {}
        if self.tls:
            found["tls"] = True
            for key in ("tls_ca", "tls_certificate", "tls_key"):
                if (file := getattr(self, key)) is not None:
                    found[key] = str(file)
        return found


async def discover(  # noqa: PLR0913 - where, how long, as whom
    host: str,
    port: int,
    seconds: float,
    *,
    door: Door = Door(),
    tenant: str = "default",
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Discovery:
    """Listen to every topic for some time and guess what the messages mean.

    Raises
    ------
    UnavailableError
        No broker answers there, or it does not let us read.
    """
    clock = clock or SystemClock()
    ear = _Ear()
    try:
        async with aiomqtt.Client(
            host,
            port,
            username=door.user,
            password=door.password,
            tls_context=_context(door),
            identifier=f"discover-{uuid.uuid4().hex[:8]}",
        ) as client:
            granted = await client.subscribe("#")
            if any(getattr(code, "is_failure", False) for code in granted):
                raise UnavailableError(
                    "broker", f"{host}:{port} lets {door.user or 'nobody'} not read #"
                )
            await _listen(client, ear, seconds, progress)
    except aiomqtt.MqttError as error:
        raise UnavailableError("broker", f"{host}:{port}: {error}") from error
    return await asyncio.to_thread(
        _conclude,
        ear,
        seconds,
        ({"host": host, "port": port, **door.settings()}, tenant),
        clock.now_ns(),
    )


def _context(door: Door) -> ssl.SSLContext | None:
    if not door.tls:
        return None
    return TlsOptions(door.tls_ca, door.tls_certificate, door.tls_key).context()


@dataclass(slots=True)
class _Ear:
    """What was heard; beyond its room messages are only counted."""

    topics: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    size: int = 0
    count: int = 0

    def take(self, topic: str, payload: bytes) -> None:
        """Keep a message while there is room."""
        self.count += 1
        self.size += len(payload)
        if len(self.topics) < MESSAGES_MAX and self.size < BYTES_MAX:
            self.topics.append(topic)
            self.payloads.append(payload)


async def _listen(
    client: aiomqtt.Client, ear: _Ear, seconds: float, progress: Progress | None
) -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()

    async def show() -> None:
        while True:
            if progress is not None:
                progress(min(loop.time() - started_s, seconds), ear.count)
            await asyncio.sleep(_SHOW_S)

    async with asyncio.TaskGroup() as group:
        shower = group.create_task(show(), name="discover: show")
        try:
            async with asyncio.timeout(seconds):
                async for message in client.messages:
                    ear.take(message.topic.value, bytes(message.payload))
        except TimeoutError:
            shower.cancel()
    if progress is not None:
        progress(seconds, ear.count)


def _conclude(
    ear: _Ear, seconds: float, where: tuple[draft.Options, str], now_ns: int
) -> Discovery:
    broker, tenant = where
    found, strange = infer.mappings(zip(ear.topics, ear.payloads, strict=True), now_ns)
    heard = draft.hear(found, Messages(ear.topics, ear.payloads, now_ns), strange, seconds)
    return Discovery(
        draft.settings_toml(heard, broker),
        draft.catalog_yaml(heard, tenant),
        draft.summary(heard),
        heard,
    )
