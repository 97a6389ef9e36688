"""Brings the database to the tables that this release needs; safe when many start at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bridge.adapters.records.database import Database
from bridge.model.errors import ConflictError

_LOCK = 0x62726A31  # one migration at a time in a PostgreSQL database


async def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction, under a lock.

    Raises
    ------
    ConflictError
        The database was made by a newer release.
    UnavailableError
        It does not answer.
    """
    async with database.write() as connection:
        if not database.sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    here = MigrationContext.configure(connection).get_current_revision()
    if here == script.get_current_head():
        return
    if here is not None and here not in {each.revision for each in script.walk_revisions()}:
        raise ConflictError(
            f"the records are of revision {here}, which this release does not know: "
            "start the newer release"
        )
    command.upgrade(config, "head")
