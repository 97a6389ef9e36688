"""Lasting changes: CUSUMs on means (both sides), noise and joint oddness (one side) of blocks.

Deviations are averaged over blocks of `BLOCK` telling rows (not missing, not at rest, in a
known state), which removes noise; what is left wanders by itself, with load, weather and the
quality of the material. How far, and how long a wander lasts, is learned per channel: the
reference value and the limit of the CUSUM [1]_ are multiples of that. Three corrections keep
the false-alarm budget: Student's (few independent blocks were seen), the length of a wander (a
day of warm weather is one event, not eight), and the number of channels and blocks in a year.

References
----------
.. [1] E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954). The limit for a wanted
   run length is Siegmund's approximation ("Sequential Analysis", 1985, eq. 2.56).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect import multivariate, trend
from bridge.detect.config import YEAR_S, ChainConfig, ChainOut, Wide
from bridge.detect.multivariate import MultivariateState
from bridge.detect.state import rows_of
from bridge.detect.trend import TrendState
from bridge.model.samples import Frame, Slots32

BLOCK = 36
"""Rows of a block; the constant of the health indicator, chosen there on bearings."""
FILLED = 0.3
"""A block speaks of a signal that was there in this share of its rows."""
REFERENCE = 2.0
"""Deviations of block means below so many own deviations count against the sum."""
MATERIAL = 0.5
"""A mean that moved by less than this share of the usual spread is no change at all ..."""
MATERIAL_NOISE = 1.4
"""... nor is noise that grew by less than a factor of two."""
MATERIAL_JOINT = 0.5
"""... nor is a joint oddness (cube root of T2 per signal) that grew by less than this."""
ALONE = 0.6
"""Share of the limit that one block alone can add: a lasting change shows in two at least."""
CLIP_Z = 8.0
BLOCKS_MIN = 6
STUDENT = 6.0
"""Limits grow by 1 + 6 / (independent blocks): the ratio of the far quantiles to a
Gaussian's."""
BLOCKS_MAX = 400
TAUGHT = 2.5
"""After commissioning a block teaches at most this many own deviations: wear of some days must
not become the normal wander before it is told. How fast it teaches stays its share of all
blocks: a machine that rests at night has few after its first week and knows its wander poorly;
held fast there, one machine in thirty alarmed without cause within a month."""
LONGEST = 12.0
OFF = 0.35
CAP = 1.5
FLOOR_MEAN = BLOCK**-0.5
FLOOR_NOISE = (2.0 / (BLOCK - 1.0)) ** 0.5
FLOOR_JOINT = 0.2
EVERY_S = 300.0
"""Assumed where nobody says how often rows come."""


@dataclass(slots=True)
class ShiftState:
    """What is remembered per asset (n), signal (k) and channel (c = 2k + 1: means, noise, T2).

    Attributes
    ----------
    rows, telling : NDArray[np.int64], NDArray[np.int32], shape (n,)
        Rows seen, and telling rows in this block.
    count : NDArray[np.int32], shape (n, k)
        Readings in this block.
    total, square : NDArray[np.float64], shape (n, k)
        Sum of z and of its square in this block.
    blocks : NDArray[np.int32], shape (n, c)
        Whole blocks seen.
    mean, var, last, lagged : NDArray[np.float64], shape (n, c)
        Baseline of the block values, their variance, the last deviation, and the mean product
        of neighbouring deviations.
    up, down : NDArray[np.float64], shape (n, c)
        The two sums.
    level : NDArray[np.float64], shape (n, c)
        Larger sum over its limit, at the last block, signed.
    slow : NDArray[np.float64], shape (n, k)
        Mean deviation in the last whole block.
    joint : NDArray[np.float64], shape (n, k)
        Share of each signal in the joint oddness of the last block.
    slope : NDArray[np.float64], shape (n,)
        Largest trend over the last blocks, in standard errors.
    held : NDArray[np.bool_], shape (n,)
        Whether the alarm is held.
    multivariate, trend
        See their modules.
    """

    rows: NDArray[np.int64]
    telling: NDArray[np.int32]
    count: NDArray[np.int32]
    total: Wide
    square: Wide
    blocks: NDArray[np.int32]
    mean: Wide
    var: Wide
    last: Wide
    lagged: Wide
    up: Wide
    down: Wide
    level: Wide
    slow: Wide
    joint: Wide
    slope: Wide
    held: NDArray[np.bool_]
    multivariate: MultivariateState
    trend: TrendState


