"""The only module that reads the wall clock, and the clocks that stand in for it."""

import time
from collections.abc import Callable
from typing import Protocol

from bridge.model.instants import NS_PER_S


class Clock(Protocol):
    """Where `now` comes from: the desk and watermarks run on it; time-outs do not."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return time.time_ns()


class ScaledClock:
    """A clock that runs faster or slower than real time, can stand still and can be moved on.

    Parameters
    ----------
    start_ns : int
        What it shows at first.
    speed : float
        Simulated seconds per real second; 0 stands still.
    monotonic : callable
        Source of real seconds.
    """

    def __init__(
        self,
        start_ns: int,
        *,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._base_ns = start_ns
        self._base_s = monotonic()
        self._speed = speed

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, on this clock."""
        elapsed_s = self._monotonic() - self._base_s
        return self._base_ns + int(elapsed_s * self._speed * NS_PER_S)

    def run_at(self, speed: float) -> None:
        """Go on from the present reading at another speed."""
        self._base_ns, self._base_s = self.now_ns(), self._monotonic()
        self._speed = speed

    def move_to(self, now_ns: int) -> None:
        """Jump forward to a reading; going back is refused by staying where it is."""
        self._base_ns, self._base_s = max(now_ns, self.now_ns()), self._monotonic()
