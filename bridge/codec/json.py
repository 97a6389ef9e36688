"""JSON payloads in their four shapes, read the careful way.

`bridge.codec.telemetry` has a fast lane for the common ones.
"""

import json

import msgspec

from bridge.codec.payloads import Fault, Limits, Mapping, Parsed, Reading, refuse, shown
from bridge.codec.times import instant_ns
from bridge.model.errors import PayloadError

# float_hook: a number such as 1e999 spoils its own signal (it becomes inf), not the whole
# message.
_decode = msgspec.json.Decoder(float_hook=float).decode
_ABSENT = object()


def parse(payload: bytes, mapping: Mapping, _receive_ns: int, limits: Limits) -> Parsed:
    """Read one JSON payload; see `bridge.codec.payloads.Parse`."""
    document = loads(payload)
    if mapping.shape == "rows":
        return _rows(document, mapping, limits)
    if mapping.shape == "columns":
        return _columns(document, mapping, limits)
    t_ns = _time(document, mapping)
    asset = _asset(document, mapping)
    signals = at(document, mapping.signals_key) if mapping.shape == "key" else document
    if not isinstance(signals, dict):
        where = mapping.signals_key or "the root"
        found = "nothing" if signals is _ABSENT else shown(signals)
        raise refuse("bad-shape", f"{where} holds {found}; an object of signals is allowed")
    return Parsed([Reading(t_ns, _signals(signals, mapping), asset)])


def loads(payload: bytes) -> object:
    """Decode JSON; NaN and Infinity, which are no JSON, come as floats.

    Raises
    ------
    PayloadError
        ``bad-utf8``, ``bad-json`` or ``too-deep``.
    """
    try:
        return _decode(payload)
    except UnicodeDecodeError as error:
        raise refuse("bad-utf8", str(error)) from error
    except RecursionError as error:
        raise refuse("too-deep", "nested deeper than a payload may be") from error
    except msgspec.MsgspecError as error:
        return _loads_loosely(payload, str(error))


def at(document: object, path: str) -> object:
    """Return what stands at a dotted path, or a private mark where nothing does.

    A key that has dots itself is found first.
    """
    if not path:
        return document
    if isinstance(document, dict) and path in document:
        return document[path]
    for key in path.split("."):
        if not isinstance(document, dict) or key not in document:
            return _ABSENT
        document = document[key]
    return document


def _loads_loosely(payload: bytes, problem: str) -> object:
    # Many senders write NaN and Infinity, which are no JSON; the other signals need not suffer.
    try:
        return json.loads(payload.decode())
    except UnicodeDecodeError as error:
        raise refuse("bad-utf8", str(error)) from error
    except RecursionError as error:
        raise refuse("too-deep", "nested deeper than a payload may be") from error
    except ValueError as error:
        raise refuse("bad-json", problem) from error


def _time(document: object, mapping: Mapping) -> int | None:
    if mapping.time_key is None:
        return None
    value = at(document, mapping.time_key)
    if value is _ABSENT or value is None:
        raise refuse("no-time", f"{mapping.time_key} is not there")
    return instant_ns(value, mapping.time_unit)


def _asset(document: object, mapping: Mapping) -> object:
    if mapping.asset_key is None:
        return None
    asset = at(document, mapping.asset_key)
    if asset is _ABSENT or asset is None:
        raise refuse("no-asset", f"{mapping.asset_key} is not there")
    return str(asset) if isinstance(asset, int) and not isinstance(asset, bool) else asset


def _signals(found: dict[str, object], mapping: Mapping) -> dict[str, object]:
    # What is time or asset is no signal; a path that leads deeper excludes its first key.
    apart = {
        key
        for path in (mapping.time_key, mapping.asset_key)
        if path is not None
        for key in (path, path.split(".", maxsplit=1)[0])
    }
    if mapping.shape == "key":
        apart = set()
    return {key: value for key, value in found.items() if key not in apart}


def _rows(document: object, mapping: Mapping, limits: Limits) -> Parsed:
    rows = at(document, mapping.signals_key)
    if not isinstance(rows, list):
        raise refuse(
            "bad-shape", f"{mapping.signals_key or 'the root'}: a list of rows is allowed"
        )
    _check_count(len(rows), limits)
    parsed = Parsed()
    for index, row in enumerate(rows):
        try:
            parsed.readings.append(_row(row, document, mapping))
        except PayloadError as error:
            parsed.faults.append(Fault(error.reason, f"row {index}: {error.detail}"))
    return parsed


def _row(row: object, document: object, mapping: Mapping) -> Reading:
    if not isinstance(row, dict):
        raise refuse("bad-shape", f"{shown(row)} is no object")
    t_ns = _time(row, mapping)
    # One asset may stand beside the rows for all of them.
    beside = mapping.asset_key is not None and at(row, mapping.asset_key) is _ABSENT
    asset = _asset(document if beside else row, mapping)
    return Reading(t_ns, _signals(row, mapping), asset)


def _columns(document: object, mapping: Mapping, limits: Limits) -> Parsed:
    table = at(document, mapping.signals_key)
    if not isinstance(table, dict):
        raise refuse(
            "bad-shape", f"{mapping.signals_key or 'the root'}: an object of lists is allowed"
        )
    asset = _asset(document, mapping)
    times = _times(table, document, mapping)
    parsed = Parsed()
    columns: dict[str, list[object]] = {}
    for name, column in _signals(table, mapping).items():
        if name in mapping.ignore:
            continue
        if isinstance(column, list) and len(column) == len(times):
            columns[name] = column
        else:
            found = f"{len(column)} values" if isinstance(column, list) else shown(column)
            parsed.faults.append(Fault("bad-shape", f"{name}: {found}, {len(times)} times"))
    _check_count(len(times), limits)
    for index, time in enumerate(times):
        try:
            t_ns = instant_ns(time, mapping.time_unit)
        except PayloadError as error:
            parsed.faults.append(Fault("bad-time", f"row {index}: {error.detail}"))
            continue
        values = {name: column[index] for name, column in columns.items()}
        parsed.readings.append(Reading(t_ns, values, asset))
    return parsed


def _times(table: object, document: object, mapping: Mapping) -> list[object]:
    if mapping.time_key is None:
        raise refuse("no-time", "columns need time_key")
    times = at(table, mapping.time_key)
    if times is _ABSENT:
        times = at(document, mapping.time_key)
    if not isinstance(times, list):
        raise refuse("no-time", f"{mapping.time_key}: a list of times is allowed")
    return times


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.rows_max:
        raise refuse("too-many-rows", f"{count} rows; at most {limits.rows_max} are allowed")
