"""The fleet's rows: pure, continuous, and showing what they ought to show."""

from itertools import pairwise

import numpy as np
import pytest

from simulators.catalog import catalog
from simulators.faults import DAY_S, NS, Fault
from simulators.fleet import Fleet, FleetOptions, soon_after

DAY_NS = DAY_S * NS
START_NS = 20_000 * DAY_NS + 7 * 3600 * NS


def fleet(seed: int = 1, **options: object) -> Fleet:
    """Give a fleet that starts on a fixed day, not at midnight."""
    return Fleet(FleetOptions(seed, START_NS, **options))  # type: ignore[arg-type]


def same(one: Fleet, other: Fleet, asset: str, start_ns: int, end_ns: int) -> bool:
    """Tell whether two fleets measure the same, bit for bit."""
    a, b = one.rows(asset, start_ns, end_ns), other.rows(asset, start_ns, end_ns)
    return np.array_equal(a.t_ns, b.t_ns) and all(
        np.array_equal(a.signals[name], b.signals[name], equal_nan=True) for name in a.signals
    )


def test_it_is_big_and_spread_enough() -> None:
    """At least 24 machines of 3 models at 5 accounts in 3 time zones."""
    tree = catalog()
    used = {row["site"] for row in tree["assets"]}
    sites = [site for site in tree["sites"] if site["id"] in used]
    assert len(tree["assets"]) >= 24
    assert len({row["model"] for row in tree["assets"]}) == 3
    assert len({site["account"] for site in sites}) == 5
    assert len({site["timezone"] for site in sites}) == 3


def test_every_machine_sends_what_the_catalog_says_within_its_limits() -> None:
    """Each model's physics gives the catalog's signals, within what a sensor can show."""
    sample = fleet()
    models = {model["id"]: model for model in sample.tree["models"]}
    for row in sample.tree["assets"]:
        rows = sample.rows(row["id"], START_NS, START_NS + 40 * DAY_NS)
        signals = {signal["name"]: signal for signal in models[row["model"]]["signals"]}
        assert set(rows.signals) == set(signals)
        assert (np.diff(rows.t_ns) == 300 * NS).all()
        for name, column in rows.signals.items():
            low, high = signals[name]["limits"]
            assert low < np.nanmin(column)
            assert np.nanmax(column) <= high


def test_the_seed_decides() -> None:
    """One seed is one fleet; another seed is another."""
    asset = "HX450-0101"
    assert same(fleet(1), fleet(1), asset, START_NS, START_NS + 5 * DAY_NS)
    assert not same(fleet(1), fleet(2), asset, START_NS, START_NS + 5 * DAY_NS)


def test_how_anybody_asks_changes_nothing() -> None:
    """Rows asked for hour by hour, or backwards, are the rows asked for at once."""
    end_ns = START_NS + 3 * DAY_NS
    whole = fleet().rows("CP200-0102", START_NS, end_ns)
    pieces, hour_ns = fleet(), 3_600 * NS
    parts = [
        pieces.rows("CP200-0102", start, min(start + 5 * hour_ns, end_ns))
        for start in reversed(range(START_NS, end_ns, 5 * hour_ns))
    ][::-1]
    assert np.array_equal(np.concatenate([part.t_ns for part in parts]), whole.t_ns)
    for name, column in whole.signals.items():
        joined = np.concatenate([part.signals[name] for part in parts])
        assert np.array_equal(joined, column)


@pytest.mark.parametrize("seed", range(5))
def test_a_restart_changes_nothing(seed: int) -> None:
    """A fleet told of an earlier run's repairs goes on exactly like the one that made them."""
    first = fleet(seed)
    for day in range(19, 60, 4):
        now_ns = START_NS + day * DAY_NS
        for asset in sorted(first.active(now_ns))[:2]:
            first.rows(asset, now_ns - DAY_NS, now_ns)
            first.repair(asset, now_ns)
    assert first.repairs()
    again = fleet(seed)
    again.repair_again(first.repairs())
    for asset in first.machines:
        assert same(first, again, asset, START_NS + 10 * DAY_NS, START_NS + 80 * DAY_NS), asset


def test_a_repair_touches_only_what_comes_after() -> None:
    """Rows before a repair stay what they were; afterwards the wear is gone."""
    worn, mended = fleet(), fleet()
    now_ns = START_NS + 22 * DAY_NS + 3_600 * NS
    asset = next(iter(worn.active(now_ns)))
    mended.rows(asset, now_ns - DAY_NS, now_ns + DAY_NS)
    mended.repair(asset, now_ns)
    assert same(worn, mended, asset, START_NS, now_ns)
    assert not same(worn, mended, asset, now_ns, now_ns + 4 * DAY_NS)
    assert asset not in mended.active(now_ns)


@pytest.mark.parametrize("seed", range(30))
def test_something_fails_soon_after_the_history(seed: int) -> None:
    """Three machines of three models wear when the history ends, and none fails before."""
    end_ns = START_NS + 21 * DAY_NS
    sample = fleet(seed, fail_days=soon_after(21))
    planned = sorted(
        (chain.first.failure_ns, asset)
        for asset, chain in sample.machine_faults.items()
        if chain.first
    )
    assert len({sample.machines[asset].model for _, asset in planned}) == 3
    assert {asset for _, asset in planned} <= set(sample.active(end_ns))
    assert planned[0][0] > end_ns + 2.9 * DAY_NS
    assert planned[-1][0] < end_ns + 11 * DAY_NS
    for _, asset in planned:
        assert sample.machine_faults[asset].first.onset_ns > START_NS + 11 * DAY_NS


