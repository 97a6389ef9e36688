import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.detect import prognosis
from bridge.detect.prognosis import PrognosisOptions, Trend
from bridge.detect.state import restore, snapshot
from tests.naive import passage

OPTIONS = PrognosisOptions()
POSITIVE = st.floats(1e-6, 1e3)


def run(hi, options=OPTIONS, every_s=60.0, state=None, start=0):
    """Fold indicators, shape (rows, n), and return what is left, shape (rows, n, 3)."""
    n = hi.shape[1]
    state = state or prognosis.init(n)
    slot = np.arange(n, dtype=np.int32)
    said = np.empty((len(hi), n, 3))
    for row, value in enumerate(hi):
        t_ns = np.full(n, int((start + row) * every_s * 1e9), np.int64)
        prognosis.update(options, state, (slot, t_ns, value), said[row])
    return said


def trend(*, hi, rise, elapsed_s, noise, end=np.nan):
    """Return a trend of one machine or of many."""
    column = [np.atleast_1d(np.asarray(x, float)) for x in (hi, rise, elapsed_s, noise, end)]
    hi, rise, elapsed_s, noise, end = np.broadcast_arrays(*column)
    return Trend(hi, rise, elapsed_s, np.full(hi.shape, 20, np.int32), noise, end)


@pytest.mark.parametrize(
    ("distance", "drift", "noise"),
    [(1.0, (0.1, 0.0), 0.01), (1.0, (0.1, 0.0009), 0.01), (0.4, (0.02, 0.0004), 0.02)],
)
def test_arrival_is_what_simulated_lives_show(distance, drift, noise) -> None:
    """The law of the first passage agrees with many simulated lives."""
    times = passage.simulate(distance, drift, noise, 40.0)
    for t in (3.0, 6.0, 10.0, 20.0, 39.0):
        law = prognosis.arrival(
            np.array(t),
            np.array(distance),
            (np.array(drift[0]), np.array(drift[1])),
            np.array(noise),
        )
        assert float(law) == pytest.approx((times <= t).mean(), abs=0.025)


@given(
    t=POSITIVE,
    distance=POSITIVE,
    drift=st.tuples(st.floats(-10, 10), st.floats(0, 100)),
    noise=st.floats(0, 1e3),
)
def test_arrival_is_a_probability_that_grows(t, distance, drift, noise) -> None:
    """It lies in [0, 1] and never falls as time goes on."""
    times = t * np.array([1.0, 1.5, 3.0, 10.0])
    law = prognosis.arrival(
        times, np.array(distance), tuple(map(np.array, drift)), np.array(noise)
    )
    assert ((law >= 0) & (law <= 1)).all()
    assert (np.diff(law) >= -1e-9).all()


@given(
    hi=st.floats(0.0, 30.0),
    share=st.floats(0.0, 1.0),
    elapsed=st.floats(1e-3, 1e9),
    noise=st.floats(0.0, 10.0),
    end=st.one_of(st.just(np.nan), st.floats(0.01, 30)),
)
def test_quantiles_are_in_order_or_absent(hi, share, elapsed, noise, end) -> None:
    """P10 <= P50 <= P90, not negative, all three or none."""
    left = prognosis.remaining(
        OPTIONS, trend(hi=hi, rise=share * hi, elapsed_s=elapsed, noise=noise, end=end)
    )[0]
    if np.isnan(left).any():
        assert np.isnan(left).all()
    else:
        assert 0 <= left[0] <= left[1] <= left[2]


def test_a_steady_rise_is_dated_and_the_interval_holds() -> None:
    """On noisy straight lines to the usual end levels the interval covers, and closes in."""
    rng = np.random.default_rng(3)
    ends = rng.choice([np.log(2), np.log(3), np.log(5)], 60, p=[0.25, 0.5, 0.25])
    rows = np.arange(400)[:, None]
    clean = ends * (rows - 50) / 350
    hi = np.maximum(clean + 0.01 * rng.standard_normal(clean.shape), 0.0)
    left = run(hi)
    truth = (400 - rows) * 60.0
    at = 250
    dated = np.isfinite(left[at, :, 1])
    assert dated.mean() > 0.9
    inside = (left[at, :, 0] <= truth[at]) & (truth[at] <= left[at, :, 2])
    assert inside[dated].mean() >= 0.8
    early, late = left[150, :, 1], left[380, :, 1]
    assert np.nanmedian(late) < np.nanmedian(early)


