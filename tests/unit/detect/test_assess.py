import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.detect import assess, health
from bridge.detect.assess import AssessOptions, Subject
from bridge.detect.health import HealthOptions
from bridge.detect.state import restore, snapshot
from bridge.model.catalog import FailureMode, Symptom
from bridge.model.detections import Evidence
from bridge.model.instants import as_datetime
from bridge.model.quality import Quality
from bridge.model.samples import Frame
from bridge.model.values import UNKNOWN_MODE

SIGNALS = ("temp", "vibration", "pressure")
BEARING = FailureMode(
    id="bearing",
    name="Bearing",
    plain="",
    signature=(
        Symptom(signal="temp", direction="up"),
        Symptom(signal="vibration", direction="up"),
    ),
)
OPTIONS = AssessOptions(HealthOptions(healthy_rows=60))
SHAPE = health.pattern(SIGNALS, (BEARING,))
MINUTE = 60_000_000_000


def run(values, quality=None, state=None, start=0):
    """Fold rows, shape (rows, n, 3), and return the answers and the state."""
    n = values.shape[1]
    state = state or assess.init(OPTIONS, n, 3)
    answers = []
    for row, value in enumerate(values):
        out = assess.outputs(n, 3)
        coded = np.zeros((n, 3), np.uint8) if quality is None else quality[row]
        t_ns = np.full(n, (start + row) * MINUTE, np.int64)
        frame = Frame(np.arange(n, dtype=np.int32), t_ns, value, coded)
        assess.update(OPTIONS, state, SHAPE, frame, out)
        answers.append(out)
    return answers, state


def wearing(rows=500, n=1, seed=1):
    """Return machines whose temperature and vibration rise, and whose pressure does not."""
    rng = np.random.default_rng(seed)
    rise = np.maximum(np.arange(rows) - 120, 0) / rows
    shape = np.array([1.0, 1.4, 0.0])
    return 50.0 * np.exp(rise[:, None, None] * shape + 0.02 * rng.standard_normal((rows, n, 3)))


def conclude(answers, state, values, modes=(BEARING,)):
    """Return what is said of the first machine at the last row."""
    t_ns = (len(values) - 1) * MINUTE
    subject = Subject(0, SIGNALS, modes, t_ns, values[-1, 0], operating_state="1")
    return assess.conclude(state, subject, (answers[-1], 0))


def test_a_wearing_machine_gets_mode_dates_and_reasons() -> None:
    """Mode from the pattern, dates in order after now, shares that sum to 1, and evidence."""
    values = wearing()
    answers, state = run(values)
    said = conclude(answers, state, values)
    assert said.mode == "bearing"
    assert 499 * MINUTE <= said.p10_ns <= said.p50_ns <= said.p90_ns
    assert said.confidence in {"medium", "high"}
    assert sum(said.contributions.values()) == pytest.approx(1.0)
    assert next(iter(said.contributions)) == "vibration"
    assert said.quality == "good"
    assert 60 * MINUTE <= said.onset_ns <= 200 * MINUTE
    assert 20 < said.as_new < 70
    assert isinstance(said.evidence, Evidence)
    assert said.evidence.window_to == as_datetime(499 * MINUTE)
    middle, spread = said.evidence.baseline["temp"]
    assert middle == pytest.approx(50, rel=0.02)
    assert spread == pytest.approx(1.0, rel=0.5)


def test_a_healthy_machine_has_no_date() -> None:
    """Noise gets no date, no mode, low confidence, and is as new."""
    values = wearing(300) * 0 + wearing(300)[:100].repeat(3, axis=0)
    answers, state = run(values)
    said = conclude(answers, state, values)
    assert (said.p10_ns, said.p50_ns, said.p90_ns) == (None, None, None)
    assert said.mode == UNKNOWN_MODE
    assert said.confidence == "low"
    assert said.as_new >= 95


def test_poor_data_is_said_and_never_trusted() -> None:
    """With half of the samples marked bad, quality is poor and confidence low."""
    values = wearing()
    quality = np.zeros(values.shape, np.uint8)
    quality[::2] = Quality.STUCK
    answers, state = run(values, quality)
    said = conclude(answers, state, values)
    assert said.quality == "poor"
    assert said.confidence == "low"


def test_bad_samples_teach_nothing() -> None:
    """A stuck or impossible value marked bad moves neither baseline nor health."""
    clean = wearing()
    dirty, quality = clean.copy(), np.zeros(clean.shape, np.uint8)
    dirty[200:230], quality[200:230] = 1e9, Quality.LIMIT
    answers, _ = run(dirty, quality)
    expected, _ = run(clean)
    assert answers[-1].health.hi[0] == pytest.approx(expected[-1].health.hi[0], rel=0.1)


def test_a_repair_begins_anew() -> None:
    """After a rebaseline the machine is learning again, without date or ticket."""
    values = wearing(n=2)
    answers, state = run(values)
    assert np.isfinite(answers[-1].left_s).all()
    assess.rebaseline(OPTIONS, state, np.array([0], np.int32))
    answers, _ = run(values[:1], state=state, start=500)
    assert np.isnan(answers[-1].left_s[0]).all()
    assert np.isnan(answers[-1].health.hi[0])
    assert np.isfinite(answers[-1].health.hi[1])


def test_a_group_grows_without_forgetting() -> None:
    """New assets come last; those that were there go on as if nothing had happened."""
    values = wearing(n=2)
    whole, _ = run(values)
    _, state = run(values[:300, :1])
    grown = assess.grow(OPTIONS, state, 2)
    answers, _ = run(values[300:], state=grown, start=300)
    assert answers[-1].health.hi[0] == whole[-1].health.hi[0]
    assert answers[-1].health.hi[1] != whole[-1].health.hi[1]


WILD = st.one_of(
    st.floats(-1e3, 1e3), st.sampled_from([np.nan, np.inf, -np.inf, 1e12, 5e-324, 1e300])
)


@given(values=arrays(np.float64, (90, 2, 3), elements=WILD), cut=st.integers(1, 89))
def test_anything_may_arrive_and_a_restart_changes_nothing(values, cut) -> None:
    """Never NaN where a number is due, quantiles in order, the same bits after a restart."""
    whole, state = run(values)
    left = np.array([each.left_s for each in whole])
    dated = np.isfinite(left[:, :, 1])
    assert (np.isfinite(left).all(axis=2) == dated).all()
    assert (np.diff(left[dated], axis=1) >= 0).all()
    said = conclude(whole, state, values)
    assert np.isfinite(said.hi)
    assert 0 <= said.as_new <= 100
    _, first = run(values[:cut])
    again = assess.init(OPTIONS, 2, 3)
    restore(again, snapshot(first))
    rest, _ = run(values[cut:], state=again, start=cut)
    np.testing.assert_array_equal(rest[-1].left_s, whole[-1].left_s)
    np.testing.assert_array_equal(rest[-1].health.hi, whole[-1].health.hi)
