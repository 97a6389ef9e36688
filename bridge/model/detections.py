"""What detection says: anomalies, predictions, data quality, connectivity, asset states.

Each has an id made of what it stands for (RFC 9562 version 5), so that a replay says the same
again and the desk can skip what it has handled.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field

from bridge.model.values import Confidence, Id, Instant, Number, Value

NAMESPACE = UUID("9b0f3f6e-6a0a-5c3e-9d5e-7a6f0f6c2b11")
"""Namespace of every id the bridge derives."""


def derive_id(*parts: str | float | datetime) -> UUID:
    """Return the id of what the parts stand for; the same parts give the same id."""
    return uuid5(NAMESPACE, "\x1f".join(str(part) for part in parts))


class Detection(Value):
    """Base of all detections: whose, when (event time) and from which journal offset."""

    id: UUID = Field(strict=False)
    tenant: Id
    asset: Id
    at: Instant


class Evidence(Value):
    """What was known when a prediction was made; frozen into the case.

    Attributes
    ----------
    window_from, window_to : datetime
        Span of the data behind the statement.
    baseline : mapping of signal to (location, spread)
        In the signal's unit, in the operating state of the last row.
    latest : mapping of signal to value
        Level of each signal over the last rows, in its unit.
    completeness : float
        Share of expected samples that arrived and were usable, 0 to 1.
    operating_state : str
        Name of the operating state of the last row.
    method, model_version : str
        How it was computed.
    """

    window_from: Instant
    window_to: Instant
    baseline: dict[str, tuple[Number, Number]] = Field(default_factory=dict, strict=False)
    latest: dict[str, Number] = Field(default_factory=dict)
    completeness: Number = 1.0
    operating_state: str = ""
    method: str = ""
    model_version: str = ""


class Anomaly(Detection):
    """Abnormal now, without a prediction (ISO 13374 state detection)."""

    type: Literal["anomaly"] = "anomaly"
    score: Annotated[Number, Field(ge=0, le=1)]
    contributions: dict[str, Number] = Field(default_factory=dict)


class Prediction(Detection):
    """A future failure (ISO 13381-1); p10, p50, p90 all given, or all absent: no date yet."""

    type: Literal["prediction"] = "prediction"
    mode: Id
    p10: Instant | None = None
    p50: Instant | None = None
    p90: Instant | None = None
    confidence: Confidence
    contributions: dict[str, Number] = Field(default_factory=dict)
    quality: Literal["good", "poor"] = "good"
    baseline: Literal["learned", "learning"] = "learned"
    score: Number | None = None
    health: Number | None = None
    as_new: Number | None = None
    onset: Instant | None = None
    evidence: Evidence | None = None


class Cleared(Detection):
    """A prediction (mode) or an anomaly (mode None) no longer holds."""

    type: Literal["cleared"] = "cleared"
    mode: Id | None = None
    reason: str = ""


class DataQuality(Detection):
    """A sensor fault, a gap or a clock that is off: never a machine fault."""

    type: Literal["data-quality"] = "data-quality"
    kind: Literal["sensor-fault", "gap", "clock"]
    signal: Id | None = None
    active: bool
    detail: str = ""


class Connectivity(Detection):
    """A device went away or came back; `gateway` where the whole gateway did."""

    type: Literal["connectivity"] = "connectivity"
    state: Literal["online", "offline"]
    gateway: Id | None = None


AnyDetection = Annotated[
    Anomaly | Prediction | Cleared | DataQuality | Connectivity, Field(discriminator="type")
]

Condition = Literal[
    "learning", "normal", "anomalous", "degrading", "sensor-fault", "offline", "gap"
]


class AssetStatus(Value):
    """How one asset stands now; the newest replaces the older.

    Attributes
    ----------
    condition : str
        One word for the fleet page.
    known : bool
        Whether the catalog has the asset.
    score, health, as_new : float or None
        Score in [0, 1]; health indicator; as-new index in percent (100 = as commissioned).
    signals : mapping of signal to {value, t, quality, low, high}
        Latest value, its time, its quality word, and the healthy range in its operating state.
    learned : float
        Share of the commissioning period that is over, 0 to 1.
    """

    tenant: Id
    asset: Id
    at: Instant
    condition: Condition
    known: bool
    score: Number | None = None
    health: Number | None = None
    as_new: Number | None = None
    learned: Number = 0.0
    operating_state: str = ""
    signals: dict[str, dict[str, Number | str | None]] = Field(default_factory=dict)
