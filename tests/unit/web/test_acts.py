"""What a person is offered on a case agrees with what the desk takes."""

import pytest

from bridge.cases.acts.registry import ACTS
from bridge.cases.acts.signature import Asked
from bridge.cases.inputs import ActRequested
from bridge.flow.ports import Identity
from bridge.model.case import Case
from bridge.web.acts import FIELDS, offers, reading_side
from tests.fakes.showroom import NOW, a_case, catalog

PLACE = catalog()


def names(case: Case, role: str) -> list[str]:
    """Return what a role is offered, the next step first."""
    return [offer.do for offer in offers(case, Identity("default", "x", role, "session"))]


def case(**change) -> Case:
    """Return an open case with some things changed."""
    return a_case(1, "HX450-0173", place=PLACE, days=18).model_copy(update=change)


STORY = [
    ({}, "engineer", "confirm-finding"),
    ({}, "account-manager", "confirm-message"),
    ({"finding_confirmed": True}, "engineer", "plan"),
    ({"finding_confirmed": True, "message_confirmed": True}, "account-manager", "inform"),
    ({"finding_confirmed": True, "state": "planned"}, "lead-engineer", "execute"),
    ({"finding_confirmed": True, "state": "executed"}, "engineer", "verify"),
    ({"finding_confirmed": True, "state": "verified"}, "engineer", "close"),
    ({"finding_confirmed": True, "state": "verified"}, "account-manager", "close"),
    ({"side_state": "retraction-due", "told_at": NOW}, "lead-account-manager", "inform"),
]


@pytest.mark.parametrize(("change", "role", "first"), STORY)
def test_the_next_step_comes_first(change, role, first):
    """Along a case's life each side's next step is its first button, and the primary one."""
    found = offers(case(**change), Identity("default", "x", role, "session"))
    assert (found[0].do, found[0].primary) == (first, True)
    assert sum(offer.primary for offer in found) == 1


@pytest.mark.parametrize(("change", "role", "_first"), STORY)
def test_every_offer_passes_the_desk(change, role, _first):
    """An offered act with its required fields filled is complete and meets no gate."""
    subject = case(**change)
    for offer in offers(subject, Identity("default", "x", role, "session")):
        side = offer.side or reading_side(role)
        filled = {field.name: "text" for field in offer.fields if field.required}
        request = ActRequested(
            id=subject.id,
            tenant="default",
            at=NOW,
            by="x",
            case=subject.id,
            do=offer.do,
            **filled,
        )
        asked = Asked(request, subject, side)
        assert side in ACTS[offer.do].sides
        assert ACTS[offer.do].incomplete(asked) is None
        assert ACTS[offer.do].gate(asked) is None


def test_every_act_has_a_form():
    """Each act of the desk has a form, whose required fields are really required."""
    assert FIELDS.keys() == ACTS.keys()
    for do, fields in FIELDS.items():
        required = {field.name: "text" for field in fields if field.required}
        for left_out in required:
            kept = {name: text for name, text in required.items() if name != left_out}
            request = ActRequested(
                id=case().id, tenant="default", at=NOW, by="x", do=do, **kept
            )
            assert ACTS[do].incomplete(Asked(request, case(), ACTS[do].sides[0])), do


def test_the_gate_keeps_the_call_away():
    """Nobody is offered the call before both have confirmed, except under stop advice."""
    assert "inform" not in names(case(), "account-manager")
    assert "inform" not in names(case(message_confirmed=True), "account-manager")
    facts = case().facts.model_copy(update={"advice": "stop"})
    stop = case(facts=facts, finding_confirmed=True)
    assert names(stop, "account-manager")[0] == "inform"


def test_closed_cases_offer_nothing():
    """A closed case never reopens."""
    closed = case(state="closed")
    for role in ("engineer", "account-manager", "coordinator", "operator"):
        assert names(closed, role) == []


def test_a_coordinator_acknowledges_for_either_side():
    """A coordinator is offered the two acknowledgements and nothing else; operators nothing."""
    found = offers(case(), Identity("default", "co-1", "coordinator", "session"))
    assert [(offer.do, offer.side) for offer in found] == [
        ("acknowledge", "engineering"),
        ("acknowledge", "sales"),
    ]
    assert names(case(), "operator") == []
