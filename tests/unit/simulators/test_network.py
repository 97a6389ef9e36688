"""What networks do: every message is accounted for."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.network import Network, NetworkFaults, is_skewed
from simulators.publish import Message, encoded

rates = st.floats(0, 1)


def stream(n: int, topics: int = 3) -> list[Message]:
    """Give n messages, each another, of some topics in turn."""
    return [
        Message(f"demo/s/m{i % topics}/telemetry", encoded([{"t": i, "x": i / 2}]), i)
        for i in range(n)
    ]


@given(
    faults=st.builds(
        NetworkFaults, rates, rates, rates, rates, rates, st.integers(1, 30), st.just(0.0)
    ),
    n=st.integers(0, 200),
    seed=st.integers(0, 1_000),
)
def test_the_counts_add_up(faults: NetworkFaults, n: int, seed: int) -> None:
    """Whatever the rates, each message is sent once, or lost; only copies come on top."""
    network = Network(faults, np.random.default_rng(seed))
    sent = stream(n)
    out = [*network.through(sent), *network.flush()]
    assert network.offered == n == network.sent + network.lost
    assert len(out) == network.sent + network.duplicated
    arrived = Counter(message.t_ns for message in out)
    assert len(arrived) == network.sent
    assert set(arrived) <= {message.t_ns for message in sent}
    assert max(arrived.values(), default=0) <= 2


def test_a_perfect_network_changes_nothing() -> None:
    """With all rates zero what goes in comes out."""
    network = Network(NetworkFaults(), np.random.default_rng(1))
    assert list(network.through(stream(50))) == stream(50)
    assert list(network.flush()) == []


def test_the_generator_decides() -> None:
    """The same seed does the same to the same messages."""
    faults = NetworkFaults(0.2, 0.2, 0.1, 0.02, 0.02)
    one, other = (list(Network(faults, np.random.default_rng(7)).through(stream(400)))
                  for _ in range(2))  # fmt: skip
    assert one == other
    assert one != list(Network(faults, np.random.default_rng(8)).through(stream(400)))


def test_rates_are_kept() -> None:
    """About as many messages are doubled, lost and out of order as was asked for."""
    network = Network(NetworkFaults(0.1, 0.1, 0.1), np.random.default_rng(3))
    out = [*network.through(stream(4_000)), *network.flush()]
    assert network.lost == pytest.approx(400, rel=0.2)
    assert network.duplicated == pytest.approx(360, rel=0.2)
    one_topic = [message.t_ns for message in out if "m1" in message.topic]
    behind = sum(a > b for a, b in itertools.pairwise(one_topic))
    assert behind == pytest.approx(110, rel=0.3)
    assert network.reordered == pytest.approx(330, rel=0.3)


def test_a_gap_takes_a_run_and_a_late_block_keeps_its_order() -> None:
    """A gap loses so many in a row of one topic; a late block comes whole and in order."""
    gaps = Network(NetworkFaults(gap=0.01, block_rows=5), np.random.default_rng(5))
    left = {message.t_ns for message in gaps.through(stream(600, topics=1))}
    missing = sorted(set(range(600)) - left)
    runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
    assert runs
    assert all(len(run) % 5 == 0 for run in runs)
    blocks = Network(NetworkFaults(late_block=1.0, block_rows=7), np.random.default_rng(5))
    out = [*blocks.through(stream(70, topics=2)), *blocks.flush()]
    assert blocks.late == 70
    for topic in ("m0", "m1"):
        times = [message.t_ns for message in out if topic in message.topic]
        assert times == sorted(times)


def test_a_wrong_clock_is_wrong_by_the_same_always() -> None:
    """Every fourth device's rows carry the offset; all others are untouched."""
    network = Network(NetworkFaults(clock_skew_s=90), np.random.default_rng(1))
    sent = stream(40, topics=8)
    skewed = 0
    for before, after in zip(sent, network.through(sent), strict=True):
        moved = (
            json.loads(after.payload)["rows"][0]["t"]
            - json.loads(before.payload)["rows"][0]["t"]
        )
        assert moved == (90_000 if is_skewed(before.topic) else 0)
        skewed += moved > 0
    assert 0 < skewed < 40


@pytest.mark.parametrize("wrong", [{"duplicate": 1.5}, {"gap": -0.1}, {"block_rows": 0}])
def test_rates_that_are_none_are_refused(wrong: dict) -> None:
    """A rate outside 0 to 1 is named."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NetworkFaults(**wrong)
