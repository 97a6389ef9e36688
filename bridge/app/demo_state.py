"""What a demo keeps between its runs, and what the page's header sees of it."""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.flow.clock import ScaledClock
from bridge.flow.ports import DemoState
from bridge.model.errors import ConflictError, UnavailableError
from bridge.model.instants import as_datetime

SPEED_MIN, SPEED_MAX = 1.0, 20_000.0
DEFAULT_SPEED = 600.0
FREE_BYTES_MIN = 300 * 1024 * 1024
"""A demo of some hours fits in; less than this is told before anything is started."""

SEATS = {
    "engineer": "fe-jonas",
    "account-manager": "am-lena",
    "coordinator": "co-dana",
    "operator": "op-alex",
}
"""Person by role, for the sign-in by one click."""

_OURS = ("demo.json", "demo.new", "data", "broker")
"""All that a demo makes in its folder; nothing else is ever removed there."""


@dataclass(slots=True)
class Memory:
    """What survives a restart of the demo.

    Attributes
    ----------
    seed, faults : int, str
        Which fleet.
    start_ns, history_end_ns : int
        When its life begins, and where history ends and live begins.
    now_ns : int
        The demo's clock.
    fed_ns : int
        Everything measured before has been sent.
    speed, live, paused : float, bool, bool
        How the clock runs.
    events : int
        Number of the last desk event that was looked at.
    repairs : list of (asset, time)
        All that were made.
    taken : list of str
        Persons whose seats visitors have taken.
    """

    seed: int
    faults: str
    start_ns: int
    history_end_ns: int
    now_ns: int
    fed_ns: int
    speed: float = DEFAULT_SPEED
    live: bool = False
    paused: bool = False
    events: int = 0
    repairs: list[tuple[str, int]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Replace the file in one step, so that a kill leaves the old one or the new one.

        Raises
        ------
        UnavailableError
            It cannot be written.
        """
        fresh = path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(asdict(self)), "utf-8")
            fresh.replace(path)
        except OSError as error:
            raise UnavailableError("demo", f"{path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path) -> "Memory | None":
        """Return what an earlier run left, or None.

        Raises
        ------
        ConflictError
            The file was left by something else.
        """
        if not path.exists():
            return None
        try:
            tree = json.loads(path.read_text("utf-8"))
            tree["repairs"] = [(asset, int(t_ns)) for asset, t_ns in tree["repairs"]]
            return cls(**tree)
        except (ValueError, TypeError, KeyError) as error:
            raise ConflictError(
                f"{path} is not of this version of the demo ({error}); --fresh starts anew"
            ) from error


class DemoControl:
    """The demo's clock and seats (the `Demo` port).

    Attributes
    ----------
    progress : float
        Share of the history that has been played.
    acting : set of str
        Persons in whose name a simulated colleague's request is under way: no visitor's act.
    """

    def __init__(self, clock: ScaledClock, memory: Memory) -> None:
        self._clock = clock
        self._memory = memory
        self._held = False
        self.progress = 1.0 if memory.live else 0.0
        self.acting: set[str] = set()

    def state(self) -> DemoState:
        """Return the clock, the phase and the seats."""
        return DemoState(
            now=as_datetime(self._clock.now_ns()),
            speed=self._memory.speed,
            paused=self._memory.paused,
            phase="live" if self._memory.live else "history",
            progress=self.progress,
            seats=SEATS,
        )

    def run_at(self, speed: float) -> None:
        """Run at so many simulated seconds per second."""
        self._memory.speed = min(max(speed, SPEED_MIN), SPEED_MAX)
        self.apply()

    def pause(self) -> None:
        """Stand still."""
        self._memory.paused = True
        self.apply()

    def resume(self) -> None:
        """Go on at the last speed."""
        self._memory.paused = False
        self.apply()

    def take_seat(self, person: str) -> None:
        """Let a visitor act as this person; the simulated colleague steps aside."""
        if person not in self.acting and person not in self._memory.taken:
            self._memory.taken.append(person)

    def taken(self) -> set[str]:
        """Return whose seats visitors have taken."""
        return set(self._memory.taken)

    def hold(self, *, held: bool) -> None:
        """Let the clock wait for detection, or go on."""
        self._held = held
        self.apply()

    def apply(self) -> None:
        """Let the clock run as memory and detection say."""
        runs = self._memory.live and not self._memory.paused and not self._held
        self._clock.run_at(self._memory.speed if runs else 0.0)


def default_folder(seed: int, faults: str) -> Path:
    """Return where a demo of this seed keeps its data: in the user's cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "bridge" / "demo" / f"seed-{seed}{'-nofaults' if faults == 'none' else ''}"


def clear(folder: Path, names: Iterable[str] = _OURS) -> None:
    """Remove what earlier demos left in a folder, and nothing else."""
    for name in names:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def check_room(folder: Path) -> None:
    """Make the folder, and refuse to start where the disk is nearly full.

    Raises
    ------
    UnavailableError
        Less than `FREE_BYTES_MIN` are free, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError("demo", f"{folder}: {error.strerror}") from error
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        raise UnavailableError(
            "disk",
            f"{free >> 20} MiB free at {folder}, {FREE_BYTES_MIN >> 20} MiB are needed; "
            "make room, or choose another place with --folder",
        )
