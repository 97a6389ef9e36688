"""Working-hour clocks."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cases.clocks import after_working, away_at, share_times, working_hours
from bridge.model.catalog import Person

T = datetime.fromisoformat
WEEK = ["mon", "tue", "wed", "thu", "fri"]


def person(**fields: Any) -> Person:
    """Return an engineer in Berlin who works 8 to 17."""
    works = {"days": WEEK, "from": "08:00", "to": "17:00"}
    base = {
        "id": "p",
        "name": "P",
        "role": "engineer",
        "timezone": "Europe/Berlin",
        "works": works,
    }
    return Person.model_validate({**base, **fields})


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-10-05T09:00:00+02:00", 4, "2026-10-05T13:00:00+02:00"),
        ("2026-10-05T16:00:00+02:00", 4, "2026-10-06T11:00:00+02:00"),
        ("2026-10-05T20:00:00+02:00", 4, "2026-10-06T12:00:00+02:00"),
        ("2026-10-09T16:00:00+02:00", 2, "2026-10-12T09:00:00+02:00"),
        ("2026-10-05T08:00:00+02:00", 9, "2026-10-05T17:00:00+02:00"),
        ("2026-10-23T16:00:00+02:00", 2, "2026-10-26T09:00:00+01:00"),
        ("2026-10-05T09:00:00+02:00", 0, "2026-10-05T09:00:00+02:00"),
    ],
)
def test_hours_are_the_persons(start: str, hours: float, end: str) -> None:
    """Evenings, weekends and a change of daylight saving time are not worked."""
    assert after_working(person(), T(start), hours) == T(end)


def test_a_night_shift_over_the_change_is_as_long_as_it_really_is() -> None:
    """On 25 October 2026 the night from 22:00 to 06:00 has nine hours in Berlin."""
    nights = {"days": [*WEEK, "sat", "sun"], "from": "22:00", "to": "06:00"}
    start = T("2026-10-24T22:00:00+02:00")
    assert after_working(person(works=nights), start, 9) == T("2026-10-25T06:00:00+01:00")
    assert working_hours(person(works=nights), start, T("2026-10-25T12:00:00+01:00")) == 9


def test_absences_are_left_out() -> None:
    """Both ends of an absence are days away."""
    away = [{"from": "2026-10-05", "to": "2026-10-06"}]
    assert after_working(person(absent=away), T("2026-10-05T09:00:00+02:00"), 1) == T(
        "2026-10-07T09:00:00+02:00"
    )
    assert away_at(person(absent=away), T("2026-10-06T23:59:00+02:00"))
    assert not away_at(person(absent=away), T("2026-10-07T00:00:00+02:00"))


def test_nobody_and_someone_without_hours_run_on_elapsed_time() -> None:
    """Without stated hours every hour counts, also for someone whose hours never come."""
    start = T("2026-10-10T20:00:00+02:00")
    never = {"days": [], "from": "08:00", "to": "17:00"}
    for who in (None, person(works=None), person(works=never)):
        assert after_working(who, start, 4) == start + timedelta(hours=4)


@given(
    start=st.datetimes(
        min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - the zone is given beside it
        max_value=datetime(2027, 12, 31),  # noqa: DTZ001
        timezones=st.just(ZoneInfo("UTC")),
    ),
    hours=st.floats(min_value=0.01, max_value=200),
    shift=st.sampled_from(["day", "night"]),
)
def test_the_clock_runs_exactly_its_hours(start: datetime, hours: float, shift: str) -> None:
    """Counting the working hours up to the end gives back what was asked, in every season."""
    works = {"days": WEEK, "from": "21:30", "to": "05:30"}
    who = person(works=works) if shift == "night" else person()
    end = after_working(who, start, hours)
    assert working_hours(who, start, end) == pytest.approx(hours, abs=1e-6)
    half, full = share_times(who, start, end, (0.5, 1.0))
    assert start <= half <= full == end
