from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.detect import fleet, fleet_learn, network
from bridge.detect.fleet import FleetOut
from bridge.detect.fleet_file import pack, unpack
from bridge.detect.fleet_learn import Lives
from bridge.detect.fleet_states import learn_states, standardise
from bridge.detect.network import Teaching
from bridge.detect.state import restore, snapshot
from bridge.model.errors import InputError
from tests.naive import fleet as naive

NS = 1_000_000_000
NAMES = (("wear", "heat", "still"), ("mode",))


def lives(count=24, seed=4, *, hopeless=False):
    """Return machines that wear to their end in two operating states."""
    rng = np.random.default_rng(seed)
    parts = []
    for at in range(count):
        span = int(rng.integers(60, 140))
        share = np.arange(span) / span * (0.0 if hopeless else 1.0)
        mode = rng.integers(0, 2, span)
        noise = rng.standard_normal((2, span))
        wear = 100 * mode + 5 * share**3 + 0.2 * noise[0]
        heat = -30 * mode + 3 * share**2 + 0.2 * noise[1]
        parts.append((np.full(span, at), np.arange(span), mode, wear, heat))
    life, t, mode, wear, heat = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Lives(
        life=life.astype(np.int32),
        t_ns=t.astype(np.int64) * NS,
        settings=mode.astype(float)[:, None] + 1e-3 * rng.standard_normal((len(life), 1)),
        value=np.stack([wear, heat, np.full(len(life), 7.0)], axis=1),
        end_ns=np.array([(t[life == at].max() + 1) * NS for at in range(count)], np.int64),
        failed=np.ones(count, np.bool_),
    )


@pytest.fixture(scope="module")
def model():
    """One small model for the whole file."""
    return fleet_learn.learn(lives(), NAMES, teaching=Teaching(epochs=60, batch_rows=128))


def replay(model, history, state=None, rows=None):
    """Return what is said of every row, folded in rounds."""
    n = len(history.end_ns)
    state = state or fleet.init(n, len(model.used))
    left, ticket = np.full((len(history.life), 3), np.nan), np.zeros(len(history.life), bool)
    for take in rows or fleet_learn.rounds(history.life):
        out = FleetOut(np.empty((len(take), 3)), np.empty(len(take), np.bool_))
        part = (
            history.life[take],
            history.t_ns[take],
            history.settings[take],
            history.value[take],
        )
        fleet.update(model, state, part, out)
        left[take], ticket[take] = out.left_s, out.ticket
    return left, ticket


def test_states_are_found_and_constants_dropped(model) -> None:
    """Two operating states, and no use of a signal that stands still."""
    assert len(model.states.centre) == 2
    assert model.used.tolist() == [0, 1]


def test_one_state_where_settings_explain_nothing() -> None:
    """Settings that do not matter make no states."""
    rng = np.random.default_rng(1)
    states = learn_states(rng.standard_normal((500, 2)), rng.standard_normal((500, 3)))
    assert len(states.centre) == 1
    assert len(learn_states(np.empty((50, 0)), rng.standard_normal((50, 3))).centre) == 1


def test_a_state_never_seen_says_nothing(model) -> None:
    """Far from every learned state a row is unknown, not abnormal."""
    z, state = standardise(model.states, np.array([[9.0], [1.0]]), np.full((2, 3), 100.0))
    assert state.tolist() == [-1, int(state[1])]
    assert np.isnan(z[0]).all()


def test_it_predicts_machines_it_has_not_seen(model) -> None:
    """The model has skill, and its interval holds on other machines."""
    assert model.skilled
    unseen = lives(seed=5)
    left, _ = replay(model, unseen)
    truth = (unseen.end_ns[unseen.life] - unseen.t_ns) / NS
    near = truth < model.cap_s
    error = np.minimum(truth, model.cap_s) - left[:, 1]
    assert np.sqrt(np.mean(error**2)) < 0.5 * np.minimum(truth, model.cap_s).std()
    inside = (left[:, 0] <= truth) & (truth <= left[:, 2])
    assert 0.7 <= inside[near].mean() <= 0.95


def test_quantiles_are_in_order_and_tickets_held(model) -> None:
    """P10 <= P50 <= P90; a ticket is open at the end of a life, never at its start."""
    unseen = lives(seed=6)
    left, ticket = replay(model, unseen)
    assert (np.diff(left, axis=1) >= 0).all()
    assert (left >= 0).all()
    first = np.flatnonzero(np.diff(unseen.life, prepend=-1))
    last = np.array([*first[1:], len(ticket)]) - 1
    assert not ticket[first].any()
    assert ticket[last].mean() > 0.9


def test_a_fleet_that_shows_nothing_is_not_used() -> None:
    """Where signals do not tell the end, the skill gate stays shut."""
    blind = replace(lives(12, hopeless=True), failed=np.ones(12, np.bool_))
    rng = np.random.default_rng(8)
    starts = rng.integers(0, 5_000, 12)
    late = replace(blind, end_ns=blind.end_ns + starts * NS)
    assert not fleet_learn.learn(late, NAMES, teaching=Teaching(epochs=3)).skilled


def test_learning_is_deterministic() -> None:
    """The same history and seed give the same bytes."""
    few = lives(6)
    once = pack(fleet_learn.learn(few, NAMES, teaching=Teaching(epochs=2)))
    assert once == pack(fleet_learn.learn(few, NAMES, teaching=Teaching(epochs=2)))


def test_too_few_failures_are_refused() -> None:
    """Two recorded failures teach nothing, and the error says how many do."""
    few = replace(lives(6), failed=np.array([1, 1, 0, 0, 0, 0], np.bool_))
    with pytest.raises(InputError, match="at least 3"):
        fleet_learn.learn(few, NAMES)


