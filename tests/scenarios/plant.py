"""The stories' plant and ready-made inputs, for tests that need no story."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from bridge.cases.inputs import ActRequested, CatalogChanged, Detected, Ticked
from bridge.codec import catalog as catalog_file
from bridge.model.catalog import Catalog
from bridge.model.detections import AnyDetection, Cleared, Prediction, derive_id
from tests.scenarios.driver import Desk

PLANT = Path(__file__).with_name("plant.yaml")
MONDAY = datetime.fromisoformat("2026-10-05T09:00:00+02:00")


@cache
def plant() -> Catalog:
    """Return the catalog."""
    return catalog_file.read(PLANT)


def desk() -> Desk:
    """Return a desk that knows the plant."""
    new = Desk()
    new.take(adopt(plant()))
    return new


def adopt(catalog: Catalog, version: int = 1, at: datetime = MONDAY) -> CatalogChanged:
    """Return the input that brings a catalog."""
    return CatalogChanged(
        id=derive_id("catalog", version),
        tenant="default",
        at=at,
        version=version,
        catalog=catalog,
    )


def said(detection: AnyDetection, at: datetime | None = None) -> Detected:
    """Return a detection as the desk's input."""
    return Detected(
        id=detection.id, tenant=detection.tenant, at=at or detection.at, detection=detection
    )


def prediction(at: datetime = MONDAY, **fields: Any) -> Prediction:
    """Return a good prediction without dates, but for what is given."""
    given: dict[str, Any] = {
        "asset": "M-1",
        "mode": "bearing",
        "confidence": "medium",
        **fields,
    }
    id_ = derive_id("test", at.isoformat(), repr(sorted(given.items(), key=str)))
    return Prediction(id=id_, tenant="default", at=at, **given)


def cleared(at: datetime, asset: str = "M-1", mode: str | None = "bearing") -> Cleared:
    """Return the word that a prediction no longer holds."""
    id_ = derive_id("test", "cleared", at.isoformat(), asset, mode or "")
    return Cleared(id=id_, tenant="default", asset=asset, at=at, mode=mode)


def act(at: datetime, by: str, do: str, **fields: Any) -> ActRequested:
    """Return an act on M-1's bearing, but for what is given."""
    given: dict[str, Any] = {"asset": "M-1", "mode": "bearing", **fields}
    id_ = derive_id("test", at.isoformat(), by, do, repr(given))
    return ActRequested.model_validate(
        {"id": id_, "tenant": "default", "at": at, "by": by, "do": do, **given}
    )


def tick(at: datetime) -> Ticked:
    """Return a tick."""
    return Ticked(id=derive_id("test tick", at.isoformat()), tenant="default", at=at)
