"""Anyone's history through MQTT, as if it were live."""

import asyncio
import csv
import gzip
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from simulators.faults import NS
from simulators.fleet import Rows
from simulators.publish import Broker, Message, connected, messages, send

HANDFUL = 200
"""Messages between two steps of the progress bar at full speed."""

UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS,
    "min": 60 * NS,
    "h": 3_600 * NS,
    "d": 86_400 * NS,
}


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What ``python -m simulators replay`` was asked for; see its ``--help``."""

    file: Path
    asset: str = "asset"
    time: str = "time"
    time_unit: str = "s"
    speed: float = 1.0
    start: str = "keep"
    prefix: str = "replay"
    site: str = "site"
    rows: int = 60


async def run_replay(options: ReplayOptions, broker: Broker) -> int:
    """Publish every row and return how many messages the broker acknowledged.

    Raises
    ------
    ValueError
        The file is no such history; names line and column and what is allowed.
    """
    table = read(options)
    stream = sorted(
        (
            message
            for rows in table
            for message in messages(
                rows,
                rows_max=options.rows if options.speed == 0 else 1,
                prefix=options.prefix,
            )
        ),
        key=lambda message: message.t_ns,
    )
    columns = (*Progress.get_default_columns()[:1], BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    async with connected(broker, f"replay-{options.file.stem}") as client:
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(options.file.name, total=len(stream))
            acknowledged = 0
            async for batch in _paced(stream, options.speed):
                acknowledged += await send(client, batch)
                bar.update(task, completed=acknowledged)
    rows_sent = sum(len(rows) for rows in table)
    sys.stderr.write(f"replay: {rows_sent} rows in {acknowledged} messages, all acknowledged\n")
    return acknowledged


async def _paced(stream: list[Message], speed: float) -> AsyncIterator[list[Message]]:
    """Yield what is due, waiting in between; at speed 0 everything, in handfuls."""
    if speed == 0:
        for start in range(0, len(stream), HANDFUL):
            yield stream[start : start + HANDFUL]
        return
    began_s, first_ns, index = time.monotonic(), stream[0].t_ns if stream else 0, 0
    while index < len(stream):
        due_ns = first_ns + int((time.monotonic() - began_s) * speed * NS)
        end = index
        while end < len(stream) and stream[end].t_ns <= due_ns:
            end += 1
        if end > index:
            yield stream[index:end]
            index = end
        else:
            await asyncio.sleep(min(0.25, (stream[index].t_ns - due_ns) / speed / NS))


def read(options: ReplayOptions) -> list[Rows]:
    """Read the CSV: one `Rows` per asset, times in nanoseconds, empty cells as NaN."""
    if options.time_unit not in UNITS_NS:
        raise ValueError(f"time unit {options.time_unit!r}: {', '.join(UNITS_NS)} are allowed")
    fixed = options.asset.removeprefix("=") if options.asset.startswith("=") else None
    columns: dict[str, tuple[list[int], list[list[float]]]] = {}
    with _open(options.file) as file:
        reader = csv.reader(file)
        head = next(reader, [])
        at = _column(options, head, options.time)
        who = None if fixed else _column(options, head, options.asset)
        signals = [i for i in range(len(head)) if i not in (at, who)]
        for line, row in enumerate(reader, start=2):
            if len(row) != len(head):
                raise ValueError(
                    f"{options.file}:{line}: {len(row)} cells, {len(head)} columns"
                )
            times, values = columns.setdefault(fixed or row[who or 0], ([], []))
            times.append(_time(options, line, row[at]))
            values.append([_value(options, line, head[i], row[i]) for i in signals])
    shift_ns = _shift(options, min((times[0] for times, _ in columns.values()), default=0))
    return [
        Rows(
            asset,
            options.site,
            np.array(times, np.int64) + shift_ns,
            {head[i]: np.array([v[n] for v in values]) for n, i in enumerate(signals)},
        )
        for asset, (times, values) in columns.items()
    ]


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _column(options: ReplayOptions, head: list[str], name: str) -> int:
    if name not in head:
        raise ValueError(f"{options.file}:1: no column {name!r}; there are {', '.join(head)}")
    return head.index(name)


def _time(options: ReplayOptions, line: int, text: str) -> int:
    try:
        return int(float(text) * UNITS_NS[options.time_unit])
    except ValueError:
        pass
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{options.file}:{line}: time {text!r}; a number or ISO 8601 is allowed"
        ) from None
    stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


def _value(options: ReplayOptions, line: int, column: str, text: str) -> float:
    if text == "":
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{options.file}:{line}: column {column!r} has {text!r}; a number or nothing is allowed"
        ) from None


def _shift(options: ReplayOptions, first_ns: int) -> int:
    if options.start == "keep":
        return 0
    if options.start == "now":
        return time.time_ns() - first_ns  # noqa: TID251 - a device's clock
    stamp = datetime.fromisoformat(options.start)
    stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return int(stamp.timestamp()) * NS - first_ns
