"""Rows on each asset's grid, whatever the order, the batches and the way of sending."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.detect import align, chain
from bridge.detect.align import AlignConfig, Surplus, Tall
from bridge.detect.config import ChainConfig
from bridge.model.quality import Quality
from tests.naive.detect import rows_of

EVERY = 300 * 10**9
START = 1_700_000_000 * 10**9
K = 3
PLAIN = AlignConfig(EVERY, (0,) * K, (False,) * K, (True,) * K)
Sample = tuple[int, int, int, float]


def run(
    samples: list[Sample], cuts: list[int], config: AlignConfig = PLAIN, n: int = 3
) -> tuple[list[tuple], Surplus]:
    """Return the rows of samples sent in batches that end at `cuts`."""
    state, surplus, rows = align.init(config, n), Surplus(), []
    for part in np.split(np.arange(len(samples)), sorted(cuts)):
        asset, signal, t_ns, value = (
            np.array([samples[at][column] for at in part]) for column in range(4)
        )
        tall = Tall(
            asset.astype(np.int32), signal.astype(np.int32), t_ns.astype(np.int64), value
        )
        for frame in align.update(config, state, tall, surplus):
            assert len(set(frame.slot.tolist())) == len(frame)
            rows += [
                (
                    int(frame.slot[at]),
                    int(frame.t_ns[at]),
                    tuple(frame.value[at].tolist()),
                    tuple(frame.quality[at].tolist()),
                )
                for at in range(len(frame))
            ]
    return rows, surplus


def by_asset(rows: list[tuple]) -> dict[int, list[str]]:
    """Return the rows of each asset in order; as text, so that NaN equals NaN."""
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(repr(row))
    return found


@st.composite
def streams(draw: st.DrawFn) -> list[Sample]:
    """Samples of three assets: apart by less than a row, some missing, some twice."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples: list[Sample] = []
    for row in range(draw(st.integers(2, 25))):
        for asset in range(3):
            for signal in rng.permutation(K):
                if rng.random() < 0.9:
                    t_ns = START + row * EVERY + int(rng.integers(0, 10**9))
                    samples.append((asset, int(signal), t_ns, float(row + signal / 10)))
                if rng.random() < 0.1 and samples:
                    samples.append(samples[-1 - int(rng.integers(min(len(samples), 9)))])
    return samples


@given(samples=streams(), data=st.data())
def test_the_split_does_not_matter(samples: list[Sample], data: st.DataObject) -> None:
    """Rows and counts are the same however the stream is cut into batches."""
    size = max(len(samples), 1)
    cuts = data.draw(st.lists(st.integers(0, size), max_size=12))
    whole, counted = run(samples, [])
    parted, again = run(samples, cuts)
    assert by_asset(whole) == by_asset(parted)
    assert counted == again


