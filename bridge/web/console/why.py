"""Why a case exists: contributing signals with their shares, beside what is normal for them."""

from dataclasses import dataclass

from bridge.cases.reading import UNITS
from bridge.model.case import Facts
from bridge.model.detections import AssetStatus

BAND_SPREADS = 3.0
"""Half width of the healthy band, in robust standard deviations of the baseline."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One signal's part in a score; values in the signal's unit, None where evidence has none.

    Parameters
    ----------
    share : float
        Share of the score, 0 to 1.
    latest : float or None
        Level when the statement was made.
    normal, low, high : float or None
        Baseline in the operating state, and the healthy band about it.
    """

    signal: str
    unit: str
    share: float
    latest: float | None
    normal: float | None
    low: float | None
    high: float | None

    @property
    def change(self) -> float | None:
        """How far the level is from normal, in the unit of the signal."""
        if self.latest is None or self.normal is None:
            return None
        return self.latest - self.normal

    @property
    def outside(self) -> bool:
        """Whether the level lies outside the healthy band."""
        if self.latest is None or self.low is None or self.high is None:
            return False
        return not self.low <= self.latest <= self.high


def reasons(facts: Facts) -> list[Reason]:
    """Return the signals behind a case, the largest share first, for plot and page."""
    evidence = facts.evidence
    found = []
    for signal, share in sorted(facts.contributions.items(), key=lambda each: -each[1]):
        normal = low = high = latest = None
        if evidence is not None:
            latest = evidence.latest.get(signal)
            if signal in evidence.baseline:
                normal, spread = evidence.baseline[signal]
                low, high = normal - BAND_SPREADS * spread, normal + BAND_SPREADS * spread
        found.append(
            Reason(signal, _unit(facts.units, signal), share, latest, normal, low, high)
        )
    return found


def present(status: AssetStatus, units: dict[str, str]) -> list[Reason]:
    """Return the signals of a machine as they stand now, by name; shares are 0."""
    found = []
    for signal, value in sorted(status.signals.items()):
        low, high = _number(value.get("low")), _number(value.get("high"))
        normal = (low + high) / 2 if low is not None and high is not None else None
        latest = _number(value.get("value"))
        found.append(Reason(signal, _unit(units, signal), 0.0, latest, normal, low, high))
    return found


def _unit(units: dict[str, str], signal: str) -> str:
    unit = units.get(signal, "")
    return UNITS.get(unit, unit)


def _number(value: float | str | None) -> float | None:
    return float(value) if isinstance(value, int | float) else None
