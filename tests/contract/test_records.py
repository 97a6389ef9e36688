"""What the records promise on SQLite and PostgreSQL: inbox, desk, outbox, views, catalogs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bridge.adapters.records.database import Database, RecordsOptions
from bridge.adapters.records.records import Records
from bridge.adapters.records.tables import metadata
from bridge.cases.audit import GENESIS, chain_hash
from bridge.cases.inputs import Repaired
from bridge.flow.ports import Backlog, CaseFilter, Decision, Outcome
from bridge.model.catalog import Catalog, Person
from bridge.model.errors import ConflictError, InputError, UnavailableError
from bridge.model.instants import as_ns
from tests.records import NOW, a_case, a_notification, a_status, detected, opening

Opener = Callable[[], Awaitable[Records]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
async def opener(url: str) -> AsyncIterator[Opener]:
    """Open this test's records, as often as it likes."""
    opened: list[Records] = []

    async def again() -> Records:
        opened.append(await Records.open(url, RecordsOptions(busy_s=5)))
        return opened[-1]

    yield again
    for each in opened:
        await each.close()


@pytest.fixture
async def records(opener: Opener) -> Records:
    """Give empty records."""
    return await opener()


def decision(*cases, handled=(), notifications=()) -> Decision:
    """Make a decision that opens cases."""
    return Decision(handled, [opening(each) for each in cases], cases, notifications)


@pytest.mark.usefixtures("records")
async def test_migrations_make_the_tables(url: str) -> None:
    """Running every migration gives exactly the tables that the code names."""
    database = Database(url, RecordsOptions())
    async with database.read() as connection:
        found = await connection.run_sync(
            lambda each: compare_metadata(MigrationContext.configure(each), metadata)
        )
    await database.close()
    assert found == []


async def test_many_starts_at_once(url: str) -> None:
    """Services that start at the same moment on an empty database all come up."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(Records.open(url)) for _ in range(4)]
    for task in tasks:
        assert await task.result().ping()
        await task.result().close()


@pytest.mark.usefixtures("records")
async def test_newer_database_is_refused(url: str) -> None:
    """A database of a newer release is not touched."""
    database = Database(url, RecordsOptions())
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(ConflictError, match="9999"):
        await Records.open(url)


@pytest.mark.parametrize(
    "wrong", ["mysql://host/db", "nonsense", "sqlite+aiosqlite://", "sqlite:///a.db"]
)
async def test_wrong_url(wrong: str) -> None:
    """A URL that the records cannot be at is refused with what is allowed."""
    with pytest.raises(InputError, match=r"records\.url"):
        await Records.open(wrong)


async def test_input_is_taken_once(records: Records) -> None:
    """The same input again gets the same number and one place in the queue."""
    first = await records.inbox.submit(detected(1))
    assert await records.inbox.submit(detected(2)) != first
    assert await records.inbox.submit(detected(1)) == first
    waiting = await records.desk.next_inputs("acme")
    assert [each.input for each in waiting] == [detected(1), detected(2)]
    assert await records.desk.next_inputs("other") == []


@pytest.mark.parametrize("handled", [False, True])
async def test_a_key_is_for_one_request(records: Records, *, handled: bool) -> None:
    """A person's request with the id of another one is refused, also when that is done."""
    first = Repaired(id=UUID(int=7), tenant="acme", at=NOW, by="ada", asset="press-07")
    seq = await records.inbox.submit(first)
    if handled:
        await records.desk.acquire("acme")
        await records.desk.commit("acme", Decision([(seq, Outcome(200))], [], [], []))
    later = first.model_copy(update={"at": NOW + timedelta(minutes=1)})
    assert await records.inbox.submit(later) == seq
    with pytest.raises(ConflictError, match="idempotency key"):
        await records.inbox.submit(first.model_copy(update={"asset": "press-08"}))


async def test_backlogs_count_what_waits(records: Records) -> None:
    """Inputs and notifications that wait are counted, with the age of the oldest."""
    assert await records.inbox.backlog() == Backlog(0, None)
    assert await records.outbox.backlog() == {}
    seqs = [await records.inbox.submit(detected(number)) for number in (1, 2)]
    assert await records.inbox.backlog() == Backlog(2, as_ns(detected(1).at))
    await records.desk.acquire("acme")
    told = a_notification("first")
    await records.desk.commit("acme", Decision([(seqs[0], Outcome(200))], [], [], [told]))
    assert (await records.inbox.backlog()).length == 1
    assert await records.outbox.backlog() == {told.channel: Backlog(1, as_ns(told.at))}
    await records.outbox.mark(told.id, "sent", at=NOW)
    assert await records.outbox.backlog() == {}


