"""Moving now: the mean of the last rows against the mean of those before, for fast sampling.

d = |mean of 15 rows - mean of the 50 before|, in deviations of what d usually is; on at 4.5,
off at 3.15. Sums are kept in whole numbers, so they never drift and a replay is exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import ChainConfig, ChainOut, Wide
from bridge.detect.state import rows_of
from bridge.model.samples import Frame

NOW, BEFORE = 15, 50
WIDTH = NOW + BEFORE
UNIT_ROWS = 30
"""Rows from which the unit of the whole numbers is taken."""
FINE = 1024.0
"""Whole numbers per unit."""
MOST = 1000.0 * FINE
ON, OFF = 4.5, 3.15
SETTLE_ROWS = 200
CLIP = 4.0
GAIN_MIN = 1e-3


@dataclass(slots=True)
class StepState:
    """What is remembered per asset (n) and signal (k).

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Rows seen.
    seen : NDArray[np.int32], shape (n, k)
        Readings seen.
    origin, dev : NDArray[np.float64], shape (n, k)
        Mean and mean absolute deviation of the first readings: zero and unit of the numbers.
    ring : NDArray[np.int32], shape (n, k, 65)
        The last readings; a missing one repeats the last.
    now, before : NDArray[np.int64], shape (n, k)
        Sums of the last 15 and of the 50 before.
    last : NDArray[np.int32], shape (n, k)
        Last reading.
    power : NDArray[np.float64], shape (n, k)
        Mean square of d.
    held : NDArray[np.bool_], shape (n,)
        Whether the level moves.
    """

    rows: NDArray[np.int64]
    seen: NDArray[np.int32]
    origin: Wide
    dev: Wide
    ring: NDArray[np.int32]
    now: NDArray[np.int64]
    before: NDArray[np.int64]
    last: NDArray[np.int32]
    power: Wide
    held: NDArray[np.bool_]


def init(config: ChainConfig, n: int) -> StepState:
    """Return the state of n assets before their first row."""
    k = config.k
    return StepState(
        rows=np.zeros(n, np.int64),
        seen=np.zeros((n, k), np.int32),
        origin=np.zeros((n, k)),
        dev=np.zeros((n, k)),
        ring=np.zeros((n, k, WIDTH), np.int32),
        now=np.zeros((n, k), np.int64),
        before=np.zeros((n, k), np.int64),
        last=np.zeros((n, k), np.int32),
        power=np.zeros((n, k)),
        held=np.zeros(n, np.bool_),
    )


def update(config: ChainConfig, state: StepState, frame: Frame, out: ChainOut) -> None:
    """Write `out.moving` and `out.step` from the readings that `out.adjusted` holds."""
    at = rows_of(frame.slot)
    rows = state.rows[at] + 1
    state.rows[at] = rows
    row = np.arange(state.rows.size, dtype=np.int32)[at]
    there = np.isfinite(out.adjusted) & config.scored
    value = np.where(there, out.adjusted, 0.0)
    seen = state.seen[at]
    origin, dev = state.origin[at], state.dev[at]
    young = there & (seen < UNIT_ROWS)
    gain = np.where(young, 1.0 / (seen + 1.0), 0.0)
    off = value - origin
    state.origin[at] = origin + gain * off
    state.dev[at] = dev + gain * (np.abs(off) - dev)
    state.seen[at] = seen + there
    whole = _whole(state, at, (value, there & (seen >= UNIT_ROWS)), off)
    turn = (rows - 1) % WIDTH
    oldest = state.ring[row, :, turn]
    middle = state.ring[row, :, (turn - NOW) % WIDTH]
    state.ring[row, :, turn] = whole
    now, before = state.now[at] + whole - middle, state.before[at] + middle - oldest
    state.now[at], state.before[at] = now, before
    d = np.abs(now / NOW - before / BEFORE)
    ready = state.seen[at] >= UNIT_ROWS + WIDTH
    z = _judge(config, state, at, (d, ready), rows)
    out.moving[...] = z.max(axis=1, initial=0.0)
    ripe = rows > _settle(config)
    held = ripe & ((out.moving >= ON) | (state.held[at] & (out.moving >= OFF)))
    state.held[at] = held
    out.step[...] = held


def _settle(config: ChainConfig) -> int:
    return config.healthy_rows or SETTLE_ROWS


def _whole(
    state: StepState,
    at: slice | NDArray[np.int32],
    seen: tuple[Wide, NDArray[np.bool_]],
    off: Wide,
) -> NDArray[np.int32]:
    """Return the readings as whole numbers; a missing one repeats the last."""
    _, there = seen
    unit = np.maximum(state.dev[at], 1e-9 * np.abs(state.origin[at]) + 1e-200)
    with np.errstate(over="ignore"):
        scaled = np.clip(off / unit * FINE, -MOST, MOST)
    whole = np.where(there, np.rint(scaled), state.last[at]).astype(np.int32)
    state.last[at] = whole
    return whole


def _judge(
    config: ChainConfig,
    state: StepState,
    at: slice | NDArray[np.int32],
    seen: tuple[Wide, NDArray[np.bool_]],
    rows: NDArray[np.int64],
) -> Wide:
    """Return d in its usual deviations, and teach it what is usual."""
    d, ready = seen
    power = state.power[at]
    # Half a unit of the last place: a signal that never moved has no deviation of its own.
    floor = 0.5 * FINE / NOW
    s2 = np.maximum(power, floor * floor)
    z = np.where(ready, d / np.sqrt(s2), 0.0)
    settling = (rows <= _settle(config))[:, None]
    age = np.maximum(state.seen[at] - UNIT_ROWS - WIDTH + 1, 1)
    clip = np.minimum(z, CLIP)
    first = ready & settling
    state.power[at] = np.where(
        first,
        power + (d * d - power) / age,
        np.where(
            ready, power + np.maximum(GAIN_MIN, 1.0 / age) * (clip * clip * s2 - power), power
        ),
    )
    return z
