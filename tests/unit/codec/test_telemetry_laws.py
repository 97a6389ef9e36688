"""Laws of the telemetry codecs, whatever the messages hold."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bridge.codec.payloads import REASONS, Mapping
from bridge.codec.times import FIRST_NS, LAST_NS
from tests.decoding import COLUMNS, FLAT, KEYED, RECEIVE_NS, ROWS, T_MS, Bench, Row
from tests.naive import telemetry as naive

NAMES = st.sampled_from(["a", "b", "ts", "values", "id", "T", "~x", ""])
ODD_TIMES = st.sampled_from([None, 0, "x", 10**25])
TIMES = st.integers(T_MS, T_MS + 1_000) | st.floats(T_MS, T_MS + 1_000) | ODD_TIMES
NUMBERS = st.one_of(
    st.integers(-10, 10), st.floats(allow_nan=False), st.booleans(), st.none(),
    st.sampled_from([10**400, "1", [], {}]),
)  # fmt: skip
BODIES = st.one_of(
    st.fixed_dictionaries({"ts": TIMES, "values": st.dictionaries(NAMES, NUMBERS, max_size=4)}),
    st.fixed_dictionaries({"ts": TIMES}, optional={"a": NUMBERS, "id": NUMBERS, "T": NUMBERS}),
    st.recursive(
        NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner)
    ),
)
LISTS = st.lists(TIMES | NUMBERS, max_size=3)
MANY = st.one_of(
    st.lists(st.dictionaries(NAMES, TIMES | NUMBERS, max_size=3) | NUMBERS, max_size=4),
    st.dictionaries(NAMES, LISTS | NUMBERS, max_size=4),
).flatmap(lambda many: st.sampled_from([many, {"rows": many}]))
TOPICS = st.sampled_from(
    [
        "plant/m1/t",
        "plant/m2/t",
        "flat/acme/m1",
        "flat/z/m1",
        "s/m1",
        "no/where",
        "rows/m1",
        "columns/m1",
    ]
)
PAYLOADS = st.one_of(
    (BODIES | MANY).map(lambda body: json.dumps(body).encode()), st.binary(max_size=30)
)
MESSAGES = st.lists(st.tuples(TOPICS, PAYLOADS), max_size=12)
ALL = (
    KEYED, FLAT, Mapping("s/{asset}", format="senml"), ROWS, COLUMNS,
    Mapping("x/{asset}/{signal}", format="scalar"),
    Mapping("gw/{gateway}", time_key="ts", asset_key="id", shape="rows", signals_key="rows"),
)  # fmt: skip


@given(MESSAGES, st.data())
def test_split_does_not_matter(messages: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """However messages fall into batches, the same samples and letters come."""
    whole, split = Bench(*ALL), Bench(*ALL)
    at_once = whole.decode(*messages)
    cut = data.draw(st.integers(0, len(messages)))
    parts = [split.decode(*messages[:cut]), split.decode(*messages[cut:])]
    rows = [row for part in parts for row in split.rows(part)]
    assert sorted(map(repr, rows)) == sorted(map(repr, whole.rows(at_once)))
    for tenant, samples in at_once.batches.items():
        found = [part.batches[tenant] for part in parts if tenant in part.batches]
        assert np.concatenate([one.value for one in found]).tobytes() == samples.value.tobytes()
    letters = [letter for part in parts for letter in part.letters]
    assert letters == at_once.letters
    assert {letter.reason for letter in letters} <= set(REASONS)
    assert at_once.message_count == len(messages)


@given(MESSAGES)
def test_every_message_leaves_a_trace(messages: list[tuple[str, bytes]]) -> None:
    """Each message gives samples or a letter."""
    bench = Bench(*ALL)
    for message in messages:
        decoded = bench.decode(message)
        assert decoded.sample_count or len(decoded.letters) == 1


@given(
    st.lists(st.tuples(st.sampled_from(["plant/m1/t", "flat/acme/m1"]), BODIES), max_size=10)
)
def test_like_the_naive_reader(messages: list[tuple[str, Any]]) -> None:
    """The columns hold what a slow reader finds message by message."""
    bench = Bench(KEYED, FLAT)
    expected: list[Row] = []
    for topic, body in messages:
        mapping = KEYED if topic.startswith("plant") else FLAT
        if not isinstance(body, dict):
            continue
        payload = json.dumps(body).encode()
        found = naive.read(topic, payload, mapping, RECEIVE_NS) or []
        expected += [
            row
            for row in found
            if FIRST_NS <= row[3] < LAST_NS and row[2] and not row[2].startswith("~")
        ]
    rows = bench.rows(bench.decode(*messages))
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


# --- poison ---

DEEP = "[" * 5_000 + "]" * 5_000
WORDS = st.sampled_from(
    ["1", "2.5", "-0.0", "null", "true", "NaN", "-Infinity", "1e999", "9" * 400, "1" * 5_000,
     '"x"', '"' + "x" * 300 + '"', "[]", "{}", DEEP, '{"a": 1}', str(T_MS), '"2027-01-15"'],
)  # fmt: skip
FORMS = {
    "plant/m1/t": '{"ts": @, "values": {"a": @, "b": @}}',
    "flat/acme/m1": '{"ts": @, "id": @, "T": @, "a": @}',
    "rows/m1": '{"rows": [{"ts": @, "a": @}, {"ts": @, "a": @}]}',
    "columns/m1": '{"ts": [@, @], "id": @, "a": [@, @], "b": [@, @]}',
    "s/m1": '[{"bn": "m1:", "bt": @, "n": "a", "v": @}, {"n": "b", "v": @, "t": @}]',
    "x/m1/a": "@",
    "gw/7": '{"id": "m1", "rows": [{"ts": @, "a": @}, {"ts": @, "id": @, "a": @}]}',
}
GOOD = [
    ("plant/m1/t", {"ts": T_MS, "values": {"a": 1, "b": 2}}),
    ("flat/acme/m1", {"ts": T_MS, "id": "x", "T": 1, "a": 2}),
    ("rows/m1", {"rows": [{"ts": T_MS, "a": 1}, {"ts": T_MS + 1, "a": 2}]}),
    ("columns/m1", {"ts": [T_MS, T_MS + 1], "id": 0, "a": [1, 2], "b": [3, 4]}),
]


@st.composite
def poisoned(draw: st.DrawFn) -> tuple[str, bytes]:
    """Give a message of some shape, with strange words in it, cut or with a byte changed."""
    topic = draw(st.sampled_from(sorted(FORMS)))
    first, *rest = FORMS[topic].split("@")
    mostly = st.just(str(T_MS)) | st.just("1") | WORDS
    payload = (first + "".join(draw(mostly) + piece for piece in rest)).encode()
    harm = draw(st.sampled_from(["", "", "", "cut", "byte"]))
    at = draw(st.integers(0, min(len(payload), 80)))
    if harm == "cut":
        return topic, payload[:at]
    if harm == "byte":
        return topic, payload[:at] + draw(st.sampled_from([b"\xff", b"\0", b'"'])) + payload[
            at:
        ]
    return topic, payload


@given(st.lists(poisoned(), min_size=1, max_size=8))
def test_lanes_take_what_the_careful_way_takes(messages: list[tuple[str, bytes]]) -> None:
    """A decoder that has seen good messages reads any batch as fresh ones read each message."""
    seasoned = Bench(*ALL)
    assert seasoned.decode(*GOOD).letters == []
    decoded = seasoned.decode(*messages)
    rows, letters = [], []
    for message in messages:
        fresh = Bench(*ALL)
        alone = fresh.decode(message)
        rows += fresh.rows(alone)
        letters += alone.letters
        assert alone.sample_count or alone.letters
    assert sorted(map(repr, seasoned.rows(decoded))) == sorted(map(repr, rows))
    assert decoded.letters == letters
    assert sum(decoded.refused.values()) == len(letters)
    assert all(len(letter.detail) <= 500 for letter in letters)
    assert {letter.reason for letter in letters} <= set(REASONS)
