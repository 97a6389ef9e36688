"""What people read: two vocabularies, the same dates, the reader's language and zone."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from bridge.cases.wording import LANGUAGES
from bridge.model.case import Case
from bridge.model.catalog import Catalog
from bridge.model.detections import Anomaly, Evidence, derive_id
from bridge.model.values import UNKNOWN_MODE, Side
from tests.scenarios.driver import Desk, wording
from tests.scenarios.plant import MONDAY, act, adopt, cleared, desk, plant, prediction, said

T = datetime.fromisoformat
DAY = timedelta(days=1)
SIDES: tuple[Side, ...] = ("engineering", "sales")

# Words of the workshop, in both languages: none of them may reach an account manager.
WORKSHOP = (
    r"bpfo|bpfi|kurtosis|envelope|t2\b|spe\b|rms|vibration|spectr|baseline|signal|sensor|score|"
    r"threshold|sigma|trend|signifi|anomal|outlier|residual|outer.?race|raceway|spall|cavitation|"
    r"operating state|confidence|failure mode|10 %|50 %|90 %|temp\b|load\b|degc|°c|gearbox|"
    r"shaft|"
    r"normalzustand|messwert|schwingung|hüllkurve|bewertung|fehlerart|betriebszustand|sicherheit|"
    r"lager|welle|getriebe"
)
# Words of business: none of them may reach an engineer.
BUSINESS = (
    r"account|contract|renewal|offer|upsell|opportunit|revenue|price|discount|deal|margin|churn|"
    r"invoice|campaign|cost|eur\b|usd|€|\$|at their rate|relationship|lead time|vertrag|"
    r"angebot|"
    r"kosten|preis|umsatz|rabatt|verlängerung|kampagne|rechnung|zu ihrem satz"
)


def dated(**fields: Any) -> dict[str, Any]:
    """Return fields of a prediction with dates and evidence."""
    return {
        "p10": T("2026-10-13T00:00:00+02:00"),
        "p50": T("2026-10-19T00:00:00+02:00"),
        "p90": T("2026-10-27T00:00:00+01:00"),
        "onset": MONDAY - 20 * DAY,
        "contributions": {"temp": 0.7, "load": 0.3},
        "evidence": Evidence(
            window_from=MONDAY - 20 * DAY,
            window_to=MONDAY,
            baseline={"temp": (61.2, 1.5)},
            latest={"temp": 70.4},
            completeness=0.994,
            operating_state="extruding",
        ),
        **fields,
    }


def case_of(one: Desk) -> Case:
    """Return the desk's one case."""
    (case,) = one.cases.values()
    return case


def opened(mode: str = "bearing", **fields: Any) -> Case:
    """Return a new case of M-1."""
    one = desk()
    one.take(said(prediction(mode=mode, **fields)))
    return case_of(one)


def texts(case: Case, side: Side, language: str) -> str:
    """Return everything a side is shown of a case."""
    words, how = wording(), {"language": language, "zone": "Europe/Berlin"}
    return "\n".join(
        (
            words.sentence(case, side=side, **how),
            words.task_text(case, side=side, **how),
            words.next_step(case, side=side, **how),
        )
    )


def task_text(case: Case, side: Side) -> str:
    """Return a side's text in English."""
    return wording().task_text(case, side=side, language="en", zone="Europe/Berlin")


def life(mode: str, fields: dict[str, Any]) -> list[Case]:
    """Return a case of a mode as it is after each step of its life."""
    one = desk()
    one.take(said(prediction(mode=mode, **fields)))
    found = [case_of(one)]
    acts = (
        ("fe-1", "confirm-finding", {"finding": "x"}),
        ("am-1", "confirm-message", {}),
        ("am-1", "inform", {"told": "x"}),
        ("fe-1", "plan", {"action": "x"}),
        ("fe-1", "execute", {"action": "x"}),
        ("fe-1", "verify", {}),
        ("fe-1", "close", {"finding": "x", "action": "x", "told": "x"}),
    )
    for by, do, given in acts:
        one.take(act(MONDAY + timedelta(hours=1), by, do, mode=mode, **given))
        found.append(case_of(one))
    assert found[-1].state == "closed"
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", ["bearing", "crack", UNKNOWN_MODE, "not-in-the-catalog"])
@pytest.mark.parametrize("dates", [dated(), {}], ids=["dated", "no date yet"])
def test_each_side_reads_its_own_vocabulary(
    mode: str, dates: dict[str, Any], language: str
) -> None:
    """In no step of any mode's life does a word of one trade reach the other."""
    for case in life(mode, dates):
        sales = texts(case, "sales", language)
        found = re.search(WORKSHOP, sales, re.IGNORECASE)
        assert found is None, f"{found}: {sales}"
        engineering = texts(case, "engineering", language)
        found = re.search(BUSINESS, engineering, re.IGNORECASE)
        assert found is None, f"{found}: {engineering}"


