"""Letters, CloudEvents and control records."""

import json
from datetime import timedelta
from typing import Any

from bridge.cases.clouds import TYPES
from bridge.cases.events import ActRefused, CaseOpened, CatalogAdopted, GapOpened
from bridge.cases.letters import Letter, follow
from bridge.model.control import CONTROL, CatalogControl, RepairControl
from tests.scenarios.driver import Desk
from tests.scenarios.plant import MONDAY, act, desk, prediction, said

HOUR = timedelta(hours=1)


def letters(one: Desk, channel: str) -> list[Letter]:
    """Return the desk's letters on a channel."""
    return [each for each in one.letters.values() if each.channel == channel]


def opened() -> Desk:
    """Return a desk with one case of an unowned machine."""
    one = desk()
    one.take(said(prediction()))
    return one


def test_following_twice_sends_once() -> None:
    """The letters of an event have the same ids whenever it is followed."""
    one = opened()
    event = next(each for each in one.events if isinstance(each, CaseOpened))
    again = follow(event, one.state)
    assert {each.id for each in again} == {
        each.id for each in one.letters.values() if each.case == event.case
    }
    assert len({each.id for each in again}) == len(again) == 3


def test_nobody_is_told_of_an_own_act() -> None:
    """The engineer who calls a false alarm gets no letter about it; the other side does."""
    one = opened()
    one.take(act(MONDAY + HOUR, "fe-1", "false-alarm", reason="Loose sensor"))
    cleared = [each for each in letters(one, "email") if each.kind == "cleared"]
    assert [(each.to, each.reason) for each in cleared] == [("am-1", "Loose sensor")]


def test_cloud_events_follow_the_specification() -> None:
    """A webhook letter is a CloudEvent with all required attributes and the case's number."""
    one = opened()
    one.take(
        act(MONDAY + HOUR, "fe-1", "confirm-finding", finding="Worn", note="not for others")
    )
    events: list[dict[str, Any]] = [json.loads(each.text) for each in letters(one, "webhook")]
    assert [event["type"] for event in events] == [
        "bridge.case.opened.v1",
        "bridge.case.acted.v1",
        "bridge.task.changed.v1",
    ]
    for event in events:
        assert event["specversion"] == "1.0"
        assert event["source"] == "/bridge/default"
        assert event["subject"] == "C-1"
        assert event["datacontenttype"] == "application/json"
        assert event["data"]["case"]["number"] == "C-1"
        assert {"id", "time"} <= set(event)
    assert len({event["id"] for event in events}) == 3
    assert "not for others" not in "".join(each.text for each in letters(one, "webhook"))
    assert events[1]["data"]["finding"] == "Worn"


def test_refusals_gaps_and_catalogs_stay_inside() -> None:
    """What is nobody else's business is no CloudEvent."""
    assert not {ActRefused, GapOpened, CatalogAdopted} & set(TYPES)


def test_detection_hears_of_catalogs_and_executed_work() -> None:
    """Each becomes one control record with an id of its own."""
    one = opened()
    one.take(act(MONDAY + HOUR, "fe-1", "execute", action="Replaced"))
    records = [CONTROL.validate_json(each.text) for each in letters(one, "journal")]
    assert [type(each) for each in records] == [CatalogControl, RepairControl]
    assert isinstance(records[1], RepairControl)
    assert (records[1].asset, records[1].mode) == ("M-1", "bearing")
    assert len({each.id for each in records}) == 2


def test_stop_is_urgent_for_all() -> None:
    """Owner, account manager and whoever is on call get urgent letters."""
    one = desk()
    one.take(said(prediction(mode="crack")))
    assert all(each.urgent for each in letters(one, "email"))
    assert {each.to for each in letters(one, "email")} == {"fe-1", "am-1"}