async def test_detections_and_notifications_are_paged(records: Records) -> None:
    """Pages go on after the last item of the page before; a foreign one is refused."""
    await records.inbox.put(
        "acme", [detected(n) for n in range(4)], [], reader="watch", offset=1
    )
    first = await records.views.detections("acme", limit=2)
    rest = await records.views.detections("acme", before=first[-1].id)
    assert [each.at for each in (*first, *rest)] == [detected(n).at for n in (3, 2, 1, 0)]
    with pytest.raises(InputError, match="before"):
        await records.views.detections("other", before=first[-1].id)
    await records.desk.acquire("acme")
    told = [a_notification(name) for name in ("one", "two", "three")]
    await records.desk.commit("acme", Decision([], [], [], told))
    newest = (await records.views.notifications("acme", limit=1))[0].notification
    assert newest == told[2]
    older = await records.views.notifications("acme", before=newest.id)
    assert [each.notification for each in older] == [told[1], told[0]]


async def test_handled_input_is_never_taken_again(records: Records) -> None:
    """A replay after the desk handled an input brings nothing back."""
    await records.desk.acquire("acme")
    seq = await records.inbox.submit(detected(1))
    await records.desk.commit("acme", Decision([(seq, Outcome(200))], [], [], []))
    assert await records.inbox.submit(detected(1)) == seq
    assert await records.desk.next_inputs("acme") == []


async def test_outcome_wakes_at_once(records: Records) -> None:
    """Who waits for an outcome has it as soon as the desk committed, with its case."""
    await records.desk.acquire("acme")
    seq = await records.inbox.submit(detected(1))
    outcome = Outcome(409, "not now", a_case().id)

    async def handle() -> None:
        assert await records.desk.wait("acme", timeout_s=5)
        await records.desk.commit("acme", Decision([(seq, outcome)], [], [], []))

    async with asyncio.TaskGroup() as group:
        group.create_task(handle())
        waiting = group.create_task(records.inbox.outcome(seq, timeout_s=5))
    assert waiting.result() == outcome


async def test_outcome_runs_out_of_time(records: Records) -> None:
    """An input nobody handles ends the waiting, not the input."""
    seq = await records.inbox.submit(detected(1))
    with pytest.raises(UnavailableError, match="desk"):
        await records.inbox.outcome(seq, timeout_s=0.1)
    assert len(await records.desk.next_inputs("acme")) == 1


async def test_other_process_is_heard(opener: Opener) -> None:
    """An input stored by another process is noticed within half a second."""
    here, there = await opener(), await opener()

    async def later() -> float:
        await asyncio.sleep(0.1)
        await there.inbox.submit(detected(1))
        return time.monotonic()

    async with asyncio.TaskGroup() as group:
        stored = group.create_task(later())
        assert await here.desk.wait("acme", timeout_s=5)
    assert time.monotonic() - stored.result() < 0.5
    assert not await here.desk.wait("other", timeout_s=0.05)


async def test_put_is_one_with_its_offset(records: Records) -> None:
    """Detections, states and offset are stored together; a replay changes nothing."""
    inputs = [detected(1), detected(2)]
    await records.inbox.put("acme", inputs, [a_status()], reader="watch", offset=7)
    newer = [a_status(condition="degrading")]
    await records.inbox.put("acme", [detected(3)], newer, reader="watch", offset=9)
    await records.inbox.put("acme", inputs, [a_status()], reader="watch", offset=7)
    assert await records.inbox.offset("watch") == 9
    assert await records.inbox.offset("other") == 0
    assert len(await records.desk.next_inputs("acme")) == 3
    assert await records.views.statuses("acme") == newer
    assert await records.views.status("acme", "press-07") == newer[0]
    assert await records.views.status("other", "press-07") is None
    found = await records.views.detections("acme", asset="press-07", type_="anomaly")
    assert [each.at for each in found] == [detected(n).at for n in (3, 2, 1)]
    assert await records.views.detections("acme", type_="prediction") == []
    assert await records.views.detections("other") == []