def test_without_faults_only_load_and_weather_move() -> None:
    """A healthy fleet has no faults of machines, sensors or gateways; its load still steps."""
    sample = fleet(faults=False)
    end_ns = START_NS + 90 * DAY_NS
    chains = [sample.machine_faults, sample.sensor_faults, sample.gateway_faults]
    assert not any(chain.until(end_ns) for each in chains for chain in each.values())
    assert sum(machine.step > 0 for machine in sample.machines.values()) >= 3


def bad_sensor(sample: Fleet, way: str) -> tuple[str, str, int, int]:
    """Give a machine and its signal that fails in some way for over a day, and from when."""
    return next(
        (asset, fault.mode.partition(":")[2], fault.onset_ns, chain.over(fault))
        for asset, chain in sample.sensor_faults.items()
        for fault in chain.until(START_NS + 300 * DAY_NS)
        if fault.life_s > 30 * 3600 and fault.mode.startswith(way)
    )


def test_a_stuck_sensor_shows_one_value_and_the_others_go_on() -> None:
    """A frozen sensor repeats what it showed first, across midnights, then lives again."""
    sample = fleet()
    asset, signal, start_ns, end_ns = bad_sensor(sample, "stuck")
    during = sample.rows(asset, start_ns, end_ns)
    assert len(set(during.signals[signal].tolist())) == 1
    assert len(set(during.signals["vibration"].tolist())) > 50
    after = sample.rows(asset, end_ns, end_ns + 3 * DAY_NS)
    assert len(set(after.signals[signal].tolist())) > 50


def test_a_silent_sensor_has_no_values_and_a_loose_one_some_too_high() -> None:
    """What says nothing is missing; what is loose shows full scale in a few rows."""
    sample = fleet()
    asset, signal, start_ns, end_ns = bad_sensor(sample, "silent")
    during = sample.rows(asset, start_ns, end_ns)
    assert np.isnan(during.signals[signal]).all()
    assert np.isfinite(during.signals["vibration"]).all()
    asset, signal, start_ns, end_ns = bad_sensor(sample, "spikes")
    column = sample.rows(asset, start_ns, end_ns).signals[signal]
    full = column == column.max()
    assert 0.003 < full.mean() < 0.06
    assert column[~full].max() < 0.7 * column.max()


MODES = [
    (model["id"], mode) for model in catalog()["models"] for mode in model["failure_modes"]
]


@pytest.mark.parametrize(("model", "mode"), MODES, ids=lambda each: str(each)[:30])
def test_a_fault_shows_in_the_signals_that_the_catalog_names(model: str, mode: dict) -> None:
    """Half-way to failure a mode's signature is there, in its direction, at equal load."""
    sample, healthy = fleet(faults=False), fleet(faults=False)
    asset = next(name for name, each in sample.machines.items() if each.model == model)
    onset_ns = START_NS + 20 * DAY_NS
    chain = sample.machine_faults[asset]
    chain.faults = [Fault("machine", mode["id"], onset_ns, 14 * DAY_S, 2.0)]
    span = (onset_ns + 7 * DAY_NS, onset_ns + 10 * DAY_NS)
    worn, sound = sample.rows(asset, *span), healthy.rows(asset, *span)
    setting = "load" if "load" in worn.signals else "speed"
    busy = sound.signals[setting] > 40
    assert busy.sum() > 100
    for symptom in mode["signature"]:
        change = worn.signals[symptom["signal"]] - sound.signals[symptom["signal"]]
        sign = 1 if symptom["direction"] == "up" else -1
        noise = np.abs(np.diff(sound.signals[symptom["signal"]][busy]))
        assert sign * change[busy].mean() > 1.0 * np.median(noise), symptom
    assert np.array_equal(worn.signals[setting], sound.signals[setting])


def test_a_machine_that_nobody_repairs_breaks_and_stands_still() -> None:
    """From failure until the customer's repair the machine does not turn; then it is as new."""
    sample = fleet(faults=False)
    asset = "BL90-0103"
    chain = sample.machine_faults[asset]
    chain.faults = [Fault("machine", "imbalance", START_NS + 8 * DAY_NS, 10 * DAY_S, 2.0)]
    start_ns, end_ns = chain.down_span(chain.faults[0]) or (0, 0)
    down = sample.rows(asset, start_ns, end_ns)
    assert len(down)
    assert (down.signals["speed"] == 0).all()
    later = sample.rows(asset, end_ns, end_ns + 3 * DAY_NS)
    before = sample.rows(asset, START_NS, START_NS + 3 * DAY_NS)
    # Out of balance, a wheel shakes with the square of its speed; so it is compared by that.
    shakes = [
        np.median(rows.signals["vibration"][busy] / rows.signals["speed"][busy] ** 2)
        for rows in (later, before)
        for busy in [rows.signals["speed"] > 2_000]
    ]
    assert shakes[0] == pytest.approx(shakes[1], rel=0.1)


def test_midnight_changes_no_load() -> None:
    """The load of a machine that never rests does not jump at the seams of the blocks."""
    sample = fleet(faults=False)
    asset = next(
        name
        for name, each in sample.machines.items()
        if each.night_shift and each.weekend and not each.step and each.model == "HX450"
    )
    rows = sample.rows(asset, START_NS, START_NS + 20 * DAY_NS)
    steps = np.abs(np.diff(rows.signals["load"]))
    at_midnight = rows.t_ns[1:] % DAY_NS == 0
    assert at_midnight.sum() == 20
    assert steps[at_midnight].max() < 3
    assert steps.max() > 10
    assert all(one < other for one, other in pairwise(rows.t_ns.tolist()))
