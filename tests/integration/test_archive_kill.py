"""Killed at any moment, appending and archiving lose and repeat nothing."""

import random
import subprocess
import sys
import time
from pathlib import Path

from bridge.adapters.series.duckdb import DuckDbStore
from tests.integration.archive_child import ROWS, START_NS
from tests.servers import ROOT

KILLS = 8


def command(folder: Path, number: int) -> list[str]:
    """Name the process, appending from a number on."""
    return [sys.executable, "-m", "tests.integration.archive_child", str(folder), str(number)]


def killed(folder: Path, number: int, after_s: float) -> int:
    """Run the process, kill it some time after its first commit; return the next number."""
    process = subprocess.Popen(
        command(folder, number), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, "the process died before it appended anything"
        time.sleep(after_s)
        process.kill()
        lines = [first, *process.stdout.read().splitlines(keepends=True)]
    acknowledged = [int(line) for line in lines if line.endswith(b"\n")]
    assert acknowledged[0] == number
    return acknowledged[-1] + 1


def finish(folder: Path) -> None:
    """Run the process until all that is in the journal is archived."""
    subprocess.run(command(folder, -1), cwd=ROOT, check=True, timeout=60)


async def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Every acknowledged sample is in DuckDB exactly once, after eight kills at random."""
    moments = random.Random(20261013)  # noqa: S311 - moments, not secrets
    number = 0
    for _ in range(KILLS):
        # As a broker does: what was not acknowledged is sent again, committed or not.
        number = killed(tmp_path, number, moments.uniform(0.0, 0.5))
    finish(tmp_path)
    store = await DuckDbStore.open(tmp_path / "series.duckdb")
    seconds: list[int] = []
    async for _, block in store.scan("acme", start_ns=0, end_ns=2 * START_NS):
        times = (block.t_ns - START_NS) // 1_000_000_000
        assert (times == block.value).all()
        seconds += times.tolist()
    await store.close()
    expected = number * ROWS
    assert number > KILLS
    assert len(seconds) == len(set(seconds)), "a sample is there twice"
    assert seconds[:expected] == list(range(expected)), "an acknowledged sample is not there"
    # The last record may have been committed without its acknowledgement; no more than that.
    assert len(seconds) - expected in {0, ROWS}