@pytest.mark.parametrize(
    ("language", "first", "last"),
    [
        ("en", "Tue 13 Oct", "Tue 27 Oct"),
        ("de", "Di 13. Okt", "Di 27. Okt"),
    ],
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Auckland"])
def test_both_name_the_same_dates_wherever_they_sit(
    language: str, first: str, last: str, zone: str
) -> None:
    """The days of failure are the machine's; act-by is the first of them, for both."""
    case = opened(**dated())
    for side in SIDES:
        text = wording().task_text(case, side=side, language=language, zone=zone)
        assert first in text
        assert last in text


def test_times_of_day_are_the_readers() -> None:
    """What is due at 13:00 in Berlin is due at 07:00 in New York."""
    case = opened(**dated())
    for zone, hour in (("Europe/Berlin", "13:00"), ("America/New_York", "07:00")):
        assert hour in wording().next_step(case, side="engineering", language="en", zone=zone)


def test_the_engineers_text_has_everything_in_order() -> None:
    """What and where, how soon, how sure, why, data, what to do, what was told, next step."""
    text = task_text(opened(**dated()), "engineering")
    wanted = (
        "M-1 (Extruder HX), Line 3, Bremen works",
        "10 % by Tue 13 Oct, 50 % by Mon 19 Oct, 90 % by Tue 27 Oct (medium confidence)",
        "temp 70.4 °C against a baseline of 61.2 °C (+9.2 °C), 70 % of the score",
        "Data good: 99.4 % complete",
        "Replace bearing, about 5 h, 2 people; skills: mechanical; parts: Bearing kit",
        "Customer told: nothing yet",
        "Confirm the finding",
    )
    places = [text.find(each) for each in wanted]
    assert -1 not in places, wanted[places.index(-1)]
    assert places == sorted(places)


def test_the_account_managers_text_has_everything_in_order() -> None:
    """Whom to call by when, what it means in the customer's units, what we do and don't say."""
    text = task_text(opened(**dated()), "sales")
    wanted = (
        "Call the plant manager at Plastics North by Mon 5 Oct, 17:00 (their time)",
        "a worn part in the drive; it will probably fail between Tue 13 Oct and Tue 27 Oct",
        "about 9\u201314 h (37,800\u201358,800 EUR at their rate)",
        "We repair it on site",
        "Don't say: an exact day",
        "The engineer is checking it",
        "Confirm what the customer will be told",
    )
    places = [text.find(each) for each in wanted]
    assert -1 not in places, wanted[places.index(-1)]
    assert places == sorted(places)


def test_german_numbers_and_money() -> None:
    """A German reader has points between thousands and a comma before tenths."""
    assert "37.800\u201358.800 EUR" in texts(opened(**dated()), "sales", "de")
    assert "70,4 °C" in texts(opened(**dated()), "engineering", "de")


def test_no_single_day_of_failure_reaches_the_customer() -> None:
    """The middle date is never in the account manager's text; a short interval has hours."""
    assert "19 Oct" not in texts(opened(**dated()), "sales", "en")
    soon = dated(p10=MONDAY + DAY, p50=MONDAY + DAY * 1.25, p90=MONDAY + DAY * 1.5)
    text = texts(opened(**soon), "sales", "en")
    assert "between Tue 6 Oct, 09:00 and Tue 6 Oct, 21:00" in text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "no date yet"), ("de", "noch kein Datum")]
)
def test_no_date_is_said_as_such(language: str, words: str) -> None:
    """Without a significant trend nobody reads a date of failure."""
    case = opened()
    assert words in texts(case, "engineering", language)
    sales = texts(case, "sales", language)
    assert re.search("no date yet|noch gibt es kein Datum", sales)


