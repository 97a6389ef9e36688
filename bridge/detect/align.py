"""Align: from samples of single signals to rows on each asset's own grid.

Samples of one asset arrive together, apart, by exception or at different rates. They are sorted
into the rows of a grid that begins with the asset's first sample; of several samples of a
signal in one row the first counts. A row is closed once everything that the asset sends in
every row is there, or once a later row has begun (by more than the lateness of the source,
which is learned from its reordering and is nothing where it sends in order). Where a row lacks
a signal its last value is held as long as it is allowed to grow old.

What comes for a row that is closed is counted and changes nothing: a *repeat* where the row has
that signal already, *late* where it has not. Rows close by the order of arrival alone, so a
split of the stream into batches changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.model.quality import Quality
from bridge.model.samples import Frame, Slots32, Times, Values

Flags = NDArray[np.bool_]
Wide = NDArray[np.float64]

DEPTH = 8
"""Rows that can be open at once, and so the most that a source's reordering can reach back."""
FREQUENT = 4
"""A signal is waited for while it was in one of so many rows before."""
NEVER = np.iinfo(np.int64).min // 4


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """The grid of a group of assets.

    Parameters
    ----------
    every_ns : int
        Distance of rows.
    max_age_ns : tuple of int, one per signal
        How old a held value may become; 0 holds nothing.
    by_exception : tuple of bool, one per signal
        Sent only when it changed: held as long as the asset sends anything.
    awaited : tuple of bool, one per signal
        Whether it comes with every row, so that a row may wait for it.
    lateness_rows : int
        Known reordering of the source, in rows, less than `DEPTH`.
    """

    every_ns: int
    max_age_ns: tuple[int, ...]
    by_exception: tuple[bool, ...]
    awaited: tuple[bool, ...]
    lateness_rows: int = 0
    stale_rows: int = 12
    """Of a machine that sends by exception, so many rows without any sample are made up."""

    @property
    def k(self) -> int:
        """Number of signals."""
        return len(self.max_age_ns)


@dataclass(slots=True)
class AlignState:
    """What is remembered per asset (n), open row (d = DEPTH) and signal (k).

    Attributes
    ----------
    phase : NDArray[np.int64], shape (n,)
        Where the grid begins, ns; `NEVER` before the first sample.
    closed, top : NDArray[np.int64], shape (n,)
        Number of the last closed row, and of the latest begun; `NEVER` before.
    lateness : NDArray[np.int64], shape (n,)
        Rows that are waited for reordered samples.
    number : NDArray[np.int64], shape (n, d)
        Row number in each place of the ring; `NEVER` where there is none.
    open : NDArray[np.bool_], shape (n, d)
        Whether that row still waits.
    value : NDArray[np.float64], shape (n, d, k)
        Its readings.
    has : NDArray[np.bool_], shape (n, d, k)
        Which of them have come (a missing reading that was sent has come, too).
    last, last_ns : NDArray[np.float64], NDArray[np.int64], shape (n, k)
        Latest reading of each signal, and when.
    ago : NDArray[np.int32], shape (n, k)
        Closed rows since the signal last came.
    """

    phase: Times
    closed: Times
    top: Times
    lateness: Times
    number: Times
    open: Flags
    value: Wide
    has: Flags
    last: Wide
    last_ns: Times
    ago: NDArray[np.int32]


@dataclass(slots=True)
class Surplus:
    """What came for closed rows, and changed nothing."""

    late: int = 0
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Tall:
    """Samples of one group, in order of arrival.

    Parameters
    ----------
    asset, signal : NDArray[np.int32], shape (m,)
        Row of the asset in the group, column of the signal.
    t_ns : NDArray[np.int64], shape (m,)
        Event time.
    value : NDArray[np.float64], shape (m,)
        Reading; NaN was sent as missing.
    """

    asset: Slots32
    signal: Slots32
    t_ns: Times
    value: Values


def init(config: AlignConfig, n: int) -> AlignState:
    """Return the state of n assets before their first sample."""
    k = config.k
    return AlignState(
        phase=np.full(n, NEVER, np.int64),
        closed=np.full(n, NEVER, np.int64),
        top=np.full(n, NEVER, np.int64),
        lateness=np.full(n, config.lateness_rows, np.int64),
        number=np.full((n, DEPTH), NEVER, np.int64),
        open=np.zeros((n, DEPTH), np.bool_),
        value=np.full((n, DEPTH, k), np.nan),
        has=np.zeros((n, DEPTH, k), np.bool_),
        last=np.full((n, k), np.nan),
        last_ns=np.full((n, k), NEVER, np.int64),
        ago=np.full((n, k), FREQUENT, np.int32),
    )


