"""Speed and memory of the detection chain, wide and tall; timed by ``make bench``."""

import tracemalloc

import numpy as np
import pytest

from bridge.detect import chain
from bridge.detect.config import ChainConfig
from bridge.model.samples import Frame

EVERY_NS = 300 * 10**9
START_NS = 1_700_000_000 * 10**9
SIGNALS = tuple(f"x{n}" for n in range(10))
CONFIG = ChainConfig(signals=SIGNALS, settings=SIGNALS[:1], every_s=300.0, healthy_rows=200)
WARM_ROWS = 300


class Herd:
    """Assets in step, past their commissioning, with readings that differ from row to row."""

    def __init__(self, n: int, warm: int = WARM_ROWS) -> None:
        rng = np.random.default_rng(0)
        self.n = n
        self.state, self.out = chain.init(CONFIG, n), chain.outputs(n, CONFIG.k)
        self.slot = np.arange(n, dtype=np.int32)
        self.value = [rng.normal(50, 1, (n, CONFIG.k)) for _ in range(16)]
        self.quality = np.zeros((n, CONFIG.k), np.uint8)
        self.number = 0
        for _ in range(warm):
            self.step()

    def step(self) -> None:
        """One row of every asset."""
        t_ns = np.full(self.n, START_NS + self.number * EVERY_NS, np.int64)
        value = self.value[self.number % len(self.value)]
        self.number += 1
        frame = Frame(self.slot, t_ns, value, self.quality)
        chain.update(CONFIG, self.state, frame, self.out)


@pytest.mark.parametrize("n", [1, 100, 10_000])
def test_chain_wide(benchmark, n: int) -> None:
    """Many assets, one row each: samples per second of the complete chain on one core."""
    herd = Herd(n, WARM_ROWS if benchmark.enabled else 2)
    benchmark.pedantic(herd.step, rounds=30 if benchmark.enabled else 1)
    benchmark.extra_info["state_bytes_per_signal"] = chain.size_bytes(herd.state) / (n * 10)
    if benchmark.enabled:
        mean_s = benchmark.stats.stats.mean
        benchmark.extra_info["samples_per_s"] = n * CONFIG.k / mean_s


def test_chain_tall(benchmark) -> None:
    """One asset, many rows: rows per second of a back-test."""
    rows = 5_000 if benchmark.enabled else 20
    value = np.random.default_rng(0).normal(50, 1, (rows, CONFIG.k))
    t_ns = START_NS + np.arange(rows, dtype=np.int64) * EVERY_NS
    benchmark.pedantic(chain.run_along, (CONFIG, t_ns, value), rounds=1)
    if benchmark.enabled:
        benchmark.extra_info["rows_per_s"] = rows / benchmark.stats.stats.mean


def test_state_fits_its_budget() -> None:
    """The chain remembers at most 2,048 bytes per signal."""
    assert chain.size_bytes(chain.init(CONFIG, 100)) <= 2_048 * 100 * CONFIG.k


def test_nothing_is_kept_per_update() -> None:
    """Sixty updates together keep less than one array of readings."""
    herd = Herd(5_000, 40)
    tracemalloc.start()
    try:
        herd.step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(60):
            herd.step()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # Python keeps up to 2,000 freed tuples of each size at hand, which is not growth.
    assert kept < herd.value[0].nbytes
