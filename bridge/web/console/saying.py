"""Dates, numbers and words of a page, for one reader: language, zone and the present moment."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from bridge.cases.reading import Reading
from bridge.model.catalog import Person
from bridge.model.values import Money
from bridge.web.console.words import WORDS

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


_SET = re.compile(r"^[a-z]+:(?=\S)")


@dataclass(frozen=True, slots=True)
class Say:
    """Words and formats for one reader.

    Parameters
    ----------
    language : str
        ``en`` or ``de``; a word that is missing in German stands in English.
    zone : str
        IANA zone of every time on the page.
    now : datetime
        The page's one moment.
    """

    language: str
    zone: str
    now: datetime

    @classmethod
    def to(cls, person: Person, now: datetime) -> "Say":
        """Return the words for a person."""
        return cls(person.language, person.timezone, now)

    @property
    def reading(self) -> Reading:
        """How the desk's texts write dates for this reader; the pages write them alike."""
        return Reading(self.language, self.zone, self.local(self.now).year)

    @property
    def locale(self) -> str:
        """Babel's name of the language."""
        return self.reading.locale

    def t(self, text: str, **values: object) -> str:
        """Return a text of the page in the reader's language, with its values."""
        words = WORDS.get(self.language, {}).get(text) or WORDS["en"].get(text)
        if words is None:
            # A word of a closed set that is newer than these files stands as it is.
            words = _SET.sub("", text)
        return words.format(**values) if values else words

    def local(self, when: datetime) -> datetime:
        """Return an instant in the reader's zone."""
        return when.astimezone(ZoneInfo(self.zone))

    def time(self, when: datetime) -> str:
        """Return the time of day, such as 16:05."""
        return format_time(self.local(when), "HH:mm", locale=self.locale)

    def day(self, when: datetime, zone: str | None = None) -> str:
        """Return a local day, such as Tue 13 Oct; with the year where it is another one.

        Dates of failure are days at the machine, the same for every reader: name its zone.
        """
        return self.reading.day(when, zone)

    def moment(self, when: datetime) -> str:
        """Return day and time, such as Tue 13 Oct, 16:05 or today, 16:05."""
        if self.local(when).date() == self.local(self.now).date():
            return f"{self.t('today')}, {self.time(when)}"
        return f"{self.day(when)}, {self.time(when)}"

    def full(self, when: datetime) -> str:
        """Return day, time and zone, for titles."""
        return format_datetime(
            self.local(when), "EEEE d MMMM y, HH:mm:ss z", locale=self.locale
        )

    def left(self, when: datetime) -> str:
        """Return how long it is until an instant, or how long it is over."""
        seconds = (when - self.now).total_seconds()
        words = self.span(timedelta(seconds=abs(seconds)))
        return (
            self.t("in {span}", span=words)
            if seconds >= 0
            else self.t("{span} over", span=words)
        )

    def since(self, when: datetime) -> str:
        """Return how long ago an instant was."""
        if (self.now - when).total_seconds() < _MINUTE:
            return self.t("just now")
        return self.t("{span} ago", span=self.span(self.now - when))

    def lasting(self, since: datetime) -> str:
        """Return how long something has lasted."""
        return self.t("for {span}", span=self.span(self.now - since))

    def span(self, span: timedelta) -> str:
        """Return a span in its two largest units, such as 3 d 4 h."""
        seconds = max(0, int(span.total_seconds()))
        days, rest = divmod(seconds, _DAY)
        hours, minutes = rest // _HOUR, rest % _HOUR // _MINUTE
        day, hour = self.t("d"), self.t("h")
        if days >= 14:  # noqa: PLR2004 - hours tell nothing at two weeks
            return f"{days} {day}"
        if days:
            return f"{days} {day} {hours} {hour}" if hours else f"{days} {day}"
        if hours:
            return f"{hours} {hour} {minutes} min" if minutes else f"{hours} {hour}"
        return f"{minutes} min"

    def number(self, value: float, digits: int = 3) -> str:
        """Return a number with so many significant digits."""
        if value == 0 or abs(value) < 1e-12:  # noqa: PLR2004 - below what any sensor resolves
            return "0"
        whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
        places = max(0, digits - whole) if whole else digits
        pattern = "#,##0." + "#" * places if places else "#,##0"
        return format_decimal(value, pattern, locale=self.locale)

    def percent(self, share: float) -> str:
        """Return a share of one as percent, such as 58 %."""
        digits = "#,##0.# %" if 0 < share < 0.01 or 0.99 < share < 1 else "#,##0 %"  # noqa: PLR2004
        return format_percent(share, digits, locale=self.locale)

    def money(self, amount: Money) -> str:
        """Return an amount without cents."""
        return format_currency(
            amount.amount,
            amount.currency,
            "#,##0 ¤" if self.language == "de" else "¤#,##0",
            locale=self.locale,
            currency_digits=False,
        )


def clock_at(now: datetime, zone: str) -> str:
    """Return the time of day somewhere else."""
    return now.astimezone(ZoneInfo(zone)).strftime("%H:%M")
