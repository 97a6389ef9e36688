"""JSON telemetry read message by message by the standard library, as the documentation says."""

import json
import math

from bridge.codec.payloads import Mapping

Sample = tuple[str, str, str, int, float]
SCALE = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def read(  # noqa: C901, PLR0912 - one step after another
    topic: str, payload: bytes, mapping: Mapping, receive_ns: int
) -> list[Sample] | None:
    """Return (tenant, asset, signal, t_ns, value) of one message, or None where it is refused.

    For flat shapes, and topics without {signal}.
    """
    place = mapping.template.match(topic)
    if place is None or place.asset is None:
        return None
    try:
        document = json.loads(payload.decode())
    except ValueError:
        return None
    signals = document.get(mapping.signals_key) if mapping.shape == "key" else document
    if not isinstance(signals, dict):
        return None
    if mapping.time_key is None:
        t_ns = receive_ns
    else:
        time = document.get(mapping.time_key)
        if isinstance(time, bool) or not isinstance(time, int | float):
            return None
        # A fraction is good to the microsecond; the product is a double's.
        scale = SCALE[mapping.time_unit]
        t_ns = time * scale if isinstance(time, int) else round(time * (scale / 1e3)) * 1_000
    samples = []
    for key, value in signals.items():
        if key in mapping.ignore or (mapping.shape == "root" and key == mapping.time_key):
            continue
        number = math.nan if value is None else value
        if not isinstance(number, int | float) or abs(number) >= 2**1024 or math.isinf(number):
            continue
        name = mapping.names.get(key, key)
        samples.append((place.tenant or mapping.tenant, place.asset, name, t_ns, float(number)))
    return samples