def update(
    config: AlignConfig, state: AlignState, tall: Tall, surplus: Surplus
) -> Iterator[Frame]:
    """Sort samples into rows, and yield the rows that close, one of each asset per frame."""
    if not tall.t_ns.size:
        return
    first = state.phase[tall.asset] == NEVER
    if first.any():
        # The earliest arrival wins: written backwards, the first sample is written last.
        at = tall.asset[first][::-1]
        state.phase[at] = tall.t_ns[first][::-1] % config.every_ns
    offset = tall.t_ns - state.phase[tall.asset]
    row = (offset + config.every_ns // 2) // config.every_ns
    for pick in _rounds(tall.asset, row):
        part = Tall(tall.asset[pick], tall.signal[pick], tall.t_ns[pick], tall.value[pick])
        yield from _take(config, state, (part, row[pick]), surplus)


def _rounds(asset: Slots32, row: Times) -> Iterator[NDArray[np.int64]]:
    """Yield indices of samples such that in each round every asset brings one row only."""
    order = np.argsort(asset, kind="stable")
    a, r = asset[order], row[order]
    new_asset = np.ones(a.size, np.bool_)
    new_asset[1:] = a[1:] != a[:-1]
    new_run = new_asset.copy()
    new_run[1:] |= r[1:] != r[:-1]
    run = np.cumsum(new_run)
    turn = run - run[np.flatnonzero(new_asset)[np.cumsum(new_asset) - 1]]
    by_turn = np.argsort(turn, kind="stable")
    ends = np.flatnonzero(np.diff(turn[by_turn])) + 1
    for part in np.split(by_turn, ends):
        yield order[part]


def _take(
    config: AlignConfig, state: AlignState, part: tuple[Tall, Times], surplus: Surplus
) -> Iterator[Frame]:
    """Put one run of each asset into its row; close what has become whole or overdue."""
    tall, row = part
    over = row <= state.closed[tall.asset]
    if over.any():
        _count(state, (tall, row), over, surplus)
    _hold(state, tall)
    behind = _where(tall, over)
    tall, row = _where(tall, ~over), row[~over]
    if row.size:
        yield from _put(config, state, (tall, row), surplus)
    # What came too late for its row is waited for in the next ones.
    state.ago[behind.asset, behind.signal] = 0


def _put(
    config: AlignConfig, state: AlignState, part: tuple[Tall, Times], surplus: Surplus
) -> Iterator[Frame]:
    """Put readings into the rows that they belong to, and close what is overdue or whole."""
    tall, row = part
    begins = np.ones(row.size, np.bool_)
    begins[1:] = tall.asset[1:] != tall.asset[:-1]
    asset, number = tall.asset[begins], row[begins]
    state.top[asset] = np.maximum(state.top[asset], number)
    yield from _close(config, state, asset, waiting=True)
    place = number % DEPTH
    fresh = state.number[asset, place] != number
    at, to = asset[fresh], place[fresh]
    state.number[at, to] = number[fresh]
    state.open[at, to] = np.True_
    state.has[at, to, :] = np.False_
    state.value[at, to] = np.nan
    late = _where(tall, _fill(config, state, (tall, row), surplus))
    yield from _close(config, state, asset, waiting=False)
    state.ago[late.asset, late.signal] = 0


def _where(tall: Tall, mask: Flags) -> Tall:
    """Return the samples for which the mask is true."""
    return Tall(tall.asset[mask], tall.signal[mask], tall.t_ns[mask], tall.value[mask])


def _fill(
    config: AlignConfig, state: AlignState, part: tuple[Tall, Times], surplus: Surplus
) -> Flags:
    """Write readings that have not come yet, the first of several; say which came too late."""
    tall, row = part
    place = row % DEPTH
    key = tall.asset.astype(np.int64) * config.k + tall.signal
    first = np.zeros(key.size, np.bool_)
    first[np.unique(key, return_index=True)[1]] = np.True_
    new = first & ~state.has[tall.asset, place, tall.signal]
    new &= ~_behind(config, state, (tall, row), new)
    where = (tall.asset[new], place[new], tall.signal[new])
    state.value[where] = tall.value[new]
    state.has[where] = np.True_
    late: Flags = ~state.has[tall.asset, place, tall.signal]
    surplus.repeat += int((~new & ~late).sum())
    surplus.late += int(late.sum())
    return late


def _behind(
    config: AlignConfig, state: AlignState, part: tuple[Tall, Times], new: Flags
) -> Flags:
    """Say which new readings come after their row was whole, though in the same batch."""
    tall, row = part
    none = np.zeros(row.size, np.bool_)
    if any(config.by_exception):
        return none
    expected = np.array(config.awaited) & (state.ago[tall.asset] < FREQUENT)
    if expected.all():
        return none
    place = row % DEPTH
    missing = (expected & ~state.has[tall.asset, place]).sum(axis=1)
    counts = new & expected[np.arange(row.size), tall.signal]
    begins = np.flatnonzero(np.r_[True, tall.asset[1:] != tall.asset[:-1]])
    segment = np.cumsum(np.r_[True, tall.asset[1:] != tall.asset[:-1]]) - 1
    got = np.cumsum(counts.astype(np.int64))
    got = got - (got - counts)[begins][segment]
    follows = row == state.closed[tall.asset] + 1
    closes = expected.any(axis=1) & (follows | (state.lateness[tall.asset] == 0))
    behind: Flags = new & closes & (got - counts >= missing) & ~counts
    return behind


def _count(state: AlignState, part: tuple[Tall, Times], over: Flags, surplus: Surplus) -> None:
    """Count what came for closed rows; learn from what was reordered how long to wait."""
    tall, row = part
    asset, number, signal = tall.asset[over], row[over], tall.signal[over]
    place = number % DEPTH
    repeat = (state.number[asset, place] == number) & state.has[asset, place, signal]
    # A row that the ring has forgotten: a block sent again or very late; nobody can tell.
    surplus.repeat += int(repeat.sum())
    surplus.late += int((~repeat).sum())
    back = state.top[asset] - number
    news = ~repeat & (back < DEPTH) & (back > 0)
    np.maximum.at(state.lateness, asset[news], back[news])


def _hold(state: AlignState, tall: Tall) -> None:
    """Remember the latest reading of each signal."""
    newer = np.isfinite(tall.value) & (tall.t_ns > state.last_ns[tall.asset, tall.signal])
    pick = np.flatnonzero(newer)
    # The latest is written last, and of equally late ones the first: as one by one.
    pick = pick[np.lexsort((-pick, tall.t_ns[pick]))]
    asset, signal = tall.asset[pick], tall.signal[pick]
    state.last[asset, signal] = tall.value[pick]
    state.last_ns[asset, signal] = tall.t_ns[pick]


def _close(
    config: AlignConfig, state: AlignState, slot: Slots32, *, waiting: bool
) -> Iterator[Frame]:
    """Close rows in their order: the overdue ones (`waiting`), or those that are whole."""
    asset: Times = slot.astype(np.int64)
    while asset.size:
        number = np.where(state.open[asset], state.number[asset], np.iinfo(np.int64).max)
        place = number.argmin(axis=1)
        row = number[np.arange(asset.size), place]
        some = row != np.iinfo(np.int64).max
        with np.errstate(over="ignore"):
            overdue = some & (row < state.top[asset] - state.lateness[asset])
        ready = overdue if waiting else overdue | (some & _whole(config, state, asset, place))
        asset, row = asset[ready], row[ready]
        if asset.size:
            yield _emit(config, state, (asset, _filled(config, state, asset, row)))


def _filled(config: AlignConfig, state: AlignState, asset: Times, row: Times) -> Times:
    """Return the rows to close now: of what is sent by exception, first those without news."""
    if not any(config.by_exception):
        return row
    closed = state.closed[asset]
    missing = row - closed - 1
    fill = (closed != NEVER) & (missing > 0) & (missing <= config.stale_rows)
    filled: Times = np.where(fill, closed + 1, row)
    return filled


def _whole(
    config: AlignConfig, state: AlignState, asset: Times, place: NDArray[np.int64]
) -> Flags:
    """Say whose row has everything that it may wait for, and no earlier one can still come."""
    if any(config.by_exception):
        return np.zeros(asset.size, np.bool_)
    expected = np.array(config.awaited) & (state.ago[asset] < FREQUENT)
    there = state.has[asset, place]
    whole = (there | ~expected).all(axis=1) & expected.any(axis=1)
    follows = state.number[asset, place] == state.closed[asset] + 1
    settled: Flags = whole & (follows | (state.lateness[asset] == 0))
    return settled


def _emit(config: AlignConfig, state: AlignState, part: tuple[Times, Times]) -> Frame:
    """Return the rows as a frame, holding what may be held, and close them."""
    asset, row = part
    order = np.argsort(asset, kind="stable")
    asset, row = asset[order], row[order]
    place = row % DEPTH
    real = state.number[asset, place] == row
    state.open[asset[real], place[real]] = False
    state.closed[asset] = row
    has = state.has[asset, place] & real[:, None]
    value = np.where(has, state.value[asset, place], np.nan)
    came = has & np.isfinite(value)
    state.ago[asset] = np.where(has, 0, np.minimum(state.ago[asset] + 1, FREQUENT))
    t_ns = state.phase[asset] + row * config.every_ns
    age = t_ns[:, None] - state.last_ns[asset]
    # A reading from after this row is news of the next one and says nothing of this.
    fresh = (age <= np.array(config.max_age_ns)) | np.array(config.by_exception)
    held = ~came & ~has & fresh & (age > -config.every_ns // 2)
    held &= np.isfinite(state.last[asset])
    value = np.where(held, state.last[asset], value)
    quality = np.where(came, Quality.GOOD, np.where(held, Quality.HELD, Quality.MISSING))
    return Frame(asset.astype(np.int32), t_ns, value, quality.astype(np.uint8))
