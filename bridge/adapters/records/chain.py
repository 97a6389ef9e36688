"""Checks a tenant's chain of events against what the table holds."""

from dataclasses import dataclass

from sqlalchemy import select

from bridge.adapters.records.database import Database
from bridge.adapters.records.tables import event
from bridge.cases.audit import GENESIS, chain_hash

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Chain:
    """What a check found.

    Parameters
    ----------
    events : int
        Events that were checked.
    head : str
        Hash of the last good one; compare it with the log's, as a cut tail shows only there.
    broken_at : int or None
        Number of the first event that does not fit; None where all do.
    """

    events: int
    head: str
    broken_at: int | None


async def verify_chain(database: Database, tenant: str) -> Chain:
    """Hash every stored event again, in order, and compare; raises `UnavailableError`."""
    after, count, head = 0, 0, GENESIS
    while True:
        query = (
            select(event.c.seq, event.c.body, event.c.prev, event.c.hash)
            .where(event.c.tenant == tenant, event.c.seq > after)
            .order_by(event.c.seq)
            .limit(_PAGE)
        )
        async with database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            if row.prev != head or row.hash != chain_hash(head, row.body):
                return Chain(count, head, row.seq)
            after, count, head = row.seq, count + 1, row.hash
        if len(rows) < _PAGE:
            return Chain(count, head, None)
