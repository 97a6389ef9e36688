"""How every asset stands, as the fleet page shows it: one condition, and its signals."""

from collections.abc import Iterator

import numpy as np

from bridge.flow.engine import Engine, Tenant
from bridge.flow.groups import NEVER, Group
from bridge.flow.telling import as_new_of, state_name
from bridge.model.detections import AssetStatus, Condition
from bridge.model.instants import as_datetime
from bridge.model.quality import Quality

_WORDS = {int(each): each.name.lower() for each in Quality}


def statuses(engine: Engine, since: dict[tuple[str, str], int]) -> Iterator[AssetStatus]:
    """Yield how the assets stand that have a row later than when they were last told.

    Parameters
    ----------
    engine : Engine
        All that is watched.
    since : dict of (tenant, asset) to int
        Mark of what was last told of each asset; brought up to date.
    """
    for name, tenant in engine.tenants.items():
        for group in tenant.groups.values():
            for slot, asset in enumerate(group.assets):
                if tenant.home.get(asset) is not group:
                    continue
                t_ns = int(group.memory.latest.t_ns[slot])
                away = asset in tenant.presence.away
                mark = 2 * t_ns + away
                if t_ns == NEVER or since.get((name, asset)) == mark:
                    continue
                since[name, asset] = mark
                yield status(name, tenant, group, slot)


def status(name: str, tenant: Tenant, group: Group, slot: int) -> AssetStatus:
    """Return how one asset stands after its last row."""
    latest, asset = group.memory.latest, group.assets[slot]
    hi = float(latest.health[slot])
    return AssetStatus(
        tenant=name,
        asset=asset,
        at=as_datetime(int(latest.t_ns[slot])),
        condition=condition(tenant, group, slot),
        known=group.plan.known,
        score=float(latest.score[slot]),
        health=hi if np.isfinite(hi) else None,
        as_new=as_new_of(hi),
        learned=float(latest.learned[slot]),
        operating_state=state_name(int(latest.state[slot])),
        signals={
            signal: {
                "value": _number(latest.value[slot, column]),
                "t": as_datetime(int(latest.t_ns[slot])).isoformat(),
                "quality": _WORDS[int(latest.quality[slot, column])],
                "low": _number(latest.low[slot, column]),
                "high": _number(latest.high[slot, column]),
            }
            for column, signal in enumerate(group.signals)
        },
    )


def condition(tenant: Tenant, group: Group, slot: int) -> Condition:
    """Return the one word for an asset: what matters most comes first."""
    latest, asset = group.memory.latest, group.assets[slot]
    told = tenant.teller.told.get(asset)
    if asset in tenant.presence.away:
        return "offline"
    if told is not None and told.mode is not None:
        return "degrading"
    if latest.learned[slot] < 1.0:
        return "learning"
    if latest.alarm[slot]:
        return "anomalous"
    kinds = {str(kind) for kind, _ in told.faults.values()} if told else set()
    if "sensor-fault" in kinds:
        return "sensor-fault"
    return "gap" if kinds else "normal"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
