"""Canonical JSON, fingerprints, and the hash chain that shows tampering with events."""

import json
from hashlib import sha256
from typing import Any

from pydantic import BaseModel

GENESIS = "0" * 64
"""What the first event of a tenant is chained to."""


def canonical(value: BaseModel | dict[str, Any]) -> bytes:
    """Return the one JSON text of a value: keys sorted, no spaces, UTF-8 (after RFC 8785).

    Numbers are written in Python's shortest round-trip form, which is the same after reading
    the text back; that is all a fingerprint needs, and the one departure from RFC 8785.
    """
    tree = (
        value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    )
    return json.dumps(
        tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def fingerprint(value: BaseModel | dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return sha256(canonical(value)).hexdigest()


def chain_hash(previous_hash: str, event_json: str | bytes) -> str:
    """Return the hash of an event as it stands in the table, chained to the event before it.

    Parameters
    ----------
    previous_hash : str
        Hash of the tenant's event before, or `GENESIS`.
    event_json : str or bytes
        The event exactly as stored.

    Returns
    -------
    str
        64 hexadecimal digits; a changed, removed or swapped row changes every hash after it.
    """
    content = event_json.encode() if isinstance(event_json, str) else event_json
    return sha256(previous_hash.encode() + b"\n" + content).hexdigest()
