"""One connection by paho-mqtt: its thread on one side, the event loop on the other."""

import ssl
import threading
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from bridge.adapters.mqtt.options import DROPPED_TOPIC, SUBACK_PATIENCE_S, MqttOptions
from bridge.adapters.mqtt.subscriptions import outdated
from bridge.model.errors import UnavailableError

GOODBYE_S = 2.0
_GO_ON_SHARE = 0.5
"""Of the limits; below it a line that was full is read again."""


class Line:
    """A paho client and the bounded line of messages that leads out of its thread.

    Parameters
    ----------
    options : MqttOptions
        Where the broker is, what to take, how much may be unacknowledged.
    wake : callable
        Called in paho's thread when messages came into an empty line or the connection broke.
    tls : ssl.SSLContext or None
        How to verify the broker.
    """

    def __init__(
        self, options: MqttOptions, wake: Callable[[], None], tls: ssl.SSLContext | None
    ) -> None:
        self._options = options
        self._wake = wake
        self._changed = threading.Condition()
        self._topics: list[str] = []
        self._payloads: list[bytes] = []
        self._packet_ids: list[int] = []
        self._size_bytes = 0
        self._handed_out = self._handed_out_bytes = 0
        self._closing = False
        self._session_present: bool | None = None
        self._refused = False
        self._granted = threading.Event()
        self._flushed = threading.Event()
        self.lost = threading.Event()
        self.detail = ""
        self.dropped: int | None = None
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=options.session_expiry_s == 0,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = options.connect_timeout_s
        if options.username:
            client.username_pw_set(options.username, options.password or None)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_log = self._on_log
        client.on_message = self._on_message
        self._client = client

    # --- called from the event loop ---

    def open(self) -> bool:
        """Connect, subscribe, start the thread; return whether the session was there (blocks).

        Raises
        ------
        UnavailableError
            No broker, or it does not let us in.
        """
        options = self._options
        where = f"{options.host}:{options.port}"
        try:
            self._client.connect(options.host, options.port, options.keep_alive_s)
        except OSError as error:
            raise UnavailableError("broker", f"{where}: {error}") from error
        self._client.loop_start()
        with self._changed:
            answered = self._changed.wait_for(
                lambda: self._session_present is not None or self.lost.is_set(),
                options.connect_timeout_s,
            )
        if not answered or self._session_present is None:
            detail = self.detail or f"no answer within {options.connect_timeout_s} s"
            told = f"{where}: {detail}" if self._refused else options.unanswered(detail)
            raise UnavailableError("broker", told)
        # A resumed session may send a backlog before SUBACK, longer than we read at a time.
        patience_s = SUBACK_PATIENCE_S if self._session_present else options.connect_timeout_s
        if not self._granted.wait(patience_s) and not self._session_present:
            raise UnavailableError("broker", self.detail or "no answer to SUBSCRIBE")
        if self.lost.is_set():
            raise UnavailableError("broker", self.detail)
        return self._session_present

    @property
    def waiting(self) -> int:
        """Messages in the line."""
        return len(self._topics)

    def take(self) -> tuple[list[str], list[bytes], list[int], int]:
        """Take everything out of the line: topics, payloads, packet ids, bytes of payloads."""
        with self._changed:
            taken = self._topics, self._payloads, self._packet_ids, self._size_bytes
            self._topics, self._payloads, self._packet_ids, self._size_bytes = [], [], [], 0
        return taken

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Send PUBACK for these, in this order."""
        if self.lost.is_set():
            return
        for packet_id in packet_ids:
            self._client.ack(packet_id, 1)

    def set_handed_out(self, count: int, size_bytes: int) -> None:
        """Tell what is out of the line, unacknowledged; the thread may go on."""
        with self._changed:
            self._handed_out, self._handed_out_bytes = count, size_bytes
            if self._share() <= _GO_ON_SHARE:
                self._changed.notify_all()

    def close(self) -> None:
        """Disconnect and end the thread; blocks for at most some seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if not self.lost.is_set() and self._client.is_connected():
            # Its answer shows that the broker has read every acknowledgement before it; closing
            # with something unread would reset the connection, and the broker could lose some.
            # Any packet with an answer would do; SUBSCRIBE would bring the retained messages.
            self._client.unsubscribe(DROPPED_TOPIC)
            self._flushed.wait(GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _share(self) -> float:
        """Return how near to the limit of messages or bytes the unacknowledged are."""
        options = self._options
        return max(
            (self._handed_out + len(self._topics)) / options.unacknowledged_max,
            (self._handed_out_bytes + self._size_bytes) / options.unacknowledged_bytes_max,
        )

    def _subscribe(self) -> None:
        options = self._options
        filters = [(one, options.qos) for one in options.subscriptions]
        if options.watch_dropped:
            filters.append((DROPPED_TOPIC, 0))
        self._client.subscribe(filters)

    # --- called from paho's thread ---

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: object,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        if code.is_failure:
            self._refused = True
            self.detail = f"refused client {self._options.client_id!r}: {code}"
            self._break_off()
            return
        session_present = bool(flags.session_present)
        old = outdated(self._options, session_present=session_present)
        if old:
            self._client.unsubscribe(old)
        self._subscribe()
        with self._changed:
            self._session_present = session_present
            self._changed.notify_all()

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        _mid: int,
        codes: list[ReasonCode],
        _properties: object,
    ) -> None:
        refused = [
            code for code in codes[: len(self._options.subscriptions)] if code.is_failure
        ]
        if refused:
            self.detail = f"refused a subscription: {refused[0]}"
            self._break_off()
        self._granted.set()

    def _on_unsubscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        _mid: int,
        _codes: list[ReasonCode],
        _properties: object,
    ) -> None:
        if self._closing:
            self._flushed.set()

    def _on_log(self, _client: paho.Client, _userdata: object, level: int, text: str) -> None:
        # paho names what broke a connection in its log only; `code` is "Unspecified error".
        if level == LogLevel.MQTT_LOG_ERR and not self.lost.is_set():
            self.detail = text

    def _on_message(
        self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage
    ) -> None:
        topic = message.topic
        if topic.startswith("$SYS/"):
            self.dropped = int(message.payload) if message.payload.isdigit() else self.dropped
            self._wake()
            return
        with self._changed:
            if self._share() >= 1.0:
                self._changed.wait_for(lambda: self._closing or self._share() <= _GO_ON_SHARE)
            if self._closing:
                return  # unacknowledged: it comes again
            self._topics.append(topic)
            self._payloads.append(bytes(message.payload))
            self._size_bytes += len(message.payload)
            if message.qos:
                self._packet_ids.append(message.mid)
            first = len(self._topics) == 1
        if first:
            self._wake()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: object,
        code: ReasonCode,
        _properties: object,
    ) -> None:
        self.detail = self.detail or str(code)
        self._break_off()

    def _break_off(self) -> None:
        self.lost.set()
        self._granted.set()
        self._flushed.set()
        with self._changed:
            self._changed.notify_all()
        self._wake()
