"""Which anomalies are one story: the same machine, the same gateway, or half a site at once.

Noise budget: five hundred anomalies of one gateway's outage are one case and one letter for
each owner. The window runs from the latest anomaly of the group.
"""

from datetime import timedelta
from uuid import UUID

from bridge.cases.draft import Draft
from bridge.cases.events import AnomalyJoined
from bridge.cases.notes import leading
from bridge.model.case import Case
from bridge.model.detections import Anomaly

SITE_ASSETS_MIN = 3
"""So many machines of a site with one leading signal at one time have one cause."""


def join(draft: Draft, said: Anomaly) -> bool:
    """Join an anomaly to an open case, and say whether there was one to join.

    A machine with an open case has its trouble in hands already: first its case of anomalies,
    then any other. Else the case of its gateway, while the last anomaly there is no older than
    the window; else that of its site, when it is the third machine there whose anomaly has the
    same leading signal: then the cases before close as joined to the oldest.
    """
    case = _own(draft, said) or _of_gateway(draft, said)
    if case is not None:
        _joined(draft, case, said.asset, said)
        return True
    cases = _of_site(draft, said)
    if not cases:
        return False
    oldest, *others = sorted(cases, key=lambda each: (each.opened_at, each.number or 0))
    for other in others:
        for asset in (other.asset, *draft.state.notes[other.id].joined):
            _joined(draft, oldest.id, asset, said)
        draft.close(other.id, f"joined to {oldest.label}")
    _joined(draft, oldest.id, said.asset, said)
    return True


def _joined(draft: Draft, case: UUID, asset: str, said: Anomaly) -> None:
    draft.emit(
        AnomalyJoined,
        case=case,
        asset=asset,
        leading=leading(said.contributions),
        score=said.score,
        heard_at=said.at if asset == said.asset else None,
    )


def _own(draft: Draft, said: Anomaly) -> UUID | None:
    bare = draft.state.case_of(said.asset, None)
    cases = [bare] if bare else draft.state.cases_of(said.asset)
    return cases[0].id if cases else None


def _of_gateway(draft: Draft, said: Anomaly) -> UUID | None:
    asset = draft.catalog.asset_by_id.get(said.asset)
    if asset is None or asset.gateway not in draft.state.groups:
        return None
    case, last = draft.state.groups[asset.gateway]
    return case if draft.now - last <= _window(draft) else None


def _of_site(draft: Draft, said: Anomaly) -> list[Case]:
    """Return the open cases of the site that this anomaly makes one story of, or none."""
    asset = draft.catalog.asset_by_id.get(said.asset)
    signal = leading(said.contributions)
    if asset is None or not signal:
        return []
    alarms = draft.state.alarms.get((asset.site, signal), {})
    cases = [
        draft.state.cases[case]
        for case, last in alarms.items()
        if draft.now - last <= _window(draft)
    ]
    assets = {said.asset} | {case.asset for case in cases}
    for case in cases:
        joined = draft.state.notes[case.id].joined
        assets |= {name for name, signal_then in joined.items() if signal_then == signal}
    return cases if len(assets) >= SITE_ASSETS_MIN else []


def _window(draft: Draft) -> timedelta:
    return timedelta(minutes=draft.catalog.policy.group_window_min)
