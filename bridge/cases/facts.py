"""The facts of a case: what detection said joined with what the catalog knew at that moment."""

from datetime import UTC, datetime

from bridge.model.case import Facts
from bridge.model.catalog import Account, Asset, Catalog, FailureMode
from bridge.model.detections import Anomaly, Prediction
from bridge.model.values import Money


def facts_of(
    said: Prediction | Anomaly, catalog: Catalog, now: datetime, mode: str | None = None
) -> Facts:
    """Return the facts for a prediction, or for an anomaly without one (no mode, no dates).

    Parameters
    ----------
    now : datetime
        The desk's time: the latest safe date under advice to stop.
    mode : str or None
        Failure mode whose knowledge is used, where it is not the prediction's own (a pattern
        that matches none any more, on a case whose mode is known).

    Notes
    -----
    An asset that is not in the catalog has its id and nothing else. Times are in UTC, so that
    equal facts have equal fingerprints whatever zone they came in.
    """
    asset = catalog.asset_by_id.get(said.asset)
    mode_id = mode or (said.mode if isinstance(said, Prediction) else None)
    known = catalog.mode_of(said.asset, mode_id) if mode_id else None
    tree: dict[str, object] = {
        "asset": said.asset,
        "mode": mode_id,
        "contributions": dict(sorted(said.contributions.items(), key=lambda each: -each[1])),
        "score": said.score,
    }
    if asset is not None:
        tree |= _place(asset, catalog)
        tree |= _stake(asset, catalog.account_of(asset), known)
    if known is not None:
        tree |= _knowledge(known, catalog)
    if isinstance(said, Prediction):
        tree |= _prognosis(said)
    stop = known is not None and known.advice == "stop"
    tree["act_by"] = now.astimezone(UTC) if stop else tree.get("p10")
    return Facts.model_validate(tree)


def same_but_time(old: Facts, new: Facts) -> Facts:
    """Return the new facts, keeping the latest safe date that advice to stop has set before."""
    if old.advice == "stop" and new.advice == "stop":
        return new.model_copy(update={"act_by": old.act_by})
    return new


def _place(asset: Asset, catalog: Catalog) -> dict[str, object]:
    site = catalog.site_by_id.get(asset.site)
    model = catalog.model_by_id.get(asset.model)
    account = catalog.account_of(asset)
    contact = account.contacts[0] if account and account.contacts else None
    return {
        "model": model.name if model else asset.model,
        "site": site.name if site else asset.site,
        "location": asset.location,
        "timezone": catalog.zone_of(asset),
        "account": account.name if account else "",
        # The role, not the name: a person's data stands beside the events, never in them.
        "contact": (contact.role or contact.id) if contact else "",
        "contact_timezone": (contact.timezone or account.timezone)
        if contact and account
        else "",
        "units": {each.name: each.unit for each in model.signals} if model else {},
    }


def _knowledge(mode: FailureMode, catalog: Catalog) -> dict[str, object]:
    parts = [catalog.part_by_id.get(part) for part in mode.parts]
    return {
        "mode_name": mode.name,
        "plain": mode.plain,
        "component": mode.component,
        "advice": mode.advice,
        "action": mode.action,
        "work_h": mode.work_h,
        "people": mode.people,
        "skills": mode.skills,
        "parts": tuple(
            part.name if part else name for part, name in zip(parts, mode.parts, strict=True)
        ),
        "downtime_h": mode.downtime_h,
    }


def _stake(
    asset: Asset, account: Account | None, mode: FailureMode | None
) -> dict[str, object]:
    """Return what a stop costs the customer: by the first outcome that names the asset."""
    outcomes = account.outcomes if account else ()
    outcome = next((each for each in outcomes if asset.id in each.assets), None)
    if outcome is None:
        return {}
    stake: dict[str, object] = {"outcome": outcome.name}
    rate = outcome.cost_per_hour
    if rate is not None and mode is not None and mode.downtime_h[1] > 0:
        stake["cost"] = tuple(
            Money(amount=rate.amount * hours, currency=rate.currency)
            for hours in mode.downtime_h
        )
    return stake


def _prognosis(said: Prediction) -> dict[str, object]:
    def utc(instant: datetime | None) -> datetime | None:
        return None if instant is None else instant.astimezone(UTC)

    return {
        "p10": utc(said.p10),
        "p50": utc(said.p50),
        "p90": utc(said.p90),
        "confidence": said.confidence,
        "quality": said.quality,
        "baseline": said.baseline,
        "health": said.health,
        "as_new": said.as_new,
        "onset": utc(said.onset),
        "evidence": said.evidence,
    }
