"""The demo, as a visitor starts it: real broker, real MQTT, real detection."""

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bridge.app.demo import DemoOptions, open_demo
from bridge.flow.ports import CaseFilter
from bridge.model.case import Case
from tests.servers import free_port
from tests.system.running import Running, bridge, demo

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

FIRST_CASE_S = 90.0
STOP_S = 5.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start demos in one folder; what still runs at the end is stopped."""
    runs: list[Running] = []

    def begin(*words: str) -> Running:
        runs.append(demo(tmp_path, *words))
        return runs[-1]

    yield begin
    for run in runs:
        run.stop(signal.SIGKILL)


def both_tasks(run: Running) -> list[dict]:
    """Give the open cases that have a task for either side."""
    cases = run.get("cases", open="true", limit=200)["items"]
    return [case for case in cases if case["tasks"]["engineering"] and case["tasks"]["sales"]]


def by_asset(run: Running) -> list[tuple[str, str, int]]:
    """Give every case that ever was, as asset, mode and episode."""
    cases = run.get("cases", limit=200)["items"]
    return sorted((case["asset"], str(case["mode"]), case["episode"]) for case in cases)


def test_a_visitor_sees_a_case_and_acts_on_it(start: Callable[..., Running]) -> None:
    """Within 90 s a case with both tasks is there, both owners told; then it goes live."""
    run = start("--seed", "1")
    case = run.wait(lambda: both_tasks(run), FIRST_CASE_S, "a case with both tasks")[0]
    assert run.age_s < FIRST_CASE_S
    owners = {case["tasks"][side]["owner"] for side in ("engineering", "sales")}

    def told() -> bool:
        sent = run.get(f"cases/{case['id']}/notifications")["items"]
        return owners <= {each["to"] for each in sent if each["state"] == "sent"}

    run.wait(told, 10, "both owners told")
    run.wait(lambda: "Live" in run.told(), 120, "live")
    case = run.get(f"cases/{case['id']}")
    answer = run.act(
        case["id"], "demo:engineer", do="confirm-finding", finding="Heard it myself."
    )
    assert answer.status_code == 200, answer.text
    assert run.get(f"cases/{case['id']}")["finding_confirmed"]
    assert run.stop() < STOP_S
    assert run.process.returncode == 0
    assert "goes on where it was" in run.told()
    assert "Traceback" not in run.told()


def test_it_goes_on_where_it_was(start: Callable[..., Running]) -> None:
    """Stopped in history, killed when live: clock and cases go on, no second case appears."""
    run = start("--seed", "2")
    half = run.wait(lambda: _memory(run, played=True), 60, "some days played")
    assert run.stop(signal.SIGTERM) < STOP_S
    stopped = _memory(run)
    assert not stopped["live"]
    run = start("--seed", "2")
    live = run.wait(lambda: _memory(run)["live"] and _memory(run), 150, "live")
    assert live["start_ns"] == half["start_ns"]
    assert live["history_end_ns"] == half["history_end_ns"]
    run.wait(lambda: by_asset(run), 30, "cases")
    time.sleep(2)
    cases, now_ns = by_asset(run), _memory(run)["now_ns"]
    run.stop(signal.SIGKILL)
    run = start("--seed", "2", "--speed", "1")
    again = run.wait(lambda: by_asset(run), 40, "the cases of before")
    assert again == cases
    assert _memory(run)["now_ns"] >= now_ns
    lasting = [case["asset"] for case in run.get("cases", open="true", limit=200)["items"]]
    assert len(set(lasting)) == len(lasting)


def _memory(run: Running, *, played: bool = False) -> dict:
    """Give what the demo has written of itself; nothing while it has not, or played no day."""
    path = run.log.parent / "demo" / "demo.json"
    memory = json.loads(path.read_text()) if path.exists() else {}
    return memory if not played or memory.get("now_ns", 0) > memory.get("start_ns", 0) else {}


def test_colleagues_act_on_free_seats_and_repair(start: Callable[..., Running]) -> None:
    """Nobody sits down: the colleagues bring a case to its end and the machine is repaired."""
    run = start("--seed", "1", "--speed", "6000")

    def closed() -> list[dict]:
        cases = run.get("cases", limit=200)["items"]
        return [case for case in cases if case["state"] == "closed" and case["told_at"]]

    case = run.wait(closed, 240, "a case that colleagues closed")[0]
    events = run.get(f"cases/{case['id']}/events", limit=500)["items"]
    done = [event["do"] for event in events if event["type"] == "acted"]
    for act in ("acknowledge", "confirm-finding", "confirm-message", "inform", "execute"):
        assert act in done
    assert done.index("confirm-message") < done.index("inform")
    repairs = _memory(run)["repairs"]
    assert case["asset"] in {asset for asset, _ in repairs}


async def played(options: DemoOptions) -> list[Case]:
    """Play a history from beginning to end and return every case that it opened."""
    console = Console(stderr=True)
    async with open_demo(options, console) as run:
        await run.history()
        page = await run.service.views.cases("default", CaseFilter(), limit=200)
        assert page.next is None
        statuses = await run.service.views.statuses("default")
        assert len(statuses) == 24
        assert all(status.learned == 1 for status in statuses)
        return page.items


def test_thirty_healthy_days_open_no_case(tmp_path: Path) -> None:
    """With --faults none loads step and weather changes, and nobody is called."""
    options = DemoOptions(faults="none", folder=tmp_path, port=free_port(), history_days=30)
    cases = asyncio.run(played(options))
    assert [(case.asset, case.mode) for case in cases] == []


def test_another_seed_has_another_first_case(tmp_path: Path) -> None:
    """Each seed's history opens a case with both tasks, and not the same one first."""
    first = set()
    for seed in (1, 3):
        options = DemoOptions(seed, folder=tmp_path / str(seed), port=free_port())
        cases = asyncio.run(played(options))
        full = sorted((case for case in cases if case.sales), key=lambda case: case.opened_at)
        assert full, f"seed {seed}: no case with both tasks among {len(cases)}"
        first.add((full[0].asset, full[0].mode, full[0].opened_at))
    assert len(first) == 2


def test_what_cannot_run_says_so_in_one_line(
    tmp_path: Path, start: Callable[..., Running]
) -> None:
    """A taken port, a second demo on one folder, a folder that is none, another's folder."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = bridge("demo", "--port", str(port), "--folder", tmp_path / "other")
        assert _one_line(answer).startswith(f"bridge: port {port} is taken")
    (tmp_path / "file").write_text("")
    answer = bridge("demo", "--port", str(free_port()), "--folder", tmp_path / "file")
    assert str(tmp_path / "file") in _one_line(answer)
    run = start()
    run.wait(lambda: run.get("assets")["items"], 30, "assets")
    answer = bridge("demo", "--port", str(free_port()), "--folder", tmp_path / "demo")
    assert "in use as 'demo'" in _one_line(answer)
    run.stop()
    answer = bridge(
        "demo", "--seed", "9", "--port", str(free_port()), "--folder", tmp_path / "demo"
    )
    assert "holds a demo with --seed 1 --faults all" in _one_line(answer)


def _one_line(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    lines = [line for line in answer.stderr.splitlines() if line.startswith("bridge: ")]
    assert len(lines) == 1, answer.stderr
    return lines[0]
