"""Groups of assets that send the same signals, with all the watch remembers of them.

Assets of one catalog model form a group; an asset that no catalog has forms a group of its own
with the signals it was seen to send. A group takes samples in order of arrival, aligns them and
runs detection, health and prognosis over the rows; what is said of them is up to `telling`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bridge.detect import align, assess, chain, health
from bridge.detect.align import AlignConfig, AlignState, Surplus, Tall
from bridge.detect.assess import AssessOptions, AssessOut, AssessState
from bridge.detect.chain import ChainConfig, ChainOut, ChainState
from bridge.detect.health import HealthOptions, Pattern
from bridge.detect.state import copy_rows, reset_rows
from bridge.model.catalog import Catalog, FailureMode, Model, Signal
from bridge.model.instants import NS_PER_S
from bridge.model.quality import Quality
from bridge.model.samples import Frame

Wide = NDArray[np.float64]

NEVER = align.NEVER
SPIKE_FADE = np.float32(0.01)
UNKNOWN_EVERY_S = 1.0
"""Grid of an asset of which nobody says how often it sends: apart by less is one row."""
SETTING_ROLES = ("setting", "speed")
WATCHED_ROLES = ("value", *SETTING_ROLES)
HELD_TIMES = 1.5
"""A signal that comes less often than the rows is held for so many of its own intervals."""
HEALTH_SHARE = 0.25
HEALTH_ROWS_MIN = 60
"""Health learns from this share of the commissioning period, from its middle on, at least so
many telling rows."""


@dataclass(slots=True)
class Latest:
    """How each asset of a group stands after its last row, and how long it has stood so.

    Attributes
    ----------
    t_ns, receive_ns : NDArray[np.int64], shape (n,)
        Event time of the last row, and when its samples came; `NEVER` before.
    value, low, high : NDArray[np.float64], shape (n, k)
        Readings, and the healthy range there and then.
    quality : NDArray[np.uint8], shape (n, k)
        `bridge.model.quality` codes.
    score, health, learned : NDArray[np.float64], shape (n,)
        Score, health indicator (NaN while unknown), share of the commissioning period.
    state : NDArray[np.int32], shape (n,)
        Operating state.
    alarm, resting : NDArray[np.bool_], shape (n,)
        Held alarm; at rest.
    held, raised, calm : NDArray[np.int32], shape (n,)
        Rows for which the alarm has been held, health has been poor, and neither.
    wrong : NDArray[np.int32], shape (n, k)
        Rows for which a signal has been of its present bad quality.
    fault : NDArray[np.uint8], shape (n, k)
        Data-quality event that was told and lasts (quality code), else 0.
    spikes : NDArray[np.float32], shape (n, k)
        Spikes of late, each fading over a hundred rows.
    derived : NDArray[np.int64], shape (n,)
        Last span of event time of which the derived series have a point.
    """

    t_ns: NDArray[np.int64]
    receive_ns: NDArray[np.int64]
    value: Wide
    low: Wide
    high: Wide
    quality: NDArray[np.uint8]
    score: Wide
    health: Wide
    learned: Wide
    state: NDArray[np.int32]
    alarm: NDArray[np.bool_]
    resting: NDArray[np.bool_]
    held: NDArray[np.int32]
    raised: NDArray[np.int32]
    calm: NDArray[np.int32]
    wrong: NDArray[np.int32]
    fault: NDArray[np.uint8]
    spikes: NDArray[np.float32]
    derived: NDArray[np.int64]


def blank(n: int, k: int) -> Latest:
    """Return how n assets stand before their first row."""

    def wide() -> Wide:
        return np.full((n, k), np.nan)

    return Latest(
        t_ns=np.full(n, NEVER, np.int64),
        receive_ns=np.full(n, NEVER, np.int64),
        value=wide(),
        low=wide(),
        high=wide(),
        quality=np.full((n, k), Quality.MISSING, np.uint8),
        score=np.zeros(n),
        health=np.full(n, np.nan),
        learned=np.zeros(n),
        state=np.full(n, -1, np.int32),
        alarm=np.zeros(n, np.bool_),
        resting=np.zeros(n, np.bool_),
        held=np.zeros(n, np.int32),
        raised=np.zeros(n, np.int32),
        calm=np.zeros(n, np.int32),
        wrong=np.zeros((n, k), np.int32),
        fault=np.zeros((n, k), np.uint8),
        spikes=np.zeros((n, k), np.float32),
        derived=np.full(n, NEVER, np.int64),
    )


@dataclass(slots=True)
class Memory:
    """Everything a group remembers, as one tree of arrays with the asset first."""

    align: AlignState
    chain: ChainState
    assess: AssessState
    latest: Latest


@dataclass(frozen=True, slots=True)
class Plan:
    """What a group is: its signals and how they are to be read.

    Parameters
    ----------
    tenant, name : str
        Whose; the model's id, or the asset's where no catalog has it.
    known : bool
        Whether a catalog has it.
    grid, config : AlignConfig, ChainConfig
        For the rows and for detection.
    modes : tuple of FailureMode
        Of the model.
    """

    tenant: str
    name: str
    known: bool
    grid: AlignConfig
    config: ChainConfig
    modes: tuple[FailureMode, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What a frame led to, handed to whoever tells it."""

    frame: Frame
    out: ChainOut
    telling: NDArray[np.int64]
    """Rows of the frame whose health was assessed."""
    health: AssessOut
    """One answer per telling row."""


