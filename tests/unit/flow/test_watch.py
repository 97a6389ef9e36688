"""The watch from the journal to the inbox, over restarts, repeats, repairs and absences."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from bridge.codec import blob
from bridge.flow.clock import ScaledClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Entry
from bridge.flow.watch import Watch, WatchOptions
from bridge.model.catalog import Catalog
from bridge.model.control import CatalogControl, RepairControl
from bridge.model.detections import Detection, derive_id
from bridge.model.instants import NS_PER_S, as_datetime
from bridge.model.samples import Samples
from bridge.model.slots import SlotTable
from tests.fakes.journal import FakeJournal
from tests.fakes.records import FakeCatalogs, FakeInbox, Shelf
from tests.fakes.series import FakeSeries

START_S = 1_780_000_000 - 1_780_000_000 % 86_400
HOUR_S = 3_600
ROWS = 560
ONSET = 330
FACTORY = ("p-1", "p-2", "p-3")
CATALOG = Catalog.model_validate(
    {
        "tenant": "acme",
        "accounts": [{"id": "works", "name": "Works"}],
        "sites": [{"id": "hall", "account": "works", "name": "Hall"}],
        "models": [
            {
                "id": "pump",
                "name": "Pump",
                "signals": [
                    {"name": "load", "role": "setting", "every_s": HOUR_S},
                    {"name": "vibration", "every_s": HOUR_S},
                    {"name": "temp", "every_s": HOUR_S},
                ],
                "failure_modes": [
                    {
                        "id": "wear",
                        "name": "Wear",
                        "plain": "wears",
                        "signature": [{"signal": "vibration", "direction": "up"}],
                    }
                ],
            }
        ],
        "assets": [
            {"id": name, "model": "pump", "site": "hall", "gateway": "gw"} for name in FACTORY
        ],
    }
)
FAST = WatchOptions(snapshot_every_s=0.0, status_every_s=0.0, idle_s=0.01)


def readings(*, wear: bool = True, seed: int = 0) -> np.ndarray:
    """Return rows of three machines, (rows, 3, 3); the second wears from `ONSET` on."""
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.uniform(50, 90, (ROWS // 4 + 1, 3)), 4, axis=0)[:ROWS]
    value = np.empty((ROWS, 3, 3))
    value[:, :, 0] = load
    value[:, :, 1] = (1.0 + 0.01 * load) * np.exp(rng.normal(0, 0.03, load.shape))
    value[:, :, 2] = 30 + 0.2 * load + rng.normal(0, 0.4, load.shape)
    if wear:
        grown = np.clip((np.arange(ROWS) - ONSET) / 200, 0, None) ** 1.5
        value[:, 1, 1] *= 1 + 1.5 * grown
    return value


@dataclass
class World:
    """A journal, an inbox and a watch between them."""

    folder: Path
    journal: FakeJournal = field(default_factory=FakeJournal)
    shelf: Shelf = field(default_factory=Shelf)
    catalogs: FakeCatalogs = field(default_factory=FakeCatalogs)
    series: FakeSeries = field(default_factory=FakeSeries)
    metrics: Metrics = field(default_factory=Metrics)
    table: SlotTable = field(default_factory=SlotTable)
    clock: ScaledClock = field(
        default_factory=lambda: ScaledClock(START_S * NS_PER_S, speed=0.0)
    )

    def __post_init__(self) -> None:
        self.inbox = FakeInbox(self.shelf, {})

    async def adopt(self) -> None:
        """Put the catalog and say so in the journal."""
        version = await self.catalogs.put(CATALOG)
        control = CatalogControl(
            id=derive_id("c", version), tenant="acme", at=at(0), version=version
        )
        await self.control(control)

    async def control(self, record) -> None:
        """Append a control record."""
        body = record.model_dump_json(by_alias=True).encode()
        await self.journal.append([Entry("control", "acme", body)])

    async def send(self, value: np.ndarray, start: int, end: int, names=FACTORY) -> None:
        """Append rows [start, end) of all machines in blobs of 20 rows."""
        signals = ("load", "vibration", "temp")
        for first in range(start, end, 20):
            rows = np.arange(first, min(first + 20, end))
            slots = np.array(
                [[self.table.slot("acme", name, each) for each in signals] for name in names],
                np.int32,
            )
            shape = (rows.size, *slots.shape)
            t_ns = (START_S + rows * HOUR_S) * NS_PER_S
            samples = Samples(
                np.broadcast_to(slots, shape).ravel().astype(np.int32),
                np.broadcast_to(t_ns[:, None, None], shape).ravel().astype(np.int64),
                value[rows].ravel(),
                int(t_ns[-1]) + NS_PER_S,
            )
            await self.journal.append(
                [Entry("samples", "acme", blob.encode(samples))],
                slots=self.table.take_fresh(),
            )
            self.clock.move_to(samples.receive_ns)

    async def watch(self, *, settle_s: float = 0.2, options: WatchOptions = FAST) -> Watch:
        """Run a watch until it has put everything, then stop it."""
        watch = Watch(
            journal=self.journal,
            inbox=self.inbox,
            catalogs=self.catalogs,
            series=self.series,
            clock=self.clock,
            metrics=self.metrics,
            folder=self.folder,
            options=options,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch.run())
            async with asyncio.timeout(60):
                # A fake inbox tells nobody when something was put.
                while self.inbox.offsets.get("watch", 0) < len(self.journal.records):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.sleep(settle_s)
            task.cancel()
        return watch

    def said(self, *types: str) -> list[Detection]:
        """Return what was said, of some types."""
        return [each for each in self.shelf.detections if each.type in types]

    def counted(self, reason: str) -> float:
        """Return how many samples were not watched for a reason."""
        name = "bridge_late_total"
        return self.metrics.registry.get_sample_value(name, {"reason": reason}) or 0.0

    def status(self, asset: str):
        """Return how an asset stands."""
        return next(each for each in self.shelf.statuses["acme"] if each.asset == asset)


def at(row: int):
    """Return the time of a row."""
    return as_datetime((START_S + row * HOUR_S) * NS_PER_S)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world without a past."""
    return World(tmp_path / "snapshots")


