"""Telemetry payloads of every shape, well and badly made."""

import math
from collections import Counter
from itertools import islice, permutations
from typing import Any

import pytest

from bridge.codec.payloads import Limits, Mapping
from bridge.model.errors import InputError
from tests.decoding import FLAT, KEYED, RECEIVE_NS, T_MS, T_NS, Bench, one


def test_signals_under_a_key() -> None:
    """The common shape: time beside the signals, which are numbers, null or true and false."""
    body = {"ts": T_MS, "machine": "x", "values": {"a": 1.5, "b": 2, "on": True, "n": None}}
    rows, reasons = one(KEYED, "plant/m1/t", body)
    assert reasons == []
    assert rows[:3] == [
        ("default", "m1", "a", T_NS, 1.5),
        ("default", "m1", "b", T_NS, 2.0),
        ("default", "m1", "on", T_NS, 1.0),
    ]
    assert rows[3][2] == "n"
    assert math.isnan(rows[3][4])


def test_signals_at_the_root() -> None:
    """Time and ignored keys are no signals; names are changed; the tenant is in the topic."""
    rows, reasons = one(FLAT, "flat/acme/m1", {"ts": T_MS, "id": "x", "T": 20, "vib": 0.5})
    assert reasons == []
    assert rows == [
        ("acme", "m1", "temp", T_NS, 20.0), ("acme", "m1", "vib", T_NS, 0.5),
    ]  # fmt: skip


def test_rows() -> None:
    """Rows have a time each; a bad row costs only itself."""
    mapping = Mapping(
        "r/{asset}", time_key="t", time_unit="s", shape="rows", signals_key="rows"
    )
    body = {"rows": [{"t": 1_800_000_000, "a": 1}, {"a": 2}, {"t": 1_800_000_001.5, "a": 3}]}
    rows, reasons = one(mapping, "r/m1", body)
    assert reasons == ["no-time"]
    assert [(t_ns - T_NS, value) for *_, t_ns, value in rows] == [
        (0, 1.0),
        (1_500_000_000, 3.0),
    ]


def test_columns() -> None:
    """Columns are as long as the times; one that is not is refused by name."""
    mapping = Mapping("c/{asset}", time_key="t", time_unit="ms", shape="columns")
    body = {"t": [T_MS, T_MS + 1], "a": [1, 2], "b": [3], "c": [4, None]}
    bench = Bench(mapping)
    bench.decode(("c/m1", {**body, "b": [3, 4]}))
    decoded = bench.decode(("c/m1", body))
    assert [letter.reason for letter in decoded.letters] == ["bad-shape"]
    assert "b: 1 values, 2 times" in decoded.letters[0].detail
    found = [(name, t_ns - T_NS) for _, _, name, t_ns, _ in bench.rows(decoded)]
    assert found == [("a", 0), ("c", 0), ("a", 10**6), ("c", 10**6)]


def test_senml() -> None:
    """Base fields hold for what follows; times count from now where they are small."""
    mapping = Mapping("s/{asset}", format="senml")
    pack = [
        {"bn": "urn:dev:m1:", "bt": T_MS / 1e3, "bv": 10, "n": "temp", "v": 1.5},
        {"n": "door", "vb": True, "t": 2},
        {"n": "text", "vs": "x"},
        {"bt": 0, "n": "late", "v": 1, "t": -3},
    ]
    bench = Bench(mapping)
    decoded = bench.decode(("s/m1", pack))
    assert bench.rows(decoded) == [
        ("default", "m1", "temp", T_NS, 11.5),
        ("default", "m1", "door", T_NS + 2 * 10**9, 1.0),
        ("default", "m1", "late", RECEIVE_NS - 3 * 10**9, 11.0),
    ]
    assert [(one.reason, one.detail) for one in decoded.letters] == [
        ("not-a-number", "text: 'x'"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        ({}, "bad-senml"),
        ([1], "bad-senml"),
        ([{"bver": 11, "n": "a", "v": 1}], "bad-senml"),
        ([{"x_": 1, "n": "a", "v": 1}], "bad-senml"),
        ([{"n": 5, "v": 1}], "bad-senml"),
        ([{"bt": "x", "n": "a", "v": 1}], "bad-senml"),
        ([{"n": "a", "v": 1, "t": 1e300}], "bad-time"),
        ([], "no-signals"),
    ],
)
def test_senml_that_is_none(pack: Any, reason: str) -> None:
    """What RFC 8428 forbids is refused."""
    assert one(Mapping("s/{asset}", format="senml"), "s/m1", pack) == ([], [reason])


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"21.5", 21.5), (b" -3e2\n", -300.0), (b"true", 1.0), (b"False", 0.0), (b".5", 0.5),
    ],
)  # fmt: skip
def test_scalar(payload: bytes, value: float) -> None:
    """A topic of its own for each signal: number, true or false, at the time of receipt."""
    mapping = Mapping("x/{asset}/{signal}", format="scalar")
    rows, reasons = one(mapping, "x/m1/temp", payload)
    assert (rows, reasons) == ([("default", "m1", "temp", RECEIVE_NS, value)], [])