@dataclass(slots=True)
class Group:
    """One group and its memory.

    Attributes
    ----------
    plan : Plan
        What it is.
    memory : Memory
        What it remembers; rows from ``len(assets)`` on are room for more.
    assets : list of str
        Ids in the order of the rows.
    """

    plan: Plan
    memory: Memory
    options: AssessOptions
    shape: Pattern
    plain: NDArray[np.int64]
    assets: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.plan.config.signals

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of the columns that health is assessed on."""
        return tuple(self.signals[at] for at in self.plain)

    def row(self, asset: str) -> int:
        """Return the row of an asset, making room for it where it is new."""
        known = self.index.get(asset)
        if known is not None:
            return known
        number = len(self.assets)
        if number >= len(self.memory.latest.t_ns):
            wider = _memory(self.plan, self.options, max(2 * number, 4), self.plain.size)
            copy_rows(self.memory, wider)
            self.memory = wider
        self.assets.append(asset)
        self.index[asset] = number
        return number

    def replan(self, plan: Plan) -> None:
        """Go on under another plan of the same signals: limits, budget, failure modes."""
        self.plan = plan
        self.shape = health.pattern(self.scored, plan.modes)

    def forget(self, asset: str) -> None:
        """Begin anew for an asset that was repaired or whose normal changed; keep its grid."""
        slot = np.array([self.index[asset]], np.int32)
        memory, fresh = self.memory, blank(1, self.plan.config.k)
        chain.rebaseline(self.plan.config, memory.chain, slot)
        assess.rebaseline(self.options, memory.assess, slot)
        kept = memory.latest.t_ns[slot], memory.latest.receive_ns[slot]
        reset_rows(memory.latest, fresh, slot)
        memory.latest.t_ns[slot], memory.latest.receive_ns[slot] = kept

    def take(
        self, tall: Tall, receive_ns: int, surplus: Surplus, tell: Callable[[Row], None]
    ) -> None:
        """Take samples in order of arrival; `tell` is called with every frame they made."""
        memory = self.memory
        memory.latest.receive_ns[tall.asset] = receive_ns
        for frame in align.update(self.plan.grid, memory.align, tall, surplus):
            out = chain.outputs(len(frame), self.plan.config.k)
            chain.update(self.plan.config, memory.chain, frame, out)
            told = self._assess(frame, out)
            self._note(told)
            tell(told)

    def _assess(self, frame: Frame, out: ChainOut) -> Row:
        """Assess the health of rows that say something, from mid-commissioning on."""
        value = out.adjusted[:, self.plain]
        says = np.isfinite(value).any(axis=1) & (out.learning >= 0.5) & ~out.resting  # noqa: PLR2004
        telling = np.flatnonzero(says)
        answers = assess.outputs(telling.size, self.plain.size)
        if telling.size:
            value = np.ascontiguousarray(value[telling])
            good = np.zeros(value.shape, np.uint8)
            part = Frame(frame.slot[telling], frame.t_ns[telling], value, good)
            assess.update(self.options, self.memory.assess, self.shape, part, answers)
        return Row(frame, out, telling, answers)

    def _note(self, row: Row) -> None:
        """Remember how each asset stands now."""
        latest, frame, out = self.memory.latest, row.frame, row.out
        at = frame.slot
        latest.t_ns[at], latest.value[at] = frame.t_ns, frame.value
        same = (latest.quality[at] == out.quality) & (out.quality > Quality.GOOD)
        bad = (out.quality != Quality.GOOD) & (out.quality != Quality.HELD)
        latest.wrong[at] = np.where(bad, np.where(same, latest.wrong[at], 0) + 1, 0)
        latest.spikes[at] += (out.quality == Quality.SPIKE) - SPIKE_FADE * latest.spikes[at]
        latest.quality[at] = out.quality
        latest.low[at] = out.location - 3.0 * out.spread
        latest.high[at] = out.location + 3.0 * out.spread
        latest.score[at], latest.learned[at] = out.score, out.learning
        latest.state[at], latest.resting[at] = out.state, out.resting
        latest.alarm[at] = out.alarm > 0
        latest.health[at[row.telling]] = row.health.health.hi


def build(plan: Plan, n: int = 0) -> Group:
    """Return a group without assets, with room for n."""
    whole = plan.config.commissioning_rows
    rows = max(int(HEALTH_SHARE * whole), min(HEALTH_ROWS_MIN, whole))
    options = AssessOptions(HealthOptions(healthy_rows=rows))
    plain = np.flatnonzero(plan.config.scored)
    scored = tuple(plan.config.signals[at] for at in plain)
    memory = _memory(plan, options, max(n, 1), plain.size)
    return Group(plan, memory, options, health.pattern(scored, plan.modes), plain)


def _memory(plan: Plan, options: AssessOptions, n: int, scored: int) -> Memory:
    return Memory(
        align.init(plan.grid, n),
        chain.init(plan.config, n),
        assess.init(options, n, scored),
        blank(n, plan.config.k),
    )


def plan_of_model(catalog: Catalog, model: Model, lateness_s: float | None) -> Plan | None:
    """Return the plan of a catalog model's group; None where it has no signal to watch."""
    signals = tuple(each for each in model.signals if each.role in WATCHED_ROLES)
    if not signals:
        return None
    given = [each.every_s for each in signals if each.every_s is not None]
    every_s = min(given) if given else None
    config = ChainConfig(
        signals=tuple(each.name for each in signals),
        settings=tuple(each.name for each in signals if each.role in SETTING_ROLES),
        every_s=every_s,
        limits=tuple(each.limits for each in signals),
        false_alarms_per_machine_year=catalog.policy.false_alarms_per_machine_year,
    )
    grid = _grid(signals, every_s or UNKNOWN_EVERY_S, lateness_s)
    return Plan(
        catalog.tenant,
        model.id,
        known=True,
        grid=grid,
        config=config,
        modes=model.failure_modes,
    )


