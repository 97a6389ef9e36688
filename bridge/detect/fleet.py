"""Remaining life of a fleet whose failures were recorded: learned once, replayed row by row.

Theory of operation
-------------------
Every signal becomes its deviation from the mean of the operating state. Of each deviation six
exponential means with time constants from a hundredth of a life to infinity are kept, corrected
for their start, so that slopes are differences of means and no window is stored. With the age
they are the inputs of a small network (`bridge.detect.network`) whose target is the remaining
life, capped, because a machine far from its end does not show how far. One network is taught
per fold of machines, and each row is told by their mean. Intervals are widened until they hold
on the machines a network has not seen (split conformal prediction [1]_). A model that predicts
unseen machines no better than their mean life is not used.

References
----------
.. [1] Y. Romano, E. Patterson, E. Candes, "Conformalized quantile regression", NeurIPS 2019.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.fleet_states import States, standardise
from bridge.detect.network import Network, predict
from bridge.detect.state import reset_rows
from bridge.model.samples import Slots32, Times, Values

Wide = NDArray[np.float64]

TAU_SHARES = (0.01, 0.025, 0.05, 0.1, 0.2, np.inf)
"""Time constants of the means, in shares of the median life."""
AGE_STEEPNESS = 20.0
TICKET_ON, TICKET_OFF = 0.2, 0.3
"""A ticket opens when P50 falls to this share of the median life, and closes above 0.3."""
WEIGHT_MIN = 1e-300
"""After an absence of hundreds of time constants a mean is forgotten, and is 0."""
AT_LEAST = 0.97
"""A P90 this close to the cap means "at least the cap"."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from and how good it was on machines it had not seen.

    Parameters
    ----------
    version : str
        Digest of what it learned from.
    machines, failures, rows : int
        How much that was.
    rmse, spread : float
        Root mean square error out of fold and deviation of the target, in seconds.
    coverage : float
        Share of out-of-fold rows within the interval after calibration.
    """

    version: str
    machines: int
    failures: int
    rows: int
    rmse: float
    spread: float
    coverage: float


@dataclass(frozen=True, slots=True)
class FleetModel:
    """Everything learned; spans in seconds (units of time where time is a number).

    Parameters
    ----------
    signals, settings : tuple of str
        Columns of a history that it reads, in this order.
    used : NDArray[np.int64]
        Which of the signals move at all.
    states : States
        Operating states.
    life_s, cap_s : float
        Median life, and the cap of the target.
    lives_s : NDArray[np.float64]
        Lives of the machines it learned from, sorted.
    widen : (low, high)
        Factors on the distance of the outer heads from the middle.
    network : Network
        One network per fold.
    skilled : bool
        Whether it may be used.
    iso, ns_per_unit : bool, int
        How the times that it learned from counted: instants, or numbers of that many
        nanoseconds.
    provenance : Provenance
        For people.
    """

    signals: tuple[str, ...]
    settings: tuple[str, ...]
    used: NDArray[np.int64]
    states: States
    life_s: float
    cap_s: float
    lives_s: Wide
    widen: tuple[float, float]
    network: Network
    skilled: bool
    iso: bool
    ns_per_unit: int
    provenance: Provenance


@dataclass(slots=True)
class FleetState:
    """Memory of n machines with m used signals.

    Attributes
    ----------
    sums, weights : NDArray[np.float64], shape (n, m, 6)
        Of the exponential means.
    start_ns, last_ns : NDArray[np.int64], shape (n,)
        First and last row; -1 before the first.
    ticket : NDArray[np.bool_], shape (n,)
        Whether a ticket is held open.
    """

    sums: Wide
    weights: Wide
    start_ns: Times
    last_ns: Times
    ticket: NDArray[np.bool_]


@dataclass(slots=True)
class FleetOut:
    """What is said of each row.

    Attributes
    ----------
    left_s : NDArray[np.float64], shape (n, 3)
        Seconds left with 10, 50 and 90 %; never NaN.
    ticket : NDArray[np.bool_], shape (n,)
        The held state.
    """

    left_s: Wide
    ticket: NDArray[np.bool_]


def init(n: int, used: int) -> FleetState:
    """Return the state of n machines before their first row."""
    return FleetState(
        sums=np.zeros((n, used, len(TAU_SHARES))),
        weights=np.zeros((n, used, len(TAU_SHARES))),
        start_ns=np.full(n, -1, np.int64),
        last_ns=np.full(n, -1, np.int64),
        ticket=np.zeros(n, np.bool_),
    )


def rebaseline(state: FleetState, slots: Slots32) -> None:
    """Begin a new life for some machines: an overhaul."""
    reset_rows(state, init(1, state.sums.shape[1]), slots)


def update(
    model: FleetModel,
    state: FleetState,
    rows: tuple[Slots32, Times, Values, Values],
    out: FleetOut,
) -> None:
    """Fold at most one row per machine into the state, and say what is left of its life.

    Parameters
    ----------
    model, state
        What was learned; the memory, changed in place.
    rows : (slot, t_ns, settings, value)
        Columns as `model.settings` and `model.signals` name them; NaN means missing.
    out : FleetOut
        Receives the answer.
    """
    slot, t_ns, settings, value = rows
    z, _state = standardise(model.states, settings, value)
    inputs = fold(state, (slot, t_ns, z[:, model.used]), model.life_s)
    age_s = (t_ns - state.start_ns[slot]).astype(np.float64) * 1e-9
    out.left_s[:] = remaining(model, inputs, age_s)
    out.ticket[:] = hold(model, state, slot, out.left_s[:, 1])


def fold(state: FleetState, rows: tuple[Slots32, Times, Wide], life_s: float) -> Wide:
    """Fold deviations into the means, and return the network's inputs, shape (n, 6 m + 2).

    Notes
    -----
    S = a S + v z and W = a W + v with a = exp(-dt / tau); the mean is S / W, so the first row
    counts fully and a missing sample (v = 0) not at all.
    """
    slot, t_ns, z = rows
    first = state.start_ns[slot] < 0
    state.start_ns[slot] = np.where(first, t_ns, state.start_ns[slot])
    dt_s = np.where(first, 0.0, (t_ns - state.last_ns[slot]) * 1e-9)
    state.last_ns[slot] = t_ns
    keep = np.exp(-np.maximum(dt_s, 0.0)[:, None] / (np.array(TAU_SHARES) * life_s))
    seen = np.isfinite(z)
    sums = state.sums[slot] * keep[:, None, :] + np.where(seen, z, 0.0)[:, :, None]
    weights = state.weights[slot] * keep[:, None, :] + seen[:, :, None]
    state.sums[slot], state.weights[slot] = sums, weights
    mean = sums / np.maximum(weights, WEIGHT_MIN)
    age = (t_ns - state.start_ns[slot]) * 1e-9 / life_s
    ages = np.stack([age, np.log1p(AGE_STEEPNESS * age)], axis=1)
    return np.concatenate([mean.reshape(len(slot), -1), ages], axis=1)


def remaining(model: FleetModel, inputs: Wide, age_s: Wide) -> Wide:
    """Return P10, P50 and P90 of the remaining life in seconds, in order, shape (n, 3)."""
    heads = predict(model.network, inputs)
    # Added one after the other, so that the sum does not depend on how many rows there are.
    mean = sum(heads[1:], start=heads[0]) / len(heads)
    left = widen(mean * model.cap_s, model.widen, model.cap_s)
    far = left[:, 2] >= AT_LEAST * model.cap_s
    if far.any():
        left[far, 2] = np.maximum(1.01 * model.cap_s, _survivors(model.lives_s, age_s[far]))
    return left


def widen(heads: Wide, factors: tuple[float, float], cap_s: float) -> Wide:
    """Return heads (P10, P50, P90) in order, their distances scaled, within [0, cap]."""
    middle = np.clip(heads[:, 1], 0.0, cap_s)
    low, high = distances(heads, cap_s)
    left = np.stack([middle - factors[0] * low, middle, middle + factors[1] * high], axis=1)
    return np.clip(left, 0.0, cap_s)


def distances(heads: Wide, cap_s: float) -> tuple[Wide, Wide]:
    """Return how far the outer heads are from the middle, at least a thousandth of the cap."""
    middle = np.clip(heads[:, 1], 0.0, cap_s)
    least = 1e-3 * cap_s
    return np.maximum(middle - heads[:, 0], least), np.maximum(heads[:, 2] - middle, least)


def hold(model: FleetModel, state: FleetState, slot: Slots32, p50_s: Wide) -> NDArray[np.bool_]:
    """Open and close tickets with hysteresis, and return which are open."""
    held = state.ticket[slot]
    on, off = p50_s <= TICKET_ON * model.life_s, p50_s > TICKET_OFF * model.life_s
    held = (held | on) & ~off
    state.ticket[slot] = held
    return held


def _survivors(lives_s: Wide, age_s: Wide) -> Wide:
    """Return the 90 % quantile of what was left to machines that reached each age, or 0."""
    after = np.searchsorted(lives_s, age_s, side="left")
    count = len(lives_s) - after
    rank = after + np.ceil(0.9 * count).astype(np.int64) - 1
    found = lives_s[np.clip(rank, 0, len(lives_s) - 1)] - age_s
    return np.where(count > 0, np.maximum(found, 0.0), 0.0)
