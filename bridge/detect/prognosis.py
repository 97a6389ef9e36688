"""When a machine that wears reaches its end: first passage of a Wiener process with drift.

The health indicator is taken as drift plus noise. Its drift is not known, only estimated, so it
is normal with the variance that the observed rise leaves; the time at which the process first
meets an end level then has the law of [1]_, which `arrival` computes. Wear tends to grow faster
and faster: the process runs in powers of the time since its onset [2]_, of which the steady one
is the slowest. Neither the power nor the end level is known for a machine without recorded
failures, so the answer is a mixture over some of each, and over a law that knows the age of the
change only; it is wide. Where the rise is not significant there is no date at all.

References
----------
.. [1] X.-S. Si, W. Wang, C.-H. Hu, M.-Y. Chen, D.-H. Zhou, "A Wiener-process-based degradation
   model with a recursive filter algorithm for remaining useful life estimation", Mechanical
   Systems and Signal Processing 35 (2013), theorem 1: the law of the first passage with a drift
   N(mu, kappa^2). With kappa = 0 it is the inverse Gaussian.
.. [2] G. A. Whitmore, F. Schenkelsberg, "Modelling accelerated degradation data using Wiener
   diffusion with a time scale transformation", Lifetime Data Analysis 3 (1997).
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from bridge.detect.state import reset_rows
from bridge.model.samples import Slots32, Times

Wide = NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9)
HALVINGS = 48
"""Bisection steps of a quantile on a log scale; they leave a relative error under 1e-12."""
TINY, FAR = 1e-300, 1e100
"""Bounds that keep quotients finite; the normal law is 0 or 1 long before."""
STRENGTH_MAX = 1e3
SPAN = (1e-6, 200.0)
"""Quantiles are sought between these multiples of the elapsed time; further away is no date."""


@dataclass(frozen=True, slots=True)
class PrognosisOptions:
    """Constants of the degradation process.

    Parameters
    ----------
    end_levels, end_weights : tuple of float
        Levels of the indicator at which machines end, and how likely each is: from a third
        above the baseline to five times, where nothing better is known.
    powers : tuple of float
        Degradation grows with these powers of the time since its onset, equally likely.
    doubt_min : float
        Weight of the law that knows the age of the change only, where the end level is assumed.
    step_rows : int
        Rows between the looks that the noise is measured by.
    hi_min, significance, steps_min
        No date below this level, unless the rise is this many standard deviations of the noise,
        and seen in so many steps.
    """

    end_levels: tuple[float, ...] = tuple(float(np.log(x)) for x in (1.3, 1.6, 2.0, 3.0, 5.0))
    end_weights: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    powers: tuple[float, ...] = (1.0, 1.5, 2.5)
    doubt_min: float = 0.3
    step_rows: int = 12
    hi_min: float = 0.1
    significance: float = 2.0
    steps_min: int = 5


@dataclass(slots=True)
class PrognosisState:
    """What is remembered per asset, each array of shape (n,).

    Attributes
    ----------
    floor, floor_ns : NDArray[np.float64], NDArray[np.int64]
        Lowest indicator since the baseline, and when it was last there: where the rise begins.
    look, look_ns, looked : NDArray[np.float64], NDArray[np.int64], NDArray[np.int32]
        Indicator and time at the last look, and rows since; -1 before the first.
    swing : NDArray[np.float64]
        Sum of the squared steps between looks since the floor: what the indicator has moved on
        its own. A single jump and a plateau behind it is no trend: the swing is then the rise
        itself.
    left : NDArray[np.float64], shape (n, 3)
        Seconds that were left at the last look; NaN where there was no date.
    end : NDArray[np.float64]
        The user's own end level; NaN where the default mixture holds.
    """

    floor: Wide
    floor_ns: Times
    look: Wide
    look_ns: Times
    looked: NDArray[np.int32]
    steps: NDArray[np.int32]
    swing: Wide
    left: Wide
    end: Wide


@dataclass(frozen=True, slots=True)
class Trend:
    """Where some machines stand, each field of shape (n,).

    Parameters
    ----------
    hi : NDArray[np.float64]
        Indicator now.
    rise, elapsed_s : NDArray[np.float64]
        Rise since the floor, and how long it took.
    steps : NDArray[np.int32]
        Steps between looks since the floor.
    noise : NDArray[np.float64]
        Diffusion per second: the variance of those steps about the mean rise, over their time.
    end : NDArray[np.float64]
        As in the state.
    """

    hi: Wide
    rise: Wide
    elapsed_s: Wide
    steps: NDArray[np.int32]
    noise: Wide
    end: Wide

    @property
    def strength(self) -> Wide:
        """Rise in standard deviations of what noise alone would have done in that time."""
        with np.errstate(divide="ignore", invalid="ignore"):
            strength = self.rise / np.sqrt(self.noise * self.elapsed_s)
        strength = np.minimum(np.nan_to_num(strength, nan=STRENGTH_MAX), STRENGTH_MAX)
        return np.where(self.rise > 0.0, strength, 0.0)


def init(n: int) -> PrognosisState:
    """Return the state of n assets before their first row."""
    return PrognosisState(
        floor=np.full(n, np.inf),
        floor_ns=np.zeros(n, np.int64),
        look=np.zeros(n),
        look_ns=np.zeros(n, np.int64),
        looked=np.full(n, -1, np.int32),
        steps=np.zeros(n, np.int32),
        swing=np.zeros(n),
        left=np.full((n, 3), np.nan),
        end=np.full(n, np.nan),
    )


def rebaseline(state: PrognosisState, slots: Slots32) -> None:
    """Begin anew for some assets after a repair; the user's end level stays."""
    end = state.end[slots]
    reset_rows(state, init(1), slots)
    state.end[slots] = end


