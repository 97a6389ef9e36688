"""The journal's file: its tables, how it is opened, and what its errors mean to an operator."""

import sqlite3
from pathlib import Path

from bridge.model.errors import BridgeError, ConflictError, UnavailableError

VERSION = 1
APPLICATION = 0x62726A31  # "brj1", so that `file` and we know it for a journal

# AUTOINCREMENT is what makes offsets grow for ever: without it SQLite gives the number of a
# trimmed last record out again. `totals` is one row, changed in the transaction of what it
# counts, so that neither a cap check nor a gauge has to read the records.
_TABLES = """
CREATE TABLE records (
    "offset" INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, tenant TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY, asset_slot INTEGER NOT NULL, tenant TEXT NOT NULL,
    asset TEXT NOT NULL, signal TEXT NOT NULL
) STRICT;
CREATE TABLE letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, topic TEXT NOT NULL,
    payload BLOB NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, at_ns INTEGER NOT NULL
) STRICT;
CREATE TABLE readers (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1), used INTEGER NOT NULL, letters INTEGER NOT NULL,
    letter_bytes INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0);
"""


def connect(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """Open the file, making its tables the first time.

    Raises
    ------
    ConflictError
        The file is no journal, or one of a newer version.
    UnavailableError
        It cannot be opened.
    """
    connection: sqlite3.Connection | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=busy_s, isolation_level=None, check_same_thread=False
        )
        _prepare(connection, path)
    except OSError as error:
        raise UnavailableError("journal", f"{path}: {error.strerror}") from error
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise explain(error, path) from error
    except BridgeError:
        assert connection is not None
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _one(connection, "SELECT count(*) FROM sqlite_schema"):
        # Before the first table, or it would ask for a full rewrite of the file.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        _make(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={64 << 20}")
    application = _one(connection, "PRAGMA application_id")
    version = _one(connection, "PRAGMA user_version")
    if application != APPLICATION:
        raise ConflictError(f"{path} is a database of something else, not a journal")
    if version > VERSION:
        raise ConflictError(
            f"{path} is a journal of version {version}; this release reads up to {VERSION}: "
            "start the newer release"
        )


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    # Two roles may open a new file at once: the second finds it made.
    if not _one(connection, "SELECT count(*) FROM sqlite_schema"):
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def _one(connection: sqlite3.Connection, statement: str) -> int:
    (found,) = connection.execute(statement).fetchone()
    return int(found)


def explain(error: sqlite3.Error, path: Path) -> BridgeError:
    """Turn an error of SQLite into ours, with what an operator can do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = _ADVICE.get(code)
    if code == sqlite3.SQLITE_NOTADB:
        return ConflictError(f"{path} is not a journal: {error}; move the file away")
    detail = f"{path}: {error}" + (f"; {advice}" if advice else "")
    return UnavailableError("journal", detail, retry_after_s=2.0)


_HELD = "another process holds it for long; look for a backup or a shell on it"
_ADVICE = {
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_IOERR: "the disk reports an error, or is full",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and belongs to the service",
    sqlite3.SQLITE_READONLY: "check the owner and the rights of the file and its folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the service and restore or move it away",
}
