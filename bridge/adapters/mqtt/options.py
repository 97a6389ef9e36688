"""What both MQTT sources are told, and the parts they share."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from bridge.model.errors import InputError

RECEIVE_MAX = 65_535
SUBACK_PATIENCE_S = 1.0
"""How long a resumed session waits for its SUBACK, which may stand behind a long backlog."""

DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How the broker is verified and how the bridge names itself.

    Parameters
    ----------
    ca_file : Path or None
        Who signed the broker's certificate; None takes the system's authorities.
    cert_file, key_file : Path or None
        The bridge's own certificate, where the broker asks for one.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context; raises InputError where a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise InputError(f"authority {self.ca_file}: {error}") from error
        if self.cert_file is not None:
            try:
                # An empty pass phrase: OpenSSL would ask the terminal for that of a locked key.
                context.load_cert_chain(self.cert_file, self.key_file, password="")
            except OSError as error:
                names = f"certificate {self.cert_file}, key {self.key_file or 'in it'}"
                raise InputError(f"{names}: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """How to reach a broker and what to take from it.

    Parameters
    ----------
    client_id : str
        Names the session at the broker; one per bridge, the same after every start.
    filters : tuple of str
        Subscriptions (`TopicTemplate.filter`).
    share_group : str
        Where not empty, subscribe as ``$share/GROUP/FILTER``. A group breaks the order inside
        an asset unless the broker sends each asset to one member.
    qos : int
        0 or 1. At 2 the broker is asked for 1: the journal's identity of samples makes "at
        least once" exactly once.
    session_expiry_s : int
        How long the broker keeps messages for a bridge that is away; 0 keeps no session at all,
        for a connection that only looks whether it is let in.
    unacknowledged_max, unacknowledged_bytes_max : int
        Messages taken in and not yet committed, and their size; beyond either the socket is not
        read.
    coalesce_ms : float
        How long a thin stream rests after a read, so that one read takes what 20 would.
    settled_s : float
        A connection that lived this long was not taken away by another client of the same id.
    watch_dropped : bool
        Subscribe the broker's own count of dropped messages.
    subscriptions_file : Path or None
        Remembers what the session is subscribed to, so that filters that are gone from the
        settings are unsubscribed (`bridge.adapters.mqtt.subscriptions`); None leaves them.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "bridge"
    filters: tuple[str, ...] = ("#",)
    share_group: str = ""
    qos: int = 1
    username: str = ""
    password: str = field(default="", repr=False)
    tls: TlsOptions | None = None
    keep_alive_s: int = 30
    session_expiry_s: int = 14 * 86_400
    unacknowledged_max: int = 20_000
    unacknowledged_bytes_max: int = 64 << 20
    packet_bytes_max: int = 16 << 20
    coalesce_ms: float = 2.0
    connect_timeout_s: float = 10.0
    backoff_min_s: float = 0.5
    backoff_max_s: float = 30.0
    settled_s: float = 3.0
    watch_dropped: bool = True
    subscriptions_file: Path | None = None

    def __post_init__(self) -> None:
        if not self.client_id:
            raise InputError("client_id is empty: without one the broker keeps no session")
        if self.qos not in (0, 1):
            raise InputError(f"qos {self.qos}: 0 or 1 is allowed")
        if not 0 < self.unacknowledged_max < RECEIVE_MAX // 2:
            # Above the receive maximum the broker would stall, waiting for the acknowledgements
            # of messages that the bridge has stopped reading.
            raise InputError(
                f"unacknowledged_max {self.unacknowledged_max}: "
                f"1 to {RECEIVE_MAX // 2 - 1} is allowed"
            )
        if self.unacknowledged_bytes_max < 2 * self.packet_bytes_max:
            # Half of it must hold a packet, or reading would stop for good with half of one.
            raise InputError(
                f"unacknowledged_bytes_max {self.unacknowledged_bytes_max}: at least twice "
                f"packet_bytes_max ({self.packet_bytes_max}) is allowed"
            )
        if not self.filters:
            raise InputError("filters are empty: at least one topic is needed")

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The filters as they are subscribed, without those that another one covers.

        A broker may deliver a message once per filter that it fits [MQTT 5, 3.3.4].
        """
        needed = [
            one
            for one in dict.fromkeys(self.filters)
            if not any(other != one and covers(other, one) for other in self.filters)
        ]
        if not self.share_group:
            return tuple(needed)
        return tuple(f"$share/{self.share_group}/{one}" for one in needed)

    def unanswered(self, detail: str) -> str:
        """Say for a person that no answer to CONNECT came, and what may be the cause.

        In TLS 1.3 a broker looks at our certificate when we are already sending. The reset with
        which it closes often overtakes the alert that says what it does not like.
        """
        told = f"{self.host}:{self.port}: {detail}"
        if self.tls is None:
            return told
        if self.tls.cert_file is None:
            return (
                f"{told}; TLS is up: does the broker ask for a certificate (tls_certificate)?"
            )
        return (
            f"{told}; TLS is up: does the broker accept the certificate {self.tls.cert_file}? "
            "Its date, its authority or its name may be wrong; the broker's log says which"
        )


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every topic that fits one filter fits the other, too."""
    levels, theirs = wide.split("/"), narrow.split("/")
    for index, level in enumerate(levels):
        if level == "#":
            return True
        if index >= len(theirs) or theirs[index] == "#" or level not in ("+", theirs[index]):
            return False
    return len(levels) == len(theirs)
