"""A series store in memory, with switches for being away and for refusing."""

import math
from collections.abc import AsyncIterator, Sequence

import numpy as np

from bridge.flow.ports import Refused, Retention, Series
from bridge.model.errors import UnavailableError
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot
from tests.naive.reduce import Points, reduce

YEAR_2200_NS = 7_258_118_400 * NS_PER_S
YEAR_1950_NS = -631_152_000 * NS_PER_S


class FakeSeries:
    """`SeriesStore` in a dict: (tenant, asset, signal) -> time -> value.

    Attributes
    ----------
    away : int
        How many of the next writes find it away; below 0 for all of them.
    refuses : set of str
        Names of signals it refuses for ever.
    writes : int
        Writes that succeeded.
    """

    keeps_position = True

    def __init__(self) -> None:
        self.raw: dict[tuple[str, str, str], dict[int, float]] = {}
        self.means: dict[tuple[str, str, str], Points] = {}
        self.offset = 0
        self.away = 0
        self.refuses: set[str] = set()
        self.writes = 0

    async def write(
        self, batch: Samples, slots: Sequence[SignalSlot], *, offset: int | None
    ) -> list[Refused]:
        """Take samples one by one."""
        if self.away:
            self.away -= 1
            raise UnavailableError("series", "the fake is away", retry_after_s=0.01)
        refused: dict[str, list[int]] = {}
        for row in range(len(batch)):
            name = slots[batch.signal[row]]
            t_ns, value = int(batch.t_ns[row]), float(batch.value[row])
            if math.isnan(value):
                continue
            if math.isinf(value):
                refused.setdefault("not-finite: infinity", []).append(row)
            elif not YEAR_1950_NS <= t_ns < YEAR_2200_NS:
                refused.setdefault("bad-time: out of range", []).append(row)
            elif name.signal in self.refuses:
                refused.setdefault("store-refused: the fake refuses it", []).append(row)
            else:
                self.raw.setdefault((name.tenant, name.asset, name.signal), {})[t_ns] = value
        if offset is not None:
            self.offset = offset
        self.writes += 1
        return [Refused(np.array(rows, np.int64), reason) for reason, rows in refused.items()]

    async def position(self) -> int:
        """Return the last offset written."""
        return self.offset

    async def query(
        self,
        tenant: str,
        asset: str,
        signals: Sequence[str],
        *,
        start_ns: int,
        end_ns: int,
        points_max: int = 800,
    ) -> dict[str, Series]:
        """Reduce naively."""
        found: dict[str, Points] = {}
        for signal in signals:
            key = (tenant, asset, signal)
            points: Points = {t: [value] for t, value in self.raw.get(key, {}).items()}
            for t, values in self.means.get(key, {}).items():
                points.setdefault(t, []).extend(values)
            found[signal] = {t: each for t, each in points.items() if start_ns <= t < end_ns}
        return reduce(found, points_max)

    async def signals(self, tenant: str, asset: str) -> list[str]:
        """Return the names of an asset's signals."""
        keys = {*self.raw, *self.means}
        return sorted(key[2] for key in keys if key[:2] == (tenant, asset))

    async def scan(
        self, tenant: str, *, start_ns: int, end_ns: int, assets: Sequence[str] | None = None
    ) -> AsyncIterator[tuple[list[SignalSlot], Samples]]:
        """Yield everything in small blocks."""
        keys = sorted(key for key in self.raw if key[0] == tenant)
        keys = [key for key in keys if assets is None or key[1] in assets]
        names = sorted({key[1] for key in keys})
        slots = [SignalSlot(n, names.index(key[1]), *key) for n, key in enumerate(keys)]
        rows = sorted(
            (t, slot, value)
            for slot, key in enumerate(keys)
            for t, value in self.raw[key].items()
            if start_ns <= t < end_ns
        )
        for at in range(0, len(rows), 100):
            t_ns, slot, value = zip(*rows[at : at + 100], strict=True)
            yield (
                slots,
                Samples(
                    np.array(slot, np.int32),
                    np.array(t_ns, np.int64),
                    np.array(value, np.float64),
                    t_ns[-1],
                ),
            )

    async def keep(self, retention: Retention, *, now_ns: int) -> int:
        """Move old samples to their bucket's list, and drop old buckets."""
        removed = 0
        width = int(retention.downsample_s * NS_PER_S)
        cut = (now_ns - int(retention.raw_days * 86_400 * NS_PER_S)) // width * width
        for key, points in self.raw.items() if retention.raw_days else ():
            for t in [t for t in points if t < cut]:
                self.means.setdefault(key, {}).setdefault(t // width * width, []).append(
                    points.pop(t)
                )
                removed += 1
        cut = now_ns - int(retention.downsampled_days * 86_400 * NS_PER_S)
        for means in self.means.values() if retention.downsampled_days else ():
            for t in [t for t in means if t < cut]:
                del means[t]
                removed += 1
        return removed

    async def ping(self) -> str:
        """Return its name."""
        return "fake 1"

    async def close(self) -> None:
        """Keep everything."""