def init(config: ChainConfig, n: int) -> ShiftState:
    """Return the state of n assets before their first row."""
    k, c = config.k, 2 * config.k + 1
    return ShiftState(
        rows=np.zeros(n, np.int64),
        telling=np.zeros(n, np.int32),
        count=np.zeros((n, k), np.int32),
        total=np.zeros((n, k)),
        square=np.zeros((n, k)),
        blocks=np.zeros((n, c), np.int32),
        mean=np.zeros((n, c)),
        var=np.zeros((n, c)),
        last=np.zeros((n, c)),
        lagged=np.zeros((n, c)),
        up=np.zeros((n, c)),
        down=np.zeros((n, c)),
        level=np.zeros((n, c)),
        slow=np.zeros((n, k)),
        joint=np.zeros((n, k)),
        slope=np.zeros(n),
        held=np.zeros(n, np.bool_),
        multivariate=multivariate.init(config, n),
        trend=trend.init(config, n),
    )


def update(config: ChainConfig, state: ShiftState, frame: Frame, out: ChainOut) -> None:
    """Write the held alarm, the slow means, and in `out.raw` the strongest level."""
    at = rows_of(frame.slot)
    rows = state.rows[at] + 1
    state.rows[at] = rows
    says = ~out.resting & (out.state >= 0) & (2 * rows > config.commissioning_rows)
    there = says[:, None] & np.isfinite(out.spread) & np.isfinite(out.adjusted)
    z = np.where(there, np.clip(out.z, -CLIP_Z, CLIP_Z), 0.0)
    state.count[at] += there
    state.total[at] += z
    state.square[at] += z * z
    telling = state.telling[at] + there.any(axis=1)
    state.telling[at] = telling
    ends = telling >= BLOCK
    if ends.any():
        _close(config, state, frame.slot[ends], rows[ends])
    out.slow[...] = state.slow[at]
    out.raw[...] = np.abs(state.level[at]).max(axis=1, initial=0.0)
    out.trend[...] = state.slope[at]
    out.alarm[...] = state.held[at]


def limit(config: ChainConfig) -> float:
    """Return the limit of the sums, in own deviations, for wanders that last one block."""
    every_s = config.every_s or EVERY_S
    looks = YEAR_S / (BLOCK * every_s) * (3 * max(int(config.scored.sum()), 1) + 1)
    run = max(looks / config.false_alarms_per_machine_year, 2.0)
    # Siegmund: run length ~ exp(2 K (h + 1.166)) / (2 K^2).
    h = np.log(2.0 * REFERENCE**2 * run) / (2.0 * REFERENCE) - 1.166
    return float(max(h, 1.0))


def _close(
    config: ChainConfig, state: ShiftState, slot: Slots32, rows: NDArray[np.int64]
) -> None:
    """Turn the sums of a whole block into channel values and let them speak."""
    count = state.count[slot]
    n = np.maximum(count, 1)
    mean = state.total[slot] / n
    noise = np.log(np.maximum(state.square[slot] / n - mean * mean, 0.0) + 0.01)
    filled = count >= FILLED * BLOCK
    state.slow[slot] = np.where(filled, mean, state.slow[slot])
    for each in (state.count, state.total, state.square, state.telling):
        each[slot] = 0
    learning = (rows <= config.commissioning_rows)[:, None]
    together = _together(state, slot, (mean, filled), learning[:, 0])
    value = np.concatenate([mean, noise, together], axis=1)
    there = np.concatenate([filled, filled, np.isfinite(together)], axis=1)
    level = _follow(config, state, slot, (value, there, learning))
    ripe = rows >= config.commissioning_rows
    state.level[slot] = np.where(ripe[:, None], level, 0.0)
    most = np.abs(state.level[slot]).max(axis=1, initial=0.0)
    state.held[slot] = (most >= 1.0) | (state.held[slot] & (most >= OFF))


