import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codec.history import Clock, Columns, HistoryError, read_failures, read_history
from bridge.model.instants import NS_PER_S, as_ns


def read(text, **options):
    """Read a history from text."""
    return read_history(text.encode(), "h.csv", Columns(**options))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00",
        "2026-01-01T01:00:00+01:00",
        "2025-12-31T22:30:00.000-0130",
        "2026-01-01T02:00+02",
        "2026-01-01",
    ],
)
def test_every_way_to_write_an_instant(text) -> None:
    """All forms of ISO 8601 name the same instant; without an offset it is UTC."""
    assert read(f"asset,time,x\na,{text},1\n").t_ns.tolist() == [1_767_225_600 * NS_PER_S]


@given(st.datetimes(timezones=st.timezones()))
def test_instants_are_read_as_python_reads_them(moment) -> None:
    """Times to the microsecond with any offset agree with datetime."""
    # Offsets of seconds, as zones had them before 1900, are not ISO 8601.
    if moment.year < 1970 or moment.year > 2200 or moment.utcoffset().total_seconds() % 60:
        return
    assert read(f"asset,time,x\na,{moment.isoformat()},1\n").t_ns[0] == as_ns(moment)


def test_rows_keep_their_order_and_times_stay_as_written() -> None:
    """Interleaved machines keep the order of the file, and times their text."""
    history = read("asset,time,x,y\nb,1.50,1,NaN\na,1,2,\nb,2,3,-4e3\n")
    assert history.assets == ("b", "a")
    assert history.asset.tolist() == [0, 1, 0]
    assert history.time.to_list() == ["1.50", "1", "2"]
    assert history.t_ns.tolist() == [1_500_000_000, 1_000_000_000, 2_000_000_000]
    np.testing.assert_array_equal(history.value, [[1, np.nan], [2, np.nan], [3, -4000]])
    assert not history.clock.iso


def test_a_unix_time_in_milliseconds_fits() -> None:
    """Large numbers are counted more coarsely instead of running over."""
    history = read("asset,time,x\na,1767225600000,1\na,1767225600500,2\n")
    assert np.diff(history.t_ns).tolist() == [500 * history.clock.ns_per_unit]


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("asset,time,x\na,1,1\na,2,z\n", "h.csv:3:x", "'z'"),
        ("asset,time,x\na,soon,1\n", "h.csv:2:time", "ISO 8601"),
        ("asset,time,x\na,nan,1\n", "h.csv:2:time", "number"),
        ("asset,time,x\na,1,1\na,2026-01-01,1\n", "h.csv:3:time", "2026"),
        ("asset,time,x\n,1,1\n", "h.csv:2:asset", "name"),
        ("asset,time,x\na,2,1\nb,1,1\na,1,1\n", "h.csv:4:time", "sorted"),
        ("asset,tim,x\na,1,1\n", "h.csv:1", "'time'"),
        ("asset,time\na,1\n", "h.csv:1", "no signal"),
        ("asset,time,x\n", "h.csv:2", "no rows"),
        ("", "h.csv:1", "empty"),
    ],
)
def test_an_error_names_line_and_column(text, where, words) -> None:
    """Whatever is wrong, the error says where, what was found and what is allowed."""
    with pytest.raises(HistoryError) as error:
        read(text)
    assert error.value.where == where
    assert words in str(error.value)
    assert "allowed" in str(error.value)


def test_other_column_names() -> None:
    """Machine and time may be called anything."""
    assert read("t,m,x\n1,a,2\n", asset="m", time="t").signals == ("x",)


def test_failures_belong_to_machines_of_the_history() -> None:
    """A failure is counted in the history's time; an unknown machine is refused by line."""
    history = read("asset,time,x\na,1,1\na,5,1\n")
    failures = read_failures(b"asset,time,mode\na,5,\n", "f.csv", history)
    assert failures.t_ns.tolist() == [5 * NS_PER_S]
    assert failures.mode == ("",)
    with pytest.raises(HistoryError, match=r"f\.csv:2:asset"):
        read_failures(b"asset,time\nz,5\n", "f.csv", history)
    with pytest.raises(HistoryError, match=r"f\.csv:2:time.*number"):
        read_failures(b"asset,time\na,2026-01-01\n", "f.csv", history)


def test_times_must_be_of_the_kind_that_was_learned() -> None:
    """A model learned in cycles refuses a history in dates."""
    with pytest.raises(HistoryError, match="number"):
        read_history(
            b"asset,time,x\na,2026-01-01,1\n",
            "h.csv",
            Columns(),
            Clock(iso=False, ns_per_unit=1),
        )
