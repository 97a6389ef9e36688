"""What the desk stores: events, projections, outbox and handled inputs in one transaction."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, insert, select, text, union, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.adapters.journal.lock import DataFolder
from bridge.adapters.records.database import Database, explained
from bridge.adapters.records.inbox import OUTCOMES, arrivals
from bridge.adapters.records.rows import (
    FIRST_NUMBER,
    case_row,
    event_row,
    notification_row,
    stored_event,
)
from bridge.adapters.records.tables import case, catalog_version, desk_input, event, outbox
from bridge.cases.audit import GENESIS, chain_hash
from bridge.cases.events import Event
from bridge.cases.inputs import Input
from bridge.flow.ports import Decision, Queued, StoredEvent
from bridge.model.case import Case
from bridge.model.errors import ConflictError, UnavailableError

log = structlog.get_logger()

EVENTS = "events"
"""Topic that rings when events were stored."""
SENDINGS = "outbox"
"""Topic that rings when notifications were stored."""
_INPUT: TypeAdapter[Input] = TypeAdapter(Input)
_PAGE = 500


class SqlDeskStore:
    """Implements `DeskStore`; one writer per tenant.

    Notes
    -----
    On PostgreSQL the tenant's advisory lock belongs to the very session that commits: a desk
    whose session broke cannot write any more, so another may take over without a further fence.
    On SQLite the lock is a file beside the database; the kernel gives it back with the process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upsert: Any = sqlite.insert if database.sqlite else postgresql.insert
        self._files: dict[str, DataFolder] = {}
        self._sessions: dict[str, AsyncConnection] = {}

    async def acquire(self, tenant: str) -> None:
        """Become the tenant's only desk; again is harmless.

        Raises
        ------
        ConflictError
            Another desk runs for this tenant; names it.
        UnavailableError
            The database does not answer.
        """
        if self._database.sqlite:
            if tenant not in self._files:
                self._files[tenant] = self._lock_file(tenant)
            return
        if not await self._holds(tenant):
            self._sessions[tenant] = await self._lock(tenant)

    async def tenants(self) -> list[str]:
        """Return every tenant that has a catalog or an input."""
        query = union(
            select(catalog_version.c.tenant).distinct(), select(desk_input.c.tenant).distinct()
        )
        async with self._database.read() as connection:
            return sorted((await connection.execute(query)).scalars())

    async def events(self, tenant: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Yield the tenant's events in order."""
        while True:
            query = (
                select(event.c.seq, event.c.body, event.c.hash)
                .where(event.c.tenant == tenant, event.c.seq > after)
                .order_by(event.c.seq)
                .limit(_PAGE)
            )
            async with self._database.read() as connection:
                rows = (await connection.execute(query)).all()
            for row in rows:
                yield stored_event(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1].seq

    async def next_inputs(self, tenant: str, *, limit: int = 200) -> list[Queued]:
        """Return inputs not handled yet, in order.

        Notes
        -----
        An input that this release cannot read is handled here, with status 500, and logged.
        """
        query = (
            select(desk_input.c.seq, desk_input.c.body)
            .where(desk_input.c.tenant == tenant, desk_input.c.status.is_(None))
            .order_by(desk_input.c.seq)
            .limit(limit)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found: list[Queued] = []
        for row in rows:
            try:
                found.append(Queued(row.seq, _INPUT.validate_json(row.body)))
            except ValidationError as error:
                await self._refuse(tenant, row.seq, str(error))
        return found

    async def wait(self, tenant: str, *, timeout_s: float) -> bool:
        """Wait until there may be an input; False when time ran out."""
        query = (
            select(desk_input.c.seq)
            .where(desk_input.c.tenant == tenant, desk_input.c.status.is_(None))
            .limit(1)
        )

        async def look() -> bool:
            async with self._database.read() as connection:
                return (await connection.execute(query)).first() is not None

        return await self._database.wakeups.wait(arrivals(tenant), look, timeout_s=timeout_s)

    async def commit(self, tenant: str, decision: Decision) -> list[Case]:
        """Store a decision in one transaction; return the cases with their numbers.

        Raises
        ------
        ConflictError
            The tenant was not acquired.
        UnavailableError
            The database does not answer; whether it was stored is known only by reading again.
        """
        if self._database.sqlite:
            if tenant not in self._files:
                raise ConflictError(f"tenant {tenant}: commit without acquire")
            async with self._database.write() as connection:
                cases = await self._store(connection, tenant, decision)
        else:
            session = self._sessions.get(tenant)
            if session is None:
                raise ConflictError(f"tenant {tenant}: commit without acquire")
            async with explained(), session.begin():
                cases = await self._store(session, tenant, decision)
        self._ring(decision)
        return cases

    async def release(self) -> None:
        """Give every tenant back."""
        for file in self._files.values():
            file.release()
        self._files.clear()
        for session in self._sessions.values():
            await _end(session)
        self._sessions.clear()

    def _ring(self, decision: Decision) -> None:
        wakeups = self._database.wakeups
        if decision.handled:
            wakeups.ring(OUTCOMES)
        if decision.events:
            wakeups.ring(EVENTS)
        if decision.notifications:
            wakeups.ring(SENDINGS)

    async def _store(
        self, connection: AsyncConnection, tenant: str, decision: Decision
    ) -> list[Case]:
        await self._append(connection, tenant, decision.events)
        cases = await self._project(connection, tenant, decision.cases)
        if decision.notifications:
            rows = [notification_row(each) for each in decision.notifications]
            statement = self._upsert(outbox).on_conflict_do_nothing(index_elements=["id"])
            await connection.execute(statement, rows)
        for seq, outcome in decision.handled:
            values = {
                "status": outcome.status,
                "reason": outcome.reason,
                "case_id": outcome.case,
                "body": "",
            }
            ours = (desk_input.c.tenant == tenant, desk_input.c.seq == seq)
            await connection.execute(update(desk_input).where(*ours).values(values))
        return cases

    async def _append(
        self, connection: AsyncConnection, tenant: str, events: Sequence[Event]
    ) -> None:
        if not events:
            return
        query = (
            select(event.c.hash)
            .where(event.c.tenant == tenant)
            .order_by(event.c.seq.desc())
            .limit(1)
        )
        previous = (await connection.execute(query)).scalar_one_or_none() or GENESIS
        rows = []
        for each in events:
            row = event_row(each)
            rows.append({**row, "prev": previous, "hash": chain_hash(previous, row["body"])})
            previous = rows[-1]["hash"]
        await connection.execute(insert(event), rows)

    async def _project(
        self, connection: AsyncConnection, tenant: str, cases: Sequence[Case]
    ) -> list[Case]:
        if not cases:
            return []
        query = select(case.c.id, case.c.number).where(
            case.c.tenant == tenant, case.c.id.in_([each.id for each in cases])
        )
        known = {row.id: row.number for row in await connection.execute(query)}
        last = select(func.max(case.c.number)).where(case.c.tenant == tenant)
        free = ((await connection.execute(last)).scalar_one() or FIRST_NUMBER - 1) + 1
        numbered: list[Case] = []
        for each in cases:
            number = known.get(each.id) or each.number or free
            free = max(free, number + 1)
            known[each.id] = number
            numbered.append(
                each if each.number == number else each.model_copy(update={"number": number})
            )
        statement = self._upsert(case)
        kept = {"tenant", "id", "number"}
        changed = {c.name: statement.excluded[c.name] for c in case.c if c.name not in kept}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant", "id"], set_=changed),
            [case_row(each) for each in numbered],
        )
        return numbered

    async def _refuse(self, tenant: str, seq: int, reason: str) -> None:
        log.error("input unreadable", tenant=tenant, seq=seq, reason=reason)
        statement = (
            update(desk_input)
            .where(desk_input.c.tenant == tenant, desk_input.c.seq == seq)
            .values(status=500, reason="this release cannot read the input")
        )
        async with self._database.write() as connection:
            await connection.execute(statement)
        self._database.wakeups.ring(OUTCOMES)

    def _lock_file(self, tenant: str) -> DataFolder:
        path = self._database.path
        try:
            return DataFolder.lock(path.parent, f"{path.stem}-desk-{tenant}")
        except ConflictError as error:
            raise ConflictError(f"tenant {tenant} has a desk already: {error}") from error

    async def _holds(self, tenant: str) -> bool:
        session = self._sessions.get(tenant)
        if session is None:
            return False
        try:
            async with explained(), session.begin():
                await session.execute(text("SELECT 1"))
        except UnavailableError:
            del self._sessions[tenant]
            await _end(session)
            return False
        return True

    async def _lock(self, tenant: str) -> AsyncConnection:
        session = await self._database.dedicated()
        try:
            async with explained(), session.begin():
                key = {"key": _key(tenant)}
                query = text("SELECT pg_try_advisory_lock(:key)")
                if (await session.execute(query, key)).scalar_one():
                    return session
                holder = (await session.execute(text(_HOLDER), key)).scalar_one_or_none()
        except UnavailableError:
            await _end(session)
            raise
        await _end(session)
        raise ConflictError(
            f"tenant {tenant} has a desk already: {holder or 'a session that just ended'}; "
            "stop it first"
        )


_HOLDER = """
SELECT activity.application_name || ' (session ' || activity.pid || ')'
FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
  AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((lock.classid::bigint << 32) | lock.objid::bigint) = :key LIMIT 1
"""


def _key(tenant: str) -> int:
    digest = hashlib.blake2b(f"bridge desk {tenant}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def _end(session: AsyncConnection) -> None:
    """Close a session for good, also one that is broken."""
    engine = session.engine
    try:
        async with explained():
            await session.close()
    except UnavailableError as error:
        log.info("session broken", detail=error.detail)
    await engine.dispose()
