"""Which failure mode a machine shows, by the pattern of its signals; "unknown" is an answer.

A mode's signature names signals and the way each moves. What is observed is the signed excess
of every signal beyond its own wander (`bridge.detect.health`). Modes are compared by how surely
each signal has moved, not by how far: a flow that falls by three percent, clearly, tells a
cracked blade from an imbalance as well as a vibration that trebles. A mode fits as far as its
signals moved the way it says, and as far as all that moved is named by it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.model.catalog import FailureMode
from bridge.model.values import UNKNOWN_MODE

Column = NDArray[np.float64]

FIT_MIN = 0.45
"""A mode that fits less well than this is not named."""
LEAD_MIN = 0.1
"""A mode this close to the runner-up is named with half of the confidence only."""
SURE = 5.0
"""An excess of so many own deviations, on top of the three of wander, counts one half."""
EXCESS_MIN = 1e-3
"""The least excess that can be sure, for signals that never wander."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of one machine.

    Parameters
    ----------
    signals : tuple of str
        Names, in the order of the columns.
    excess : NDArray[np.float64], shape (k,)
        Signed deviation of each signal beyond its own wander.
    own : NDArray[np.float64], shape (k,)
        Own deviation of each signal, in the same unit.
    """

    signals: tuple[str, ...]
    excess: Column
    own: Column

    @property
    def presence(self) -> Column:
        """How surely each signal has moved, signed, against the surest one, shape (k,)."""
        excess = np.nan_to_num(self.excess)
        scale = SURE * np.maximum(np.nan_to_num(self.own), EXCESS_MIN)
        sure = excess / (np.abs(excess) + scale)
        most = float(np.max(np.abs(sure), initial=0.0))
        return sure / most if most > 0.0 else sure


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The mode named, and how sure.

    Parameters
    ----------
    mode : str
        Id of a failure mode, or `UNKNOWN_MODE`.
    confidence : float
        0 to 1; 0 for the unknown.
    fits : dict of mode id to fit
        How well each mode fits, 0 to 1.
    """

    mode: str
    confidence: float
    fits: dict[str, float]


def diagnose(seen: Seen, modes: tuple[FailureMode, ...]) -> Diagnosis:
    """Return the failure mode that a pattern shows.

    Parameters
    ----------
    seen : Seen
        Of one machine.
    modes : tuple of FailureMode
        What the asset's model can suffer from.
    """
    presence = seen.presence
    fits = {mode.id: fit(presence, seen.signals, mode) for mode in modes}
    ranked = sorted(fits.items(), key=lambda each: (-each[1], each[0]))
    if not ranked or ranked[0][1] < FIT_MIN:
        return Diagnosis(UNKNOWN_MODE, 0.0, fits)
    lead = ranked[0][1] - (ranked[1][1] if len(ranked) > 1 else 0.0)
    confidence = ranked[0][1] * (1.0 if lead >= LEAD_MIN else 0.5)
    return Diagnosis(ranked[0][0], confidence, fits)


def fit(presence: Column, signals: tuple[str, ...], mode: FailureMode) -> float:
    """Return how well one mode explains the pattern, 0 to 1.

    The geometric mean of precision (the share of all that moved which the mode names, moved its
    way) and recall (how surely what it names is there): a mode of many symptoms does not win by
    naming everything, nor one of a single symptom by asking little.
    """
    column = {name: at for at, name in enumerate(signals)}
    total = float(np.abs(presence).sum())
    named = [each for each in mode.signature if each.signal in column]
    if total <= 0.0 or not named:
        return 0.0
    explained = 0.0
    for symptom in named:
        moved = float(presence[column[symptom.signal]])
        matches = (
            symptom.direction == "either"
            or (symptom.direction == "up" and moved > 0.0)
            or (symptom.direction == "down" and moved < 0.0)
        )
        explained += abs(moved) if matches else 0.0
    return float(np.sqrt(explained / total * explained / len(named)))


def shares(excess: Column, signals: tuple[str, ...]) -> dict[str, float]:
    """Return the share of each signal in all that moved; they sum to 1, largest first."""
    size = np.abs(np.nan_to_num(excess))
    total = float(size.sum())
    if total <= 0.0:
        return {}
    order = np.argsort(-size, kind="stable")
    return {signals[at]: float(size[at] / total) for at in order if size[at] > 0.0}
