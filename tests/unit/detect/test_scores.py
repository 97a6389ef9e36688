"""Each score beside its slow, obvious version, and what it must not take for a fault."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.detect import chain, multivariate, novelty, operating, shift, step, trend
from bridge.detect.config import ChainConfig
from bridge.model.quality import Quality
from tests.naive import detect as naive

EVERY_NS = 300 * 10**9
START_NS = 1_700_000_000 * 10**9
ONE = ChainConfig(signals=("a",), clock=False, every_s=300.0, healthy_rows=400)


def times(rows: int) -> np.ndarray:
    """Return the times of rows five minutes apart."""
    return START_NS + np.arange(rows, dtype=np.int64) * EVERY_NS


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), heavy=st.booleans())
def test_novelty_is_that_of_the_naive_way(seed: int, heavy: bool) -> None:  # noqa: FBT001
    """The grid of cells says what a list of visited cells says."""
    rng = np.random.default_rng(seed)
    value = rng.standard_t(3, 900) if heavy else rng.normal(size=900)
    value[700:] += 3.0 * (np.arange(200) > 120)
    said = chain.run_along(ONE, times(900), value[:, None])
    known = said.quality[:, 0] != Quality.STUCK
    expected = naive.novelty(
        value - value[0], theta=novelty.theta(ONE), settle=novelty.SETTLE_ROWS
    )
    np.testing.assert_allclose(said.novelty[known], expected[known], rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_trend_is_that_of_the_naive_way(seed: int) -> None:
    """Faded sums give the slope that a weighted fit gives."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=60) + np.arange(60) * rng.normal()
    state = trend.init(ONE, 1)
    slot, there, length = np.zeros(1, np.int32), np.ones((1, 1), bool), np.ones((1, 1))
    for row, each in enumerate(mean, 1):
        said = trend.update(state, slot, (np.array([[each]]), there, length))[0, 0]
        if row < trend.BLOCKS_MIN:
            assert said == 0.0
        else:
            expected = naive.trend(mean[:row], trend.FADE)
            np.testing.assert_allclose(said, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_step_is_that_of_the_naive_way(seed: int) -> None:
    """Sums of whole numbers give the difference of two means, to the unit they are kept in."""
    rng = np.random.default_rng(seed)
    value = rng.normal(size=300)
    state, out = chain.init(ONE, 1), chain.outputs(1, 1)
    expected = naive.steps(value, step.NOW, step.BEFORE)
    for row in range(300):
        frame = chain.Frame(
            np.zeros(1, np.int32),
            times(300)[row : row + 1],
            value[row].reshape(1, 1),
            np.zeros((1, 1), np.uint8),
        )
        chain.update(ONE, state, frame, out)
        if row >= step.UNIT_ROWS + step.WIDTH:
            unit = state.step.dev[0, 0] / step.FINE
            now, before = state.step.now[0, 0], state.step.before[0, 0]
            got = abs(now / step.NOW - before / step.BEFORE) * unit
            np.testing.assert_allclose(got, expected[row], atol=2 * unit)


@given(seed=st.integers(0, 2**32 - 1), f=st.integers(1, 8))
def test_the_response_solves_its_equations(seed: int, f: int) -> None:
    """Written-out Cholesky gives what a library gives for the same ridge."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(50, f)) * 10.0 ** rng.integers(-4, 5, f)
    gram, cross = (rows.T @ rows)[None], (rng.normal(size=(2, 50)) @ rows)[None]
    size = np.sqrt(np.diag(gram[0]))
    scaled = gram[0] / np.outer(size, size)
    np.fill_diagonal(scaled, 1.0 + operating.RIDGE)
    expected = np.linalg.solve(scaled, (cross[0] / size).T).T / size
    np.testing.assert_allclose(operating.solve(gram, cross)[0], expected, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(2, 6))
def test_joint_oddness_is_hotellings(seed: int, k: int) -> None:
    """T2 and residuals are those of the inverse correlation matrix."""
    rng = np.random.default_rng(seed)
    config = ChainConfig(signals=tuple(f"x{n}" for n in range(k)))
    state = multivariate.init(config, 1)
    slot, mix = np.zeros(1, np.int32), rng.normal(size=(k, k))
    for _ in range(60):
        u = rng.normal(size=(1, k)) @ mix
        matrix = multivariate._correlation(state.product, state.blocks)[0]  # noqa: SLF001
        t2, residual = np.empty(1), np.empty((1, k))
        multivariate.update(state, slot, (u, np.ones(1, bool)), (t2, residual))
        v = np.clip(u[0], -multivariate.CLIP, multivariate.CLIP)
        inverse = np.linalg.inv(matrix)
        np.testing.assert_allclose(t2[0], max(v @ inverse @ v, 0.0), rtol=1e-6, atol=1e-9)
        expected = inverse @ v / np.sqrt(np.diag(inverse))
        np.testing.assert_allclose(residual[0], expected, rtol=1e-6, atol=1e-9)


def test_a_shift_is_held_and_let_go() -> None:
    """A level that moved by two spreads is held as long as it lasts, and not much longer."""
    rng = np.random.default_rng(1)
    value = rng.normal(size=4000)
    value[1500:2500] += 2.0
    said = chain.run_along(ONE, times(4000), value[:, None])
    assert not said.alarm[:1500].any()
    assert said.alarm[1500 + 4 * shift.BLOCK : 2500].all()
    assert not said.alarm[2500 + 12 * shift.BLOCK :].any()
    assert (said.slow[1700:2400, 0] > 1.0).all()


def test_more_noise_is_a_change() -> None:
    """Noise that trebled is held though no level moved."""
    rng = np.random.default_rng(2)
    value = rng.normal(size=3000)
    value[1500:] *= 3.0
    said = chain.run_along(ONE, times(3000), value[:, None])
    assert not said.alarm[:1500].any()
    assert said.alarm[2000:].all()


def test_signals_that_part_company_are_odd_together() -> None:
    """Two signals that always went together and no longer do are odd together."""
    rng = np.random.default_rng(3)
    rows = 8000
    common = np.repeat(rng.normal(size=rows // 40), 40)
    value = common[:, None] * [1.0, 2.0] + 0.1 * rng.normal(size=(rows, 2))
    value[5000:, 1] = -value[5000:, 1]
    config = ChainConfig(signals=("a", "b"), clock=False, every_s=300.0, healthy_rows=2000)
    said = chain.run_along(config, times(rows), value)
    assert not said.alarm[:5000].any()
    assert said.alarm[5000:].any()


def test_the_week_of_a_machine_is_no_fault() -> None:
    """Days, nights and weekends that repeat raise nothing; a trend on top of them does."""
    rng = np.random.default_rng(4)
    rows = 288 * 42
    hour = np.arange(rows) % 288 / 12
    day = np.arange(rows) // 288 % 7
    value = 20 + 3 * np.sin(2 * np.pi * hour / 24) + 4 * (day < 5) + rng.normal(0, 0.5, rows)
    config = ChainConfig(signals=("a",), every_s=300.0)
    said = chain.run_along(config, times(rows), value[:, None])
    assert not said.alarm.any()
    worn = value + np.clip((np.arange(rows) - 288 * 25) / 288, 0, None) * 2.0
    said = chain.run_along(config, times(rows), worn[:, None])
    assert not said.alarm[: 288 * 25].any()
    assert said.alarm[288 * 38 :].any()
    assert said.trend[288 * 30 :].max() > 4.0


def test_what_a_setting_explains_is_no_fault() -> None:
    """A load never seen before changes all signals as the response says, and nothing alarms."""
    rng = np.random.default_rng(5)
    rows = 5000
    load = np.repeat(rng.uniform(40, 80, rows // 25), 25)
    load[3000:] += 15.0
    value = np.stack(
        [
            load,
            5 + 0.3 * load + rng.normal(0, 0.5, rows),
            0.02 * load**2 + rng.normal(0, 2, rows),
        ],
        axis=1,
    )
    config = ChainConfig(
        signals=("load", "a", "b"), settings=("load",), every_s=300.0, clock=False
    )
    said = chain.run_along(config, times(rows), value)
    assert not said.alarm.any()
    value[3500:, 1] *= 1.1
    said = chain.run_along(config, times(rows), value)
    assert said.alarm[4500:].all()
    assert (said.contributions[4700:, 1] > 0.5).all()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda value: value.__setitem__(slice(1000, 1100), value[1000]), Quality.STUCK),
        (lambda value: value.__setitem__(1000, 500.0), Quality.SPIKE),
        (lambda value: value.__setitem__(slice(1000, 1010), 2e6), Quality.LIMIT),
        (lambda value: value.__setitem__(slice(1000, 1010), np.inf), Quality.LIMIT),
    ],
    ids=["stuck", "spike", "limit", "infinite"],
)
def test_a_sensor_fault_is_marked_and_teaches_nothing(spoil, code: Quality) -> None:
    """What a sensor cannot show, a frozen and a lone reading are marked; no alarm."""
    rng = np.random.default_rng(6)
    value = rng.normal(20, 1, 1600)
    config = ChainConfig(
        signals=("a",), clock=False, every_s=300.0, healthy_rows=400, limits=((-1e3, 1e3),)
    )
    clean = chain.run_along(config, times(1600), value[:, None])
    spoil(value)
    said = chain.run_along(config, times(1600), value[:, None])
    assert (said.quality[1000:1100] == code).any()
    assert not said.alarm.any()
    np.testing.assert_allclose(said.location[-1], clean.location[-1], atol=0.1)


def test_learning_is_seen() -> None:
    """The share that is learned rises to one over commissioning, and nothing alarms before."""
    value = np.random.default_rng(7).normal(size=(600, 1))
    value[200:] += 50.0
    said = chain.run_along(ONE, times(600), value)
    np.testing.assert_allclose(said.learning[:400], np.arange(1, 401) / 400)
    assert not said.alarm[:400].any()
