"""What is told of the rows: predictions, anomalies, data-quality events, and when they end.

A prediction needs poor health that persists, on a learned baseline; it is told anew only when
its dates moved by more than a share of the time that is left, or when its quality or confidence
changed, and at most hourly by event time. An alarm that is held without poor health becomes an
anomaly after a while. Ids are made of what a statement stands for, so a replay says the same
again.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from bridge.detect import assess, health
from bridge.detect.assess import Assessment, Subject
from bridge.flow.groups import Group, Row
from bridge.model.detections import (
    Anomaly,
    Cleared,
    DataQuality,
    Detection,
    Prediction,
    derive_id,
)
from bridge.model.instants import NS_PER_S, as_datetime
from bridge.model.quality import Quality
from bridge.model.values import UNKNOWN_MODE

HOUR_NS = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class TellingOptions:
    """When something is told.

    Parameters
    ----------
    rung : float
        Health indicator from which a machine counts as wearing.
    raised_rows, held_rows : int
        It must be there for so many telling rows, or fewer while the alarm is held, too.
    unknown_rows : int
        A pattern that no failure mode shows is told only after so many.
    anomaly_rows : int
        A held alarm without poor health is told after so many rows.
    calm_rows : int
        Neither alarm nor half of the rung for so many telling rows ends what was told.
    again_ns : int
        Least event time between two statements of one asset.
    change : float
        Share of the time left by which a date must move.
    limit_rows, gap_rows : int
        Readings outside their limits, or missing, for so many rows are an event.
    spikes : float
        So many spikes within about a hundred rows are one, too.
    """

    rung: float = 0.125
    raised_rows: int = 36
    held_rows: int = 12
    unknown_rows: int = 108
    anomaly_rows: int = 144
    calm_rows: int = 72
    again_ns: int = HOUR_NS
    change: float = 0.05
    limit_rows: int = 3
    gap_rows: int = 12
    spikes: float = 2.5


@dataclass(slots=True)
class Told:
    """What was told of one asset and still holds; kept in snapshots as JSON.

    Attributes
    ----------
    mode : str or None
        Failure mode of the prediction that holds.
    onset_ns, at_ns : int
        Its onset, and when it was last told.
    dates_ns : list of int
        P10, P50, P90 as told; empty for "no date yet".
    quality, confidence : str
        As told.
    anomaly_ns : int or None
        Since when an anomaly holds.
    faults : dict of signal to [kind, since_ns]
        Data-quality events that last.
    """

    mode: str | None = None
    onset_ns: int = 0
    at_ns: int = 0
    dates_ns: list[int] = field(default_factory=list)
    quality: str = ""
    confidence: str = ""
    anomaly_ns: int | None = None
    faults: dict[str, list[str | int]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing holds."""
        return self.mode is None and self.anomaly_ns is None and not self.faults


