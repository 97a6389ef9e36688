"""Slow trend with significance: a fading straight line through the block means of a signal.

The slope's standard error comes from what the line leaves, widened by how long the signal's
wanders last (`bridge.detect.shift`): ten warm days in a row are not ten observations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import ChainConfig, Wide
from bridge.model.samples import Slots32

FADE = 1.0 - 1.0 / 48.0
"""Blocks fade with a time constant of 48: some days of rows in five minutes."""
BLOCKS_MIN = 12


@dataclass(slots=True)
class TrendState:
    """What is remembered per asset (n) and signal (k): faded sums over the blocks.

    Attributes
    ----------
    blocks : NDArray[np.int32], shape (n, k)
        Blocks seen.
    weight, x, xx, y, xy, yy : NDArray[np.float64], shape (n, k)
        Sums of 1, x, x^2, y, xy, y^2 with x the age of a block in blocks (0 now, negative
        before).
    """

    blocks: NDArray[np.int32]
    weight: Wide
    x: Wide
    xx: Wide
    y: Wide
    xy: Wide
    yy: Wide


def init(config: ChainConfig, n: int) -> TrendState:
    """Return the state of n assets before their first block."""

    def wide() -> Wide:
        return np.zeros((n, config.k))

    return TrendState(
        np.zeros((n, config.k), np.int32), wide(), wide(), wide(), wide(), wide(), wide()
    )


def update(
    state: TrendState, slot: Slots32, block: tuple[Wide, NDArray[np.bool_], Wide]
) -> Wide:
    """Fold one block of some assets in; return each signal's slope in standard errors, (n, k).

    Parameters
    ----------
    block : (mean, there, length)
        Shapes (n, k): block means, which signals have one, and how many blocks a wander lasts.
    """
    mean, there, length = block
    fade = np.where(there, FADE, 1.0)
    w, x, xx = state.weight[slot], state.x[slot], state.xx[slot]
    y, xy, yy = state.y[slot], state.xy[slot], state.yy[slot]
    step = there.astype(np.float64)
    # Every earlier block grows older by one: x -> x - 1.
    xx = fade * (xx - 2.0 * step * x + step * w)
    xy = fade * (xy - step * y)
    x = fade * (x - step * w)
    value = np.where(there, mean, 0.0)
    w, y, yy = fade * w + step, fade * y + value, fade * yy + value * value
    for name, new in (("weight", w), ("x", x), ("xx", xx), ("y", y), ("xy", xy), ("yy", yy)):
        getattr(state, name)[slot] = new
    blocks = state.blocks[slot] + there
    state.blocks[slot] = blocks
    return _significance((w, x, xx, y, xy, yy), blocks, length)


def _significance(
    sums: tuple[Wide, Wide, Wide, Wide, Wide, Wide], blocks: NDArray[np.int32], length: Wide
) -> Wide:
    """Return slopes over their standard errors; 0 before enough blocks."""
    w, x, xx, y, xy, yy = sums
    weight = np.maximum(w, 1.0)
    sxx = np.maximum(xx - x * x / weight, 1e-12)
    sxy, syy = xy - x * y / weight, np.maximum(yy - y * y / weight, 0.0)
    slope = sxy / sxx
    rest = np.maximum(syy - slope * sxy, 1e-6 * weight)
    error = np.sqrt(rest / np.maximum(weight - 2.0, 1.0) / sxx * length)
    return np.where(blocks >= BLOCKS_MIN, slope / error, 0.0)
