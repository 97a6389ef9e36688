"""The laws of the desk hold whatever happens, in whatever order, however often.

A rule-based machine drives the desk with detections, acts, repairs, time, repetitions and
restarts beside a toy model: what people typed last, that a good prediction is with both sides,
that a clearing ends what nobody was told. After every step the laws of the domain are checked.
"""

from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from bridge.cases.audit import fingerprint
from bridge.cases.events import Acted, ActRefused, CaseOpened
from bridge.cases.inputs import Input, Repaired
from bridge.cases.state import evolve, initial
from bridge.model.case import Case, Task
from bridge.model.detections import Anomaly, derive_id
from bridge.model.values import UNKNOWN_MODE
from tests.scenarios.driver import wording
from tests.scenarios.plant import MONDAY, act, cleared, desk, prediction, said, tick

ASSETS = st.sampled_from(["M-1", "M-2", "M-3", "M-4", "M-9"])
MODES = st.sampled_from(["bearing", "crack", UNKNOWN_MODE])
PEOPLE = st.sampled_from(
    ["fe-1", "fe-2", "fe-9", "am-1", "lead-fe", "lead-am", "disp-1", "stranger"]
)
ACTS = st.sampled_from(
    [
        "acknowledge",
        "confirm-finding",
        "confirm-message",
        "inform",
        "plan",
        "execute",
        "verify",
        "close",
        "false-alarm",
    ]
)
GAPS_H = st.integers(min_value=0, max_value=60)
LEFT_D = st.integers(min_value=1, max_value=90)


