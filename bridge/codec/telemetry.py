"""Telemetry messages to columns, by configured mappings: the one entry for `flow/intake`.

Theory of operation
-------------------
Machines repeat themselves: the same topic carries the same keys, message after message. What a
(topic, keys) pair means - its slots, its unit of time - is worked out once, the careful way,
and kept as a *plan*, a number. Afterwards a message costs one JSON decode and two dictionary
look-ups (the *lane*): its values, its raw time and its plan's number are appended to three
lists. All else is done for the whole batch at once, in numpy: types, bounds, units, slots.

Whatever the lane did not expect (an exception on the way) is read the careful way in its place.
Whatever only the batch shows (a text among numbers, a time out of bounds) makes the whole batch
be read again the careful way. So the lane needs no judgement: it is right or it is not used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from bridge.codec import json, scalar, senml
from bridge.codec.names import as_id
from bridge.codec.payloads import (
    Fault,
    Format,
    Limits,
    Mapping,
    Parse,
    Parsed,
    Reading,
    name_fault,
    shown,
)
from bridge.codec.plans import Columns, Plans
from bridge.codec.routes import Route, Routes
from bridge.codec.times import NS_PER_UNIT, instant_ns
from bridge.model.errors import PayloadError
from bridge.model.samples import DeadLetter, Messages, Samples
from bridge.model.slots import SlotTable

PARSERS: dict[Format, Parse] = {
    "json": json.parse,
    "senml": senml.parse,
    "scalar": scalar.parse,
}
_loads = msgspec.json.Decoder().decode
# What a lane may meet: no such topic, key or plan; no object; no JSON; no UTF-8; lists of
# unequal lengths; nested too deep.
_UNEXPECTED = (
    KeyError,
    TypeError,
    AttributeError,
    msgspec.MsgspecError,
    ValueError,
    RecursionError,
)
_DETAIL_LEN_MAX = 500
_FAULTS_TOLD_MAX = 8

GatewayOf = Callable[[str, str], str | None]
"""(tenant, asset) -> the gateway that may speak for it; empty: none; None: unknown asset."""


@dataclass(slots=True)
class Decoded:
    """What a batch of messages holds.

    Parameters
    ----------
    batches : dict
        Samples by tenant, in order of arrival.
    letters : list of DeadLetter
        At most one per message; it names everything that was refused of it.
    refused : dict
        Refused messages, wholly or in part, by the reason that stands first.
    message_count, sample_count : int
        Messages seen and samples taken.
    """

    batches: dict[str, Samples]
    letters: list[DeadLetter] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    message_count: int = 0
    sample_count: int = 0


class TelemetryDecoder:
    """Decodes batch after batch; keeps what it learned of topics and keys.

    Parameters
    ----------
    mappings : sequence of Mapping
        The first that fits a topic counts.
    slots : SlotTable
        Issues numbers for assets and signals seen the first time.
    limits : Limits
        What a message and a tenant may take up.
    gateway_of : callable or None
        Who may speak for an asset that a payload names; None lets a gateway name any.

    Notes
    -----
    One thread. Nothing is raised for what a message holds: it becomes a dead letter.
    """

    def __init__(
        self,
        mappings: Sequence[Mapping],
        slots: SlotTable,
        *,
        limits: Limits | None = None,
        gateway_of: GatewayOf | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._gateway_of = gateway_of
        self._plans = Plans(slots, self.limits)
        self._routes = Routes(mappings, self.limits.learned_topics_max)

    def decode(self, messages: Messages) -> Decoded:
        """Decode one batch; new slots wait in the table, to be committed with it."""
        if self._plans.full or self._routes.full:
            self._plans.clear()
            self._routes.clear()
        columns = self._read(messages, careful=max(map(len, messages.payloads), default=0)
                             > self.limits.payload_bytes_max)  # fmt: skip
        batches = columns.batches(self._plans, messages.receive_ns)
        if batches is None:
            columns = self._read(messages, careful=True)
            batches = columns.batches(self._plans, messages.receive_ns)
            assert batches is not None, "the careful way leaves nothing to find"
        return Decoded(
            batches, columns.letters, columns.refused, len(messages),
            sum(map(len, batches.values())),
        )  # fmt: skip

    def _read(self, messages: Messages, *, careful: bool) -> Columns:
        columns = Columns()
        routes = self._routes.known
        receive_ns = messages.receive_ns
        rows_max = self.limits.rows_max
        values, times, plans = columns.values, columns.times, columns.plans
        if careful:
            for topic, payload in zip(messages.topics, messages.payloads, strict=True):
                self._read_carefully(topic, payload, receive_ns, columns)
            return columns
        for topic, payload in zip(messages.topics, messages.payloads, strict=True):
            try:
                route = routes[topic]
                if route.decode is not None:
                    typed = route.decode(payload)
                    signals = typed.signals
                    time = receive_ns if route.time_key is None else typed.time
                else:
                    document = _loads(payload)
                    columns.untyped = True
                    signals = document if route.key is None else document[route.key]
                    if route.many is not None:
                        columns.add(
                            route.many(
                                signals, route.lane, route.time_key, receive_ns, rows_max
                            )
                        )
                        continue
                    time = receive_ns if route.time_key is None else document[route.time_key]
                plan, pick = route.lane[tuple(signals)]
                picked = signals.values() if pick is None else pick(signals)
            except _UNEXPECTED:
                self._read_carefully(topic, payload, receive_ns, columns)
                continue
            values += picked
            times.append(time)
            plans.append(plan)
        return columns

    def _read_carefully(
        self, topic: str, payload: bytes, receive_ns: int, columns: Columns
    ) -> None:
        route = self._routes.find(topic)
        faults: list[Fault] = []
        if isinstance(route, Fault):
            columns.letter(self._letter("", topic, payload, [route], receive_ns))
            return
        parsed = self._parse(payload, route, receive_ns, faults)
        for reading in parsed.readings:
            self._take(reading, route, receive_ns, columns, faults)
        if not parsed.readings and not faults:
            faults.append(Fault("no-signals", "no row of signals is in it"))
        if faults:
            columns.letter(self._letter(route.tenant, topic, payload, faults, receive_ns))
        elif route.has_lane:
            self._open_lane(payload, route)

    def _parse(
        self, payload: bytes, route: Route, receive_ns: int, faults: list[Fault]
    ) -> Parsed:
        size_max = self.limits.payload_bytes_max
        if len(payload) > size_max:
            faults.append(
                Fault("too-large", f"{len(payload)} bytes; at most {size_max} are allowed")
            )
            return Parsed()
        try:
            parsed = _typed(payload, route) or PARSERS[route.mapping.format](
                payload, route.mapping, receive_ns, self.limits
            )
        except PayloadError as error:
            faults.append(Fault(error.reason, error.detail))
            return Parsed()
        faults += parsed.faults
        return parsed

    def _take(
        self,
        reading: Reading,
        route: Route,
        receive_ns: int,
        columns: Columns,
        faults: list[Fault],
    ) -> None:
        asset = route.asset if route.asset is not None else reading.asset
        fault = self._asset_fault(route, asset)
        if fault is not None:
            faults.append(fault)
            return
        assert isinstance(asset, str)
        slots: list[int] = []
        found_count = len(faults)
        for key, raw in reading.values.items():
            if key in route.mapping.ignore:
                continue
            value = number(raw)
            slot = (
                Fault("not-a-number", f"{key[:40]}: {shown(raw)}")
                if value is None
                else self._plans.slot(route.tenant, asset, route.signal_name(key))
            )
            if isinstance(slot, Fault):
                faults.append(slot)
                continue
            slots.append(slot)
            columns.values.append(value)
        if slots:
            columns.times.append(receive_ns if reading.t_ns is None else reading.t_ns)
            columns.plans.append(self._plans.of(tuple(slots), 1))
        elif len(faults) == found_count:
            faults.append(Fault("no-signals", "no signal is in it"))

    def _asset_fault(self, route: Route, asset: object) -> Fault | None:
        fault = name_fault("asset", asset)
        if fault is not None or route.asset is not None or self._gateway_of is None:
            return fault
        assert isinstance(asset, str)
        owner = self._gateway_of(route.tenant, as_id(asset))
        if owner is None or (owner and owner == route.gateway):
            return None
        detail = f"asset {shown(asset)} does not belong to gateway {shown(route.gateway)}"
        return Fault("wrong-gateway", detail)

    def _open_lane(self, payload: bytes, route: Route) -> None:
        """Keep what the careful way found for these keys, so that the lane knows them."""
        scale = 1 if route.time_key is None else NS_PER_UNIT[route.mapping.time_unit]
        for found in _keys(payload, route):
            if found in route.lane:
                continue
            assert route.asset is not None
            keys = [key for key in found if key not in route.apart]
            slots = [
                self._plans.slot(route.tenant, route.asset, route.signal_name(key))
                for key in keys
            ]
            plan = self._plans.of(tuple(slot for slot in slots if isinstance(slot, int)), scale)
            route.open(found, plan, keys)

    def _letter(
        self, tenant: str, topic: str, payload: bytes, faults: list[Fault], receive_ns: int
    ) -> DeadLetter:
        told = "; ".join(fault.detail for fault in faults[:_FAULTS_TOLD_MAX])
        if len(faults) > _FAULTS_TOLD_MAX:
            told += f"; and {len(faults) - _FAULTS_TOLD_MAX} more"
        kept = payload[: self.limits.letter_bytes_max]
        return DeadLetter(
            tenant, topic, kept, faults[0].reason, told[:_DETAIL_LEN_MAX], receive_ns
        )


def _keys(payload: bytes, route: Route) -> set[tuple[str, ...]]:
    """Return the keys of each row, as the lane will meet them; none where it cannot read it."""
    try:
        if route.decode is not None:
            return {tuple(route.decode(payload).signals)}
        document = _loads(payload)
        found = document if route.key is None else document[route.key]
        return set(map(tuple, found)) if route.mapping.shape == "rows" else {tuple(found)}
    except _UNEXPECTED:
        return set()  # such as NaN under a key that is ignored


def _typed(payload: bytes, route: Route) -> Parsed | None:
    """Read a payload as the lane does, so that both take the same; None where it cannot."""
    if route.decode is None:
        return None
    try:
        document = route.decode(payload)
    except _UNEXPECTED:
        return None
    time = None
    if route.time_key is not None:
        time = instant_ns(document.time, route.mapping.time_unit)
    return Parsed([Reading(time, document.signals)])


def number(raw: object) -> float | None:
    """Return a value as a float, null as NaN ("sent as missing"); None if it is no number."""
    if raw is None:
        return float("nan")
    if not isinstance(raw, int | float):
        return None
    try:
        value = float(raw)
    except OverflowError:
        return None
    return value if value - value == 0.0 else None  # NaN and infinity are no readings


def decode(messages: Messages, mappings: Sequence[Mapping], slots: SlotTable) -> Decoded:
    """Decode one batch with nothing remembered; for tests and tools."""
    return TelemetryDecoder(mappings, slots).decode(messages)