def test_noise_and_jumps_have_no_date() -> None:
    """A level that only wanders, and a single step with a plateau, are no trend."""
    rng = np.random.default_rng(5)
    wander = np.abs(0.05 * rng.standard_normal((500, 200)))
    assert np.isfinite(run(wander)[:, :, 1]).any(axis=0).mean() < 0.05
    jump = np.zeros((500, 1))
    jump[100:] = 0.5
    assert np.isnan(run(jump)).all()


def test_between_looks_the_date_stands_still() -> None:
    """What is left shrinks by exactly the time that passes until the next look."""
    hi = np.maximum(np.linspace(-0.1, 0.6, 200), 0.0)[:, None]
    left = run(hi)[:, 0, 1]
    steps = np.diff(left[120:])
    quiet = np.isclose(steps, -60.0)
    assert quiet.sum() >= len(steps) * 10 // 12


def test_the_users_end_level_replaces_the_mixture() -> None:
    """A limit further away gives later dates; one that is reached gives now."""
    base = {"hi": 0.3, "rise": 0.3, "elapsed_s": 1000.0, "noise": 1e-6}
    near = prognosis.remaining(OPTIONS, trend(**base, end=0.4))[0]
    far = prognosis.remaining(OPTIONS, trend(**base, end=2.0))[0]
    reached = prognosis.remaining(OPTIONS, trend(**base, end=0.2))[0]
    assert near[1] < far[1]
    assert reached[1] < 1e-3 * near[1]


def test_a_repair_ends_the_date_and_keeps_the_limit() -> None:
    """After a rebaseline nothing is left of the trend but the user's own end level."""
    hi = np.maximum(np.linspace(-0.1, 0.6, 200), 0.0)[:, None].repeat(2, axis=1)
    state = prognosis.init(2)
    state.end[:] = 1.0
    assert np.isfinite(run(hi, state=state)[-1]).all()
    prognosis.rebaseline(state, np.array([0], np.int32))
    left = run(hi[:1] * 0, state=state, start=200)[-1]
    assert np.isnan(left[0]).all()
    assert state.end[0] == 1.0


@given(
    hi=arrays(np.float64, (60, 3), elements=st.one_of(st.floats(0, 5), st.just(np.nan))),
    order=st.permutations(range(3)),
    cut=st.integers(1, 59),
)
def test_order_split_and_restart_change_nothing(hi, order, cut) -> None:
    """Assets in any order and a restart in the middle: the same bits, gaps included."""
    whole = run(hi)
    np.testing.assert_array_equal(whole[:, order], run(hi[:, order]))
    np.testing.assert_array_equal(whole[:, 1:2], run(hi[:, 1:2]))
    state, again = prognosis.init(3), prognosis.init(3)
    first = run(hi[:cut], state=state)
    restore(again, snapshot(state))
    second = run(hi[cut:], state=again, start=cut)
    np.testing.assert_array_equal(whole, np.concatenate([first, second]))


def test_wear_that_gets_faster_is_covered() -> None:
    """Power laws to unknown ends: the 80 % interval covers, and P50 is near."""
    rng = np.random.default_rng(11)
    rows, n = 1000, 60
    end, power = np.exp(rng.uniform(np.log(0.25), np.log(1.5), n)), rng.uniform(1, 2.5, n)
    share = np.clip(np.arange(rows)[:, None] / rows - 0.2, 0, None) / 0.8
    noise = 0.004 * rng.standard_normal((rows, n))
    left = run(np.maximum(end * share**power - 0.02 + noise, 0.0))
    truth = ((rows - np.arange(rows)) * 60.0)[:, None]
    dated = np.isfinite(left[:, :, 1])
    assert dated.mean() > 0.3
    inside = (left[:, :, 0] <= truth) & (truth <= left[:, :, 2])
    assert 0.75 <= inside[dated].mean() <= 0.97
    off = np.median(np.log2(np.maximum(left[:, :, 1], 1.0) / truth)[dated])
    assert abs(off) < 1.0