def _follow(
    config: ChainConfig,
    state: ShiftState,
    slot: Slots32,
    seen: tuple[Wide, NDArray[np.bool_], NDArray[np.bool_]],
) -> Wide:
    """Fold block values into sums and baseline; return the signed level per channel."""
    value, there, learning = seen
    k = value.shape[1] // 2
    blocks, mean, var = state.blocks[slot], state.mean[slot], state.var[slot]
    material = _per_channel(k, (MATERIAL, MATERIAL_NOISE, MATERIAL_JOINT))
    sd, length, sure = _own(state, slot)
    off = np.where(there, value - mean, 0.0)
    u = np.where(np.abs(off) >= material, off / (sd * sure), 0.0)
    h = limit(config) * length
    u = np.clip(u, -REFERENCE - ALONE * h, REFERENCE + ALONE * h)
    known = there & (blocks >= BLOCKS_MIN)
    up, down = state.up[slot], state.down[slot]
    up = np.where(known, np.clip(up + u - REFERENCE, 0.0, CAP * h), up)
    down = np.where(known, np.clip(down - u - REFERENCE, 0.0, CAP * h), down)
    # Less noise than usual is no fault; a dead sensor is told elsewhere.
    down[:, k:] = 0.0
    state.up[slot], state.down[slot] = up, down
    young = there & (learning | (blocks < BLOCKS_MIN))
    gain = 1.0 / (np.minimum(blocks, BLOCKS_MAX) + 1.0)
    # Afterwards the wander goes on learning, but no single block teaches more than its clip;
    # what raised the alarm teaches nothing: a fault must not become the normal wander.
    calm = there & (np.maximum(up, down) < h)
    taught = np.where(young, off, np.clip(off, -TAUGHT * sd, TAUGHT * sd))
    state.mean[slot] = np.where(young, mean + gain * off, mean)
    state.var[slot] = np.where(calm, var + gain * (taught * taught - var), var)
    pair = state.lagged[slot]
    state.lagged[slot] = np.where(calm, pair + gain * (taught * state.last[slot] - pair), pair)
    state.last[slot] = np.where(there, taught, state.last[slot])
    state.blocks[slot] = blocks + there
    return np.where(up >= down, up, -down) / h


def _together(
    state: ShiftState,
    slot: Slots32,
    block: tuple[Wide, NDArray[np.bool_]],
    learning: NDArray[np.bool_],
) -> Wide:
    """Fold block means into correlation and trend; return the joint oddness, shape (n, 1).

    NaN where there are no signals to be odd together.
    """
    mean, filled = block
    k = mean.shape[1]
    sd, length, _ = _own(state, slot)
    state.slope[slot] = np.abs(
        trend.update(state.trend, slot, (mean, filled, length[:, :k]))
    ).max(axis=1, initial=0.0)
    t2, residual = np.empty(slot.size), np.empty(mean.shape)
    u = np.where(filled, (mean - state.mean[slot, :k]) / sd[:, :k], 0.0)
    multivariate.update(state.multivariate, slot, (u, learning), (t2, residual))
    square = residual * residual
    total = square.sum(axis=1, keepdims=True)
    state.joint[slot] = np.where(total > 0.0, square / np.where(total > 0.0, total, 1.0), 0.0)
    # The cube root of a chi-square is nearly Gaussian (Wilson and Hilferty, 1931).
    odd = np.cbrt(t2 / k)[:, None]
    return odd if state.multivariate.product.shape[1] else np.full_like(odd, np.nan)


def _per_channel(k: int, values: tuple[float, float, float]) -> Wide:
    """Return one value per channel: of the means, of the noise, of T2."""
    return np.repeat(values, (k, k, 1))


def _own(state: ShiftState, slot: Slots32) -> tuple[Wide, Wide, Wide]:
    """Return own deviation, length of a wander and Student's correction, per channel."""
    floor = _per_channel(state.count.shape[1], (FLOOR_MEAN, FLOOR_NOISE, FLOOR_JOINT))
    var = np.maximum(state.var[slot], floor * floor)
    rho = np.clip(state.lagged[slot] / var, 0.0, 0.95)
    length = np.minimum((1.0 + rho) / (1.0 - rho), LONGEST)
    independent = np.maximum(state.blocks[slot] / length, 2.0)
    return np.sqrt(var), length, 1.0 + STUDENT / independent
