"""Series reduced for plotting, one sample at a time: the oracle of every store's query."""

import math

import numpy as np

from bridge.flow.ports import Series

Points = dict[int, list[float]]
"""Values by time; more than one where raw samples became a mean."""


def reduce(signals: dict[str, Points], points_max: int) -> dict[str, Series]:
    """Put every sample in its bucket; all signals share the buckets, sparse ones need none."""
    signals = {name: points for name, points in signals.items() if points}
    if not signals:
        return {}
    first = min(min(points) for points in signals.values())
    last = max(max(points) for points in signals.values())
    width = -(-(last + 1 - first) // points_max)
    found = {}
    for name, points in signals.items():
        crowded = len(points) > points_max
        buckets: Points = {}
        for t_ns, values in points.items():
            start = first + (t_ns - first) // width * width if crowded else t_ns
            buckets.setdefault(start, []).extend(values)
        times = sorted(buckets)
        found[name] = Series(
            np.array(times, np.int64),
            np.array([math.fsum(buckets[t]) / len(buckets[t]) for t in times], np.float64),
            np.array([min(buckets[t]) for t in times], np.float64),
            np.array([max(buckets[t]) for t in times], np.float64),
        )
    return found