async def test_detections_are_bounded(url: str) -> None:
    """Of each asset only the newest detections are kept for the pages."""
    async with await Records.open(url, RecordsOptions(detections_per_asset=3)) as records:
        for number in range(6):
            given = [detected(number), detected(number + 100, asset="press-08")]
            await records.inbox.put("acme", given, [], reader="watch", offset=number)
        found = await records.views.detections("acme", asset="press-07")
        assert [each.at for each in found] == [detected(n).at for n in (5, 4, 3)]
        assert len(await records.views.detections("acme")) == 6


async def test_numbers(records: Records) -> None:
    """Cases are numbered from 2001 by tenant at first commit and keep their number."""
    await records.desk.acquire("acme")
    await records.desk.acquire("zeta")
    first = await records.desk.commit("acme", decision(a_case("one"), a_case("two")))
    assert [each.label for each in first] == ["C-2001", "C-2002"]
    again = a_case("two", severity="critical")
    second = await records.desk.commit("acme", Decision([], [], [again, a_case("three")], []))
    assert [each.number for each in second] == [2002, 2003]
    other = await records.desk.commit("zeta", decision(a_case("one", tenant="zeta")))
    assert other[0].number == 2001
    stored = await records.views.case_by_number("acme", 2002)
    assert stored is not None
    assert stored.severity == "critical"
    assert await records.views.case("acme", a_case("two").id) == stored
    assert await records.views.case("zeta", a_case("two").id) is None


async def test_events_are_chained(records: Records) -> None:
    """Each event's hash covers it and the one before, per tenant; nobody can change one."""
    for tenant in ("acme", "zeta"):
        await records.desk.acquire(tenant)
    for name in ("one", "two", "three"):
        for tenant in ("acme", "zeta"):
            await records.desk.commit(tenant, decision(a_case(name, tenant=tenant)))
    found = [each async for each in records.desk.events("acme")]
    assert [each.event for each in found] == [
        opening(a_case(name)) for name in ("one", "two", "three")
    ]
    previous = GENESIS
    for each in found:
        previous = chain_hash(previous, each.event.model_dump_json(by_alias=True))
        assert each.hash == previous
    assert await records.views.events("acme", after=found[0].seq) == found[1:]
    assert await records.views.events("acme", case=a_case("two").id) == [found[1]]
    assert await records.views.last_event("acme") == found[-1].seq
    assert [each async for each in records.desk.events("acme", after=found[1].seq)] == found[2:]


async def test_changed_event_breaks_the_chain(url: str, records: Records) -> None:
    """Whoever takes the guard away and changes one event is found at that event."""
    await records.desk.acquire("acme")
    for name in ("one", "two", "three"):
        await records.desk.commit("acme", decision(a_case(name)))
    whole = await records.verify_chain("acme")
    assert (whole.events, whole.broken_at) == (3, None)
    assert (await records.verify_chain("other")).events == 0
    second = (await records.views.events("acme"))[1]
    assert whole.head == (await records.views.events("acme"))[2].hash
    database = Database(url, RecordsOptions())
    on = "" if database.sqlite else " ON event"
    trigger = "event_no_update" if database.sqlite else "event_no_change"
    async with database.write() as connection:
        await connection.execute(text(f"DROP TRIGGER {trigger}{on}"))
        change = "UPDATE event SET body = replace(body, 'wear', 'tear') WHERE seq = :seq"
        await connection.execute(text(change), {"seq": second.seq})
    await database.close()
    broken = await records.verify_chain("acme")
    assert (broken.events, broken.broken_at) == (1, second.seq)


@pytest.mark.parametrize("change", ["UPDATE event SET body = '{}'", "DELETE FROM event"])
async def test_events_are_append_only(url: str, records: Records, change: str) -> None:
    """The database itself refuses to change or remove an event."""
    await records.desk.acquire("acme")
    await records.desk.commit("acme", decision(a_case()))
    database = Database(url, RecordsOptions())
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as connection:
            await connection.execute(text(change))
    await database.close()


