"""What the desk is told: detections, people's acts, catalogs, repairs, deliveries, ticks.

Every input has an id; the desk decides on each id once. Names are what was asked or observed.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from bridge.cases.troubles import TroubleKind
from bridge.model.case import ActName
from bridge.model.catalog import Catalog
from bridge.model.detections import AnyDetection
from bridge.model.values import Id, Instant, Side, Value


class InputBase(Value):
    """Base of all inputs: `at` is the desk's time (the bridge's clock), not the device's."""

    id: UUID = Field(strict=False)
    tenant: Id
    at: Instant


class Detected(InputBase):
    """Detection said something; `detection.at` is event time."""

    type: Literal["detected"] = "detected"
    detection: AnyDetection


class ActRequested(InputBase):
    """A person asked for an act; `by` comes from the sign-in, never from a body.

    The case is named by its id, or by asset and mode. `side` is for coordinators, who act for
    either side (default engineering).
    """

    type: Literal["act-requested"] = "act-requested"
    by: Id
    case: UUID | None = Field(default=None, strict=False)
    asset: Id | None = None
    mode: Id | None = None
    do: ActName
    side: Side | None = None
    reason: str = ""
    finding: str = ""
    action: str = ""
    told: str = ""
    until: Instant | None = None
    note: str = ""


class Repaired(InputBase):
    """A repair was recorded for an asset (its baseline starts anew)."""

    type: Literal["repaired"] = "repaired"
    by: str
    asset: Id
    mode: Id | None = None
    finding: str = ""
    action: str = ""


class CatalogChanged(InputBase):
    """The tenant's catalog has a new version."""

    type: Literal["catalog-changed"] = "catalog-changed"
    version: int
    catalog: Catalog


class DeliveryEnded(InputBase):
    """The outbox gave a notification up, or a channel came back."""

    type: Literal["delivery-ended"] = "delivery-ended"
    notification: UUID = Field(strict=False)
    to: str
    channel: str
    case: UUID | None = Field(default=None, strict=False)
    state: Literal["sent", "dead"]
    reason: str = ""


class TroubleSeen(InputBase):
    """The service itself is in trouble, or no longer; its operators are told once each way."""

    type: Literal["trouble-seen"] = "trouble-seen"
    kind: TroubleKind
    on: str
    active: bool
    detail: str


class Ticked(InputBase):
    """Time passed; clocks, severities and waivers are looked at."""

    type: Literal["ticked"] = "ticked"


Input = Annotated[
    Detected | ActRequested | Repaired | CatalogChanged | DeliveryEnded | TroubleSeen | Ticked,
    Field(discriminator="type"),
]
