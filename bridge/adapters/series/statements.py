"""What the DuckDB store asks of its file: merging, reducing, scanning, turning into means."""

from itertools import pairwise

import duckdb
import numpy as np
from numpy.typing import NDArray

from bridge.adapters.series.screen import TIME_MIN_NS
from bridge.flow.ports import Series
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Slots32, Times, Values

Connection = duckdb.DuckDBPyConnection
Columns = tuple[Slots32, Times, Values]
"""Id, time and value of each row, ids being the store's own."""

DAY_NS = 86_400 * NS_PER_S
GAP_NS = 3_600 * NS_PER_S
PIECES_MAX = 16
SCAN_ROWS = 50_000


def execute(db: Connection, statement: str, *parameters: object) -> None:
    """Run a statement whose answer does not matter."""
    db.execute(statement, parameters)


def first(db: Connection, statement: str, *parameters: object) -> int | None:
    """Return the number a statement answers with, None where it answers with none."""
    row = db.execute(statement, parameters).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def load_marks(db: Connection, n: int) -> Times:
    """Give every id the latest time of all: too high a mark is only slow, never wrong."""
    latest_ns = first(db, "SELECT max(t) FROM samples")
    return np.full(n, TIME_MIN_NS - 1 if latest_ns is None else latest_ns, np.int64)


def append(db: Connection, rows: Columns) -> None:
    """Store rows that are known to be new."""
    if len(rows[0]):
        db.register("batch", dict(zip(("id", "t", "value"), rows, strict=True)))
        db.execute("INSERT INTO samples SELECT id, t, value FROM batch")
        db.unregister("batch")


def merge(db: Connection, rows: Columns) -> None:
    """Store rows in order of time that may be there: change what differs, add what is new."""
    # A few old rows among new ones must not make it look through all the time between.
    gaps_ns = np.diff(rows[1])
    wide = np.flatnonzero(gaps_ns > GAP_NS)
    wide = np.sort(wide[np.argsort(gaps_ns[wide])[-PIECES_MAX:]])
    starts = [0, *(wide + 1).tolist(), len(rows[0])]
    for at, to in pairwise(starts):
        _merge_piece(db, (rows[0][at:to], rows[1][at:to], rows[2][at:to]))


def _merge_piece(db: Connection, rows: Columns) -> None:
    if not len(rows[0]):
        return
    span = (int(rows[1][0]), int(rows[1][-1]))
    db.register("late", dict(zip(("id", "t", "value"), rows, strict=True)))
    db.execute(
        "UPDATE samples SET value = late.value FROM late WHERE samples.t BETWEEN ? AND ? "
        "AND samples.t = late.t AND samples.id = late.id AND samples.value <> late.value",
        span,
    )
    db.execute(
        "INSERT INTO samples SELECT id, t, value FROM late ANTI JOIN "
        "(SELECT id, t FROM samples WHERE t BETWEEN ? AND ?) USING (id, t)",
        span,
    )
    db.unregister("late")


def reduce(
    db: Connection, ids: list[int], span: tuple[int, int], points_max: int
) -> dict[int, Series]:
    """Read the series of each id in the span; see `DuckDbStore.query`."""
    found = db.execute(
        "SELECT id, count(*), min(t), max(t) FROM points "
        "WHERE t >= ? AND t < ? AND id IN (SELECT unnest(?)) GROUP BY id",
        (*span, ids),
    ).fetchall()
    if not found:
        return {}
    first_ns = min(row[2] for row in found)
    last_ns = max(row[3] for row in found)
    table = db.execute(
        "SELECT id, CASE WHEN list_contains($crowded, id) "
        "THEN $first + (t - $first) // $width * $width ELSE t END AS bucket, "
        "sum(mean * n) / sum(n) AS mean, min(low) AS low, max(high) AS high FROM points "
        "WHERE t >= $start AND t < $end AND id IN (SELECT unnest($ids)) "
        "GROUP BY id, bucket ORDER BY id, bucket",
        {
            "crowded": [row[0] for row in found if row[1] > points_max],
            "first": first_ns,
            "width": -(-(last_ns + 1 - first_ns) // points_max),
            "start": span[0],
            "end": span[1],
            "ids": ids,
        },
    ).fetchnumpy()
    return _apart(table)


def _apart(table: dict[str, NDArray[np.generic]]) -> dict[int, Series]:
    number = np.asarray(table["id"], np.int64)
    t_ns = np.asarray(table["bucket"], np.int64)
    mean, low, high = (np.asarray(table[name], np.float64) for name in ("mean", "low", "high"))
    starts = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    ends = [*starts[1:], len(number)]
    return {
        int(number[at]): Series(t_ns[at:to], mean[at:to], low[at:to], high[at:to])
        for at, to in zip(starts, ends, strict=True)
    }


def window(
    db: Connection, *, ids: list[int], span: tuple[int, int], width_ns: int
) -> tuple[Columns, int, int] | None:
    """Read the next rows of the span; return them, where to go on, and how wide to look.

    Windows instead of one long cursor: no transaction stays open between blocks, and memory
    is bounded however long the range.
    """
    where = "FROM samples WHERE t >= ? AND t < ? AND id IN (SELECT unnest(?))"
    first_ns = first(db, f"SELECT min(t) {where}", *span, ids)
    if first_ns is None:
        return None
    while True:
        until_ns = min(first_ns + width_ns, span[1])
        n = first(db, f"SELECT count(*) {where}", first_ns, until_ns, ids) or 0
        if n <= SCAN_ROWS or width_ns == 1:
            break
        width_ns = max(width_ns // 2, 1)
    table = db.execute(
        f"SELECT id, t, value {where} ORDER BY t, id", (first_ns, until_ns, ids)
    ).fetchnumpy()
    columns = (
        np.asarray(table["id"], np.int32),
        np.asarray(table["t"], np.int64),
        np.asarray(table["value"], np.float64),
    )
    return columns, until_ns, width_ns * 2 if n < SCAN_ROWS // 2 else width_ns


def downsample_day(db: Connection, cut_ns: int, width_ns: int) -> int:
    """Turn the oldest day before the cut into means, at once; return rows removed."""
    first_ns = first(db, "SELECT min(t) FROM samples WHERE t < ?", cut_ns)
    if first_ns is None:
        return 0
    # Whole buckets only, or a bucket would become two rows for no reason.
    until_ns = min((first_ns + DAY_NS) // width_ns * width_ns + width_ns, cut_ns)
    db.execute("BEGIN")
    db.execute(
        "INSERT INTO means SELECT id, t - ((t % $width) + $width) % $width AS bucket, "
        "avg(value), min(value), max(value), count(*) FROM samples WHERE t < $until "
        "GROUP BY id, bucket",
        {"width": width_ns, "until": until_ns},
    )
    removed = first(db, "DELETE FROM samples WHERE t < ?", until_ns) or 0
    db.execute("COMMIT")
    return removed