def update(
    options: PrognosisOptions,
    state: PrognosisState,
    rows: tuple[Slots32, Times, Wide],
    out: Wide,
) -> None:
    """Fold the indicator of some assets into their trend, and write what is left.

    Parameters
    ----------
    options, state
        Constants, and the memory that is changed in place.
    rows : (slot, t_ns, hi)
        One entry per asset, slots unique; `hi` NaN while there is no baseline.
    out : NDArray[np.float64], shape (n, 3)
        Receives seconds until the failure has happened with 10, 50 and 90 %; NaN: no date yet.
    """
    slot, t_ns, hi = rows
    out.fill(np.nan)
    known = np.isfinite(hi)
    if not known.any():
        return
    slot, t_ns, hi = slot[known], t_ns[known], hi[known]
    low = hi <= state.floor[slot]
    state.floor[slot[low]], state.floor_ns[slot[low]] = hi[low], t_ns[low]
    due = _look(options, state, (slot, t_ns, hi))
    if due.any():
        trend = trend_of(state, (slot[due], t_ns[due], hi[due]))
        state.left[slot[due]] = remaining(options, trend)
    since_s = (t_ns - state.look_ns[slot]) * 1e-9
    out[known] = np.maximum(state.left[slot] - since_s[:, None], 0.0)


def trend_of(state: PrognosisState, rows: tuple[Slots32, Times, Wide]) -> Trend:
    """Return where some assets stand at their rows (slot, t_ns, hi)."""
    slot, t_ns, hi = rows
    elapsed_s = (t_ns - state.floor_ns[slot]).astype(np.float64) * 1e-9
    rise, steps = hi - state.floor[slot], state.steps[slot]
    # Variance of the steps about their mean, times their number; a single jump followed by rest
    # gives the square of the jump, however long the rest.
    about = state.swing[slot] - rise * rise / np.maximum(steps, 1)
    swing = np.maximum(about, 0.0) * steps / np.maximum(steps - 1, 1)
    return Trend(
        hi=hi,
        rise=rise,
        elapsed_s=elapsed_s,
        steps=steps,
        noise=swing / np.maximum(elapsed_s, 1e-9),
        end=state.end[slot],
    )


def significant(options: PrognosisOptions, trend: Trend) -> NDArray[np.bool_]:
    """Say where the rise is more than the indicator's own noise would explain."""
    strong = trend.rise >= options.significance * np.sqrt(trend.noise * trend.elapsed_s)
    rising = (trend.rise > 0.0) & (trend.elapsed_s > 0.0) & (trend.steps >= options.steps_min)
    return (trend.hi >= options.hi_min) & rising & strong


def remaining(options: PrognosisOptions, trend: Trend) -> Wide:
    """Return the seconds left with 10, 50 and 90 %, shape (n, 3), in order; NaN: no date.

    Notes
    -----
    There is no date where the trend is not significant.
    A level that a machine has passed while running is not its end: it drops out, and when all
    are passed the last gap between them is put on top of where the machine stands. Where even
    half of the mixture never arrives within the span looked at, nothing is said.
    """
    found = np.full((len(trend.hi), 3), np.nan)
    dated = significant(options, trend)
    if dated.any():
        part = Trend(**{f.name: getattr(trend, f.name)[dated] for f in fields(Trend)})
        found[dated] = _quantiles(options, part)
    return found


def _quantiles(options: PrognosisOptions, trend: Trend) -> Wide:
    """Return the quantiles of what is left, shape (n, 3), of trends that are significant."""
    distance, weight = _distances(options, trend)
    elapsed_s = trend.elapsed_s[:, None]
    low = np.broadcast_to(np.log(SPAN[0] * elapsed_s), (len(trend.hi), 3)).copy()
    high = np.broadcast_to(np.log(SPAN[1] * elapsed_s), low.shape).copy()
    share = np.array(QUANTILES)
    swing = (trend.noise * trend.elapsed_s)[:, None, None, None]
    rise = trend.rise[:, None, None, None]
    doubt = _doubt(options, trend)

    def reached(log_t: Wide) -> Wide:
        later = np.exp(log_t) / elapsed_s
        # In the time scale of each growth law the elapsed span is 1 and the drift is the rise.
        t = np.expm1(np.log1p(later)[:, :, None, None] * np.array(options.powers))
        part = arrival(t, distance[:, None, :, None], (rise, swing), swing)
        mixed: Wide = (part.mean(axis=3) * weight[:, None, :]).sum(axis=2)
        # What is known of a change only by its age: it lasts as long again with one half.
        return mixed + doubt * (later / (later + 1.0) - mixed)

    never = reached(high) < share
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        early = reached(middle) < share
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    # The end of the span is the widest thing said; half of the law beyond it is no date.
    found = np.maximum.accumulate(np.exp(high), axis=1)
    found[never[:, 1]] = np.nan
    return found


