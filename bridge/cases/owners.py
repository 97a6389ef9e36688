"""Who owns a task: the named person, the deputy of an absent one, else a lead, as a gap."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bridge.cases.clocks import away_at
from bridge.model.catalog import Asset, Catalog, OnCall, Person
from bridge.model.values import Side

NOBODY = "unassigned"
"""Owner where the catalog names nobody at all; no letter goes out, the gap says so."""

GAP_KIND: dict[Side, str] = {"engineering": "no-engineer", "sales": "no-account-owner"}


class Owner(NamedTuple):
    """A task's owner; `gap` where it is a fallback, because nobody is named or able."""

    person: str
    gap: bool


class Gap(NamedTuple):
    """What is missing (its kind), and of which account or asset."""

    kind: str
    on: str


def owner_of(catalog: Catalog, asset: Asset | None, side: Side, now: datetime) -> Owner:
    """Return who owns a side's task of a case on an asset.

    An asset that the catalog does not have belongs to the first lead of each side, as a gap.
    """
    named = catalog.person_by_id.get(named_owner(catalog, asset, side) or "")
    if named is not None:
        if not away_at(named, now):
            return Owner(named.id, gap=False)
        deputy = catalog.person_by_id.get(named.deputy or "")
        if deputy is not None and not away_at(deputy, now):
            return Owner(deputy.id, gap=False)
    return Owner(fallback(catalog, side, now), gap=True)


def named_owner(catalog: Catalog, asset: Asset | None, side: Side) -> str | None:
    """Return whom the catalog names: the asset's own, else the account's."""
    if asset is None:
        return None
    account = catalog.account_of(asset)
    if side == "engineering":
        return asset.engineer or (account.engineer if account else None)
    return asset.account_owner or (account.account_owner if account else None)


def fallback(catalog: Catalog, side: Side, now: datetime | None = None) -> str:
    """Return the first lead of a side by id, a present one first; anybody before nobody."""
    lead = "lead-engineer" if side == "engineering" else "lead-account-manager"

    def rank(person: Person) -> tuple[int, str]:
        if person.role == lead:
            order = 1 if now is not None and away_at(person, now) else 0
        elif person.role == "coordinator":
            order = 2
        elif person.side == side:
            order = 3
        else:
            order = 4
        return order, person.id

    return min(catalog.people, key=rank).id if catalog.people else NOBODY


def lead_of(catalog: Catalog, side: Side, now: datetime) -> str | None:
    """Return the lead who hears of a side's escalation, or None where the catalog has none."""
    person = catalog.person_by_id.get(fallback(catalog, side, now))
    leads = ("lead-engineer", "lead-account-manager")
    return person.id if person is not None and person.role in leads else None


def on_call(catalog: Catalog, asset: Asset | None, side: Side, now: datetime) -> str | None:
    """Return who answers at once for an asset: whose turn it is, passing over the absent.

    Turns change at the local hour of `from` in the asset's zone, also after a change of
    daylight saving time. None where no rota covers the site or all of it are absent.
    """
    zone = ZoneInfo(catalog.zone_of(asset)) if asset else ZoneInfo("UTC")
    for rota in catalog.on_call:
        covers = not rota.sites or (asset is not None and asset.site in rota.sites)
        if rota.side != side or not covers or now < rota.from_:
            continue
        for person_id in _turns(rota, now, zone):
            person = catalog.person_by_id.get(person_id)
            if person is not None and not away_at(person, now):
                return person_id
    return None


def _turns(rota: OnCall, now: datetime, zone: ZoneInfo) -> list[str]:
    """Return the rota's people, the one whose turn it is first."""
    first = rota.from_.astimezone(zone).replace(tzinfo=None)
    count = int((now - rota.from_) / timedelta(days=rota.turn_days)) + 1
    # The elapsed count may be one too high near a boundary, when clocks changed in between.
    while count > 0:
        start = (first + timedelta(days=count * rota.turn_days)).replace(tzinfo=zone)
        if start.astimezone(UTC) <= now:
            break
        count -= 1
    place = count % len(rota.people)
    return [*rota.people[place:], *rota.people[:place]]


def gaps_of(catalog: Catalog) -> dict[Gap, str]:
    """Return every ownership gap that the catalog itself shows, with its fallback owner.

    A gap is named on the account where the account could fill it, so an account with a thousand
    machines has one; on the asset where no account is known.
    """
    found: dict[Gap, str] = {}
    for asset in catalog.assets:
        for gap, side in asset_gaps(catalog, asset):
            found.setdefault(gap, fallback(catalog, side))
    return found


def asset_gaps(catalog: Catalog, asset: Asset) -> list[tuple[Gap, Side]]:
    """Return what the catalog misses for one asset, and the side that has to fill it."""
    account = catalog.account_of(asset)
    if account is None:
        return [(Gap("no-account", asset.id), "sales")]
    sides: tuple[Side, ...] = ("engineering", "sales")
    found = [
        (Gap(GAP_KIND[side], account.id), side)
        for side in sides
        if named_owner(catalog, asset, side) not in catalog.person_by_id
    ]
    if not account.contacts:
        found.append((Gap("no-contact", account.id), "sales"))
    return found
