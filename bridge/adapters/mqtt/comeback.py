"""When to connect again, and when to see that another client is using our client id.

A broker gives a session to whoever came last and closes the other's connection, often without a
word (mosquitto 2.0 says nothing, MQTT 3.1.1 cannot). Two bridges with one id would take it from
each other for ever. So a connection that the broker closes soon, without a reason, while it
takes the next one, counts as a kick. A bridge that never held its connection for long, the
newcomer, gives up after few of them; one that did, after many.
"""

import random

from bridge.adapters.mqtt.options import MqttOptions
from bridge.model.errors import ConflictError

NEWCOMER_KICKS_MAX = 2
SETTLED_KICKS_MAX = 8
_RANDOM = random.SystemRandom()


class Comeback:
    """Back-off and kicks of one source; times are monotonic seconds.

    Parameters
    ----------
    options : MqttOptions
        Limits of the back-off, and how long a connection must live to count as settled.
    """

    def __init__(self, options: MqttOptions) -> None:
        self._options = options
        self._attempt = 0
        self._kicks = 0
        self._since_s: float | None = None
        self._was_settled = False

    def connected(self, now_s: float) -> None:
        """Note that the broker let us in."""
        self._since_s = now_s

    def lost(self, now_s: float, *, explained: bool) -> None:
        """Note that the connection is gone; `explained` where broker or network said why.

        Raises
        ------
        ConflictError
            After too many kicks.
        """
        since_s, self._since_s = self._since_s, None
        if since_s is None:
            return
        if now_s - since_s >= self._options.settled_s:
            self._was_settled = True
            self._attempt = self._kicks = 0
        self._kicks = 0 if explained else self._kicks + 1
        if self._kicks:
            # The broker is there. Longer and longer waits would let each of two clients hold
            # the session long enough to count as settled, and the fight would never end.
            self._attempt = 0
        if self._kicks > (SETTLED_KICKS_MAX if self._was_settled else NEWCOMER_KICKS_MAX):
            raise ConflictError(
                f"client id {self._options.client_id!r} seems to be used by another client: "
                f"the broker closed {self._kicks} connections soon and without a reason"
            )

    def failed(self) -> None:
        """Note an attempt that did not get in: the broker is away, so nobody kicked us."""
        self._kicks = 0

    def wait_s(self) -> float:
        """Return how long to wait before the next attempt: doubling, with jitter."""
        doubled_s = self._options.backoff_min_s * 2.0 ** min(self._attempt, 20)
        self._attempt += 1
        return min(self._options.backoff_max_s, doubled_s) * _RANDOM.uniform(0.5, 1.0)
