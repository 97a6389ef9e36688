"""A decision while it is made: its events, and the cases as they stand after them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bridge.cases.events import CaseClosed, CaseOpened, Event, TaskChanged
from bridge.cases.fold import applied, opened
from bridge.cases.inputs import Input
from bridge.cases.state import DeskState
from bridge.cases.steps import moved
from bridge.model.case import Case, TaskState
from bridge.model.detections import derive_id
from bridge.model.values import Side

SIDES: tuple[Side, ...] = ("engineering", "sales")


@dataclass(frozen=True, slots=True)
class Acting:
    """What a side's own act does to its task: the state it has, and the date it was given."""

    side: Side
    state: TaskState
    until: datetime | None = None


class Draft:
    """Collects the events of one input; the desk's state is read, never written.

    Parameters
    ----------
    by : str
        Who is behind the events: a person, ``detection``, ``clock`` or ``outbox``.
    """

    def __init__(self, state: DeskState, input_: Input, by: str) -> None:
        self.state = state
        self.catalog = state.catalog
        self.input = input_
        self.now = input_.at
        self.by = by
        self.events: list[Event] = []
        self._cases: dict[UUID, Case] = {}

    def case(self, case_id: UUID) -> Case:
        """Return an open case as it is after the events so far."""
        return self._cases.get(case_id) or self.state.cases[case_id]

    def emit(self, kind: type[Any], /, case: UUID | None = None, **fields: object) -> None:
        """Add one event; its id is made of the input and its place."""
        event = kind(
            id=derive_id("event", str(self.input.id), len(self.events)),
            tenant=self.state.tenant,
            at=self.now,
            by=self.by,
            input=self.input.id,
            case=case,
            **fields,
        )
        self.events.append(event)
        if isinstance(event, CaseOpened):
            new = opened(event)
            self._cases[new.id] = new
        elif case is not None and (case in self._cases or case in self.state.cases):
            self._cases[case] = applied(self.case(case), event)

    def move(self, case_id: UUID, acted: Acting | None = None) -> None:
        """Let both sides' tasks follow what the case has become.

        Engineering goes first: a side that waits takes its due time from the other.
        """
        for side in SIDES:
            own = acted if acted is not None and acted.side == side else None
            task = moved(
                self.case(case_id), side, self.catalog, self.now, own.state if own else None
            )
            if own is not None and own.until is not None:
                task = task or self.case(case_id).task(side)
                task = task.model_copy(update={"due": own.until}) if task else None
            if task is not None:
                self.emit(TaskChanged, case=case_id, task=task)

    def close(self, case_id: UUID, reason: str) -> None:
        """End a case; its tasks end with it."""
        self.emit(CaseClosed, case=case_id, reason=reason)
