"""Control records: whatever changes detection stands in the journal, in order.

So a replay meets it at the same place.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from bridge.model.values import Id, Instant, Value


class ControlBase(Value):
    """Base of all control records; the same id twice is one."""

    id: UUID = Field(strict=False)
    tenant: Id
    at: Instant


class CatalogControl(ControlBase):
    """From here on this version of the tenant's catalog holds."""

    type: Literal["catalog"] = "catalog"
    version: int


class RepairControl(ControlBase):
    """The asset was repaired at `at`: predictions end, its baseline starts anew."""

    type: Literal["repair"] = "repair"
    asset: Id
    mode: Id | None = None


class RebaselineControl(ControlBase):
    """What is normal for the asset changed for a known reason; its baseline starts anew."""

    type: Literal["rebaseline"] = "rebaseline"
    asset: Id
    reason: str = ""


class ModelControl(ControlBase):
    """From here on this learned model holds for an asset model."""

    type: Literal["model"] = "model"
    asset_model: Id
    version: str


Control = Annotated[
    CatalogControl | RepairControl | RebaselineControl | ModelControl,
    Field(discriminator="type"),
]
CONTROL: TypeAdapter[Control] = TypeAdapter(Control)
"""Control records as JSON: `CONTROL.validate_json`, `CONTROL.dump_json(.., by_alias=True)`."""
