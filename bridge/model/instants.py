"""Instants as nanoseconds (columns) and as aware datetimes (objects), and the way between."""

from datetime import UTC, datetime

NS_PER_S = 1_000_000_000


def as_datetime(t_ns: int) -> datetime:
    """Return the instant as an aware datetime in UTC (microseconds; the rest is cut)."""
    return datetime.fromtimestamp(t_ns // NS_PER_S, UTC).replace(
        microsecond=t_ns % NS_PER_S // 1_000
    )


def as_ns(instant: datetime) -> int:
    """Return an aware datetime as nanoseconds since the Unix epoch."""
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000
