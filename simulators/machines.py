"""The physics of three machine models, as pure functions of time.

A day of one machine is one block: its random numbers come from a counter-based generator keyed
by seed, machine and day, so any block can be made again, in any order, after any restart. Lags
(warm bearings) start a day earlier, many times their time constant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from simulators.faults import DAY_S, NS

Column = NDArray[np.float64]
Columns = dict[str, Column]

THERMAL_S = 45 * 60
"""Time constant of a bearing housing: minutes to tens of minutes for machines of this size."""

DECIMALS = {"vibration": 3, "discharge_pressure": 3, "motor_current": 2, "bearing_temp": 2}
"""Resolution of the sensors; one decimal where nothing is said."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a machine is subject to at each time of a block.

    Parameters
    ----------
    load : NDArray[np.float64], shape (n,)
        Share of the rated load, 0 (idle) to about 1.
    warm : NDArray[np.float64], shape (n,)
        Load behind the thermal lag.
    ambient_degc : NDArray[np.float64], shape (n,)
        Temperature of the hall.
    wear : mapping of mode to NDArray[np.float64], shape (n,)
        Severity of each failure mode, 0 to 1.
    rng : np.random.Generator
        Of this block.
    """

    load: Column
    warm: Column
    ambient_degc: Column
    wear: Mapping[str, Column]
    rng: np.random.Generator

    def severity(self, mode: str) -> Column:
        """Return the severity of a mode; zeros where the machine has none of it."""
        return self.wear.get(mode, np.zeros_like(self.load))

    def noise(self, spread: float) -> Column:
        """Return Gaussian noise of that standard deviation."""
        return self.rng.normal(0.0, spread, self.load.size)


def extruder(c: Conditions) -> Columns:
    """Return the signals of an extruder: a loaded gearbox with a drive-end bearing."""
    bearing, screw = c.severity("bearing-wear"), c.severity("screw-wear")
    running = c.load > 0
    vibration = np.where(running, 1.1 + 1.1 * c.load, 0.25) + running * 4.2 * bearing
    return {
        "load": 100 * c.load + c.noise(0.4) * running,
        "bearing_temp": c.ambient_degc
        + 8
        + 30 * c.warm
        + 20 * bearing * running
        + c.noise(0.35),
        "vibration": vibration * np.exp(c.noise(0.045)),
        "motor_current": np.where(running, 22 + 96 * c.load, 1.2)
        * (1 + 0.05 * bearing + 0.24 * screw)
        + c.noise(0.7),
        "melt_pressure": np.where(running, 45 + 105 * c.load, 2.0) * (1 - 0.4 * screw)
        + c.noise(1.3),
    }


def pump(c: Conditions) -> Columns:
    """Return the signals of a circulation pump with a shaft seal."""
    leak, bearing = c.severity("seal-leak"), c.severity("bearing-wear")
    running = c.load > 0
    speed = np.where(running, 1450 * (0.55 + 0.45 * c.load), 0.0)
    turn = speed / 1450
    return {
        "speed": speed + c.noise(2.0) * running,
        "flow": 420 * turn * (1 - 0.35 * leak) + c.noise(2.5),
        "discharge_pressure": 6.2 * turn**2 * (1 - 0.45 * leak) + 0.3 + c.noise(0.04),
        "motor_current": np.where(running, 6 + 22 * turn**3, 0.3)
        * (1 - 0.16 * leak + 0.05 * bearing)
        + c.noise(0.2),
        "bearing_temp": c.ambient_degc
        + 5
        + 24 * c.warm
        + 18 * bearing * running
        + c.noise(0.35),
        "vibration": (0.2 + 1.3 * turn + 3.6 * bearing * running) * np.exp(c.noise(0.045)),
    }


def blower(c: Conditions) -> Columns:
    """Return the signals of a blower: a wheel that can lose its balance or crack."""
    imbalance, crack = c.severity("imbalance"), c.severity("blade-crack")
    running = c.load > 0
    speed = np.where(running, 2900 * (0.5 + 0.5 * c.load), 0.0)
    turn = speed / 2900
    vibration = 0.25 + 1.6 * turn**2 * (1 + 3.2 * imbalance + 4.5 * crack)
    return {
        "speed": speed + c.noise(4.0) * running,
        "airflow": 5200 * turn * (1 - 0.2 * crack) + c.noise(35.0),
        "motor_current": np.where(running, 4 + 31 * turn**3, 0.3) * (1 + 0.03 * crack)
        + c.noise(0.25),
        "bearing_temp": c.ambient_degc
        + 6
        + 21 * c.warm
        + 3 * imbalance * running
        + c.noise(0.35),
        "vibration": vibration * np.exp(c.noise(0.045)),
    }


PHYSICS: dict[str, Callable[[Conditions], Columns]] = {
    "HX450": extruder,
    "CP200": pump,
    "BL90": blower,
}


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the fleet.

    Parameters
    ----------
    asset, model, zone : str
        Serial id, model id, IANA zone of its hall.
    seed : int
        Of the fleet.
    every_s : int
        Sampling interval; rows stand on its multiples.
    night_shift, weekend : bool
        Whether it also runs from 22 to 6 and on Saturday and Sunday.
    step_ns : int or None
        When its usual load changes for good (a new product), which is no fault.
    step : float
        By how much, in shares of the rated load.
    """

    asset: str
    model: str
    zone: str
    seed: int
    every_s: int = 300
    night_shift: bool = False
    weekend: bool = False
    step_ns: int | None = None
    step: float = 0.0

    def times(self, start_ns: int, end_ns: int) -> NDArray[np.int64]:
        """Return the sampling times in [start, end), nanoseconds."""
        every_ns = self.every_s * NS
        first = -(-start_ns // every_ns)
        return np.arange(first, -(-end_ns // every_ns), dtype=np.int64) * every_ns

    def block(
        self, day: int, wear: Callable[[NDArray[np.int64]], Mapping[str, Column]]
    ) -> tuple[NDArray[np.int64], Columns]:
        """Return one UTC day of rows: times, and each signal in its unit.

        Parameters
        ----------
        day : int
            Days since the Unix epoch.
        wear : callable
            Severity of each failure mode at given times; ``down`` is 1 where it stands still.
        """
        times = self.times((day - 1) * DAY_S * NS, (day + 1) * DAY_S * NS)
        load = np.concatenate([self._load(day - 1), self._load(day)])
        severities = dict(wear(times))
        down = severities.pop("down", np.zeros(times.size))
        load = np.where(down > 0, 0.0, load)
        alpha = self.every_s / (THERMAL_S + self.every_s)
        warm = lfilter([alpha], [1, alpha - 1], load, zi=[(1 - alpha) * load[0]])[0]
        keep = times >= day * DAY_S * NS
        conditions = Conditions(
            load[keep],
            warm[keep],
            self._ambient(times[keep]),
            {mode: severity[keep] for mode, severity in severities.items()},
            self._rng("noise", day),
        )
        columns = PHYSICS[self.model](conditions)
        rounded = {
            name: column.round(DECIMALS.get(name, 1)) for name, column in columns.items()
        }
        return times[keep], rounded

    def _rng(self, what: str, day: int) -> np.random.Generator:
        key = [self.seed, crc32(f"{self.asset}/{what}/{day}".encode())]
        return np.random.Generator(np.random.Philox(key=key))

    def _load(self, day: int) -> Column:
        """Return the load of one UTC day: shifts in local time, products for hours each."""
        times = self.times(day * DAY_S * NS, (day + 1) * DAY_S * NS)
        local_s = times // NS + _offset_s(self.zone, day)
        hour = local_s % DAY_S / 3600
        weekday = (local_s // DAY_S + 3) % 7  # the epoch was a Thursday
        on = np.ones(times.size, bool) if self.night_shift else (hour >= 6) & (hour < 22)
        if not self.weekend:
            on &= weekday < 5
        product = self._products(day, times.size)
        if self.step_ns is not None:
            product = np.where(
                times >= self.step_ns, np.minimum(product + self.step, 1.0), product
            )
        return np.where(on, product, 0.0)

    def _products(self, day: int, n: int) -> Column:
        """Return what each row's product asks for; midnight changes nothing."""
        changes, loads = self._campaigns(day)
        loads[0] = self._campaigns(day - 1)[1][-1]
        return loads[np.searchsorted(changes, np.arange(n) / n, side="right")]

    def _campaigns(self, day: int) -> tuple[Column, Column]:
        """Return when the product changes, in shares of a day, and the load of each product."""
        rng = self._rng("load", day)
        changes = np.cumsum(rng.uniform(2.5, 8.0, 10)) / 24
        changes = changes[changes < 0.95]
        return changes, rng.uniform(0.55, 0.92, changes.size + 1)

    def _ambient(self, times: NDArray[np.int64]) -> Column:
        """Return the temperature of the hall: day's course, season's, and slow weather."""
        t = times / NS
        local = t + (_offset_s(self.zone, int(t[0] // DAY_S)) if t.size else 0)
        phase = crc32(f"{self.seed}/{self.zone}".encode()) / 2**32 * 2 * np.pi
        day = 2.5 * np.sin(2 * np.pi * local / DAY_S - 2.4)  # warmest at three in the afternoon
        season = 3.0 * np.sin(2 * np.pi * t / (365.25 * DAY_S) - 1.9)
        weather = 1.0 * np.sin(2 * np.pi * t / (5.3 * DAY_S) + phase) + 0.7 * np.sin(
            2 * np.pi * t / (11.7 * DAY_S) + 2.3 * phase
        )
        ambient: Column = 21.0 + day + season + weather
        return ambient


def _offset_s(zone: str, day: int) -> int:
    """Return seconds from UTC to local time at noon of a UTC day."""
    noon = datetime.fromtimestamp(day * DAY_S + DAY_S // 2, UTC)
    offset = noon.astimezone(ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0
