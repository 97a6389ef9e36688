"""Operating states of a fleet, found from its settings, and what each signal shows in each.

The settings (a speed, a load, an altitude) are clustered by k-means; the number of states is
the smallest that explains the signals about as well as any does. A deviation is then measured
from the mean of the state. A row far from every state that was seen says nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.model.samples import Values

Wide = NDArray[np.float64]

STATES_MAX = 10
SHARE_MIN = 1e-4
"""Floor of a state's share of a signal's variance: better than this is as good as this."""
LOSS_SLACK = 0.05
"""The smallest number of states whose loss is within this of the least is taken."""
LLOYD_STEPS = 25
ROWS_MAX = 20_000
"""States are found on at most so many rows, evenly spaced; their statistics use all."""
RADIUS_SLACK = 3.0
"""A row further from its state than this many times the furthest row of learning is unknown."""
Z_MAX = 30.0


@dataclass(frozen=True, slots=True)
class States:
    """What was learned; k states, s settings, m signals.

    Parameters
    ----------
    middle, unit : NDArray[np.float64], shape (s,)
        Mean and deviation that settings are standardised by.
    centre : NDArray[np.float64], shape (k, s)
        Centres, in standardised settings.
    radius : NDArray[np.float64], shape (k,)
        Distance of the furthest row of learning from its centre.
    mean, sd : NDArray[np.float64], shape (k, m)
        Of each signal in each state, in its unit; `sd` is infinite where it stood still there.
    """

    middle: Wide
    unit: Wide
    centre: Wide
    radius: Wide
    mean: Wide
    sd: Wide


def learn_states(settings: Values, value: Values) -> States:
    """Find the operating states of many rows.

    Parameters
    ----------
    settings : NDArray[np.float64], shape (n, s)
        Settings of each row; s may be 0. NaN counts as the mean.
    value : NDArray[np.float64], shape (n, m)
        Signals of each row; NaN means missing.
    """
    middle, unit = _moments(settings)
    standard = _standard(settings, middle, unit)
    take = np.linspace(0, len(value) - 1, min(len(value), ROWS_MAX)).astype(np.int64)
    centre = _choose(standard[take], value[take]) if settings.shape[1] else np.zeros((1, 0))
    label, distance = _nearest(standard, centre)
    used = np.unique(label)
    centre = centre[used]
    label = np.searchsorted(used, label)
    radius = np.array([distance[label == at].max(initial=0.0) for at in range(len(used))])
    mean, sd = _statistics(label, len(used), value)
    return States(middle, unit, centre, radius, mean, sd)


def standardise(
    states: States, settings: Values, value: Values
) -> tuple[Wide, NDArray[np.int32]]:
    """Return deviations from the state's mean in its standard deviations, and the states.

    Returns
    -------
    z : NDArray[np.float64], shape (n, m)
        NaN where missing, where the signal stood still in that state, and in unknown states.
    state : NDArray[np.int32], shape (n,)
        Index of the state; -1 where it is unknown.
    """
    label, distance = _nearest(_standard(settings, states.middle, states.unit), states.centre)
    known = distance <= RADIUS_SLACK * states.radius[label] + 1e-9
    sd = states.sd[label]
    with np.errstate(invalid="ignore", over="ignore"):
        z = (value - states.mean[label]) / sd
    usable = np.isfinite(value) & np.isfinite(sd) & known[:, None]
    z = np.where(usable, np.clip(z, -Z_MAX, Z_MAX), np.nan)
    return z, np.where(known, label, -1).astype(np.int32)


def _moments(values: Values) -> tuple[Wide, Wide]:
    """Return mean and deviation of each column over its finite values; 0 and 1 without any."""
    clean = np.where(np.isfinite(values), values, np.nan)
    count = np.isfinite(clean).sum(axis=0)
    total = np.nansum(clean, axis=0)
    middle = np.where(count > 0, total / np.maximum(count, 1), 0.0)
    square = np.nansum((clean - middle) ** 2, axis=0) / np.maximum(count, 1)
    return middle, np.where(square > 0.0, np.sqrt(square), 1.0)


def _standard(settings: Values, middle: Wide, unit: Wide) -> Wide:
    """Return standardised settings; a missing one stands in the middle."""
    return np.where(np.isfinite(settings), (settings - middle) / unit, 0.0)


def _choose(standard: Wide, value: Values) -> Wide:
    """Return the centres of the smallest sufficient number of states."""
    found: list[Wide] = []
    losses: list[float] = []
    for k in range(1, min(STATES_MAX, len(standard)) + 1):
        centre = _lloyd(standard, _spread_out(standard, k))
        label, _distance = _nearest(standard, centre)
        found.append(centre)
        losses.append(_loss(label, k, value))
    enough = min(losses) + LOSS_SLACK
    return next(c for c, loss in zip(found, losses, strict=True) if loss <= enough)


def _spread_out(standard: Wide, k: int) -> Wide:
    """Return k rows far from each other: one next to the middle, then the furthest."""
    square = (standard**2).sum(axis=1)
    chosen = [standard[int(square.argmin())]]
    distance = ((standard - chosen[0]) ** 2).sum(axis=1)
    for _ in range(1, k):
        chosen.append(standard[int(distance.argmax())])
        distance = np.minimum(distance, ((standard - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen)


def _lloyd(standard: Wide, centre: Wide) -> Wide:
    """Move each centre to the mean of the rows nearest to it, until none moves."""
    for _ in range(LLOYD_STEPS):
        label, _distance = _nearest(standard, centre)
        count = np.bincount(label, minlength=len(centre))
        moved = (
            np.stack(
                [np.bincount(label, each, minlength=len(centre)) for each in standard.T], axis=1
            )
            / np.maximum(count, 1)[:, None]
        )
        moved = np.where(count[:, None] > 0, moved, centre)
        if np.array_equal(moved, centre):
            break
        centre = moved
    return centre


def _nearest(standard: Wide, centre: Wide) -> tuple[NDArray[np.int64], Wide]:
    """Return the nearest centre of each row, and the distance to it."""
    if not centre.shape[1]:
        return np.zeros(len(standard), np.int64), np.zeros(len(standard))
    square = np.stack([((standard - each) ** 2).sum(axis=1) for each in centre], axis=1)
    label = square.argmin(axis=1)
    return label, np.sqrt(square[np.arange(len(label)), label])


def _statistics(label: NDArray[np.int64], k: int, value: Values) -> tuple[Wide, Wide]:
    """Return mean and deviation of each signal per state."""
    mean, sd = np.zeros((k, value.shape[1])), np.full((k, value.shape[1]), np.inf)
    _middle, whole = _moments(value)
    for at in range(k):
        part = value[label == at]
        mean[at], unit = _moments(part)
        clean = np.where(np.isfinite(part), part, mean[at])
        moved = clean.std(axis=0)
        # Rounding makes a constant move in its last digits; that is no scale to measure by.
        still = moved <= 1e-9 * np.abs(mean[at]) + 1e-6 * whole
        sd[at] = np.where(still, np.inf, unit)
    return mean, sd


def _loss(label: NDArray[np.int64], k: int, value: Values) -> float:
    """Return the mean over signals of the log of the share of variance that states leave."""
    middle, _unit = _moments(value)
    clean = np.where(np.isfinite(value), value, middle)
    whole = clean.var(axis=0)
    within = np.zeros(value.shape[1])
    for at in range(k):
        part = clean[label == at]
        if len(part):
            within += part.var(axis=0) * (len(part) / len(value))
    moving = whole > 0.0
    if not moving.any():
        return 0.0
    return float(np.log(np.maximum(within[moving] / whole[moving], SHARE_MIN)).mean())
