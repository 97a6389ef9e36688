from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bridge.codec.names import as_id
from bridge.codec.payloads import Mapping
from bridge.codec.telemetry import TelemetryDecoder
from bridge.model.samples import Messages
from bridge.model.slots import SlotTable
from bridge.model.values import Id

ID = TypeAdapter(Id)
NAMES = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=128)


@given(NAMES)
def test_every_name_has_an_id_that_the_catalog_knows(name: str) -> None:
    """What a machine calls its signals must never be what stops the bridge."""
    assert ID.validate_python(as_id(name)) == as_id(name)
    assert as_id(as_id(name)) == as_id(name)


@given(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True))
def test_an_id_stays_as_it_is(name: str) -> None:
    """A name that is an id already is kept to the letter."""
    assert as_id(name) == name


def test_two_strange_names_stay_two() -> None:
    """Names that look alike once cleaned are kept apart by their mark."""
    assert len({as_id("a b"), as_id("a/b"), as_id("a_b"), as_id("a  b")}) == 4
    assert as_id("Motor Temp").startswith("Motor_Temp-")


def test_a_strange_signal_of_a_strange_asset_is_taken() -> None:
    """Both become ids in the slots, by the careful way and by the lane; none is refused."""
    mapping = Mapping("plant/{asset}/telemetry", shape="key", signals_key="values")
    slots = SlotTable()
    decoder = TelemetryDecoder([mapping], slots)
    for _ in range(3):
        decoded = decoder.decode(
            Messages(["plant/press 07/telemetry"], [b'{"values": {"we ird": 4}}'], 10**18)
        )
        assert not decoded.letters
        assert decoded.sample_count == 1
    assert [(row.asset, row.signal) for row in slots.rows] == [
        (as_id("press 07"), as_id("we ird"))
    ]
