"""What a payload looks like (`Mapping`), and what every payload codec makes of it (`Parsed`).

Reasons of refusal, the closed set that metrics and dead letters carry, are `REASONS`.
"""

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from typing import Literal, get_args

from bridge.codec.topics import TopicTemplate
from bridge.model.errors import InputError, PayloadError

Format = Literal["json", "senml", "scalar"]
Shape = Literal["root", "key", "rows", "columns"]
TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
Reason = Literal[
    "bad-json",
    "bad-utf8",
    "bad-senml",
    "bad-shape",
    "bad-name",
    "bad-time",
    "no-time",
    "no-asset",
    "no-signals",
    "not-a-number",
    "wrong-topic",
    "wrong-gateway",
    "too-large",
    "too-deep",
    "too-many-tenants",
    "too-many-assets",
    "too-many-signals",
    "too-many-rows",
]
REASONS: tuple[str, ...] = get_args(Reason)

_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
NAME_LEN_MAX = 128
_SHOWN_BITS_MAX = 128
_SHOWN_LEN_MAX = 40


@dataclass(frozen=True, slots=True)
class Mapping:
    """How the messages of some topics are read.

    Parameters
    ----------
    topic : str
        Template, such as ``plant/{asset}/telemetry`` (`bridge.codec.topics`).
    format : {"json", "senml", "scalar"}
        What a payload is.
    time_key : str or None
        Dotted path of the time in a JSON payload, or in each row; None takes the time of
        receipt.
    time_unit : {"s", "ms", "us", "ns", "iso"}
        Unit of the time since the Unix epoch, or ISO 8601 text with an offset.
    shape : {"root", "key", "rows", "columns"}
        JSON only. Signals stand at the root, under `signals_key`, as a list of objects (each
        with its time), or as an object of equally long lists. For rows and columns,
        `signals_key` names where the list or object is; empty is the root.
    signals_key : str
        Dotted path.
    asset_key : str or None
        Dotted path of the asset where the topic names none; it counts only within its own
        gateway. For SenML, ``bn`` takes it from the base name.
    tenant : str
        Tenant where the topic names none.
    names : dict
        What signals are called in the payload, and what they are called here.
    ignore : tuple of str
        Keys that are no signals.

    Raises
    ------
    InputError
        If the parts do not go together; it says which.
    """

    topic: str
    format: Format = "json"
    time_key: str | None = None
    time_unit: TimeUnit = "ms"
    shape: Shape = "root"
    signals_key: str = ""
    asset_key: str | None = None
    tenant: str = "default"
    names: Dict[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    template: TopicTemplate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "template", TopicTemplate(self.topic))
        for problem, wrong in self._checks():
            if wrong:
                raise InputError(f"mapping of {self.topic!r}: {problem}")

    def _checks(self) -> Iterator[tuple[str, bool]]:
        placeholders = self.template.names
        for name, allowed in (("format", Format), ("shape", Shape), ("time_unit", TimeUnit)):
            words = get_args(allowed)
            value = getattr(self, name)
            yield f"{name} {value!r}: one of {', '.join(words)} is allowed", value not in words
        yield (
            "it needs {asset} in the topic, or asset_key to say where the payload names it",
            "asset" not in placeholders and self.asset_key is None,
        )
        yield (
            "asset_key is allowed only where the topic has no {asset}",
            "asset" in placeholders and self.asset_key is not None,
        )
        yield "shape 'key' needs signals_key", self.shape == "key" and not self.signals_key
        yield (
            "shape 'columns' needs time_key",
            self.shape == "columns" and self.time_key is None,
        )
        yield (
            "format 'scalar' needs {asset} and {signal} in the topic",
            self.format == "scalar" and not {"asset", "signal"} <= placeholders,
        )
        yield (
            f"tenant {self.tenant!r}: 1 to 64 characters of A-Z a-z 0-9 . _ - are allowed",
            _TENANT.fullmatch(self.tenant) is None,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What messages may take up; a device that invents names must not fill memory.

    Parameters
    ----------
    payload_bytes_max, rows_max : int
        Of one message.
    tenants_max : int
        Where topics name the tenant.
    assets_max, signals_max : int
        Of one tenant, all signals together.
    asset_signals_max : int
        Of one asset.
    letter_bytes_max : int
        What a dead letter keeps of a payload.
    learned_topics_max, learned_slots_max : int
        Beyond them what was learned of topics and of sets of keys is forgotten, and learned
        again from what still comes.
    """

    payload_bytes_max: int = 1 << 20
    rows_max: int = 10_000
    tenants_max: int = 1_000
    assets_max: int = 200_000
    signals_max: int = 2_000_000
    asset_signals_max: int = 2_000
    letter_bytes_max: int = 4_096
    learned_topics_max: int = 500_000
    learned_slots_max: int = 5_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a payload that cannot be taken: a reason and what it is about."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Signals of one instant as they stand in a payload, values not yet checked.

    Parameters
    ----------
    t_ns : int or None
        Event time; None is the time of receipt.
    values : dict
        By name in the payload.
    asset : object
        As named in the payload, or None.
    """

    t_ns: int | None
    values: dict[str, object]
    asset: object = None


@dataclass(slots=True)
class Parsed:
    """All readings of one payload, and what was wrong beside them."""

    readings: list[Reading] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


Parse = Callable[[bytes, Mapping, int, Limits], Parsed]
"""A payload codec: payload, mapping, receive_ns, limits.

It raises PayloadError where nothing can be taken.
"""


def refuse(reason: Reason, detail: str) -> PayloadError:
    """Make the error of a whole payload, its reason being one of `REASONS`."""
    return PayloadError(reason, detail)


def name_fault(kind: str, name: object) -> Fault | None:
    """Return what is wrong with the name of a tenant, asset or signal, or None.

    Notes
    -----
    Names beginning with ``~`` are series that the bridge derives itself.
    """
    allowed = f"1 to {NAME_LEN_MAX} printable characters, not beginning with ~"
    if kind == "tenant":
        good = isinstance(name, str) and _TENANT.fullmatch(name) is not None
        allowed = "1 to 64 characters of A-Z a-z 0-9 . _ -"
    else:
        good = (
            isinstance(name, str)
            and 0 < len(name) <= NAME_LEN_MAX
            and name.isprintable()
            and name[0] != "~"
        )
    return None if good else Fault("bad-name", f"{kind} {shown(name)}: {allowed} are allowed")


def shown(value: object) -> str:
    """Return a value for an error message, short whatever it is."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    # A number of a million digits must not be written out; text is cut before it is quoted.
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS_MAX:
        return f"a number of {value.bit_length()} bits"
    return repr(value[:_SHOWN_LEN_MAX]) if isinstance(value, str) else repr(value)
