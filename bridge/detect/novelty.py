"""Novelty: was this value ever seen? The distance to the nearest one, in shares of the range.

Three views of a signal (the reading, the mean of the last four, a low-passed departure from the
daily pattern), each with a memory of 64 cells over the range so far. A value in a cell that was
visited is not new; elsewhere the distance to the nearest visited cell counts, and the cell is
then marked: a level teaches itself once. Cells merge in pairs whenever the range outgrows them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import ChainConfig, ChainOut, Wide
from bridge.detect.state import Rows, rows_of
from bridge.model.samples import Frame

Index = NDArray[np.int64]

CELLS = 64
VIEWS = 3
FAR = 255
"""Distance of a cell to any visited one while none is."""
LOW_GAIN = 0.2
SETTLE_ROWS = 600
"""Nothing is told before so many rows: until then everything is new."""
THETA = 0.05
"""Share of the range at which a new value counts as one half; more signals, more chances."""
REST = (0.03, 24, 120)
"""Silence after an onset: this share of the rows known, at least and at most so many rows."""


@dataclass(slots=True)
class NoveltyState:
    """What is remembered per asset (n), signal (k) and view (3).

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Rows seen.
    until : NDArray[np.int64], shape (n,)
        Row number up to which an onset is followed by silence.
    last : NDArray[np.float64], shape (n, k, 4)
        Last four readings, in a ring.
    low : NDArray[np.float64], shape (n, k)
        Low-passed departure from the daily pattern.
    near : NDArray[np.uint8], shape (n, k, 3, 64)
        Distance of each cell to the nearest visited one, in cells.
    start, width : NDArray[np.float64], shape (n, k, 3)
        Where the cells begin, and how wide each is; 0 before a second value was seen.
    least, most : NDArray[np.float64], shape (n, k, 3)
        Range ever seen; infinite before.
    """

    rows: NDArray[np.int64]
    until: NDArray[np.int64]
    last: Wide
    low: Wide
    near: NDArray[np.uint8]
    start: Wide
    width: Wide
    least: Wide
    most: Wide


def init(config: ChainConfig, n: int) -> NoveltyState:
    """Return the state of n assets before their first row."""
    k = config.k
    shape = (n, k, VIEWS)
    return NoveltyState(
        rows=np.zeros(n, np.int64),
        until=np.zeros(n, np.int64),
        last=np.full((n, k, 4), np.nan),
        low=np.zeros((n, k)),
        near=np.full((*shape, CELLS), FAR, np.uint8),
        start=np.zeros(shape),
        width=np.zeros(shape),
        least=np.full(shape, np.inf),
        most=np.full(shape, -np.inf),
    )


def theta(config: ChainConfig) -> float:
    """Return the novelty that counts as one half."""
    signals = max(int(config.scored.sum()), 1)
    return float(THETA * (1.0 + 0.5 * np.log(signals)))


def update(
    config: ChainConfig,
    state: NoveltyState,
    frame: Frame,
    out: ChainOut,
    seen: tuple[Wide, Wide],
) -> None:
    """Write `out.novelty` (1 = the limit) and, in `out.contributions`, that of each signal.

    `seen` is the reading less what the settings explain, and its departure from what this hour
    was like of late (`bridge.detect.season`); NaN where there is nothing.
    """
    at = rows_of(frame.slot)
    rows = state.rows[at] + 1
    state.rows[at] = rows
    _begin_anew(config, state, frame.slot, rows)
    views = _views(config, state, frame, out, seen)
    distance = _distance(state, at, views)
    span = state.most[at] - state.least[at]
    _remember(state, frame.slot, views)
    scale = span[:, :, [0, 1, 0]]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(scale > 0.0, np.minimum(distance / scale, 1e6), 0.0)
    each = np.minimum(share.max(axis=2, initial=0.0) / theta(config), 1e6)
    ripe = rows > SETTLE_ROWS
    if config.settings:
        ripe &= rows > config.commissioning_rows
    each *= (ripe & (rows > state.until[at]))[:, None]
    out.contributions[...] = each
    out.novelty[...] = each.max(axis=1, initial=0.0)
    onset = out.novelty >= 1.0
    quiet = np.clip(REST[0] * rows, REST[1], REST[2]).astype(np.int64)
    state.until[at] = np.where(onset, rows + quiet, state.until[at])


def _begin_anew(
    config: ChainConfig, state: NoveltyState, slot: NDArray[np.int32], rows: NDArray[np.int64]
) -> None:
    """Forget what was seen while the response to the settings was still being learned."""
    if not config.settings:
        return
    now = slot[rows == config.commissioning_rows // 2 + 1]
    if now.size:
        fresh = init(config, 1)
        for name in ("near", "start", "width", "least", "most", "last", "low"):
            getattr(state, name)[now] = getattr(fresh, name)[0]


def _views(
    config: ChainConfig,
    state: NoveltyState,
    frame: Frame,
    out: ChainOut,
    seen: tuple[Wide, Wide],
) -> Wide:
    """Return the three views of each signal, shape (n, k, 3); NaN where there is nothing."""
    value, departure = seen
    reading = np.where(config.scored & (out.state >= 0)[:, None], value, np.nan)
    at = rows_of(frame.slot)
    row = np.arange(state.rows.size, dtype=np.int32)[at]
    turn = state.rows[at] % 4
    state.last[row, :, turn] = reading
    last = state.last[at]
    mean = 0.25 * ((last[:, :, 0] + last[:, :, 1]) + (last[:, :, 2] + last[:, :, 3]))
    low = state.low[at]
    known = np.isfinite(departure)
    low = np.where(known, low + LOW_GAIN * (departure - low), low)
    state.low[at] = low
    return np.stack([reading, mean, np.where(known, low, np.nan)], axis=2)


def _distance(state: NoveltyState, at: Rows, views: Wide) -> Wide:
    """Return how far each view is from the nearest value it ever had."""
    least, most = state.least[at], state.most[at]
    start, width, near = state.start[at], state.width[at], state.near[at]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        outside = np.maximum(np.maximum(least - views, views - most), 0.0)
        cell = np.floor((views - start) / width)
    cell = np.clip(np.nan_to_num(cell), 0, CELLS - 1).astype(np.int64)
    inside = np.take_along_axis(near, cell[..., None], axis=3)[..., 0] * width
    distance = np.where(outside > 0.0, outside, inside)
    return np.where(np.isfinite(distance), distance, 0.0)


def _remember(state: NoveltyState, slot: NDArray[np.int32], views: Wide) -> None:
    """Mark the cells of what was seen; only cells not marked yet cost anything."""
    there = np.isfinite(views)
    row, signal, view = np.nonzero(there)
    where: tuple[Index, ...] = (slot[row].astype(np.int64), signal, view)
    value = views[there]
    least, most = state.least[where], state.most[where]
    state.least[where], state.most[where] = np.minimum(least, value), np.maximum(most, value)
    width = state.width[where]
    second = (width == 0.0) & np.isfinite(least) & (value != least)
    if second.any():
        _lay_out(state, tuple(each[second] for each in where))
    laid = state.width[where] > 0.0
    if not laid.any():
        return
    where = tuple(each[laid] for each in where)
    value = value[laid]
    _widen(state, where, value)
    cell = np.floor((value - state.start[where]) / state.width[where])
    cell = np.clip(cell, 0, CELLS - 1).astype(np.int64)
    fresh = state.near[(*where, cell)] > 0
    if fresh.any():
        _mark(state, tuple(each[fresh] for each in where), cell[fresh])


def _lay_out(state: NoveltyState, where: tuple[Index, ...]) -> None:
    """Lay the cells at a second distinct value, with room on both sides; mark both."""
    least, most = state.least[where], state.most[where]
    width = np.maximum(4.0 * (most - least) / CELLS, 1e-300)
    state.width[where] = width
    state.start[where] = least - 24.0 * width
    for end in (least, most):
        cell = np.clip(np.floor((end - state.start[where]) / width), 0, CELLS - 1)
        _mark(state, where, cell.astype(np.int64))


def _mark(state: NoveltyState, where: tuple[Index, ...], cell: NDArray[np.int64]) -> None:
    """Mark cells as visited: every cell's distance to the nearest visited one is kept."""
    away = np.abs(np.arange(CELLS) - cell[:, None]).astype(np.uint8)
    state.near[where] = np.minimum(state.near[where], away)


def _widen(state: NoveltyState, where: tuple[Index, ...], value: Wide) -> None:
    """Merge cells in pairs until the value lies inside; one doubling a turn, seldom any."""
    while True:
        start, width = state.start[where], state.width[where]
        left = value < start
        right = value >= start + CELLS * width
        if not (left | right).any():
            return
        for side in (left, right):
            if side.any():
                _merge(state, tuple(each[side] for each in where), leftwards=side is left)


def _merge(state: NoveltyState, where: tuple[Index, ...], *, leftwards: bool) -> None:
    """Double the width of cells, and make room on one side."""
    visited = state.near[where] == 0
    pairs = visited[:, 0::2] | visited[:, 1::2]
    kept = np.zeros_like(visited)
    half = CELLS // 2
    if leftwards:
        kept[:, half:] = pairs
        state.start[where] -= CELLS * state.width[where]
    else:
        kept[:, :half] = pairs
    state.width[where] *= 2.0
    place = np.arange(CELLS)
    away = np.abs(place[:, None] - place).astype(np.uint8)
    spread = np.where(kept[:, None, :], away[None], np.uint8(FAR))
    state.near[where] = spread.min(axis=2)
