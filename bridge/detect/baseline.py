"""Baseline: what is healthy, per asset and operating state, as a robust location and spread.

Commissioning learns it by clipped running means; a state first met later learns its own, and
says nothing meanwhile. Afterwards the location follows by at most one spread in four
commissioning periods: seasons pass, wear does not hide.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect import operating
from bridge.detect.config import ChainConfig, ChainOut, Wide
from bridge.detect.state import Rows, rows_of
from bridge.model.samples import Frame

STATE_ROWS = 24
"""A state says nothing before it was visited for so many rows."""
LATE_ROWS = 72
"""One met after commissioning, when its mistakes could alarm, before so many; it goes on
learning until four times that."""
CLIP = 3.0
"""Deviations count as at most so many spreads in what is learned."""
ABS_TO_SD = 1.2533
"""Standard deviation over mean absolute deviation of a Gaussian."""
FOLLOW_PERIODS = 4.0
Z_MAX = 30.0
FLOOR = 1e-9
"""Least spread as a share of the reading: what double precision leaves after differences."""


@dataclass(slots=True)
class BaselineState:
    """What is remembered per asset (n), signal (k) and operating state (m).

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Rows seen.
    visits : NDArray[np.int32], shape (n, m)
        Rows learned in each state.
    loc, dev : NDArray[np.float64], shape (n, m, k)
        Location and mean absolute deviation of what settings and hour do not explain.
    follow : NDArray[np.float64], shape (n, k)
        How far the location has followed since commissioning.
    usual : NDArray[np.float64], shape (n, k)
        Mean of the explained part over commissioning, the machine not at rest (without
        settings: the first reading).
    told : NDArray[np.int32], shape (n,)
        Rows in `usual`.
    last, quantum : NDArray[np.float64], shape (n, k)
        Last reading, and the smallest change ever seen (infinite before one).
    """

    rows: NDArray[np.int64]
    visits: NDArray[np.int32]
    loc: Wide
    dev: Wide
    follow: Wide
    usual: Wide
    told: NDArray[np.int32]
    last: Wide
    quantum: Wide


def init(config: ChainConfig, n: int) -> BaselineState:
    """Return the state of n assets before their first row."""
    k, m = config.k, operating.STATES if config.settings else 1
    return BaselineState(
        rows=np.zeros(n, np.int64),
        visits=np.zeros((n, m), np.int32),
        loc=np.zeros((n, m, k)),
        dev=np.zeros((n, m, k)),
        follow=np.zeros((n, k)),
        usual=np.full((n, k), np.nan),
        told=np.zeros(n, np.int32),
        last=np.full((n, k), np.nan),
        quantum=np.full((n, k), np.inf),
    )


def update(config: ChainConfig, state: BaselineState, frame: Frame, out: ChainOut) -> None:
    """Write z, location, spread, learning and the adjusted readings."""
    at = rows_of(frame.slot)
    rows = state.rows[at] + 1
    state.rows[at] = rows
    row = np.arange(state.rows.size, dtype=np.int32)[at]
    which = np.maximum(out.state, 0)
    known = out.state >= 0
    _restart(config, state, row[operating.solved(config, rows)])
    visits = state.visits[row, which]
    residual = out.adjusted
    value = residual + out.location
    there = np.isfinite(residual)
    loc, dev = state.loc[row, which], state.dev[row, which]
    spread = np.maximum(ABS_TO_SD * dev, _floor(state, at, value, there))
    centre = loc + state.follow[at]
    off = np.where(there, residual - centre, 0.0)
    # A state met in commissioning speaks early; one met later could alarm by its own noise.
    enough = np.where(rows <= config.commissioning_rows, STATE_ROWS, LATE_ROWS)
    told = known & (visits >= np.minimum(enough, config.commissioning_rows // 2))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        z = np.clip(np.nan_to_num(off / spread), -Z_MAX, Z_MAX)
    out.z[...] = np.where(told[:, None] & config.scored, z, 0.0)
    _learn(config, state, (row, which), (off, spread, there, known), rows)
    explained = out.location + loc if config.settings else out.location
    _usual(config, state, at, explained, (known & ~out.resting, rows))
    out.learning[...] = np.minimum(rows / config.commissioning_rows, 1.0)
    _adjust(config, state, at, (value, loc, told), out)
    speaks = told[:, None] & config.scored
    out.location[...] = np.where(speaks, out.location + centre, np.nan)
    out.spread[...] = np.where(speaks, spread, np.nan)


def _restart(config: ChainConfig, state: BaselineState, row: NDArray[np.int32]) -> None:
    """Forget what was learned against an older response to the settings."""
    if config.settings and row.size:
        state.visits[row] = 0
        state.told[row] = 0


def _floor(state: BaselineState, at: Rows, value: Wide, there: NDArray[np.bool_]) -> Wide:
    """Return the least spread: half of the smallest change ever seen, or rounding."""
    last = state.last[at]
    change = np.abs(value - last)
    with np.errstate(invalid="ignore"):
        news = there & (change > FLOOR * np.abs(value))
    quantum = np.where(news, np.minimum(state.quantum[at], change), state.quantum[at])
    state.quantum[at] = quantum
    state.last[at] = np.where(there, value, last)
    least = FLOOR * np.abs(np.nan_to_num(value)) + 1e-200
    return np.where(np.isfinite(quantum), np.maximum(0.5 * quantum, least), least)


def _learn(
    config: ChainConfig,
    state: BaselineState,
    where: tuple[NDArray[np.int32], NDArray[np.int32]],
    seen: tuple[Wide, Wide, NDArray[np.bool_], NDArray[np.bool_]],
    rows: NDArray[np.int64],
) -> None:
    """Teach location and spread of the state; after commissioning only new states learn."""
    off, spread, there, known = seen
    row, _ = where
    visits = state.visits[where]
    whole = config.commissioning_rows
    young = rows <= whole
    fresh = known & (young | (visits < min(4 * LATE_ROWS, whole // 2)))
    early = (visits < STATE_ROWS)[:, None]
    clipped = np.where(early, off, np.clip(off, -CLIP * spread, CLIP * spread))
    gain = np.where(fresh, 1.0 / (visits + 1.0), 0.0)[:, None]
    dev, size = state.dev[where], np.abs(clipped)
    # The first deviations are measured from a location that has hardly been learned.
    state.dev[where] = np.where(there, dev + gain * (size - dev), dev)
    state.loc[where] = np.where(there, state.loc[where] + gain * clipped, state.loc[where])
    state.visits[where] = visits + fresh
    late = known & ~young & ~fresh
    pace = np.where(late, 1.0 / (FOLLOW_PERIODS * whole), 0.0)[:, None]
    state.follow[row] += pace * np.clip(np.where(there, off, 0.0), -spread, spread)


def _usual(
    config: ChainConfig,
    state: BaselineState,
    at: Rows,
    explained: Wide,
    turn: tuple[NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    """Follow, during commissioning, what the settings usually explain."""
    if not config.settings:
        # The first known reading: nothing but the hour is explained without settings.
        usual = state.usual[at]
        state.usual[at] = np.where(np.isnan(usual), explained, usual)
        return
    working, rows = turn
    young = working & (rows <= config.commissioning_rows)
    told = state.told[at] + young
    state.told[at] = told
    gain = np.where(young, 1.0 / np.maximum(told, 1), 0.0)[:, None]
    usual = np.nan_to_num(state.usual[at])
    state.usual[at] = usual + gain * (np.nan_to_num(explained) - usual)


def _adjust(
    config: ChainConfig,
    state: BaselineState,
    at: Rows,
    seen: tuple[Wide, Wide, NDArray[np.bool_]],
    out: ChainOut,
) -> None:
    """Turn the readings into those of the usual operating state at the usual hour."""
    value, loc, told = seen
    if not config.settings:
        # Only the hour is taken out; a location that is still being learned must not show here.
        out.adjusted += state.usual[at]
        return
    adjusted = value - out.location - loc + state.usual[at]
    says = (told & ~out.resting)[:, None] & config.scored
    out.adjusted[...] = np.where(says, adjusted, np.nan)
