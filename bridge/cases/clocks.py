"""Working-hour clocks: when so many hours of a person's working time are over.

Hours are counted on instants, so a shift over a change of daylight saving time is as long as it
really is; whether a day is worked is asked on the person's local day.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.model.catalog import Person, Works

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD_DAYS = 400
"""Someone without a working hour in over a year has none at all: elapsed time counts."""


def after_working(person: Person | None, start: datetime, hours: float) -> datetime:
    """Return when `hours` of a person's working time since `start` are over, in UTC.

    Parameters
    ----------
    person : Person or None
        Whose hours; elapsed time counts for nobody and for someone without stated hours.
    start : datetime
        When the clock starts, inside or outside working hours.
    hours : float
        Working hours to run; zero returns `start`.
    """
    left = timedelta(hours=hours)
    start = start.astimezone(UTC)
    if person is None or person.works is None or left <= timedelta(0):
        return start + max(left, timedelta(0))
    for opens, closes in shifts(person, person.works, start):
        begin = max(opens, start)
        if closes <= begin:
            continue
        if closes - begin >= left:
            return begin + left
        left -= closes - begin
    return start + timedelta(hours=hours)


def share_times(
    person: Person | None, start: datetime, due: datetime, shares: tuple[float, ...]
) -> list[datetime]:
    """Return when each share of the working time between `start` and `due` is used up."""
    total_h = working_hours(person, start, due)
    if total_h <= 0:
        return [start + (due - start) * share for share in shares]
    return [
        due if share >= 1 else after_working(person, start, total_h * share) for share in shares
    ]


def working_hours(person: Person | None, start: datetime, end: datetime) -> float:
    """Return how many hours between two instants are a person's working hours."""
    if person is None or person.works is None:
        return max((end - start) / timedelta(hours=1), 0.0)
    total = timedelta(0)
    for opens, closes in shifts(person, person.works, start):
        if opens >= end:
            break
        total += max(min(closes, end) - max(opens, start), timedelta(0))
    return total / timedelta(hours=1)


def shifts(
    person: Person, works: Works, start: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield a person's shifts that end after `start`, in order, as instants in UTC."""
    zone = ZoneInfo(person.timezone)
    # A night shift that began the day before may still run.
    first = start.astimezone(zone).date() - timedelta(days=1)
    for number in range(LOOK_AHEAD_DAYS):
        day = first + timedelta(days=number)
        if not works_on(person, works, day):
            continue
        last = day if works.to > works.from_ else day + timedelta(days=1)
        opens = datetime.combine(day, works.from_, zone).astimezone(UTC)
        closes = datetime.combine(last, works.to, zone).astimezone(UTC)
        if closes > start:
            yield opens, closes


def works_on(person: Person, works: Works, day: date) -> bool:
    """Return whether a person's shift begins on a local day: one of the days, and not away.

    Whatever else keeps people from work (public holidays) is asked here and nowhere else.
    """
    return DAYS[day.weekday()] in works.days and not away(person, day)


def away(person: Person, day: date) -> bool:
    """Return whether a person is absent on a local day; both ends of an absence count."""
    return any(each.from_ <= day <= each.to for each in person.absent)


def away_at(person: Person, instant: datetime) -> bool:
    """Return whether a person is absent on the person's local day of an instant."""
    return away(person, instant.astimezone(ZoneInfo(person.timezone)).date())
