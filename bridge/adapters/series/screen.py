"""What no store takes, decided once and the same for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.flow.ports import Refused
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot

TIME_MIN_NS = -631_152_000 * NS_PER_S
TIME_MAX_NS = 7_258_118_400 * NS_PER_S
"""1950 and 2200: what lies outside is a broken clock; the difference of two fits int64."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What is to be stored of a batch, and what never will be.

    Parameters
    ----------
    rows : NDArray[np.int64], shape (m,)
        Rows to store, in order of (time, slot), the last one where an identity comes twice.
    refused : list of Refused
        Reasons begin with a word of a closed set, then a colon and the sentence for a person.
    """

    rows: NDArray[np.int64]
    refused: list[Refused]


def screen(batch: Samples, slots: Sequence[SignalSlot]) -> Screened:
    """Leave out "sent as missing" (it stands for no sample); refuse what cannot be stored.

    Raises
    ------
    AssertionError
        A slot of the batch has no signal: the caller did not absorb the newest slots.
    """
    if not len(batch):
        return Screened(np.empty(0, np.int64), [])
    assert batch.signal.min() >= 0, "a slot is negative"
    assert batch.signal.max() < len(slots), f"slot {batch.signal.max()} of {len(slots)}"
    refused: list[Refused] = []
    infinite = np.isinf(batch.value)
    if infinite.any():
        reason = "not-finite: infinity is not a reading; send a number, or nothing"
        refused.append(Refused(np.flatnonzero(infinite), reason))
    timeless = (batch.t_ns < TIME_MIN_NS) | (batch.t_ns >= TIME_MAX_NS)
    timeless &= np.isfinite(batch.value)
    if timeless.any():
        reason = "bad-time: times from 1950 to 2199 are allowed; check the clock of the device"
        refused.append(Refused(np.flatnonzero(timeless), reason))
    kept = np.flatnonzero(np.isfinite(batch.value) & ~timeless)
    return Screened(_last_of_each(batch, kept), refused)


def _last_of_each(batch: Samples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    signal, t_ns = batch.signal[rows], batch.t_ns[rows]
    order = np.lexsort((signal, t_ns))  # stable: equal identities stay in order of arrival
    signal, t_ns = signal[order], t_ns[order]
    last = np.ones(len(order), np.bool_)
    np.not_equal(t_ns[1:], t_ns[:-1], out=last[:-1])
    last[:-1] |= signal[1:] != signal[:-1]
    kept: NDArray[np.int64] = rows[order[last]]
    return kept