class DeskMachine(RuleBasedStateMachine):
    """A desk, fed with anything."""

    inputs = Bundle("inputs")

    def __init__(self) -> None:
        super().__init__()
        self.desk = desk()
        self.now = MONDAY
        self.step = 0
        self.told: set[Any] = set()
        self.typed: dict[Any, dict[str, str]] = {}

    def take(self, input_: Input) -> Any:
        """Hand an input to the desk; what a person typed is remembered."""
        events = self.desk.take(input_)
        if events:
            self.told.add(input_.id)
        for event in events:
            if isinstance(event, Acted) and event.case is not None:
                self._remember(event)
        return input_

    def _remember(self, event: Acted) -> None:
        typed = self.typed.setdefault(event.case, {})
        if event.do in {"confirm-finding", "close"}:
            typed["finding"] = event.finding
        if event.do in {"plan", "execute", "close"}:
            typed["action"] = event.action
        if event.do in {"inform", "close"}:
            typed["told"] = event.told

    def later(self, hours: int) -> Any:
        """Let some time pass; a minute at least, so that inputs are told apart."""
        self.step += 1
        self.now += timedelta(hours=hours, minutes=1)
        return self.now

    @rule(
        target=inputs,
        asset=ASSETS,
        mode=MODES,
        days=st.none() | LEFT_D,
        trust=st.sampled_from(
            [("good", "learned")] * 3 + [("poor", "learned"), ("good", "learning")]
        ),
        late_h=st.sampled_from([0, 0, 0, 5, 50]),
        hours=GAPS_H,
    )
    def predict(self, asset, mode, days, trust, late_h, hours):
        """Detection predicts, sometimes on poor ground, sometimes late."""
        at = self.later(hours)
        dates = {}
        if days is not None:
            dates = {
                key: at + timedelta(days=days * share)
                for key, share in (("p10", 0.5), ("p50", 1), ("p90", 2))
            }
        detection = prediction(
            at - timedelta(hours=late_h),
            asset=asset,
            mode=mode,
            quality=trust[0],
            baseline=trust[1],
            **dates,
        )
        input_ = self.take(said(detection, at))
        if trust == ("good", "learned") and not late_h:
            both = [case for case in self.desk.state.cases_of(asset) if case.waiver is None]
            assert both, "a good prediction is with both sides"
        return input_

    @rule(
        target=inputs,
        asset=ASSETS,
        signal=st.sampled_from(["temp", "load", ""]),
        hours=st.sampled_from([0, 0, 0, 1, 60]),
    )
    def alarm(self, asset, signal, hours):
        """Detection sees something abnormal, without a prediction."""
        at = self.later(hours)
        id_ = derive_id("anomaly", asset, at.isoformat())
        anomaly = Anomaly(
            id=id_,
            tenant="default",
            asset=asset,
            at=at,
            score=0.9,
            contributions={signal: 1.0} if signal else {},
        )
        return self.take(said(anomaly, at))

    @rule(target=inputs, asset=ASSETS, mode=st.none() | MODES, hours=GAPS_H)
    def clear(self, asset, mode, hours):
        """Detection takes something back."""
        input_ = self.take(said(cleared(self.later(hours), asset, mode)))
        case = self.desk.state.case_of(asset, mode)
        if case is not None:
            done = case.state in {"executed", "verified"}
            assert case.told_at is not None or done, "nothing holds an untold case open"
        return input_

    @rule(target=inputs, asset=ASSETS, hours=GAPS_H)
    def repair(self, asset, hours):
        """Somebody repairs."""
        at = self.later(hours)
        return self.take(
            Repaired(
                id=derive_id("repair", at.isoformat()),
                tenant="default",
                at=at,
                by="fe-1",
                asset=asset,
            )
        )

    @rule(target=inputs, by=PEOPLE, do=ACTS, pick=st.integers(0, 20), full=st.booleans())
    def person_acts(self, by, do, pick, full):
        """Anybody tries anything, often on an open case."""
        at = self.later(0)
        open_ = sorted(self.desk.state.cases.values(), key=lambda case: str(case.id))
        on = open_[pick % len(open_)] if open_ else None
        fields: dict[str, Any] = (
            {
                "finding": f"finding {self.step}",
                "action": f"action {self.step}",
                "told": f"told {self.step}",
                "reason": f"reason {self.step}",
            }
            if full
            else {}
        )
        case = {"case": on.id} if on else {}
        return self.take(act(at, by, do, **case, **fields))

    @rule(hours=st.integers(1, 400))
    def time_passes(self, hours):
        """The desk is ticked at the end of a while, as after a pause of the service."""
        self.desk.take(tick(self.later(hours)))
        assert all(at > self.now for at in self.desk.state.wakes.values()), "a tick settles all"

    @rule(target=inputs, old=inputs)
    def again(self, old):
        """Law 9: the same input once more makes nothing at all.

        One that led to nothing leaves no trace here; the inbox takes each id once, and that
        stops it.
        """
        if old.id not in self.told:
            return multiple()
        letters, cases = len(self.desk.letters), dict(self.desk.state.cases)
        assert self.desk.take(old) == ()
        assert (len(self.desk.letters), self.desk.state.cases) == (letters, cases)
        return multiple()

    @rule()
    def restart(self):
        """Law 9: the fold of the recorded events is the desk as it was."""
        folded = initial("default")
        for event in self.desk.events:
            evolve(
                folded, type(event).model_validate_json(event.model_dump_json(by_alias=True))
            )
        assert folded.cases == self.desk.state.cases
        assert folded.wakes == self.desk.state.wakes
        assert folded.heard == self.desk.state.heard
        assert folded.gaps == self.desk.state.gaps
        assert folded.open_by_key == self.desk.state.open_by_key
        assert folded.groups == self.desk.state.groups
        assert folded.alarms == self.desk.state.alarms
        assert folded.notes == self.desk.state.notes
        self.desk.state = folded

    @invariant()
    def law_1_one_open_case_per_episode(self) -> None:
        """At most one open case per asset and mode, and episodes count without holes."""
        keys = [(case.asset, case.mode) for case in self.desk.state.cases.values()]
        assert len(keys) == len(set(keys)) == len(self.desk.state.open_by_key)
        numbers = [event.number for event in self.desk.events if isinstance(event, CaseOpened)]
        assert numbers == list(range(1, len(numbers) + 1))

    @invariant()
    def law_2_both_sides_or_a_waiver(self) -> None:
        """Two live tasks with two owners, or one and a dated waiver; never three."""
        for case in self.desk.state.cases.values():
            assert (case.sales is None) == (case.waiver is not None)
            if case.waiver is not None:
                assert case.waiver.reason

    @invariant()
    def law_3_and_5_nobody_is_told_without_ground(self) -> None:
        """Who was told was told on a confirmed finding, on good data and a learned baseline."""
        for case in self.desk.cases.values():
            if case.told_at is not None:
                assert case.finding_confirmed
                assert case.message_confirmed or case.facts.advice == "stop"
                assert case.sales is not None
                assert (case.facts.quality, case.facts.baseline) == ("good", "learned")

    @invariant()
    def law_4_dates_in_order_or_none(self) -> None:
        """P10, P50 and P90 are in order, or the case says that there is no date."""
        for case in self.desk.cases.values():
            facts = case.facts
            assert case.facts_hash == fingerprint(facts)
            if facts.p10 is None or facts.p50 is None or facts.p90 is None:
                assert facts.p10 is facts.p50 is facts.p90 is None
                how = {"language": "en", "zone": "UTC"}
                text = wording().sentence(case, side="engineering", **how)
                assert "no date yet" in text or case.mode is None
            else:
                assert facts.p10 <= facts.p50 <= facts.p90

    @invariant()
    def law_6_one_next_action_with_a_date(self) -> None:
        """Each side of a case has a step with a date, or waits for the other until one."""
        for case in self.desk.state.cases.values():
            for task in (case.engineering, case.sales):
                if task is not None:
                    self._has_a_step(case, task)

    def _has_a_step(self, case: Case, task: Task) -> None:
        assert task.owner
        assert task.next_action != "none"
        assert task.due is not None
        if task.waiting_on is not None:
            other = case.task(task.waiting_on)
            assert other is not None
            assert other.waiting_on is None
            assert task.due == other.due
            assert task.waiting_since is not None

    @invariant()
    def law_7_what_was_typed_stays(self) -> None:
        """No machine overwrites what a person typed last."""
        for case_id, typed in self.typed.items():
            case = self.desk.cases[case_id]
            for name, text in typed.items():
                if text:
                    assert getattr(case, name) == text

    @invariant()
    def closed_is_over(self) -> None:
        """A closed case has nothing left to do and never comes back."""
        for case_id, case in self.desk.cases.items():
            if case.state == "closed":
                assert case_id not in self.desk.state.cases
                assert case.engineering.state == "done"
                assert case.sales is None or case.sales.state == "done"

    @invariant()
    def refused_acts_come_with_a_reason(self) -> None:
        """Whoever is refused reads why."""
        for event in self.desk.events[-3:]:
            if isinstance(event, ActRefused):
                assert event.reason
                assert event.status in {403, 409, 422}


DeskMachine.TestCase.settings = settings(stateful_step_count=40)
TestDesk = DeskMachine.TestCase
