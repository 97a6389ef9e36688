"""What the desk decides beyond the stories."""

from datetime import timedelta

import pytest

from bridge.cases.audit import fingerprint
from bridge.cases.desk import answer_of, decide
from bridge.cases.events import CaseOpened, RepairRecorded, WaiverRenewed
from bridge.cases.inputs import DeliveryEnded, Repaired
from bridge.cases.owners import Gap
from bridge.cases.state import initial, projection
from bridge.model.detections import Anomaly, DataQuality, derive_id
from tests.scenarios.plant import MONDAY, act, cleared, desk, plant, prediction, said, tick

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_decide_writes_nothing_and_repeats_itself() -> None:
    """The same input and state give the same events, ids included, as often as asked."""
    one = desk()
    input_ = said(prediction())
    first, second = decide(input_, one.state), decide(input_, one.state)
    assert first == second
    assert not one.state.cases
    assert isinstance(first[0], CaseOpened)


def test_both_roles_read_the_same_facts() -> None:
    """The case's hash is that of the facts it holds, and the numbers people say count up."""
    one = desk()
    one.take(said(prediction()))
    one.take(said(prediction(asset="M-2")))
    cases = list(one.state.cases.values())
    assert [case.label for case in cases] == ["C-1", "C-2"]
    assert all(case.facts_hash == fingerprint(case.facts) for case in cases)


def test_the_answer_names_case_and_reason() -> None:
    """Whoever waits for an act hears how it ended."""
    one = desk()
    events = one.take(said(prediction()))
    case = answer_of(events).case
    assert case is not None
    refused = answer_of(one.take(act(MONDAY, "am-1", "inform", told="x")))
    assert (refused.status, refused.case) == (409, case)
    assert "finding" in refused.reason
    accepted = answer_of(one.take(act(MONDAY, "fe-1", "acknowledge", case=case)))
    assert accepted == (200, "", case)


def test_sensor_faults_reach_nobody() -> None:
    """A dead sensor is no machine fault: no case, no letter."""
    one = desk()
    fault = DataQuality(
        id=derive_id("dq"),
        tenant="default",
        asset="M-1",
        at=MONDAY,
        kind="sensor-fault",
        active=True,
    )
    assert one.take(said(fault)) == ()


def test_five_hundred_anomalies_of_one_gateway_are_one_case_and_one_letter() -> None:
    """A gateway's outage does not flood the engineer."""
    one = desk()
    assets = plant().assets[:1] * 500
    catalog = plant().model_copy(
        update={
            "assets": tuple(
                asset.model_copy(update={"id": f"G-{n}"}) for n, asset in enumerate(assets)
            )
        }
    )
    one.state.catalog = type(catalog).model_validate(catalog.model_dump(by_alias=True))
    for n in range(500):
        at = MONDAY + timedelta(seconds=n)
        one.take(
            said(
                Anomaly(
                    id=derive_id("a", n), tenant="default", asset=f"G-{n}", at=at, score=0.99
                )
            )
        )
    assert len(one.state.cases) == 1
    assert [each.to for each in one.letters.values() if each.channel == "email"] == ["fe-1"]


def test_a_false_alarm_is_not_raised_again_about_the_same_rise() -> None:
    """Detection repeating itself is silent until a new rise, or until it got worse."""
    one = desk()
    far = {
        "p10": MONDAY + 60 * DAY,
        "p50": MONDAY + 70 * DAY,
        "p90": MONDAY + 80 * DAY,
        "onset": MONDAY - DAY,
    }
    one.take(said(prediction(**far)))
    one.take(act(MONDAY + HOUR, "fe-1", "false-alarm", reason="Loose sensor"))
    assert one.take(said(prediction(MONDAY + 2 * HOUR, **far))) == ()
    assert decide(said(prediction(MONDAY + 15 * DAY, **far)), one.state)
    worse = {**far, "p10": MONDAY + 3 * DAY, "p50": MONDAY + 5 * DAY}
    assert one.take(said(prediction(MONDAY + 3 * HOUR, **worse)))
    one.take(act(MONDAY + 4 * HOUR, "fe-1", "false-alarm", reason="Loose sensor"))
    anew = {**worse, "onset": MONDAY + 5 * HOUR}
    assert one.take(said(prediction(MONDAY + 6 * HOUR, **anew)))
    assert next(iter(one.state.cases.values())).episode == 3


def test_a_rise_that_got_worse_and_cleared_is_judged_no_longer() -> None:
    """What detection itself took back may come again, whatever was judged before."""
    one = desk()
    dates = dict.fromkeys(("p10", "p50", "p90"), MONDAY + 60 * DAY)
    one.take(said(prediction(**dates, onset=MONDAY - DAY)))
    one.take(act(MONDAY + HOUR, "fe-1", "false-alarm", reason="Loose sensor"))
    near = dict.fromkeys(dates, MONDAY + 3 * DAY)
    one.take(said(prediction(MONDAY + 2 * HOUR, **near, onset=MONDAY - DAY)))
    one.take(said(cleared(MONDAY + 3 * HOUR)))
    assert one.take(said(prediction(MONDAY + 4 * HOUR, **dates, onset=MONDAY - DAY)))


def test_a_told_case_of_a_repaired_machine_waits_for_people() -> None:
    """A repair without its act keeps the case open for finding, action and what was told."""
    one = desk()
    one.take(said(prediction()))
    for by, do, fields in (
        ("fe-1", "confirm-finding", {"finding": "x"}),
        ("am-1", "confirm-message", {}),
        ("am-1", "inform", {"told": "x"}),
    ):
        one.take(act(MONDAY, by, do, **fields))
    one.take(Repaired(id=derive_id("r"), tenant="default", at=MONDAY, by="fe-1", asset="M-1"))
    one.take(said(cleared(MONDAY + HOUR)))
    (case,) = one.cases.values()
    assert (case.state, case.side_state) == ("informed", None)


