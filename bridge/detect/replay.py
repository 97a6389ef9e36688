"""Run the chain over a whole history, one row of every machine at a time, as the watch does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect import assess, fleet, health
from bridge.detect.assess import AssessOptions, AssessOut, AssessState
from bridge.detect.fleet import FleetModel, FleetOut, FleetState
from bridge.detect.fleet_learn import rounds
from bridge.detect.health import HealthOptions, Pattern
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

    healthy_rows: int = 200


@dataclass(frozen=True, slots=True)
class Replay:
    """What was said of each row, in the order of the rows.

    Parameters
    ----------
    score : NDArray[np.float64], shape (n,)
        In [0, 1].
    alarm : NDArray[np.bool_], shape (n,)
        The state that is held.
    left_s : NDArray[np.float64], shape (n, 3)
        Seconds left with 10, 50 and 90 %; NaN where there is no date.
    health : NDArray[np.float64], shape (n,)
        Health indicator; NaN while commissioning.
    """

    score: Wide
    alarm: NDArray[np.bool_]
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
    run = _Run(rows, names, options, model if model and model.skilled else None)
    found = Replay(
        np.zeros(n), np.zeros(n, np.bool_), np.full((n, 3), np.nan), np.full(n, np.nan)
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
        self._plain = np.array(
            [i for i, c in enumerate(columns) if c not in settings], np.int64
        )
        self._options = AssessOptions(HealthOptions(healthy_rows=options.healthy_rows))
        signals = tuple(columns[at] for at in self._plain)
        self._shape: Pattern = health.pattern(signals, ())
        self._state: AssessState = assess.init(self._options, n, len(signals))
        self._model = model
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
        value = rows.value[take][:, self._plain]
        frame = Frame(slot, t_ns, value, np.zeros(value.shape, np.uint8))
        out: AssessOut = assess.outputs(len(take), value.shape[1])
        assess.update(self._options, self._state, self._shape, frame, out)
        found.health[take] = out.health.hi
        hi = np.nan_to_num(out.health.hi)
        found.score[take] = hi / (hi + 0.5)
        if self._model and self._fleet:
            said = FleetOut(np.empty((len(take), 3)), np.empty(len(take), np.bool_))
            whole = rows.value[take]
            part = (slot, t_ns, whole[:, self._settings], whole[:, self._signals])
            fleet.update(self._model, self._fleet, part, said)
            found.left_s[take], found.alarm[take] = said.left_s, said.ticket
        else:
            found.left_s[take], found.alarm[take] = out.left_s, out.raised
