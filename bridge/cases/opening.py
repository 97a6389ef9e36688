"""How a case opens: its facts, its owners, its two tasks - or one, with a dated waiver."""

from datetime import timedelta
from uuid import UUID

from bridge.cases.audit import fingerprint
from bridge.cases.clocks import after_working
from bridge.cases.draft import Draft
from bridge.cases.events import CaseOpened, GapOpened, SalesSideOpened
from bridge.cases.facts import facts_of
from bridge.cases.owners import GAP_KIND, Gap, asset_gaps, fallback, owner_of
from bridge.cases.severity import severity_of
from bridge.cases.steps import allowance_h
from bridge.model.case import Task, Waiver
from bridge.model.detections import Anomaly, Prediction, derive_id
from bridge.model.values import Side

WAIVER_DAYS = 7
"""How long a case may stay with engineering alone before somebody is asked again."""

FIRST_STEP: dict[Side, str] = {"engineering": "confirm-finding", "sales": "confirm-message"}


def open_case(draft: Draft, said: Prediction | Anomaly) -> UUID:
    """Open the next episode of an asset's mode and return the case's id.

    Good data and a learned baseline give both sides their task. Anything less, and an anomaly
    without a prediction, is engineering's alone, with a waiver that says why and until when.
    """
    mode = said.mode if isinstance(said, Prediction) else None
    before = draft.state.episodes.get((said.asset, mode))
    episode = before.number + 1 if before else 1
    case = derive_id("case", draft.state.tenant, said.asset, mode or "", episode)
    facts = facts_of(said, draft.catalog, draft.now)
    asset = draft.catalog.asset_by_id.get(said.asset)
    account = draft.catalog.account_of(asset) if asset else None
    reason = waiver_reason(said)
    draft.emit(
        CaseOpened,
        case=case,
        number=draft.state.last_number + 1,
        asset=said.asset,
        account=account.id if account else None,
        mode=mode,
        episode=episode,
        previous=before.case if before else None,
        severity=severity_of(facts, draft.now, draft.catalog.policy),
        facts=facts,
        facts_hash=fingerprint(facts),
        engineering=task_of(draft, case, said.asset, "engineering"),
        sales=None if reason else task_of(draft, case, said.asset, "sales"),
        waiver=_waiver(draft, reason) if reason else None,
        gateway=asset.gateway if asset and mode is None else None,
        heard=mode,
        heard_at=said.at,
    )
    _show_gaps(draft, case, said.asset)
    return case


def waiver_reason(said: Prediction | Anomaly) -> str | None:
    """Return why there is no customer side, as a key that wording knows, or None."""
    if isinstance(said, Anomaly):
        return "no-prediction"
    if said.quality == "poor":
        return "poor-data"
    return "learning-baseline" if said.baseline == "learning" else None


def open_sales_side(draft: Draft, case_id: UUID) -> None:
    """End the waiver of a case: its data is good now, the account manager gets a task."""
    asset = draft.case(case_id).asset
    draft.emit(SalesSideOpened, case=case_id, sales=task_of(draft, case_id, asset, "sales"))
    _show_gaps(draft, case_id, asset)


def task_of(draft: Draft, case: UUID, asset_id: str, side: Side) -> Task:
    """Return a side's new task: owner, first step, and a clock in the owner's working hours."""
    asset = draft.catalog.asset_by_id.get(asset_id)
    owner = owner_of(draft.catalog, asset, side, draft.now)
    person = draft.catalog.person_by_id.get(owner.person)
    hours = allowance_h(FIRST_STEP[side], side, draft.catalog.policy)
    return Task(
        id=derive_id("task", str(case), side),
        side=side,
        owner=owner.person,
        gap=owner.gap,
        created_at=draft.now,
        due=after_working(person, draft.now, hours),
        next_action=FIRST_STEP[side],
    )


def _waiver(draft: Draft, reason: str) -> Waiver:
    until = draft.now + timedelta(days=WAIVER_DAYS)
    return Waiver(side="sales", reason=reason, until=until, by=draft.by)


def _show_gaps(draft: Draft, case_id: UUID, asset_id: str) -> None:
    """Open the gaps that the case met and that are not open yet.

    An absent owner without a present deputy is a gap of the asset, not of the account.
    """
    asset = draft.catalog.asset_by_id.get(asset_id)
    found: dict[Gap, str] = {}
    if asset is None:
        found[Gap("no-account", asset_id)] = fallback(draft.catalog, "sales", draft.now)
        found[Gap("no-engineer", asset_id)] = fallback(draft.catalog, "engineering", draft.now)
    else:
        for gap, side in asset_gaps(draft.catalog, asset):
            found[gap] = fallback(draft.catalog, side, draft.now)
    case = draft.case(case_id)
    for task in (case.engineering, case.sales):
        named = {gap.kind for gap in found}
        if task is not None and task.gap and not named & {GAP_KIND[task.side], "no-account"}:
            found[Gap(GAP_KIND[task.side], asset_id)] = task.owner
    for gap, owner in found.items():
        if gap not in draft.state.gaps:
            draft.emit(GapOpened, case=case_id, kind=gap.kind, on=gap.on, owner=owner)
