"""Versions of each tenant's catalog; the newest counts."""

import hashlib

from sqlalchemy import func, insert, select, text

from bridge.adapters.records.database import Database
from bridge.adapters.records.tables import catalog_version
from bridge.model.catalog import Catalog

_LOCK = 0x62726A32  # one version at a time in a PostgreSQL database
_PARSED_MAX = 32


class SqlCatalogs:
    """Implements `CatalogStore`; versions are immutable, so parsed ones are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parsed: dict[tuple[str, int], Catalog] = {}

    async def put(self, catalog: Catalog) -> int:
        """Store a catalog and return its version; an equal one returns the present version."""
        body = catalog.model_dump_json(by_alias=True)
        digest = hashlib.sha256(body.encode()).hexdigest()
        table = catalog_version
        newest = (
            select(table.c.version, table.c.digest)
            .where(table.c.tenant == catalog.tenant)
            .order_by(table.c.version.desc())
            .limit(1)
        )
        async with self._database.write() as connection:
            if not self._database.sqlite:
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK}
                )
            row = (await connection.execute(newest)).one_or_none()
            if row is not None and row.digest == digest:
                return int(row.version)
            version = row.version + 1 if row is not None else 1
            values = {
                "tenant": catalog.tenant,
                "version": version,
                "digest": digest,
                "body": body,
            }
            await connection.execute(insert(table).values(values))
        return int(version)

    async def latest(self, tenant: str) -> tuple[int, Catalog] | None:
        """Return the newest version and its number, or None where there is none."""
        query = select(func.max(catalog_version.c.version)).where(
            catalog_version.c.tenant == tenant
        )
        async with self._database.read() as connection:
            version = (await connection.execute(query)).scalar_one()
        if version is None:
            return None
        catalog = await self.get(tenant, version)
        assert catalog is not None, f"catalog {version} of {tenant} is gone"
        return version, catalog

    async def get(self, tenant: str, version: int) -> Catalog | None:
        """Return one version, or None where there is none by that number."""
        if found := self._parsed.get((tenant, version)):
            return found
        query = select(catalog_version.c.body).where(
            catalog_version.c.tenant == tenant, catalog_version.c.version == version
        )
        async with self._database.read() as connection:
            body = (await connection.execute(query)).scalar_one_or_none()
        if body is None:
            return None
        while len(self._parsed) >= _PARSED_MAX:
            del self._parsed[next(iter(self._parsed))]
        return self._parsed.setdefault((tenant, version), Catalog.model_validate_json(body))

    async def tenants(self) -> list[str]:
        """Return every tenant that has a catalog."""
        query = select(catalog_version.c.tenant).distinct()
        async with self._database.read() as connection:
            return sorted((await connection.execute(query)).scalars())
