"""A decoder of telemetry on the bench: messages in, samples by name out."""

import json
from typing import Any

from bridge.codec.payloads import Mapping
from bridge.codec.telemetry import Decoded, TelemetryDecoder
from bridge.model.samples import Messages
from bridge.model.slots import SlotTable

T_MS = 1_800_000_000_000
T_NS = T_MS * 10**6
RECEIVE_NS = T_NS + 5 * 10**9
KEYED = Mapping("plant/{asset}/t", time_key="ts", shape="key", signals_key="values")
FLAT = Mapping("flat/{tenant}/{asset}", time_key="ts", names={"T": "temp"}, ignore=("id",))
ROWS = Mapping("rows/{asset}", time_key="ts", shape="rows", signals_key="rows")
COLUMNS = Mapping("columns/{asset}", time_key="ts", shape="columns", ignore=("id",))
Row = tuple[str, str, str, int, float]


class Bench:
    """A decoder and its slots."""

    def __init__(self, *mappings: Mapping, **options: Any) -> None:
        self.slots = SlotTable()
        self.decoder = TelemetryDecoder(mappings, self.slots, **options)

    def decode(self, *messages: tuple[str, Any]) -> Decoded:
        """Decode one batch; what is not bytes is sent as JSON."""
        topics = [topic for topic, _ in messages]
        payloads = [
            body if isinstance(body, bytes) else json.dumps(body).encode()
            for _, body in messages
        ]
        return self.decoder.decode(Messages(topics, payloads, RECEIVE_NS))

    def rows(self, decoded: Decoded) -> list[Row]:
        """Give the samples by name, tenant after tenant."""
        found: list[Row] = []
        for tenant, samples in decoded.batches.items():
            columns = (samples.signal, samples.t_ns, samples.value)
            for slot, t_ns, value in zip(*(one.tolist() for one in columns), strict=True):
                row = self.slots.rows[slot]
                assert row.tenant == tenant
                found.append((tenant, row.asset, row.signal, t_ns, value))
        return found

    def learned(self) -> tuple[int, int]:
        """Give how many sets of keys and how many slots of plans are remembered."""
        routes, plans = self.decoder._routes, self.decoder._plans  # noqa: SLF001 - memory is no port
        return sum(1 + len(route.lane) for route in routes.known.values()), plans._used  # noqa: SLF001


def one(mapping: Mapping, topic: str, body: Any, **options: Any) -> tuple[list[Row], list[str]]:
    """Decode one message twice, the careful way and in the lane; both must agree."""
    bench = Bench(mapping, **options)
    first, second = bench.decode((topic, body)), bench.decode((topic, body))
    reasons = [letter.reason for letter in first.letters]
    assert repr(bench.rows(first)) == repr(bench.rows(second))
    assert reasons == [letter.reason for letter in second.letters]
    return bench.rows(first), reasons
