"""What sign-in promises on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.adapters.identity.attempts import AttemptOptions, Attempts
from bridge.adapters.records.database import Database, RecordsOptions
from bridge.adapters.records.records import Records
from bridge.flow.ports import Identity
from bridge.model.catalog import Catalog, Person
from bridge.model.errors import ConflictError, InputError, UnavailableError
from tests.records import NOW

LATER = NOW + timedelta(hours=1)
PASSWORD = "a long and good one"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
async def records(url: str) -> AsyncIterator[Records]:
    """Give records whose catalog names Ada and Sam."""
    async with await Records.open(url) as found:
        people = (
            Person(id="ada", name="Ada", role="engineer"),
            Person(id="sam", name="Sam", role="account-manager"),
        )
        await found.catalogs.put(Catalog(tenant="acme", people=people))
        yield found


async def test_password(records: Records) -> None:
    """The right password of the right tenant opens; the role is the catalog's."""
    people = records.people
    await people.add_user("acme", "ada", PASSWORD)
    found = await people.verify("acme", "ada", PASSWORD)
    assert found == Identity("acme", "ada", "engineer", "session")
    assert await people.verify("acme", "ada", "wrong") is None
    assert await people.verify("zeta", "ada", PASSWORD) is None
    assert await people.verify("acme", "sam", PASSWORD) is None
    await people.add_user("acme", "ada", "another good one")
    assert await people.verify("acme", "ada", PASSWORD) is None
    assert await people.verify("acme", "ada", "another good one") == found


async def test_who_may_be_added(records: Records) -> None:
    """Somebody the catalog does not name may only operate; no role is given past it."""
    people = records.people
    with pytest.raises(InputError, match="bob"):
        await people.add_user("acme", "bob", PASSWORD)
    with pytest.raises(InputError, match="lead-engineer"):
        await people.add_user("acme", "bob", PASSWORD, role="lead-engineer")
    await people.add_user("acme", "bob", PASSWORD, role="operator")
    found = await people.verify("acme", "bob", PASSWORD)
    assert found == Identity("acme", "bob", "operator", "session")


async def test_tokens(records: Records) -> None:
    """A token acts as its person until it expires, is revoked, or the person leaves."""
    people = records.people
    token = await people.issue_token("acme", "ada", "robot", expires=LATER)
    forever = await people.issue_token("acme", "sam", "export", expires=None)
    assert token.startswith("br_")
    assert len(token) > 40
    assert await people.by_token(token, now=NOW) == Identity("acme", "ada", "engineer", "token")
    assert await people.by_token(token, now=LATER) is None
    assert await people.by_token(forever, now=LATER) is not None
    assert await people.by_token(token + "x", now=NOW) is None
    with pytest.raises(ConflictError, match="robot"):
        await people.issue_token("acme", "ada", "robot", expires=None)
    with pytest.raises(InputError, match="bob"):
        await people.issue_token("acme", "bob", "other", expires=None)
    assert not await people.revoke_token("zeta", "robot")
    assert await people.revoke_token("acme", "robot")
    assert not await people.revoke_token("acme", "robot")
    assert await people.by_token(token, now=NOW) is None
    await records.catalogs.put(Catalog(tenant="acme"))
    assert await people.by_token(forever, now=NOW) is None


async def test_sessions(records: Records) -> None:
    """A session acts as who signed in until it ends; a demo seat keeps its role."""
    people = records.people
    await people.add_user("acme", "ada", PASSWORD)
    identity = await people.verify("acme", "ada", PASSWORD)
    session = await people.open_session(identity, expires=LATER)
    assert await people.by_session(session, now=NOW) == identity
    assert await people.by_session(session, now=LATER) is None
    assert await people.by_token(session, now=NOW) is None
    await people.close_session(session)
    await people.close_session(session)
    assert await people.by_session(session, now=NOW) is None
    seat = Identity("acme", "guest", "operator", "demo")
    demo = await people.open_session(seat, expires=LATER)
    assert await people.by_session(demo, now=NOW) == seat


async def test_no_secret_is_stored(url: str, records: Records) -> None:
    """Neither password nor token nor session can be found in the database."""
    people = records.people
    await people.add_user("acme", "ada", PASSWORD)
    identity = Identity("acme", "ada", "engineer", "session")
    secrets = [
        PASSWORD,
        await people.issue_token("acme", "ada", "robot", expires=None),
        await people.open_session(identity, expires=LATER),
    ]
    database = Database(url, RecordsOptions())
    async with database.read() as connection:
        rows = [
            str(row)
            for table in ("credential", "token", "session")
            for row in await connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608
        ]
    await database.close()
    assert len(rows) == 3
    assert "argon2id" in "".join(rows)
    assert not [each for each in secrets if each in "".join(rows)]


async def test_guessing_is_slowed_down(records: Records) -> None:
    """After some wrong passwords even the right one has to wait, and is told how long."""
    people = records.people
    await people.add_user("acme", "ada", PASSWORD)
    for _ in range(5):
        assert await people.verify("acme", "ada", "guess") is None
    with pytest.raises(UnavailableError) as refused:
        await people.verify("acme", "ada", PASSWORD)
    assert 0 < refused.value.retry_after_s <= 1
    assert await people.verify("acme", "sam", "guess") is None


def test_waits_double_up_to_a_ceiling() -> None:
    """Each further failure doubles the wait up to the ceiling; a success forgets all."""
    attempts = Attempts(AttemptOptions(free=2, first_s=1, max_s=4, remembered=2))
    who = ("acme", "ada")
    waits = []
    for _ in range(6):
        attempts.note(who, 0.0, ok=False)
        waits.append(attempts.wait_s(who, 0.0))
    assert waits == [0, 1, 2, 4, 4, 4]
    assert attempts.wait_s(who, 3.0) == 1
    assert attempts.wait_s(who, 4.0) == 0
    attempts.note(who, 5.0, ok=True)
    assert attempts.wait_s(who, 5.0) == 0
    for each in "abc":
        for _ in range(3):
            attempts.note(("acme", each), 5.0, ok=False)
    assert attempts.wait_s(("acme", "a"), 5.0) == 0
    assert attempts.wait_s(("acme", "c"), 5.0) > 0
