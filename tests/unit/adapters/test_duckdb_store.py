"""DuckDB's file: transactions, restarts, a second process, export."""

import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapters.series.duckdb import DuckDbStore
from bridge.model.errors import ConflictError, UnavailableError
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable

EVER = {"start_ns": 0, "end_ns": 2**62}
Rows = list[tuple[str, int, float]]


def columns(rows: Rows) -> tuple[Samples, list[SignalSlot]]:
    """Put rows of signal, time in seconds, value in columns."""
    table = SlotTable()
    slot = [table.slot("acme", "press-07", row[0]) for row in rows]
    return Samples(
        np.array(slot, np.int32),
        np.array([row[1] for row in rows], np.int64) * NS_PER_S,
        np.array([row[2] for row in rows], np.float64),
        0,
    ), table.rows


async def scanned(store: DuckDbStore) -> Rows:
    """Read all rows."""
    return [
        (slots[slot].signal, t_ns // NS_PER_S, value)
        async for slots, block in store.scan("acme", **EVER)
        for slot, t_ns, value in zip(
            block.signal.tolist(), block.t_ns.tolist(), block.value.tolist(), strict=True
        )
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(
            st.lists(
                st.tuples(st.sampled_from("abc"), st.integers(0, 15), st.integers(0, 3)),
                max_size=12,
            ),
            st.booleans(),
        ),
        max_size=6,
    )
)
async def test_is_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list, bool]]
) -> None:
    """Any batches, in any order, with restarts between: a dict from identity to last value."""
    path = tmp_path_factory.mktemp("series") / "series.duckdb"
    store = await DuckDbStore.open(path)
    expected: dict[tuple[str, int], float] = {}
    for n, (rows, restart) in enumerate(batches, 1):
        await store.write(*columns([(s, t, float(v)) for s, t, v in rows]), offset=n)
        expected |= {(s, t): float(v) for s, t, v in rows}
        if restart:
            await store.close()
            store = await DuckDbStore.open(path)
        assert await store.position() == n
    found = await scanned(store)
    await store.close()
    assert len(found) == len(expected)
    assert {row[:2]: row[2] for row in found} == expected


async def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """Where a write fails midway, no rows, names or offset are there; then it works."""
    store = await DuckDbStore.open(tmp_path / "series.duckdb")
    await store.write(*columns([("a", 1, 1.0)]), offset=1)
    await store._write.run(  # noqa: SLF001 - makes the end of the next transaction fail
        lambda db: db.execute("ALTER TABLE state RENAME TO gone").fetchall()
    )
    with pytest.raises(UnavailableError, match="DuckDB"):
        await store.write(*columns([("a", 2, 2.0), ("b", 2, 2.0)]), offset=2)
    assert await store.signals("acme", "press-07") == ["a"]
    await store.close()
    with duckdb.connect(str(tmp_path / "series.duckdb")) as db:
        db.execute("ALTER TABLE gone RENAME TO state")
    store = await DuckDbStore.open(tmp_path / "series.duckdb")
    assert await store.position() == 1
    assert await scanned(store) == [("a", 1, 1.0)]
    for _ in range(2):
        await store.write(*columns([("a", 2, 2.0), ("b", 2, 2.0)]), offset=2)
    assert await scanned(store) == [("a", 1, 1.0), ("a", 2, 2.0), ("b", 2, 2.0)]
    await store.close()


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """DuckDB lets one process in: the second is told which, and what to do."""
    path = tmp_path / "series.duckdb"
    code = (
        "import duckdb, sys, time\ndb = duckdb.connect(sys.argv[1])\n"
        "print('open', flush=True)\ntime.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220 - brief
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(ConflictError, match=f"process {process.pid}.*running service"):
            await DuckDbStore.open(path)
        process.kill()


async def test_foreign_files_are_refused(tmp_path: Path) -> None:
    """A file of something else, and one of a newer release, are not touched."""
    text = tmp_path / "text"
    text.write_text("not a database" * 1_000)
    with pytest.raises(UnavailableError, match="DuckDB"):
        await DuckDbStore.open(text)
    assert text.read_text() == "not a database" * 1_000
    newer = tmp_path / "newer.duckdb"
    await (await DuckDbStore.open(newer)).close()
    with duckdb.connect(str(newer)) as db:
        db.execute("UPDATE state SET number = 99 WHERE name = 'version'")
    with pytest.raises(ConflictError, match="99"):
        await DuckDbStore.open(newer)


async def test_scans_in_blocks(tmp_path: Path) -> None:
    """More rows than a block holds, with gaps of years between, come whole and in order."""
    store = await DuckDbStore.open(tmp_path / "series.duckdb")
    n = 120_000
    t_ns = np.arange(n, dtype=np.int64) * 1_000
    t_ns[n // 2 :] += 10 * 365 * 86_400 * NS_PER_S
    slots = [SignalSlot(0, 0, "acme", "press-07", "x")]
    batch = Samples(np.zeros(n, np.int32), t_ns, np.arange(n, dtype=np.float64), 0)
    await store.write(batch, slots, offset=1)
    blocks = [block async for _, block in store.scan("acme", **EVER)]
    assert max(len(block) for block in blocks) <= 50_000
    np.testing.assert_array_equal(
        np.concatenate([block.value for block in blocks]), batch.value
    )
    await store.close()


async def test_exports_parquet(tmp_path: Path) -> None:
    """One Parquet file with names, readable by anything."""
    store = await DuckDbStore.open(tmp_path / "series.duckdb")
    await store.write(*columns([("a", 1, 1.0), ("b", 2, 2.0)]), offset=1)
    await store.export(tmp_path / "all.parquet")
    await store.close()
    rows = duckdb.sql(f"FROM '{tmp_path / 'all.parquet'}'").fetchall()
    assert rows == [
        ("acme", "press-07", "a", NS_PER_S, 1.0), ("acme", "press-07", "b", 2 * NS_PER_S, 2.0)
    ]  # fmt: skip
