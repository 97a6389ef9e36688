"""Health of each asset: how far its signals left their baseline, beyond their own wander.

Theory of operation
-------------------
The first `healthy_rows` rows of an asset are its commissioning: their median is the baseline of
each signal, and deviations are measured from it, as log ratios where a signal is positive (a
doubling is a doubling in any unit), else in tens of standard deviations. A running median over
`block_rows` rows removes spikes. How far that median moves from block to block while nothing is
wrong is the signal's own wander; only what exceeds three wanders counts. The indicator is the
mean of that excess over the signals that a fault could move, so many small agreeing rises weigh
as much as one large one. Nothing is forgiven, and falls count only where a failure mode says
so.

Rows are counted, not hours: the recurrence is the same for a row a second and a row a day.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.deviation import deviation, scale_of, spread
from bridge.detect.state import reset_rows
from bridge.model.catalog import FailureMode
from bridge.model.samples import Slots32, Values

F32 = NDArray[np.float32]
Wide = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """Constants of the indicator; the defaults were found by experiment on bearings.

    Parameters
    ----------
    healthy_rows : int
        Rows of commissioning, at least 2.
    block_rows : int
        Rows of the running median.
    kept_rows : int
        At most so many rows of commissioning are kept; of a longer one every n-th row.
    wander : float
        The own deviation is this times the mean change of block medians ...
    wander_sd_min : float
        ... and at least this times the healthy standard deviation.
    excess : float
        Own deviations that count as nothing.
    first_rung : float
        The first ticket is raised at this level of the indicator, and at every doubling.
    again : float
        A rung is told once more when the machine is older by this factor and still raised.
    """

    healthy_rows: int = 200
    block_rows: int = 36
    kept_rows: int = 120
    wander: float = 1.25
    wander_sd_min: float = 0.5
    excess: float = 3.0
    first_rung: float = 0.125
    again: float = 1.25


@dataclass(slots=True)
class HealthState:
    """What is remembered per asset (n) and signal (k); every array has the asset first.

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Rows seen since the baseline began.
    kept : NDArray[np.int32], shape (n,)
        Rows of commissioning in `ring`.
    ring : NDArray[np.float32], shape (n, k, kept_rows)
        While commissioning: readings minus `ref`. Later its first `block_rows` columns are the
        deviations of the last rows.
    ref, loc : NDArray[np.float64], shape (n, k)
        First reading, and the baseline, in the signal's unit; NaN before there is one.
    scale : NDArray[np.float64], shape (n, k)
        0 where deviations are log ratios, else ten standard deviations; infinite where a signal
        stood still, so that its deviation is 0.
    sd : NDArray[np.float32], shape (n, k)
        Standard deviation of the healthy deviations.
    last, level, block : NDArray[np.float32], shape (n, k)
        Last deviation, its running median, and the median of the last whole block.
    moved : NDArray[np.float32], shape (n, k)
        Mean absolute change of block medians.
    rung : NDArray[np.int16], shape (n,)
        Highest rung told; -1 before the first.
    told_rows : NDArray[np.int64], shape (n,)
        Age in rows at that ticket.
    repeated : NDArray[np.bool_], shape (n,)
        Whether that rung has been told twice.
    """

    rows: NDArray[np.int64]
    kept: NDArray[np.int32]
    ring: F32
    ref: Wide
    loc: Wide
    scale: Wide
    sd: F32
    last: F32
    level: F32
    block: F32
    moved: F32
    rung: NDArray[np.int16]
    told_rows: NDArray[np.int64]
    repeated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which signals a fault could move, one row per fault.

    Parameters
    ----------
    up, down : NDArray[np.float64], shape (g, k)
        Weight of a rise and of a fall of each signal; each row sums to 1 over the signals it
        names.
    """

    up: Wide
    down: Wide


@dataclass(slots=True)
class HealthOut:
    """What `update` says of each row of a frame.

    Attributes
    ----------
    hi : NDArray[np.float64], shape (n,)
        Health indicator, 0 = as commissioned; NaN while commissioning.
    excess : NDArray[np.float64], shape (n, k)
        Signed deviation beyond the own wander; 0 while commissioning.
    own : NDArray[np.float64], shape (n, k)
        Own deviation of each signal, in the unit of `excess`; 0 while commissioning.
    ticket : NDArray[np.bool_], shape (n,)
        Whether this row reaches a rung for the first time, or is its one repeat.
    """

    hi: Wide
    excess: Wide
    own: Wide
    ticket: NDArray[np.bool_]


