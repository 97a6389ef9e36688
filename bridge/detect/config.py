"""What a chain is told about a group of assets, and the room for what it answers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S
COMMISSIONING_DAYS = 7.0
"""A week holds every shift and the weekend: what has not been seen in one is news."""
HEALTHY_ROWS = (200, 4032)
"""Fewest and most rows of a commissioning period whose length nobody set."""


@dataclass(frozen=True)
class ChainConfig:
    """One group of assets that send the same signals.

    Parameters
    ----------
    signals : tuple of str
        Names, in the order of the frame's columns.
    settings : tuple of str
        Those that say what the machine is asked to do; they explain the others and never alarm.
    every_s : float or None
        Seconds between rows; None where nobody knows.
    limits : tuple of (low, high) or None, one per signal
        What the sensor can physically show; empty where nothing is known of any signal.
    false_alarms_per_machine_year : float
        Budget of held alarms on a healthy machine.
    healthy_rows : int or None
        Length of commissioning; None for a week of rows (200 to 4032).
    clock : bool
        Whether times are real times, so that days and weeks mean something.
    offset_s : float
        From UTC to the assets' local time, for the profile of day and week.
    """

    signals: tuple[str, ...]
    settings: tuple[str, ...] = ()
    every_s: float | None = None
    limits: tuple[tuple[float, float] | None, ...] = ()
    false_alarms_per_machine_year: float = 1.0
    healthy_rows: int | None = None
    clock: bool = True
    offset_s: float = 0.0

    @cached_property
    def k(self) -> int:
        """Number of signals."""
        return len(self.signals)

    @cached_property
    def commissioning_rows(self) -> int:
        """Rows from which the baseline is learned."""
        if self.healthy_rows is not None:
            return max(self.healthy_rows, 8)
        if self.every_s is None:
            return HEALTHY_ROWS[0]
        rows = COMMISSIONING_DAYS * DAY_S / self.every_s
        return int(min(max(rows, HEALTHY_ROWS[0]), HEALTHY_ROWS[1]))

    @cached_property
    def explaining(self) -> NDArray[np.int64]:
        """Columns of the settings."""
        return np.array([self.signals.index(name) for name in self.settings], np.int64)

    @cached_property
    def scored(self) -> Flags:
        """Which columns are scored: all but the settings, shape (k,)."""
        return np.array([name not in self.settings for name in self.signals], np.bool_)

    @cached_property
    def low_high(self) -> tuple[Wide, Wide]:
        """Physical limits per signal, infinite where unknown, two arrays of shape (k,)."""
        given = self.limits or (None,) * self.k
        low = np.array([-np.inf if each is None else each[0] for each in given])
        high = np.array([np.inf if each is None else each[1] for each in given])
        return low, high


@dataclass(slots=True)
class ChainOut:
    """What the chain says of each row of a frame; n rows, k signals, all overwritten.

    Attributes
    ----------
    quality : NDArray[np.uint8], shape (n, k)
        `bridge.model.quality` after preparation.
    adjusted : NDArray[np.float64], shape (n, k)
        The reading as it would be in the usual operating state at the usual hour, in its unit;
        NaN where it is missing, bad, or says nothing (learning, at rest). Feed this to health.
    z : NDArray[np.float64], shape (n, k)
        Signed deviation in spreads of the operating state; 0 where nothing can be said.
    location, spread : NDArray[np.float64], shape (n, k)
        What is healthy here and now, in the signal's unit; NaN while unknown.
    slow : NDArray[np.float64], shape (n, k)
        Mean deviation of the last whole block, in the same unit as z.
    trend : NDArray[np.float64], shape (n,)
        Largest trend over the last blocks, in standard errors.
    novelty, moving : NDArray[np.float64], shape (n,)
        How new the reading is (share of the range ever seen over its limit), and how fast the
        level moves (standard deviations of such moves).
    raw : NDArray[np.float64], shape (n,)
        Evidence over its limit, 1 = the limit.
    score : NDArray[np.float64], shape (n,)
        `raw` in [0, 1]; 0.5 = the limit.
    alarm : NDArray[np.uint8], shape (n,)
        Held alarm within the false-alarm budget: a lasting change. Only this may open a case.
    step : NDArray[np.uint8], shape (n,)
        Held while the level moves now (seconds to minutes of fast sampling); an information.
    contributions : NDArray[np.float64], shape (n, k)
        Shares of the score, summing to 1 where it is above 0.
    learning : NDArray[np.float64], shape (n,)
        Share of the commissioning period that is over; below 1 nothing alarms.
    state : NDArray[np.int32], shape (n,)
        Operating state; -1 for one never learned.
    resting : NDArray[np.bool_], shape (n,)
        Whether all settings stand at nothing: a machine at rest shows nothing of its wear.
    """

    quality: NDArray[np.uint8]
    adjusted: Wide
    z: Wide
    location: Wide
    spread: Wide
    slow: Wide
    trend: Wide
    novelty: Wide
    moving: Wide
    raw: Wide
    score: Wide
    alarm: NDArray[np.uint8]
    step: NDArray[np.uint8]
    contributions: Wide
    learning: Wide
    state: NDArray[np.int32]
    resting: Flags


def outputs(n: int, k: int) -> ChainOut:
    """Return room for the answers to a frame of n rows."""

    def wide() -> Wide:
        return np.zeros((n, k))

    def column() -> Wide:
        return np.zeros(n)

    return ChainOut(
        quality=np.zeros((n, k), np.uint8),
        adjusted=wide(),
        z=wide(),
        location=wide(),
        spread=wide(),
        slow=wide(),
        trend=column(),
        novelty=column(),
        moving=column(),
        raw=column(),
        score=column(),
        alarm=np.zeros(n, np.uint8),
        step=np.zeros(n, np.uint8),
        contributions=wide(),
        learning=column(),
        state=np.zeros(n, np.int32),
        resting=np.zeros(n, np.bool_),
    )
