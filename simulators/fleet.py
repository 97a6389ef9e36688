"""The simulated fleet: machines, what goes wrong with them, and the rows they would send.

Rows are a pure function of the seed, the start and the repairs, so a fleet can be stopped and
go on where it was, and two fleets with one seed are the same fleet.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulators.catalog import catalog
from simulators.faults import DAY_S, NS, Chain, Fault, FaultPlan, Kind
from simulators.machines import Column, Columns, Machine
from simulators.models import Tree

_SENSORS = {"HX450": "bearing_temp", "CP200": "discharge_pressure", "BL90": "airflow"}
"""Which sensor of a model tends to fail: it freezes, says nothing, or throws spikes."""

_SOON_SEEN = ("bearing-wear", "imbalance")
"""Modes that show in the vibration long before failure; every model has one."""

_SPIKES = 0.02
"""Share of rows in which a sensor with a loose contact shows full scale."""

_BLOCKS_PER_MACHINE = 8


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one machine, one column per signal.

    Parameters
    ----------
    asset, site : str
        Whose they are.
    t_ns : NDArray[np.int64], shape (n,)
        When they were measured.
    signals : mapping of name to NDArray[np.float64], shape (n,)
        In the catalog's unit; NaN where a row has no value of it.
    """

    asset: str
    site: str
    t_ns: NDArray[np.int64]
    signals: Columns

    def __len__(self) -> int:
        return int(self.t_ns.size)

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Return the rows for which the mask is true."""
        signals = {name: column[mask] for name, column in self.signals.items()}
        return Rows(self.asset, self.site, self.t_ns[mask], signals)


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How the fleet is made.

    Parameters
    ----------
    seed : int
        Another seed is another fleet's fate.
    start_ns : int
        When its history begins.
    every_s : int
        Sampling interval.
    faults : bool
        False for a fleet in which nothing ever goes wrong.
    fail_days : tuple of float
        As many machines, of different models, that run day and night would break about so many
        days after the start; see `soon_after`.
    """

    seed: int = 1
    start_ns: int = 0
    every_s: int = 300
    faults: bool = True
    fail_days: tuple[float, ...] = (24.5, 27.0, 29.5)


def soon_after(history_days: float) -> tuple[float, ...]:
    """Return when machines are to break so that a history that ends now has something to show.

    The wear of the first can be seen well before the end, that of the last begins to show.
    Nothing is planned before a fleet has been in order for more than a week.
    """
    end = max(history_days, 20.0)
    return (end + 3.5, end + 6.0, end + 8.5)


