"""Small values that every object is made of: ids, instants, zones, windows, money."""

import re
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Side = Literal["engineering", "sales"]
Confidence = Literal["low", "medium", "high"]
Severity = Literal["low", "medium", "high", "critical"]
Advice = Literal["run", "watch", "stop"]
Role = Literal[
    "engineer",
    "account-manager",
    "coordinator",
    "lead-engineer",
    "lead-account-manager",
    "operator",
    "admin",
]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]

UNKNOWN_MODE = "unknown-pattern"
"""Mode of a prediction whose pattern of signals no failure mode of the catalog shows."""


class Value(BaseModel):
    """Base of all frozen values: strict types, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


def _text_or(kind: type) -> BeforeValidator:
    """Accept text (as files and JSON have it) or the type itself, nothing else."""

    def check(value: Any) -> Any:  # noqa: ANN401 - a validator sees whatever stood in the file
        if isinstance(value, str | kind):
            return value
        raise ValueError(f"a text such as {_EXAMPLES[kind]!r} is allowed")

    return BeforeValidator(check)


_EXAMPLES = {datetime: "2026-10-13T08:00:00+02:00", date: "2026-10-13", time: "08:00"}


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs an offset, such as +02:00")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("an IANA zone such as Europe/Berlin is allowed") from error
    return value


_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


def _identifier(value: str) -> str:
    if not _ID.match(value):
        raise ValueError("1 to 64 characters of A-Z a-z 0-9 . _ - are allowed")
    return value


Id = Annotated[str, AfterValidator(_identifier)]
Instant = Annotated[datetime, Field(strict=False), _text_or(datetime), AfterValidator(_aware)]
LocalDate = Annotated[date, Field(strict=False), _text_or(date)]
LocalTime = Annotated[time, Field(strict=False), _text_or(time)]
Zone = Annotated[str, AfterValidator(_zone)]
Number = Annotated[float, Field(strict=False, allow_inf_nan=False)]
"""A number; whole numbers may be written without a point."""


class Money(Value):
    """An amount in one currency (ISO 4217)."""

    amount: Number
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Hours(Value):
    """A daily span of local time; `to` before `from` runs over midnight."""

    from_: LocalTime = Field(alias="from")
    to: LocalTime


class Window(Value):
    """Weekly hours (days, from, to), or a span of dates or instants, both ends included."""

    days: tuple[Day, ...] = Field(default=(), strict=False)
    from_: LocalTime | Instant | LocalDate = Field(alias="from", union_mode="left_to_right")
    to: LocalTime | Instant | LocalDate = Field(union_mode="left_to_right")
