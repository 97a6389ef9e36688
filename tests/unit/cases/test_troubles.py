from datetime import timedelta
from uuid import uuid4

import pytest

from bridge.app.wording import load_wording
from bridge.cases.inputs import TroubleSeen
from bridge.model.catalog import Person
from tests.scenarios.driver import Desk
from tests.scenarios.plant import MONDAY, desk


def seen(minutes: int, *, active: bool) -> TroubleSeen:
    """The journal is, or is no longer, above half."""
    return TroubleSeen(
        id=uuid4(),
        tenant="default",
        at=MONDAY + timedelta(minutes=minutes),
        kind="journal-filling",
        on="50%",
        active=active,
        detail="4096 of 8192 MiB (50%); full in about 6.5 h",
    )


@pytest.fixture(params=["en", "de"])
def one(request: pytest.FixtureRequest) -> Desk:
    """A desk whose catalog has one operator, of either language."""
    made = desk()
    operator = Person(id="op-9", name="Operator", role="operator", language=request.param)
    people = (*made.state.catalog.people, operator)
    made.state.catalog = made.state.catalog.model_copy(update={"people": people})
    made.state.catalog.__dict__.pop("person_by_id", None)
    return made


def test_operators_are_told_once_each_way(one: Desk):
    """Told when it begins, not again while it lasts, and once when it is over."""
    for input_ in (
        seen(0, active=True),
        seen(5, active=True),
        seen(60, active=False),
        seen(65, active=False),
    ):
        one.take(input_)
    letters = [each for each in one.letters.values() if each.kind == "trouble"]
    assert [(each.to, each.over) for each in letters] == [("op-9", False), ("op-9", True)]


def test_the_letter_says_what_to_do(one: Desk):
    """Subject, measure and advice are there, in the operator's language."""
    one.take(seen(0, active=True))
    letter = next(each for each in one.letters.values() if each.kind == "trouble")
    message = load_wording("http://x").render(letter, one.state)
    for text in (message.subject, message.text, message.html):
        assert "50%" in text
    assert "6.5 h" in message.text
    assert "journal.cap_gib" in message.text
    assert "6.5 h" in message.html


def test_without_operators_the_lead_engineer_is_told() -> None:
    """A trouble is never told to nobody while the catalog has somebody who can act."""
    made = desk()
    people = [each for each in made.state.catalog.people if each.role != "operator"]
    made.state.catalog = made.state.catalog.model_copy(update={"people": tuple(people)})
    made.state.catalog.__dict__.pop("person_by_id", None)
    leads = {each.id for each in people if each.role == "lead-engineer"}
    made.take(seen(0, active=True))
    assert {each.to for each in made.letters.values() if each.kind == "trouble"} == leads
    assert leads
