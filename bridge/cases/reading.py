"""Dates, numbers and money as one reader has them: language and IANA zone, by Babel."""

from dataclasses import dataclass
from datetime import datetime
from math import floor, log10
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from bridge.model.values import Money

LOCALES = {"en": "en_GB", "de": "de_DE"}
"""English with the day before the month, as everywhere but in one country."""

UNITS = {
    "degC": "°C",
    "degF": "°F",
    "m3/h": "m³/h",
    "mm/s2": "mm/s²",
    "m/s2": "m/s²",
    "ohm": "Ω",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How one reader reads.

    Parameters
    ----------
    language : str
        ``en`` or ``de``; anything else reads English.
    zone : str
        IANA zone of times of day.
    year : int
        Year that goes without saying.
    """

    language: str
    zone: str
    year: int

    @property
    def locale(self) -> str:
        """Babel's name of the language."""
        return LOCALES.get(self.language, "en_GB")

    def day(self, instant: datetime, zone: str | None = None) -> str:
        """Return a local day, such as Tue 13 Oct; with the year where it is another one."""
        local = instant.astimezone(ZoneInfo(zone or self.zone))
        year = "" if local.year == self.year else " y"
        pattern = f"ccc d. LLL{year}" if self.language == "de" else f"EEE d MMM{year}"
        return format_date(local, pattern, locale=self.locale)

    def moment(self, instant: datetime, zone: str | None = None) -> str:
        """Return day and time of day, such as Tue 13 Oct, 16:05."""
        local = instant.astimezone(ZoneInfo(zone or self.zone))
        time = format_time(local, "HH:mm", locale=self.locale)
        return f"{self.day(instant, zone)}, {time}"

    def number(self, value: float, digits: int = 1) -> str:
        """Return a number with at most so many digits after the point."""
        pattern = "#,##0." + "#" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self.locale)

    def measured(self, value: float, unit: str, *, signed: bool = False) -> str:
        """Return a value with its unit, with three significant digits, such as +9.2 °C."""
        size = abs(value)
        digits = max(0, 2 - floor(log10(size))) if size > 0 else 0
        sign = "+" if signed and value > 0 else ""
        return f"{sign}{self.number(value, digits)} {UNITS.get(unit, unit)}".strip()

    def share(self, value: float, digits: int = 0) -> str:
        """Return a share of 1 in percent."""
        pattern = "0.# %" if digits else "0 %"
        return format_percent(value, format=pattern, locale=self.locale)

    def span(self, low: float, high: float) -> str:
        """Return a range of numbers, one number where both are equal."""
        if low == high:
            return self.number(low)
        return f"{self.number(low)}–{self.number(high)}"  # noqa: RUF001 - a range has an en dash

    def money(self, low: Money, high: Money) -> str:
        """Return a range of money in whole units, such as 37,800 to 58,800 EUR."""
        pattern = "#,##0"
        first, last = (
            format_currency(
                each.amount,
                each.currency,
                format=pattern,
                locale=self.locale,
                currency_digits=False,
            )
            for each in (low, high)
        )
        amounts = first if first == last else f"{first}–{last}"  # noqa: RUF001
        return f"{amounts} {low.currency}"
