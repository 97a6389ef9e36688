"""Season: what the hour of the day and of the week explains, for signals that repeat.

A profile of 48 half hours of the day and, on top, one of 56 spans of three hours of the week,
both learned from the means of the spans as they are left. Only the *shape* is used (the mean
over the day is taken out): a machine that wears every day does not teach the profile its wear.
The shape is subtracted only where it has proved to explain something.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import DAY_S, ChainConfig, ChainOut, Wide
from bridge.detect.state import Rows, rows_of
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Frame

F32 = NDArray[np.float32]

DAY_SPANS = 48
WEEK_SPANS = 56
VISITS_MIN = 2
"""A half hour speaks once it has been met on so many days."""
WEEK_VISITS_MIN = 6
"""A span of the week speaks once all its half hours have been met."""
GAIN_MIN = 0.25
"""Share of a span's mean that a visit teaches, at least; 1 / visits before."""
USEFUL = 0.9
"""The shape is used where it leaves less than this share of the mean absolute deviation."""
PROOF_GAIN = 0.005


@dataclass(slots=True)
class SeasonState:
    """What is remembered per asset (n) and signal (k).

    Attributes
    ----------
    span : NDArray[np.int32], shape (n,)
        Half hour of the week that is being visited; -1 before the first row.
    total : NDArray[np.float64], shape (n, k)
        Sum of the deviations of this visit.
    count : NDArray[np.int32], shape (n, k)
        Their number.
    day, week : NDArray[np.float32], shape (n, k, 48), (n, k, 56)
        Profiles in the signal's unit.
    days, weeks : NDArray[np.uint8], shapes alike
        Visits, up to 255.
    middle : NDArray[np.float64], shape (n, k)
        Mean of the day's profile over the spans that speak.
    plain, shaped : NDArray[np.float64], shape (n, k)
        Mean absolute step against the mean without and with the shape.
    level : NDArray[np.float64], shape (n, k)
        Slow mean of the deviations, against which both are measured.
    """

    span: NDArray[np.int32]
    total: Wide
    count: NDArray[np.int32]
    day: F32
    week: F32
    days: NDArray[np.uint8]
    weeks: NDArray[np.uint8]
    middle: Wide
    plain: Wide
    shaped: Wide
    level: Wide


def init(config: ChainConfig, n: int) -> SeasonState:
    """Return the state of n assets before their first row; without a clock it holds nothing."""
    k = config.k if config.clock else 0
    return SeasonState(
        span=np.full(n, -1, np.int32),
        total=np.zeros((n, k)),
        count=np.zeros((n, k), np.int32),
        day=np.zeros((n, k, DAY_SPANS), np.float32),
        week=np.zeros((n, k, WEEK_SPANS), np.float32),
        days=np.zeros((n, k, DAY_SPANS), np.uint8),
        weeks=np.zeros((n, k, WEEK_SPANS), np.uint8),
        middle=np.zeros((n, k)),
        plain=np.zeros((n, k)),
        shaped=np.zeros((n, k)),
        level=np.zeros((n, k)),
    )


def update(
    config: ChainConfig, state: SeasonState, frame: Frame, out: ChainOut, departure: Wide
) -> None:
    """Subtract from `out.adjusted` what the hour explains, and add it to `out.location`.

    `departure` receives how far each reading is from what this hour was like of late; NaN where
    the hour has not been met often enough, or without a clock.
    """
    departure.fill(np.nan)
    if not config.clock:
        return
    at = rows_of(frame.slot)
    span = _span(frame.t_ns, config.offset_s)
    left = (state.span[at] != span) & (state.span[at] >= 0)
    if left.any():
        _learn(state, frame.slot[left])
    state.span[at] = span
    row = np.arange(state.span.size, dtype=np.int32)[at] if isinstance(at, slice) else at
    half, three = span % DAY_SPANS, span // 6
    met, level = state.days[row, :, half] >= VISITS_MIN, state.day[row, :, half]
    day = np.where(met, level - state.middle[at], 0.0)
    week = np.where(
        state.weeks[row, :, three] >= WEEK_VISITS_MIN,
        state.week[row, :, three],
        np.float32(0.0),
    )
    shape = day + week
    departure[...] = np.where(met, out.adjusted - level - week, np.nan)
    rested = out.resting[:, None] | (out.state < 0)[:, None]
    there = np.isfinite(out.adjusted) & ~rested
    deviation = np.where(there, out.adjusted, 0.0)
    useful = state.shaped[at] < USEFUL * state.plain[at]
    _prove(state, at, (deviation, shape, there))
    state.total[at] += deviation
    state.count[at] += there
    used = np.where(useful & ~rested, shape, 0.0)
    out.adjusted -= used
    out.location += used


def _span(t_ns: NDArray[np.int64], offset_s: float) -> NDArray[np.int32]:
    """Return the half hour of the week, 0 to 335, from Monday 0:00 local time."""
    half = (t_ns // NS_PER_S + int(offset_s)) // (int(DAY_S) // DAY_SPANS)
    return ((half + 3 * DAY_SPANS) % (7 * DAY_SPANS)).astype(np.int32)


def _prove(state: SeasonState, at: Rows, seen: tuple[Wide, Wide, NDArray[np.bool_]]) -> None:
    """Follow how far readings lie from their slow mean, without and with the shape."""
    deviation, shape, there = seen
    level = state.level[at]
    off = deviation - level
    state.level[at] = np.where(there, level + PROOF_GAIN * off, level)
    spoken = there & (shape != 0.0)
    plain, shaped = state.plain[at], state.shaped[at]
    state.plain[at] = np.where(spoken, plain + PROOF_GAIN * (np.abs(off) - plain), plain)
    state.shaped[at] = np.where(
        spoken, shaped + PROOF_GAIN * (np.abs(off - shape) - shaped), shaped
    )


def _learn(state: SeasonState, slot: NDArray[np.int32]) -> None:
    """Teach the profiles the mean of the span that was left."""
    span = state.span[slot]
    half, three = span % DAY_SPANS, span // 6
    count = state.count[slot]
    met = count > 0
    mean = state.total[slot] / np.maximum(count, 1)
    state.total[slot], state.count[slot] = 0.0, 0
    visits = state.days[slot, :, half]
    old = state.day[slot, :, half].astype(np.float64)
    gain = np.maximum(GAIN_MIN, 1.0 / (visits + 1.0))
    new = (old + np.where(met, gain * (mean - old), 0.0)).astype(np.float32)
    state.day[slot, :, half] = new
    state.days[slot, :, half] = np.minimum(visits + met.astype(np.uint8), 254)
    spoken = state.days[slot] >= VISITS_MIN
    whole = np.where(spoken, state.day[slot], np.float32(0.0)).sum(axis=2, dtype=np.float64)
    state.middle[slot] = whole / np.maximum(spoken.sum(axis=2), 1)
    # The week is learned from what the day leaves, both centred on the day's mean.
    rest = mean - new
    visits = state.weeks[slot, :, three]
    old = state.week[slot, :, three].astype(np.float64)
    gain = np.maximum(GAIN_MIN, 1.0 / (visits / 6.0 + 1.0)) / 6.0
    state.week[slot, :, three] = (old + np.where(met, gain * (rest - old), 0.0)).astype(
        np.float32
    )
    state.weeks[slot, :, three] = np.minimum(visits + met.astype(np.uint8), 254)
