"""What a demo keeps, and what its header may do."""

from pathlib import Path

import pytest

from bridge.app.demo_state import (
    SEATS,
    DemoControl,
    Memory,
    check_room,
    clear,
    default_folder,
)
from bridge.flow.clock import ScaledClock
from bridge.model.errors import ConflictError, UnavailableError
from simulators.catalog import catalog

S = 1_000_000_000


class Wrist:
    """Real seconds that a test lets pass."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        """Return them."""
        return self.s


def memory(**more: object) -> Memory:
    """Give a memory of a demo at its start."""
    return Memory(1, "all", 0, 100 * S, 100 * S, 90 * S, **more)  # type: ignore[arg-type]


def test_memory_comes_back_as_it_was(tmp_path: Path) -> None:
    """What is saved is what the next run reads."""
    kept = memory(live=True, repairs=[("m-1", 5 * S)], taken=["fe-jonas"], events=7)
    kept.save(tmp_path / "demo.json")
    assert Memory.load(tmp_path / "demo.json") == kept
    assert Memory.load(tmp_path / "other.json") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"seed": 1}', "not json"])
def test_a_memory_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    """A file that this version did not write is named, with the way out."""
    (tmp_path / "demo.json").write_text(text)
    with pytest.raises(ConflictError, match=r"demo\.json is not of this version.*--fresh"):
        Memory.load(tmp_path / "demo.json")


def test_a_memory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder that is gone is one error that a person can read."""
    with pytest.raises(UnavailableError, match=r"demo\.json"):
        memory().save(tmp_path / "gone" / "demo.json")


def test_the_clock_runs_only_when_live_and_neither_paused_nor_held() -> None:
    """History, pause and a detection that is behind each hold the clock."""
    real, kept = Wrist(), memory(speed=600.0)
    clock = ScaledClock(kept.now_ns, speed=0.0, monotonic=real)
    control = DemoControl(clock, kept)

    def seconds(step: float) -> float:
        before_ns = clock.now_ns()
        real.s += step
        return (clock.now_ns() - before_ns) / S

    control.apply()
    assert seconds(1) == 0
    assert control.state().phase == "history"
    kept.live = True
    control.apply()
    assert seconds(1) == 600
    control.pause()
    assert seconds(1) == 0
    assert control.state().paused
    control.hold(held=True)
    control.resume()
    assert seconds(1) == 0
    control.run_at(60)
    assert seconds(1) == 0
    control.hold(held=False)
    assert seconds(1) == 60


@pytest.mark.parametrize(("asked", "got"), [(0.0, 1.0), (1e9, 20_000.0), (2_000.0, 2_000.0)])
def test_speeds_stay_within_reason(asked: float, got: float) -> None:
    """A speed outside 1 to 20,000 is brought back to it."""
    kept = memory()
    DemoControl(ScaledClock(0, speed=0), kept).run_at(asked)
    assert kept.speed == got


def test_a_visitor_takes_a_seat_and_a_colleague_does_not() -> None:
    """An act in a colleague's own request takes nobody's seat; a visitor's does, once."""
    kept = memory()
    control = DemoControl(ScaledClock(0, speed=0), kept)
    control.acting.add("fe-jonas")
    control.take_seat("fe-jonas")
    assert control.taken() == set()
    control.acting.clear()
    control.take_seat("fe-jonas")
    control.take_seat("fe-jonas")
    assert kept.taken == ["fe-jonas"]


def test_the_seats_are_people_of_the_fleet_in_those_roles() -> None:
    """One click signs in as somebody who is in the catalog, in the role that it says."""
    roles = {person["id"]: person["role"] for person in catalog()["people"]}
    assert {role: roles[person] for role, person in SEATS.items()} == {
        role: role for role in SEATS
    }


def test_fresh_removes_only_what_a_demo_made(tmp_path: Path) -> None:
    """A folder that holds other things keeps them."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "records.db").write_text("x")
    (tmp_path / "broker").mkdir()
    (tmp_path / "demo.json").write_text("{}")
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "photos").mkdir()
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", "photos"}
    clear(tmp_path)


def test_every_seed_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Demos of two seeds, or without faults, do not meet."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    folders = {default_folder(1, "all"), default_folder(2, "all"), default_folder(1, "none")}
    assert len(folders) == 3
    assert default_folder(1, "all") == Path("/cache/bridge/demo/seed-1")


def test_no_room_is_told_before_anything_starts(tmp_path: Path) -> None:
    """A place that is no folder is named."""
    check_room(tmp_path / "new" / "place")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="file"):
        check_room(tmp_path / "file" / "below")
