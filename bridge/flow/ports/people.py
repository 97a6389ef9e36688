"""Port of the people: who may sign in, and whom a request acts as."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a request acts as: a person of one tenant."""

    tenant: str
    person: str
    role: str
    via: Literal["session", "token", "demo"]


class People(Protocol):
    """Sign-in: users with argon2 hashes, tokens and sessions kept as SHA-256 only."""

    async def add_user(
        self, tenant: str, person: str, password: str, *, role: str | None = None
    ) -> None:
        """Let a person sign in with a password, replacing an earlier one.

        `role` is for operators alone, whom no catalog needs to name.
        """
        ...

    async def verify(self, tenant: str, person: str, password: str) -> Identity | None:
        """Return whom the password opens, or None."""
        ...

    async def issue_token(
        self, tenant: str, person: str, name: str, *, expires: datetime | None
    ) -> str:
        """Return a new token; only its hash is kept."""
        ...

    async def revoke_token(self, tenant: str, name: str) -> bool:
        """Make a token worthless; False where there is none by that name."""
        ...

    async def by_token(self, token: str, *, now: datetime) -> Identity | None:
        """Return whom a token acts as at a time, or None."""
        ...

    async def open_session(self, identity: Identity, *, expires: datetime) -> str:
        """Return a new session key; only its hash is kept."""
        ...

    async def by_session(self, session: str, *, now: datetime) -> Identity | None:
        """Return whom a session acts as at a time, or None."""
        ...

    async def close_session(self, session: str) -> None:
        """End a session."""
        ...
