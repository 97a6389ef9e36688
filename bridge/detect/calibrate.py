"""Calibrate: bring the scores of all kinds to one scale, 1 = its limit, and into [0, 1].

The lasting change is calibrated to the false-alarm budget (`bridge.detect.shift`); novelty
counts by its share of the range ever seen. The larger one is the score; its parts per signal
are the contributions. A score above one half says that the present is news; a lasting change,
once told, stays just below it for as long as the alarm is held.
"""

import numpy as np

from bridge.detect.config import ChainOut
from bridge.detect.shift import ShiftState
from bridge.detect.state import rows_of
from bridge.model.samples import Frame

LASTING_MOST = 0.98
"""A lasting change alone scores up to just below one half."""


def update(shifted: ShiftState, frame: Frame, out: ChainOut) -> None:
    """Write raw, score and contributions from what the detectors left in `out`."""
    at = rows_of(frame.slot)
    k = out.contributions.shape[1]
    level = np.abs(shifted.level[at])
    lasting = np.maximum(level[:, :k], level[:, k : 2 * k])
    # Joint oddness is shared out by each signal's residual given the others.
    lasting = np.maximum(lasting, level[:, 2 * k :] * shifted.joint[at])
    evidence = np.where((out.novelty > out.raw)[:, None], out.contributions, lasting)
    np.maximum(out.raw, out.novelty, out=out.raw)
    # What lasts has been told by the alarm; above one half only news goes.
    present = np.maximum(out.novelty, np.minimum(out.raw, LASTING_MOST))
    square = present * present
    out.score[...] = square / (square + 1.0)
    total = evidence.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        out.contributions[...] = np.where(total > 0.0, evidence / total, 0.0)
