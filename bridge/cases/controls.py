"""What detection has to know of an event, as the journal's control record."""

from bridge.cases.events import Acted, CatalogAdopted, Event, RepairRecorded
from bridge.model.control import CONTROL, CatalogControl, Control, RepairControl
from bridge.model.detections import derive_id


def control_of(event: Event) -> bytes | None:
    """Return the control record's JSON for an event that changes detection, or None.

    A new catalog holds from here on; a repair - recorded, or executed on a case - ends the
    asset's predictions and starts its baseline anew.
    """
    control: Control
    id_ = derive_id("control", str(event.id))
    if isinstance(event, CatalogAdopted):
        control = CatalogControl(
            id=id_, tenant=event.tenant, at=event.at, version=event.version
        )
    elif isinstance(event, RepairRecorded) or (
        isinstance(event, Acted) and event.do == "execute"
    ):
        control = RepairControl(
            id=id_, tenant=event.tenant, at=event.at, asset=event.asset, mode=event.mode
        )
    else:
        return None
    return CONTROL.dump_json(control, by_alias=True)
