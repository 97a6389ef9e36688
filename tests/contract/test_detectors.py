"""Every detector of the chain keeps the same promises, whatever it is fed."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.detect import chain
from bridge.detect.config import ChainConfig, ChainOut
from bridge.detect.state import arrays
from bridge.model.quality import Quality
from bridge.model.samples import Frame

EVERY_NS = 300 * 10**9
START_NS = 1_700_000_000 * 10**9
ODD = (np.nan, np.inf, -np.inf, 0.0, 5e-324, -5e-324, 1e12, -1e12, 1e300, -1e300)
CONFIGS = {
    "one signal": ChainConfig(signals=("a",), healthy_rows=24, clock=False),
    "a clock": ChainConfig(signals=("a", "b"), healthy_rows=24),
    "a setting": ChainConfig(signals=("s", "a", "b"), settings=("s",), healthy_rows=24),
    "only settings": ChainConfig(signals=("s",), settings=("s",), healthy_rows=24),
    "many settings": ChainConfig(
        signals=tuple("stuvab"), settings=tuple("stuv"), healthy_rows=40, clock=False
    ),
    "limits": ChainConfig(signals=("a", "b"), limits=((-3.0, 3.0), None), healthy_rows=24),
    "hundred signals": ChainConfig(
        signals=tuple(f"x{n}" for n in range(100)), healthy_rows=24, clock=False
    ),
}


@st.composite
def histories(draw: st.DrawFn, k: int) -> np.ndarray:
    """Draw readings of some assets: noise, steps, quantised, constant and odd values."""
    seed, n = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 4))
    rows = draw(st.integers(30, 60 if k > 9 else 110))
    rng = np.random.default_rng(seed)
    value = rng.normal(size=(rows, n, k)) * 10.0 ** rng.integers(-6, 7, size=(1, n, k))
    value += rng.normal(size=(1, n, k)) * 10.0 ** rng.integers(-6, 7, size=(1, n, k))
    value[:, rng.random((n, k)) < 0.2] = rng.normal()
    coarse = rng.random((n, k)) < 0.2
    value[:, coarse] = np.round(value[:, coarse])
    value[rows // 2 :, rng.random((n, k)) < 0.3] += 10.0 ** draw(st.integers(-3, 12))
    odd = rng.random(value.shape) < draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    value[odd] = rng.choice(ODD, size=int(odd.sum()))
    return value


def frame(value: np.ndarray, number: int, slots: np.ndarray) -> Frame:
    """Return one row of each named asset."""
    t_ns = np.full(slots.size, START_NS + number * EVERY_NS, np.int64)
    part = value[number, slots]
    quality = np.where(np.isnan(part), Quality.MISSING, Quality.GOOD).astype(np.uint8)
    return Frame(slots.astype(np.int32), t_ns, part, quality)


def run(
    config: ChainConfig, value: np.ndarray, *, split: int | None = None, turn: bool = False
) -> tuple[chain.ChainState, list[dict[str, np.ndarray]]]:
    """Run a history; `split` sends the assets in two frames, `turn` in the opposite order."""
    rows, n, k = value.shape
    state, said = chain.init(config, n), []
    for number in range(rows):
        order = np.arange(n)[::-1] if turn else np.arange(n)
        parts = [order] if split is None else [order[: split % n], order[split % n :]]
        row = {each.name: [None] * n for each in fields(ChainOut)}
        for slots in parts:
            if not slots.size:
                continue
            out = chain.outputs(slots.size, k)
            chain.update(config, state, frame(value, number, slots), out)
            for name, column in row.items():
                for at, slot in enumerate(slots):
                    column[slot] = np.copy(getattr(out, name)[at])
        said.append({name: np.stack(column) for name, column in row.items()})
    return state, said


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    """Hold two answers equal to the bit."""
    for name, column in a.items():
        np.testing.assert_array_equal(column, b[name], err_msg=name)


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=8)
@given(data=st.data())
def test_answers_are_always_answers(name: str, data: st.DataObject) -> None:
    """Nothing raises or gives NaN where a number is promised, and shares sum to one."""
    config = CONFIGS[name]
    value = data.draw(histories(config.k))
    before = value.copy()
    state, said = run(config, value)
    np.testing.assert_array_equal(value, before)
    for row in said:
        for column in ("z", "slow", "trend", "novelty", "moving", "raw", "score", "learning"):
            assert np.isfinite(row[column]).all(), column
        assert ((row["score"] >= 0) & (row["score"] <= 1)).all()
        total = row["contributions"].sum(axis=1)
        np.testing.assert_allclose(total[row["score"] > 0], 1.0, atol=1e-9)
        assert not np.isinf(row["adjusted"]).any()
    for path, array in arrays(state):
        if path.split(".")[-1] not in ("low", "high", "least", "most", "quantum"):
            assert not np.isinf(array.astype(np.float64)).any(), path


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=4)
@given(data=st.data(), split=st.integers(0, 3))
def test_company_does_not_matter(name: str, data: st.DataObject, split: int) -> None:
    """An asset gets the same answers, bit by bit, whoever shares its frame."""
    config = CONFIGS[name]
    value = data.draw(histories(config.k))
    _, plain = run(config, value)
    _, parted = run(config, value, split=split)
    _, turned = run(config, value, turn=True)
    alone = [run(config, value[:, [at]])[1] for at in range(value.shape[1])]
    for number, row in enumerate(plain):
        same(row, parted[number])
        same(row, turned[number])
        single = [each[number] for each in alone]
        same(row, {key: np.concatenate([each[key] for each in single]) for key in row})


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=4)
@given(data=st.data(), cut=st.integers(1, 29))
def test_a_restart_changes_nothing(name: str, data: st.DataObject, cut: int) -> None:
    """A chain restored from a snapshot, with room for more assets, goes on bit by bit."""
    config = CONFIGS[name]
    value = data.draw(histories(config.k))
    n, slots = value.shape[1], np.arange(value.shape[1])
    state, out = chain.init(config, n), chain.outputs(n, config.k)
    for number in range(cut):
        chain.update(config, state, frame(value, number, slots), out)
    other = chain.init(config, n)
    chain.restore(other, chain.snapshot(state))
    other = chain.grow(config, other, n + 3)
    again = chain.outputs(n, config.k)
    for number in range(cut, len(value)):
        chain.update(config, state, frame(value, number, slots), out)
        chain.update(config, other, frame(value, number, slots), again)
        for each in fields(ChainOut):
            np.testing.assert_array_equal(getattr(out, each.name), getattr(again, each.name))


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=3)
@given(data=st.data())
def test_a_repair_begins_anew(name: str, data: st.DataObject) -> None:
    """A rebaselined asset is as if never seen, and its neighbours are as before."""
    config = CONFIGS[name]
    value = data.draw(histories(config.k))
    n = value.shape[1]
    state, _ = run(config, value)
    before = chain.snapshot(state)
    chain.rebaseline(config, state, np.array([0], np.int32))
    fresh = chain.snapshot(chain.init(config, 1))
    for path, array in arrays(state):
        np.testing.assert_array_equal(array[0], fresh[path][0], err_msg=path)
        np.testing.assert_array_equal(array[1:n], before[path][1:n], err_msg=path)
