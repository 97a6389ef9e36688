"""Machines by customer and site, each with one word for its state."""

from dataclasses import dataclass

from bridge.model.case import Case
from bridge.model.catalog import Catalog
from bridge.model.detections import AssetStatus

CONDITIONS = (
    "degrading",
    "anomalous",
    "sensor-fault",
    "offline",
    "gap",
    "learning",
    "normal",
    "silent",
)
"""The most pressing first; ``silent``: in the catalog, but it never sent."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One tile of the fleet page."""

    id: str
    known: bool
    model: str
    location: str
    condition: str
    status: AssetStatus | None
    cases: list[Case]


@dataclass(frozen=True, slots=True)
class Place:
    """One site of one customer and its machines."""

    account: str
    site: str
    zone: str
    machines: list[Machine]


def places(
    catalog: Catalog, statuses: list[AssetStatus], open_cases: list[Case]
) -> list[Place]:
    """Return every machine by place: those with a customer first, unknown ones at the end."""
    by_asset = {each.asset: each for each in statuses}
    cases: dict[str, list[Case]] = {}
    for case in open_cases:
        cases.setdefault(case.asset, []).append(case)
    found: dict[tuple[bool, str, str], Place] = {}
    for name in sorted({*catalog.asset_by_id, *by_asset}):
        asset = catalog.asset_by_id.get(name)
        site = catalog.site_by_id.get(asset.site) if asset else None
        account = catalog.account_of(asset) if asset else None
        key = (asset is None, account.name if account else "", site.name if site else "")
        zone = catalog.zone_of(asset) if asset else ""
        place = found.setdefault(key, Place(key[1], key[2], zone, []))
        place.machines.append(_machine(catalog, name, by_asset.get(name), cases.get(name, [])))
    for place in found.values():
        place.machines.sort(key=lambda each: (CONDITIONS.index(each.condition), each.id))
    return [found[key] for key in sorted(found)]


def tally(found: list[Place]) -> dict[str, int]:
    """Return how many machines are in each condition, the most pressing first."""
    words = [machine.condition for place in found for machine in place.machines]
    return {word: words.count(word) for word in CONDITIONS if word in words}


def _machine(
    catalog: Catalog, name: str, status: AssetStatus | None, cases: list[Case]
) -> Machine:
    asset = catalog.asset_by_id.get(name)
    model = catalog.model_by_id.get(asset.model) if asset else None
    return Machine(
        id=name,
        known=asset is not None,
        model=model.name if model else "",
        location=asset.location if asset else "",
        condition=status.condition if status else "silent",
        status=status,
        cases=cases,
    )