def plan_of_stranger(
    tenant: str, asset: str, signals: tuple[str, ...], lateness_s: float | None
) -> Plan:
    """Return the plan of an asset that no catalog has."""
    plain = tuple(Signal(name=name) for name in signals)
    grid = _grid(plain, UNKNOWN_EVERY_S, lateness_s)
    return Plan(tenant, asset, known=False, grid=grid, config=ChainConfig(signals=signals))


def _grid(signals: tuple[Signal, ...], every_s: float, lateness_s: float | None) -> AlignConfig:
    """Return how rows are made of these signals."""
    late = int(np.ceil((lateness_s or 0.0) / every_s))
    return AlignConfig(
        every_ns=max(int(every_s * NS_PER_S), 1),
        max_age_ns=tuple(int(_max_age_s(each, every_s) * NS_PER_S) for each in signals),
        by_exception=tuple(each.by_exception for each in signals),
        awaited=tuple(
            not each.by_exception and (each.every_s or every_s) <= HELD_TIMES * every_s
            for each in signals
        ),
        lateness_rows=min(late, align.DEPTH - 1),
    )


def _max_age_s(signal: Signal, every_s: float) -> float:
    """Return how long a value is held: as the catalog says, else as its rate explains."""
    if signal.max_age_s is not None:
        return float(signal.max_age_s)
    slower = signal.every_s is not None and signal.every_s > every_s
    return HELD_TIMES * float(signal.every_s or 0.0) if slower else 0.0
