"""Operating state: what the settings say a machine is asked to do, and what follows from that.

Two things are learned from the settings during commissioning. *States*: clusters of settings,
found as they come (a setting far from every known state founds one, up to `STATES`); signals
get a location and a spread in each. *Response*: a regression of every signal on the settings,
their squares and two lagged copies (a warm bearing answers late), while the machine is not at
rest (what stands still jumps, and no curve should bend for it), by normal equations that are
solved three times during the first half of commissioning and then stand. Settings of a kind
never met are state -1: learning, not anomalous.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import ChainConfig, ChainOut, Flags, Wide
from bridge.detect.state import Rows, rows_of
from bridge.model.samples import Frame

STATES = 8
RADIUS = 0.12
"""A state reaches this far, as a share of the range of each setting; half of that is its
core."""
REST = 0.04
"""All settings below this share of their largest magnitude: the machine is at rest."""
LAGS = (1.0 / 4.0, 1.0 / 16.0)
"""Gains of the lagged copies: about four and sixteen rows."""
WARM_ROWS = 16
"""After a rest a machine warms up: so many rows still count as rest."""
RIDGE = 1e-6
SOLVE_AT = (0.125, 0.25, 0.5)
"""Shares of commissioning at which the response is solved."""
LEVERAGE = 0.05
"""Variance of what the response predicts, in noise variances, from which it is unsure ..."""
LEVERAGE_TIMES = 4.0
"""... or this many times that of the rows it was learned from, where these were few."""
RICH = 3
"""More settings than this get no squares and no lags: the rows would not suffice."""


@dataclass(slots=True)
class OperatingState:
    """What is remembered per asset (n), settings (s), features (f), signals (k), states (m).

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Rows seen.
    setting, first : NDArray[np.float64], shape (n, s)
        Last known settings, and the first ones, from which features are measured.
    low, high : NDArray[np.float64], shape (n, s)
        Range of the settings so far.
    lag : NDArray[np.float64], shape (n, s, 2)
        Lagged settings.
    centre : NDArray[np.float64], shape (n, m, s)
        Settings of each state.
    used : NDArray[np.int32], shape (n,)
        States founded.
    warm : NDArray[np.int32], shape (n,)
        Rows since the last rest.
    laid : NDArray[np.float64], shape (n, s)
        Range of the settings when the states were last begun anew.
    gram : NDArray[np.float64], shape (n, f, f)
        Sum of products of the features.
    cross : NDArray[np.float64], shape (n, k, f)
        Sum of products of features and readings.
    inverse : NDArray[np.float64], shape (n, f, f)
        Inverse of `gram` at the last solution; zeros before.
    response : NDArray[np.float64], shape (n, k, f)
        Coefficients; zeros before the first solution.
    ref : NDArray[np.float64], shape (n, k)
        First reading of each signal; readings are measured from it. NaN before.
    """

    rows: NDArray[np.int64]
    setting: Wide
    first: Wide
    low: Wide
    high: Wide
    lag: Wide
    centre: Wide
    used: NDArray[np.int32]
    warm: NDArray[np.int32]
    laid: Wide
    gram: Wide
    cross: Wide
    inverse: Wide
    response: Wide
    ref: Wide


def feature_count(s: int) -> int:
    """Return how many features s settings give."""
    if s == 0:
        return 0
    return 1 + s * (2 + len(LAGS)) if s <= RICH else 1 + s


def init(config: ChainConfig, n: int) -> OperatingState:
    """Return the state of n assets before their first row."""
    s, k, f = len(config.settings), config.k, feature_count(len(config.settings))
    return OperatingState(
        rows=np.zeros(n, np.int64),
        setting=np.full((n, s), np.nan),
        first=np.full((n, s), np.nan),
        low=np.full((n, s), np.inf),
        high=np.full((n, s), -np.inf),
        lag=np.zeros((n, s, len(LAGS))),
        centre=np.zeros((n, STATES, s)),
        used=np.zeros(n, np.int32),
        warm=np.full(n, WARM_ROWS, np.int32),
        laid=np.zeros((n, s)),
        gram=np.zeros((n, f, f)),
        cross=np.zeros((n, k, f)),
        inverse=np.zeros((n, f, f)),
        response=np.zeros((n, k, f)),
        ref=np.full((n, k), np.nan),
    )


def update(config: ChainConfig, state: OperatingState, frame: Frame, out: ChainOut) -> None:
    """Write state and rest; leave in `out.adjusted` what the settings do not explain.

    `out.location` receives the explained part, so that adjusted + location is the reading.
    """
    at = rows_of(frame.slot)
    rows = state.rows[at] + 1
    state.rows[at] = rows
    value = out.adjusted
    ref = np.where(np.isnan(state.ref[at]), value, state.ref[at])
    state.ref[at] = ref
    out.location[...] = ref
    if config.settings:
        features = _features(config, state, at, value)
        _lay_out(config, state, at, rows)
        out.state[...] = _assign(state, at)
        out.resting[...] = _rest(state, at)
        _respond(config, state, at, (features, value, ref, rows), out)
    else:
        out.state[...] = 0
        out.resting[...] = False
    out.adjusted[...] = value - out.location


def _features(config: ChainConfig, state: OperatingState, at: Rows, value: Wide) -> Wide:
    """Follow the settings (a missing one stays) and return the features, shape (n, f)."""
    now = value[:, config.explaining]
    old = state.setting[at]
    now = np.where(np.isnan(now), old, now)
    first = np.where(np.isnan(state.first[at]), now, state.first[at])
    state.setting[at], state.first[at] = now, first
    state.low[at] = np.fmin(state.low[at], now)
    state.high[at] = np.fmax(state.high[at], now)
    u = np.nan_to_num(now - first)
    columns = [np.ones((len(u), 1)), u]
    if u.shape[1] <= RICH:
        lag = state.lag[at]
        fresh = np.isnan(old)[:, :, None]
        lag = np.where(fresh, u[:, :, None], lag + np.array(LAGS) * (u[:, :, None] - lag))
        state.lag[at] = lag
        # Lags as what is still to come: at rest in a level they are nothing, so that the ridge
        # gives a signal without lag none, and the response to a level is not shared among
        # copies.
        columns += [u * u, *(lag[:, :, each] - u for each in range(len(LAGS)))]
    return np.concatenate(columns, axis=1)


def _lay_out(
    config: ChainConfig, state: OperatingState, at: Rows, rows: NDArray[np.int64]
) -> None:
    """Begin the states anew whenever the range has doubled, in the first half of commissioning.

    What looks far apart in the first hour is noise beside the range of a week.
    """
    span, laid = state.high[at] - state.low[at], state.laid[at]
    with np.errstate(invalid="ignore"):
        grown = (span > 2.0 * laid).any(axis=1)
    grown &= rows <= int(SOLVE_AT[-1] * config.commissioning_rows)
    state.laid[at] = np.where(grown[:, None], span, laid)
    state.used[at] = np.where(grown, 0, state.used[at])


def _assign(state: OperatingState, at: Rows) -> NDArray[np.int32]:
    """Return each asset's operating state, founding new ones; -1 where none is near."""
    now, centre, used = state.setting[at], state.centre[at], state.used[at]
    span = state.high[at] - state.low[at]
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.abs(now[:, None, :] - centre) / span[:, None, :]
    far = np.where(np.isnan(far), 0.0, far).max(axis=2)
    far[np.arange(STATES) >= used[:, None]] = np.inf
    near = far.argmin(axis=1).astype(np.int32)
    least = far[np.arange(near.size), near]
    found = (least > RADIUS) & (used < STATES)
    known = np.isfinite(now).all(axis=1)
    found &= known
    if found.any():
        row = np.flatnonzero(found)
        centre = centre.copy()
        centre[row, used[row]] = now[row]
        state.centre[at] = centre
        near = np.where(found, used, near)
        state.used[at] = used + found
    lost = (~found & (least > 2.0 * RADIUS)) | ~known
    return np.where(lost, np.int32(-1), near)


