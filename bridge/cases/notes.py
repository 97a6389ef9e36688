"""What the desk keeps of an open case beside its projection: clocks and who was heard."""

from dataclasses import dataclass, field
from datetime import datetime

from bridge.model.case import Task
from bridge.model.values import Side


@dataclass(slots=True)
class Notes:
    """Notes of one open case.

    Attributes
    ----------
    heard : str or None
        Mode that detection last named for this case.
    gateway : str or None
        Where anomalies of one gateway may still join.
    repaired : bool
        Something was done to the machine: clearing is then success, not a false alarm.
    joined : mapping of asset id to signal
        Other assets whose anomalies belong to the case, and what led them.
    alarm : (site id, signal) or None
        Where anomalies of the whole site may still join.
    since : mapping of side to datetime
        When the running clock of a side started.
    due : mapping of side to datetime
        The due time that `since` and `aged` belong to.
    aged : mapping of side to int
        The last share of the running clock, in percent, that somebody was told of.
    """

    heard: str | None = None
    gateway: str | None = None
    repaired: bool = False
    joined: dict[str, str] = field(default_factory=dict)
    alarm: tuple[str, str] | None = None
    since: dict[Side, datetime] = field(default_factory=dict)
    due: dict[Side, datetime | None] = field(default_factory=dict)
    aged: dict[Side, int] = field(default_factory=dict)

    def clock(self, task: Task, now: datetime) -> None:
        """Start a side's clock anew where its due time is another one."""
        if task.side not in self.due or self.due[task.side] != task.due:
            self.aged.pop(task.side, None)
            self.since[task.side] = now
            self.due[task.side] = task.due


def leading(contributions: dict[str, float]) -> str:
    """Return the signal with the largest share, or an empty text."""
    return max(contributions, key=lambda name: (contributions[name], name), default="")
