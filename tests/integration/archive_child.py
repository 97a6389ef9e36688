"""A process that appends to a journal and archives it at once, made to be killed.

Prints the number of each record once it is committed: that is what "acknowledged" means here.
"""

import asyncio
import sys
from pathlib import Path

import numpy as np
import structlog

from bridge.adapters.journal.lock import DataFolder
from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.adapters.series.duckdb import DuckDbStore
from bridge.codec import blob
from bridge.flow.archive import Archive, ArchiveOptions
from bridge.flow.clock import SystemClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Entry, Retention
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SlotTable

START_NS = 1_780_000_000 * NS_PER_S
ROWS = 200
SIGNALS = 5
OPTIONS = ArchiveOptions(
    rows_max=1_000,
    age_max_s=0.01,
    trim_every_s=0.02,
    trim_readers=("archive",),
    retention=Retention(raw_days=0),
)


def record(number: int, table: SlotTable) -> bytes:
    """Make the samples of a record: a second each, so that every identity is unique."""
    row = np.arange(ROWS, dtype=np.int64)
    slots = [table.slot("acme", f"asset-{n}", "x") for n in range(SIGNALS)]
    return blob.encode(
        Samples(
            np.array(slots, np.int32)[row % SIGNALS],
            START_NS + (number * ROWS + row) * NS_PER_S,
            (number * ROWS + row).astype(np.float64),
            START_NS,
        )
    )


async def append(journal: SqliteJournal, number: int) -> None:
    """Append records for ever, telling of each once it is durable."""
    table = SlotTable()
    table.absorb(await journal.slots())
    while True:
        body = record(number, table)
        await journal.append([Entry("samples", "acme", body)], slots=table.take_fresh())
        print(number, flush=True)  # noqa: T201 - its way to tell the test
        number += 1


async def main(folder: Path, number: int) -> None:
    """Append from a number on, and archive; with a negative number only archive, then end."""
    with DataFolder.lock(folder):
        journal = await SqliteJournal.open(folder / "journal.sqlite")
        store = await DuckDbStore.open(folder / "series.duckdb")
        archive = Archive(
            journal=journal,
            store=store,
            metrics=Metrics(),
            clock=SystemClock(),
            options=OPTIONS,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(archive.run(), name="archive")
            if number >= 0:
                await append(journal, number)
            last = (await journal.usage()).last_offset
            while await journal.position("archive") < last:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)
            task.cancel()
        await store.close()
        await journal.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
