"""The read side for REST and pages; every query names the tenant."""

import re
import time
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Table, func, literal, or_, select, tuple_

from bridge.adapters.records.database import Database
from bridge.adapters.records.desk import EVENTS
from bridge.adapters.records.rows import sending, stored_event
from bridge.adapters.records.tables import asset_status, case, detection, event, outbox
from bridge.flow.ports import CaseFilter, Page, Sending, StoredEvent
from bridge.model.case import Case
from bridge.model.detections import AnyDetection, AssetStatus, Detection
from bridge.model.errors import InputError

_DETECTION: TypeAdapter[AnyDetection] = TypeAdapter(AnyDetection)
_CURSOR = re.compile(r"([01])\.(\d{1,19})\.([0-3])\.(\d{1,10})")
_URGENCY = (case.c.closed, case.c.act_by_ns, case.c.severity, case.c.number)


class SqlViews:
    """Implements `Views`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest = 0
        self._looked_s = float("-inf")

    async def cases(
        self, tenant: str, where: CaseFilter, *, after: str | None = None, limit: int = 50
    ) -> Page:
        """Return open cases first, the earliest act-by date first, then the most severe.

        Raises
        ------
        InputError
            `after` is no key that a page gave.
        """
        conditions = _conditions(tenant, where)
        query = select(case.c.body, *_URGENCY).where(*conditions)
        if after is not None:
            query = query.where(tuple_(*_URGENCY) > tuple_(*_place(after)))
        count = select(func.count()).select_from(case).where(*conditions)
        async with self._database.read() as connection:
            total = (await connection.execute(count)).scalar_one()
            found = await connection.execute(query.order_by(*_URGENCY).limit(limit + 1))
            rows = found.all()
        items = [Case.model_validate_json(row.body) for row in rows[:limit]]
        key = None
        if len(rows) > limit and items:
            key = ".".join(str(part) for part in rows[limit - 1][1:])
        return Page(items, key, total)

    async def case(self, tenant: str, id_: UUID) -> Case | None:
        """Return a case by its id."""
        return await self._one_case(case.c.tenant == tenant, case.c.id == id_)

    async def case_by_number(self, tenant: str, number: int) -> Case | None:
        """Return the case that people write as C-`number`."""
        return await self._one_case(case.c.tenant == tenant, case.c.number == number)

    async def last_event(self, tenant: str) -> int:
        """Return the sequence number of the tenant's newest event, or 0."""
        query = select(func.max(event.c.seq)).where(event.c.tenant == tenant)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one() or 0

    async def events(
        self, tenant: str, *, after: int = 0, case: UUID | None = None, limit: int = 500
    ) -> list[StoredEvent]:
        """Return events later than `after`, in order."""
        where = [event.c.tenant == tenant, event.c.seq > after]
        if case is not None:
            where.append(event.c.case_id == case)
        query = (
            select(event.c.seq, event.c.body, event.c.hash)
            .where(*where)
            .order_by(event.c.seq)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [stored_event(row) for row in await connection.execute(query)]

    async def wait_events(self, *, after: int, timeout_s: float) -> bool:
        """Wait until an event of any tenant with a later number may be there."""
        query = select(func.max(event.c.seq))

        async def look() -> bool:
            # All waiters share one look: a page more must not cost a query more.
            now_s = time.monotonic()
            if (
                self._newest <= after
                and now_s - self._looked_s >= self._database.options.poll_s / 2
            ):
                self._looked_s = now_s
                async with self._database.read() as connection:
                    self._newest = (await connection.execute(query)).scalar_one() or 0
            return self._newest > after

        return await self._database.wakeups.wait(EVENTS, look, timeout_s=timeout_s)

    async def notifications(
        self,
        tenant: str,
        *,
        case: UUID | None = None,
        before: UUID | None = None,
        limit: int = 200,
    ) -> list[Sending]:
        """Return notifications, the newest first, older than the one with the id `before`.

        Raises
        ------
        InputError
            The tenant has none by that id.
        """
        where = [outbox.c.tenant == tenant]
        if before is not None:
            where.append(outbox.c.seq < await self._place_of(outbox, tenant, before))
        if case is not None:
            where.append(outbox.c.case_id == case)
        query = select(outbox).where(*where).order_by(outbox.c.seq.desc()).limit(limit)
        async with self._database.read() as connection:
            return [sending(row) for row in await connection.execute(query)]

    async def statuses(self, tenant: str) -> list[AssetStatus]:
        """Return how every asset of the tenant stands, by asset."""
        query = (
            select(asset_status.c.body)
            .where(asset_status.c.tenant == tenant)
            .order_by(asset_status.c.asset)
        )
        async with self._database.read() as connection:
            bodies = (await connection.execute(query)).scalars().all()
        return [AssetStatus.model_validate_json(body) for body in bodies]

    async def status(self, tenant: str, asset: str) -> AssetStatus | None:
        """Return how one asset stands, or None where nothing is known of it."""
        query = select(asset_status.c.body).where(
            asset_status.c.tenant == tenant, asset_status.c.asset == asset
        )
        async with self._database.read() as connection:
            body = (await connection.execute(query)).scalar_one_or_none()
        return AssetStatus.model_validate_json(body) if body is not None else None

    async def detections(
        self,
        tenant: str,
        *,
        asset: str | None = None,
        type_: str | None = None,
        before: UUID | None = None,
        limit: int = 200,
    ) -> list[Detection]:
        """Return the newest detections that reached the desk, the newest first.

        Raises
        ------
        InputError
            No detection is kept by the id `before`.
        """
        where = [detection.c.tenant == tenant]
        if before is not None:
            where.append(detection.c.seq < await self._place_of(detection, tenant, before))
        if asset is not None:
            where.append(detection.c.asset == asset)
        if type_ is not None:
            where.append(detection.c.type == type_)
        query = (
            select(detection.c.body).where(*where).order_by(detection.c.seq.desc()).limit(limit)
        )
        async with self._database.read() as connection:
            bodies = (await connection.execute(query)).scalars().all()
        return [_DETECTION.validate_json(body) for body in bodies]

    async def _place_of(self, table: Table, tenant: str, id_: UUID) -> int:
        query = select(table.c.seq).where(table.c.tenant == tenant, table.c.id == id_)
        async with self._database.read() as connection:
            seq = (await connection.execute(query)).scalar_one_or_none()
        if seq is None:
            raise InputError(
                f"before: found {id_}, which is not kept; allowed: what `next` gave"
            )
        return int(seq)

    async def _one_case(self, *where: ColumnElement[bool]) -> Case | None:
        async with self._database.read() as connection:
            query = select(case.c.body).where(*where)
            body = (await connection.execute(query)).scalar_one_or_none()
        return Case.model_validate_json(body) if body is not None else None


def _conditions(tenant: str, where: CaseFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [case.c.tenant == tenant]
    if where.owner is not None:
        found.append(
            or_(case.c.engineering_owner == where.owner, case.c.sales_owner == where.owner)
        )
    if where.asset is not None:
        found.append(case.c.asset == where.asset)
    if where.account is not None:
        found.append(case.c.account == where.account)
    if where.states is not None:
        found.append(case.c.state.in_(where.states))
    if where.open_only:
        found.append(case.c.closed == 0)
    if where.text is not None and where.text.strip():
        found.append(case.c.search.contains(where.text.strip().lower(), autoescape=True))
    return found


def _place(cursor: str) -> list[Any]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InputError("after: found no key of a page; allowed: what `next` gave")
    return [literal(int(part)) for part in match.groups()]
