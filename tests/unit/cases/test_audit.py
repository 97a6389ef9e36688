"""Canonical JSON, fingerprints and the chain."""

import hashlib
import json

from bridge.cases.audit import GENESIS, canonical, chain_hash, fingerprint
from bridge.model.case import Facts
from tests.scenarios.plant import MONDAY


def test_canonical_json_does_not_depend_on_order() -> None:
    """The same content in another order is the same text."""
    assert (
        canonical({"b": 1, "a": "ü"})
        == canonical({"a": "ü", "b": 1})
        == '{"a":"ü","b":1}'.encode()
    )


def test_facts_keep_their_fingerprint_through_json() -> None:
    """Facts read back from a store have the hash they were stored with."""
    facts = Facts(asset="M-1", mode="bearing", p10=MONDAY, p50=MONDAY, p90=MONDAY, work_h=5)
    again = Facts.model_validate_json(facts.model_dump_json(by_alias=True))
    assert fingerprint(again) == fingerprint(facts)
    assert fingerprint(facts) == hashlib.sha256(canonical(facts)).hexdigest()


def test_a_changed_or_removed_event_changes_every_later_hash() -> None:
    """The chain's head depends on each event and on their order."""

    def head(events: list[str]) -> str:
        last = GENESIS
        for event in events:
            last = chain_hash(last, event)
        return last

    events = [json.dumps({"n": n}) for n in range(4)]
    heads = {
        head(events),
        head(events[1:]),
        head(events[:-1]),
        head([events[1], events[0], *events[2:]]),
        head([events[0], '{"n": 9}', *events[2:]]),
    }
    assert len(heads) == 5
    assert chain_hash(GENESIS, "x") == chain_hash(GENESIS, b"x")
