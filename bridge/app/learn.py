"""`bridge learn`: a fleet model from histories that end in recorded failures."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.model.errors import InputError

if TYPE_CHECKING:
    from bridge.codec.history import History
    from bridge.detect.fleet import FleetModel
    from bridge.detect.fleet_learn import Lives


@dataclass(frozen=True, slots=True)
class LearnRequest:
    """What to learn from, and where to put it.

    Parameters
    ----------
    history, failures, out : Path
        The two tables, and the file to write.
    asset, time : str
        Names of the history's columns.
    settings : tuple of str
        Columns that say how a machine is run rather than how it is.
    seed : int
        The same seed gives the same model.
    """

    history: Path
    failures: Path
    out: Path
    asset: str = "asset"
    time: str = "time"
    settings: tuple[str, ...] = ()
    seed: int = 1


def learn(
    request: LearnRequest, progress: Callable[[float], None] = lambda _share: None
) -> "FleetModel":
    """Learn a model and write it, whole or not at all.

    Raises
    ------
    InputError
        Where a file is missing or wrong; it names file, line and column.
    """
    from bridge.codec.history import Columns, read_failures, read_history
    from bridge.detect import fleet_learn
    from bridge.detect.fleet_file import pack

    history = read_history(
        read_bytes(request.history), str(request.history), Columns(request.asset, request.time)
    )
    failures = read_failures(read_bytes(request.failures), str(request.failures), history)
    at = {name: index for index, name in enumerate(history.assets)}
    names = split_signals(history, request.settings, str(request.history))
    lives = _lives(history, ([at[each] for each in failures.asset], failures.t_ns), names)
    model = fleet_learn.learn(lives, names, seed=request.seed, progress=progress)
    write_whole(request.out, pack(model))
    return model


def learn_command(  # noqa: PLR0913, PLR0917 - one parameter per option
    history: Annotated[
        Path, typer.Argument(help="CSV: asset, time and one column per signal.")
    ],
    failures: Annotated[
        Path, typer.Option(help="CSV: asset, time, mode - when a machine failed.")
    ],
    out: Annotated[Path, typer.Option(help="File for the model.")],
    asset: Annotated[str, typer.Option(help="Column that names the machine.")] = "asset",
    time: Annotated[str, typer.Option(help="Column of the time.")] = "time",
    setting: Annotated[
        str, typer.Option(help="Columns that say how a machine is run, separated by commas.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the chance in learning.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Learn from recorded failures how long machines last.

    Examples
    --------
      bridge learn history.csv --failures failures.csv --out model

      bridge learn history.csv --failures failures.csv --out model --setting speed,load
    """
    single_thread()
    request = LearnRequest(history, failures, out, asset, time, names_of(setting), seed)
    with shown("learning") as progress:
        model = learn(request, progress)
    summary = {
        "out": str(out),
        "used": bool(model.skilled),
        "states": len(model.states.centre),
        "life": model.life_s * 1e9 / model.ns_per_unit,
        "cap": model.cap_s * 1e9 / model.ns_per_unit,
        **asdict(model.provenance),
    }
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    share = model.provenance.rmse / max(model.provenance.spread, 1e-12)
    sys.stdout.write(
        f"{out}: learned from {model.provenance.failures} failures of "
        f"{model.provenance.machines} lives, {len(model.states.centre)} operating state(s).\n"
        f"On machines it had not seen it errs by {share:.0%} of what a guess errs by; "
        f"its 80 % interval held {model.provenance.coverage:.0%}.\n"
        + (
            "It will be used.\n"
            if model.skilled
            else "That is too little skill: `backtest` goes by each machine's own history.\n"
        )
    )


def single_thread() -> None:
    """Ask numpy's matrix products for one thread, before it is imported.

    The matrices here are small: threads that wait for each other cost more than they bring, and
    several times as much on a machine that is busy. Whoever set a number keeps it.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def split_signals(
    history: "History", settings: tuple[str, ...], name: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (signals, settings), refusing a setting that is no column."""
    from bridge.codec.history import HistoryError

    for setting in settings:
        if setting not in history.signals:
            there = ", ".join(history.signals[:12])
            raise HistoryError(f"{name}:1", f"no column {setting!r}", f"one of: {there}")
    signals = tuple(each for each in history.signals if each not in settings)
    if not signals:
        raise HistoryError(f"{name}:1", "settings only", "at least one column that is none")
    return signals, settings


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in a list separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; a file that cannot be read is an input error.

    Raises
    ------
    InputError
        With the reason.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}; allowed: a readable file"
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(
            f"{path}: {error.strerror or error}; allowed: a writable path"
        ) from error


class shown:  # noqa: N801 - reads as a word: `with shown("learning") as progress`
    """A progress bar on stderr while the block runs; silent where stderr is no terminal.

    Parameters
    ----------
    what : str
        The word before the bar.
    """

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._bar.disable = not sys.stderr.isatty()
        self._task = self._bar.add_task(what, total=1.0)

    def __enter__(self) -> Callable[[float], None]:
        self._bar.start()
        return lambda share: self._bar.update(self._task, completed=share)

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()


def _lives(
    history: "History",
    failures: "tuple[list[int], object]",
    names: tuple[tuple[str, ...], tuple[str, ...]],
) -> "Lives":
    """Return the history as lives, its columns split into signals and settings."""
    import numpy as np

    from bridge.detect.fleet_learn import Lives, split_lives

    failed = (np.array(failures[0], np.int32), np.asarray(failures[1], np.int64))
    life, end_ns, ended = split_lives(history.asset, history.t_ns, failed)
    take = [[history.signals.index(each) for each in part] for part in names]
    return Lives(
        life=life,
        t_ns=history.t_ns,
        settings=history.value[:, take[1]],
        value=history.value[:, take[0]],
        end_ns=end_ns,
        failed=ended,
        iso=history.clock.iso,
        ns_per_unit=history.clock.ns_per_unit,
    )
