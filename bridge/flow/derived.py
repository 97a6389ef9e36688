"""Between watch and series store: derived points as samples, stored samples to learn from."""

from collections.abc import Sequence

import numpy as np

from bridge.flow.engine import Derived, Engine
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot


def columns(points: Sequence[Derived], now_ns: int) -> tuple[list[SignalSlot], Samples]:
    """Return points of the derived series as samples and the names of their slots."""
    names: dict[tuple[str, str], int] = {}
    slots: list[SignalSlot] = []
    signal, t_ns, value = [], [], []
    for each in points:
        base = names.setdefault((each.tenant, each.asset), 2 * len(names))
        if base == len(slots):
            slots += [
                SignalSlot(base + at, base // 2, each.tenant, each.asset, name)
                for at, name in enumerate(("~score", "~health"))
            ]
        for at, reading in enumerate((each.score, each.health)):
            if np.isfinite(reading):
                signal.append(base + at)
                t_ns.append(each.t_ns)
                value.append(reading)
    found = (
        np.array(signal, np.int32),
        np.array(t_ns, np.int64),
        np.array(value, np.float64),
    )
    return slots, Samples(*found, now_ns)


def renamed(engine: Engine, slots: Sequence[SignalSlot], samples: Samples) -> Samples:
    """Return stored samples under the journal's slots; derived series are left out."""
    own = [engine.slots.find(each.tenant, each.asset, each.signal) for each in slots]
    known = np.array([-1 if each is None else each for each in own], np.int32)
    signal = known[samples.signal]
    keep = signal >= 0
    receive_ns = int(samples.t_ns.max(initial=0))
    return Samples(signal[keep], samples.t_ns[keep], samples.value[keep], receive_ns)