async def test_commit_is_all_or_nothing(records: Records) -> None:
    """A decision that cannot be stored whole leaves nothing behind."""
    await records.desk.acquire("acme")
    seq = await records.inbox.submit(detected(1))
    await records.desk.commit("acme", decision(a_case("one")))
    twice = Decision(
        [(seq, Outcome(200))],
        [opening(a_case("two")), opening(a_case("one"))],
        [a_case("two")],
        [a_notification()],
    )
    with pytest.raises(DBAPIError):
        await records.desk.commit("acme", twice)
    assert len(await records.desk.next_inputs("acme")) == 1
    assert len(await records.views.events("acme")) == 1
    assert await records.views.case("acme", a_case("two").id) is None
    assert await records.views.notifications("acme") == []
    await records.desk.commit("acme", decision(a_case("two")))


async def test_one_desk_per_tenant(opener: Opener) -> None:
    """A second desk of a tenant is refused by name until the first has gone."""
    first, second = await opener(), await opener()
    await first.desk.acquire("acme")
    await first.desk.acquire("acme")
    await second.desk.acquire("zeta")
    with pytest.raises(ConflictError, match="acme"):
        await second.desk.acquire("acme")
    with pytest.raises(ConflictError, match="without acquire"):
        await second.desk.commit("acme", decision(a_case()))
    await first.desk.release()
    await second.desk.acquire("acme")
    await second.desk.commit("acme", decision(a_case()))


async def test_wait_events(records: Records) -> None:
    """A live stream is woken by the commit, and not by what it has seen."""
    await records.desk.acquire("acme")
    assert not await records.views.wait_events(after=0, timeout_s=0.05)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(records.views.wait_events(after=0, timeout_s=5))
        await asyncio.sleep(0.02)
        await records.desk.commit("acme", decision(a_case()))
    assert waiting.result()
    seen = await records.views.last_event("acme")
    assert not await records.views.wait_events(after=seen, timeout_s=0.3)


async def test_most_urgent_first(records: Records) -> None:
    """Cases come open first, by act-by date, then severity; pages hold each exactly once."""
    await records.desk.acquire("acme")
    given = {
        "closed": a_case("closed", days=0, state="closed"),
        "undated": a_case("undated", days=None),
        "later": a_case("later", days=20),
        "soon-low": a_case("soon-low", days=2, severity="low"),
        "soon-high": a_case("soon-high", days=2, severity="critical"),
    }
    await records.desk.commit("acme", decision(*given.values()))
    names = {case.id: name for name, case in given.items()}
    found: list[str] = []
    key = None
    while True:
        page = await records.views.cases("acme", CaseFilter(), after=key, limit=2)
        assert page.total == 5
        found += [names[each.id] for each in page.items]
        if (key := page.next) is None:
            break
    assert found == ["soon-high", "soon-low", "later", "undated", "closed"]
    with pytest.raises(InputError, match="after"):
        await records.views.cases("acme", CaseFilter(), after="1; DROP TABLE event")


