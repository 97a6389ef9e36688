"""Anyone's history through MQTT, as if it were live."""

import asyncio
import csv
import gzip
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from simulators.faults import NS
from simulators.fleet import Rows
from simulators.publish import Broker, Message, connected, encoded, messages, send

HANDFUL = 200
"""Messages between two steps of the progress bar at full speed."""

WAIT_MAX_S = 0.25

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
    """What ``python -m simulators replay`` was asked for.

    Parameters
    ----------
    file : Path
        A wide CSV with a head line, plain or gzipped.
    asset : str
        Column of the asset, or ``=name`` for one asset.
    time : str
        Column of the time: a number, or ISO 8601 (UTC where it names no offset).
    time_unit : str
        Of numbers; a key of `UNITS_NS`.
    signals : tuple of str
        Columns to send; empty for all others.
    speed : float
        Recorded seconds per second; 0 as fast as it goes.
    stamps : str
        What time the rows carry: ``keep`` as recorded; ``first`` or ``last`` moved so that the
        first or last row is now; ``sent`` the real time at which each is sent, so that the
        recorded time is shortened by `speed`; or an ISO time for the first row.
    prefix, site : str
        First and second part of the topics.
    rows : int
        Rows per message at speed 0.
    """

    file: Path
    asset: str = "asset"
    time: str = "time"
    time_unit: str = "s"
    signals: tuple[str, ...] = ()
    speed: float = 1.0
    stamps: str = "keep"
    prefix: str = "replay"
    site: str = "site"
    rows: int = 60


@dataclass(frozen=True, slots=True)
class Sent:
    """What a replay did.

    Parameters
    ----------
    rows : int
        Rows in the file, all of them sent.
    messages : int
        Messages that the broker acknowledged.
    """

    rows: int
    messages: int


async def run_replay(options: ReplayOptions, broker: Broker) -> Sent:
    """Publish every row and return how many, once the broker has acknowledged all.

    Raises
    ------
    ValueError
        The file is no such history; names line and column and what is allowed.
    aiomqtt.MqttError
        The broker is away or refuses.
    """
    if options.stamps == "sent" and options.speed == 0:
        raise ValueError("stamps 'sent' at speed 0 gives every row one time; give a speed")
    table = moved(read(options), options.stamps)
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
    acknowledged = 0
    async with connected(broker, f"replay-{options.file.stem}") as client:
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(options.file.name, total=len(stream))
            async for batch in paced(stream, options.speed):
                again = _stamped(batch) if options.stamps == "sent" else batch
                acknowledged += await send(client, again)
                bar.update(task, completed=acknowledged)
    sent = Sent(sum(len(rows) for rows in table), acknowledged)
    sys.stderr.write(f"replay: {sent.rows} rows in {acknowledged} messages acknowledged\n")
    return sent


async def paced(stream: list[Message], speed: float) -> AsyncIterator[list[Message]]:
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
            await asyncio.sleep(min(WAIT_MAX_S, (stream[index].t_ns - due_ns) / speed / NS))


def read(options: ReplayOptions) -> list[Rows]:
    """Read the CSV: one `Rows` per asset, in order of time, empty cells as NaN.

    Raises
    ------
    ValueError
        The file is no such history; names line and column and what is allowed.
    """
    if options.time_unit not in UNITS_NS:
        raise ValueError(f"time unit {options.time_unit!r}: {', '.join(UNITS_NS)} are allowed")
    fixed = options.asset.removeprefix("=") if options.asset.startswith("=") else None
    columns: dict[str, tuple[list[int], list[list[float]]]] = {}
    with _open(options.file) as file:
        reader = csv.reader(file)
        head = next(reader, [])
        at = _column(options, head, options.time)
        who = None if fixed else _column(options, head, options.asset)
        wanted = [_column(options, head, name) for name in options.signals]
        signals = wanted or [i for i in range(len(head)) if i not in (at, who)]
        for line, cells in enumerate(reader, start=2):
            if len(cells) != len(head):
                found = f"{len(cells)} cells, {len(head)} columns"
                raise ValueError(f"{options.file}:{line}: {found}")
            times, values = columns.setdefault(fixed or cells[who or 0], ([], []))
            times.append(_time(options, line, cells[at]))
            values.append([_value(options, line, head[i], cells[i]) for i in signals])
    if not columns:
        raise ValueError(f"{options.file}: no rows")
    names = [head[i] for i in signals]
    return [_rows(options.site, asset, names, *each) for asset, each in columns.items()]


def moved(table: list[Rows], stamps: str) -> list[Rows]:
    """Return the rows with their times moved as `ReplayOptions.stamps` says."""
    first_ns = min(int(rows.t_ns[0]) for rows in table)
    last_ns = max(int(rows.t_ns[-1]) for rows in table)
    now_ns = time.time_ns()  # noqa: TID251 - a device's clock
    match stamps:
        case "keep" | "sent":
            shift_ns = 0
        case "first":
            shift_ns = now_ns - first_ns
        case "last":
            shift_ns = now_ns - last_ns
        case _:
            try:
                shift_ns = _iso_ns(stamps) - first_ns
            except ValueError:
                raise ValueError(
                    f"stamps {stamps!r}: keep, first, last, sent or an ISO 8601 time is allowed"
                ) from None
    return [Rows(rows.asset, rows.site, rows.t_ns + shift_ns, rows.signals) for rows in table]


def _stamped(batch: list[Message]) -> list[Message]:
    """Return messages of one row each with the present time instead of theirs."""
    now_ms = time.time_ns() // 1_000_000  # noqa: TID251 - a device's clock
    stamped = []
    for message in batch:
        rows = [{**row, "t": now_ms} for row in json.loads(message.payload)["rows"]]
        stamped.append(replace(message, payload=encoded(rows)))
    return stamped


def _rows(
    site: str, asset: str, names: list[str], times: list[int], values: list[list[float]]
) -> Rows:
    t_ns, table = np.array(times, np.int64), np.array(values, np.float64)
    order = np.argsort(t_ns, kind="stable")
    signals = {name: table[order, n] for n, name in enumerate(names)}
    return Rows(asset, site, t_ns[order], signals)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _column(options: ReplayOptions, head: list[str], name: str) -> int:
    if name not in head:
        raise ValueError(f"{options.file}:1: no column {name!r}; there are {', '.join(head)}")
    return head.index(name)


def _time(options: ReplayOptions, line: int, text: str) -> int:
    unit_ns = UNITS_NS[options.time_unit]
    try:
        whole = text.isdecimal()
        return int(text) * unit_ns if whole else round(float(text) * unit_ns)
    except (ValueError, OverflowError):
        pass
    try:
        return _iso_ns(text)
    except ValueError:
        raise ValueError(
            f"{options.file}:{line}: time {text!r}; a number or ISO 8601 is allowed"
        ) from None


def _iso_ns(text: str) -> int:
    stamp = datetime.fromisoformat(text)
    stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


def _value(options: ReplayOptions, line: int, column: str, text: str) -> float:
    if text.strip() == "":
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{options.file}:{line}: column {column!r} has {text!r}; a number or nothing is "
            "allowed (choose columns with --signals)"
        ) from None
