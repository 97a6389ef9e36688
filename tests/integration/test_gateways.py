"""Gateways that name machines in their payloads, into the service's journal."""

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.app.opening import make_source, open_records
from bridge.app.service import build
from bridge.app.settings import BrokerSection, IntakeSection, MappingSection, ServiceSection
from bridge.app.settings import Settings as ServiceSettings
from bridge.codec import blob, catalog
from bridge.flow.clock import SystemClock
from bridge.model.slots import SlotTable
from tests.servers import Mosquitto
from tests.servers_mqtt import publish_many

CATALOG = """\
tenant: default
accounts: [{id: acct, name: Mill, timezone: UTC}]
sites: [{id: site, account: acct, name: Works, timezone: UTC}]
models: [{id: press, name: Press, signals: [{name: temp, unit: degC}]}]
assets:
  - {id: m-1, model: press, site: site, gateway: gw-1}
  - {id: m-2, model: press, site: site, gateway: gw-2}
  - {id: m-3, model: press, site: site}
"""
T_MS = 1_800_000_000_000
SENT = [
    ("gw-1", "m-1", 1.0),
    ("gw-1", "m-2", 2.0),  # another gateway's
    ("gw-2", "m-2", 3.0),
    ("gw-2", "m-3", 4.0),  # nobody's: it speaks for itself
    ("gw-2", "new", 5.0),  # not in the catalog yet
]


@pytest.mark.parametrize("protocol", ["mqtt5", "mqtt311"])
async def test_gateways_speak_for_their_own(
    mosquitto: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    """A machine of another gateway is refused, kept as a dead letter and counted."""
    name = secrets.token_hex(4)
    mapping = MappingSection(topic=f"{name}/{{gateway}}", time_key="ts", asset_key="machine")
    settings = ServiceSettings(
        service=ServiceSection(data_folder=tmp_path, roles=("intake",)),
        broker=BrokerSection.model_validate(
            {
                "protocol": protocol, "port": mosquitto.port, "client_id": name,
                "user": "bridge", "password": "bridge",
            }
        ),
        intake=IntakeSection(mapping=(mapping,)),
    )  # fmt: skip
    async with open_records(settings) as records:
        await records.catalogs.put(catalog.from_text(CATALOG))
    async with make_source(settings, SystemClock()):
        pass  # from here on the broker keeps what comes
    publish_many(
        mosquitto,
        [
            (
                f"{name}/{gateway}",
                json.dumps({"ts": T_MS, "machine": machine, "temp": temp}).encode(),
            )
            for gateway, machine, temp in SENT
        ],
    )
    async with build(settings) as service, service.running(), asyncio.timeout(30):
        while sum(await contents(service.journal)) < len(SENT):  # noqa: ASYNC110 - from outside
            await asyncio.sleep(0.02)
        metrics = service.metrics.registry
        refused = ("bridge_refused_total", {"reason": "wrong-gateway"})
        while metrics.get_sample_value(*refused) != 2:  # noqa: ASYNC110 - from outside
            await asyncio.sleep(0.02)
        assert await taken(service.journal) == {"m-1": 1.0, "m-2": 3.0, "new": 5.0}
        letters = [letter for _, letter in await service.journal.dead_letters()]
    assert {letter.reason for letter in letters} == {"wrong-gateway"}
    assert {(letter.topic, letter.tenant) for letter in letters} == {
        (f"{name}/gw-1", "default"), (f"{name}/gw-2", "default"),
    }  # fmt: skip
    assert any("'m-2' does not belong to gateway 'gw-1'" in one.detail for one in letters)


async def contents(journal: SqliteJournal) -> tuple[int, int]:
    """Count the samples and the dead letters."""
    usage = await journal.usage()
    return len(await taken(journal)), usage.dead_letters


async def taken(journal: SqliteJournal) -> dict[str, float]:
    """Give the value journalled of each asset."""
    # Records first: what is journalled between the two reads may bring slots of its own.
    records, slots = await journal.read(0), SlotTable()
    slots.absorb(await journal.slots())
    found = {}
    for record in records:
        samples = blob.decode(record.body)
        pairs = zip(samples.signal.tolist(), samples.value.tolist(), strict=True)
        found |= {slots.rows[slot].asset: value for slot, value in pairs}
    return found
