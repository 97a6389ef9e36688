"""Colleagues: patient, on free seats only, never before their turn."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from simulators.colleagues import Colleagues, next_act

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def task(
    owner: str, state: str = "created", step: str = "", waiting: str | None = None
) -> dict:
    """Give one side's task as REST shows it."""
    return {"owner": owner, "state": state, "next_action": step, "waiting_on": waiting}


def case(engineering: dict, sales: dict | None = None, **more: object) -> dict:
    """Give a case as REST lists it."""
    return {
        "id": "c-1",
        "side_state": None,
        "told_at": None,
        "waiver": None if sales else {"side": "sales"},
        "tasks": {"engineering": engineering, "sales": sales},
        **more,
    }


@pytest.mark.parametrize(
    ("state", "step", "waiting", "act"),
    [
        ("created", "confirm-finding", None, "acknowledge"),
        ("acknowledged", "confirm-finding", None, "confirm-finding"),
        ("in-progress", "plan", None, "plan"),
        ("in-progress", "execute", None, "execute"),
        ("in-progress", "verify", None, "verify"),
        ("in-progress", "close", None, "close"),
        ("waiting", "close", "sales", None),
        ("done", "none", None, None),
    ],
)
def test_an_engineer_takes_the_next_step(
    state: str, step: str, waiting: str | None, act: str | None
) -> None:
    """What is next is what the desk says; who waits does nothing."""
    both = case(task("fe", state, step, waiting), task("am", "acknowledged", "inform"))
    assert next_act(both, "engineering") == act


def test_sales_informs_takes_back_and_leaves_closing() -> None:
    """A retraction is telling the customer; closing is the engineer's."""
    engineer = task("fe", "in-progress", "verify")
    for step, act in (("inform", "inform"), ("retract", "inform"), ("close", None)):
        assert next_act(case(engineer, task("am", "in-progress", step)), "sales") == act
    assert next_act(case(engineer), "sales") is None


def test_a_waived_case_is_only_acknowledged() -> None:
    """What has no customer side is looked at when it has one."""
    assert next_act(case(task("fe")), "engineering") == "acknowledge"
    assert next_act(case(task("fe", "acknowledged", "confirm-finding")), "engineering") is None


class Desk:
    """A service that has one case and takes every act, or refuses them."""

    def __init__(self, open_case: dict, status: int = 200) -> None:
        self.case, self.status = open_case, status
        self.acts: list[tuple[str, str, dict]] = []
        self.keys: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.method == "GET":
            return httpx.Response(200, json={"items": [self.case], "next": None})
        body = httpx.Response(200, content=request.content).json()
        who = request.headers["Authorization"].removeprefix("Bearer token-of-")
        self.acts.append((who, body.pop("do"), body))
        self.keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(self.status, json={})


class Office:
    """Colleagues around a desk, with a clock in one's hand."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.at, self.taken = desk, NOW, set()
        self.colleagues = Colleagues(
            url="http://desk",
            tokens={person: f"token-of-{person}" for person in ("fe", "am", "co")},
            reader="co",
            seed=1,
            taken=lambda: self.taken,
            now=lambda: self.at,
        )

    async def pass_time(self, hours: float) -> None:
        """Let hours pass, in looks of half an hour."""
        transport = httpx.MockTransport(self.desk)
        async with httpx.AsyncClient(base_url="http://desk", transport=transport) as client:
            for _ in range(round(hours * 2)):
                await self.colleagues.look(client)
                self.at += timedelta(minutes=30)


async def test_they_wait_and_then_act_once_each_in_their_own_name() -> None:
    """Nothing happens within two hours; within nine both sides have acknowledged."""
    office = Office(Desk(case(task("fe"), task("am"))))
    await office.pass_time(2)
    assert office.desk.acts == []
    await office.pass_time(7)
    assert ("fe", "acknowledge", {}) in office.desk.acts
    assert ("am", "acknowledge", {}) in office.desk.acts
    assert office.colleagues.done == len(office.desk.acts)


async def test_a_taken_seat_is_left_alone() -> None:
    """Where a visitor sits, the colleague does nothing; the other side goes on."""
    office = Office(Desk(case(task("fe"), task("am"))))
    office.taken = {"fe"}
    await office.pass_time(30)
    assert {who for who, _, _ in office.desk.acts} == {"am"}


async def test_the_plan_waits_for_the_customer_but_not_forever() -> None:
    """An untold customer holds the plan back for a day; it names a time ahead."""
    sales = task("am", "in-progress", "follow-up", "engineering")
    office = Office(Desk(case(task("fe", "in-progress", "plan"), sales)))
    await office.pass_time(24)
    assert office.desk.acts == []
    await office.pass_time(8)
    who, act, body = office.desk.acts[0]
    assert (who, act) == ("fe", "plan")
    assert datetime.fromisoformat(body["until"]) > NOW + timedelta(hours=26)


async def test_a_refused_act_is_tried_again_with_a_new_key() -> None:
    """The same key would give the same refusal; refusals are kept for whoever looks."""
    office = Office(Desk(case(task("fe", "in-progress", "verify"), task("am")), status=409))
    office.taken = {"am"}
    await office.pass_time(30)
    assert len(office.desk.acts) > 2
    assert len(set(office.desk.keys)) == len(office.desk.keys)
    assert office.colleagues.done == 0
    assert "verify by fe: 409" in office.colleagues.refused[0]


async def test_their_own_requests_take_no_seat() -> None:
    """While a colleague's request is under way it can be told from a visitor's."""
    seen: list[set[str]] = []
    desk = Desk(case(task("fe"), task("am")))
    office = Office(desk)
    office.desk = lambda request: seen.append(set(office.colleagues.acting)) or desk(request)
    await office.pass_time(9)
    assert {"fe"} in seen
    assert office.colleagues.acting == set()
