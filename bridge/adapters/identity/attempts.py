"""Slows down who guesses passwords: after a few failures each attempt has to wait longer."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptOptions:
    """How many failures are free and how long is waited after.

    Parameters
    ----------
    free : int
        Failures in a row before the first wait.
    first_s, max_s : float
        First wait and the ceiling; doubled in between.
    remembered : int
        People remembered; the one longest quiet is forgotten first.
    """

    free: int = 5
    first_s: float = 1.0
    max_s: float = 300.0
    remembered: int = 10_000


class Attempts:
    """Failures in a row by person, in memory; times are monotonic seconds."""

    def __init__(self, options: AttemptOptions = AttemptOptions()) -> None:
        self._options = options
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def wait_s(self, who: tuple[str, str], now_s: float) -> float:
        """Return how long this person has to wait before an attempt; 0 for not at all."""
        count, last_s = self._failures.get(who, (0, now_s))
        over = count - self._options.free
        if over < 0:
            return 0.0
        # The exponent is bounded so that the power cannot overflow.
        wait_s = min(self._options.first_s * 2.0 ** min(over, 30), self._options.max_s)
        return max(last_s + wait_s - now_s, 0.0)

    def note(self, who: tuple[str, str], now_s: float, *, ok: bool) -> None:
        """Note how an attempt ended; a good one forgets the failures."""
        count, _ = self._failures.pop(who, (0, 0.0))
        if ok:
            return
        self._failures[who] = (count + 1, now_s)
        while len(self._failures) > self._options.remembered:
            self._failures.popitem(last=False)
