"""The whole service killed again and again while machines send: nothing lost, nothing twice."""

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators.load import Load, LoadReport
from simulators.load import run as send_load
from tests.servers import Mosquitto
from tests.servers_mqtt import publish_many
from tests.system.running import Running, bridge
from tests.system.serving import ALL, BEGIN_NS, CATALOG, Plant

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

KILLS = 4
OFTEN = "[watch]\nsnapshot_every_s = 1.0\nstatus_every_s = 0.5\n"
"""Snapshots so often that each life begins from another one."""

LOAD_COUNT, LOAD_MACHINES = 12_000, 10
EVERY_S = 1_800
ROWS = 1_000
ASSETS = ("m-1", "m-2", "m-3", "m-4")
FAILING = ("m-2", "m-4")


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Something that sends while the test kills."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def kill_while(plant: Plant, sending: Future[Any], seed: int) -> int:
    """Start and kill services at random moments, also while they start; give how many."""
    moments = np.random.default_rng(seed)
    kills = 0
    while kills < KILLS or not sending.done():
        run = plant.serve()
        ready = run.client.get
        if kills % 2:
            time.sleep(moments.uniform(0.5, 2.5))
        else:
            run.wait(lambda get=ready: get("/readyz").is_success, 40, "ready")
            time.sleep(moments.uniform(0.1, 1.5))
        run.client.close()
        run.process.kill()
        run.process.wait(10)
        kills += 1
    return kills


def caught_up(plant: Plant, run: Running, assets: list[str], count: int) -> bool:
    """Whether every machine's rows are in the store, and detection is done with them."""
    items = {each["id"]: each for each in run.get("assets")["items"]}
    for asset in assets:
        if asset not in items:
            return False
        found = run.get(f"assets/{asset}/series", **ALL)["signals"].values()
        if not found or any(len(each["time"]) < count for each in found):
            return False
    return plant.handled()


def test_no_sample_is_lost_or_doubled(
    mosquitto: Mosquitto, aside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """Every message that the broker acknowledged is in the series store exactly once."""
    plant = Plant(tmp_path, mosquitto, OFTEN)
    plant.let_in()
    with plant.serving():
        pass  # now the broker holds its session
    load = Load(
        port=mosquitto.port, username="simulator", password="simulator",
        client_id=f"load-{secrets.token_hex(4)}", topic=f"{plant.topic}/{{machine}}/telemetry",
        machines=LOAD_MACHINES, signals=2, count=LOAD_COUNT, rate=1_000, start_ns=BEGIN_NS,
        step_ms=1_000,
    )  # fmt: skip
    sending: Future[LoadReport] = aside.submit(send_load, load)
    kills = kill_while(plant, sending, seed=1)
    assert sending.result().acknowledged == LOAD_COUNT
    machines = [f"press-{number:04d}" for number in range(LOAD_MACHINES)]
    each = LOAD_COUNT // LOAD_MACHINES
    with plant.serving() as run:
        run.wait(lambda: caught_up(plant, run, machines, each), 60, "all of it")
    assert kills >= KILLS
    assert plant.stored() == {
        (machine, signal): list(range(each))
        for machine in machines
        for signal in ("temp", "vib")
    }


def lives(end_s: int) -> list[tuple[str, bytes]]:
    """Rows of some machines, in order of time; two wear out in the second half."""
    chance = np.random.default_rng(7)
    steps = np.arange(ROWS)
    worn = 0.0008 * np.maximum(steps - ROWS / 2, 0) ** 1.5
    columns = {
        asset: (
            10 + chance.normal(0, 0.3, ROWS) + (worn if asset in FAILING else 0),
            50 + chance.normal(0, 1, ROWS),
        )
        for asset in ASSETS
    }
    return [
        (asset, _row(end_s - (ROWS - 1 - step) * EVERY_S, float(a[step]), float(b[step])))
        for step in range(ROWS)
        for asset, (a, b) in columns.items()
    ]


def _row(at_s: int, a: float, b: float) -> bytes:
    return json.dumps({"ts": at_s * 1_000, "values": {"a": a, "b": b}}).encode()


def adopted(plant: Plant) -> None:
    """Bring the machines' catalog, and wait until detection will meet it first."""
    assets = "".join(f"  - {{id: {each}, model: HX450, site: bremen}}\n" for each in ASSETS[1:])
    rate = f", every_s: {EVERY_S}}}"
    text = CATALOG.replace("name: a}", f"name: a{rate}").replace("name: b}", f"name: b{rate}")
    (plant.folder / "catalog.yaml").write_text(text + assets)
    with plant.serving() as run:
        brought = bridge(
            "catalog", "import", plant.folder / "catalog.yaml",
            "--url", f"http://127.0.0.1:{plant.port}", "--token", plant.token,
        )  # fmt: skip
        assert brought.returncode == 0, brought.stderr
        run.wait(lambda: plant.controls() == ["catalog"], 20, "the catalog's control record")


def outcome(plant: Plant) -> dict[str, list[tuple]]:
    """What the desk made of it, without what depends on the clock on the wall."""
    return {
        "detections": plant.records("SELECT id, asset, type, body FROM detection ORDER BY id"),
        "cases": plant.records("SELECT asset, mode, id, state FROM desk_case ORDER BY 1, 2, 3"),
        "events": plant.records(
            "SELECT type, id, case_id FROM event WHERE case_id IS NOT NULL ORDER BY 1, 2"
        ),
        "letters": plant.records(
            'SELECT kind, "to", channel, id, state FROM outbox WHERE case_id IS NOT NULL '
            "ORDER BY 1, 2, 3, 4"
        ),
    }


def test_cases_are_those_of_an_undisturbed_run(
    mosquitto: Mosquitto, aside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """Killed at random moments, the service comes to the same events, cases and letters."""
    rows = lives(int(time.time()))  # noqa: TID251 - machines stamp by the same clock as ever
    outcomes = []
    for name, during in (("calm", None), ("killed", kill_while)):
        plant = Plant(tmp_path / name, mosquitto, OFTEN)
        plant.let_in()
        adopted(plant)
        sending = aside.submit(pour, plant, rows)
        if during:
            assert during(plant, sending, seed=2) >= KILLS
        with plant.serving() as run:
            sending.result()
            run.wait(lambda: caught_up(plant, run, list(ASSETS), ROWS), 60, "all of it")  # noqa: B023
        stored = plant.stored()
        assert all(len(times) == len(set(times)) == ROWS for times in stored.values())
        outcomes.append(outcome(plant))
    calm, killed = outcomes
    assert {asset for asset, *_ in calm["cases"]} == set(FAILING)
    assert killed == calm


def pour(plant: Plant, rows: list[tuple[str, bytes]]) -> None:
    """Send all rows in order, in the time of some kills."""
    for first in range(0, len(rows), 100):
        portion = rows[first : first + 100]
        publish_many(
            plant.broker, [(f"{plant.topic}/{a}/telemetry", body) for a, body in portion]
        )
        time.sleep(0.2)
