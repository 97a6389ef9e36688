"""The lanes of payloads that hold many rows: as objects, or as columns.

A lane (`bridge.codec.telemetry`) takes what it expects and raises at anything else, having
written nothing: the careful way then reads the whole payload and says what is wrong with it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.codec.routes import Route

Spread = tuple[list[object], list[object], list[int]]
"""Values of all rows one after another, and time and plan of each row."""
Lane = Callable[["Route", Any, int, int], Spread]
"""Route, what stands where the rows are, receive_ns, rows_max."""


def read_rows(route: "Route", rows: Any, receive_ns: int, rows_max: int) -> Spread:  # noqa: ANN401
    """Read a list of objects whose keys are known.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        Whatever is not as expected.
    """
    _expect(type(rows) is list and 0 < len(rows) <= rows_max)
    lane, time_key = route.lane, route.time_key
    values: list[object] = []
    times: list[object] = []
    plans: list[int] = []
    for row in rows:
        plan, pick = lane[tuple(row)]
        values += row.values() if pick is None else pick(row)
        times.append(receive_ns if time_key is None else row[time_key])
        plans.append(plan)
    return values, times, plans


def read_columns(route: "Route", table: Any, _receive_ns: int, rows_max: int) -> Spread:  # noqa: ANN401
    """Read an object of equally long lists, one of them the times; raises as `read_rows`."""
    assert route.time_key is not None, "a mapping of columns has a time_key"
    plan, pick = route.lane[tuple(table)]
    times = table[route.time_key]
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
