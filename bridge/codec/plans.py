"""Plans: which slots the values of a message go to, and the columns that a batch fills."""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bridge.codec.lanes import Spread
from bridge.codec.names import as_id
from bridge.codec.payloads import Fault, Limits, name_fault
from bridge.codec.times import FIRST_NS, LAST_NS
from bridge.model.samples import DeadLetter, Samples, Times, Values
from bridge.model.slots import SlotTable

PLAN_COST_SLOTS = 8
"""What a plan takes up beside its slots, in slots."""
LETTERS_MAX = 1_000
"""Dead letters of one batch; further ones are only counted."""

NS_PER_US = 1_000
Integer = TypeVar("Integer", np.int32, np.int64)
_NUMBERS = {int, float, bool, type(None)}


class Plans:
    """Plans by number, held as columns so that a batch is spread in a few numpy steps.

    Parameters
    ----------
    slots : SlotTable
        Issues the slots.
    limits : Limits
        How many a tenant and an asset may have.
    """

    def __init__(self, slots: SlotTable, limits: Limits) -> None:
        self._slots = slots
        self._limits = limits
        self._signals: dict[str, int] = {}
        self._assets: dict[str, int] = {}
        self._asset_signals: dict[tuple[str, str], int] = {}
        for row in slots.rows:
            self._count(row.tenant, row.asset)
        self.tenants: list[str] = []
        self.clear()

    def clear(self) -> None:
        """Forget all plans; issued slots stay."""
        self._known: dict[tuple[tuple[int, ...], int], int] = {}
        self._used = 0
        self.start: NDArray[np.int64] = np.zeros(1_024, dtype=np.int64)
        self.count: NDArray[np.int64] = np.zeros(1_024, dtype=np.int64)
        self.scale: NDArray[np.int64] = np.zeros(1_024, dtype=np.int64)
        self.tenant: NDArray[np.int32] = np.zeros(1_024, dtype=np.int32)
        self.flat: NDArray[np.int32] = np.zeros(8_192, dtype=np.int32)

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        used = self._used + PLAN_COST_SLOTS * len(self._known)
        return used > self._limits.learned_slots_max

    def of(self, slots: tuple[int, ...], scale: int) -> int:
        """Return the plan of slots of one tenant, their raw times being in `scale` ns."""
        known = self._known.get((slots, scale))
        if known is not None:
            return known
        plan = len(self._known)
        self._known[slots, scale] = plan
        if plan == len(self.start):
            self.start, self.count = _doubled(self.start), _doubled(self.count)
            self.scale, self.tenant = _doubled(self.scale), _doubled(self.tenant)
        while self._used + len(slots) > len(self.flat):
            self.flat = _doubled(self.flat)
        self.start[plan], self.count[plan], self.scale[plan] = self._used, len(slots), scale
        self.tenant[plan] = self._tenant(self._slots.rows[slots[0]].tenant)
        self.flat[self._used : self._used + len(slots)] = slots
        self._used += len(slots)
        return plan

    def slot(self, tenant: str, asset: str, signal: str) -> int | Fault:
        """Return the slot of a signal, issuing it within the limits."""
        fault = name_fault("signal", signal)
        if fault is not None:
            return fault
        asset, signal = as_id(asset), as_id(signal)
        known = self._slots.find(tenant, asset, signal)
        if known is not None:
            return known
        fault = self._limit_fault(tenant, asset, signal)
        if fault is not None:
            return fault
        self._count(tenant, asset)
        return self._slots.slot(tenant, asset, signal)

    def _limit_fault(self, tenant: str, asset: str, signal: str) -> Fault | None:
        limits = self._limits
        if tenant not in self._signals and len(self._signals) >= limits.tenants_max:
            told = f"{tenant}: {limits.tenants_max} tenants are allowed"
            return Fault("too-many-tenants", told)
        new_asset = (tenant, asset) not in self._asset_signals
        if new_asset and self._assets.get(tenant, 0) >= limits.assets_max:
            return Fault("too-many-assets", f"{asset}: {limits.assets_max} assets are allowed")
        if self._signals.get(tenant, 0) >= limits.signals_max:
            told = f"{signal}: {limits.signals_max} signals are allowed"
            return Fault("too-many-signals", told)
        if self._asset_signals.get((tenant, asset), 0) >= limits.asset_signals_max:
            told = f"{signal}: an asset may have {limits.asset_signals_max}"
            return Fault("too-many-signals", told)
        return None

    def _count(self, tenant: str, asset: str) -> None:
        before = self._asset_signals.get((tenant, asset), 0)
        self._asset_signals[tenant, asset] = before + 1
        self._signals[tenant] = self._signals.get(tenant, 0) + 1
        self._assets[tenant] = self._assets.get(tenant, 0) + (before == 0)

    def _tenant(self, name: str) -> int:
        if name not in self.tenants:
            self.tenants.append(name)
        return self.tenants.index(name)