def test_a_model_is_a_file_and_back(model) -> None:
    """Every array and number survives, bit by bit."""
    again = unpack(pack(model), "m")
    unseen = lives(4, seed=7)
    np.testing.assert_array_equal(replay(model, unseen)[0], replay(again, unseen)[0])
    for field in fields(model.states):
        a, b = getattr(model.states, field.name), getattr(again.states, field.name)
        np.testing.assert_array_equal(a, b)
    assert again.provenance == model.provenance


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_damaged_model_is_refused(model, cut) -> None:
    """A file that is none, or is cut, is an input error that names it."""
    with pytest.raises(InputError, match=r"m\.npz"):
        unpack(pack(model)[:cut], "m.npz")


def test_a_model_whose_parts_differ_is_refused(model) -> None:
    """A model that does not hold together is refused on load, not met in the night."""
    with pytest.raises(InputError, match="damaged"):
        unpack(pack(replace(model, used=model.used[:1])), "m")


def test_means_are_what_they_are_defined_as() -> None:
    """The recurrence equals the weighted sums over the whole past, gaps included."""
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.integers(1, 9, 40)).astype(float)
    z = np.where(rng.random((40, 2)) < 0.3, np.nan, rng.standard_normal((40, 2)))
    state = fleet.init(1, 2)
    rows = [
        fleet.fold(state, (np.zeros(1, np.int32), np.array([int(t) * NS]), z[i : i + 1]), 50.0)[
            0
        ]
        for i, t in enumerate(times)
    ]
    found = np.array(rows)[:, :-2].reshape(40, 2, len(fleet.TAU_SHARES))
    for signal in range(2):
        for at, share in enumerate(fleet.TAU_SHARES):
            expected = naive.means(times, z[:, signal], share * 50.0)
            np.testing.assert_allclose(found[:, signal, at], expected, rtol=1e-9, atol=1e-9)


WILD = st.one_of(st.floats(-1e3, 1e3), st.sampled_from([np.nan, np.inf, -np.inf, 1e12, 5e-324]))


@given(values=arrays(np.float64, (30, 3, 4), elements=WILD), order=st.permutations(range(3)))
def test_nothing_poisons_it_and_order_changes_nothing(model, values, order) -> None:
    """Whatever arrives, dates are finite and in order; the order of machines changes no bit."""

    def run(part):
        n = part.shape[1]
        state = fleet.init(n, len(model.used))
        said = []
        for row, value in enumerate(part):
            out = FleetOut(np.empty((n, 3)), np.empty(n, np.bool_))
            rows = (
                np.arange(n, dtype=np.int32),
                np.full(n, row * NS),
                value[:, 3:],
                value[:, :3],
            )
            fleet.update(model, state, rows, out)
            said.append(out.left_s)
        return np.array(said)

    whole = run(values)
    assert np.isfinite(whole).all()
    assert (np.diff(whole, axis=2) >= 0).all()
    np.testing.assert_array_equal(whole[:, order], run(values[:, order]))
    np.testing.assert_array_equal(whole[:, 1:2], run(values[:, 1:2]))


def test_a_restart_changes_nothing(model) -> None:
    """A state copied out and put back goes on bit by bit."""
    unseen = lives(4, seed=9)
    order = fleet_learn.rounds(unseen.life)
    whole, _ = replay(model, unseen)
    state, again = (fleet.init(4, len(model.used)) for _ in range(2))
    first, _ = replay(model, unseen, state, order[:40])
    restore(again, snapshot(state))
    second, _ = replay(model, unseen, again, order[40:])
    np.testing.assert_array_equal(whole, np.where(np.isnan(first), second, first))


def test_an_overhaul_begins_a_new_life(model) -> None:
    """After a rebaseline the age counts from the next row."""
    unseen = lives(2, seed=10)
    state = fleet.init(2, len(model.used))
    replay(model, unseen, state)
    fleet.rebaseline(state, np.array([1], np.int32))
    assert state.start_ns.tolist() == [0, -1]
    assert not state.ticket[1]


def test_lives_are_cut_at_failures() -> None:
    """Each failure ends a life; rows after the last one are a life without a failure."""
    asset = np.array([0, 0, 0, 0, 1, 1], np.int32)
    t = np.array([1, 2, 3, 4, 1, 2], np.int64)
    life, end, failed = fleet_learn.split_lives(
        asset, t, (np.array([0, 0], np.int32), np.array([2, 0], np.int64))
    )
    assert life.tolist() == [0, 0, 1, 1, 2, 2]
    assert end.tolist() == [2, 4, 2]
    assert failed.tolist() == [True, False, False]


def test_gradients_are_those_of_the_loss() -> None:
    """The slopes by which networks learn agree with finite differences of the loss."""
    rng = np.random.default_rng(3)
    teaching = Teaching()
    y = rng.random((1, 6)).astype(np.float32)

    def loss(heads):
        error = y[:, :, None] - heads
        total = np.sum(error[:, :, 1] ** 2)
        for head, quantile in zip((0, 2), network.QUANTILES, strict=True):
            e, kink = error[:, :, head], teaching.kink
            bent = (kink - e) ** 2 / (4 * kink)
            plain = np.where(e > kink, 0.0, np.where(e < -kink, -e, bent))
            total += teaching.pinball * np.sum(plain + quantile * e)
        return total / y.shape[1]

    heads = rng.random((1, 6, 3))
    slope = network._slope(heads.astype(np.float32), y, teaching)  # noqa: SLF001
    for at in np.ndindex(heads.shape):
        step = np.zeros_like(heads)
        step[at] = 1e-5
        change = (loss(heads + step) - loss(heads - step)) / 2e-5
        assert slope[at] == pytest.approx(change, abs=2e-3)
