"""What goes wrong and when: a pure function of the seed, and of the repairs made so far.

Every machine lives through a chain of episodes. Between two of them lies a healthy time, drawn
from an exponential distribution; an episode grows from its onset to failure (severity 1) along
a power law, which is how wear of bearings, seals and blades is usually told: long small, then
quickly large.
"""

from dataclasses import dataclass, field, replace
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400
NS = 1_000_000_000

Kind = Literal["machine", "sensor", "gateway"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    kind : {"machine", "sensor", "gateway"}
        Who is to blame.
    mode : str
        Failure mode of the machine, or ``stuck:<signal>``, or ``away``.
    onset_ns : int
        When it begins, nanoseconds since the Unix epoch.
    life_s : float
        From onset to failure (machine), or how long it lasts (sensor, gateway).
    power : float
        Exponent of the growth of severity; 1 is linear.
    end_ns : int or None
        When it was repaired (machine) or ended by itself (sensor, gateway); None while nobody
        has repaired it.
    """

    kind: Kind
    mode: str
    onset_ns: int
    life_s: float
    power: float = 2.0
    end_ns: int | None = None

    @property
    def failure_ns(self) -> int:
        """When severity reaches 1 if nobody repairs it."""
        return self.onset_ns + int(self.life_s * NS)

    def severity(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the severity at each time: 0 before onset and after the end, 1 when broken."""
        share = np.clip((t_ns - self.onset_ns) / (self.life_s * NS), 0.0, 1.0)
        grown: NDArray[np.float64] = share**self.power
        return grown if self.end_ns is None else np.where(t_ns < self.end_ns, grown, 0.0)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often things go wrong; `scale` 0 means never.

    Parameters
    ----------
    scale : float
        Rate of all of it, 1 as below.
    machine_days, sensor_days, gateway_days : float
        Mean healthy time before a machine, a sensor or a gateway goes wrong.
    first_days : (float, float, float)
        A fleet is commissioned in good order: nothing goes wrong with machines, sensors and
        gateways for so many days.
    after_days : float
        Shortest time a machine is well after a repair.
    life_days : (float, float)
        Shortest and longest way from onset to failure.
    down_hours : (float, float)
        How long a broken machine stands still before the customer has it repaired.
    """

    scale: float = 1.0
    machine_days: float = 45.0
    sensor_days: float = 90.0
    gateway_days: float = 30.0
    first_days: tuple[float, float, float] = (16.0, 9.0, 8.0)
    after_days: float = 8.0
    life_days: tuple[float, float] = (10.0, 24.0)
    down_hours: tuple[float, float] = (20.0, 44.0)

    def mean_days(self, kind: Kind) -> float:
        """Return the mean healthy time before the next fault of a kind."""
        days = {
            "machine": self.machine_days,
            "sensor": self.sensor_days,
            "gateway": self.gateway_days,
        }
        return days[kind] / self.scale

    def calm_days(self, kind: Kind, *, first: bool) -> float:
        """Return how long nothing goes wrong at first, or after the end of a fault."""
        if first:
            return self.first_days[("machine", "sensor", "gateway").index(kind)]
        return self.after_days if kind == "machine" else 1.0


@dataclass(slots=True)
class Chain:
    """The faults of one machine, sensor or gateway, in order, made as far as anybody has asked.

    Parameters
    ----------
    seed : int
        Of this chain alone.
    name : str
        Whose faults.
    kind : {"machine", "sensor", "gateway"}
        Of all its faults.
    modes : tuple of str
        What can go wrong.
    plan : FaultPlan
        How often.
    start_ns : int
        When its life begins.
    first : Fault or None
        The first fault, where the fleet wants one at a certain time.

    Attributes
    ----------
    faults : list of Fault
        Known so far; the last one may lie ahead.
    """

    seed: int
    name: str
    kind: Kind
    modes: tuple[str, ...]
    plan: FaultPlan
    start_ns: int
    first: Fault | None = None
    faults: list[Fault] = field(default_factory=list)

    def until(self, t_ns: int) -> list[Fault]:
        """Return all faults with an onset before a time."""
        while self.plan.scale > 0 and (not self.faults or self.over(self.faults[-1]) <= t_ns):
            self.faults.append(self._next())
        return [fault for fault in self.faults if fault.onset_ns < t_ns]

    def repair(self, t_ns: int) -> Fault | None:
        """End the fault that lasts at a time; return it as it is now, None if all is well."""
        for index, fault in enumerate(self.faults):
            if fault.onset_ns <= t_ns < self.over(fault):
                ended = replace(fault, end_ns=t_ns)
                self.faults[index:] = [ended]
                return ended
        return None

    def over(self, fault: Fault) -> int:
        """Return when a fault ends: repaired, or by itself, or by the customer's own repair."""
        if fault.end_ns is not None:
            return fault.end_ns
        low, high = self.plan.down_hours
        spread = crc32(f"{self.seed}/{self.name}/{fault.onset_ns}".encode()) / 2**32
        return fault.failure_ns + int((low + spread * (high - low)) * 3600 * NS)

    def down_span(self, fault: Fault) -> tuple[int, int] | None:
        """Return from when to when a machine stands broken because nobody came, or None."""
        if fault.kind != "machine" or (
            fault.end_ns is not None and fault.end_ns < fault.failure_ns
        ):
            return None
        return fault.failure_ns, self.over(fault)

    def _next(self) -> Fault:
        number = len(self.faults)
        if number == 0 and self.first is not None:
            return self.first
        rng = np.random.Generator(
            np.random.Philox(
                key=[self.seed, crc32(f"{self.name}/{self.kind}/{number}".encode())]
            )
        )
        wait_days = rng.exponential(self.plan.mean_days(self.kind))
        wait_days += self.plan.calm_days(self.kind, first=number == 0)
        since_ns = self.over(self.faults[-1]) if self.faults else self.start_ns
        onset_ns = since_ns + int(wait_days * DAY_S * NS)
        mode = self.modes[int(rng.integers(len(self.modes)))]
        if self.kind == "machine":
            life_s = rng.uniform(*self.plan.life_days) * DAY_S
            return Fault("machine", mode, onset_ns, life_s, float(rng.uniform(1.5, 2.5)))
        lasts_s = 3600 * (rng.uniform(8, 60) if self.kind == "sensor" else rng.uniform(1, 9))
        return Fault(self.kind, mode, onset_ns, lasts_s, 1.0, onset_ns + int(lasts_s * NS))
