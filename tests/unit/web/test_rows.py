"""The order of the inbox and what its rows say."""

from datetime import timedelta

from bridge.flow.ports import Identity
from bridge.model.values import Money
from bridge.web.console.rows import in_order, row
from tests.fakes.showroom import DAY, NOW, a_case, catalog

PLACE = catalog()
ENGINEER = Identity("default", "fe-1", "engineer", "session")
MANAGER = Identity("default", "am-1", "account-manager", "session")


def costly(number: int, amount: float | None, days: float, **more):
    """Return a row of a case that costs so much and is due in so many days."""
    case = a_case(number, "HX450-0173", place=PLACE, days=18, **more)
    due = case.engineering.model_copy(update={"due": NOW + days * DAY})
    money = Money(amount=amount, currency="EUR") if amount is not None else None
    facts = case.facts.model_copy(
        update={"cost": (money, money) if money else None, "act_by": NOW + days * DAY}
    )
    return row(case.model_copy(update={"engineering": due, "facts": facts}), ENGINEER)


def numbers(rows) -> list[int]:
    """Return the cases' numbers in order."""
    return [each.case.number for each in in_order(rows, NOW)]


def test_cost_over_the_days_left_decides():
    """A dear stop next week goes before a cheap one tomorrow, and after a dear one tomorrow."""
    rows = [costly(1, 1_000, 1), costly(2, 50_000, 7), costly(3, 50_000, 1)]
    assert numbers(rows) == [3, 2, 1]


def test_severity_has_no_say():
    """Two cases that cost the same stay in order of their dates, whatever their severity."""
    rows = [costly(1, 9_000, 4, severity="critical"), costly(2, 9_000, 2, severity="low")]
    assert numbers(rows) == [2, 1]


def test_stop_goes_first():
    """Advice to stop goes before every cost."""
    rows = [costly(1, 1_000_000, 1), costly(2, None, 20, advice="stop")]
    assert numbers(rows) == [2, 1]


def test_an_unknown_cost_counts_as_a_usual_one():
    """A customer whose cost nobody entered stands neither first nor last for it."""
    rows = [costly(1, 90_000, 5), costly(2, None, 5), costly(3, 100, 5), costly(4, 30_000, 5)]
    assert numbers(rows) == [1, 2, 4, 3]


def test_overdue_cases_do_not_divide_by_nothing():
    """What is overdue counts as due at once."""
    assert numbers([costly(1, 10_000, 0.5), costly(2, 10_000, -30)]) == [2, 1]


def test_no_date_stands_last():
    """A case without a date stands after those that have one."""
    case = a_case(1, "PR200-0021", place=PLACE, days=None)
    undated = case.engineering.model_copy(update={"due": None})
    rows = [row(case.model_copy(update={"engineering": undated}), ENGINEER), costly(2, 5, 300)]
    assert numbers(rows) == [2, 1]


def test_whose_move_it_is():
    """A side that waits is not on the move; a task of somebody else is not mine."""
    case = a_case(1, "HX450-0173", place=PLACE, days=18)
    assert row(case, ENGINEER).my_move is True
    assert row(case, MANAGER).my_move is False
    assert row(case, Identity("default", "fe-2", "lead-engineer", "session")).my_move is False


def test_the_earlier_of_two_dates_counts():
    """One acts by the task's due time or the latest safe date, whichever comes first."""
    case = a_case(1, "HX450-0173", place=PLACE, days=18)
    assert row(case, ENGINEER).act_by == case.engineering.due
    late = case.engineering.model_copy(update={"due": case.facts.act_by + timedelta(days=1)})
    assert (
        row(case.model_copy(update={"engineering": late}), ENGINEER).act_by == case.facts.act_by
    )


def test_a_predicted_failure_goes_before_an_undated_one():
    """An overdue anomaly without dates stands behind a predicted failure."""
    case = a_case(1, "PR200-0021", place=PLACE, days=None)
    overdue = case.engineering.model_copy(update={"due": NOW - DAY})
    anomaly = row(case.model_copy(update={"engineering": overdue}), ENGINEER)
    assert numbers([anomaly, costly(2, 100, 30), costly(3, 900_000, 9)]) == [3, 2, 1]
