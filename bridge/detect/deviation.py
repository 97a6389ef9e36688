"""How far a reading is from its baseline: a log ratio where it can be one, else in spreads.

A doubling is a doubling in any unit, so signals that are always positive are compared by log
ratios, and levels such as "three times the baseline" mean the same for all of them. What
crosses zero is measured in tens of its standard deviations, which is about as much.
"""

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.float64]

CLIP = 30.0
"""Largest deviation that is kept, in log units; a jump of 1e12 must not become infinite."""
SPREADS = 10.0
"""Standard deviations that count as much as one unit of a log ratio."""
MAD_TO_SD = 1.4826
MAD_SHARE_MIN = 0.1
"""Below this share of the ordinary deviation the median one has collapsed (quantised)."""
SQUARE_MAX = 1e300


def deviation(value: Wide, loc: Wide, scale: Wide) -> Wide:
    """Return deviations within +-CLIP of values from baselines; arguments broadcast.

    Parameters
    ----------
    value, loc : NDArray[np.float64]
        Readings and baselines, in the signal's unit; NaN gives NaN.
    scale : NDArray[np.float64]
        0: log ratio. Else the unit's worth of one; infinite where a signal stood still.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.log(np.maximum(value, 0.0) / loc)
        plain = (value - loc) / scale
    return np.clip(np.where(scale == 0.0, ratio, plain), -CLIP, CLIP)


def scale_of(seen: Wide) -> tuple[Wide, Wide]:
    """Return baseline and scale of healthy readings, each of shape (n, k).

    Parameters
    ----------
    seen : NDArray[np.float64], shape (n, k, rows)
        NaN means missing; a signal never seen has no baseline (NaN) and an infinite scale.
    """
    some: NDArray[np.bool_] = np.asarray(np.isfinite(seen).any(axis=2))
    filled = np.where(some[:, :, None], seen, 0.0)
    loc = np.nanmedian(filled, axis=2)
    positive = np.nanmin(filled, axis=2) > 0.0
    width = spread(filled - loc[:, :, None])
    scale = np.where(positive, 0.0, np.where(width > 0.0, SPREADS * width, np.inf))
    return np.where(some, loc, np.nan), np.where(some, scale, np.inf)


def spread(centred: Wide) -> Wide:
    """Return a robust standard deviation along the last axis; 0 where nothing moves."""
    some = np.isfinite(centred).any(axis=2, keepdims=True)
    filled = np.where(some, centred, 0.0)
    robust = MAD_TO_SD * np.nanmedian(np.abs(filled), axis=2)
    with np.errstate(over="ignore"):
        plain = np.sqrt(np.nanmean(np.minimum(filled * filled, SQUARE_MAX), axis=2))
    return np.where(robust < MAD_SHARE_MIN * plain, plain, robust)
