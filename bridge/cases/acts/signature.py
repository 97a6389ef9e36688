"""What an act is: whose, when complete, what stands in its way, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from bridge.cases.draft import Draft
from bridge.cases.inputs import ActRequested
from bridge.model.case import Case
from bridge.model.values import Side

BOTH: tuple[Side, ...] = ("engineering", "sales")


@dataclass(frozen=True, slots=True)
class Asked:
    """An act as a person asked for it, on an open case, for a side the person may act for."""

    request: ActRequested
    case: Case
    side: Side


Check = Callable[[Asked], str | None]
"""Returns what is wrong, as a sentence for the person, or None."""


def never(_asked: Asked) -> str | None:
    """Find nothing wrong."""
    return None


def only_recorded(_draft: Draft, _case: UUID, _asked: Asked) -> None:
    """Do nothing beyond what the recorded act itself changes."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act, as its module states it.

    Parameters
    ----------
    sides : tuple of Side
        Whose act it is; a lead counts as its side. Everybody else is refused with 403.
    coordinator : bool
        Whether a coordinator does it for either side.
    incomplete : callable
        Says which field is missing: 422.
    gate : callable
        Says what has to happen first: 409.
    effect : callable
        Adds events after the recorded act.
    """

    sides: tuple[Side, ...]
    coordinator: bool = False
    incomplete: Check = never
    gate: Check = never
    effect: Callable[[Draft, UUID, Asked], None] = only_recorded


def missing(asked: Asked, **fields: str) -> str | None:
    """Return which of the named texts are empty, as a sentence, or None.

    Parameters
    ----------
    **fields : str
        Field name and what it is for.
    """
    empty = [
        f"{name} ({meaning})"
        for name, meaning in fields.items()
        if not str(getattr(asked.request, name)).strip()
    ]
    return f"{asked.request.do} needs {', '.join(empty)}" if empty else None
