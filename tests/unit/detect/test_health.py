import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.detect import health
from bridge.detect.health import HealthOptions, HealthOut
from bridge.detect.state import restore, snapshot
from bridge.model.catalog import FailureMode, Symptom
from tests.naive import health as naive

OPTIONS = HealthOptions(healthy_rows=20, block_rows=6)
WILD = st.one_of(
    st.floats(-1e3, 1e3),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e12, -1e12, 5e-324, 1e300, -1e300]),
)


def run(values, options=OPTIONS, shape=None, state=None):
    """Fold rows of assets, shape (rows, n, k), and return hi, excess and tickets per row."""
    _, n, k = values.shape
    shape = shape or health.pattern(tuple(f"s{i}" for i in range(k)), ())
    state = state or health.init(options, n, k)
    slot = np.arange(n, dtype=np.int32)
    said = []
    for value in values:
        out = HealthOut(*np.empty((1, n)), *np.empty((2, n, k)), np.empty(n, np.bool_))
        health.update(options, state, shape, (slot, value), out)
        said.append(out)
    return (
        np.array([each.hi for each in said]),
        np.array([each.excess for each in said]),
        np.array([each.ticket for each in said]),
    )


def noisy(rows, n=1, k=3, seed=1):
    """Return positive readings that only scatter."""
    rng = np.random.default_rng(seed)
    return np.exp(0.05 * rng.standard_normal((rows, n, k)))


@pytest.mark.parametrize("shift", [0.0, -1.5])
def test_agrees_with_the_formula_written_out(shift) -> None:
    """The in-place update of several assets equals the naive indicator of each."""
    values = noisy(200, n=3) + shift
    values[90:] += np.linspace(0, 2, 110)[:, None, None] * np.array([1.0, 0.5, 0.0])
    hi, _, _ = run(values, HealthOptions(healthy_rows=60, block_rows=12))
    for asset in range(3):
        expected = naive.indicator(values[:, asset].tolist(), 60, 12)
        # The naive window starts with zeros, ours with the last rows of commissioning.
        np.testing.assert_allclose(hi[72:, asset], expected[72:], rtol=2e-5, atol=2e-6)


def test_a_healthy_machine_stays_as_new() -> None:
    """Noise alone leaves the index at 95 % or more and raises no ticket."""
    hi, _, ticket = run(noisy(3000, n=20), HealthOptions(healthy_rows=100))
    assert np.isnan(hi[:100]).all()
    assert health.as_new(hi[100:]).min() >= 95
    assert not ticket.any()


def test_a_rising_machine_climbs_the_rungs_once_each() -> None:
    """Each doubling of the indicator is one ticket."""
    values = noisy(1000)
    values[300:] *= np.exp(np.linspace(0, 1.6, 700))[:, None, None]
    hi, excess, ticket = run(values, HealthOptions(healthy_rows=100, again=1e9))
    told = hi[ticket[:, 0], 0]
    assert 3 <= len(told) <= 5
    assert told[0] >= 0.125
    assert (told[1:] >= 2 * told[:-1] * 0.9).all()
    assert (excess[-1] > 0).all()


def test_one_repeat_per_rung_when_a_quarter_older() -> None:
    """A machine that stays raised is told once more on its rung, and then no more."""
    values = noisy(2000)
    values[400:] *= 1.6
    _, _, ticket = run(values, HealthOptions(healthy_rows=100))
    rows = np.flatnonzero(ticket[:, 0])
    climbed, later = rows[rows < 440], rows[rows >= 440]
    assert 1 <= len(climbed) <= 3
    assert len(later) == 1
    assert later[0] + 1 >= 1.25 * (climbed[-1] + 1)


def test_a_rebaseline_makes_it_as_new() -> None:
    """After a repair the index returns to 95 % or more, for that machine only."""
    options = HealthOptions(healthy_rows=50)
    state = health.init(options, 2, 3)
    values = noisy(400, n=2)
    values[100:] *= 3.0
    hi, _, _ = run(values, options, state=state)
    assert (health.as_new(hi[-1]) < 60).all()
    health.rebaseline(options, state, np.array([0], np.int32))
    hi, _, _ = run(values[100:], options, state=state)
    assert health.as_new(hi[-1])[0] >= 95
    assert health.as_new(hi[-1])[1] < 60


def test_a_fall_counts_where_a_mode_says_so() -> None:
    """A leak is a fall of pressure: the indicator sees it only with the catalog's signature."""
    leak = FailureMode(
        id="leak", name="Leak", plain="", signature=(Symptom(signal="s1", direction="down"),)
    )
    values = noisy(500)
    values[200:, :, 1] *= 0.5
    blind, excess, _ = run(values, HealthOptions(healthy_rows=100))
    seeing, _, _ = run(
        values, HealthOptions(healthy_rows=100), health.pattern(("s0", "s1", "s2"), (leak,))
    )
    assert blind[-1, 0] == 0
    assert seeing[-1, 0] > 0.3
    assert excess[-1, 0, 1] < -0.3


def test_a_limit_is_a_level_of_the_indicator() -> None:
    """When a signal reaches its limit alone, the indicator has reached the limit's level."""
    options = HealthOptions(healthy_rows=100)
    state = health.init(options, 1, 3)
    shape = health.pattern(("s0", "s1", "s2"), ())
    values = noisy(400)
    values[200:, :, 0] = 2.0
    hi, _, _ = run(values, options, shape, state)
    level = health.limit_level(options, state, shape, (0, np.array([2.0, np.nan, np.nan])))
    assert hi[-1, 0] == pytest.approx(level, rel=1e-3)
    assert np.isnan(health.limit_level(options, state, shape, (0, np.full(3, np.nan))))


@given(values=arrays(np.float64, (60, 2, 2), elements=WILD))
def test_nothing_poisons_it(values) -> None:
    """Whatever arrives, the indicator is finite and not negative after commissioning."""
    hi, excess, _ = run(values)
    assert np.isnan(hi[:20]).all()
    assert np.isfinite(hi[20:]).all()
    assert (hi[20:] >= 0).all()
    assert np.isfinite(excess).all()


@given(
    values=arrays(np.float64, (70, 3, 2), elements=WILD),
    order=st.permutations(range(3)),
    cut=st.integers(1, 69),
)
def test_order_split_and_restart_change_nothing(values, order, cut) -> None:
    """Assets in any order, one by one, and a restart in the middle: the same bits."""
    whole, _, tickets = run(values)
    turned, _, turned_tickets = run(values[:, order])
    np.testing.assert_array_equal(whole[:, order], turned)
    np.testing.assert_array_equal(tickets[:, order], turned_tickets)
    alone, _, _ = run(values[:, 1:2])
    np.testing.assert_array_equal(whole[:, 1:2], alone)
    state, again = health.init(OPTIONS, 3, 2), health.init(OPTIONS, 3, 2)
    first, _, _ = run(values[:cut], state=state)
    restore(again, snapshot(state))
    second, _, _ = run(values[cut:], state=again)
    np.testing.assert_array_equal(whole, np.concatenate([first, second]))


def test_a_constant_signal_is_silent_until_it_is_known_to_move() -> None:
    """A signal that stood still at zero has no scale, so its first step is no catastrophe."""
    values = np.zeros((200, 1, 2))
    values[100:] = 5.0
    hi, _, _ = run(values, HealthOptions(healthy_rows=50))
    assert (hi[50:] == 0).all()
