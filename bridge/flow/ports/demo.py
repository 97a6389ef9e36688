"""Port of the demo: its clock and its seats."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class DemoState:
    """What the header of the demo shows."""

    now: datetime
    speed: float
    paused: bool
    phase: Literal["history", "live"]
    progress: float
    seats: dict[str, str]
    """Person id by role, for the one-click sign-in."""


class Demo(Protocol):
    """The demo's clock and seats; None in a real service."""

    def state(self) -> DemoState:
        """Return the clock, the phase and the seats."""
        ...

    def run_at(self, speed: float) -> None:
        """Run at so many simulated seconds per second (1 to 20,000)."""
        ...

    def pause(self) -> None:
        """Stand still."""
        ...

    def resume(self) -> None:
        """Go on at the last speed."""
        ...

    def take_seat(self, person: str) -> None:
        """Let a visitor act as this person; the simulated colleague steps aside."""
        ...