def _rest(state: OperatingState, at: Rows) -> Flags:
    """Say which machines are at rest, or were a moment ago: every setting near nothing."""
    most = np.maximum(np.abs(state.low[at]), np.abs(state.high[at]))
    with np.errstate(invalid="ignore"):
        still = (np.abs(state.setting[at]) <= REST * most) & (most > 0.0)
    # A setting that stands at nothing for ever explains nothing; the others decide.
    moved = most > 0.0
    resting = np.all(still | ~moved, axis=1) & np.any(moved, axis=1)
    warm = np.where(resting, 0, np.minimum(state.warm[at] + 1, WARM_ROWS))
    state.warm[at] = warm
    cold: Flags = warm < WARM_ROWS
    return cold


def _respond(
    config: ChainConfig,
    state: OperatingState,
    at: Rows,
    seen: tuple[Wide, Wide, Wide, NDArray[np.int64]],
    out: ChainOut,
) -> None:
    """Learn and apply the response of the signals to the settings."""
    features, value, ref, rows = seen
    explained = _explain(state.response[at], features)
    last = max(int(SOLVE_AT[-1] * config.commissioning_rows), 1)
    row = np.arange(state.rows.size, dtype=np.int32)[at]
    y = np.where(np.isnan(value), explained, value - ref)
    learning = rows <= last
    if learning.any():
        part = (features, y, np.any(np.isnan(value) & np.isfinite(ref), axis=1))
        _gather(config, state, row, (learning & ~out.resting, rows), part)
    if not learning.all():
        direction = _explain(state.inverse[at], features)
        leverage = _explain(direction[:, None, :], features)[:, 0]
        unsure = leverage > max(LEVERAGE, LEVERAGE_TIMES * features.shape[1] / last)
        unsure &= ~learning & ~out.resting
        if unsure.any():
            out.state[unsure] = -1
            some = (direction[unsure], leverage[unsure], (y - explained)[unsure])
            _teach(state, row[unsure], some)
    explained[:, config.explaining] = 0.0
    out.location += explained


