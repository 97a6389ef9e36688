"""The line protocol: what is written is what a reader of its documentation reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codec.lineprotocol import encode, unfit
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable
from tests.naive.lineprotocol import parse

NAMES = st.text(
    st.one_of(
        st.sampled_from(list(',= "#~${}_.äß漢')),
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"),
    ),
    min_size=1,
    max_size=12,
).filter(lambda name: name != "time")
ROWS = st.lists(
    st.tuples(
        NAMES,
        NAMES,
        st.integers(-(2**62), 2**62),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_size=30,
)


def columns(rows: list[tuple[str, str, int, float]]) -> tuple[Samples, list[SignalSlot]]:
    """Put rows of asset, signal, time, value in columns."""
    table = SlotTable()
    slot = [table.slot("acme", asset, signal) for asset, signal, _, _ in rows]
    samples = Samples(
        np.array(slot, np.int32),
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3] for row in rows], np.float64),
        0,
    )
    return samples, table.rows


@given(rows=ROWS, together=st.booleans())
def test_a_reader_reads_what_was_written(
    rows: list[tuple[str, str, int, float]], *, together: bool
) -> None:
    """Any names and finite values come back whole and bit for bit, on one line or on many."""
    points = parse(encode(*columns(rows), together=together))
    found = [
        (tags["asset"], field, t_ns, value)
        for measurement, tags, fields, t_ns in points
        for field, value in fields.items()
        if measurement == "telemetry" and tags.keys() == {"asset"}
    ]
    # Within a line a field comes once; a caller with repetitions would have lost one.
    if len({row[:3] for row in rows}) == len(rows):
        assert found == rows
        assert [np.signbit(row[3]) for row in found] == [np.signbit(row[3]) for row in rows]
    if not together:
        assert len(points) == len(rows)


def test_one_line_for_one_instant() -> None:
    """Neighbours of one asset and instant share a line; another asset or instant begins one."""
    rows = [
        ("press 07", "speed", 5, 2.0),
        ("press 07", "a=b,c", 5, 1e-7),
        ("mill", "speed", 5, 3.0),
        ("mill", "speed", 6, 4.5),
    ]
    assert encode(*columns(rows)) == (
        b"telemetry,asset=press\\ 07 speed=2.0,a\\=b\\,c=1e-7 5\n"
        b"telemetry,asset=mill speed=3.0 5\n"
        b"telemetry,asset=mill speed=4.5 6\n"
    )
    assert encode(*columns([])) == b""


@pytest.mark.parametrize(
    ("asset", "signal", "word"),
    [
        ("a", "time", "time"),
        ("", "x", "empty"),
        ("a\\", "x", "backslash"),
        ("a", "x\ny", "control"),
        ("a", "ü" * 600, "1024 bytes"),
    ],
)
def test_says_what_cannot_be_written(asset: str, signal: str, word: str) -> None:
    """Names that the protocol cannot carry are told with the reason."""
    assert word in (unfit(SignalSlot(0, 0, "acme", asset, signal)) or "")


def test_odd_names_fit() -> None:
    """Separators and quotes are escaped, not refused; a time may be an asset."""
    assert unfit(SignalSlot(0, 0, "acme", "time", 'a b,c="d"')) is None
