"""The lanes of payloads that hold many rows: as objects, or as columns.

A lane (`bridge.codec.telemetry`) takes what it expects and raises at anything else, having
written nothing: the careful way then reads the whole payload and says what is wrong with it.
"""

from collections.abc import Callable, Iterable
from typing import Any

Pick = Callable[[dict[str, object]], Iterable[object]]
"""Takes the values of the signals out of a row."""
Known = dict[tuple[str, ...], tuple[int, Pick | None]]
"""By the keys of a row: number of the plan, and how to pick (None: all of them)."""
Spread = tuple[list[object], list[object], list[int]]
"""Values of all rows one after another, and time and plan of each row."""
Lane = Callable[[Any, Known, str | None, int, int], Spread]
"""What stands where the rows are, known keys, time_key, receive_ns, rows_max."""


def read_rows(
    rows: Any,  # noqa: ANN401 - nobody has looked at it yet
    known: Known,
    time_key: str | None,
    receive_ns: int,
    rows_max: int,
) -> Spread:
    """Read a list of objects whose keys are known.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        Whatever is not as expected.
    """
    _expect(type(rows) is list and 0 < len(rows) <= rows_max)
    values: list[object] = []
    times: list[object] = []
    plans: list[int] = []
    for row in rows:
        plan, pick = known[tuple(row)]
        values += row.values() if pick is None else pick(row)
        times.append(receive_ns if time_key is None else row[time_key])
        plans.append(plan)
    return values, times, plans


def read_columns(
    table: Any,  # noqa: ANN401 - nobody has looked at it yet
    known: Known,
    time_key: str | None,
    _receive_ns: int,
    rows_max: int,
) -> Spread:
    """Read an object of equally long lists, one of them the times; raises as `read_rows`."""
    plan, pick = known[tuple(table)]
    times = table[time_key]
    _expect(type(times) is list and 0 < len(times) <= rows_max)
    columns = table.values() if pick is None else pick(table)
    values: list[object] = []
    # Strict, because a list that is shorter or longer than the times belongs to no row.
    for _, *row in zip(times, *columns, strict=True):
        values += row
    return values, times, [plan] * len(times)


def _expect(good: bool) -> None:  # noqa: FBT001 - it is what is expected
    if not good:
        raise ValueError
