"""The outbox's table: what waits, what was sent, what was given up."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, update

from bridge.adapters.records.database import Database
from bridge.adapters.records.desk import SENDINGS
from bridge.adapters.records.rows import sending
from bridge.adapters.records.tables import outbox
from bridge.flow.ports import Backlog, Sending
from bridge.model.instants import as_ns


class SqlOutbox:
    """Implements `Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def backlog(self) -> dict[str, Backlog]:
        """Return by channel how many notifications wait, and since when."""
        query = (
            select(outbox.c.channel, func.count(), func.min(outbox.c.at_ns))
            .where(outbox.c.state == "waiting")
            .group_by(outbox.c.channel)
        )
        async with self._database.read() as connection:
            return {row[0]: Backlog(row[1], row[2]) for row in await connection.execute(query)}

    async def due(
        self,
        *,
        now_ns: int,
        limit: int = 50,
        channel: str | None = None,
        other_than: Collection[str] = (),
    ) -> list[Sending]:
        """Return waiting notifications whose time has come, in the order they were stored."""
        where = [outbox.c.state == "waiting", outbox.c.next_at_ns <= now_ns]
        if channel is not None:
            where.append(outbox.c.channel == channel)
        if other_than:
            where.append(outbox.c.channel.not_in(sorted(other_than)))
        query = select(outbox).where(*where).order_by(outbox.c.seq).limit(limit)
        async with self._database.read() as connection:
            return [sending(row) for row in await connection.execute(query)]

    async def mark(
        self,
        id_: UUID,
        state: Literal["waiting", "sent", "dead"],
        *,
        detail: str = "",
        next_at_ns: int = 0,
        at: datetime | None = None,
    ) -> None:
        """Note how an attempt ended; what is sent or dead stays so."""
        statement = (
            update(outbox)
            .where(outbox.c.id == id_, outbox.c.state == "waiting")
            .values(
                state=state,
                detail=detail,
                next_at_ns=next_at_ns,
                attempts=outbox.c.attempts + 1,
                sent_at_ns=as_ns(at) if at is not None and state == "sent" else None,
            )
        )
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def wait(self, *, timeout_s: float) -> bool:
        """Wait until a notification was stored since the call; False when time ran out."""
        query = select(func.max(outbox.c.seq))
        seen: list[int] = []

        async def look() -> bool:
            async with self._database.read() as connection:
                newest = (await connection.execute(query)).scalar_one() or 0
            seen.append(newest)
            return newest > seen[0]

        return await self._database.wakeups.wait(SENDINGS, look, timeout_s=timeout_s)