def pattern(signals: tuple[str, ...], modes: tuple[FailureMode, ...]) -> Pattern:
    """Return which moves count: every signal's rise, and each failure mode's signature.

    Notes
    -----
    Without failure modes only rises count, of all signals alike. With them a fall counts where
    a mode says so, and a mode that shows in one signal of many is not diluted by the others.
    """
    up = [np.full(len(signals), 1.0 / max(len(signals), 1))]
    down = [np.zeros(len(signals))]
    column = {name: at for at, name in enumerate(signals)}
    for mode in modes:
        known = [each for each in mode.signature if each.signal in column]
        if not known:
            continue
        rises, falls = np.zeros(len(signals)), np.zeros(len(signals))
        for symptom in known:
            at = column[symptom.signal]
            rises[at] = 0.0 if symptom.direction == "down" else 1.0 / len(known)
            falls[at] = 0.0 if symptom.direction == "up" else 1.0 / len(known)
        up.append(rises)
        down.append(falls)
    return Pattern(np.array(up), np.array(down))


def init(options: HealthOptions, n: int, k: int) -> HealthState:
    """Return the state of n assets of k signals before their first row."""
    width = max(options.kept_rows, options.block_rows)

    def single() -> F32:
        return np.zeros((n, k), np.float32)

    return HealthState(
        rows=np.zeros(n, np.int64),
        kept=np.zeros(n, np.int32),
        ring=np.full((n, k, width), np.nan, np.float32),
        ref=np.full((n, k), np.nan),
        loc=np.full((n, k), np.nan),
        scale=np.full((n, k), np.inf),
        sd=single(),
        last=single(),
        level=single(),
        block=single(),
        moved=single(),
        rung=np.full(n, -1, np.int16),
        told_rows=np.zeros(n, np.int64),
        repeated=np.zeros(n, np.bool_),
    )


def rebaseline(options: HealthOptions, state: HealthState, slots: Slots32) -> None:
    """Forget everything of some assets: a repair, or a confirmed change of what is normal."""
    reset_rows(state, init(options, 1, state.ref.shape[1]), slots)


def update(
    options: HealthOptions,
    state: HealthState,
    shape: Pattern,
    rows: tuple[Slots32, Values],
    out: HealthOut,
) -> None:
    """Fold at most one row per asset into the state, and say how healthy each is.

    Parameters
    ----------
    options, shape
        Constants, and which moves count.
    state : HealthState
        Changed in place.
    rows : (slot, value)
        `slot` NDArray[np.int32], shape (n,), unique; `value` NDArray[np.float64], shape (n, k),
        readings in their units, NaN where missing or not to be used.
    out : HealthOut
        Receives the answer.
    """
    slot, value = rows
    fresh = state.rows[slot] < options.healthy_rows
    state.rows[slot] += 1
    out.hi.fill(np.nan)
    out.excess.fill(0.0)
    out.own.fill(0.0)
    out.ticket.fill(False)  # noqa: FBT003 - numpy's fill takes its value by position
    if fresh.any():
        _commission(options, state, slot[fresh], value[fresh])
    if not fresh.all():
        grown = ~fresh
        _follow(options, state, slot[grown], value[grown])
        own = own_deviation(options, state, slot[grown])
        excess = _excess(options, state, slot[grown], own)
        hi = indicator(excess, shape)
        out.excess[grown], out.own[grown], out.hi[grown] = excess, own, hi
        out.ticket[grown] = _tickets(options, state, slot[grown], hi)


def indicator(excess: Wide, shape: Pattern) -> Wide:
    """Return the health indicator, shape (n,), of signed excesses, shape (n, k).

    It is the largest over the patterns of the weighted mean of the moves that count.
    """
    largest: Wide = grouped(excess, shape).max(axis=1, initial=0.0)
    return largest


def grouped(excess: Wide, shape: Pattern) -> Wide:
    """Return the indicator of each pattern, shape (n, g)."""
    rise, fall = np.maximum(excess, 0.0), np.maximum(-excess, 0.0)
    # One pattern after the other, summed along the signals: the order of additions is then the
    # same for any number of assets, which a matrix product does not promise.
    parts = [
        (rise * up).sum(axis=1) + (fall * down).sum(axis=1)
        for up, down in zip(shape.up, shape.down, strict=True)
    ]
    return np.stack(parts, axis=1)


def as_new(hi: Wide) -> Wide:
    """Return the as-new index in percent: 100 as commissioned, 50 where signals doubled."""
    return 100.0 * np.exp(-hi)


def limit_level(
    options: HealthOptions, state: HealthState, shape: Pattern, at: tuple[int, Wide]
) -> float:
    """Return the indicator at which the first signal of an asset reaches a limit of the user's.

    Parameters
    ----------
    options, state, shape
        As in `update`.
    at : (slot, limit)
        Row of the asset, and NDArray[np.float64], shape (k,), in the signals' units; NaN: none.

    Returns
    -------
    float
        For `PrognosisState.end`; NaN where no limit is ahead or there is no baseline yet.
    """
    slot, limit = at
    y = deviation(limit, state.loc[slot], state.scale[slot])
    own = own_deviation(options, state, np.array([slot], np.int32))[0]
    beyond = np.copysign(np.maximum(np.abs(y) - options.excess * own, 0.0), y)
    alone = np.diag(np.nan_to_num(beyond))
    levels = indicator(alone, shape)
    return (
        float(np.min(levels[levels > 0.0], initial=np.inf)) if (levels > 0.0).any() else np.nan
    )