async def test_wear_becomes_a_prediction(world: World) -> None:
    """The machine that wears is predicted, by its mode, and the others are left alone."""
    await world.adopt()
    await world.send(readings(), 0, ROWS)
    await world.watch()
    told = world.said("prediction", "anomaly")
    assert {each.asset for each in told} == {"p-2"}
    prediction = world.said("prediction")[0]
    assert prediction.mode == "wear"
    assert at(ONSET) < prediction.at < at(ONSET + 120)
    assert prediction.baseline == "learned"
    assert prediction.evidence is not None
    assert world.status("p-2").condition == "degrading"
    assert world.status("p-1").condition == "normal"
    assert (
        world.status("p-1").signals["temp"]["low"]
        < world.status("p-1").signals["temp"]["value"]
    )


async def test_predictions_are_not_chatter(world: World) -> None:
    """No asset is predicted twice within an hour, nor without news."""
    await world.adopt()
    await world.send(readings(), 0, ROWS)
    await world.watch()
    times = [each.at for each in world.said("prediction")]
    assert len(set(times)) == len(times)
    for a, b in zip(world.said("prediction"), world.said("prediction")[1:], strict=False):
        news = (
            (a.p10, a.p50, a.p90) != (b.p10, b.p50, b.p90),
            a.quality != b.quality,
            a.confidence != b.confidence,
        )
        assert any(news)


@pytest.mark.parametrize("cut", [100, 350, 470])
async def test_a_restart_says_nothing_new(world: World, tmp_path: Path, cut: int) -> None:
    """Stopped anywhere and started again, the watch says what it would have said, once each."""
    value = readings()
    plain = World(tmp_path / "other")
    await plain.adopt()
    await plain.send(value, 0, ROWS)
    await plain.watch()
    await world.adopt()
    await world.send(value, 0, cut)
    await world.watch()
    assert list(world.folder.glob("*.npz"))
    await world.send(value, cut, ROWS)
    await world.watch()
    kinds = ("prediction", "anomaly", "cleared", "data-quality")
    found = Counter(each.id for each in world.said(*kinds))
    assert found == Counter(each.id for each in plain.said(*kinds))


async def test_an_unusable_snapshot_is_learned_again(world: World, tmp_path: Path) -> None:
    """Without a usable snapshot the state is learned again, and nothing is repeated."""
    value = readings()
    plain = World(tmp_path / "other")
    await plain.adopt()
    await plain.send(value, 0, ROWS)
    await plain.watch()
    await world.adopt()
    await world.send(value, 0, 400)
    await world.watch()
    for path in world.folder.glob("*.npz"):
        path.write_bytes(b"torn")
    await world.send(value, 400, ROWS)
    await world.watch()
    kinds = ("prediction", "anomaly", "cleared")
    found = Counter(each.id for each in world.said(*kinds))
    assert found == Counter(each.id for each in plain.said(*kinds))