@pytest.mark.parametrize("payload", [b"", b"nan", b"inf", b"1_0", b"1e999", b"x", b"9" * 500])
def test_scalar_that_is_none(payload: bytes) -> None:
    """What is no finite number is refused."""
    mapping = Mapping("x/{asset}/{signal}", format="scalar")
    assert one(mapping, "x/m1/temp", payload) == ([], ["not-a-number"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "bad-json"),
        (b'{"ts": "\xff"}', "bad-utf8"),
        (b"[" * 50_000 + b"]" * 50_000, "too-deep"),
        ([1], "no-time"),
        ({"values": {"a": 1}}, "no-time"),
        ({"ts": None, "values": {"a": 1}}, "no-time"),
        ({"ts": True, "values": {"a": 1}}, "bad-time"),
        ({"ts": 0, "values": {"a": 1}}, "bad-time"),
        ({"ts": 10**30, "values": {"a": 1}}, "bad-time"),
        ({"ts": T_NS, "values": {"a": 1}}, "bad-time"),
        ({"ts": "yesterday", "values": {"a": 1}}, "bad-time"),
        ({"ts": T_MS, "values": [1]}, "bad-shape"),
        ({"ts": T_MS}, "bad-shape"),
        ({"ts": T_MS, "values": {}}, "no-signals"),
        ({"ts": T_MS, "values": {"a": "1"}}, "not-a-number"),
        ({"ts": T_MS, "values": {"a": {"b": 1}}}, "not-a-number"),
        (b'{"ts": 1800000000000, "values": {"a": NaN}}', "not-a-number"),
        (b'{"ts": 1800000000000, "values": {"a": 1e999}}', "not-a-number"),
        ({"ts": T_MS, "values": {"a": 10**400}}, "not-a-number"),
        ({"ts": T_MS, "values": {"~score": 1}}, "bad-name"),
        ({"ts": T_MS, "values": {"": 1}}, "bad-name"),
        ({"ts": T_MS, "values": {"x" * 200: 1}}, "bad-name"),
    ],
)
def test_refused(body: Any, reason: str) -> None:
    """Each way to be wrong has its word, in the lane too."""
    assert one(KEYED, "plant/m1/t", body) == ([], [reason])
    bench = Bench(KEYED)
    good = ("plant/m1/t", {"ts": T_MS, "values": {"a": 1}})
    bench.decode(good)
    decoded = bench.decode(good, ("plant/m1/t", body), good)
    assert [letter.reason for letter in decoded.letters] == [reason]
    assert decoded.refused == {reason: 1}
    assert bench.rows(decoded) == [("default", "m1", "a", T_NS, 1.0)] * 2


@pytest.mark.parametrize("bad", ["x", [1], {"c": 1}, 10**400])
def test_good_signals_are_taken_beside_bad(bad: Any) -> None:
    """The good signals of a message are taken; the letter names the bad ones."""
    bench = Bench(KEYED)
    bench.decode(("plant/m1/t", {"ts": T_MS, "values": {"a": 1, "b": 2}}))
    decoded = bench.decode(("plant/m1/t", {"ts": T_MS, "values": {"a": 1, "b": bad}}))
    assert bench.rows(decoded) == [("default", "m1", "a", T_NS, 1.0)]
    assert decoded.letters[0].detail.startswith("b: ")