def test_small_steps_are_silent_until_they_add_up() -> None:
    """Facts follow a prediction; the owners hear when it left what they were told."""
    one = desk()

    def moved(hour: int, days: float) -> int:
        at = MONDAY + hour * HOUR
        dates = dict.fromkeys(("p10", "p50", "p90"), MONDAY + days * DAY)
        one.take(said(prediction(at, **dates)))
        (case,) = one.state.cases.values()
        assert case.facts.p50 == MONDAY + days * DAY
        return sum(letter.kind == "update" for letter in one.letters.values())

    assert [moved(0, 50), moved(1, 45), moved(2, 40), moved(3, 36)] == [0, 0, 0, 2]
    assert [moved(4, 33), moved(5, 30), moved(6, 26)] == [2, 2, 4]


def test_late_and_repeated_words_change_nothing() -> None:
    """Older predictions and clearings and the same words again leave the case as it is."""
    one = desk()
    old = prediction(MONDAY - HOUR, p10=MONDAY, p50=MONDAY, p90=MONDAY)
    one.take(said(prediction()))
    assert one.take(said(old, MONDAY + HOUR)) == ()
    assert one.take(said(cleared(MONDAY - HOUR), MONDAY + HOUR)) == ()
    assert one.take(said(prediction(), MONDAY + HOUR)) == ()
    one.take(said(cleared(MONDAY + HOUR)))
    again = said(prediction(), MONDAY + 2 * HOUR).model_copy(update={"id": derive_id("other")})
    assert one.take(again) == ()
    assert not one.state.cases


def test_of_two_predictions_at_once_the_earlier_date_counts() -> None:
    """Whatever their order, the cautious one wins."""
    early = prediction(p10=MONDAY + 8 * DAY, p50=MONDAY + 9 * DAY, p90=MONDAY + 12 * DAY)
    late = prediction(p10=MONDAY + 18 * DAY, p50=MONDAY + 19 * DAY, p90=MONDAY + 22 * DAY)
    for order in ((early, late), (late, early)):
        one = desk()
        for each in order:
            one.take(said(each))
        (case,) = one.state.cases.values()
        assert case.facts.p50 == early.p50


def test_severity_rises_with_time_alone() -> None:
    """A case nobody touches becomes high and then critical as its dates come near."""
    one = desk()
    one.take(
        said(prediction(p10=MONDAY + 35 * DAY, p50=MONDAY + 40 * DAY, p90=MONDAY + 50 * DAY))
    )
    seen = []
    for day in (0, 11, 29):
        one.pass_time(MONDAY + day * DAY)
        seen.append(next(iter(one.state.cases.values())).severity)
    assert seen == ["medium", "high", "critical"]


def test_a_waiver_that_ends_is_renewed_and_asked_about() -> None:
    """Law 2 holds on the day after, too, and the engineer is reminded."""
    one = desk()
    one.take(said(prediction(quality="poor")))
    one.pass_time(MONDAY + 8 * DAY)
    assert any(isinstance(event, WaiverRenewed) for event in one.events)
    (case,) = one.state.cases.values()
    assert case.waiver is not None
    assert case.waiver.until > MONDAY + 8 * DAY


def test_a_tick_without_cause_does_nothing() -> None:
    """Time that changes nothing leaves no event."""
    one = desk()
    one.take(said(prediction()))
    assert one.take(tick(MONDAY + timedelta(minutes=1))) == ()


def test_who_cannot_be_reached_is_a_gap_until_reached() -> None:
    """A dead letter opens a gap with the lead; a delivery closes it."""
    one = desk()
    ended = {
        "tenant": "default",
        "at": MONDAY,
        "notification": derive_id("n"),
        "to": "fe-1",
        "channel": "email",
    }
    one.take(DeliveryEnded(id=derive_id("d", 1), state="dead", **ended))
    one.take(DeliveryEnded(id=derive_id("d", 2), state="dead", **ended))
    assert one.state.gaps == {Gap("channel-dead", "fe-1/email"): "lead-fe"}
    one.take(DeliveryEnded(id=derive_id("d", 3), state="sent", **ended))
    assert one.state.gaps == {}


def test_a_recorded_repair_reaches_detection_and_prevents_a_retraction() -> None:
    """The repair stands in the case's story and as a control record for the journal."""
    one = desk()
    one.take(said(prediction()))
    events = one.take(
        Repaired(id=derive_id("r"), tenant="default", at=MONDAY, by="fe-1", asset="M-1")
    )
    assert isinstance(events[0], RepairRecorded)
    assert events[0].case in one.state.cases
    control = [each for each in one.letters.values() if each.channel == "journal"]
    assert '"type":"repair"' in control[-1].text


def test_another_tenants_input_is_a_bug() -> None:
    """Nothing of one tenant is ever decided by another one's desk."""
    with pytest.raises(AssertionError, match="tenant"):
        decide(said(prediction()), initial("elsewhere"))


def test_a_closed_case_can_still_be_shown() -> None:
    """The store gets the projection of a case that this very decision closed."""
    one = desk()
    case = answer_of(one.take(said(prediction()))).case
    one.take(said(cleared(MONDAY + HOUR)))
    assert case is not None
    assert projection(one.state, case).state == "closed"