async def test_what_is_sent_twice_counts_once(world: World, tmp_path: Path) -> None:
    """Every blob delivered twice changes nothing but a counter."""
    value = readings()
    plain = World(tmp_path / "other")
    for each, times in ((plain, 1), (world, 2)):
        await each.adopt()
        for start in range(0, ROWS, 20):
            for _ in range(times):
                await each.send(value, start, start + 20)
        await each.watch()
    assert [each.id for each in world.said("prediction")] == [
        each.id for each in plain.said("prediction")
    ]
    assert world.counted("repeat") + world.counted("late") == ROWS * 9


async def test_a_repair_ends_what_was_predicted(world: World) -> None:
    """After a repair the prediction is cleared and the machine learns anew."""
    await world.adopt()
    value = readings()
    await world.send(value, 0, 480)
    repair = RepairControl(id=derive_id("r"), tenant="acme", at=at(480), asset="p-2")
    await world.control(repair)
    value[480:, 1] = readings(wear=False)[480:, 1]
    await world.send(value, 480, ROWS)
    await world.watch()
    cleared = [each for each in world.said("cleared") if each.asset == "p-2"]
    assert [(each.mode, each.reason) for each in cleared] == [("wear", "repaired")]
    assert max(each.at for each in world.said("prediction")) < at(481)
    assert world.status("p-2").condition == "learning"


async def test_a_gateway_that_goes_away_is_one_event(world: World) -> None:
    """A silent gateway is told once, its machines are offline, and its return is told once."""
    await world.adopt()
    value = readings(wear=False)
    await world.send(value, 0, 60)
    await world.watch()
    world.clock.move_to((START_S + 70 * HOUR_S) * NS_PER_S)
    # The watch was away as well: it grants a grace, and only then misses anybody.
    await world.watch()
    assert world.said("connectivity") == []
    async with asyncio.TaskGroup() as group:
        group.create_task(_later(world, 80), name="later")
        await world.watch(settle_s=0.6)
    away = world.said("connectivity")
    assert [(each.state, each.gateway) for each in away] == [("offline", "gw")]
    assert {world.status(name).condition for name in FACTORY} == {"offline"}
    await world.send(value, 81, 90)
    await world.watch()
    assert [each.state for each in world.said("connectivity")] == ["offline", "online"]
    assert world.status("p-1").condition == "learning"
    assert world.said("prediction", "anomaly") == []


async def _later(world: World, row: int) -> None:
    await asyncio.sleep(0.2)
    world.clock.move_to((START_S + row * HOUR_S) * NS_PER_S)


async def test_a_stuck_sensor_is_no_machine_fault(world: World) -> None:
    """A sensor that freezes is a data-quality event with its signal, and nothing else."""
    await world.adopt()
    value = readings(wear=False)
    value[400:460, 0, 2] = value[400, 0, 2]
    await world.send(value, 0, ROWS)
    await world.watch()
    events = world.said("data-quality")
    assert [(each.asset, each.signal, each.kind, each.active) for each in events] == [
        ("p-1", "temp", "sensor-fault", True),
        ("p-1", "temp", "sensor-fault", False),
    ]
    assert world.said("prediction", "anomaly") == []


async def test_a_stranger_is_watched(world: World) -> None:
    """An asset without a catalog is watched with the signals it sends, and shown as unknown."""
    await world.send(readings(wear=False), 0, 80)
    await world.watch()
    status = world.status("p-1")
    assert not status.known
    assert set(status.signals) == {"load", "vibration", "temp"}
    assert status.condition == "learning"


async def test_the_future_moves_nothing(world: World) -> None:
    """A sample from the future is counted and the rows after it are watched as ever."""
    await world.adopt()
    value = readings(wear=False)
    await world.send(value, 0, 40)
    slot = world.table.slot("acme", "p-1", "temp")
    later = Samples(
        np.array([slot], np.int32),
        np.array([(START_S + 10**6 * HOUR_S) * NS_PER_S], np.int64),
        np.array([1.0]),
        world.clock.now_ns(),
    )
    await world.journal.append([Entry("samples", "acme", blob.encode(later))])
    await world.send(value, 40, 80)
    await world.watch()
    assert world.counted("future") == 1
    assert world.status("p-1").at == at(79)


async def test_derived_series_are_written(world: World) -> None:
    """Score and health go to the series store under their reserved names."""
    await world.adopt()
    await world.send(readings(), 0, ROWS)
    await world.watch()
    names = set(await world.series.signals("acme", "p-2"))
    assert {"~score", "~health"} <= names
