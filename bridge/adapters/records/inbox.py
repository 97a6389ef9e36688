"""The desk's queue in the database: each input id is taken once."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.adapters.records.database import Database
from bridge.adapters.records.tables import asset_status, desk_input, detection, reader_offset
from bridge.cases.inputs import ActRequested, Detected, Input, Repaired
from bridge.flow.ports import Backlog, Outcome
from bridge.model.detections import AnyDetection, AssetStatus
from bridge.model.errors import ConflictError, UnavailableError
from bridge.model.instants import as_ns

OUTCOMES = "outcomes"
"""Topic that rings when inputs were handled."""


def arrivals(tenant: str) -> str:
    """Return the topic that rings when a tenant has a new input."""
    return f"input {tenant}"


class SqlInbox:
    """Implements `Inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._upsert: Any = sqlite.insert if database.sqlite else postgresql.insert

    async def submit(self, input_: Input) -> int:
        """Queue one input and return its number; the same id again returns the same number.

        Raises
        ------
        ConflictError
            A person's input with this id asked for something else: answering with the outcome
            of the first would say that the second was done.
        """
        async with self._database.write() as connection:
            await self._queue(connection, [input_])
            query = select(desk_input.c.seq, desk_input.c.digest).where(
                desk_input.c.tenant == input_.tenant, desk_input.c.id == input_.id
            )
            row = (await connection.execute(query)).one()
        if row.digest is not None and row.digest != _digest(input_):
            raise ConflictError(
                "this idempotency key was used for another request; "
                "allowed: the same request again, or a new key"
            )
        self._database.wakeups.ring(arrivals(input_.tenant))
        return int(row.seq)

    async def outcome(self, seq: int, *, timeout_s: float) -> Outcome:
        """Wait until the desk has handled an input.

        Raises
        ------
        UnavailableError
            When time ran out; the input stays queued, and asking again is safe.
        """
        columns = desk_input.c
        query = select(columns.status, columns.reason, columns.case_id).where(
            columns.seq == seq
        )
        found: list[Outcome] = []

        async def look() -> bool:
            async with self._database.read() as connection:
                row = (await connection.execute(query)).one_or_none()
            if row is not None and row.status is not None:
                found.append(Outcome(row.status, row.reason or "", row.case_id))
            return bool(found)

        if not await self._database.wakeups.wait(OUTCOMES, look, timeout_s=timeout_s):
            raise UnavailableError(
                "desk", f"input {seq} was not handled within {timeout_s:g} s"
            )
        return found[0]

    async def put(
        self,
        tenant: str,
        inputs: Sequence[Input],
        statuses: Sequence[AssetStatus],
        *,
        reader: str,
        offset: int,
    ) -> None:
        """Queue detections, replace asset states and note the offset, in one transaction.

        Notes
        -----
        A replay puts offsets again that are durable already: its detections are passed over by
        their ids, and its states are older than those that are here, so they are left out.
        """
        async with self._database.write() as connection:
            position = await self._position(connection, reader)
            await self._queue(connection, inputs)
            await self._keep(connection, tenant, inputs)
            if offset >= position:
                await self._replace(connection, tenant, statuses)
                row = {"reader": reader, "position": offset}
                statement = self._upsert(reader_offset).values(row)
                await connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["reader"], set_={"position": offset}
                    )
                )
        if inputs:
            self._database.wakeups.ring(arrivals(tenant))

    async def offset(self, reader: str) -> int:
        """Return the journal offset whose detections are durable here; 0 at first."""
        async with self._database.read() as connection:
            return await self._position(connection, reader)

    async def backlog(self) -> Backlog:
        """Return how many inputs of all tenants wait for the desk, and since when."""
        query = select(func.count(), func.min(desk_input.c.at_ns)).where(
            desk_input.c.status.is_(None)
        )
        async with self._database.read() as connection:
            return Backlog(*(await connection.execute(query)).one())

    async def _position(self, connection: AsyncConnection, reader: str) -> int:
        query = select(reader_offset.c.position).where(reader_offset.c.reader == reader)
        return int((await connection.execute(query)).scalar_one_or_none() or 0)

    async def _queue(self, connection: AsyncConnection, inputs: Sequence[Input]) -> None:
        rows = [
            {
                "tenant": each.tenant,
                "id": each.id,
                "type": each.type,
                "at_ns": as_ns(each.at),
                "digest": _digest(each),
                "body": each.model_dump_json(by_alias=True),
            }
            for each in inputs
        ]
        if rows:
            statement = self._upsert(desk_input).on_conflict_do_nothing()
            await connection.execute(statement, rows)

    async def _keep(
        self, connection: AsyncConnection, tenant: str, inputs: Sequence[Input]
    ) -> None:
        found: list[AnyDetection] = [
            each.detection for each in inputs if isinstance(each, Detected)
        ]
        if not found:
            return
        rows = [
            {
                "tenant": tenant,
                "id": each.id,
                "asset": each.asset,
                "type": each.type,
                "body": each.model_dump_json(by_alias=True),
            }
            for each in found
        ]
        await connection.execute(self._upsert(detection).on_conflict_do_nothing(), rows)
        for asset in {each.asset for each in found}:
            ours = (detection.c.tenant == tenant, detection.c.asset == asset)
            oldest = (
                select(detection.c.seq)
                .where(*ours)
                .order_by(detection.c.seq.desc())
                .offset(self._database.options.detections_per_asset)
                .limit(1)
                .scalar_subquery()
            )
            await connection.execute(delete(detection).where(*ours, detection.c.seq <= oldest))

    async def _replace(
        self, connection: AsyncConnection, tenant: str, statuses: Sequence[AssetStatus]
    ) -> None:
        newest = {each.asset: each for each in statuses}
        if not newest:
            return
        rows = [
            {
                "tenant": tenant,
                "asset": each.asset,
                "at_ns": as_ns(each.at),
                "body": each.model_dump_json(by_alias=True),
            }
            for each in newest.values()
        ]
        statement = self._upsert(asset_status)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant", "asset"],
                set_={"at_ns": statement.excluded.at_ns, "body": statement.excluded.body},
            ),
            rows,
        )


def _digest(input_: Input) -> bytes | None:
    """Return what tells two requests of a person apart: all but when they were made."""
    if not isinstance(input_, ActRequested | Repaired):
        return None
    return hashlib.sha256(input_.model_dump_json(exclude={"at"}).encode()).digest()
