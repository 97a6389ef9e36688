"""The health indicator of one asset, written out row by row with Python's own numbers."""

import math
import statistics

Series = list[list[float]]


def spread(values: list[float]) -> float:
    """Return 1.4826 MAD about 0, the root mean square where that has collapsed."""
    robust = 1.4826 * statistics.median(abs(v) for v in values)
    plain = math.sqrt(sum(v * v for v in values) / len(values))
    return plain if robust < 0.1 * plain else robust


def indicator(rows: Series, healthy: int, block: int) -> list[float | None]:
    """Return the indicator of each row: mean over signals of the rise beyond three wanders."""
    columns = list(zip(*rows, strict=True))
    sums = [[0.0] * len(rows) for _ in columns]
    for at, column in enumerate(columns):
        base = column[:healthy]
        loc = statistics.median(base)
        if min(base) > 0:
            y = [math.log(v / loc) for v in column]
        else:
            width = spread([v - loc for v in base])
            y = [(v - loc) / (10 * width) if width else 0.0 for v in column]
        sd = spread(y[:healthy])
        before, changes = 0.0, []
        for row in range(healthy, len(rows)):
            level = statistics.median(([0.0] * block + y[: row + 1])[-block:])
            if (row - healthy + 1) % block == 0:
                changes.append(abs(level - before))
                before = level
            moved = sum(changes) / len(changes) if changes else 0.0
            own = max(1.25 * moved, sd / 2)
            sums[at][row] = max(level - 3 * own, 0.0)
    means = [sum(each[row] for each in sums) / len(columns) for row in range(len(rows))]
    return [None] * healthy + means[healthy:]
