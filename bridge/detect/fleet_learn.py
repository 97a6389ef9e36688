"""Teach a fleet model (`bridge.detect.fleet`) from histories that end in recorded failures."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect import fleet
from bridge.detect.fleet import FleetModel, Provenance
from bridge.detect.fleet_states import learn_states, standardise
from bridge.detect.network import Network, Teaching, predict, teach
from bridge.model.errors import InputError
from bridge.model.samples import Times, Values

Wide = NDArray[np.float64]

FOLDS = 8
CAP_SHARE = 0.625
SKILL_MAX = 0.6
"""Used only if the error on unseen machines is below this share of the target's deviation."""
QUANTILE = 0.88
"""Nominal share on each side; one network errs more than their mean, which is told."""
FAILURES_MIN = 3
ROWS_MAX = 60_000
"""Networks are taught on at most so many rows, evenly spaced in each life."""


@dataclass(frozen=True, slots=True)
class Lives:
    """Rows of many lives, each from installation or overhaul to failure or the last row.

    Parameters
    ----------
    life : NDArray[np.int32], shape (n,)
        Number of the life of each row, from 0, dense; rows of one life are in order of time.
    t_ns : NDArray[np.int64], shape (n,)
        Time of each row.
    settings, value : NDArray[np.float64], shapes (n, s) and (n, m)
        NaN means missing.
    end_ns : NDArray[np.int64], shape (lives,)
        Time of each life's failure; of a life without one, of its last row.
    failed : NDArray[np.bool_], shape (lives,)
        Whether it ended in a failure.
    iso, ns_per_unit : bool, int
        How times count: instants, or numbers of so many nanoseconds each.
    """

    life: NDArray[np.int32]
    t_ns: Times
    settings: Values
    value: Values
    end_ns: Times
    failed: NDArray[np.bool_]
    iso: bool = False
    ns_per_unit: int = 1_000_000_000


def split_lives(
    asset: NDArray[np.int32], t_ns: Times, failures: tuple[NDArray[np.int32], Times]
) -> tuple[NDArray[np.int32], Times, NDArray[np.bool_]]:
    """Cut records into lives: each failure ends one, and the next row begins one.

    Parameters
    ----------
    asset, t_ns : NDArray[np.int32], NDArray[np.int64], shape (n,)
        Machine and time of each row.
    failures : (asset, t_ns)
        Which machine failed when.

    Returns
    -------
    life, end_ns, failed
        As in `Lives`.
    """
    part = np.zeros(len(asset), np.int64)
    ends: dict[tuple[int, int], int] = {}
    for machine in np.unique(failures[0]):
        rows = asset == machine
        times = np.sort(failures[1][failures[0] == machine])
        part[rows] = np.searchsorted(times, t_ns[rows], side="left")
        ends |= {(int(machine), at): int(time) for at, time in enumerate(times)}
    keys, life = np.unique(np.stack([asset, part], axis=1), axis=0, return_inverse=True)
    last = np.full(len(keys), np.iinfo(np.int64).min)
    np.maximum.at(last, life, t_ns)
    known = [ends.get((int(machine), int(at))) for machine, at in keys]
    failed = np.array([each is not None for each in known], np.bool_)
    end_ns = np.array(
        [end if each is None else each for each, end in zip(known, last.tolist(), strict=True)],
        np.int64,
    )
    return life.astype(np.int32), end_ns, failed


