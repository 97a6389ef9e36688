"""Who may sign in; what anybody may do is looked up in the tenant's catalog."""

import asyncio
import time
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from bridge.adapters.identity.attempts import Attempts
from bridge.adapters.identity.secrets import (
    TOKEN_PREFIX,
    check_password,
    digest,
    hash_password,
    new_secret,
)
from bridge.adapters.records.catalogs import SqlCatalogs
from bridge.adapters.records.database import Database
from bridge.adapters.records.tables import credential, session, token
from bridge.flow.ports import Identity
from bridge.model.errors import ConflictError, InputError, UnavailableError
from bridge.model.instants import NS_PER_S, as_ns

OPERATING_ROLES = ("operator", "admin")
"""Roles that may be given to somebody whom no catalog names."""
_STALE_NS = 30 * 86_400 * NS_PER_S  # no session lasts so long: one over by then is swept out
_Via = Literal["session", "token", "demo"]


class SqlPeople:
    """Implements `People`.

    Notes
    -----
    The role is looked up at each request: who left the catalog is out at once, whatever
    sessions or tokens there are.
    """

    def __init__(self, database: Database, catalogs: SqlCatalogs) -> None:
        self._database = database
        self._catalogs = catalogs
        self._attempts = Attempts()
        self._hashing = asyncio.Semaphore(2)  # argon2 takes 64 MiB and a core at a time
        self._upsert: Any = sqlite.insert if database.sqlite else postgresql.insert

    async def add_user(
        self, tenant: str, person: str, password: str, *, role: str | None = None
    ) -> None:
        """Set a person's password.

        Raises
        ------
        InputError
            The tenant's catalog has no such person and no operating role is given.
        """
        if role is not None and role not in OPERATING_ROLES:
            allowed = " or ".join(OPERATING_ROLES)
            raise InputError(f"role: found {role}; allowed: {allowed}, others by the catalog")
        if role is None and await self._catalog_role(tenant, person) is None:
            raise InputError(
                f"person: found {person}, whom the catalog of tenant {tenant} does not name; "
                "allowed: somebody under `people`, or an operator"
            )
        values = {
            "tenant": tenant,
            "person": person,
            "password_hash": await self._hash(password),
            "role": role,
        }
        statement = self._upsert(credential).values(values)
        async with self._database.write() as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["tenant", "person"],
                    set_={"password_hash": values["password_hash"], "role": role},
                )
            )

    async def verify(self, tenant: str, person: str, password: str) -> Identity | None:
        """Return whom the password belongs to, or None; takes as long for somebody unknown.

        Raises
        ------
        UnavailableError
            After too many failures in a row; `retry_after_s` says when to try again.
        """
        who = (tenant, person)
        if (wait_s := self._attempts.wait_s(who, time.monotonic())) > 0:
            raise UnavailableError("sign-in", "too many attempts", retry_after_s=wait_s)
        query = select(credential.c.password_hash).where(
            credential.c.tenant == tenant, credential.c.person == person
        )
        async with self._database.read() as connection:
            stored = (await connection.execute(query)).scalar_one_or_none()
        async with self._hashing:
            ok = await asyncio.to_thread(check_password, stored, password)
        self._attempts.note(who, time.monotonic(), ok=ok)
        return await self._identity(tenant, person, "session") if ok else None

    async def issue_token(
        self, tenant: str, person: str, name: str, *, expires: datetime | None
    ) -> str:
        """Return a new token, which is shown once and never again.

        Raises
        ------
        InputError
            There is no such person.
        ConflictError
            A token of this name is there; revoke it first.
        """
        if await self._role(tenant, person) is None:
            raise InputError(f"person: found {person}, who is unknown in tenant {tenant}")
        found = new_secret(TOKEN_PREFIX)
        values = {
            "tenant": tenant,
            "name": name,
            "person": person,
            "digest": digest(found),
            "expires_ns": as_ns(expires) if expires is not None else None,
        }
        async with self._database.write() as connection:
            statement = self._upsert(token).values(values).on_conflict_do_nothing()
            stored = await connection.execute(statement.returning(token.c.name))
            if stored.first() is None:
                raise ConflictError(
                    f"tenant {tenant} has a token named {name}; revoke it first"
                )
        return found

    async def revoke_token(self, tenant: str, name: str) -> bool:
        """Remove a token; False where there is none by that name."""
        statement = delete(token).where(token.c.tenant == tenant, token.c.name == name)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def by_token(self, token_: str, *, now: datetime) -> Identity | None:
        """Return whom a token acts as; None where it is unknown, expired or the person left."""
        query = select(token).where(token.c.digest == digest(token_))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or (row.expires_ns is not None and row.expires_ns <= as_ns(now)):
            return None
        return await self._identity(row.tenant, row.person, "token")

    async def open_session(self, identity: Identity, *, expires: datetime) -> str:
        """Return a new session's secret for the cookie."""
        found = new_secret()
        values = {
            "digest": digest(found),
            "tenant": identity.tenant,
            "person": identity.person,
            "role": identity.role,
            "via": identity.via,
            "expires_ns": as_ns(expires),
        }
        stale = session.c.expires_ns < as_ns(expires) - _STALE_NS
        async with self._database.write() as connection:
            await connection.execute(delete(session).where(stale))
            await connection.execute(self._upsert(session).values(values))
        return found

    async def by_session(self, session_: str, *, now: datetime) -> Identity | None:
        """Return whom a session acts as; None where it is unknown, over or the person left."""
        query = select(session).where(session.c.digest == digest(session_))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or row.expires_ns <= as_ns(now):
            return None
        if row.via == "demo":
            return Identity(row.tenant, row.person, row.role, "demo")
        return await self._identity(row.tenant, row.person, "session")

    async def close_session(self, session_: str) -> None:
        """End a session; an unknown one is passed over."""
        statement = delete(session).where(session.c.digest == digest(session_))
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)

    async def _identity(self, tenant: str, person: str, via: _Via) -> Identity | None:
        role = await self._role(tenant, person)
        return Identity(tenant, person, role, via) if role is not None else None

    async def _role(self, tenant: str, person: str) -> str | None:
        if (role := await self._catalog_role(tenant, person)) is not None:
            return role
        query = select(credential.c.role).where(
            credential.c.tenant == tenant, credential.c.person == person
        )
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def _catalog_role(self, tenant: str, person: str) -> str | None:
        latest = await self._catalogs.latest(tenant)
        found = latest[1].person_by_id.get(person) if latest else None
        return found.role if found else None
