import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bridge.detect import diagnosis
from bridge.model.catalog import FailureMode, Symptom
from bridge.model.values import UNKNOWN_MODE

SIGNALS = ("temp", "vibration", "pressure", "flow")


def mode(name, **signature):
    """Return a failure mode from signal=direction."""
    symptoms = tuple(Symptom(signal=s, direction=d) for s, d in signature.items())
    return FailureMode(id=name, name=name, plain="", signature=symptoms)


BEARING = mode("bearing", temp="up", vibration="up")
LEAK = mode("leak", pressure="down", flow="up")
IMBALANCE = mode("imbalance", vibration="up")
BLOCKED = mode("blocked", pressure="up", flow="down")
MODES = (BEARING, LEAK, IMBALANCE, BLOCKED)


def diagnose(excess, modes=MODES, own=0.02):
    """Return the diagnosis of a pattern whose signals wander by `own`."""
    excess = np.array(excess, float)
    seen = diagnosis.Seen(SIGNALS, excess, np.broadcast_to(own, excess.shape))
    return diagnosis.diagnose(seen, modes)


def named(*excess, modes=MODES):
    """Return the mode named for a pattern."""
    return diagnose(excess, modes).mode


def test_each_pattern_is_named() -> None:
    """A mode is named by the signals that moved and by the way they moved."""
    assert named(0.3, 0.4, 0, 0) == "bearing"
    assert named(0, 0.4, 0, 0) == "imbalance"
    assert named(0, 0, -0.3, 0.2) == "leak"
    assert named(0, 0, 0.3, -0.2) == "blocked"


def test_what_no_mode_shows_is_unknown() -> None:
    """A pattern outside the catalog, no pattern, or no catalog: "unknown" is an answer."""
    assert named(-0.5, 0, 0, 0) == UNKNOWN_MODE
    assert named(0, 0, 0, 0) == UNKNOWN_MODE
    assert named(0.3, 0.4, 0, 0, modes=()) == UNKNOWN_MODE
    assert named(np.nan, np.nan, np.nan, np.nan) == UNKNOWN_MODE


def test_a_tie_is_told_with_less_confidence() -> None:
    """Two modes that fit alike halve the confidence of the one that is named."""
    twin = mode("twin", temp="up", vibration="up")
    alone = diagnose([0.3, 0.4, 0, 0], (BEARING,))
    both = diagnose([0.3, 0.4, 0, 0], (BEARING, twin))
    assert both.confidence < alone.confidence


def test_a_signal_of_the_signature_that_is_not_measured_does_not_count() -> None:
    """A machine without one of the sensors is judged by the others."""
    pump = mode("pump", pressure="down", current="up")
    assert named(0, 0, -0.4, 0, modes=(pump,)) == "pump"


def test_a_small_sure_move_counts_as_much_as_a_large_one() -> None:
    """A steady signal that fell a little decides for the mode that names it."""
    cracked = mode("cracked", vibration="up", flow="down")
    own = np.array([0.02, 0.02, 0.02, 0.002])
    assert diagnose([0, 0.5, 0, -0.02], (IMBALANCE, cracked), own).mode == "cracked"
    assert diagnose([0, 0.5, 0, 0], (IMBALANCE, cracked), own).mode == "imbalance"


@given(arrays(np.float64, 4, elements=st.floats(-30, 30)))
def test_shares_sum_to_one_and_fits_are_shares(excess) -> None:
    """Contributions sum to 1, or there are none; every fit lies in [0, 1]."""
    shares = diagnosis.shares(excess, SIGNALS)
    assert not shares or abs(sum(shares.values()) - 1) < 1e-9
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    found = diagnose(excess)
    assert all(0 <= fit <= 1 + 1e-12 for fit in found.fits.values())
    assert 0 <= found.confidence <= 1 + 1e-12