@pytest.mark.parametrize(
    ("unit", "time", "t_ns"),
    [
        ("s", 1_800_000_000, T_NS), ("s", 1_800_000_000.123, T_NS + 123_000_000),
        ("ms", T_MS, T_NS), ("ms", T_MS + 0.25, T_NS + 250_000), ("us", T_MS * 1_000, T_NS),
        ("ns", T_NS + 1, T_NS + 1), ("ns", str(T_NS), T_NS),
        ("iso", "2027-01-15T08:00:00Z", T_NS),
        ("iso", "2027-01-15T09:00:00.5+01:00", T_NS + 5 * 10**8),
    ],
)  # fmt: skip
def test_time_units(unit: Any, time: Any, t_ns: int) -> None:
    """Whole numbers are exact, fractions are good to the microsecond."""
    mapping = Mapping(
        "plant/{asset}/t", time_key="ts", time_unit=unit, shape="key", signals_key="values"
    )
    rows, reasons = one(mapping, "plant/m1/t", {"ts": time, "values": {"a": 1}})
    assert (rows, reasons) == ([("default", "m1", "a", t_ns, 1.0)], [])


def test_iso_without_offset_is_refused() -> None:
    """A local time without an offset could be any hour."""
    mapping = Mapping("p/{asset}", time_key="ts", time_unit="iso")
    assert one(mapping, "p/m1", {"ts": "2027-01-15T08:00:00", "a": 1}) == ([], ["bad-time"])


def test_dotted_paths_and_time_of_receipt() -> None:
    """Keys may lie deeper; without a time key the time of receipt counts."""
    deep = Mapping("d/{asset}", time_key="head.ts", shape="key", signals_key="body.values")
    body = {"head": {"ts": T_MS}, "body": {"values": {"a": 1}}}
    assert one(deep, "d/m1", body) == ([("default", "m1", "a", T_NS, 1.0)], [])
    bare = Mapping("e/{asset}")
    assert one(bare, "e/m1", {"a": 1}) == ([("default", "m1", "a", RECEIVE_NS, 1.0)], [])


@pytest.mark.parametrize("key", ['a"b', "a\\b", "ts"])
def test_keys_that_are_odd(key: str) -> None:
    """Quotes in a key, or one key for time and signals, change nothing but the speed."""
    mapping = Mapping("q/{asset}", time_key="ts", shape="key", signals_key=key)
    expected = ([], ["bad-time"]) if key == "ts" else ([("default", "m1", "a", T_NS, 1.0)], [])
    assert one(mapping, "q/m1", {"ts": T_MS, key: {"a": 1}}) == expected


def test_text_that_nobody_asked_for() -> None:
    """Bad text beside the signals is treated alike by the careful way and the lane."""
    body = b'{"ts": 1800000000000, "machine": "\xff", "values": {"a": 1}}'
    one(KEYED, "plant/m1/t", body)


def test_signal_of_the_topic() -> None:
    """A topic's signal is the name of the key `value`, and the family of other keys."""
    mapping = Mapping("j/{asset}/{signal}", time_key="ts")
    rows, _ = one(mapping, "j/m1/temp", {"ts": T_MS, "value": 1, "raw": 2})
    assert [row[2] for row in rows] == ["temp", "temp.raw"]


def test_gateways_speak_for_their_own() -> None:
    """An asset named in a payload counts only within its own gateway; a stranger is taken."""
    mapping = Mapping("gw/{gateway}", time_key="ts", asset_key="machine")
    owners = {("default", "m1"): "7", ("default", "m2"): "8", ("default", "m3"): ""}
    options = {"gateway_of": lambda tenant, asset: owners.get((tenant, asset))}
    for machine, reasons in (
        ("m1", []), ("m2", ["wrong-gateway"]), ("m3", ["wrong-gateway"]), ("new", []),
        (5, []), (None, ["no-asset"]), ([], ["bad-name"]), ("~x", ["bad-name"]),
    ):  # fmt: skip
        body = {"ts": T_MS, "machine": machine, "a": 1}
        rows, found = one(mapping, "gw/7", body, **options)
        assert found == reasons
        assert [row[1] for row in rows] == ([] if reasons else [str(machine)])


def test_topics_that_do_not_fit() -> None:
    """A topic that no mapping reads, or with a name that cannot be, is refused."""
    mapping = Mapping("{tenant}/{asset}", time_key="ts")
    body = {"ts": T_MS, "a": 1}
    assert one(mapping, "a/b/c", body) == ([], ["wrong-topic"])
    assert one(mapping, "my tenant/m1", body) == ([], ["bad-name"])
    assert one(mapping, "a/~m1", body) == ([], ["bad-name"])