def test_another_year_is_named() -> None:
    """A date in the next year says so."""
    far = dated(p90=T("2027-02-01T00:00:00+01:00"))
    assert "Mon 1 Feb 2027" in texts(opened(**far), "engineering", "en")


def test_modes_differ_in_words() -> None:
    """Each mode has its own text on both sides."""
    for side in SIDES:
        found = {
            texts(opened(mode, **dated()), side, "en")
            for mode in ("bearing", "crack", UNKNOWN_MODE)
        }
        assert len(found) == 3


def test_an_unknown_language_reads_english() -> None:
    """Whoever has a language without words still reads something."""
    case = opened()
    words = wording()
    assert words.sentence(case, side="sales", language="fr", zone="UTC") == words.sentence(
        case, side="sales", language="en", zone="UTC"
    )


def test_a_waived_case_says_why_nobody_is_told() -> None:
    """The engineer reads that the customer hears nothing, and until when it is so."""
    one = desk()
    one.take(
        said(Anomaly(id=derive_id("a"), tenant="default", asset="M-1", at=MONDAY, score=0.9))
    )
    text = texts(case_of(one), "engineering", "en")
    assert "there is no prediction; looked at again by Mon 12 Oct" in text
    assert "engineering looks at it alone" in texts(case_of(one), "sales", "en")


def test_push_has_no_private_data() -> None:
    """One line: number, place, date, state - no customer, no person, no finding."""
    line = wording().push(opened(**dated()), language="en", zone="Europe/Berlin")
    assert line == "C-1 Line 3 \u2013 action by Tue 13 Oct. Open."


def told() -> Desk:
    """Return a desk whose one customer was told."""
    one = desk()
    one.take(said(prediction(**dated())))
    one.take(act(MONDAY, "fe-1", "confirm-finding", finding="Worn"))
    one.take(act(MONDAY, "am-1", "confirm-message"))
    one.take(act(MONDAY, "am-1", "inform", told="A part is <b>wearing</b> out"))
    return one


def test_every_letter_renders_in_its_readers_words() -> None:
    """Each kind of letter has subject, text and HTML."""
    one = told()
    one.take(said(prediction(MONDAY + DAY, **dated(p50=T("2026-10-15T00:00:00+02:00")))))
    one.pass_time(MONDAY + 9 * DAY)
    one.take(said(cleared(MONDAY + 9 * DAY)))
    letters = [each for each in one.letters.values() if each.channel == "email"]
    assert {each.kind for each in letters} == {
        "new", "update", "reminder", "escalation", "cleared", "retraction",
    }  # fmt: skip
    messages = [(each, wording().render(each, one.state)) for each in letters]
    for letter, message in messages:
        assert message.subject.startswith("C-1 ")
        assert "\n" not in message.subject
        assert message.subject in message.html.replace("&#39;", "'")
        assert "<b>" not in message.html
        lint = WORKSHOP if letter.side == "sales" else BUSINESS
        assert re.search(lint, message.text, re.IGNORECASE) is None, message.text
    german = [message for letter, message in messages if letter.to in {"fe-1", "am-1"}]
    assert all('lang="de"' in message.html for message in german)


def test_the_page_of_the_case_is_linked() -> None:
    """A letter carries the address where the reader can act."""
    words = type(wording())(
        wording().environment, lambda case: f"https://x.example/{case.label}"
    )
    one = told()
    letter = next(each for each in one.letters.values() if each.channel == "email")
    message = words.render(letter, one.state)
    assert "https://x.example/C-1" in message.text
    assert 'href="https://x.example/C-1"' in message.html


def test_a_broken_catalog_text_does_not_break_the_words() -> None:
    """A mode with nothing but an id and a name still reads as sentences."""
    bare = {"id": "odd", "name": "Odd", "plain": ""}
    tree = plant().model_dump(by_alias=True, mode="json")
    tree["models"][0]["failure_modes"].append(bare)
    one = desk()
    one.take(adopt(Catalog.model_validate(tree), 2))
    one.take(said(prediction(mode="odd")))
    for language in LANGUAGES:
        for side in SIDES:
            text = texts(case_of(one), side, language)
            assert not re.search(r"None|  | ,|,,|\.\.| \.|: \.", text), text
