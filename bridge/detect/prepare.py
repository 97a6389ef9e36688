"""Prepare: say of every reading whether it may be believed, before anything learns from it.

Limits and infinities are plain. A sensor is stuck when it repeats one value for several times
longer than it ever did. A spike is one reading far from its neighbours; it is judged against
the usual step, held back for one row, and believed when the next row confirms it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import ChainConfig, ChainOut, Wide
from bridge.detect.state import rows_of
from bridge.model.quality import Quality
from bridge.model.samples import Frame

VALUE_MAX = 1e100
"""Beyond this no sensor measures anything, and squares would overflow."""
STUCK_ROWS = 12
STUCK_TIMES = 3
"""Stuck after so many equal rows, and this many times longer than the longest run that
ended."""
STUCK_AFTER = 100
"""No verdict before so many rows, nor in the first half of commissioning."""
SPIKE_STEPS = 30.0
"""A step so many times the usual one is not believed at once."""
SPIKE_AFTER = 32
STEP_GAIN = 0.02


@dataclass(slots=True)
class PrepareState:
    """What is remembered per asset (n) and signal (k).

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Rows seen.
    last : NDArray[np.float64], shape (n, k)
        Last believed reading; NaN before there is one.
    doubt : NDArray[np.float64], shape (n, k)
        Reading that was held back as a spike; NaN where there is none.
    step : NDArray[np.float64], shape (n, k)
        Mean absolute step.
    same : NDArray[np.float64], shape (n, k)
        Last reading as it came.
    run, run_max : NDArray[np.int32], shape (n, k)
        Length of the run of equal readings, and of the longest that ended.
    """

    rows: NDArray[np.int64]
    last: Wide
    doubt: Wide
    step: Wide
    same: Wide
    run: NDArray[np.int32]
    run_max: NDArray[np.int32]


def init(config: ChainConfig, n: int) -> PrepareState:
    """Return the state of n assets before their first row."""
    k = config.k
    return PrepareState(
        rows=np.zeros(n, np.int64),
        last=np.full((n, k), np.nan),
        doubt=np.full((n, k), np.nan),
        step=np.zeros((n, k)),
        same=np.full((n, k), np.nan),
        run=np.zeros((n, k), np.int32),
        run_max=np.zeros((n, k), np.int32),
    )


def update(config: ChainConfig, state: PrepareState, frame: Frame, out: ChainOut) -> None:
    """Write each reading's quality, and in `out.adjusted` what may be believed (else NaN)."""
    at = rows_of(frame.slot)
    value = frame.value
    quality = out.quality
    quality[...] = frame.quality
    absent = np.isnan(value) & ((quality == Quality.GOOD) | (quality == Quality.HELD))
    quality[absent] = Quality.MISSING
    there = (quality == Quality.GOOD) | (quality == Quality.HELD)
    low, high = config.low_high
    with np.errstate(invalid="ignore"):
        outside = ~((value >= low) & (value <= high) & (np.abs(value) <= VALUE_MAX))
    quality[there & outside] = Quality.LIMIT
    there &= ~outside
    rows = state.rows[at] + 1
    state.rows[at] = rows
    stuck = _stuck(config, state, at, (value, there), rows) & there & config.scored
    quality[stuck] = Quality.STUCK
    there &= ~stuck
    spike = _spikes(state, at, (value, there, ~config.scored), rows) & config.scored
    quality[spike] = Quality.SPIKE
    out.adjusted[...] = np.where(there & ~spike, value, np.nan)


def _stuck(
    config: ChainConfig,
    state: PrepareState,
    at: slice | NDArray[np.int32],
    reading: tuple[Wide, NDArray[np.bool_]],
    rows: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Count runs of equal readings; say which lasted longer than a live sensor's would."""
    value, there = reading
    same = state.same[at]
    run = state.run[at]
    longest = state.run_max[at]
    late = rows[:, None] > max(STUCK_AFTER, config.commissioning_rows // 2)
    equal = value == same
    ended = there & ~equal
    stuck = late & (run >= np.maximum(STUCK_ROWS, STUCK_TIMES * longest))
    # A run that was called stuck is no example of what a live sensor does; but what ends by
    # itself at one length again and again is its way, and is not told twice.
    example = np.where(stuck, run // STUCK_TIMES + 1, run)
    state.run_max[at] = np.where(ended, np.maximum(longest, example), longest)
    run = np.where(ended, 1, run + (there & equal))
    state.run[at] = run
    state.same[at] = np.where(there, value, same)
    return late & (run >= np.maximum(STUCK_ROWS, STUCK_TIMES * longest))


def _spikes(
    state: PrepareState,
    at: slice | NDArray[np.int32],
    reading: tuple[Wide, NDArray[np.bool_], NDArray[np.bool_]],
    rows: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Hold back a step far beyond the usual for one row; a second one confirms it."""
    value, there, settings = reading
    last, doubt, step = state.last[at], state.doubt[at], state.step[at]
    move = np.abs(value - last)
    limit = SPIKE_STEPS * step
    early = rows[:, None] <= SPIKE_AFTER
    with np.errstate(invalid="ignore"):
        far = (move > limit) & (limit > 0.0) & ~early
        confirmed = np.abs(value - doubt) <= np.maximum(limit, 0.5 * np.abs(doubt - last))
    # When a setting jumps, what follows it may: that is an answer, not a spike.
    asked = np.any((there & far)[:, settings], axis=1, keepdims=True)
    spike: NDArray[np.bool_] = there & far & ~confirmed & ~asked
    believed = there & ~spike
    known = believed & np.isfinite(move)
    with np.errstate(invalid="ignore"):
        clipped = np.where(early, move, np.minimum(move, limit))
    gain = np.maximum(STEP_GAIN, 1.0 / rows[:, None])
    state.step[at] = np.where(known, step + gain * (clipped - step), step)
    state.last[at] = np.where(believed, value, last)
    state.doubt[at] = np.where(spike, value, np.where(there, np.nan, doubt))
    return spike
