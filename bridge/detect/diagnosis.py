"""Which failure mode a machine shows, by the pattern of its signals; "unknown" is an answer.

A mode's signature names signals and the way each moves. The observed pattern is the signed
excess of every signal (`bridge.detect.health`). A mode fits as far as its signals moved the way
it says (the share of the pattern that it explains) and as far as all that it names did move.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.model.catalog import FailureMode
from bridge.model.values import UNKNOWN_MODE

Column = NDArray[np.float64]

FIT_MIN = 0.5
"""A mode that explains less than this of what is seen is not named."""
LEAD_MIN = 0.1
"""A mode this close to the runner-up is named with half of the confidence only."""
SATURATION = 0.1
"""Excess at which a symptom counts as fully there: a tenth beyond the own wander."""


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


def diagnose(
    excess: Column, signals: tuple[str, ...], modes: tuple[FailureMode, ...]
) -> Diagnosis:
    """Return the failure mode that a pattern of signed excesses shows.

    Parameters
    ----------
    excess : NDArray[np.float64], shape (k,)
        Signed deviation of each signal beyond its own wander.
    signals : tuple of str
        Names of the signals, in the order of `excess`.
    modes : tuple of FailureMode
        What the asset's model can suffer from.
    """
    size = np.abs(np.nan_to_num(excess))
    seen = float(size.sum())
    fits = {mode.id: fit(np.nan_to_num(excess), signals, mode) for mode in modes}
    ranked = sorted(fits.items(), key=lambda each: (-each[1], each[0]))
    if seen <= 0.0 or not ranked or ranked[0][1] < FIT_MIN:
        return Diagnosis(UNKNOWN_MODE, 0.0, fits)
    lead = ranked[0][1] - (ranked[1][1] if len(ranked) > 1 else 0.0)
    confidence = ranked[0][1] * (1.0 if lead >= LEAD_MIN else 0.5)
    return Diagnosis(ranked[0][0], confidence, fits)


def fit(excess: Column, signals: tuple[str, ...], mode: FailureMode) -> float:
    """Return how well one mode explains the pattern, 0 to 1.

    The geometric mean of precision (the share of all that moved which the mode names, moved its
    way) and recall (how much of what it names is there): a mode of many symptoms does not win
    by naming everything, nor one of a single symptom by asking little.
    """
    column = {name: at for at, name in enumerate(signals)}
    size = np.abs(excess)
    total = float(size.sum())
    named = [each for each in mode.signature if each.signal in column]
    if total <= 0.0 or not named:
        return 0.0
    explained, there = 0.0, 0.0
    for symptom in named:
        moved = float(excess[column[symptom.signal]])
        matches = (
            symptom.direction == "either"
            or (symptom.direction == "up" and moved > 0.0)
            or (symptom.direction == "down" and moved < 0.0)
        )
        if matches:
            explained += abs(moved)
            there += min(abs(moved) / SATURATION, 1.0)
    return float(np.sqrt(explained / total * there / len(named)))


def shares(excess: Column, signals: tuple[str, ...]) -> dict[str, float]:
    """Return the share of each signal in all that moved; they sum to 1, largest first."""
    size = np.abs(np.nan_to_num(excess))
    total = float(size.sum())
    if total <= 0.0:
        return {}
    order = np.argsort(-size, kind="stable")
    return {signals[at]: float(size[at] / total) for at in order if size[at] > 0.0}
