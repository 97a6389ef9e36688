"""Severity, material change and facts."""

from datetime import timedelta

from bridge.cases.facts import facts_of
from bridge.cases.material import is_material, is_news
from bridge.cases.severity import changes_at, severity_of
from bridge.model.case import Facts
from bridge.model.catalog import Policy
from bridge.model.values import Money
from tests.scenarios.plant import MONDAY, plant, prediction

DAY = timedelta(days=1)


def facts(p10: float | None, p50: float | None, advice: str = "watch") -> Facts:
    """Return facts whose dates are so many days from Monday."""
    dates = {
        key: None if days is None else MONDAY + days * DAY
        for key, days in (("p10", p10), ("p50", p50), ("p90", p50))
    }
    return Facts(asset="M-1", mode="bearing", advice=advice, **dates)


def test_severity_by_the_nearness_of_dates() -> None:
    """The limits themselves are not nearer than the limits."""
    policy = Policy()
    assert severity_of(facts(None, None), MONDAY, policy) == "low"
    assert severity_of(facts(None, None, "stop"), MONDAY, policy) == "critical"
    assert severity_of(facts(7, 30), MONDAY, policy) == "medium"
    assert severity_of(facts(7, 29.99), MONDAY, policy) == "high"
    assert severity_of(facts(6.99, 40), MONDAY, policy) == "critical"


def test_time_changes_severity_exactly_then() -> None:
    """At each announced instant the severity is another one than just before."""
    policy = Policy()
    for ahead, count in ((facts(50, 60), 2), (facts(20, 90), 1), (facts(None, None), 0)):
        instants = changes_at(ahead, policy)
        assert len(instants) == count
        for at in instants:
            before = severity_of(ahead, at - timedelta(microseconds=1), policy)
            assert severity_of(ahead, at, policy) != before


def test_material_is_a_share_of_the_remaining_time_either_way() -> None:
    """A quarter of twelve days is three; exactly that is not yet more than that."""
    told = MONDAY + 12 * DAY
    assert is_material(told, MONDAY + 5 * DAY, MONDAY, 0.25)
    assert not is_material(told, MONDAY + 11.5 * DAY, MONDAY, 0.25)
    assert not is_material(told, MONDAY + 9 * DAY, MONDAY, 0.25)
    assert is_material(told, MONDAY + 15.1 * DAY, MONDAY, 0.25)
    assert is_material(told, None, MONDAY, 0.25)
    assert is_material(None, told, MONDAY, 0.25)
    assert not is_material(None, None, MONDAY, 0.25)


def test_a_date_that_is_over_does_not_tell_every_minute() -> None:
    """After the told date an hour is the measure, not zero."""
    told = MONDAY - DAY
    assert not is_material(told, told + timedelta(minutes=10), MONDAY, 0.25)


def test_small_moves_are_no_news_but_confidence_is() -> None:
    """Five percent of the remaining time is noise; what a reader acts on is not."""
    old = facts(10, 20)
    assert not is_news(old, facts(10.4, 20.9), MONDAY)
    assert is_news(old, facts(10, 22), MONDAY)
    assert is_news(old, facts(None, None), MONDAY)
    assert is_news(old, old.model_copy(update={"confidence": "high"}), MONDAY)


def test_facts_join_prediction_and_catalog() -> None:
    """Place, knowledge, stake and dates in one block; the contact by role, never by name."""
    said = prediction(
        p10=MONDAY + 8 * DAY,
        p50=MONDAY + 9 * DAY,
        p90=MONDAY + 10 * DAY,
        contributions={"temp": 1},
    )
    block = facts_of(said, plant(), MONDAY)
    assert (block.model, block.site, block.location) == (
        "Extruder HX",
        "Bremen works",
        "Line 3",
    )
    assert block.account == "Plastics North"
    assert block.contact == "plant-manager"
    assert block.parts == ("Bearing kit",)
    assert block.units["temp"] == "degC"
    assert block.act_by == block.p10 == said.p10
    assert block.cost == (
        Money(amount=37_800, currency="EUR"),
        Money(amount=58_800, currency="EUR"),
    )


def test_stop_is_to_be_acted_on_at_once() -> None:
    """Under advice to stop the latest safe date is now, with dates or without."""
    assert facts_of(prediction(mode="crack"), plant(), MONDAY).act_by == MONDAY


def test_an_unknown_machine_has_its_id_and_nothing_invented() -> None:
    """What the catalog does not know stays empty."""
    block = facts_of(prediction(asset="M-9"), plant(), MONDAY)
    assert block.account == block.site == block.model == block.plain == ""
    assert block.cost is None
