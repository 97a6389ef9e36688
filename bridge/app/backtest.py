"""`bridge backtest`: run detection and prognosis over a history, row by row as if it were live.

What is said of a row rests on that machine's rows up to it, and on the model: machines run
through the same recurrences as in the watch, one row of each at a time.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.app.learn import (
    names_of,
    read_bytes,
    shown,
    single_thread,
    split_signals,
    write_whole,
)
from bridge.model.errors import InputError

if TYPE_CHECKING:
    from bridge.codec.history import History
    from bridge.detect.fleet import FleetModel
    from bridge.detect.replay import Replay


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """What to replay, and where to put it.

    Parameters
    ----------
    history, out : Path
        The table, and the file to write.
    asset, time : str
        Names of the history's columns.
    settings : tuple of str
        Columns that say how a machine is run rather than how it is.
    healthy_rows : int, optional
        First rows of each machine known to be healthy; None: the chain chooses.
    model : Path, optional
        A model of `bridge learn`.
    """

    history: Path
    out: Path
    asset: str = "asset"
    time: str = "time"
    settings: tuple[str, ...] = ()
    healthy_rows: int | None = None
    model: Path | None = None


@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """What a replay found.

    Parameters
    ----------
    rows, machines : int
        How much was replayed.
    alarms : int
        Times that an alarm began.
    machines_alarmed : int
        Machines with at least one.
    dated : float
        Share of rows with a remaining life.
    model : str
        Version of the model used; empty where each machine went by its own history.
    """

    rows: int
    machines: int
    alarms: int
    machines_alarmed: int
    dated: float
    model: str


def backtest(
    request: BacktestRequest, progress: Callable[[float], None] = lambda _share: None
) -> BacktestSummary:
    """Replay a history and write one row per input row, in input order.

    Raises
    ------
    InputError
        Where a file is missing or wrong; it names file, line and column.
    """
    from bridge.codec.history import Clock, Columns, read_history
    from bridge.detect import replay
    from bridge.detect.fleet_file import unpack

    model = unpack(read_bytes(request.model), str(request.model)) if request.model else None
    clock = Clock(model.iso, model.ns_per_unit) if model else None
    columns = Columns(request.asset, request.time)
    history = read_history(read_bytes(request.history), str(request.history), columns, clock)
    names = split_signals(history, request.settings, str(request.history))
    if model:
        _fits(model, history, names, str(request.history))
    found = replay.replay(
        replay.Rows(history.asset, history.t_ns, history.value, history.clock.iso),
        (history.signals, names[1]),
        replay.ReplayOptions(healthy_rows=request.healthy_rows),
        model,
        progress,
    )
    write_whole(request.out, _table(history, found, request))
    return _summary(history, found, model)


def backtest_command(  # noqa: PLR0913, PLR0917 - one parameter per option
    history: Annotated[
        Path, typer.Argument(help="CSV: asset, time and one column per signal.")
    ],
    out: Annotated[Path, typer.Option(help="CSV to write: asset, time, score, alarm, rul_*.")],
    asset: Annotated[str, typer.Option(help="Column that names the machine.")] = "asset",
    time: Annotated[str, typer.Option(help="Column of the time.")] = "time",
    healthy_rows: Annotated[
        int | None, typer.Option(min=2, help="First rows of each machine known to be healthy.")
    ] = None,
    setting: Annotated[
        str, typer.Option(help="Columns that say how a machine is run, separated by commas.")
    ] = "",
    model: Annotated[Path | None, typer.Option(help="A model of `bridge learn`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Replay a history of your own and see which alarms and dates it would have given.

    Examples
    --------
      bridge backtest history.csv --out replay.csv

      bridge backtest history.csv --out replay.csv --setting speed,load --model model
    """
    single_thread()
    request = BacktestRequest(history, out, asset, time, names_of(setting), healthy_rows, model)
    with shown("replaying") as progress:
        summary = backtest(request, progress)
    if as_json:
        sys.stdout.write(json.dumps(asdict(summary)) + "\n")
        return
    sys.stdout.write(
        f"{out}: {summary.rows} rows of {summary.machines} machine(s); {summary.alarms} "
        f"alarm(s) on {summary.machines_alarmed} of them; {summary.dated:.0%} of rows are dated"
        + (f" (model {summary.model}).\n" if summary.model else ".\n")
    )


def _fits(
    model: "FleetModel",
    history: "History",
    names: tuple[tuple[str, ...], tuple[str, ...]],
    name: str,
) -> None:
    """Refuse a history without the columns that the model was learned from."""
    lacking = [
        each for each in (*model.signals, *model.settings) if each not in history.signals
    ]
    if lacking:
        raise InputError(
            f"{name}:1: found no column {lacking[0]!r}; allowed: the columns that the model "
            f"was learned from: {', '.join((*model.settings, *model.signals))}"
        )
    if set(model.settings) != set(names[1]):
        raise InputError(
            f"--setting: found {', '.join(names[1]) or 'nothing'}; allowed: "
            f"{', '.join(model.settings) or 'nothing'}, as the model was learned"
        )


def _table(history: "History", found: "Replay", request: BacktestRequest) -> bytes:
    """Return the replay as CSV."""
    import io

    import polars as pl

    scale = 1e9 / history.clock.ns_per_unit
    names = pl.Series(history.assets)
    table = pl.DataFrame(
        {
            request.asset: names.gather(history.asset),
            request.time: history.time,
            "score": found.score,
            "alarm": found.alarm.astype("uint8"),
            "rul_p10": found.left_s[:, 0] * scale,
            "rul_p50": found.left_s[:, 1] * scale,
            "rul_p90": found.left_s[:, 2] * scale,
            "health": found.health,
            "moving": found.moving.astype("uint8"),
            "lasting": found.lasting.astype("uint8"),
        }
    )
    file = io.BytesIO()
    table.with_columns(pl.selectors.float().fill_nan(None)).write_csv(file)
    return file.getvalue()


def _summary(
    history: "History", found: "Replay", model: "FleetModel | None"
) -> BacktestSummary:
    """Count what was found."""
    import numpy as np

    order = np.argsort(history.asset, kind="stable")
    alarm, asset = found.alarm[order], history.asset[order]
    before = np.concatenate([[False], alarm[:-1] & (asset[1:] == asset[:-1])])
    began = alarm & ~before
    return BacktestSummary(
        rows=len(history),
        machines=len(history.assets),
        alarms=int(began.sum()),
        machines_alarmed=len(np.unique(asset[began])),
        dated=float(np.isfinite(found.left_s[:, 1]).mean()),
        model=model.provenance.version if model and model.skilled else "",
    )
