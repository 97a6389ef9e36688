"""Which acts a person is offered on a case now, and which fields each one asks for.

The rules are the desk's own (`bridge.cases.acts`); this only leaves out what would make no
sense to a reader, such as confirming twice. What a button cannot know (somebody acted a second
ago) the desk refuses with its reason.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from bridge.cases.acts.registry import ACTS
from bridge.cases.acts.signature import Asked
from bridge.cases.inputs import ActRequested
from bridge.cases.steps import step_of
from bridge.flow.ports import Identity
from bridge.model.case import ActName, Case
from bridge.model.values import Side

FieldName = Literal["reason", "finding", "action", "told", "until", "note"]

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
    """One act as a button.

    Parameters
    ----------
    side : Side or None
        Set for a coordinator, who acts for either side.
    primary : bool
        Whether it is this side's next step.
    label : str
        Key of its words.
    """

    do: ActName
    label: str
    fields: tuple[Field, ...] = ()
    side: Side | None = None
    primary: bool = False

    @property
    def key(self) -> str:
        """A name of the offer on its page."""
        return f"{self.do}-{self.side}" if self.side else self.do


_NOTE = Field("note")
FIELDS: dict[ActName, tuple[Field, ...]] = {
    "confirm-finding": (Field("finding", required=True), _NOTE),
    "confirm-message": (_NOTE,),
    "inform": (Field("told", required=True), _NOTE),
    "plan": (Field("action", required=True), Field("until"), _NOTE),
    "execute": (Field("action", required=True), _NOTE),
    "verify": (_NOTE,),
    "acknowledge": (),
    "close": (
        Field("finding", required=True),
        Field("action", required=True),
        Field("told", required=True),
        _NOTE,
    ),
    "false-alarm": (Field("reason", required=True),),
}
"""The form of each act, in the order of the buttons."""

_ACT_OF_STEP: dict[str, ActName] = {"retract": "inform", "follow-up": "inform"}


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
        return _for_either(case, who) if who.role == "coordinator" else []
    step = step_of(case, side)
    following = _ACT_OF_STEP.get(step.key, step.key)
    found = [
        Offer(do, _label(do, case), fields, primary=do == following and not step.waiting_on)
        for do, fields in FIELDS.items()
        if side in ACTS[do].sides and _sensible(do, case, side) and _open(do, case, side, who)
    ]
    return sorted(found, key=lambda offer: not offer.primary)


def _for_either(case: Case, who: Identity) -> list[Offer]:
    sides: tuple[Side, ...] = ("engineering", "sales")
    return [
        Offer(do, f"do:{do}:{side}", FIELDS[do], side=side)
        for do in FIELDS
        for side in sides
        if ACTS[do].coordinator and _sensible(do, case, side) and _open(do, case, side, who)
    ]


def _open(do: ActName, case: Case, side: Side, who: Identity) -> bool:
    """Tell whether the desk's gate of an act stands open for a case as it is shown."""
    request = ActRequested(
        id=UUID(int=0),
        tenant=case.tenant,
        at=case.updated_at,
        by=who.person,
        case=case.id,
        do=do,
    )
    return ACTS[do].gate(Asked(request, case, side)) is None


def _sensible(do: ActName, case: Case, side: Side) -> bool:
    """Leave out what was done already or comes much later."""
    task = case.task(side)
    working = case.finding_confirmed and case.state != "verified"
    return {
        "acknowledge": task is not None and task.state == "created",
        "confirm-finding": not case.finding_confirmed,
        "confirm-message": not case.message_confirmed,
        "plan": working,
        "execute": working and case.state != "executed",
        "verify": case.state == "executed",
        "false-alarm": case.state not in {"executed", "verified"},
    }.get(do, True)


def _label(do: ActName, case: Case) -> str:
    if do == "inform" and case.side_state == "retraction-due":
        return "do:retract"
    if do == "plan" and case.state in {"planned", "executed"}:
        return "do:replan"
    return f"do:{do}"
