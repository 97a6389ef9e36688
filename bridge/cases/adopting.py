"""What a new catalog changes: gaps open and close, fallback owners hand over to those named."""

from bridge.cases.clocks import after_working
from bridge.cases.draft import SIDES, Draft
from bridge.cases.events import CatalogAdopted, GapClosed, GapOpened, TaskChanged
from bridge.cases.inputs import CatalogChanged
from bridge.cases.owners import gaps_of, owner_of
from bridge.cases.steps import allowance_h
from bridge.model.case import Case
from bridge.model.values import Side

CATALOG_GAPS = ("no-account", "no-account-owner", "no-engineer", "no-contact")
"""Kinds of gaps that a catalog opens and fills; others belong to what happened."""


def on_catalog(draft: Draft, change: CatalogChanged) -> None:
    """Adopt a catalog; the same version again changes nothing."""
    if change.version == draft.state.catalog_version:
        return
    draft.emit(CatalogAdopted, version=change.version, catalog=change.catalog)
    draft.catalog = change.catalog
    found = gaps_of(change.catalog)
    for gap, owner in found.items():
        if gap not in draft.state.gaps:
            draft.emit(GapOpened, kind=gap.kind, on=gap.on, owner=owner)
    unknown = {case.asset for case in draft.state.cases.values()}
    unknown -= set(change.catalog.asset_by_id)
    for gap in draft.state.gaps:
        if gap.kind in CATALOG_GAPS and gap not in found and gap.on not in unknown:
            draft.emit(GapClosed, kind=gap.kind, on=gap.on)
    for case in draft.state.cases.values():
        for side in SIDES:
            _hand_over(draft, case, side)


def _hand_over(draft: Draft, case: Case, side: Side) -> None:
    """Give a task to whom the catalog now names, where a fallback or nobody known held it."""
    task = case.task(side)
    if task is None or not (task.gap or task.owner not in draft.catalog.person_by_id):
        return
    asset = draft.catalog.asset_by_id.get(case.asset)
    owner = owner_of(draft.catalog, asset, side, draft.now)
    if owner.person == task.owner:
        return
    person = draft.catalog.person_by_id.get(owner.person)
    hours = allowance_h(task.next_action, side, draft.catalog.policy)
    due = task.due if task.waiting_on else after_working(person, draft.now, hours)
    changed = task.model_copy(
        update={"owner": owner.person, "gap": owner.gap, "state": "created", "due": due}
    )
    draft.emit(TaskChanged, case=case.id, task=changed, new_owner=True)
