"""Health assessment and prognosis in one: what the chain calls per round, and per raised asset.

How the watch uses it (`n` assets of one group, `k` signals)::

    options = AssessOptions(HealthOptions(healthy_rows=200), PrognosisOptions())
    shape = health.pattern(signals, modes)              # which moves count; modes of the model
    state = assess.init(options, n, k)                  # a state as in `bridge.detect.state`
    out = assess.outputs(rows, k)                       # as many rows as the frame has
    ...
    assess.update(options, state, shape, frame, out)    # every round; values as `prepare` left
    them out.health.hi, out.health.ticket, out.left_s        # one row per row of the frame
    assess.rebaseline(options, state, slots)            # a repair, or a confirmed change
    what = assess.conclude(state, subject, (out, row))     # only for assets that are raised
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bridge.detect import diagnosis, health, prognosis
from bridge.detect.health import HealthOptions, HealthOut, HealthState, Pattern
from bridge.detect.prognosis import PrognosisOptions, PrognosisState
from bridge.detect.state import copy_rows
from bridge.model.catalog import FailureMode
from bridge.model.detections import Evidence
from bridge.model.instants import as_datetime
from bridge.model.quality import Quality
from bridge.model.samples import Frame, Slots32
from bridge.model.values import Confidence

Wide = NDArray[np.float64]

METHOD = "own history: first passage of a Wiener process with drift"
HIGH, MEDIUM = (2.0, 6.0), (6.0, 3.0)
"""Widest interval in shares of P50, and least strength of the trend, of each confidence."""
COMPLETE_MIN = 0.8
"""Below this share of usable samples nothing is said with more than low confidence."""


@dataclass(frozen=True, slots=True)
class AssessOptions:
    """Constants of health and prognosis together."""

    health: HealthOptions = field(default_factory=HealthOptions)
    prognosis: PrognosisOptions = field(default_factory=PrognosisOptions)


@dataclass(slots=True)
class AssessState:
    """Memory of a group of assets.

    Attributes
    ----------
    health, prognosis
        See their modules.
    complete : NDArray[np.float64], shape (n,)
        Exponential mean over the last hundred rows of the share of usable samples.
    """

    health: HealthState
    prognosis: PrognosisState
    complete: Wide


@dataclass(slots=True)
class AssessOut:
    """What `update` says of each row of a frame.

    Attributes
    ----------
    health : HealthOut
        Indicator, signed excess per signal, tickets.
    left_s : NDArray[np.float64], shape (n, 3)
        Seconds to failure with 10, 50 and 90 %; NaN where there is no date.
    raised : NDArray[np.bool_], shape (n,)
        The held state: a ticket was raised within the last block of rows.
    """

    health: HealthOut
    left_s: Wide
    raised: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an assessment is about.

    Parameters
    ----------
    slot : int
        Row of the asset in the state.
    signals : tuple of str
        Names of the group's signals.
    modes : tuple of FailureMode
        Failure modes of its catalog model; empty where the catalog has none.
    t_ns : int
        Event time of the row.
    value : NDArray[np.float64], shape (k,)
        Readings of the row.
    operating_state, model_version : str
        For the evidence.
    """

    slot: int
    signals: tuple[str, ...]
    modes: tuple[FailureMode, ...]
    t_ns: int
    value: Wide
    operating_state: str = ""
    model_version: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is said of one asset, ready for a `Prediction`.

    Parameters
    ----------
    mode : str
        Failure mode or `UNKNOWN_MODE`.
    p10_ns, p50_ns, p90_ns : int or None
        All given or all absent: no date yet.
    confidence : Confidence
        By the width of the interval, the trend's significance, and the data.
    contributions : dict of signal to share
        Sum to 1; empty where nothing exceeds its wander.
    hi, as_new : float
        Health indicator and as-new index in percent.
    onset_ns : int
        When the rise began.
    quality : str
        ``good`` or ``poor``.
    evidence : Evidence
        What was known.
    """

    mode: str
    p10_ns: int | None
    p50_ns: int | None
    p90_ns: int | None
    confidence: Confidence
    contributions: dict[str, float]
    hi: float
    as_new: float
    onset_ns: int
    quality: str
    evidence: Evidence


def init(options: AssessOptions, n: int, k: int) -> AssessState:
    """Return the state of n assets of k signals before their first row."""
    return AssessState(health.init(options.health, n, k), prognosis.init(n), np.ones(n))


def outputs(n: int, k: int) -> AssessOut:
    """Return room for the answers to a frame of n rows."""
    said = HealthOut(
        np.full(n, np.nan), np.zeros((n, k)), np.zeros((n, k)), np.zeros(n, np.bool_)
    )
    return AssessOut(said, np.full((n, 3), np.nan), np.zeros(n, np.bool_))


def grow(options: AssessOptions, state: AssessState, n: int) -> AssessState:
    """Return a state with room for n assets, the first of which are those of `state`."""
    wider = init(options, n, state.health.ref.shape[1])
    copy_rows(state, wider)
    return wider


def rebaseline(options: AssessOptions, state: AssessState, slots: Slots32) -> None:
    """Begin anew for some assets: a recorded repair, or a confirmed change."""
    health.rebaseline(options.health, state.health, slots)
    prognosis.rebaseline(state.prognosis, slots)
    state.complete[slots] = 1.0


def update(
    options: AssessOptions, state: AssessState, shape: Pattern, frame: Frame, out: AssessOut
) -> None:
    """Fold a frame (at most one row per asset) into the state, and say how each asset stands.

    Values with a quality that is not usable are taken as missing, as are NaN and infinities.
    """
    usable = (frame.quality == Quality.GOOD) | (frame.quality == Quality.HELD)
    usable &= np.isfinite(frame.value)
    value = np.where(usable, frame.value, np.nan)
    share = usable.mean(axis=1) if usable.shape[1] else np.ones(len(frame))
    state.complete[frame.slot] += 0.01 * (share - state.complete[frame.slot])
    health.update(options.health, state.health, shape, (frame.slot, value), out.health)
    since = state.health.rows[frame.slot] - state.health.told_rows[frame.slot]
    out.raised[:] = (state.health.rung[frame.slot] >= 0) & (since < options.health.block_rows)
    rows = (frame.slot, frame.t_ns, out.health.hi)
    prognosis.update(options.prognosis, state.prognosis, rows, out.left_s)


def conclude(state: AssessState, subject: Subject, out: tuple[AssessOut, int]) -> Assessment:
    """Return mode, dates, confidence and evidence of one asset from `out` = (answers, row)."""
    answers, row = out
    hi = float(np.nan_to_num(answers.health.hi[row]))
    excess = answers.health.excess[row]
    left = answers.left_s[row]
    seen = diagnosis.Seen(subject.signals, excess, answers.health.own[row])
    found = diagnosis.diagnose(seen, subject.modes)
    dated = bool(np.isfinite(left).all())
    ends = [subject.t_ns + int(min(each, 3e9) * 1e9) for each in left] if dated else [None] * 3
    slot = np.array([subject.slot], np.int32)
    trend = prognosis.trend_of(
        state.prognosis, (slot, np.array([subject.t_ns], np.int64), np.array([hi]))
    )
    strength = float(trend.strength[0])
    complete = float(state.complete[subject.slot])
    return Assessment(
        mode=found.mode,
        p10_ns=ends[0],
        p50_ns=ends[1],
        p90_ns=ends[2],
        confidence=grade(left, strength, complete),
        contributions=diagnosis.shares(excess, subject.signals),
        hi=hi,
        as_new=float(health.as_new(np.array([hi]))[0]),
        onset_ns=int(state.prognosis.floor_ns[subject.slot]),
        quality="good" if complete >= COMPLETE_MIN else "poor",
        evidence=_evidence(state, subject, complete),
    )


def grade(left_s: Wide, strength: float, complete: float) -> Confidence:
    """Return how sure a date is: by the interval's width, the trend's strength, and the data.

    No date, or poor data: low. Else `HIGH` and `MEDIUM` say how wide, in shares of P50, and how
    strong, in standard deviations of the noise.
    """
    if complete < COMPLETE_MIN or not np.isfinite(left_s).all():
        return "low"
    width = float(left_s[2] - left_s[0]) / max(float(left_s[1]), 1e-9)
    if width <= HIGH[0] and strength >= HIGH[1]:
        return "high"
    return "medium" if width <= MEDIUM[0] and strength >= MEDIUM[1] else "low"


def _evidence(state: AssessState, subject: Subject, complete: float) -> Evidence:
    """Return what an assessment rests on, in the units of the signals."""
    low, high = healthy_range(state.health, subject.slot)
    middle, spread = 0.5 * (low + high), 0.25 * (high - low)
    known = [at for at in range(len(subject.signals)) if np.isfinite(middle[at])]
    start = min(int(state.prognosis.floor_ns[subject.slot]), subject.t_ns)
    return Evidence(
        window_from=as_datetime(start),
        window_to=as_datetime(subject.t_ns),
        baseline={subject.signals[at]: (float(middle[at]), float(spread[at])) for at in known},
        latest={
            subject.signals[at]: float(subject.value[at])
            for at in range(len(subject.signals))
            if np.isfinite(subject.value[at])
        },
        completeness=min(max(complete, 0.0), 1.0),
        operating_state=subject.operating_state,
        method=METHOD,
        model_version=subject.model_version,
    )


def healthy_range(state: HealthState, slot: int) -> tuple[Wide, Wide]:
    """Return the healthy range of each signal of an asset, two standard deviations either way.

    Returns
    -------
    low, high : NDArray[np.float64], shape (k,)
        In the signal's unit; NaN while there is no baseline.
    """
    loc, scale, sd = state.loc[slot], state.scale[slot], state.sd[slot].astype(np.float64)
    still = np.isinf(scale)
    width = np.where(still, 0.0, 2.0 * sd * np.where(still, 0.0, scale))
    logs = scale == 0.0
    low = np.where(logs, loc * np.exp(-2.0 * sd), loc - width)
    high = np.where(logs, loc * np.exp(2.0 * sd), loc + width)
    return low, high
