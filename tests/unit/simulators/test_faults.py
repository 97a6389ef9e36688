"""What goes wrong in the fleet, when, and what a repair changes."""

import itertools

import numpy as np
import pytest

from simulators.faults import DAY_S, NS, Chain, Fault, FaultPlan

DAY_NS = DAY_S * NS
YEAR_NS = 365 * DAY_NS
START_NS = 20_000 * DAY_NS


def chain(seed: int = 1, **plan: float) -> Chain:
    """Give the faults of one machine."""
    return Chain(seed, "m-1", "machine", ("wear", "leak"), FaultPlan(**plan), START_NS)


def test_severity_grows_from_onset_to_failure_and_ends_with_the_repair() -> None:
    """Wear is nothing before onset, never falls, is 1 from failure, and gone once repaired."""
    fault = Fault("machine", "wear", START_NS, 10 * DAY_S, 2.0)
    days = np.arange(-2, 13, dtype=np.int64)
    severity = fault.severity(START_NS + days * DAY_NS)
    assert (severity[days <= 0] == 0).all()
    assert (np.diff(severity) >= 0).all()
    assert (severity[days >= 10] == 1).all()
    assert severity[days == 5] == pytest.approx(0.25)
    repaired = Fault("machine", "wear", START_NS, 10 * DAY_S, 2.0, START_NS + 5 * DAY_NS)
    after = repaired.severity(START_NS + days * DAY_NS)
    assert (after[days >= 5] == 0).all()
    assert (after[days < 5] == severity[days < 5]).all()


@pytest.mark.parametrize("seed", range(20))
def test_faults_follow_each_other(seed: int) -> None:
    """No fault begins before the one before it is over, and none in the first calm days."""
    found = chain(seed)
    faults = found.until(START_NS + 3 * YEAR_NS)
    assert len(faults) > 5
    assert faults[0].onset_ns >= START_NS + 16 * DAY_NS
    for one, other in itertools.pairwise(faults):
        assert other.onset_ns >= found.over(one) + 8 * DAY_NS


def test_how_anybody_asks_changes_nothing() -> None:
    """The same faults come out whether one asks day by day or once for all."""
    stepwise = chain()
    for day in range(400):
        stepwise.until(START_NS + day * DAY_NS)
    assert stepwise.until(START_NS + YEAR_NS) == chain().until(START_NS + YEAR_NS)


def test_without_faults_nothing_ever_goes_wrong() -> None:
    """A plan of scale 0 has no faults at all."""
    assert chain(scale=0.0).until(START_NS + 10 * YEAR_NS) == []


def test_a_repair_in_time_keeps_the_machine_from_standing_still() -> None:
    """Repaired before failure: no downtime; else it lasts until the customer repairs."""
    left, repaired = chain(), chain()
    fault = left.until(START_NS + YEAR_NS)[0]
    start_ns, end_ns = left.down_span(fault) or (0, 0)
    assert start_ns == fault.failure_ns
    assert 20 * 3600 * NS <= end_ns - start_ns <= 44 * 3600 * NS
    repaired.until(fault.onset_ns + 1)
    ended = repaired.repair(fault.onset_ns + DAY_NS)
    assert ended is not None
    assert repaired.down_span(ended) is None
    assert repaired.until(START_NS + YEAR_NS)[0].end_ns == fault.onset_ns + DAY_NS
    assert repaired.until(START_NS + YEAR_NS)[1].onset_ns >= fault.onset_ns + 9 * DAY_NS


def test_a_repair_of_a_sound_machine_changes_nothing() -> None:
    """Repairing what is well is no fault's end."""
    touched, left = chain(), chain()
    assert touched.repair(START_NS + DAY_NS) is None
    assert touched.until(START_NS + YEAR_NS) == left.until(START_NS + YEAR_NS)