def _gather(
    config: ChainConfig,
    state: OperatingState,
    row: NDArray[np.int32],
    when: tuple[Flags, NDArray[np.int64]],
    part: tuple[Wide, Wide, Flags],
) -> None:
    """Add rows of commissioning to the sums, and solve them where it is time."""
    working, rows = when
    features, y, gap = part
    # Nothing can be learned while every setting still stands at nothing, and before the first
    # solution there is nothing to put in a missing reading's place.
    alive = np.any((state.high[row] > 0.0) | (state.low[row] < 0.0), axis=1)
    usable = working & alive & ~(gap & (state.inverse[row, 0, 0] == 0.0))
    here, phi = row[usable], features[usable]
    state.gram[here] += phi[:, :, None] * phi[:, None, :]
    state.cross[here] += np.nan_to_num(y[usable])[:, :, None] * phi[:, None, :]
    now = row[solved(config, rows)]
    if now.size:
        state.response[now] = solve(state.gram[now], state.cross[now])
        eye = np.broadcast_to(np.eye(features.shape[1]), state.gram[now].shape)
        state.inverse[now] = solve(state.gram[now], np.ascontiguousarray(eye))


def _explain(response: Wide, features: Wide) -> Wide:
    """Return response times features, shape (n, k), one feature after the other.

    The order of additions is then the same for any number of assets.
    """
    explained = np.zeros(response.shape[:2])
    for each in range(features.shape[1]):
        explained += response[:, :, each] * features[:, each, None]
    return explained


def _teach(
    state: OperatingState, row: NDArray[np.int32], seen: tuple[Wide, Wide, Wide]
) -> None:
    """Fold one row into response and inverse by recursive least squares (Sherman-Morrison)."""
    direction, leverage, error = seen
    gain = direction / (1.0 + leverage)[:, None]
    error = np.nan_to_num(error)
    state.response[row] += error[:, :, None] * gain[:, None, :]
    state.inverse[row] -= gain[:, :, None] * direction[:, None, :]


def solved(config: ChainConfig, rows: NDArray[np.int64]) -> Flags:
    """Say whose response to the settings is solved at this row of commissioning."""
    due = np.zeros(rows.shape, np.bool_)
    for share in SOLVE_AT if config.settings else ():
        due |= rows == max(int(share * config.commissioning_rows), 1)
    return due


def solve(gram: Wide, cross: Wide) -> Wide:
    """Return ridge coefficients, shape (n, k, f), by Cholesky, the features scaled to one size.

    Parameters
    ----------
    gram : NDArray[np.float64], shape (n, f, f)
        Sums of products of the features.
    cross : NDArray[np.float64], shape (n, k, f)
        Sums of products of features and readings.

    Notes
    -----
    Written out over the features, elementwise over the assets: a library's solver may order its
    sums by the number of assets, and a replay would then differ in the last bit. The ridge is
    relative to each feature's own size, so units do not matter; a feature that never moved gets
    0.
    """
    f = gram.shape[1]
    size = np.sqrt(np.maximum(gram[:, np.arange(f), np.arange(f)], 0.0))
    moved = size > 0.0
    scale = np.where(moved, 1.0 / np.where(moved, size, 1.0), 0.0)
    a = gram * scale[:, :, None] * scale[:, None, :]
    a[:, np.arange(f), np.arange(f)] = 1.0 + RIDGE
    b = cross * scale[:, None, :]
    return _substitute(_cholesky(a), b) * scale[:, None, :]


def _cholesky(a: Wide) -> Wide:
    """Return lower factors of matrices, shape (n, f, f), with ones on the diagonal."""
    f = a.shape[1]
    low = np.zeros_like(a)
    for j in range(f):
        for r in range(j, f):
            rest = a[:, r, j].copy()
            for i in range(j):
                rest -= low[:, r, i] * low[:, j, i]
            if r == j:
                low[:, j, j] = np.sqrt(np.maximum(rest, 0.5 * RIDGE))
            else:
                low[:, r, j] = rest / low[:, j, j]
    return low


def _substitute(low: Wide, b: Wide) -> Wide:
    """Return x of low low' x = b, shapes (n, f, f) and (n, k, f)."""
    f = low.shape[1]
    x = np.zeros_like(b)
    for j in range(f):
        part = b[:, :, j].copy()
        for i in range(j):
            part -= low[:, j, i, None] * x[:, :, i]
        x[:, :, j] = part / low[:, j, j, None]
    for j in range(f - 1, -1, -1):
        part = x[:, :, j].copy()
        for i in range(j + 1, f):
            part -= low[:, i, j, None] * x[:, :, i]
        x[:, :, j] = part / low[:, j, j, None]
    return x
