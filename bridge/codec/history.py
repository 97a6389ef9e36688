"""Histories and failures as CSV: wide tables of machines, read into columns.

A history has one row per asset and moment (sorted by time within an asset) and one column per
signal. Time is ISO 8601 (without an offset it is taken as UTC) or a number in any unit. An
empty field, ``NaN``, ``NA`` or ``null`` is a missing sample. Every error names line and column.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bridge.model.errors import InputError
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Times, Values

MISSING = ["", "nan", "NaN", "NAN", "NA", "N/A", "null", "None"]
TIME_ALLOWED = "ISO 8601 such as 2026-10-13T08:00:00+02:00, or a number"
NS_PER_UNIT_LADDER = (1_000_000_000, 1_000_000, 1_000, 1)
"""Nanoseconds that one unit of a numeric time stands for: seconds, unless its numbers are too
large for int64 (a Unix time in milliseconds is then counted in microseconds, and so on)."""
OFFSET = r"(Z|z|[+-]\d{2}(?::?\d{2})?)$"
CLOCK = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}"


class HistoryError(InputError):
    """A CSV file is wrong.

    Parameters
    ----------
    where : str
        ``file:line:column`` as far as known; lines count from 1, the header is line 1.
    found, allowed : str
        What stands there, and what may.
    """

    def __init__(self, where: str, found: str, allowed: str) -> None:
        super().__init__(f"{where}: found {found}; allowed: {allowed}")
        self.where = where
        self.found = found
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Clock:
    """How the time column counts.

    Parameters
    ----------
    iso : bool
        Whether times are instants; else they are numbers of an unknown unit.
    ns_per_unit : int
        Nanoseconds of `t_ns` per unit in which spans are told: a second for instants.
    """

    iso: bool
    ns_per_unit: int


@dataclass(frozen=True, slots=True)
class History:
    """A wide table in the order of the file.

    Parameters
    ----------
    assets : tuple of str
        Names, in order of first appearance.
    asset : NDArray[np.int32], shape (n,)
        Index into `assets` of each row.
    time : pl.Series of str, length n
        The time of each row as it stood in the file.
    t_ns : NDArray[np.int64], shape (n,)
        The same as nanoseconds; for numbers, units times `clock.ns_per_unit`.
    signals : tuple of str
        Names of the signal columns.
    value : NDArray[np.float64], shape (n, k)
        Readings; NaN means missing.
    clock : Clock
        How times count.
    """

    assets: tuple[str, ...]
    asset: NDArray[np.int32]
    time: pl.Series
    t_ns: Times
    signals: tuple[str, ...]
    value: Values
    clock: Clock

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are not signals."""

    asset: str = "asset"
    time: str = "time"


def read_history(
    content: bytes, name: str, columns: Columns, clock: Clock | None = None
) -> History:
    """Read a history.

    Parameters
    ----------
    content : bytes
        The file, UTF-8.
    name : str
        How errors call it.
    columns : Columns
        Its asset and time columns; every other column is a signal.
    clock : Clock, optional
        How times must count, where a model has been learned from other times.

    Raises
    ------
    HistoryError
        At the first thing that is wrong.
    """
    table = _table(content, name)
    _require(table, name, (columns.asset, columns.time))
    signals = tuple(each for each in table.columns if each not in {columns.asset, columns.time})
    if not signals:
        raise HistoryError(
            f"{name}:1", "no signal column", "at least one besides asset and time"
        )
    value = np.empty((table.height, len(signals)))
    for at, signal in enumerate(signals):
        value[:, at] = _numbers(table[signal], name, signal)
    assets, asset = _assets(table[columns.asset], name, columns.asset)
    t_ns, clock = _times(table[columns.time], name, columns.time, clock)
    _ordered(asset, t_ns, table[columns.time], (name, columns.time))
    return History(assets, asset, table[columns.time], t_ns, signals, value, clock)


@dataclass(frozen=True, slots=True)
class Failures:
    """When machines failed, in the order of the file.

    Parameters
    ----------
    asset, mode : tuple of str
        Which machine, and its failure mode; an empty mode is not known.
    t_ns : NDArray[np.int64], shape (n,)
        When, counted as in the history.
    """

    asset: tuple[str, ...]
    mode: tuple[str, ...]
    t_ns: Times


def read_failures(content: bytes, name: str, history: History) -> Failures:
    """Read the failures of a history's machines: columns asset, time and (optional) mode.

    Raises
    ------
    HistoryError
        Where a column is missing, a machine is not in the history, or a time is of another
        kind.
    """
    table = _table(content, name)
    _require(table, name, ("asset", "time"))
    known = set(history.assets)
    for line, asset in enumerate(table["asset"].to_list(), 2):
        if asset not in known:
            raise HistoryError(f"{name}:{line}:asset", repr(asset), "a machine of the history")
    t_ns, _clock = _times(table["time"], name, "time", history.clock)
    modes = table["mode"].to_list() if "mode" in table.columns else []
    return Failures(tuple(table["asset"].to_list()), tuple(modes or [""] * table.height), t_ns)