class Teller:
    """Decides what is told of one tenant's rows.

    Attributes
    ----------
    told : dict of asset to Told
        Assets of which something holds.
    said : list of Detection
        What was said since it was last taken.
    """

    def __init__(self, tenant: str, options: TellingOptions) -> None:
        self.tenant = tenant
        self.options = options
        self.told: dict[str, Told] = {}
        self.said: list[Detection] = []

    def take(self) -> list[Detection]:
        """Hand over what was said since the last call."""
        said, self.said = self.said, []
        return said

    def look(self, group: Group, row: Row) -> None:
        """Look at the rows of one frame; only those that may be told cost anything."""
        options, latest = self.options, group.memory.latest
        at = row.frame.slot
        self._check_quality(group, row)
        count = _counts(group, row, options)
        held, raised, calm = count
        learned = row.out.learning >= 1.0
        predicted = learned & (
            (raised >= options.raised_rows)
            | ((raised >= options.held_rows) & (row.out.alarm > 0))
        )
        odd = learned & (held >= options.anomaly_rows) & (raised == 0)
        over = calm == options.calm_rows
        fresh = np.zeros(at.size, np.bool_)
        fresh[row.telling] = True
        for index in np.flatnonzero(fresh & (predicted | odd | over)):
            slot = int(at[index])
            asset = group.assets[slot]
            if predicted[index]:
                self._predict(group, row, int(index), int(latest.raised[slot]))
            elif odd[index]:
                self._odd(group, row, int(index))
            else:
                self.end(asset, int(row.frame.t_ns[index]), "back within its healthy range")

    def end(self, asset: str, t_ns: int, reason: str) -> None:
        """Say that what was predicted, or abnormal, no longer holds."""
        told = self.told.get(asset)
        if told is None:
            return
        at = as_datetime(t_ns)
        if told.mode is not None:
            self._clear(asset, told.mode, told.onset_ns, at, reason)
        if told.anomaly_ns is not None:
            self._clear(asset, None, told.anomaly_ns, at, reason)
        told.mode, told.anomaly_ns, told.dates_ns = None, None, []
        self._drop(asset)

    def forget(self, asset: str) -> None:
        """Forget data-quality events of an asset whose memory was wiped; they are told anew."""
        self.told.pop(asset, None)

    def _clear(
        self, asset: str, mode: str | None, since_ns: int, at: datetime, reason: str
    ) -> None:
        id_ = derive_id("cleared", self.tenant, asset, mode or "", since_ns, at)
        self.said.append(
            Cleared(id=id_, tenant=self.tenant, asset=asset, at=at, mode=mode, reason=reason)
        )

    def _drop(self, asset: str) -> None:
        if self.told[asset].empty:
            del self.told[asset]

    def _odd(self, group: Group, row: Row, index: int) -> None:
        """Say that an asset is abnormal, once per episode."""
        asset = group.assets[int(row.frame.slot[index])]
        told = self.told.setdefault(asset, Told())
        if told.mode is not None or told.anomaly_ns is not None:
            return
        t_ns = int(row.frame.t_ns[index])
        told.anomaly_ns = t_ns
        self.said.append(
            Anomaly(
                id=derive_id("anomaly", self.tenant, asset, t_ns),
                tenant=self.tenant,
                asset=asset,
                at=as_datetime(t_ns),
                score=float(row.out.score[index]),
                contributions=_shares(group.signals, row.out.contributions[index]),
            )
        )

    def _predict(self, group: Group, row: Row, index: int, raised: int) -> None:
        """Say what will fail and when, if that is news."""
        slot, t_ns = int(row.frame.slot[index]), int(row.frame.t_ns[index])
        asset = group.assets[slot]
        told = self.told.get(asset)
        if told and told.mode is not None and t_ns - told.at_ns < self.options.again_ns:
            return
        found = _conclude(group, row, index)
        if found.mode == UNKNOWN_MODE and raised < self.options.unknown_rows:
            return
        told = self.told.setdefault(asset, Told())
        if told.mode == UNKNOWN_MODE and found.mode != UNKNOWN_MODE:
            reason = f"recognised as {found.mode}"
            self._clear(asset, told.mode, told.onset_ns, as_datetime(t_ns), reason)
            told.mode = None
        dates = [
            each for each in (found.p10_ns, found.p50_ns, found.p90_ns) if each is not None
        ]
        poor = found.quality == "poor" or self._doubtful(told, found)
        quality = "poor" if poor else "good"
        if told.mode is not None and not self._news(told, dates, (quality, found), t_ns):
            return
        if told.mode is None:
            told.mode, told.onset_ns = found.mode, found.onset_ns
        told.at_ns, told.dates_ns = t_ns, dates
        told.quality, told.confidence = quality, found.confidence
        if told.anomaly_ns is not None:
            told.anomaly_ns = None
        self.said.append(self._prediction(asset, told, found, row, index))

    def _doubtful(self, told: Told, found: Assessment) -> bool:
        """Say whether the signal that weighs most has a sensor fault."""
        leading = next(iter(found.contributions), None)
        return leading in told.faults

    def _news(
        self, told: Told, dates: list[int], how: tuple[str, Assessment], t_ns: int
    ) -> bool:
        """Say whether a prediction differs enough from the one that was told."""
        quality, found = how
        if quality != told.quality or found.confidence != told.confidence:
            return True
        if len(dates) != len(told.dates_ns):
            return True
        if not dates:
            return False
        left = max(told.dates_ns[1] - t_ns, NS_PER_S)
        moved = max(abs(a - b) for a, b in zip(dates, told.dates_ns, strict=True))
        return moved > self.options.change * left

    def _prediction(
        self, asset: str, told: Told, found: Assessment, row: Row, index: int
    ) -> Prediction:
        dates: list[datetime | None] = [as_datetime(each) for each in told.dates_ns]
        dates = dates or [None, None, None]
        at = as_datetime(told.at_ns)
        return Prediction(
            id=derive_id(
                "prediction", self.tenant, asset, told.mode or "", told.onset_ns, told.at_ns
            ),
            tenant=self.tenant,
            asset=asset,
            at=at,
            mode=told.mode or UNKNOWN_MODE,
            p10=dates[0],
            p50=dates[1],
            p90=dates[2],
            confidence=found.confidence,
            contributions=found.contributions,
            quality="poor" if told.quality == "poor" else "good",
            baseline="learned",
            score=float(row.out.score[index]),
            health=found.hi,
            as_new=found.as_new,
            onset=as_datetime(told.onset_ns),
            evidence=found.evidence,
        )

    def _check_quality(self, group: Group, row: Row) -> None:
        """Tell sensor faults and gaps of single signals as they begin and end."""
        options, latest, at = self.options, group.memory.latest, row.frame.slot
        quality, wrong, active = latest.quality[at], latest.wrong[at], latest.fault[at]
        begins = (active == 0) & (
            (quality == Quality.STUCK)
            | ((quality == Quality.LIMIT) & (wrong >= options.limit_rows))
            | ((quality == Quality.MISSING) & (wrong >= options.gap_rows))
            | ((quality == Quality.SPIKE) & (latest.spikes[at] >= options.spikes))
        )
        # A signal that was never there is no gap of it.
        begins &= np.isfinite(group.memory.align.last[at])
        fine = (quality == Quality.GOOD) | (quality == Quality.HELD)
        ends = (active > 0) & fine & (latest.spikes[at] < 0.5 * options.spikes)
        for index, column in zip(*np.nonzero(begins | ends), strict=True):
            code = int(
                quality[index, column] if begins[index, column] else active[index, column]
            )
            self._say_quality(
                group, (int(at[index]), int(column)), code, int(row.frame.t_ns[index])
            )

    def _say_quality(self, group: Group, where: tuple[int, int], code: int, t_ns: int) -> None:
        slot, column = where
        latest = group.memory.latest
        asset, signal = group.assets[slot], group.signals[column]
        told = self.told.setdefault(asset, Told())
        begins = signal not in told.faults
        latest.fault[slot, column] = code if begins else 0
        kind = "gap" if code == Quality.MISSING else "sensor-fault"
        since = t_ns if begins else int(told.faults.pop(signal)[1])
        if begins:
            told.faults[signal] = [kind, t_ns]
        self.said.append(
            DataQuality(
                id=derive_id("quality", self.tenant, asset, signal, kind, since, int(begins)),
                tenant=self.tenant,
                asset=asset,
                at=as_datetime(t_ns),
                kind="gap" if kind == "gap" else "sensor-fault",
                signal=signal,
                active=begins,
                detail=_DETAILS[code],
            )
        )
        self._drop(asset)


