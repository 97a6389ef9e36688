"""Words, dates and numbers of the pages, and that German is complete."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import bridge.web.console
from bridge.cases.acts.registry import ACTS
from bridge.cases.events import Event
from bridge.model.catalog import Person
from bridge.model.values import Money
from bridge.web.console.fleet import CONDITIONS
from bridge.web.console.saying import Say
from bridge.web.console.story import _WORDS, MACHINES

HERE = Path(bridge.web.console.__file__).parent
NOW = datetime(2026, 10, 1, 7, 30, tzinfo=UTC)
EN = Say("en", "Europe/Berlin", NOW)
DE = Say("de", "Europe/Berlin", NOW)


def words(language: str) -> dict[str, str]:
    """Return the words of a language."""
    return json.loads((HERE / "locale" / f"{language}.json").read_text("utf-8"))


def keys() -> set[str]:
    """Return every text that pages and timeline ask for literally."""
    found: set[str] = set()
    for path in HERE.rglob("*.html"):
        found |= set(re.findall(r"\bt\('([^']+)'(?=[,)])", path.read_text("utf-8")))
    for path in HERE.glob("*.py"):
        found |= set(re.findall(r'say\.t\(\s*"([^"]+)"(?=\s*[,)])', path.read_text("utf-8")))
    return found


def families() -> set[str]:
    """Return the keys that closed sets of values stand behind."""
    roles = Person.model_fields["role"].annotation.__args__
    states = ("open", "aligned", "informed", "planned", "executed", "verified", "closed")
    return (
        {f"role:{role}" for role in roles}
        | {f"about:{role}" for role in roles}
        | {f"{kind}:{do}" for do in ACTS for kind in ("do", "did")}
        | {f"case:{state}" for state in states}
        | {f"help:{do}" for do in ACTS if do != "acknowledge"}
        | {f"field:{name}" for name in ("reason", "finding", "action", "told", "until", "note")}
        | {f"sending:{state}" for state in ("sent", "waiting", "dead")}
        | {*CONDITIONS, *MACHINES, "low", "medium", "high", "critical"}
        | {"created", "acknowledged", "in-progress", "waiting", "done", "declined"}
    )


def test_german_is_complete():
    """Every text that a page asks for exists in German."""
    assert {key for key in keys() | families() if key not in words("de")} == set()


def test_keys_with_a_colon_have_an_english_text():
    """No reader ever sees the key of a word."""
    named = {key for key in families() if ":" in key}
    assert {key for key in named if key not in words("en")} == set()


@pytest.mark.parametrize("language", ["en", "de"])
def test_texts_keep_their_places(language):
    """A translation names the same values as its key."""
    for key, text in words(language).items():
        if ":" not in key:
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", key)), key


def test_every_event_has_words():
    """Each kind of event that a case can have is told in words."""
    kinds = {kind for kind in Event.__origin__.__args__ if "case" in kind.model_fields}
    assert {kind.__name__ for kind in kinds - _WORDS.keys()} == {"CatalogAdopted"}


def test_days_are_days_of_the_reader_or_the_machine():
    """The same instant is another day elsewhere, and a machine's date is the machine's day."""
    when = datetime(2026, 10, 12, 23, 30, tzinfo=UTC)
    assert EN.day(when) == "Tue 13 Oct"
    assert EN.day(when, "America/Chicago") == "Mon 12 Oct"
    assert DE.day(when) == "Di 13. Okt"
    assert EN.day(when.replace(year=2027)).endswith("2027")


def test_times_follow_the_zone_through_a_change_of_clocks():
    """After the change of clocks the same UTC time is an hour earlier."""
    assert EN.time(datetime(2026, 10, 24, 12, tzinfo=UTC)) == "14:00"
    assert EN.time(datetime(2026, 10, 25, 12, tzinfo=UTC)) == "13:00"


@pytest.mark.parametrize(
    ("ahead", "english", "german"),
    [
        (timedelta(minutes=5), "in 5 min", "in 5 min"),
        (timedelta(hours=2, minutes=30), "in 2 h 30 min", "in 2 Std. 30 min"),
        (timedelta(days=3, hours=4), "in 3 d 4 h", "in 3 T 4 Std."),
        (timedelta(days=40, hours=4), "in 40 d", "in 40 T"),
        (timedelta(hours=-26), "1 d 2 h over", "1 T 2 Std. überfällig"),
    ],
)
def test_time_left_is_said_in_two_units(ahead, english, german):
    """What is left, or over, is said in its two largest units."""
    assert EN.left(NOW + ahead) == english
    assert DE.left(NOW + ahead) == german


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.41999, "0.42"),
        (70.24, "70.2"),
        (1234.5, "1,234"),
        (-2.6, "-2.6"),
        (0.05, "0.05"),
    ],
)
def test_numbers_have_three_digits_that_matter(value, text):
    """Numbers are as long as a reader needs them."""
    assert EN.number(value) == text


def test_shares_and_money():
    """Shares stand in percent, amounts without cents."""
    assert EN.percent(0.58) == "58 %"
    assert EN.percent(0.994) == "99.4 %"
    assert EN.money(Money(amount=37_800, currency="EUR")) == "€37,800"
    assert DE.money(Money(amount=37_800, currency="EUR")).replace("\xa0", " ") == "37.800 €"
