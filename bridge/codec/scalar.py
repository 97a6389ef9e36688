"""One number per message: the topic says everything else."""

import re

from bridge.codec.payloads import Limits, Mapping, Parsed, Reading, refuse

# float() would also take "1_000", "nan" and "infinity".
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORDS = {b"true": 1.0, b"false": 0.0}
_LEN_MAX = 64


def parse(payload: bytes, _mapping: Mapping, _receive_ns: int, _limits: Limits) -> Parsed:
    """Read a number, ``true`` or ``false``; see `bridge.codec.payloads.Parse`."""
    text = payload.strip() if len(payload) <= _LEN_MAX else payload
    value = _WORDS.get(text.lower())
    if value is None:
        if len(text) > _LEN_MAX or not _NUMBER.fullmatch(text):
            raise refuse("not-a-number", f"{text[:40]!r}: a number, true or false is allowed")
        value = float(text)
    return Parsed([Reading(None, {"value": value})])