@dataclass(slots=True)
class Columns:
    """What is gathered while a batch is read.

    Parameters
    ----------
    values : list
        Raw values of all messages, one after another.
    times : list
        Raw time of each row, in the unit of its plan.
    plans : list of int
        Plan of each row.
    untyped : bool
        Whether some values are of types that nobody has looked at yet.
    letters, refused : list of DeadLetter, dict
        What was refused, and how often by reason.
    """

    values: list[object] = field(default_factory=list)
    times: list[object] = field(default_factory=list)
    plans: list[int] = field(default_factory=list)
    untyped: bool = False
    letters: list[DeadLetter] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def add(self, spread: Spread) -> None:
        """Append the rows of one message."""
        values, times, plans = spread
        self.values += values
        self.times += times
        self.plans += plans

    def letter(self, letter: DeadLetter) -> None:
        """Keep a dead letter, or only count it where there are too many."""
        self.refused[letter.reason] = self.refused.get(letter.reason, 0) + 1
        if len(self.letters) < LETTERS_MAX:
            self.letters.append(letter)

    def batches(self, plans: Plans, receive_ns: int) -> dict[str, Samples] | None:
        """Spread the rows into samples by tenant; None where they must be read carefully."""
        if not self.plans:
            return {}
        plan = np.array(self.plans, dtype=np.int64)
        t_ns = _instants(self.times, plans.scale[plan])
        value = _numbers(self.values, untyped=self.untyped)
        if t_ns is None or value is None:
            return None
        count = plans.count[plan]
        ends = np.cumsum(count)
        # Sample i of a row is slot i of its plan: where the plan starts, plus i.
        within = np.arange(ends[-1]) - np.repeat(ends - count, count)
        signal = plans.flat[np.repeat(plans.start[plan], count) + within]
        t_ns = np.repeat(t_ns, count)
        tenant = plans.tenant[plan]
        first = int(tenant[0])
        if (tenant == first).all():
            return {plans.tenants[first]: Samples(signal, t_ns, value, receive_ns)}
        tenant = np.repeat(tenant, count)
        split = {}
        for number in np.unique(tenant).tolist():
            rows = tenant == number
            split[plans.tenants[number]] = Samples(
                signal[rows], t_ns[rows], value[rows], receive_ns
            )
        return split


def _numbers(raw: list[object], *, untyped: bool) -> Values | None:
    # numpy would take "1.5" for a number, so types come first; None becomes NaN.
    if untyped and not set(map(type, raw)) <= _NUMBERS:
        return None
    try:
        value = np.array(raw, dtype=np.float64)
    except OverflowError:
        return None
    return None if np.isinf(value).any() else value


def _instants(raw: list[object], scale: NDArray[np.int64]) -> Times | None:
    kinds = set(map(type, raw))
    if kinds == {int}:
        try:
            whole = np.array(raw, dtype=np.int64)
        except OverflowError:
            return None
        # Bounds are checked in the raw unit: the product could overflow.
        good = (whole >= -(-FIRST_NS // scale)) & (whole < LAST_NS // scale)
        return whole * scale if good.all() else None
    if not kinds <= {int, float} or (scale == 1).any():
        return None
    try:
        real = np.array(raw, dtype=np.float64)
    except OverflowError:
        return None
    # To the microsecond, as `bridge.codec.times` does it. Whole numbers mixed in stay exact
    # below 2**53.
    per_us = scale / NS_PER_US
    us = np.rint(real * per_us)
    good = (us >= FIRST_NS / NS_PER_US) & (us < LAST_NS / NS_PER_US)
    return us.astype(np.int64) * NS_PER_US if good.all() else None


def _doubled(array: NDArray[Integer]) -> NDArray[Integer]:
    return np.concatenate([array, np.zeros_like(array)])
