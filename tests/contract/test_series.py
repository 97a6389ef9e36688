"""What every series store promises, whichever adapter keeps the series."""

import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapters.series.duckdb import DuckDbStore
from bridge.adapters.series.influx import InfluxStore
from bridge.adapters.series.influx_client import InfluxOptions
from bridge.flow.ports import Retention, Series, SeriesStore
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable
from tests.fakes.series import FakeSeries
from tests.naive.reduce import reduce

Row = tuple[str, str, str, int, float]
"""Tenant, asset, signal, time in seconds after `START_NS`, value."""

# A recent time at the edge of nothing: stores with a retention of their own keep it.
START_NS = 1_780_000_000 * NS_PER_S
FOREVER = {"start_ns": START_NS - 10**18, "end_ns": START_NS + 10**18}


@pytest.fixture(params=["fake", "duckdb", "influxdb"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SeriesStore]:
    """Give an empty store of each kind."""
    opened: SeriesStore
    if request.param == "fake":
        opened = FakeSeries()
    elif request.param == "duckdb":
        opened = await DuckDbStore.open(tmp_path / "series.duckdb")
    else:
        server = request.getfixturevalue("influxdb")
        org = request.getfixturevalue("influxdb_org")
        opened = InfluxStore(InfluxOptions(url=server.url, org=org, token=server.token))
    yield opened
    await opened.close()


def batch(rows: Sequence[Row]) -> tuple[Samples, list[SignalSlot]]:
    """Put rows in columns, with slots of their own."""
    table = SlotTable()
    slot = [table.slot(*row[:3]) for row in rows]
    columns = Samples(
        np.array(slot, np.int32),
        np.array([START_NS + row[3] * NS_PER_S for row in rows], np.int64),
        np.array([row[4] for row in rows], np.float64),
        START_NS,
    )
    return columns, table.rows


async def read(store: SeriesStore, tenant: str, asset: str, signal: str) -> dict[int, float]:
    """Read one signal whole, by seconds after `START_NS`."""
    found = await store.query(tenant, asset, [signal], **FOREVER, points_max=100_000)
    if signal not in found:
        return {}
    series = found[signal]
    assert np.array_equal(series.mean, series.low)
    assert np.array_equal(series.mean, series.high)
    seconds = (series.t_ns - START_NS) // NS_PER_S
    return dict(zip(seconds.tolist(), series.mean.tolist(), strict=True))


async def scanned(store: SeriesStore, tenant: str, **limits: object) -> list[Row]:
    """Read everything of a tenant by scanning."""
    rows: list[Row] = []
    async for slots, block in store.scan(tenant, **{**FOREVER, **limits}):
        assert len(block)
        for slot, t_ns, value in zip(block.signal, block.t_ns, block.value, strict=True):
            name = slots[slot]
            assert name.slot == slot
            second = int(t_ns - START_NS) // NS_PER_S
            rows.append((name.tenant, name.asset, name.signal, second, float(value)))
    return rows


def same(found: dict[str, Series], expected: dict[str, Series]) -> None:
    """Compare what a store reduced with what the oracle did."""
    assert found.keys() == expected.keys()
    for name, series in expected.items():
        assert found[name].t_ns.dtype == np.int64
        np.testing.assert_array_equal(found[name].t_ns, series.t_ns)
        np.testing.assert_allclose(found[name].mean, series.mean, rtol=1e-12, atol=1e-9)
        np.testing.assert_array_equal(found[name].low, series.low)
        np.testing.assert_array_equal(found[name].high, series.high)


async def test_reads_what_was_written(store: SeriesStore) -> None:
    """Samples of several assets come back by query and scan, in order of time, bit for bit."""
    rows = [
        ("acme", "press-07", "temperature", 2, 0.1 + 0.2),
        ("acme", "press-07", "temperature", 1, -1e-300),
        ("acme", "press-07", "speed", 1, 1e300),
        ("acme", "mill-01", "temperature", 1, 5.0),
    ]
    assert await store.write(*batch(rows), offset=7) == []
    assert await read(store, "acme", "press-07", "temperature") == {1: -1e-300, 2: 0.1 + 0.2}
    assert await read(store, "acme", "mill-01", "temperature") == {1: 5.0}
    found = await scanned(store, "acme")
    assert sorted(found) == sorted(rows)
    assert [row[3] for row in found] == [1, 1, 1, 2]
    assert await scanned(store, "acme", assets=["mill-01"]) == rows[3:]
    assert await scanned(store, "acme", start_ns=START_NS + 2 * NS_PER_S) == rows[:1]
    assert await scanned(store, "acme", end_ns=START_NS) == []
    assert await store.signals("acme", "press-07") == ["speed", "temperature"]


async def test_position_follows_the_write(store: SeriesStore) -> None:
    """A store that keeps its position knows the offset of the last write; one without, 0."""
    assert await store.position() == 0
    await store.write(*batch([("acme", "a", "x", 1, 1.0)]), offset=7)
    assert await store.position() == (7 if store.keeps_position else 0)
    await store.write(*batch([("acme", "a", "~score", 1, 1.0)]), offset=None)
    assert await store.position() == (7 if store.keeps_position else 0)
    await store.write(*batch([]), offset=9)
    assert await store.position() == (9 if store.keeps_position else 0)


async def test_writing_twice_changes_nothing(store: SeriesStore) -> None:
    """A batch again, whole or in part, under other slots and out of order, adds no sample."""
    rows = [("acme", "a", name, t, t + 0.5) for t in range(50) for name in ("x", "y")]
    await store.write(*batch(rows), offset=1)
    await store.write(*batch(rows), offset=1)
    await store.write(*batch([*rows[40:][::-1], ("acme", "a", "x", 50, 50.5)]), offset=2)
    expected = sorted([*rows, ("acme", "a", "x", 50, 50.5)])
    assert sorted(await scanned(store, "acme")) == expected


async def test_the_last_value_stands(store: SeriesStore) -> None:
    """Where an identity comes with another value, in one batch or later, the last stands."""
    await store.write(
        *batch([("acme", "a", "x", 1, 1.0), ("acme", "a", "x", 1, 2.0)]), offset=1
    )
    assert await read(store, "acme", "a", "x") == {1: 2.0}
    await store.write(
        *batch([("acme", "a", "x", 2, 9.0), ("acme", "a", "x", 1, 3.0)]), offset=2
    )
    assert await read(store, "acme", "a", "x") == {1: 3.0, 2: 9.0}


async def test_late_rows_find_their_place(store: SeriesStore) -> None:
    """Samples older than what is stored are added, and do not disturb what is there."""
    await store.write(*batch([("acme", "a", "x", t, 1.0) for t in range(10, 20)]), offset=1)
    await store.write(*batch([("acme", "a", "x", t, 2.0) for t in range(5, 12)]), offset=2)
    expected = {t: 2.0 if t < 12 else 1.0 for t in range(5, 20)}
    assert await read(store, "acme", "a", "x") == expected


async def test_missing_is_no_sample(store: SeriesStore) -> None:
    """NaN, "sent as missing", is neither stored nor refused."""
    refused = await store.write(
        *batch([("acme", "a", "x", 1, float("nan")), ("acme", "a", "x", 2, 2.0)]), offset=1
    )
    assert refused == []
    assert await read(store, "acme", "a", "x") == {2: 2.0}


async def test_refuses_rows_not_batches(store: SeriesStore) -> None:
    """Infinity and impossible times are refused by row with a reason; the rest is stored."""
    samples, slots = batch([("acme", "a", name, 1, 1.0) for name in "abcdef"])
    samples.value[1], samples.value[4] = np.inf, -np.inf
    samples.t_ns[2], samples.t_ns[3] = 9 * 10**18, -9 * 10**18
    refused = await store.write(samples, slots, offset=3)
    by_word = {each.reason.partition(":")[0]: each.rows.tolist() for each in refused}
    assert by_word == {"not-finite": [1, 4], "bad-time": [2, 3]}
    assert sorted(row[2] for row in await scanned(store, "acme")) == ["a", "f"]
    assert await store.position() == (3 if store.keeps_position else 0)


async def test_tenants_are_apart(store: SeriesStore) -> None:
    """The same asset and signal of two tenants are two series, and each sees only its own."""
    rows = [
        ("acme", "a", "x", 1, 1.0),
        ("other", "a", "x", 1, 2.0),
        ("other", "b", "x", 1, 3.0),
    ]
    await store.write(*batch(rows), offset=1)
    assert await read(store, "acme", "a", "x") == {1: 1.0}
    assert await read(store, "other", "a", "x") == {1: 2.0}
    assert await scanned(store, "acme") == rows[:1]
    assert await store.signals("acme", "b") == []


async def test_unknown_is_empty(store: SeriesStore) -> None:
    """Unknown tenants, assets, signals and empty ranges give nothing, and no error."""
    await store.write(*batch([("acme", "a", "x", 1, 1.0)]), offset=1)
    assert await store.query("nobody", "a", ["x"], **FOREVER) == {}
    assert await store.query("acme", "nothing", ["x"], **FOREVER) == {}
    assert await store.query("acme", "a", ["y"], **FOREVER) == {}
    assert await store.query("acme", "a", [], **FOREVER) == {}
    assert await store.query("acme", "a", ["x"], start_ns=START_NS, end_ns=START_NS) == {}
    assert await store.signals("nobody", "a") == []
    assert await scanned(store, "nobody") == []
    assert await scanned(store, "acme", assets=[]) == []


async def test_odd_names_are_names(store: SeriesStore) -> None:
    """Names with spaces, quotes, commas, umlauts and reserved beginnings stay what they are."""
    names = ["a b", "a,b=c", 'quo"te', "dröhnen", "~score", "$x", "${y}", "#1", "'; DROP", "_x"]
    rows = [("acme", name, name, 1, float(n)) for n, name in enumerate(names)]
    assert await store.write(*batch(rows), offset=1) == []
    assert sorted(await scanned(store, "acme")) == sorted(rows)
    for n, name in enumerate(names):
        assert await store.signals("acme", name) == [name]
        assert await read(store, "acme", name, name) == {1: float(n)}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(
        st.lists(st.integers(0, 5_000), max_size=60, unique=True), min_size=1, max_size=3
    ),
    points_max=st.integers(1, 50),
    limits=st.tuples(st.integers(0, 2_000), st.integers(3_000, 5_001)),
    seed=st.integers(0, 1_000),
)
async def test_reduces_as_the_oracle(
    store: SeriesStore,
    times: list[list[int]],
    points_max: int,
    limits: tuple[int, int],
    seed: int,
) -> None:
    """Means, least and greatest per bucket are those of its samples; never too many points."""
    values = np.random.default_rng(seed)
    asset = secrets.token_hex(8)
    signals = {
        f"s{n}": {t: float(values.normal()) for t in each} for n, each in enumerate(times)
    }
    rows = [
        ("acme", asset, name, t, v)
        for name, points in signals.items()
        for t, v in points.items()
    ]
    await store.write(*batch(rows), offset=1)
    low, high = (START_NS + each * NS_PER_S for each in limits)
    found = await store.query(
        "acme", asset, list(signals), start_ns=low, end_ns=high, points_max=points_max
    )
    inside = {
        name: {
            START_NS + t * NS_PER_S: [v]
            for t, v in points.items()
            if limits[0] <= t < limits[1]
        }
        for name, points in signals.items()
    }
    same(found, reduce(inside, points_max))
    assert all(len(series.t_ns) <= points_max for series in found.values())