def _commission(options: HealthOptions, state: HealthState, slot: Slots32, value: Wide) -> None:
    """Keep a row of commissioning, and learn the baseline at its last one."""
    value = np.where(np.isfinite(value), value, np.nan)
    state.ref[slot] = np.where(np.isnan(state.ref[slot]), value, state.ref[slot])
    stride = -(-options.healthy_rows // options.kept_rows)
    turn = (state.rows[slot] - 1) % stride == 0
    at = slot[turn]
    with np.errstate(over="ignore"):
        state.ring[at, :, state.kept[at]] = (value[turn] - state.ref[at]).astype(np.float32)
    state.kept[at] += 1
    done = slot[state.rows[slot] == options.healthy_rows]
    if done.size:
        _learn(options, state, done)


def _learn(options: HealthOptions, state: HealthState, slot: Slots32) -> None:
    """Turn the kept rows of commissioning into baseline, spread and first deviations."""
    width = int(state.kept[slot].max())
    seen = state.ring[slot, :, :width].astype(np.float64) + state.ref[slot][:, :, None]
    seen = np.where(np.isfinite(seen), seen, np.nan)
    loc, scale = scale_of(seen)
    state.loc[slot], state.scale[slot] = loc, scale
    y = deviation(seen, loc[:, :, None], scale[:, :, None])
    state.sd[slot] = spread(y)
    y = np.where(np.isnan(y), 0.0, y).astype(np.float32)
    # The running median starts with the last rows of commissioning, the oldest first, and each
    # later row takes the place of the oldest.
    start = np.zeros((slot.size, y.shape[1], options.block_rows), np.float32)
    take = min(options.block_rows, width)
    start[:, :, options.block_rows - take :] = y[:, :, width - take :]
    state.ring[slot, :, : options.block_rows] = start
    state.last[slot] = y[:, :, width - 1]


def _follow(options: HealthOptions, state: HealthState, slot: Slots32, value: Wide) -> None:
    """Fold a row after commissioning into running medians and, by block, into wander."""
    y = deviation(value, state.loc[slot], state.scale[slot])
    # A missing sample repeats the last one: it neither moves the median nor counts as news.
    y = np.where(np.isfinite(value) & np.isfinite(y), y, state.last[slot]).astype(np.float32)
    state.last[slot] = y
    later = state.rows[slot] - options.healthy_rows - 1
    width = options.block_rows
    state.ring[slot, :, later % width] = y
    half = (width - 1) // 2
    mid = np.partition(state.ring[slot, :, :width], (half, width // 2), axis=2)
    level = 0.5 * (mid[:, :, half] + mid[:, :, width // 2])
    state.level[slot] = level
    ends = (later + 1) % width == 0
    if ends.any():
        at, level = slot[ends], level[ends]
        n = ((later[ends] + 1) // width)[:, None]
        change = np.abs(level - state.block[at])
        state.moved[at] += ((change - state.moved[at]) / n).astype(np.float32)
        state.block[at] = level


def own_deviation(options: HealthOptions, state: HealthState, slot: Slots32) -> Wide:
    """Return each signal's own deviation: how far it wanders with nothing wrong."""
    moved = state.moved[slot].astype(np.float64)
    own: Wide = np.maximum(options.wander * moved, options.wander_sd_min * state.sd[slot])
    return own


def _excess(options: HealthOptions, state: HealthState, slot: Slots32, own: Wide) -> Wide:
    """Return what of each deviation exceeds the signal's own wander, signed."""
    level = state.level[slot].astype(np.float64)
    beyond: Wide = np.maximum(np.abs(level) - options.excess * own, 0.0)
    return np.copysign(beyond, level)


def _tickets(
    options: HealthOptions, state: HealthState, slot: Slots32, hi: Wide
) -> NDArray[np.bool_]:
    """Say which assets reach a new rung, or are still raised when a quarter older."""
    with np.errstate(divide="ignore"):
        rung = np.floor(np.log2(hi / options.first_rung))
    rung = np.clip(rung, -1, 60).astype(np.int16)
    rows = state.rows[slot]
    ripe = rows >= 2 * options.healthy_rows
    first = ripe & (rung > state.rung[slot])
    again = (
        (state.rung[slot] >= 0)
        & (rung >= state.rung[slot])
        & ~state.repeated[slot]
        & (rows >= options.again * state.told_rows[slot])
    )
    told = first | again
    at = slot[told]
    state.repeated[at] = ~first[told]
    state.rung[at] = np.maximum(rung[told], state.rung[at])
    state.told_rows[at] = rows[told]
    return told