def _doubt(options: PrognosisOptions, trend: Trend) -> Wide:
    """Return the weight of what the age of a change alone says, shape (n, 1).

    All of a weak trend is in doubt; of a strong one still `doubt_min`, as long as nobody knows
    at which level this machine ends.
    """
    weak = 1.0 / (1.0 + (trend.strength / options.significance) ** 2)
    known = np.isfinite(trend.end)
    doubt: Wide = np.where(known, weak, np.maximum(weak, options.doubt_min))
    return doubt[:, None]


def arrival(t: Wide, distance: Wide, drift: tuple[Wide, Wide], noise: Wide) -> Wide:
    """Return the probability that the process has met a level by t; all arguments broadcast.

    Parameters
    ----------
    t : NDArray[np.float64]
        Seconds from now, positive.
    distance : NDArray[np.float64]
        From here to the level, positive.
    drift : (mean, variance)
        Of the drift per second; it is one number for each life, unknown within this.
    noise : NDArray[np.float64]
        Diffusion per second (sigma squared), not negative.

    Notes
    -----
    Equation (19) of the reference. Its second term is a product exp(p) Phi(-b) of a huge and a
    tiny number; since p = (b^2 - a^2) / 2 with a = (mean t - distance) / root, it is
    exp(-a^2 / 2) erfcx(b / sqrt 2) / 2, in which nothing cancels.
    """
    mean, variance = drift
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        root = np.maximum(np.sqrt(noise * t + variance * t * t), TINY)
        a = np.clip((mean * t - distance) / root, -FAR, FAR)
        ahead = np.minimum(2.0 * distance * root / (t * np.maximum(noise, TINY)), FAR)
    b = a + ahead
    # Where the drift leads away from the level b may be negative: the plain form is stable.
    away = np.minimum(0.5 * ahead * (a + b), 0.0) + log_ndtr(-np.minimum(b, 0.0))
    toward = np.exp(-0.5 * a * a) * 0.5 * erfcx(np.maximum(b, 0.0) / np.sqrt(2.0))
    second = np.where(b > 0.0, toward, np.exp(away))
    met: Wide = np.clip(ndtr(a) + second, 0.0, 1.0)
    return met


def _distances(options: PrognosisOptions, trend: Trend) -> tuple[Wide, Wide]:
    """Return distance to and weight of each end level not yet passed, shapes (n, levels)."""
    levels = np.broadcast_to(
        np.array(options.end_levels), (len(trend.hi), len(options.end_levels))
    )
    weights = np.broadcast_to(np.array(options.end_weights), levels.shape)
    own = np.isfinite(trend.end)[:, None]
    first = np.arange(levels.shape[1]) == 0
    levels = np.where(own, trend.end[:, None], levels)
    weights = np.where(own, first.astype(np.float64), weights)
    distance = levels - trend.hi[:, None]
    ahead: Wide = np.where((distance > 0.0) & (weights > 0.0), weights, 0.0)
    gap = (
        options.end_levels[-1] - options.end_levels[-2] if len(options.end_levels) > 1 else 0.5
    )
    lost: NDArray[np.bool_] = np.sum(ahead, axis=1) <= 0.0
    ahead[lost, 0] = 1.0
    distance = np.where(lost[:, None], gap, np.maximum(distance, 1e-9))
    # A user's own limit that is reached is reached: the end is now.
    distance[lost & own[:, 0]] = 1e-9
    return distance, ahead / ahead.sum(axis=1, keepdims=True)


def _look(
    options: PrognosisOptions, state: PrognosisState, rows: tuple[Slots32, Times, Wide]
) -> NDArray[np.bool_]:
    """Measure the noise by the steps between looks `step_rows` apart; say whose look this is.

    Dates are made anew at looks only, and run down between them: the law costs a thousand times
    more than the recurrence, and twelve rows change it by less than it claims to know.
    """
    slot, t_ns, hi = rows
    state.looked[slot] += 1
    looked = state.looked[slot]
    due: NDArray[np.bool_] = (looked == 0) | (looked >= options.step_rows)
    if not due.any():
        return due
    at, hi = slot[due], hi[due]
    step = np.where(state.looked[at] > 0, hi - state.look[at], 0.0)
    grounded = hi <= state.floor[at]
    state.swing[at] = np.where(grounded, 0.0, state.swing[at] + step * step)
    state.steps[at] = np.where(grounded, 0, state.steps[at] + 1)
    state.look[at], state.look_ns[at], state.looked[at] = hi, t_ns[due], 0
    return due
