"""The simulated fleet through the whole watch: quiet when healthy, early when not."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from bridge.detect.align import NEVER
from bridge.flow.engine import Engine, EngineOptions
from bridge.flow.ports import Record
from bridge.model.catalog import Catalog
from bridge.model.detections import Detection
from bridge.model.instants import NS_PER_S, as_ns
from bridge.model.samples import Samples
from simulators.fleet import Fleet, FleetOptions

DAY_NS = 86_400 * NS_PER_S
START_NS = 20_500 * DAY_NS
DAYS = 31


def blobs(fleet: Fleet, engine: Engine, days: range) -> Iterator[Samples]:
    """Yield six hours of the whole fleet at a time, as its gateways would send them."""
    gateways = {each["id"]: each["gateway"] for each in fleet.tree["assets"]}
    for day in days:
        for hour in range(0, 24, 6):
            start = START_NS + day * DAY_NS + hour * DAY_NS // 24
            columns = []
            for asset in fleet.machines:
                rows = fleet.rows(asset, start, start + DAY_NS // 4)
                rows = rows.where(~fleet.away(gateways[asset], rows.t_ns))
                slots = [engine.slots.slot("default", asset, name) for name in rows.signals]
                value = np.stack(list(rows.signals.values()), axis=1)
                columns.append((np.tile(slots, len(rows)), rows.t_ns, value, len(slots)))
            engine.absorb(())
            yield Samples(
                np.concatenate([slot for slot, _, _, _ in columns]).astype(np.int32),
                np.concatenate([np.repeat(t_ns, k) for _, t_ns, _, k in columns]),
                np.concatenate([value.ravel() for _, _, value, _ in columns]),
                start + DAY_NS // 4,
            )


def run(fleet: Fleet, days: range, gap: range = range(0)) -> tuple[Engine, list[Detection]]:
    """Watch a fleet for some days; nothing comes during `gap`."""
    engine = Engine(EngineOptions())
    catalog = Catalog.model_validate_json(json.dumps(fleet.tree))
    engine.adopt(catalog, 1)
    said: list[Detection] = []
    for samples in blobs(fleet, engine, days):
        if (samples.receive_ns - START_NS - 1) // DAY_NS in gap:
            continue
        engine.take("default", samples)
        said += engine.feed(list[Record](), {}).get("default", [])
    return engine, said


@pytest.mark.parametrize("seed", [1, 5])
def test_a_healthy_fleet_is_left_alone(seed: int) -> None:
    """Shifts, weather, a new product and two lost days: nothing is predicted or odd."""
    fleet = Fleet(FleetOptions(seed=seed, start_ns=START_NS, faults=False))
    engine, said = run(fleet, range(DAYS), gap=range(17, 19))
    assert [(each.type, each.asset) for each in said] == []
    for group in engine.tenants["default"].groups.values():
        rows = slice(0, len(group.assets))
        assert (group.memory.latest.learned[rows] == 1.0).all()
        assert (group.memory.latest.t_ns[rows] > NEVER).all()


def test_wear_is_found_days_ahead() -> None:
    """What wears is told in the first two thirds of its way to failure; nothing else is."""
    fleet = Fleet(FleetOptions(seed=3, start_ns=START_NS, faults=True))
    _, said = run(fleet, range(DAYS))
    end_ns = START_NS + DAYS * DAY_NS
    told = [each for each in said if each.type in ("prediction", "anomaly")]
    for asset, chain in fleet.machine_faults.items():
        faults = [each for each in chain.until(end_ns) if each.kind == "machine"]
        own = [as_ns(each.at) for each in told if each.asset == asset]
        for fault in faults:
            latest = fault.onset_ns + int(0.67 * fault.life_s * NS_PER_S)
            if latest < end_ns:
                assert any(fault.onset_ns < at <= latest for at in own), (asset, fault.mode)
        if not faults:
            assert own == [], asset
