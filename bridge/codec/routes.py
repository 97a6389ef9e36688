"""What a topic means, worked out once per topic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol, cast

import msgspec

from bridge.codec.lanes import Known, Lane, Pick, read_columns, read_rows
from bridge.codec.payloads import Fault, Mapping, Shape, name_fault
from bridge.codec.topics import Place

LANES_MAX = 1_000
"""Sets of keys remembered of one topic; beyond it they are learned again."""

_MANY: dict[Shape, Lane] = {"rows": read_rows, "columns": read_columns}


class Typed(Protocol):
    """A message whose time and signals stand where the mapping says."""

    time: float
    signals: dict[str, object]


@dataclass(slots=True)
class Route:
    """One topic, what it says, and the lane of its messages (`bridge.codec.telemetry`).

    Parameters
    ----------
    mapping : Mapping
        How its payloads are read.
    tenant : str
        Of the topic, or the mapping's.
    asset, signal, gateway : str or None
        None where the topic does not say.
    key, time_key : str or None
        Where the signals and the time stand in the document; None is the root and the time of
        receipt.
    has_lane : bool
        Whether its payloads are simple enough.
    decode : callable or None
        Reads a payload into `Typed` where the shape is known beforehand and all signals are
        taken: what is not asked for is then never made into objects.
    many : callable or None
        Reads the rows of a payload that may hold several (`bridge.codec.lanes`).
    apart : frozenset of str
        Keys beside the signals that are no signals.
    lane : dict
        By the keys of the signals: number of the plan, and how to pick (None: all of them).
    """

    mapping: Mapping
    tenant: str
    asset: str | None
    signal: str | None
    gateway: str | None
    key: str | None
    time_key: str | None
    has_lane: bool
    decode: Callable[[bytes], Typed] | None
    many: Lane | None
    apart: frozenset[str]
    lane: Known = field(default_factory=dict)

    def signal_name(self, key: str) -> str:
        """Return the signal that a key stands for, under the topic's signal if it names one."""
        name = self.mapping.names.get(key, key)
        if self.signal is None:
            return name
        topic_name = self.mapping.names.get(self.signal, self.signal)
        return topic_name if name == "value" else f"{topic_name}.{name}"

    def open(self, found: tuple[str, ...], plan: int, keys: list[str]) -> None:
        """Open the lane for messages with the keys `found`, of which `keys` are signals."""
        if len(self.lane) >= LANES_MAX:
            self.lane.clear()
        pick: Pick | None = None
        if len(keys) == 1:
            key = keys[0]
            pick = lambda signals: (signals[key],)  # noqa: E731 - itemgetter gives one key bare
        elif len(keys) != len(found):
            pick = itemgetter(*keys)
        self.lane[found] = (plan, pick)


class Routes:
    """All topics seen so far.

    Parameters
    ----------
    mappings : sequence of Mapping
        The first that fits counts.
    topics_max : int
        Beyond this many they should be forgotten.
    """

    def __init__(self, mappings: Sequence[Mapping], topics_max: int) -> None:
        self._topics_max = topics_max
        self._mappings = [(mapping, _typed_decoder(mapping)) for mapping in mappings]
        self.known: dict[str, Route] = {}

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return len(self.known) > self._topics_max

    def clear(self) -> None:
        """Forget every topic."""
        self.known.clear()

    def find(self, topic: str) -> Route | Fault:
        """Return the route of a topic, or why there is none (not kept: it may be anything)."""
        route = self.known.get(topic)
        if route is not None:
            return route
        for mapping, decode in self._mappings:
            place = mapping.template.match(topic)
            if place is None:
                continue
            tenant = mapping.tenant if place.tenant is None else place.tenant
            for kind, name in (
                ("tenant", tenant),
                ("asset", place.asset),
                ("signal", place.signal),
            ):
                fault = name_fault(kind, name) if name is not None else None
                if fault is not None:
                    return fault
            route = _route(mapping, decode, place, tenant)
            self.known[topic] = route
            return route
        return Fault("wrong-topic", "no mapping fits this topic")


def _route(
    mapping: Mapping, decode: Callable[[bytes], Typed] | None, place: Place, tenant: str
) -> Route:
    key = None if mapping.shape == "root" else mapping.signals_key or None
    time_key = mapping.time_key
    has_lane = (
        mapping.format == "json"
        and place.asset is not None
        and "." not in (key or "")
        and "." not in (time_key or "")
        and (time_key is None or mapping.time_unit != "iso")
    )
    apart = set(mapping.ignore)
    if mapping.shape != "key" and time_key is not None:
        apart.add(time_key)
    return Route(
        mapping, tenant, place.asset, place.signal, place.gateway, key, time_key, has_lane,
        decode if has_lane else None, _MANY.get(mapping.shape), frozenset(apart),
    )  # fmt: skip


def _typed_decoder(mapping: Mapping) -> Callable[[bytes], Typed] | None:
    if mapping.shape != "key" or mapping.ignore or mapping.time_key == mapping.signals_key:
        return None
    fields: list[tuple[str, Any]] = [("signals", dict[str, float | bool | None])]
    rename = {"signals": mapping.signals_key}
    if mapping.time_key is not None:
        fields.append(("time", int | float))
        rename["time"] = mapping.time_key
    try:
        kind = msgspec.defstruct("Typed", fields, rename=rename, gc=False)
    except ValueError:  # a key with quotes in it
        return None
    return cast("Callable[[bytes], Typed]", msgspec.json.Decoder(kind).decode)