FILTERS: dict[str, tuple[CaseFilter, set[str]]] = {
    "owner of either side": (CaseFilter(owner="sam"), {"one", "two"}),
    "asset": (CaseFilter(asset="Mill_01"), {"two"}),
    "account": (CaseFilter(account="south"), {"three"}),
    "states": (CaseFilter(states=("planned", "closed")), {"two", "three"}),
    "open": (CaseFilter(open_only=True), {"one", "two"}),
    "number": (CaseFilter(text=" c-2002 "), {"two"}),
    "part of an asset": (CaseFilter(text="mill_"), {"two"}),
    "part of an account": (CaseFilter(text="SOU"), {"three"}),
    "nothing": (CaseFilter(text="%"), set()),
    "blank": (CaseFilter(text=" "), {"one", "two", "three"}),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_filters(records: Records, name: str) -> None:
    """Each filter finds the cases that it describes, of its tenant."""
    await records.desk.acquire("acme")
    three = a_case("three", account="south", state="closed", sales=None)
    given = [a_case("one"), a_case("two", asset="Mill_01", state="planned"), three]
    await records.desk.commit("acme", decision(*given))
    where, expected = FILTERS[name]
    page = await records.views.cases("acme", where)
    names = {a_case(each).id: each for each in ("one", "two", "three")}
    assert {names[each.id] for each in page.items} == expected
    assert page.total == len(expected)
    assert (await records.views.cases("other", where)).total == 0


async def test_outbox(records: Records) -> None:
    """A notification is stored once, waits until due, and what was sent stays sent."""
    await records.desk.acquire("acme")
    both = [a_notification("one"), a_notification("two", channel="webhook", case=None)]
    await records.desk.commit("acme", Decision([], [], [], both))
    await records.desk.commit("acme", Decision([], [], [], both[:1]))
    outbox = records.outbox
    assert [each.notification for each in await outbox.due(now_ns=0)] == both
    assert len(await outbox.due(now_ns=0, channel="email")) == 1
    assert len(await outbox.due(now_ns=0, other_than=("email", "sms"))) == 1
    await outbox.mark(both[0].id, "waiting", detail="451 later", next_at_ns=50)
    assert [each.notification for each in await outbox.due(now_ns=49)] == both[1:]
    (again,) = await outbox.due(now_ns=50, channel="email")
    assert (again.attempts, again.detail) == (1, "451 later")
    await outbox.mark(both[0].id, "sent", detail="250 ok", at=NOW)
    await outbox.mark(both[0].id, "waiting")
    await outbox.mark(both[1].id, "dead", detail="410 gone")
    assert await outbox.due(now_ns=2**62) == []
    found = await records.views.notifications("acme")
    assert [(each.state, each.sent_at) for each in found] == [("dead", None), ("sent", NOW)]
    assert len(await records.views.notifications("acme", case=a_case().id)) == 1
    assert await records.views.notifications("other") == []


async def test_outbox_wakes(records: Records) -> None:
    """The outbox is woken by the commit that stored something for it."""
    await records.desk.acquire("acme")
    assert not await records.outbox.wait(timeout_s=0.05)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(records.outbox.wait(timeout_s=5))
        await asyncio.sleep(0.05)
        await records.desk.commit("acme", Decision([], [], [], [a_notification()]))
    assert waiting.result()


async def test_catalogs(opener: Opener) -> None:
    """Each change of a catalog is a version; an equal one is none; all stay readable."""
    here, there = await opener(), await opener()
    empty = Catalog(tenant="acme")
    ada = Catalog(tenant="acme", people=(Person(id="ada", name="Ada", role="engineer"),))
    assert await here.catalogs.latest("acme") is None
    assert [await here.catalogs.put(each) for each in (empty, empty, ada, ada)] == [1, 1, 2, 2]
    assert await here.catalogs.put(Catalog(tenant="zeta")) == 1
    assert await there.catalogs.latest("acme") == (2, ada)
    assert await there.catalogs.get("acme", 1) == empty
    assert await there.catalogs.get("acme", 3) is None
    assert await there.catalogs.tenants() == ["acme", "zeta"]
    await here.inbox.submit(detected(1, tenant="beta"))
    assert await there.desk.tenants() == ["acme", "beta", "zeta"]


async def test_unreadable_input_does_not_block(url: str, records: Records) -> None:
    """An input of another release is handled as our failure, and those after it go on."""
    seq = await records.inbox.submit(detected(1))
    await records.inbox.submit(detected(2))
    database = Database(url, RecordsOptions())
    async with database.write() as connection:
        statement = text("UPDATE desk_input SET body = '{}' WHERE seq = :seq")
        await connection.execute(statement, {"seq": seq})
    await database.close()
    assert [each.input for each in await records.desk.next_inputs("acme")] == [detected(2)]
    assert (await records.inbox.outcome(seq, timeout_s=1)).status == 500


async def test_ten_thousand_open_cases(records: Records) -> None:
    """A page of ten thousand open cases is there well within the budget of the inbox."""
    await records.desk.acquire("acme")
    cases = [
        a_case(str(n), days=n % 97, asset=f"press-{n % 500}", severity="low")
        for n in range(10_000)
    ]
    await records.desk.commit("acme", Decision([], [], cases, []))
    slowest_s = 0.0
    for where in (
        CaseFilter(),
        CaseFilter(open_only=True, owner="ada"),
        CaseFilter(text="press-49"),
        CaseFilter(asset="press-7"),
    ):
        started_s = time.monotonic()
        page = await records.views.cases("acme", where, limit=50)
        slowest_s = max(slowest_s, time.monotonic() - started_s)
        assert isinstance(page.items[0].id, UUID)
    assert slowest_s < 0.3