@given(samples=streams())
def test_rows_are_those_of_the_naive_way(samples: list[Sample]) -> None:
    """Closed rows hold what a dictionary of rows holds."""
    naive = rows_of(samples, EVERY, K)
    rows, surplus = run(samples, [])
    for asset, t_ns, value, _ in rows:
        phase = next(t for a, _, t, _ in samples if a == asset) % EVERY
        expected = naive[asset, (t_ns - phase) // EVERY]
        for got, held in zip(value, expected, strict=True):
            # What came for a row that was whole by what it waits for is counted, not taken.
            assert got == held or np.isnan(held) or (np.isnan(got) and surplus.late)


@given(samples=streams())
def test_sent_twice_is_sent_once(samples: list[Sample]) -> None:
    """Every sample doubled at once gives the same rows."""
    doubled = [each for each in samples for _ in range(2)]
    assert by_asset(run(doubled, [])[0]) == by_asset(run(samples, [])[0])


@given(seed=st.integers(0, 2**32 - 1))
def test_reordering_within_lateness_changes_nothing(seed: int) -> None:
    """Samples that come late by up to the known lateness land in their rows."""
    rng = np.random.default_rng(seed)
    config = AlignConfig(EVERY, (0,) * K, (False,) * K, (True,) * K, lateness_rows=2)
    ordered = [
        (0, signal, START + row * EVERY, float(row)) for row in range(30) for signal in range(K)
    ]
    late = [row + rng.uniform(0, 1.9) for row in range(30) for _ in range(K)]
    order = np.argsort(late, kind="stable")
    # The grid begins with the first arrival; keep it the first row's.
    mixed = [ordered[0], *(ordered[at] for at in order if at != 0)]
    straight, _ = run(ordered, [], config)
    turned, surplus = run(mixed, [], config)
    few = min(len(straight), len(turned))
    assert few >= 26
    assert by_asset(straight[:few]) == by_asset(turned[:few])
    assert surplus.late == 0


def test_lateness_is_learned_from_reordering() -> None:
    """The first sample out of order is counted late; later ones of the kind are waited for."""
    samples: list[Sample] = []
    for row in range(0, 40, 2):
        for at in (row + 1, row):
            samples += [(0, signal, START + at * EVERY, float(at)) for signal in range(K)]
    rows, surplus = run(samples, [])
    assert 0 < surplus.late <= 2 * K
    assert len(rows) >= 34


def test_what_is_too_late_is_counted() -> None:
    """A sample for a row long closed changes nothing and is counted."""
    samples = [
        (0, signal, START + row * EVERY, 1.0) for row in range(20) for signal in range(K)
    ]
    plain, _ = run(samples, [])
    rows, surplus = run([*samples, (0, 0, START - 50 * EVERY, 9.0)], [])
    assert by_asset(rows) == by_asset(plain)
    assert surplus.late == 1


def test_a_value_is_held_as_long_as_it_may() -> None:
    """A slower signal is held up to its age and is missing after that."""
    config = AlignConfig(EVERY, (0, 2 * EVERY), (False, False), (True, False))
    samples: list[Sample] = [(0, 1, START, 7.0)]
    samples += [(0, 0, START + row * EVERY, float(row)) for row in range(6)]
    rows, _ = run(samples, [], config, 1)
    marks = [row[3][1] for row in rows]
    assert marks[:4] == [Quality.GOOD, Quality.HELD, Quality.HELD, Quality.MISSING]


@pytest.mark.parametrize("seed", range(3))
def test_rows_scalars_and_exceptions_give_the_same_alarms(seed: int) -> None:
    """One machine sent as rows, as scalars and by exception raises the same alarms."""
    rng = np.random.default_rng(seed)
    rows = 1200
    value = np.round(rng.normal(size=(rows, K)), 1) + np.array([10.0, 20.0, 30.0])
    value[700:, 1] += np.minimum(np.arange(rows - 700) / 30, 8.0)
    config = ChainConfig(signals=("a", "b", "c"), every_s=300.0, healthy_rows=300)
    together = [
        (0, k, START + row * EVERY, float(value[row, k]))
        for row in range(rows)
        for k in range(K)
    ]
    apart = [(a, k, t + k * 10**9, v) for a, k, t, v in together]
    changed = [
        each
        for each in together
        if each[2] == START
        or value[(each[2] - START) // EVERY, each[1]]
        != value[(each[2] - START) // EVERY - 1, each[1]]
    ]
    by_exception = AlignConfig(EVERY, (0,) * K, (True,) * K, (False,) * K)
    alarms = []
    for samples, grid in ((together, PLAIN), (apart, PLAIN), (changed, by_exception)):
        found, _ = run(samples, [], grid, 1)
        t_ns = np.array([row[1] for row in found], np.int64)
        said = chain.run_along(config, t_ns, np.array([row[2] for row in found]))
        alarms.append(said.alarm[: rows - 2])
    assert alarms[0].any()
    np.testing.assert_array_equal(alarms[0], alarms[1])
    np.testing.assert_array_equal(alarms[0], alarms[2])
