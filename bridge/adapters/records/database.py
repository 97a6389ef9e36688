"""The database under the records: one code path for SQLite and PostgreSQL.

Theory of operation: readers take a snapshot and never block. On SQLite writers queue up at a
lock of this process and take the file's write lock at once (``BEGIN IMMEDIATE``), so that none
fails half way because another process wrote first. On PostgreSQL each writer has a connection.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    PendingRollbackError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from bridge.adapters.records.wakeups import Wakeups
from bridge.model.errors import InputError, UnavailableError

_DRIVERS = ("sqlite+aiosqlite", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class RecordsOptions:
    """Limits of the records.

    Parameters
    ----------
    poll_s : float
        How often waiters look for what other processes stored.
    busy_s : float
        How long a writer waits for another writer's lock.
    connect_s, statement_s : float
        PostgreSQL: longest connecting, longest statement.
    connections : int
        Connections kept; as many again under load.
    detections_per_asset : int
        Newest detections kept for the pages.
    """

    poll_s: float = 0.15
    busy_s: float = 10.0
    connect_s: float = 5.0
    statement_s: float = 30.0
    connections: int = 5
    detections_per_asset: int = 100


class Database:
    """An engine, its write lock and its bells.

    Parameters
    ----------
    url : str
        ``sqlite+aiosqlite:///path`` or ``postgresql+psycopg://user:password@host/database``.

    Raises
    ------
    InputError
        For any other URL.
    """

    def __init__(self, url: str, options: RecordsOptions) -> None:
        self.options = options
        self.url = _checked(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.wakeups = Wakeups(options.poll_s)
        self._writing = asyncio.Lock()
        self.engine = self._make(pooled=True)

    @property
    def path(self) -> Path:
        """The file, where it is one."""
        assert self.sqlite
        return Path(self.url.database or "")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads.

        Raises
        ------
        UnavailableError
            The database does not answer, or is locked for longer than allowed.
        """
        async with explained(), self.engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; it is stored when the block ends without an error.

        Raises
        ------
        UnavailableError
            It is not known whether anything was stored where the connection broke at the end.
        """
        async with explained():
            if not self.sqlite:
                async with self.engine.connect() as connection, connection.begin():
                    yield connection
                return
            async with self._writing, self.engine.connect() as connection:
                await connection.execution_options(bridge_writes=True)
                async with connection.begin():
                    yield connection

    async def dedicated(self) -> AsyncConnection:
        """Return a connection outside the pool, which ends for good when it is closed."""
        async with explained():
            engine = self._make(pooled=False)
            return await engine.connect()

    async def ping(self) -> str:
        """Return what answers: the product and its version; raises `UnavailableError`."""
        async with self.read() as connection:
            query = "SELECT sqlite_version()" if self.sqlite else "SHOW server_version"
            version = (await connection.execute(text(query))).scalar_one()
        return f"{'SQLite' if self.sqlite else 'PostgreSQL'} {version}"

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()

    def _make(self, *, pooled: bool) -> AsyncEngine:
        options = self.options
        if self.sqlite:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            engine = create_async_engine(
                self.url,
                pool_size=options.connections,
                max_overflow=options.connections,
                pool_timeout=options.busy_s,
                connect_args={"timeout": options.busy_s},
            )
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
            return engine
        arguments: dict[str, Any] = {
            "connect_timeout": max(int(options.connect_s), 1),
            "application_name": f"bridge {os.getpid()} on {socket.gethostname()}"[:63],
            "options": f"-c statement_timeout={int(options.statement_s * 1000)}"
            f" -c lock_timeout={int(options.busy_s * 1000)}",
            # A peer that vanished without a word is noticed in about 20 s.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
        }
        if not pooled:
            return create_async_engine(self.url, poolclass=NullPool, connect_args=arguments)
        return create_async_engine(
            self.url,
            pool_size=options.connections,
            max_overflow=options.connections,
            pool_timeout=options.busy_s,
            pool_pre_ping=True,
            connect_args=arguments,
        )


@asynccontextmanager
async def explained() -> AsyncIterator[None]:
    """Turn what a driver raises when the world is at fault into `UnavailableError`."""
    try:
        yield
    except (OperationalError, InterfaceError, InternalError) as error:
        raise UnavailableError("records", _first_line(error.orig)) from error
    except (PoolTimeoutError, PendingRollbackError, OSError) as error:
        raise UnavailableError("records", _first_line(error)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise UnavailableError("records", _first_line(error.orig)) from error
        raise


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _checked(url: str) -> URL:
    allowed = " or ".join(f"{driver}://..." for driver in _DRIVERS)
    try:
        found = make_url(url)
    except ArgumentError as error:
        raise InputError(f"records.url: found no URL; allowed: {allowed}") from error
    if found.drivername not in _DRIVERS:
        raise InputError(f"records.url: found {found.drivername}://; allowed: {allowed}")
    if not found.database or found.database == ":memory:":
        raise InputError("records.url: names no database; the records must outlive the process")
    return found


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    connection.isolation_level = None  # we say BEGIN ourselves, see `_begin_sqlite`
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:  # noqa: ANN401 - sqlalchemy.Connection, seen through events
    writes = connection.get_execution_options().get("bridge_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
