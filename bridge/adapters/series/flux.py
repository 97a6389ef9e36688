"""What is asked of InfluxDB, as Flux, and how its answers are read."""

from collections.abc import Iterable, Sequence
from io import StringIO

import polars as pl

from bridge.codec.lineprotocol import MEASUREMENT

COLUMNS = {"field": pl.String, "asset": pl.String, "t": pl.Int64, "value": pl.Float64}
REDUCED = {
    "field": pl.String,
    "t": pl.Int64,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Float64,
}
PARTS = {"mean": "mean", "low": "min", "high": "max", "n": "count"}
"""Columns of reduced series, and the Flux function that makes each."""


def text(word: str) -> str:
    """Return a string literal; ``${`` would be an expression in it."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


def select(
    bucket: str,
    span: tuple[int, int],
    *,
    measurements: Iterable[str] = (MEASUREMENT,),
    assets: Sequence[str] | None = None,
    fields: Sequence[str] | None = None,
) -> str:
    """Name the samples in [start, end) as `d`, one table per asset and field."""
    conditions = [_any("_measurement", measurements)]
    if assets is not None:
        conditions.append(_any("asset", assets))
    if fields is not None:
        conditions.append(_any("_field", fields))
    return (
        f"d = from(bucket: {text(bucket)})\n"
        f"  |> range(start: time(v: {span[0]}), stop: time(v: {span[1]}))\n"
        f"  |> filter(fn: (r) => {' and '.join(conditions)})\n"
    )


def _any(column: str, words: Iterable[str]) -> str:
    return "(" + " or ".join(f"r.{column} == {text(word)}" for word in words) + ")"


def answer(name: str, *steps: str, of: str = "d") -> str:
    """Send what `of` is after some steps, under a name."""
    keep = 'keep(columns: ["_time", "_value", "_field", "asset", "_measurement"])'
    return "\n  |> ".join([of, *steps, keep, f"yield(name: {text(name)})"]) + "\n"


def windows(width_ns: int, first_ns: int) -> str:
    """Answer mean, least, greatest and count of windows as wide, the first at `first_ns`.

    Empty windows are not made: with them an open range would answer millions.
    """
    return "".join(
        answer(
            name,
            f"aggregateWindow(every: {width_ns}ns, offset: {first_ns % width_ns}ns, "
            f'fn: {function}, createEmpty: false, timeSrc: "_start")',
        )
        for name, function in PARTS.items()
    )


def read(body: str) -> dict[str, pl.DataFrame]:
    """Read the tables of an answer by name: the columns of `COLUMNS` and the measurement.

    Raises
    ------
    ValueError
        The server broke off with an error, told in the middle of the answer.
    """
    found: dict[str, list[pl.DataFrame]] = {}
    for section in body.split("\r\n\r\n"):
        if not section.strip():
            continue
        frame = pl.read_csv(StringIO(section), infer_schema=False, truncate_ragged_lines=True)
        if "error" in frame.columns:
            raise ValueError(frame["error"][0])
        for (name,), table in frame.group_by("result", maintain_order=True):
            found.setdefault(str(name), []).append(_columns(table))
    return {name: pl.concat(tables) for name, tables in found.items()}


def _columns(table: pl.DataFrame) -> pl.DataFrame:
    absent = [name for name in ("_time", "_measurement") if name not in table.columns]
    table = table.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    return table.select(
        pl.col("_field").alias("field"),
        "asset",
        # Nine digits of a second, cut short by the server where they are zero.
        pl.col("_time")
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns")
        .cast(pl.Int64)
        .alias("t"),
        pl.col("_value").cast(pl.Float64).alias("value"),
        pl.col("_measurement").alias("measurement"),
    )


def beside(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Put mean, low, high and n of the same asset, field and time beside each other."""
    key = ["asset", "field", "t"]
    joined: pl.DataFrame | None = None
    for name in PARTS:
        if name not in tables:
            return pl.DataFrame(schema={"asset": pl.String, **REDUCED})
        part = tables[name].select(*key, pl.col("value").alias(name))
        joined = part if joined is None else joined.join(part, on=key)
    assert joined is not None
    return joined


def merge(frames: Iterable[pl.DataFrame], key: Sequence[str]) -> pl.DataFrame:
    """Make one row of all rows with the same key, weighted by what each stands for."""
    weighted = (pl.col("mean") * pl.col("n")).sum() / pl.col("n").sum()
    return (
        pl.concat(frames)
        .group_by(key)
        .agg(
            weighted.alias("mean"), pl.col("low").min(), pl.col("high").max(), pl.col("n").sum()
        )
        .sort(key)
    )
