"""A thread with a DuckDB connection of its own, how the file is opened, what errors mean."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb

from bridge.model.errors import BridgeError, ConflictError, UnavailableError

T = TypeVar("T")

VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS signals (id INTEGER, tenant VARCHAR, asset VARCHAR, signal VARCHAR);
CREATE TABLE IF NOT EXISTS samples (id INTEGER, t BIGINT, value DOUBLE);
CREATE TABLE IF NOT EXISTS means (
    id INTEGER, t BIGINT, mean DOUBLE, low DOUBLE, high DOUBLE, n BIGINT
);
CREATE TABLE IF NOT EXISTS state (name VARCHAR, number BIGINT);
INSERT INTO state SELECT 'version', 1 WHERE NOT EXISTS (FROM state WHERE name = 'version');
INSERT INTO state SELECT 'position', 0 WHERE NOT EXISTS (FROM state WHERE name = 'position');
CREATE VIEW IF NOT EXISTS points AS
    SELECT id, t, value AS mean, value AS low, value AS high, 1 AS n FROM samples
    UNION ALL SELECT id, t, mean, low, high, n FROM means;
"""


@dataclass(frozen=True, slots=True)
class DuckDbOptions:
    """What DuckDB may use of the machine."""

    threads: int = 2
    memory_mib: int = 1024


def open_file(path: Path, options: DuckDbOptions) -> duckdb.DuckDBPyConnection:
    """Open the file and make its tables; see `DuckDbStore.open` for what is raised."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = duckdb.connect(
            str(path),
            config={"threads": options.threads, "memory_limit": f"{options.memory_mib}MiB"},
        )
        db.execute("BEGIN")
        db.execute(_TABLES)
        db.execute("COMMIT")
        row = db.execute("SELECT number FROM state WHERE name = 'version'").fetchone()
    except OSError as error:
        raise UnavailableError("series", f"{path}: {error.strerror}") from error
    except duckdb.Error as error:
        raise explain(error, path) from error
    if row is None or row[0] > VERSION:
        db.close()
        raise ConflictError(f"{path} is of version {row}; start the newer release")
    return db


def explain(error: duckdb.Error, path: Path | None = None) -> BridgeError:
    """Turn an error of DuckDB into ours, with what an operator can do."""
    text = str(error).split("\n")[0]
    if "set lock on file" in text:
        holder = re.search(r"PID (\d+)", text)
        return ConflictError(
            f"{path} is open in process {holder[1] if holder else 'unknown'}; DuckDB lets one "
            "process in: ask the running service instead, or stop it"
        )
    advice = "; free space on its disk" if "space" in text.lower() else ""
    return UnavailableError("series", f"DuckDB: {text}{advice}", retry_after_s=2.0)


class Lane:
    """One thread with one connection, opened at first use and again after a fatal error."""

    def __init__(self, name: str, connect: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._connect = connect
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._db: duckdb.DuckDBPyConnection | None = None
        self._closed = False

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a second connection to the same open file, for another thread."""
        if self._db is None:
            raise UnavailableError("series", "the store is being opened")
        return self._db.cursor()

    async def run(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Do it in the thread; whatever it raises, no transaction stays open."""

        def guarded() -> T:
            if self._db is None:
                self._db = self._connect()
            try:
                return work(self._db)
            except duckdb.Error as error:
                self._recover(fatal=isinstance(error, duckdb.FatalException))
                raise explain(error) from error
            except BaseException:
                self._recover(fatal=False)
                raise

        return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)

    def _recover(self, *, fatal: bool) -> None:
        assert self._db is not None
        try:
            self._db.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # none was open
        except duckdb.Error:
            fatal = True
        if fatal:
            # After a fatal error DuckDB refuses everything until the file is opened again.
            self._db.close()
            self._db = None

    async def close(self) -> None:
        """Close the connection in its thread and end the thread; a second call does nothing."""
        if self._closed:
            return
        self._closed = True

        def release() -> None:
            if self._db is not None:
                self._db.close()

        await asyncio.get_running_loop().run_in_executor(self._pool, release)
        self._pool.shutdown(wait=True)
