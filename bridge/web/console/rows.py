"""What stands in an inbox's rows, and in which order."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from bridge.flow.ports import Identity
from bridge.model.case import Case, Task
from bridge.model.catalog import Catalog
from bridge.model.values import Side
from bridge.web.acts import reading_side

_DAY_S = 86_400
_FOR_EVER = float("inf")
_LEAST_DAYS = 0.25
"""Below six hours left everything is equally urgent; the cost decides."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case as one reader's row.

    Parameters
    ----------
    mine, other : Task or None
        The reader's side and the other one.
    my_move : bool
        Whether the next step is the reader's own.
    """

    case: Case
    side: Side
    mine: Task | None
    other: Task | None
    act_by: datetime | None
    my_move: bool


def row(case: Case, who: Identity) -> Row:
    """Return a case as a person's row."""
    side = reading_side(who.role)
    other: Side = "sales" if side == "engineering" else "engineering"
    task = case.task(side)
    return Row(
        case=case,
        side=side,
        mine=task,
        other=case.task(other),
        act_by=act_by(case, task),
        my_move=_my_move(task, who),
    )


def act_by(case: Case, task: Task | None) -> datetime | None:
    """Return when to act: at the task's due time or the latest safe date."""
    dates = [task.due if task and task.state != "done" else None, case.facts.act_by]
    return min((each for each in dates if each is not None), default=None)


def in_order(rows: list[Row], now: datetime) -> list[Row]:
    """Return rows by what waiting costs: a stop's cost over the days left, costliest first.

    Notes
    -----
    Stop goes first, whatever it costs. Where a customer's cost is not known, the median of the
    known ones stands for it, so that a missing entry neither hides a case nor lifts it. Cases
    without a dated failure stand last, by their due times: nothing is known to be lost. A
    sensor's severity has no say.
    """
    known = [cost for each in rows if (cost := _cost(each)) is not None]
    typical = median(known) if known else 1.0

    def urgency(each: Row) -> tuple[bool, bool, float, int]:
        stop = each.case.facts.advice == "stop"
        left = (each.act_by - now).total_seconds() / _DAY_S if each.act_by else _FOR_EVER
        if each.case.facts.act_by is None and not stop:
            return (True, True, left, each.case.number or 0)
        days = max(left, _LEAST_DAYS)
        cost = _cost(each)
        loss = (typical if cost is None else cost) / days
        return (not stop, False, -loss, each.case.number or 0)

    return sorted(rows, key=urgency)


def _cost(each: Row) -> float | None:
    cost = each.case.facts.cost
    return (cost[0].amount + cost[1].amount) / 2 if cost else None


def _my_move(task: Task | None, who: Identity) -> bool:
    return (
        task is not None
        and task.owner == who.person
        and task.waiting_on is None
        and task.state != "done"
    )


def machine_words(catalog: Catalog, asset_id: str) -> dict[str, str]:
    """Return how a person calls a machine: model, place, customer; empty if unknown."""
    asset = catalog.asset_by_id.get(asset_id)
    model = catalog.model_by_id.get(asset.model) if asset else None
    site = catalog.site_by_id.get(asset.site) if asset else None
    account = catalog.account_of(asset) if asset else None
    return {
        "id": asset_id,
        "model": model.name if model else "",
        "location": asset.location if asset else "",
        "site": site.name if site else "",
        "account": account.name if account else "",
    }
