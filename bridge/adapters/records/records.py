"""The records as one thing to open and close: desk, inbox, outbox, views, catalogs, people."""

from types import TracebackType
from typing import Self

from bridge.adapters.records.catalogs import SqlCatalogs
from bridge.adapters.records.chain import Chain, verify_chain
from bridge.adapters.records.database import Database, RecordsOptions
from bridge.adapters.records.desk import SqlDeskStore
from bridge.adapters.records.inbox import SqlInbox
from bridge.adapters.records.outbox import SqlOutbox
from bridge.adapters.records.people import SqlPeople
from bridge.adapters.records.schema import migrate
from bridge.adapters.records.views import SqlViews


class Records:
    """An open database and what is in it; `Records.open` makes one.

    Attributes
    ----------
    inbox, desk, outbox, views, catalogs, people
        One implementation of each port; they share the connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.inbox = SqlInbox(database)
        self.desk = SqlDeskStore(database)
        self.outbox = SqlOutbox(database)
        self.views = SqlViews(database)
        self.catalogs = SqlCatalogs(database)
        self.people = SqlPeople(database, self.catalogs)

    @classmethod
    async def open(cls, url: str, options: RecordsOptions | None = None) -> Self:
        """Open a database and bring it to this release's tables.

        Parameters
        ----------
        url : str
            ``sqlite+aiosqlite:///path`` or ``postgresql+psycopg://user:password@host/database``.
        options : RecordsOptions or None
            None for the defaults.

        Raises
        ------
        InputError
            The URL is none of these.
        ConflictError
            The database was made by a newer release.
        UnavailableError
            It does not answer.
        """
        database = Database(url, options or RecordsOptions())
        try:
            await migrate(database)
        except BaseException:
            await database.close()
            raise
        return cls(database)

    async def ping(self) -> str:
        """Return what answers; raises `UnavailableError`."""
        return await self._database.ping()

    async def verify_chain(self, tenant: str) -> Chain:
        """Check the tenant's events against their hashes; raises `UnavailableError`."""
        return await verify_chain(self._database, tenant)

    async def close(self) -> None:
        """Give every tenant back and close every connection."""
        await self.desk.release()
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
