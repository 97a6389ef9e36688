"""What strange messages look like: their shape, their time, and the levels of their topics.

Guesses, for `bridge discover` to write down and a person to confirm. Each payload alone is
looked at (`look`); messages of one look and one depth of topic form a group (`mappings`), and
what varies between their topics becomes a placeholder.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bridge.codec.json import loads
from bridge.codec.payloads import Format, Limits, Mapping, Shape, TimeUnit, name_fault
from bridge.codec.scalar import parse as parse_scalar
from bridge.codec.times import instant_ns
from bridge.model.errors import InputError, PayloadError
from bridge.model.instants import NS_PER_S

TIME_NAME = re.compile(r"(?i)^(t|ts|time|date|when)$|time|timestamp|datetime|date$|_at$|_ts$")
ASSET_NAME = re.compile(r"(?i)^(asset|machine|device|deviceid|device_id|serial|unit|name|id)$")
SEQUENCE_NAMES = ("seq", "seqno", "sequence", "msgid", "message_id")
VALUE_NAMES = ("value", "val", "v", "reading")
GENERIC_LEVELS = {
    "telemetry", "data", "state", "status", "values", "measurements", "sensors", "sensor",
    "events", "attributes", "senml", "json", "raw", "out", "up",
}  # fmt: skip
_NEAR_NS = 30 * 86_400 * NS_PER_S
_SIGNAL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOKS_PER_TOPIC_MAX = 20


@dataclass(frozen=True, slots=True)
class Look:
    """What one payload looks like; messages that look the same are read the same way.

    Parameters
    ----------
    format, shape, signals_key, time_key, time_unit
        As in `Mapping`.
    """

    format: Format
    shape: Shape = "root"
    signals_key: str = ""
    time_key: str | None = None
    time_unit: TimeUnit = "ms"


@dataclass(frozen=True, slots=True)
class Seen:
    """A payload that could be made out: its look, its signals, and what else is in it.

    Parameters
    ----------
    look : Look
        Its shape.
    signals : tuple of str
        Keys of numbers.
    texts : dict
        Keys of short texts, and the texts: perhaps the asset's name.
    others : tuple of str
        Keys beside the signals that hold no number.
    """

    look: Look
    signals: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def look(payload: bytes, now_ns: int) -> Seen | None:
    """Look at one payload; None where nothing in it can be read as measurements."""
    try:
        document = loads(payload)
    except PayloadError:
        document = None
    if isinstance(document, bool | int | float) or document is None:
        return _scalar(payload)
    if isinstance(document, list):
        rows = [row for row in document if isinstance(row, dict)]
        if rows and any(row.keys() & {"bn", "n", "bt"} for row in rows):
            return Seen(Look("senml"))
        return _in_rows(rows, "", now_ns)
    return _in_object(document, now_ns) if isinstance(document, dict) else None


def mappings(
    messages: Iterable[tuple[str, bytes]], now_ns: int
) -> tuple[list[Mapping], list[str]]:
    """Guess the mappings of messages; return them and the topics that nobody could read.

    Parameters
    ----------
    messages : iterable of (topic, payload)
        Some of each topic are looked at.
    now_ns : int
        When they came: what is near it is a time.
    """
    looked: Counter[str] = Counter()
    groups: dict[tuple[Look, int], dict[str, list[Seen]]] = {}
    strange: dict[str, None] = {}
    for topic, payload in messages:
        looked[topic] += 1
        if looked[topic] > _LOOKS_PER_TOPIC_MAX:
            continue
        seen = look(payload, now_ns)
        if seen is None:
            strange[topic] = None
            continue
        key = (seen.look, topic.count("/"))
        groups.setdefault(key, {}).setdefault(topic, []).append(seen)
    found: list[Mapping] = []
    read: set[str] = set()
    for (form, _), topics in groups.items():
        try:
            found.append(_mapping(form, topics))
        except InputError:  # nothing in the topic can be the asset, or it has braces
            strange |= dict.fromkeys(topics)
        else:
            read |= topics.keys()
    # The more a template says, the earlier it stands: the first that fits counts.
    found.sort(key=lambda mapping: mapping.topic.count("{") + mapping.topic.count("+"))
    return found, [topic for topic in strange if topic not in read]


def time_unit(value: object, now_ns: int, *, named: bool) -> TimeUnit | None:
    """Return the unit in which a value is a time; one not called so must be near now."""
    units: Sequence[TimeUnit] = ("iso",) if isinstance(value, str) else ("s", "ms", "us", "ns")
    if isinstance(value, str) and value.lstrip("-").isdigit():
        units = ("s", "ms", "us", "ns")
    for unit in units:
        try:
            t_ns = instant_ns(value, unit)
        except PayloadError:
            continue
        if named or abs(t_ns - now_ns) < _NEAR_NS:
            return unit
    return None


def _scalar(payload: bytes) -> Seen | None:
    try:
        parse_scalar(payload, Mapping("{asset}/{signal}", format="scalar"), 0, Limits())
    except PayloadError:
        return None
    return Seen(Look("scalar"), ("value",))


def _in_object(document: dict[str, object], now_ns: int) -> Seen | None:
    time_key, unit = _time(document, now_ns)
    beside = {key: value for key, value in document.items() if key != time_key}
    texts = {key: value for key, value in beside.items() if isinstance(value, str)}
    for key, value in beside.items():
        rows = (
            [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
        )
        if rows and (seen := _in_rows(rows, key, now_ns)) is not None:
            return replace(seen, texts={**texts, **seen.texts})
    for key, table in (("", document), *beside.items()):
        if isinstance(table, dict) and (seen := _in_columns(table, key, now_ns)) is not None:
            return replace(seen, texts=texts)
    root = _numbers(beside)
    inner = [
        (len(_numbers(value)), key) for key, value in beside.items() if isinstance(value, dict)
    ]
    count, key = max(inner, default=(0, ""))
    if count and count >= len(root):
        table = beside[key]
        assert isinstance(table, dict)
        form = Look("json", "key", key, time_key, unit)
        others = tuple(name for name in table if name not in _numbers(table))
        return Seen(form, _numbers(table), texts, others)
    if not root:
        return None
    others = tuple(name for name in beside if name not in root)
    return Seen(Look("json", "root", "", time_key, unit), root, texts, others)


def _in_rows(rows: list[dict[str, object]], key: str, now_ns: int) -> Seen | None:
    for row in rows[:1]:
        time_key, unit = _time(row, now_ns)
        values = {name: value for name, value in row.items() if name != time_key}
        signals = _numbers(values)
        if signals and time_key is not None:
            texts = {name: text for name, text in values.items() if isinstance(text, str)}
            others = tuple(name for name in values if name not in signals)
            return Seen(Look("json", "rows", key, time_key, unit), signals, texts, others)
    return None


def _in_columns(table: dict[str, object], key: str, now_ns: int) -> Seen | None:
    columns = {name: column for name, column in table.items() if isinstance(column, list)}
    firsts = {name: column[0] for name, column in columns.items() if column}
    time_key, unit = _time(firsts, now_ns)
    if time_key is None or len(columns) <= 1:
        return None
    signals = tuple(name for name in _numbers(firsts) if name != time_key)
    others = tuple(name for name in table if name not in signals and name != time_key)
    return Seen(Look("json", "columns", key, time_key, unit), signals, {}, others)


def _time(found: dict[str, object], now_ns: int) -> tuple[str | None, TimeUnit]:
    """Return key and unit of the time: first what is called so, then what is near now."""
    for named in (True, False):
        for key, value in found.items():
            if named and TIME_NAME.search(key) is None:
                continue
            unit = time_unit(value, now_ns, named=named)
            if unit is not None:
                return key, unit
    return None, "ms"


def _numbers(found: object) -> tuple[str, ...]:
    if not isinstance(found, dict):
        return ()
    return tuple(
        key
        for key, value in found.items()
        if key.lower() not in SEQUENCE_NAMES
        and (value is None or isinstance(value, int | float))
    )


def _mapping(form: Look, topics: dict[str, list[Seen]]) -> Mapping:
    """Make the mapping of a group: which levels vary, and what they stand for."""
    seen = [one for several in topics.values() for one in several]
    levels = [topic.split("/") for topic in topics]
    single = {name for one in seen for name in one.signals}
    signal_in_topic = form.format == "scalar" or (
        form.format == "json" and form.shape == "root" and single <= set(VALUE_NAMES)
    )
    asset_level, signal_level = _levels(levels, signal_in_topic=signal_in_topic)
    asset_key = (
        _asset_key(seen) if asset_level is None or _one_value(levels, asset_level) else None
    )
    parts = []
    for index, (name, *rest) in enumerate(zip(*levels, strict=True)):
        if index == signal_level:
            parts.append("{signal}")
        elif index == asset_level:
            parts.append("{gateway}" if asset_key else "{asset}")
        else:
            parts.append(name if all(other == name for other in rest) else "+")
    apart = {form.time_key, asset_key}
    return Mapping(
        "/".join(parts), format=form.format, time_key=form.time_key, time_unit=form.time_unit,
        shape=form.shape, signals_key=form.signals_key, asset_key=asset_key,
        names=_names(single, signal_in_topic=signal_in_topic),
        ignore=tuple(sorted({key for one in seen for key in one.others} - apart - single)),
    )  # fmt: skip


def _levels(levels: list[list[str]], *, signal_in_topic: bool) -> tuple[int | None, int | None]:
    """Return which level names the asset and which the signal."""
    counts = [len(set(column)) for column in zip(*levels, strict=True)]
    depth = len(counts)
    varying = [index for index, count in enumerate(counts) if count > 1]
    signal: int | None = None
    if signal_in_topic:
        signal = varying[-1] if varying else depth - 1
        varying = [index for index in varying if index != signal]
    if varying:
        # The level with the most names is the asset; of equals the last, as sites stand first.
        return max(varying, key=lambda index: (counts[index], index)), signal
    fixed = [
        index
        for index in range(depth)
        if index != signal and levels[0][index].lower() not in GENERIC_LEVELS
    ]
    before = [index for index in fixed if signal is None or index < signal]
    usable = before or fixed
    return usable[-1] if usable else None, signal


def _one_value(levels: list[list[str]], index: int) -> bool:
    return len({topic[index] for topic in levels}) == 1


def _asset_key(seen: list[Seen]) -> str | None:
    """Return the key of the text that names the asset, where there is one in every message."""
    for key in seen[0].texts:
        texts = {one.texts.get(key, "") for one in seen}
        if ASSET_NAME.match(key) and "" not in texts and len(texts) > 1:
            return key
    return None


def _names(signals: set[str], *, signal_in_topic: bool) -> dict[str, str]:
    """Return names for keys that a catalog cannot hold."""
    if signal_in_topic:
        return {key: "value" for key in signals if key != "value"}
    names: dict[str, str] = {}
    for key in sorted(signals):
        if not _SIGNAL_ID.fullmatch(key) or name_fault("signal", key) is not None:
            plain = re.sub(r"[^A-Za-z0-9._-]+", "-", key).strip("-.")[:64]
            names[key] = plain or f"signal-{len(names) + 1}"
    return names
