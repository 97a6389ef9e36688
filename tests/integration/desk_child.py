"""A desk in a process of its own, to be killed: argv holds the URL of the records."""

import asyncio
import sys

from bridge.adapters.records.records import Records
from bridge.flow.clock import SystemClock
from bridge.flow.desk import Desk, DeskOptions
from bridge.flow.metrics import Metrics
from tests.unit.flow.test_desk import Plain


async def main(url: str) -> None:
    """Run a desk with small batches, so that a kill falls between and into commits."""
    async with await Records.open(url) as records:
        desk = Desk(
            store=records.desk,
            catalogs=records.catalogs,
            wording=Plain(),
            clock=SystemClock(),
            metrics=Metrics(),
            options=DeskOptions(batch=5, look_every_s=0.1, webhooks=("crm",)),
        )
        await desk.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