async def test_keeps_means_of_what_is_old(store: SeriesStore) -> None:
    """Past `raw_days` samples become means with least and greatest; queries go over both."""
    day = 86_400
    rows = [("acme", "a", "x", t, float(t % 7)) for t in range(0, 4 * day, 600)]
    await store.write(*batch(rows), offset=1)
    now_ns = START_NS + 4 * day * NS_PER_S
    before = await store.query("acme", "a", ["x"], **FOREVER, points_max=4)
    kept = Retention(raw_days=2, downsample_s=3_600)
    await store.keep(kept, now_ns=now_ns)
    assert min(row[3] for row in await scanned(store, "acme")) >= 2 * day - 3_600
    found = (await store.query("acme", "a", ["x"], **FOREVER, points_max=1_000))["x"]
    old = found.t_ns < START_NS + (2 * day - 3_600) * NS_PER_S
    assert 48 <= old.sum() <= 50
    assert found.low[old].max() <= found.mean[old].min() + 6
    assert (found.low[old] < found.mean[old]).all()
    assert (found.high[old] > found.mean[old]).all()
    after = await store.query("acme", "a", ["x"], **FOREVER, points_max=4)
    np.testing.assert_array_equal(before["x"].low, after["x"].low)
    np.testing.assert_array_equal(before["x"].high, after["x"].high)
    assert await store.keep(kept, now_ns=now_ns) == 0


async def test_drops_what_is_very_old(store: SeriesStore) -> None:
    """Past `downsampled_days` the means go too; with 0 everything is kept for ever."""
    day = 86_400
    rows = [("acme", "a", "x", t * day, 1.0) for t in range(10)]
    await store.write(*batch(rows), offset=1)
    now_ns = START_NS + 10 * day * NS_PER_S
    assert await store.keep(Retention(raw_days=0), now_ns=now_ns) == 0
    assert len(await read(store, "acme", "a", "x")) == 10
    await store.keep(Retention(raw_days=2, downsampled_days=5), now_ns=now_ns)
    left = await read(store, "acme", "a", "x")
    assert min(left) > 4 * day
    assert len(left) in {4, 5}


async def test_says_what_it_is(store: SeriesStore) -> None:
    """Its name and a version answer a ping."""
    name, _, version = (await store.ping()).partition(" ")
    assert name
    assert version
