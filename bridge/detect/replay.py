"""Run the chain over a whole history, one row of every machine at a time, as the watch does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect import assess, chain, fleet, health
from bridge.detect.assess import AssessOptions, AssessOut, AssessState
from bridge.detect.chain import ChainConfig
from bridge.detect.fleet import FleetModel, FleetOut, FleetState
from bridge.detect.fleet_learn import rounds
from bridge.detect.health import HealthOptions, Pattern
from bridge.model.quality import Quality
from bridge.model.samples import Frame, Times, Values

Wide = NDArray[np.float64]

TOLD_EVERY = 50
"""Rounds between two words about progress."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A history's columns.

    Parameters
    ----------
    asset : NDArray[np.int32], shape (n,)
        Machine of each row, from 0, dense; rows of one machine in order of time.
    t_ns : NDArray[np.int64], shape (n,)
        Time of each row.
    value : NDArray[np.float64], shape (n, k)
        Readings and settings; NaN means missing.
    clocked : bool
        Whether times are instants, so that days and weeks mean something.
    """

    asset: NDArray[np.int32]
    t_ns: Times
    value: Values
    clocked: bool


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What the user may say.

    Parameters
    ----------
    healthy_rows : int
        First rows of each machine that are known to be healthy.
    """

    healthy_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What was said of each row, in the order of the rows.

    Parameters
    ----------
    score : NDArray[np.float64], shape (n,)
        In [0, 1].
    alarm : NDArray[np.bool_], shape (n,)
        Something new that asks for a look: wear has reached a new rung within the last block of
        rows, or a level moves now. Where failures were recorded it warns of the next one only:
        moving levels are left out, and a model with skill opens and closes the tickets.
    moving, lasting : NDArray[np.bool_], shape (n,)
        The chain's own held states: a level moves now; a change has lasted.
    left_s : NDArray[np.float64], shape (n, 3)
        Seconds left with 10, 50 and 90 %; NaN where there is no date.
    health : NDArray[np.float64], shape (n,)
        Health indicator; NaN while commissioning.
    """

    score: Wide
    alarm: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    lasting: NDArray[np.bool_]
    left_s: Wide
    health: Wide


def replay(
    rows: Rows,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    options: ReplayOptions,
    model: FleetModel | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> Replay:
    """Return what the bridge would have said of each row when it came.

    Parameters
    ----------
    rows : Rows
        The history.
    names : (columns, settings)
        Names of all columns of `rows.value`, and which of them are settings.
    options : ReplayOptions
        What the user said.
    model : FleetModel, optional
        Used only where it has skill.
    progress : callable
        Is told the share that is done.
    """
    n = len(rows.t_ns)
    run = _Run(rows, names, options, model)
    found = Replay(
        score=np.zeros(n),
        alarm=np.zeros(n, np.bool_),
        moving=np.zeros(n, np.bool_),
        lasting=np.zeros(n, np.bool_),
        left_s=np.full((n, 3), np.nan),
        health=np.full(n, np.nan),
    )
    order = rounds(rows.asset)
    for at, take in enumerate(order):
        run.step(take, found)
        if at % TOLD_EVERY == 0:
            progress(at / len(order))
    return found


class _Run:
    """The states of one replay."""

    def __init__(
        self,
        rows: Rows,
        names: tuple[tuple[str, ...], tuple[str, ...]],
        options: ReplayOptions,
        model: FleetModel | None,
    ) -> None:
        columns, settings = names
        n = int(rows.asset.max()) + 1
        self._rows = rows
        self._config = ChainConfig(
            signals=columns,
            settings=settings,
            healthy_rows=options.healthy_rows,
            clock=rows.clocked,
        )
        self._chain = chain.init(self._config, n)
        self._plain = np.flatnonzero(self._config.scored)
        commissioning = HealthOptions(healthy_rows=self._config.commissioning_rows)
        self._options = AssessOptions(commissioning)
        signals = tuple(columns[at] for at in self._plain)
        self._shape: Pattern = health.pattern(signals, ())
        self._state: AssessState = assess.init(self._options, n, len(signals))
        self._failures_known = model is not None
        self._model = model if model and model.skilled else None
        self._fleet: FleetState | None = None
        if model:
            self._fleet = fleet.init(n, len(model.used))
            self._signals = np.array([columns.index(each) for each in model.signals], np.int64)
            self._settings = np.array(
                [columns.index(each) for each in model.settings], np.int64
            )

    def step(self, take: NDArray[np.int64], found: Replay) -> None:
        """Run one round: at most one row of each machine."""
        rows = self._rows
        slot, t_ns = rows.asset[take], rows.t_ns[take]
        whole = rows.value[take]
        quality = np.where(np.isfinite(whole), Quality.GOOD, Quality.MISSING).astype(np.uint8)
        scores = chain.outputs(len(take), self._config.k)
        chain.update(self._config, self._chain, Frame(slot, t_ns, whole, quality), scores)
        value = scores.adjusted[:, self._plain]
        frame = Frame(slot, t_ns, value, np.zeros(value.shape, np.uint8))
        out: AssessOut = assess.outputs(len(take), value.shape[1])
        assess.update(self._options, self._state, self._shape, frame, out)
        found.score[take], found.health[take] = scores.score, out.health.hi
        found.moving[take], found.lasting[take] = scores.step > 0, scores.alarm > 0
        if self._model and self._fleet:
            said = FleetOut(np.empty((len(take), 3)), np.empty(len(take), np.bool_))
            part = (slot, t_ns, whole[:, self._settings], whole[:, self._signals])
            fleet.update(self._model, self._fleet, part, said)
            found.left_s[take], found.alarm[take] = said.left_s, said.ticket
        else:
            found.left_s[take] = out.left_s
            found.alarm[take] = out.raised
            if not self._failures_known:
                found.alarm[take] |= found.moving[take]