@dataclass(slots=True)
class Fleet:
    """All machines of the simulated catalog.

    Attributes
    ----------
    tree : dict
        The catalog, as a file would hold it.
    machines : mapping of asset id to Machine
        Their physics.
    machine_faults, sensor_faults, gateway_faults : mapping of name to Chain
        What goes wrong, by asset or by gateway.
    """

    options: FleetOptions
    tree: Tree = field(init=False)
    machines: dict[str, Machine] = field(init=False, default_factory=dict)
    machine_faults: dict[str, Chain] = field(init=False, default_factory=dict)
    sensor_faults: dict[str, Chain] = field(init=False, default_factory=dict)
    gateway_faults: dict[str, Chain] = field(init=False, default_factory=dict)
    _sites: dict[str, str] = field(init=False)
    _blocks: dict[tuple[str, int], tuple[NDArray[np.int64], Columns]] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        options = self.options
        self.tree = catalog(options.every_s)
        self._sites = {row["id"]: row["site"] for row in self.tree["assets"]}
        zones = {site["id"]: site["timezone"] for site in self.tree["sites"]}
        modes = {
            model["id"]: tuple(mode["id"] for mode in model["failure_modes"])
            for model in self.tree["models"]
        }
        rng = np.random.default_rng(options.seed)
        first = self._first_faults(rng, modes)
        for row in self.tree["assets"]:
            name, model, gateway = row["id"], row["model"], row["gateway"]
            machine = self._machine(rng, name, model, zones[row["site"]])
            if name in first:  # what runs day and night wears first
                machine = replace(machine, night_shift=True, weekend=True)
            self.machines[name] = machine
            self.machine_faults[name] = self._chain(
                name, "machine", modes[model], first.get(name)
            )
            ways = tuple(f"{way}:{_SENSORS[model]}" for way in ("stuck", "silent", "spikes"))
            self.sensor_faults[name] = self._chain(name, "sensor", ways)
            if gateway not in self.gateway_faults:
                self.gateway_faults[gateway] = self._chain(gateway, "gateway", ("away",))

    def rows(self, asset: str, start_ns: int, end_ns: int) -> Rows:
        """Return what a machine measures in [start, end), whether or not it can be sent."""
        first, last = start_ns // (DAY_S * NS), -(-end_ns // (DAY_S * NS))
        blocks = [self._block(asset, day) for day in range(first, last)]
        times = np.concatenate([each for each, _ in blocks] or [np.empty(0, np.int64)])
        keep = (times >= start_ns) & (times < end_ns)
        names = blocks[0][1] if blocks else {}
        signals = {
            name: np.concatenate([columns[name] for _, columns in blocks])[keep]
            for name in names
        }
        return Rows(asset, self._sites[asset], times[keep], signals)

    def away(self, gateway: str, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each time whether a gateway is away then."""
        away = np.zeros(t_ns.size, bool)
        for onset_ns, end_ns in self.away_spans(gateway, int(t_ns.max(initial=0)) + 1):
            away |= (t_ns >= onset_ns) & (t_ns < end_ns)
        return away

    def away_spans(self, gateway: str, until_ns: int) -> Iterator[tuple[int, int]]:
        """Yield from when to when a gateway is away, for every time that begins before."""
        chain = self.gateway_faults[gateway]
        for fault in chain.until(until_ns):
            yield fault.onset_ns, chain.over(fault)

    def repair(self, asset: str, t_ns: int) -> Fault | None:
        """Repair what is wrong with a machine; return the fault that ended, or None."""
        chain = self.machine_faults[asset]
        chain.until(t_ns + 1)
        ended = chain.repair(t_ns)
        first = t_ns // (DAY_S * NS)
        for key in [key for key in self._blocks if key[0] == asset and key[1] >= first]:
            del self._blocks[key]
        return ended

    def active(self, t_ns: int) -> dict[str, Fault]:
        """Return the machine faults that last at a time, by asset."""
        return {
            asset: fault
            for asset, chain in self.machine_faults.items()
            for fault in chain.until(t_ns + 1)
            if t_ns < chain.over(fault)
        }

    def repairs(self) -> list[tuple[str, int]]:
        """Return all repairs made, so that they can be kept and made again after a restart."""
        return [
            (asset, fault.end_ns)
            for asset, chain in self.machine_faults.items()
            for fault in chain.faults
            if fault.end_ns is not None
        ]

    def repair_again(self, repairs: Iterable[tuple[str, int]]) -> None:
        """Make the repairs of an earlier run, in order of time."""
        for asset, t_ns in sorted(repairs, key=lambda pair: pair[1]):
            self.repair(asset, t_ns)

    def _first_faults(
        self, rng: np.random.Generator, modes: dict[str, tuple[str, ...]]
    ) -> dict[str, Fault]:
        """Return the planned first faults by asset, each on another model in turn."""
        names: dict[str, list[str]] = {model: [] for model in modes}
        for row in self.tree["assets"]:
            names[row["model"]].append(row["id"])
        turns = [str(model) for model in rng.permutation(list(modes))]
        faults: dict[str, Fault] = {}
        for index, fail_days in enumerate(self.options.fail_days):
            model = turns[index % len(turns)]
            name = str(rng.choice([one for one in names[model] if one not in faults]))
            life_days = float(rng.uniform(9.5, 11.5)) + (index == 0)
            onset_days = fail_days + float(rng.uniform(-0.5, 0.5)) - life_days
            faults[name] = Fault(
                "machine",
                str(rng.choice([mode for mode in modes[model] if index or mode in _SOON_SEEN])),
                self.options.start_ns + int(onset_days * DAY_S * NS),
                life_days * DAY_S,
                float(rng.uniform(1.5, 2.2)),
            )
        return faults

    def _machine(self, rng: np.random.Generator, name: str, model: str, zone: str) -> Machine:
        step_days = float(rng.uniform(12, 40))
        return Machine(
            name,
            model,
            zone,
            self.options.seed,
            self.options.every_s,
            night_shift=bool(rng.random() < 0.5),
            weekend=bool(rng.random() < 0.4),
            step_ns=self.options.start_ns + int(step_days * DAY_S * NS),
            step=0.12 if rng.random() < 0.3 else 0.0,
        )

    def _chain(
        self, name: str, kind: Kind, modes: tuple[str, ...], first: Fault | None = None
    ) -> Chain:
        plan = FaultPlan(scale=1.0 if self.options.faults else 0.0)
        seed = crc32(f"{self.options.seed}/{name}/{kind}".encode())
        return Chain(seed, name, kind, modes, plan, self.options.start_ns, first)

    def _block(self, asset: str, day: int) -> tuple[NDArray[np.int64], Columns]:
        """Return a day of readings, made once while it is in use."""
        if (asset, day) not in self._blocks:
            if len(self._blocks) >= _BLOCKS_PER_MACHINE * len(self.machines):
                self._blocks.clear()
            times, columns = self._measured(asset, day)
            self._mismeasure(asset, times, columns)
            self._blocks[asset, day] = times, columns
        return self._blocks[asset, day]

    def _measured(self, asset: str, day: int) -> tuple[NDArray[np.int64], Columns]:
        chain = self.machine_faults[asset]
        faults = chain.until((day + 1) * DAY_S * NS)

        def wear(t_ns: NDArray[np.int64]) -> dict[str, Column]:
            severities: dict[str, Column] = {"down": np.zeros(t_ns.size)}
            for fault in faults:
                severity = severities.setdefault(fault.mode, np.zeros(t_ns.size))
                alive = np.where(t_ns < chain.over(fault), fault.severity(t_ns), 0.0)
                np.maximum(severity, alive, out=severity)
                for start_ns, end_ns in filter(None, [chain.down_span(fault)]):
                    severities["down"][(t_ns >= start_ns) & (t_ns < end_ns)] = 1.0
            return severities

        return self.machines[asset].block(day, wear)

    def _mismeasure(self, asset: str, times: NDArray[np.int64], columns: Columns) -> None:
        """Let a bad sensor hold what it showed first, say nothing, or show full scale."""
        chain = self.sensor_faults[asset]
        for fault in chain.until(int(times[-1]) + 1):
            bad = (times >= fault.onset_ns) & (times < chain.over(fault))
            if not bad.any():
                continue
            way, _, signal = fault.mode.partition(":")
            if way == "stuck":
                then, shown = self._measured(asset, fault.onset_ns // (DAY_S * NS))
                at = min(int(np.searchsorted(then, fault.onset_ns)), then.size - 1)
                columns[signal][bad] = shown[signal][at]
            elif way == "silent":
                columns[signal][bad] = np.nan
            else:
                key = [chain.seed, int(times[0] // (DAY_S * NS))]
                rng = np.random.Generator(np.random.Philox(key=key))
                loose = bad & (rng.random(times.size) < _SPIKES)
                columns[signal][loose] = self._full_scale(asset, signal)

    def _full_scale(self, asset: str, signal: str) -> float:
        model = next(m for m in self.tree["models"] if m["id"] == self.machines[asset].model)
        limits = next(row["limits"] for row in model["signals"] if row["name"] == signal)
        return float(limits[1])
