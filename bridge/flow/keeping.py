"""An engine as a header and arrays, and back: what a snapshot holds."""

from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from bridge.detect.state import restore, snapshot
from bridge.flow.engine import Engine, Tenant
from bridge.flow.groups import Group, build, plan_of_stranger
from bridge.flow.telling import Told
from bridge.model.catalog import Catalog

Arrays = dict[str, NDArray[Any]]

VERSION = 1
"""Of the meaning of a snapshot; another one is learned again."""


def dump(engine: Engine, offset: int) -> tuple[dict[str, Any], Arrays]:
    """Return a copy of all that an engine remembers: header and arrays.

    The arrays are copies, so the engine may go on while they are written.
    """
    groups: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for name, tenant in engine.tenants.items():
        for key, group in tenant.groups.items():
            number = len(groups)
            groups.append(
                {
                    "tenant": name,
                    "key": key,
                    "signals": list(group.signals),
                    "assets": list(group.assets),
                    "room": len(group.memory.latest.t_ns),
                }
            )
            arrays.update(
                {f"{number}/{path}": array for path, array in snapshot(group.memory).items()}
            )
    header = {
        "version": VERSION,
        "offset": offset,
        "groups": groups,
        "tenants": {
            name: {
                "catalog": each.version,
                "told": {asset: asdict(told) for asset, told in each.teller.told.items()},
                "presence": each.presence.dump(),
            }
            for name, each in engine.tenants.items()
        },
    }
    return header, arrays


def load(
    engine: Engine,
    header: dict[str, Any],
    arrays: Arrays,
    catalogs: dict[tuple[str, int], Catalog],
) -> None:
    """Write a snapshot into a fresh engine.

    Raises
    ------
    ValueError
        It is of another version, or does not fit the catalogs any more.
    """
    if header.get("version") != VERSION:
        raise ValueError(f"version {header.get('version')}; {VERSION} is allowed")
    for name, kept in header["tenants"].items():
        tenant = engine.tenant(name)
        catalog = catalogs.get((name, kept["catalog"]))
        if catalog is not None:
            engine.adopt(catalog, kept["catalog"])
        elif kept["catalog"]:
            raise ValueError(f"catalog version {kept['catalog']} of {name} is not there")
        tenant.teller.told = {asset: Told(**told) for asset, told in kept["told"].items()}
        tenant.presence.load(kept["presence"])
    for number, each in enumerate(header["groups"]):
        tenant = engine.tenant(each["tenant"])
        group = _group_of(engine, tenant, each)
        part = f"{number}/"
        engine.forget_places()
        found = {
            path.removeprefix(part): array
            for path, array in arrays.items()
            if path.startswith(part)
        }
        restore(group.memory, found)


def _group_of(engine: Engine, tenant: Tenant, each: dict[str, Any]) -> Group:
    """Return an empty group of the kept shape, in its place."""
    key, signals = str(each["key"]), tuple(each["signals"])
    known = tenant.groups.get(key)
    if known is None:
        if not key.startswith("~"):
            raise ValueError(f"model {key} is not in the catalog any more")
        plan = plan_of_stranger(each["tenant"], key[1:], signals, engine.options.lateness_s)
    else:
        plan = known.plan
    if plan.config.signals != signals:
        raise ValueError(f"signals of {key} are {plan.config.signals}, kept were {signals}")
    group = build(plan, int(each["room"]))
    for asset in each["assets"]:
        group.row(asset)
        if tenant.home.get(asset) in (None, known):
            tenant.home[asset] = group
    for asset in known.assets if known else ():
        group.row(asset)
        tenant.home[asset] = group
    engine.replace(tenant, key, group)
    return group
