"""The detection chain of one group of assets: from readings to a calibrated, held alarm.

How it is used (`n` assets of one group, `k` signals)::

    config = ChainConfig(signals=("load", "temp"), settings=("load",), every_s=300.0)
    state = chain.init(config, n_assets)
    out = chain.outputs(len(frame), config.k)
    chain.update(config, state, frame, out)        # frame: at most one row per asset
    state = chain.grow(config, state, n_more)      # new assets come last
    chain.rebaseline(config, state, slots)         # a repair, or a confirmed change
    kept = chain.snapshot(state); chain.restore(state, kept)   # bit by bit
    out = chain.run_along(config, t_ns, value)     # one asset, many rows: a ChainOut of all

`out.alarm` is the held alarm within the false-alarm budget (lasting change); `out.step` is held
while a level moves now (fast sampling); a back-test of fast plants shows both. `out.adjusted`
is what health and prognosis take in place of the readings: operating state and hour are removed
from it, and with settings it is NaN wherever nothing can be said, so a machine that stands
still overnight is not "healed" in the morning. Without settings it is there from the first row;
with settings believe it from `out.learning` = 1 on. Histories of many assets go wide
(`run_wide`: one frame per row number, all assets in it), which costs little more than one asset
alone.

Order: prepare (quality) > operating (what the settings explain) > season (the hour) > baseline
(z per state) > shift, step, novelty (scores) > calibrate (one score, contributions).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from bridge.detect import (
    baseline,
    calibrate,
    novelty,
    operating,
    prepare,
    season,
    shift,
    step,
)
from bridge.detect.config import ChainConfig, ChainOut, Wide, outputs
from bridge.detect.state import copy_rows, reset_rows, restore, size_bytes, snapshot
from bridge.model.quality import Quality
from bridge.model.samples import Frame, Slots32, Times

__all__ = [
    "ChainConfig",
    "ChainOut",
    "ChainState",
    "grow",
    "init",
    "outputs",
    "rebaseline",
    "restore",
    "run_along",
    "run_wide",
    "size_bytes",
    "snapshot",
    "update",
]

PART_SIGNALS = 8192
"""Signals that are worked on at once: their working arrays fit the processor's cache."""
VERSION = 1
"""Of the state's meaning; a snapshot of another one is learned again."""


@dataclass(slots=True)
class ChainState:
    """The states of all detectors of a group; see their modules."""

    prepare: prepare.PrepareState
    operating: operating.OperatingState
    season: season.SeasonState
    step: step.StepState
    novelty: novelty.NoveltyState
    baseline: baseline.BaselineState
    shift: shift.ShiftState


def init(config: ChainConfig, n: int) -> ChainState:
    """Return the state of n assets before their first row."""
    return ChainState(
        prepare=prepare.init(config, n),
        operating=operating.init(config, n),
        season=season.init(config, n),
        step=step.init(config, n),
        novelty=novelty.init(config, n),
        baseline=baseline.init(config, n),
        shift=shift.init(config, n),
    )


def grow(config: ChainConfig, state: ChainState, n: int) -> ChainState:
    """Return a state with room for n assets, the first of which are those of `state`."""
    wider = init(config, n)
    copy_rows(state, wider)
    return wider


def rebaseline(config: ChainConfig, state: ChainState, slots: Slots32) -> None:
    """Begin anew for some assets: a recorded repair, or another normal from now on."""
    reset_rows(state, init(config, 1), slots)


def update(config: ChainConfig, state: ChainState, frame: Frame, out: ChainOut) -> None:
    """Fold a frame (at most one row per asset) into the state and say how each asset stands.

    Parameters
    ----------
    config, state
        Of the group; `state` is changed in place.
    frame : Frame
        `slot` unique; values in the units of the catalog; quality GOOD, HELD or MISSING.
    out : ChainOut
        As many rows as the frame; everything in it is overwritten.
    """
    part = max(PART_SIGNALS // max(config.k, 1), 1)
    if len(frame) <= part:
        _update(config, state, frame, out)
        return
    # Assets are independent; parts that fit the processor's cache are faster than all at once.
    for start in range(0, len(frame), part):
        rows = slice(start, start + part)
        some = Frame(frame.slot[rows], frame.t_ns[rows], frame.value[rows], frame.quality[rows])
        said = ChainOut(*(getattr(out, each.name)[rows] for each in fields(ChainOut)))
        _update(config, state, some, said)


def _update(config: ChainConfig, state: ChainState, frame: Frame, out: ChainOut) -> None:
    """Fold a frame in, every detector over all of its rows."""
    # Overflow and division by nothing happen with what sensors send; each step decides by
    # `where` what comes of them, and the contract tests hold every answer finite.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        prepare.update(config, state.prepare, frame, out)
        operating.update(config, state.operating, frame, out)
        step.update(config, state.step, frame, out)
        # What may not teach a baseline may still be news: here it is asked only whether a value
        # was ever seen.
        odd = (out.quality == Quality.SPIKE) | (out.quality == Quality.STUCK)
        reading = np.where(odd, frame.value - out.location, out.adjusted)
        departure = np.empty(reading.shape)
        season.update(config, state.season, frame, out, departure)
        novelty.update(config, state.novelty, frame, out, (reading, departure))
        baseline.update(config, state.baseline, frame, out)
        shift.update(config, state.shift, frame, out)
        calibrate.update(state.shift, frame, out)


def run_along(config: ChainConfig, t_ns: Times, value: Wide) -> ChainOut:
    """Return what the chain says of each row of one asset.

    Parameters
    ----------
    t_ns : NDArray[np.int64], shape (rows,)
        Event times.
    value : NDArray[np.float64], shape (rows, k)
        Readings, NaN where missing.
    """
    return run_wide(config, [(t_ns, value)])[0]


def run_wide(config: ChainConfig, histories: Sequence[tuple[Times, Wide]]) -> list[ChainOut]:
    """Return what the chain says of each row of several assets of one group.

    Parameters
    ----------
    histories : sequence of (t_ns, value)
        One per asset, as in `run_along`; they may differ in length and in their times.

    Notes
    -----
    Row i of every asset goes into one frame. Assets do not influence each other.
    """
    order = sorted(range(len(histories)), key=lambda at: -len(histories[at][0]))
    state = init(config, len(histories))
    said = [outputs(len(t_ns), config.k) for t_ns, _ in histories]
    longest = len(histories[order[0]][0]) if histories else 0
    active = len(histories)
    for number in range(longest):
        while len(histories[order[active - 1]][0]) <= number:
            active -= 1
        of = order[:active]
        value = np.stack([histories[at][1][number] for at in of])
        t_ns = np.array([histories[at][0][number] for at in of], np.int64)
        quality = np.where(np.isnan(value), Quality.MISSING, Quality.GOOD).astype(np.uint8)
        frame = Frame(np.arange(active, dtype=np.int32), t_ns, value, quality)
        out = outputs(active, config.k)
        update(config, state, frame, out)
        for each in fields(ChainOut):
            column = getattr(out, each.name)
            for row, at in enumerate(of):
                getattr(said[at], each.name)[number] = column[row]
    return said
