"""The simulated fleet: machines, what goes wrong with them, and the rows they would send.

Rows are a pure function of the seed, the start and the repairs, so a fleet can be stopped and go on
where it was, and two fleets with one seed are the same fleet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulators.catalog import Tree, catalog
from simulators.faults import DAY_S, NS, Chain, Fault, FaultPlan
from simulators.machines import Column, Columns, Machine

_SENSORS = {"HX450": "bearing_temp", "CP200": "discharge_pressure", "BL90": "airflow"}
"""Which sensor of a model tends to freeze."""


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
        In the catalog's unit.
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
    early : (int, float)
        So many machines get their first fault about so many days after the start, so that a
        demonstration has something to show when its history ends.
    """

    seed: int = 1
    start_ns: int = 0
    every_s: int = 300
    faults: bool = True
    early: tuple[int, float] = (3, 9.0)


@dataclass(slots=True)
class Fleet:
    """All machines of the simulated catalog.

    Attributes
    ----------
    tree : dict
        The catalog, as a file would hold it.
    machines : mapping of asset id to Machine
    machine_faults, sensor_faults, gateway_faults : mapping of name to Chain
        What goes wrong, by asset or by gateway.
    """

    options: FleetOptions
    tree: Tree = field(default_factory=catalog)
    machines: dict[str, Machine] = field(default_factory=dict)
    machine_faults: dict[str, Chain] = field(default_factory=dict)
    sensor_faults: dict[str, Chain] = field(default_factory=dict)
    gateway_faults: dict[str, Chain] = field(default_factory=dict)
    _blocks: dict[tuple[str, int], tuple[int, NDArray[np.int64], Columns]] = field(
        default_factory=dict
    )
    _edition: int = 0

    def __post_init__(self) -> None:
        options = self.options
        rng = np.random.default_rng(options.seed)
        plan = FaultPlan(scale=1.0 if options.faults else 0.0)
        zones = {site["id"]: site["timezone"] for site in self.tree["sites"]}
        modes = {
            model["id"]: tuple(mode["id"] for mode in model["failure_modes"])
            for model in self.tree["models"]
        }
        names = [asset["id"] for asset in self.tree["assets"]]
        early = set(rng.choice(names, size=min(options.early[0], len(names)), replace=False))
        for asset in self.tree["assets"]:
            name, model = asset["id"], asset["model"]
            first = float(rng.uniform(0.75, 1.25)) * options.early[1]
            step_days = float(rng.uniform(15, 40))
            self.machines[name] = Machine(
                name,
                model,
                zones[asset["site"]],
                options.seed,
                options.every_s,
                night_shift=bool(rng.random() < 0.5),
                weekend=bool(rng.random() < 0.4),
                step_ns=options.start_ns + int(step_days * DAY_S * NS),
                step=0.12 if rng.random() < 0.3 else 0.0,
            )
            self.machine_faults[name] = self._chain(
                name, "machine", modes[model], plan, first if name in early else None
            )
            self.sensor_faults[name] = self._chain(
                name, "sensor", (f"stuck:{_SENSORS[model]}",), plan
            )
            self.gateway_faults.setdefault(
                asset["gateway"], self._chain(asset["gateway"], "gateway", ("away",), plan)
            )

    def rows(self, asset: str, start_ns: int, end_ns: int) -> Rows:
        """Return what a machine measures in [start, end); a gateway that is away is not looked at."""
        first, last = start_ns // (DAY_S * NS), -(-end_ns // (DAY_S * NS))
        blocks = [self._block(asset, day) for day in range(first, last)]
        times = (
            np.concatenate([times for times, _ in blocks]) if blocks else np.empty(0, np.int64)
        )
        keep = (times >= start_ns) & (times < end_ns)
        signals = {
            name: np.concatenate([columns[name] for _, columns in blocks])[keep]
            for name in (blocks[0][1] if blocks else {})
        }
        site = next(row["site"] for row in self.tree["assets"] if row["id"] == asset)
        return Rows(asset, site, times[keep], signals)

    def away(self, gateway: str, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each time whether a gateway is away then."""
        away = np.zeros(t_ns.size, bool)
        if t_ns.size:
            for fault in self.gateway_faults[gateway].until(int(t_ns.max()) + 1):
                away |= (t_ns >= fault.onset_ns) & (t_ns < (fault.end_ns or 0))
        return away

    def repair(self, asset: str, t_ns: int) -> Fault | None:
        """Repair whatever is wrong with a machine now; return the fault that ended, or None."""
        self._edition += 1
        return self.machine_faults[asset].repair(t_ns)

    def active(self, t_ns: int) -> dict[str, Fault]:
        """Return the machine faults that last at a time, by asset."""
        lasting: dict[str, Fault] = {}
        for asset, chain in self.machine_faults.items():
            for fault in chain.until(t_ns + 1):
                if fault.end_ns is None or t_ns < fault.end_ns:
                    lasting[asset] = fault
        return lasting

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
            self.machine_faults[asset].until(t_ns)
            self.repair(asset, t_ns)

    def _chain(
        self,
        name: str,
        kind: str,
        modes: tuple[str, ...],
        plan: FaultPlan,
        first: float | None = None,
    ) -> Chain:
        key = crc32(f"{self.options.seed}/{name}/{kind}".encode())
        return Chain(key, name, kind, modes, plan, self.options.start_ns, first)  # type: ignore[arg-type]

    def _block(self, asset: str, day: int) -> tuple[NDArray[np.int64], Columns]:
        cached = self._blocks.get((asset, day))
        if cached and cached[0] == self._edition:
            return cached[1], cached[2]
        machine = self.machines[asset]
        end_ns = (day + 1) * DAY_S * NS
        chain = self.machine_faults[asset]
        faults = chain.until(end_ns)

        def wear(t_ns: NDArray[np.int64]) -> dict[str, Column]:
            severities: dict[str, Column] = {"down": np.zeros(t_ns.size)}
            for fault in faults:
                severity = severities.setdefault(fault.mode, np.zeros(t_ns.size))
                down = chain.down_span(fault)
                alive = fault.severity(t_ns)
                if down is not None:
                    severities["down"][(t_ns >= down[0]) & (t_ns < down[1])] = 1.0
                    alive = np.where(t_ns < down[1], alive, 0.0)
                np.maximum(severity, alive, out=severity)
            return severities

        times, columns = machine.block(day, wear)
        self._freeze(asset, times, columns)
        if len(self._blocks) > 8 * len(self.machines):
            self._blocks.clear()
        self._blocks[asset, day] = (self._edition, times, columns)
        return times, columns

    def _freeze(self, asset: str, times: NDArray[np.int64], columns: Columns) -> None:
        """Hold a stuck sensor at one value for as long as its fault lasts."""
        if not times.size:
            return
        for fault in self.sensor_faults[asset].until(int(times[-1]) + 1):
            signal = fault.mode.removeprefix("stuck:")
            stuck = (times >= fault.onset_ns) & (times < (fault.end_ns or 0))
            held = crc32(f"{asset}/{fault.onset_ns}".encode()) % 997 / 997
            columns[signal][stuck] = np.median(columns[signal]) * (0.97 + 0.06 * held)
