"""Anyone's CSV: what is read, what is refused, and when it is sent."""

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest

from simulators.publish import Broker, Message, messages
from simulators.replay import ReplayOptions, moved, paced, read, run_replay

S = 1_000_000_000


def csv(folder: Path, text: str) -> Path:
    """Write a file."""
    path = folder / "history.csv"
    path.write_text(text)
    return path


def test_a_wide_csv_becomes_rows_per_asset(tmp_path: Path) -> None:
    """Assets are told apart, times sorted, empty cells are values that a row has not."""
    path = csv(tmp_path, "asset,time,a,b\nx,2,1.5,\ny,1,3,4\nx,1,0.5,7\n")
    x, y = read(ReplayOptions(path))
    assert (x.asset, y.asset) == ("x", "y")
    assert x.t_ns.tolist() == [S, 2 * S]
    assert x.signals["a"].tolist() == [0.5, 1.5]
    assert np.isnan(x.signals["b"][1])
    bodies = [json.loads(m.payload) for m in messages(x, rows_max=1, prefix="p")]
    assert bodies == [
        {"rows": [{"t": 1000, "a": 0.5, "b": 7.0}]},
        {"rows": [{"t": 2000, "a": 1.5}]},
    ]


def test_gzip_one_asset_units_and_chosen_columns(tmp_path: Path) -> None:
    """A gzipped file of one asset, minutes as time and one column of three."""
    path = tmp_path / "b.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("m,a,note\n0,1,good\n10,2,bad\n")
    (rows,) = read(ReplayOptions(path, "=b7", "m", "min", ("a",)))
    assert rows.asset == "b7"
    assert rows.t_ns.tolist() == [0, 600 * S]
    assert list(rows.signals) == ["a"]


def test_iso_times_are_exact(tmp_path: Path) -> None:
    """ISO times keep their offset and microseconds; without an offset they are UTC."""
    path = csv(
        tmp_path,
        "asset,time,a\nx,2026-03-01T12:00:00.000001+01:00,1\nx,2026-03-01 11:00:01,2\n",
    )
    (rows,) = read(ReplayOptions(path))
    assert (rows.t_ns - 1_772_362_800 * S).tolist() == [1_000, S]


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("asset,time,a\nx,1,oops\n", {}, r"history.csv:2: column 'a' has 'oops'"),
        ("asset,time,a\nx,1,2\nx,soon,2\n", {}, r"history.csv:3: time 'soon'"),
        ("asset,time,a\nx,1\n", {}, r"history.csv:2: 2 cells, 3 columns"),
        ("machine,time,a\nx,1,2\n", {}, r":1: no column 'asset'; there are machine, time, a"),
        ("asset,time,a\n", {}, r"no rows"),
        ("", {}, r"no column"),
        ("asset,time,a\nx,1,2\n", {"time_unit": "year"}, r"time unit 'year': ns, us, ms"),
        ("asset,time,a\nx,1,2\n", {"signals": ("b",)}, r"no column 'b'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, options: dict, told: str) -> None:
    """A file that is none is refused with its line, its column and what is allowed."""
    with pytest.raises(ValueError, match=told):
        read(ReplayOptions(csv(tmp_path, text), **options))


def test_stamps(tmp_path: Path) -> None:
    """Times are kept, or moved as a whole so that the first or last row is now or at a time."""
    table = read(ReplayOptions(csv(tmp_path, "asset,time,a\nx,10,1\nx,70,2\ny,40,3\n")))
    now_ns = time.time_ns()  # noqa: TID251 - compared with the device's clock
    near = pytest.approx(now_ns, abs=5 * S)
    assert moved(table, "keep")[0].t_ns.tolist() == [10 * S, 70 * S]
    assert moved(table, "first")[0].t_ns[0] == near
    assert moved(table, "last")[0].t_ns[1] == near
    at = moved(table, "2026-03-01T11:00:00Z")
    assert at[0].t_ns[0] == 1_772_362_800 * S
    assert at[1].t_ns[0] == 1_772_362_830 * S
    with pytest.raises(ValueError, match=r"stamps 'soon'.*keep, first, last, sent"):
        moved(table, "soon")


async def test_the_pace_is_kept() -> None:
    """At speed 100 two recorded seconds take a fiftieth of one; at 0 everything is due."""
    stream = [Message("t", b"", i * S // 10) for i in range(21)]
    began = time.monotonic()
    seen = [message async for batch in paced(stream, 10) for message in batch]
    assert seen == stream
    assert 0.19 < time.monotonic() - began < 1.5
    assert [len(batch) async for batch in paced(stream * 20, 0)] == [200, 200, 20]


async def test_sent_stamps_need_a_speed(tmp_path: Path) -> None:
    """All rows at one time is no history."""
    options = ReplayOptions(csv(tmp_path, "asset,time,a\nx,1,2\n"), speed=0, stamps="sent")
    with pytest.raises(ValueError, match="give a speed"):
        await run_replay(options, Broker())


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("mq.example", "mq.example", 1883),
        ("127.0.0.1:99", "127.0.0.1", 99),
        ("[::1]:7", "::1", 7),
    ],
)
def test_brokers_are_read(text: str, host: str, port: int) -> None:
    """Host and host:port are understood."""
    assert (Broker.parse(text).host, Broker.parse(text).port) == (host, port)


@pytest.mark.parametrize("text", ["mq:x", "mq:", ":1883", "mq:99999", ""])
def test_brokers_that_are_none_are_refused(text: str) -> None:
    """Anything else is named."""
    with pytest.raises(ValueError, match="host or host:port"):
        Broker.parse(text)
