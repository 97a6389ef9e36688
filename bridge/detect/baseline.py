"""Baseline: what is healthy, per asset and operating state, as a robust location and spread.

Commissioning learns it by clipped running means. A state that was seldom visited leans on what
all states together show (the response to the settings has explained most); one first met later
says nothing until it has learned its own. Afterwards the location follows by at most one spread
in four commissioning periods: seasons pass, wear does not hide.
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
    early : NDArray[np.bool_], shape (n, m)
        Whether a state was met during commissioning.
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
    early: NDArray[np.bool_]
    follow: Wide
    usual: Wide
    told: NDArray[np.int32]
    last: Wide
    quantum: Wide


def init(config: ChainConfig, n: int) -> BaselineState:
    """Return the state of n assets before their first row."""
    # With settings the last row of the table is all states together.
    k, m = config.k, operating.STATES + 1 if config.settings else 1
    return BaselineState(
        rows=np.zeros(n, np.int64),
        visits=np.zeros((n, m), np.int32),
        loc=np.zeros((n, m, k)),
        dev=np.zeros((n, m, k)),
        early=np.zeros((n, m), np.bool_),
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
    residual = out.adjusted
    value = residual + out.location
    there = np.isfinite(residual)
    loc, dev, told = _expected(config, state, (row, which), known)
    spread = np.maximum(ABS_TO_SD * dev, _floor(state, at, value, there))
    centre = loc + state.follow[at]
    off = np.where(there, residual - centre, 0.0)
    z = np.clip(np.nan_to_num(off / spread), -Z_MAX, Z_MAX)
    out.z[...] = np.where(told[:, None] & config.scored, z, 0.0)
    part = (np.where(there, residual - state.follow[at], 0.0), spread, there)
    _learn(config, state, (row, which), part, (known, rows))
    if config.settings:
        every = np.full(row.size, operating.STATES)
        _learn(config, state, (row, every), part, (known & ~out.resting, rows))
    late = known & told & (rows > config.commissioning_rows)
    state.follow[row[late]] += _pace(config) * np.clip(off, -spread, spread)[late]
    _usual(config, state, at, (out.location, loc), (known & ~out.resting, rows))
    out.learning[...] = np.minimum(rows / config.commissioning_rows, 1.0)
    _adjust(config, state, at, (value, loc, told), out)
    out.location[...] = np.where(told[:, None] & config.scored, out.location + centre, np.nan)
    out.spread[...] = np.where(np.isnan(out.location), np.nan, spread)


def _expected(
    config: ChainConfig,
    state: BaselineState,
    where: tuple[NDArray[np.int32], NDArray[np.int32]],
    known: NDArray[np.bool_],
) -> tuple[Wide, Wide, NDArray[np.bool_]]:
    """Return location and deviation to expect in a state, and whether it may speak."""
    row, _ = where
    visits, loc, dev = state.visits[where], state.loc[where], state.dev[where]
    if not config.settings:
        return loc, dev, known & (visits >= STATE_ROWS)
    own = (visits / (visits + STATE_ROWS))[:, None]
    loc = loc * own + state.loc[row, operating.STATES] * (1.0 - own)
    dev = dev * own + state.dev[row, operating.STATES] * (1.0 - own)
    # A state met in commissioning speaks early; one met later could alarm by its own mistakes.
    late = min(LATE_ROWS, config.commissioning_rows // 2)
    ready = state.visits[row, operating.STATES] >= STATE_ROWS
    return loc, dev, known & ready & (state.early[where] | (visits >= late))


def _pace(config: ChainConfig) -> float:
    """Return the share of a spread by which the location follows per row."""
    return 1.0 / (FOLLOW_PERIODS * config.commissioning_rows)


def _restart(config: ChainConfig, state: BaselineState, row: NDArray[np.int32]) -> None:
    """Forget what was learned against an older response to the settings."""
    if config.settings and row.size:
        state.visits[row] = 0
        state.early[row] = np.False_
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
    seen: tuple[Wide, Wide, NDArray[np.bool_]],
    when: tuple[NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    """Teach location and spread of a state; after commissioning only new states learn."""
    residual, spread, there = seen
    known, rows = when
    visits = state.visits[where]
    whole = config.commissioning_rows
    young = rows <= whole
    state.early[where] |= known & young
    fresh = known & (young | (visits < min(4 * LATE_ROWS, whole // 2)))
    early = (visits < STATE_ROWS)[:, None]
    loc, dev = state.loc[where], state.dev[where]
    off = np.where(there, residual - loc, 0.0)
    clipped = np.where(early, off, np.clip(off, -CLIP * spread, CLIP * spread))
    gain = np.where(fresh, 1.0 / (visits + 1.0), 0.0)[:, None]
    # The first deviations are measured from a location that has hardly been learned.
    state.dev[where] = np.where(there, dev + gain * (np.abs(clipped) - dev), dev)
    state.loc[where] = loc + gain * clipped
    state.visits[where] = visits + fresh


def _usual(
    config: ChainConfig,
    state: BaselineState,
    at: Rows,
    parts: tuple[Wide, Wide],
    turn: tuple[NDArray[np.bool_], NDArray[np.int64]],
) -> None:
    """Follow, during commissioning, what the settings usually explain."""
    explained = parts[0] + parts[1] if config.settings else parts[0]
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
