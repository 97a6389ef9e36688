"""Intake killed again and again while machines send."""

import asyncio
import secrets
import signal
import sys
from pathlib import Path

from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.codec import blob
from simulators.load import Load, send
from tests.servers import ROOT, Mosquitto

COUNT = 12_000
KILLS = 6


async def journalled(command: list[str], folder: Path) -> tuple[set[tuple[int, int]], int]:
    """Run intake until the journal has all; give what it has, and how many with repetitions."""
    found: set[tuple[int, int]] = set()
    total = 0
    process = await asyncio.create_subprocess_exec(
        *command, "1000000000", str(folder), cwd=ROOT
    )
    try:
        async with (
            await SqliteJournal.open(folder / "journal.db") as journal,
            asyncio.timeout(60),
        ):
            after = 0
            while len(found) < COUNT:
                await journal.wait(after, timeout_s=1.0)
                for record in await journal.read(after):
                    samples = blob.decode(record.body)
                    found.update(
                        zip(samples.signal.tolist(), samples.t_ns.tolist(), strict=True)
                    )
                    total += len(samples)
                    after = record.offset
    finally:
        process.kill()
        await process.wait()
    return found, total


async def test_nothing_is_lost(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """After several kills every sample is in the journal, with its time, at least once."""
    name = secrets.token_hex(4)
    command = [
        sys.executable, "-m", "tests.bench.drain", str(mosquitto.port), f"killed-{name}",
        f"plant/{name}/#",
    ]  # fmt: skip
    session = await asyncio.create_subprocess_exec(*command, "0", str(tmp_path), cwd=ROOT)
    assert await session.wait() == 0
    load = Load(
        port=mosquitto.port, username="simulator", password="simulator",
        client_id=f"load-{name}",
        topic=f"plant/{name}/{{machine}}/telemetry", machines=10, signals=1, count=COUNT,
        rate=1_600, start_ns=1_800_000_000 * 10**9, step_ms=1_000,
    )  # fmt: skip

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(send(load))
        for number in range(KILLS):
            process = await asyncio.create_subprocess_exec(
                *command, "1000000000", str(tmp_path), cwd=ROOT
            )
            await asyncio.sleep(1.0 + 0.13 * number)
            process.send_signal(signal.SIGKILL)
            await process.wait()
    assert sending.result().acknowledged == COUNT

    found, total = await journalled(command, tmp_path)
    assert len(found) == COUNT
    assert total < 2 * COUNT