def test_limits() -> None:
    """Size, rows, assets and signals are limited, each with its word; the known go on."""
    limits = Limits(
        payload_bytes_max=80, rows_max=2, assets_max=2, signals_max=4, asset_signals_max=3
    )
    bench = Bench(KEYED, Mapping("r/{asset}", time_key="t", shape="rows"), limits=limits)

    def reasons(topic: str, body: Any) -> list[str]:
        return [letter.reason for letter in bench.decode((topic, body)).letters]

    def values(*names: str) -> dict[str, Any]:
        return {"ts": T_MS, "values": dict.fromkeys(names, 1)}

    assert reasons("plant/m1/t", values("a", "b", "c")) == []
    assert reasons("plant/m1/t", values("a", "d")) == ["too-many-signals"]
    assert reasons("plant/m2/t", values("a")) == []
    assert reasons("plant/m2/t", values("b")) == ["too-many-signals"]
    assert reasons("plant/m3/t", values("a")) == ["too-many-assets"]
    assert reasons("plant/m1/t", values("a" * 90)) == ["too-large"]
    assert reasons("r/m1", [{"t": T_MS}] * 3) == ["too-many-rows"]
    assert reasons("plant/m1/t", values("a", "b", "c")) == []
    assert len(bench.slots) == 4


def test_invented_names_do_not_fill_memory() -> None:
    """Whatever names a device invents, memory stays small, and each refusal is counted."""
    limits = Limits(
        tenants_max=2, assets_max=3, signals_max=9, asset_signals_max=4,
        learned_topics_max=20, learned_slots_max=200,
    )  # fmt: skip
    bench = Bench(FLAT, limits=limits)
    refused: Counter[str] = Counter()
    taken = 0
    for number in range(2_000):
        names = [f"s{number * step % 7}" for step in (1, 2, 3)]
        body = {"ts": T_MS, **dict.fromkeys(names, 1), f"new{number}": 1}
        decoded = bench.decode((f"flat/t{number % 5}/m{number % 41}", body))
        refused.update(decoded.refused)
        taken += decoded.sample_count
    assert len(bench.slots) == 2 * 9
    assert sum(refused.values()) >= 2_000 - 2 * 9
    assert refused.keys() == {"too-many-tenants", "too-many-assets", "too-many-signals"}
    assert taken > 20
    assert bench.learned()[0] <= 25
    assert bench.learned()[1] <= 200


def test_sets_of_keys_do_not_fill_memory() -> None:
    """Ever new orders of known keys are read rightly and not all remembered."""
    names = [f"k{number}" for number in range(8)]
    mapping = Mapping("plant/{asset}", ignore=tuple(names))
    bench = Bench(mapping, limits=Limits(learned_slots_max=1_000))
    for order in islice(permutations(names), 3_000):
        body = {"a": 1, **dict.fromkeys(order, 0)}
        assert bench.decode(("plant/m1", body)).sample_count == 1
    assert bench.learned()[0] <= 1_001
    assert bench.learned()[1] <= 1_000


def test_letters_are_short() -> None:
    """A dead letter keeps what it is told to keep, and its sentence is short."""
    limits = Limits(letter_bytes_max=10)
    body = {"ts": T_MS, "values": {f"s{n}": "x" * 100 for n in range(100)}}
    (letter,) = Bench(KEYED, limits=limits).decode(("plant/m1/t", body)).letters
    assert len(letter.payload) == 10
    assert len(letter.detail) <= 500
    assert "and 92 more" in letter.detail


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "xml"}, {"shape": "tree"}, {"time_unit": "h"}, {"asset_key": "a"},
        {"shape": "key"}, {"format": "scalar"}, {"tenant": "a b"}, {"topic": "plant/x"},
        {"shape": "columns"},
    ],
)  # fmt: skip
def test_mappings_that_do_not_go_together(wrong: dict[str, Any]) -> None:
    """A mapping that cannot work says why when it is made."""
    with pytest.raises(InputError, match=r"topic|mapping"):
        Mapping(**{"topic": "plant/{asset}", **wrong})
