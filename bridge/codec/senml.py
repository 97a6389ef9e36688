"""SenML in JSON (RFC 8428): a list of records whose base fields hold for those that follow."""

from dataclasses import dataclass

from bridge.codec.json import loads
from bridge.codec.payloads import Fault, Limits, Mapping, Parsed, Reading, refuse, shown
from bridge.codec.times import instant_ns
from bridge.model.errors import PayloadError
from bridge.model.instants import NS_PER_S

VERSION = 10
RELATIVE_S = 2.0**28
"""A time below this is counted from the time of receipt (RFC 8428, section 4.5.3)."""


@dataclass(slots=True)
class _Base:
    """Base name, unit, time and value so far (RFC 8428, section 4.1)."""

    name: str = ""
    unit: str = ""
    time_s: float = 0.0
    value: float = 0.0


def parse(payload: bytes, mapping: Mapping, receive_ns: int, limits: Limits) -> Parsed:
    """Read a SenML pack; see `bridge.codec.payloads.Parse`.

    Notes
    -----
    A signal is called by the record's own name; without one, by the last part of the base name.
    The units are the catalog's matter; `units` reads them for its first draft. Sums, text and
    data values are no readings and are refused.
    """
    pack = loads(payload)
    if not isinstance(pack, list):
        raise refuse("bad-senml", f"{shown(pack)}: a list of records is allowed")
    if len(pack) > limits.rows_max:
        raise refuse(
            "too-many-rows", f"{len(pack)} records; at most {limits.rows_max} are allowed"
        )
    parsed, base = Parsed(), _Base()
    instants: dict[tuple[str | None, int], dict[str, object]] = {}
    for index, record in enumerate(pack):
        try:
            _take(record, base, mapping, receive_ns, instants)
        except PayloadError as error:
            detail = f"record {index}: {error.detail}"
            parsed.faults.append(Fault(error.reason, detail))
    parsed.readings = [Reading(t_ns, found, asset) for (asset, t_ns), found in instants.items()]
    return parsed


def units(payload: bytes, mapping: Mapping) -> dict[tuple[str | None, str], str]:
    """Return the units that a pack names, by asset (None: the topic names it) and signal.

    What `parse` refuses is passed over.
    """
    found: dict[tuple[str | None, str], str] = {}
    base = _Base()
    try:
        pack = loads(payload)
        for record in pack if isinstance(pack, list) else ():
            if isinstance(record, dict):
                _rebase(record, base)
                unit = record.get("u", base.unit)
                if isinstance(unit, str) and unit:
                    found[_named(record, base, mapping)] = unit
    except PayloadError:
        pass
    return found


def _take(
    record: object,
    base: _Base,
    mapping: Mapping,
    receive_ns: int,
    instants: dict[tuple[str | None, int], dict[str, object]],
) -> None:
    if not isinstance(record, dict):
        raise refuse("bad-senml", f"{shown(record)} is no object")
    _rebase(record, base)
    if not record.keys() & {"v", "vb", "vs", "vd", "s"}:
        return  # base fields only
    asset, signal = _named(record, base, mapping)
    t_ns = _instant(base.time_s + _number(record, "t"), receive_ns)
    instants.setdefault((asset, t_ns), {})[signal] = _value(record, base)


def _named(record: dict[str, object], base: _Base, mapping: Mapping) -> tuple[str | None, str]:
    """Return asset (None: the topic names it) and signal of a record."""
    own = record.get("n", "")
    if not isinstance(own, str):
        raise refuse("bad-senml", f"n: {shown(own)} is no text")
    asset = base.name.rstrip(":/._-") or own if mapping.asset_key else None
    return asset, own or _last_part(base.name)


def _rebase(record: dict[str, object], base: _Base) -> None:
    version = record.get("bver", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise refuse("bad-senml", f"bver {shown(version)}: at most {VERSION} is understood")
    foreign = [key for key in record if key.endswith("_")]
    if foreign:  # RFC 8428, section 4.4: such a field must be understood
        raise refuse("bad-senml", f"{shown(foreign[0])} is not understood")
    name = record.get("bn", base.name)
    if not isinstance(name, str):
        raise refuse("bad-senml", f"bn: {shown(name)} is no text")
    base.name = name
    unit = record.get("bu", base.unit)
    base.unit = unit if isinstance(unit, str) else ""
    base.time_s = _number(record, "bt", base.time_s)
    base.value = _number(record, "bv", base.value)


def _number(record: dict[str, object], key: str, default: float = 0.0) -> float:
    value = record.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse("bad-senml", f"{key}: {shown(value)} is no number")
    try:
        return float(value)
    except OverflowError as error:
        raise refuse("bad-senml", f"{key}: {shown(value)} is out of range") from error


def _value(record: dict[str, object], base: _Base) -> object:
    flag = record.get("vb")
    if isinstance(flag, bool):
        return flag
    value = record.get("v")
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return value + base.value
        except OverflowError:
            return value  # so large a number is refused by name
    return record.get("vs", value)  # the caller refuses it by name


def _last_part(name: str) -> str:
    return name.rstrip(":/").replace("/", ":").rsplit(":", 1)[-1]


def _instant(time_s: float, receive_ns: int) -> int:
    if -RELATIVE_S < time_s < RELATIVE_S:
        return receive_ns + round(time_s * NS_PER_S)
    return instant_ns(time_s, "s")