_DETAILS = {
    int(Quality.STUCK): "the same reading for longer than this sensor ever stood still",
    int(Quality.LIMIT): "outside what the sensor can physically show",
    int(Quality.SPIKE): "single readings far from their neighbours, again and again",
    int(Quality.MISSING): "no reading while other signals of the asset arrive",
}


def _counts(
    group: Group, row: Row, options: TellingOptions
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Count rows for which alarm, poor health, or neither has lasted; return them per row."""
    latest, at = group.memory.latest, row.frame.slot[row.telling]
    hi = np.nan_to_num(row.health.health.hi)
    alarm = row.out.alarm[row.telling] > 0
    poor = hi >= options.rung
    fine = ~alarm & (hi < 0.5 * options.rung)
    latest.held[at] = np.where(alarm, latest.held[at] + 1, 0)
    latest.raised[at] = np.where(poor, latest.raised[at] + 1, 0)
    latest.calm[at] = np.where(fine, latest.calm[at] + 1, 0)
    slot = row.frame.slot
    return latest.held[slot], latest.raised[slot], latest.calm[slot]


def _conclude(group: Group, row: Row, index: int) -> Assessment:
    """Return what health and prognosis say of one row of a frame."""
    slot = int(row.frame.slot[index])
    place = int(np.flatnonzero(row.telling == index)[0])
    subject = Subject(
        slot=slot,
        signals=group.scored,
        modes=group.plan.modes,
        t_ns=int(row.frame.t_ns[index]),
        value=row.out.adjusted[index, group.plain],
        operating_state=state_name(int(row.out.state[index])),
    )
    return assess.conclude(group.memory.assess, subject, (row.health, place))


def state_name(state: int) -> str:
    """Return how an operating state is called: by number from 1, or "new"."""
    return "new" if state < 0 else f"{state + 1}"


def as_new_of(hi: float) -> float | None:
    """Return the as-new index of a health indicator; None while there is none."""
    return float(health.as_new(np.array([hi]))[0]) if np.isfinite(hi) else None


def _shares(signals: tuple[str, ...], share: NDArray[np.float64]) -> dict[str, float]:
    order = np.argsort(-share, kind="stable")
    return {signals[at]: float(share[at]) for at in order if share[at] > 0.0}
