"""Slow, obvious versions of the chain's recurrences: one signal, one row at a time."""

import numpy as np

CELLS = 64


class View:
    """Memory of one view of one signal: where its values were."""

    def __init__(self) -> None:
        self.least, self.most = np.inf, -np.inf
        self.start = self.width = 0.0
        self.seen = [False] * CELLS

    def step(self, value: float) -> tuple[float, float]:
        """Return distance to the nearest value ever seen and the range so far; remember it."""
        if np.isnan(value):
            return 0.0, 1.0
        if self.least == np.inf:
            self.least = self.most = value
            return 0.0, 0.0
        span = self.most - self.least
        distance = max(self.least - value, value - self.most, 0.0)
        if self.width == 0.0:
            if value == self.least:
                return 0.0, 0.0
            low, high = min(self.least, value), max(self.most, value)
            self.least, self.most = low, high
            self.width = 4 * (high - low) / CELLS
            self.start = low - 24 * self.width
            self.seen[self.cell(low)] = self.seen[self.cell(high)] = True
            return distance, span
        if distance == 0.0:
            at = self.cell(value)
            near = min(abs(at - other) for other in range(CELLS) if self.seen[other])
            distance = near * self.width
        self.least, self.most = min(self.least, value), max(self.most, value)
        while not self.start <= value < self.start + CELLS * self.width:
            pairs = [self.seen[2 * n] or self.seen[2 * n + 1] for n in range(CELLS // 2)]
            room = [False] * (CELLS // 2)
            if value < self.start:
                self.start -= CELLS * self.width
                self.seen = room + pairs
            else:
                self.seen = pairs + room
            self.width *= 2
        self.seen[self.cell(value)] = True
        return distance, span

    def cell(self, value: float) -> int:
        """Return the cell of a value."""
        return min(max(int((value - self.start) // self.width), 0), CELLS - 1)


def novelty(value: np.ndarray, *, theta: float, settle: int) -> np.ndarray:
    """Return the novelty of each reading of one signal without a clock; 1 is the limit."""
    reading, mean = View(), View()
    said, until, last = np.zeros(len(value)), 0, []
    for row, each in enumerate(value, 1):
        last = [*last, each][-4:]
        d1, r1 = reading.step(each)
        d2, r2 = mean.step(np.nan if len(last) < 4 else float(np.mean(last)))
        share = max(d1 / r1 if r1 > 0 else 0.0, d2 / r2 if r2 > 0 else 0.0) / theta
        if row <= settle or row <= until:
            share = 0.0
        if share >= 1.0:
            until = row + int(min(max(0.03 * row, 24), 120))
        said[row - 1] = share
    return said


def rows_of(samples: list[tuple[int, int, int, float]], every: int, k: int) -> dict:
    """Return rows (asset, row) -> k readings of in-order samples (asset, signal, t, value)."""
    rows: dict[tuple[int, int], list[float]] = {}
    phase: dict[int, int] = {}
    for asset, signal, t, value in samples:
        phase.setdefault(asset, t % every)
        number = (t - phase[asset] + every // 2) // every
        row = rows.setdefault((asset, number), [np.nan] * k)
        if np.isnan(row[signal]):
            row[signal] = value
    return rows


def trend(mean: np.ndarray, fade: float) -> float:
    """Return the slope of a faded least-squares line in standard errors."""
    n = len(mean)
    x = np.arange(n) - (n - 1.0)
    weight = fade ** (n - 1.0 - np.arange(n))
    total = weight.sum()
    mx, my = (weight * x).sum() / total, (weight * mean).sum() / total
    sxx = (weight * (x - mx) ** 2).sum()
    slope = (weight * (x - mx) * (mean - my)).sum() / sxx
    rest = (weight * (mean - my - slope * (x - mx)) ** 2).sum()
    return float(slope / np.sqrt(rest / (total - 2) / sxx))


def steps(value: np.ndarray, now: int, before: int) -> np.ndarray:
    """Return |mean of the last rows - mean of those before|, NaN before there are enough."""
    said = np.full(len(value), np.nan)
    for row in range(now + before, len(value) + 1):
        late = value[row - now : row].mean()
        early = value[row - now - before : row - now].mean()
        said[row - 1] = abs(late - early)
    return said
