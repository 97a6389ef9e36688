"""Times of payloads as nanoseconds: numbers since the Unix epoch, or ISO 8601 text."""

import re
from datetime import datetime

from bridge.codec.payloads import TimeUnit, refuse, shown
from bridge.model.instants import as_ns

FIRST_NS = 631_152_000_000_000_000
"""1990-01-01: a device whose clock was never set shows 1970 or 1980."""
LAST_NS = 4_102_444_800_000_000_000
"""2100-01-01."""
NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
US_PER_UNIT = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_DIGITS = re.compile(r"-?[0-9]{1,20}")


def instant_ns(value: object, unit: TimeUnit) -> int:
    """Return a payload's time as nanoseconds since the Unix epoch.

    Raises
    ------
    PayloadError
        ``bad-time`` where it is none, has no offset, or lies before 1990 or after 2100.

    Notes
    -----
    A float is rounded to the microsecond: a double holds a present-day second to .24 us, so
    that 1732246000.123 gives back what the device meant.
    """
    t_ns = _of_text(value, unit) if isinstance(value, str) else _of_number(value, unit)
    if t_ns is None:
        wanted = "ISO 8601 with an offset" if unit == "iso" else f"a number in {unit}"
        raise refuse("bad-time", f"time {shown(value)}: {wanted} is allowed")
    if not FIRST_NS <= t_ns < LAST_NS:
        raise refuse("bad-time", f"time {shown(value)} in {unit} is before 1990 or after 2100")
    return t_ns


def _of_number(value: object, unit: TimeUnit) -> int | None:
    if unit == "iso" or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value * NS_PER_UNIT[unit]
    if isinstance(value, float) and abs(value) < LAST_NS:
        return round(value * US_PER_UNIT[unit]) * 1_000
    return None


def _of_text(text: str, unit: TimeUnit) -> int | None:
    if unit != "iso":
        # Nanoseconds are often sent as text, as they do not fit the numbers of JavaScript.
        return int(text) * NS_PER_UNIT[unit] if _DIGITS.fullmatch(text) else None
    try:
        instant = datetime.fromisoformat(text)
        return None if instant.tzinfo is None else as_ns(instant)
    except (ValueError, OverflowError):
        return None
