"""Which acts a person is offered on a case now, and which fields each one asks for.

The desk alone decides; this only keeps buttons away that it would refuse for certain. What a
button cannot know (somebody acted a second ago) the desk refuses with its reason.
"""

from dataclasses import dataclass
from typing import Literal

from bridge.flow.ports import Identity
from bridge.model.case import ActName, Case
from bridge.model.values import Side

FieldName = Literal["reason", "finding", "action", "told", "note"]

_SIDES: dict[str, Side] = {
    "engineer": "engineering",
    "lead-engineer": "engineering",
    "account-manager": "sales",
    "lead-account-manager": "sales",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an act's form."""

    name: FieldName
    required: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """One act as a button: its fields, and whether it is the one to do next."""

    do: ActName
    fields: tuple[Field, ...] = ()
    primary: bool = False
    danger: bool = False


_NOTE = Field("note")
_FIELDS: dict[ActName, tuple[Field, ...]] = {
    "acknowledge": (),
    "confirm-finding": (Field("finding", required=True), _NOTE),
    "confirm-message": (_NOTE,),
    "inform": (Field("told", required=True), _NOTE),
    "plan": (Field("action", required=True), _NOTE),
    "execute": (Field("action", required=True), _NOTE),
    "verify": (_NOTE,),
    "close": (
        Field("finding", required=True),
        Field("action", required=True),
        Field("told", required=True),
        _NOTE,
    ),
    "false-alarm": (Field("reason", required=True),),
}


def side_of(role: str) -> Side | None:
    """Return the side whose acts a role may do; None for those who have none."""
    return _SIDES.get(role)


def reading_side(role: str) -> Side:
    """Return the side in whose words a role reads; who has no side reads engineering's."""
    return _SIDES.get(role, "engineering")


def offers(case: Case, who: Identity) -> list[Offer]:
    """Return what a person may do on a case now, the next step first."""
    if case.state == "closed":
        return []
    side = side_of(who.role)
    if side is None:
        return _coordinating(case) if who.role == "coordinator" else []
    names = _engineering(case) if side == "engineering" else _selling(case)
    task = case.task(side)
    if task is not None and task.state == "created":
        names.append("acknowledge")
    if "close" not in names:
        names.append("close")
    primary = next((name for name in names if name not in {"false-alarm", "close"}), None)
    if primary is None and case.state == "verified":
        primary = "close"
    return [
        Offer(name, _FIELDS[name], primary=name == primary, danger=name == "false-alarm")
        for name in sorted(names, key=_ORDER.index)
    ]


_ORDER: tuple[ActName, ...] = (
    "confirm-finding",
    "confirm-message",
    "inform",
    "plan",
    "execute",
    "verify",
    "acknowledge",
    "close",
    "false-alarm",
)


def _engineering(case: Case) -> list[ActName]:
    names: list[ActName] = []
    if not case.finding_confirmed:
        names.append("confirm-finding")
    elif case.state in {"open", "aligned", "informed"}:
        names.append("plan")
    if case.state == "planned":
        names.append("execute")
    if case.state == "executed":
        names.append("verify")
    if case.state not in {"executed", "verified"}:
        names.append("false-alarm")
    return names


def _selling(case: Case) -> list[ActName]:
    names: list[ActName] = []
    if case.sales is None:
        return names
    if not case.message_confirmed:
        names.append("confirm-message")
    stop = case.facts.advice == "stop"
    if case.told_at is None and case.finding_confirmed and (case.message_confirmed or stop):
        names.append("inform")
    return names


def _coordinating(case: Case) -> list[Offer]:
    tasks = [case.engineering, case.sales]
    if any(task is not None and task.state == "created" for task in tasks):
        return [Offer("acknowledge", _FIELDS["acknowledge"], primary=True)]
    return []