def learn(
    lives: Lives,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    seed: int = 1,
    teaching: Teaching | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> FleetModel:
    """Return the model of a fleet.

    Parameters
    ----------
    lives : Lives
        What happened.
    names : (signals, settings)
        Names of the columns.
    seed : int
        Of the chance in start and order of rows; the same seed gives the same model.
    teaching : Teaching, optional
        Constants of the networks.
    progress : callable
        Is told the share that is done.

    Raises
    ------
    InputError
        Where there are too few failures to learn from, or they take no time.
    """
    start_ns = _starts(lives)
    span_s = (lives.end_ns - start_ns).astype(np.float64) * 1e-9
    done = np.sort(span_s[lives.failed])
    if len(done) < FAILURES_MIN or done[0] <= 0.0:
        raise InputError(
            f"found {len(done)} recorded failures with a history before them; allowed: at "
            f"least {FAILURES_MIN}, each after more than one row of its machine"
        )
    life_s = float(np.median(done))
    cap_s = min(float(done[0]), CAP_SHARE * life_s)
    states = learn_states(lives.settings, lives.value)
    used = np.flatnonzero(np.isfinite(states.sd).any(axis=0))
    z, _state = standardise(states, lives.settings, lives.value)
    inputs = _inputs(lives, z[:, used], life_s)
    left_s = (lives.end_ns[lives.life] - lives.t_ns).astype(np.float64) * 1e-9
    taught = _taught(lives, left_s, cap_s)
    target = np.minimum(left_s, cap_s)
    fold = _folds(lives, seed)
    network = _teach(inputs, target / cap_s, (taught, fold), (seed, teaching), progress)
    judged = taught & (left_s < cap_s) & lives.failed[lives.life]
    heads = _out_of_fold(network, inputs, fold) * cap_s
    weight = _machine_weights(lives.life, judged)
    widen = _calibrate(heads, target, weight, cap_s)
    provenance = _judge((lives, len(done)), (heads, target, taught), (widen, weight), cap_s)
    return FleetModel(
        signals=names[0],
        settings=names[1],
        used=used,
        states=states,
        life_s=life_s,
        cap_s=cap_s,
        lives_s=done,
        widen=widen,
        network=network,
        skilled=provenance.rmse < SKILL_MAX * provenance.spread,
        iso=lives.iso,
        ns_per_unit=lives.ns_per_unit,
        provenance=provenance,
    )


def _starts(lives: Lives) -> Times:
    """Return the time of each life's first row."""
    start = np.full(len(lives.end_ns), np.iinfo(np.int64).max)
    np.minimum.at(start, lives.life, lives.t_ns)
    return start


def rounds(group: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Return rows in rounds: the first row of every group, then the second, and so on."""
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(bounds, append=len(group))
    rank = np.arange(len(group)) - np.repeat(bounds, sizes)
    by_rank = order[np.argsort(rank, kind="stable")]
    return np.split(by_rank, np.cumsum(np.bincount(rank))[:-1])


def _inputs(lives: Lives, z: Wide, life_s: float) -> Wide:
    """Return the inputs of every row, by the recurrence that replays them."""
    state = fleet.init(len(lives.end_ns), z.shape[1])
    found = np.empty((len(z), z.shape[1] * len(fleet.TAU_SHARES) + 2))
    for rows in rounds(lives.life):
        found[rows] = fleet.fold(state, (lives.life[rows], lives.t_ns[rows], z[rows]), life_s)
    return found


def _taught(lives: Lives, left_s: Wide, cap_s: float) -> NDArray[np.bool_]:
    """Say which rows teach: without a failure, only those a full cap before the end."""
    known = lives.failed[lives.life] | (left_s >= cap_s)
    stride = max(-(-int(known.sum()) // ROWS_MAX), 1)
    order = np.argsort(lives.life, kind="stable")
    thin = np.zeros(len(left_s), np.bool_)
    kept = order[known[order]]
    thin[kept[::-1][::stride]] = True
    return thin


def _folds(lives: Lives, seed: int) -> NDArray[np.int32]:
    """Return the fold of each row: whole lives, spread evenly by chance, failures first."""
    rng = np.random.default_rng([seed, 1])
    count = len(lives.end_ns)
    order = rng.permutation(count)
    order = order[np.argsort(~lives.failed[order], kind="stable")]
    fold = np.empty(count, np.int32)
    fold[order] = np.arange(count) % min(FOLDS, int(lives.failed.sum()))
    return fold[lives.life]


def _teach(
    inputs: Wide,
    target: Wide,
    rows: tuple[NDArray[np.bool_], NDArray[np.int32]],
    chance: tuple[int, Teaching | None],
    progress: Callable[[float], None],
) -> Network:
    """Teach one network per fold on the rows of the other folds."""
    taught, fold = rows
    seed, teaching = chance
    members = np.stack([fold[taught] != each for each in range(int(fold.max()) + 1)])
    rng = np.random.default_rng([seed, 2])
    return teach(inputs[taught], target[taught], members, teaching or Teaching(), rng, progress)


def _out_of_fold(network: Network, inputs: Wide, fold: NDArray[np.int32]) -> Wide:
    """Return for each row the heads of the network that has not seen its machine."""
    found = np.empty((len(inputs), 3))
    for each in range(int(fold.max()) + 1):
        rows = fold == each
        one = Network(
            network.middle,
            network.unit,
            tuple(layer[each : each + 1] for layer in network.weights),
            tuple(layer[each : each + 1] for layer in network.biases),
        )
        found[rows] = predict(one, inputs[rows])[0]
    return found


def _machine_weights(life: NDArray[np.int32], judged: NDArray[np.bool_]) -> Wide:
    """Return weights that give every machine 1 over its judged rows, and other rows 0."""
    count = np.bincount(life[judged], minlength=int(life.max()) + 1)
    return np.where(judged, 1.0 / np.maximum(count, 1)[life], 0.0)


def _calibrate(heads: Wide, target: Wide, weight: Wide, cap_s: float) -> tuple[float, float]:
    """Return the factors by which the outer heads must move away to hold on unseen machines."""
    middle = np.clip(heads[:, 1], 0.0, cap_s)
    low, high = fleet.distances(heads, cap_s)
    rows = weight > 0.0
    found = (
        _quantile(((middle - target) / low)[rows], weight[rows]),
        _quantile(((target - middle) / high)[rows], weight[rows]),
    )
    return max(found[0], 0.0), max(found[1], 0.0)


def _quantile(values: Wide, weight: Wide) -> float:
    """Return the weighted quantile of the nominal share."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    at = int(np.searchsorted(share, QUANTILE * share[-1]))
    return float(values[order][min(at, len(order) - 1)])


def _judge(
    learned: tuple[Lives, int],
    rows: tuple[Wide, Wide, NDArray[np.bool_]],
    calibrated: tuple[tuple[float, float], Wide],
    cap_s: float,
) -> Provenance:
    """Return how good the model was on machines that a network had not seen."""
    lives, failures = learned
    heads, target, taught = rows
    widen, weight = calibrated
    error = (np.clip(heads[:, 1], 0.0, cap_s) - target)[taught]
    left = fleet.widen(heads, widen, cap_s)
    inside = (left[:, 0] <= target) & (target <= left[:, 2])
    digest = hashlib.sha256()
    for each in (lives.life, lives.t_ns, lives.settings, lives.value, lives.end_ns):
        digest.update(np.ascontiguousarray(each).tobytes())
    return Provenance(
        version=digest.hexdigest()[:12],
        machines=len(lives.end_ns),
        failures=failures,
        rows=len(lives.t_ns),
        rmse=float(np.sqrt(np.mean(error**2))),
        spread=float(target[taught].std()),
        coverage=float((weight * inside).sum() / max(weight.sum(), 1e-12)),
    )