def _table(content: bytes, name: str) -> pl.DataFrame:
    """Read all columns as text; polars parses with all cores and keeps times verbatim."""
    if not content.strip():
        raise HistoryError(f"{name}:1", "an empty file", "a header line and rows, CSV in UTF-8")
    try:
        table = pl.read_csv(content, infer_schema=False, truncate_ragged_lines=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise HistoryError(
            name, str(error).splitlines()[0], "CSV in UTF-8, one width"
        ) from error
    if not table.height:
        raise HistoryError(f"{name}:2", "no rows", "at least one row under the header")
    return table.select(pl.all().fill_null(""))


def _require(table: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    """Refuse a table without the columns asked for."""
    for column in columns:
        if column not in table.columns:
            there = ", ".join(table.columns[:12])
            raise HistoryError(
                f"{name}:1", f"no column {column!r}", f"one of its columns: {there}"
            )


def _numbers(column: pl.Series, name: str, signal: str) -> Values:
    """Return a column of text as numbers; words for missing are NaN, others an error."""
    text = column.str.strip_chars()
    missing = text.is_in(MISSING)
    number = text.cast(pl.Float64, strict=False)
    wrong = (number.is_null() & ~missing).arg_true()
    if len(wrong):
        line = int(wrong[0])
        where = f"{name}:{line + 2}:{signal}"
        raise HistoryError(where, repr(column[line]), "a number, or empty for missing")
    return number.fill_null(float("nan")).to_numpy()


def _assets(
    column: pl.Series, name: str, key: str
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Return the names in order of appearance, and each row's index into them."""
    empty = (column == "").arg_true()
    if len(empty):
        raise HistoryError(f"{name}:{int(empty[0]) + 2}:{key}", "nothing", "a machine's name")
    names = column.unique(maintain_order=True)
    index = pl.DataFrame({"name": names}).with_row_index("at")
    joined = pl.DataFrame({"name": column}).join(
        index, on="name", how="left", maintain_order="left"
    )
    return tuple(names.to_list()), joined["at"].to_numpy().astype(np.int32)


def _times(
    column: pl.Series, name: str, key: str, clock: Clock | None = None
) -> tuple[Times, Clock]:
    """Return times as nanoseconds and how they count; the first row decides the kind."""
    text = column.str.strip_chars()
    number = text.cast(pl.Float64, strict=False)
    iso = number[0] is None if clock is None else clock.iso
    if iso:
        t_ns = _instants(text)
        known = Clock(iso=True, ns_per_unit=NS_PER_S)
    else:
        number = number.set(~number.is_finite().fill_null(value=False), None)
        largest = float(np.nanmax(np.abs(number.to_numpy()), initial=0.0))
        scale = next((s for s in NS_PER_UNIT_LADDER if largest * s < 2.0**62), 1)
        known = clock or Clock(iso=False, ns_per_unit=scale)
        t_ns = (number * known.ns_per_unit).round().cast(pl.Int64, strict=False)
    wrong = t_ns.is_null().arg_true()
    if len(wrong):
        line = int(wrong[0])
        allowed = (
            TIME_ALLOWED
            if clock is None
            else f"{'ISO 8601' if clock.iso else 'a number'}, as learned"
        )
        raise HistoryError(f"{name}:{line + 2}:{key}", repr(column[line]), allowed)
    return t_ns.to_numpy().astype(np.int64), known


def _instants(text: pl.Series) -> pl.Series:
    """Return ISO 8601 texts as nanoseconds since the epoch; null where one is not."""
    frame = pl.DataFrame({"text": text})
    clocked = pl.col("text").str.contains(CLOCK)
    offset = pl.when(clocked).then(pl.col("text").str.extract(OFFSET, 1))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    digits = offset.str.replace_all(r"\D", "").str.pad_end(4, "0")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(
        2, 2
    ).cast(pl.Int64, strict=False)
    body = (
        pl.when(clocked).then(pl.col("text").str.replace(OFFSET, "")).otherwise(pl.col("text"))
    )
    body = body.str.replace(r"^(\d{4}-\d{2}-\d{2})[ t]", "${1}T").str.strip_chars()
    forms = [
        body.str.to_datetime(form, strict=False, time_unit="ns")
        for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
    ]
    day = body.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ns"))
    shift = (
        pl.when(offset.is_null() | offset.is_in(["Z", "z"])).then(0).otherwise(sign * minutes)
    )
    moment = pl.coalesce([*forms, day]).cast(pl.Int64) - shift * (60 * NS_PER_S)
    return frame.select(moment.alias("t_ns"))["t_ns"]


def _ordered(
    asset: NDArray[np.int32], t_ns: Times, time: pl.Series, where: tuple[str, str]
) -> None:
    """Refuse a machine whose rows run backwards."""
    order = np.argsort(asset, kind="stable")
    same = asset[order][1:] == asset[order][:-1]
    back = same & (t_ns[order][1:] < t_ns[order][:-1])
    if back.any():
        line = int(order[1:][back].min())
        name, key = where
        raise HistoryError(
            f"{name}:{line + 2}:{key}",
            f"{time[line]!r} after a later time of the same machine",
            "rows sorted by time within each machine",
        )
