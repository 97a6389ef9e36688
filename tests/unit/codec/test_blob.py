"""The journal's blob."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.codec import blob
from bridge.model.errors import PayloadError
from bridge.model.samples import Samples

INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    """Any samples, NaN and infinities included."""
    n = draw(st.integers(0, 20))
    return Samples(
        draw(arrays(np.int32, n)), draw(arrays(np.int64, n)), draw(arrays(np.float64, n)),
        draw(INT64),
    )  # fmt: skip


@given(samples(), st.integers(0, 2**32 - 1))
def test_round_trip(before: Samples, version: int) -> None:
    """What was encoded comes back to the bit."""
    body = blob.encode(before, version)
    after = blob.decode(body)
    assert after.receive_ns == before.receive_ns
    for name in ("signal", "t_ns", "value"):
        assert getattr(after, name).tobytes() == getattr(before, name).tobytes()
    assert blob.catalog_version(body) == version


@given(samples(), st.data())
def test_changed_bytes_are_refused(before: Samples, data: st.DataObject) -> None:
    """One changed byte, or a missing or added one, anywhere, is noticed."""
    body = bytearray(blob.encode(before))
    place = data.draw(st.integers(0, len(body) - 1))
    match data.draw(st.sampled_from(["change", "cut", "add"])):
        case "change":
            body[place] ^= data.draw(st.integers(1, 255))
        case "cut":
            del body[place:]
        case _:
            body[place:place] = b"\0"
    with pytest.raises(PayloadError) as raised:
        blob.decode(bytes(body))
    assert raised.value.reason == "bad-blob"


@given(st.binary(max_size=100))
def test_foreign_bytes_are_refused(body: bytes) -> None:
    """Bytes from elsewhere are refused and nothing else happens."""
    with pytest.raises(PayloadError):
        blob.decode(body)


def test_a_huge_count_takes_no_memory() -> None:
    """A head that promises four billion samples is refused by its length."""
    head = blob.MAGIC + bytes([blob.VERSION]) + b"\xff" * 4 + bytes(16)
    with pytest.raises(PayloadError, match="4294967295 samples"):
        blob.decode(head)
