"""Drain a broker's backlog into a journal, in a process of its own; print the cost as JSON.

``python -m tests.bench.drain PORT CLIENT_ID FILTER MESSAGES FOLDER``; with 0 messages it only
makes the session.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.adapters.mqtt.mqtt5_source import Mqtt5Source
from bridge.adapters.mqtt.options import MqttOptions
from bridge.codec.payloads import Mapping
from bridge.flow.clock import SystemClock
from bridge.flow.intake import Intake
from bridge.flow.metrics import Metrics
from bridge.model.slots import SlotTable

MAPPING = Mapping(
    "plant/{tenant}/{asset}/telemetry", time_key="ts", shape="key", signals_key="values"
)


async def drain(options: MqttOptions, count: int, folder: Path) -> dict[str, float]:
    """Run intake until `count` messages are committed.

    The C client's clock starts with its first message. Ours starts before we connect, for the
    broker sends as soon as it has answered: so every message is read within the time taken.
    """
    async with await SqliteJournal.open(folder / "journal.db") as journal:
        slots = SlotTable()
        slots.absorb(await journal.slots())
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        async with Mqtt5Source(options, clock=SystemClock()) as source:
            intake = Intake(
                source=source,
                journal=journal,
                mappings=[MAPPING],
                slots=slots,
                metrics=Metrics(),
            )
            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                task = group.create_task(intake.run())
                while intake.status.committed_messages < count:  # noqa: ASYNC110 - a count has no event
                    await asyncio.sleep(0.005)
                wall_s, cpu_s = time.monotonic(), time.process_time()
                task.cancel()
    return {
        "messages": intake.status.committed_messages,
        "samples": intake.status.committed_samples,
        "commits": intake.status.commits,
        "wall_s": wall_s - started_s,
        "cpu_s": cpu_s - started_cpu_s,
    }


if __name__ == "__main__":
    port, client_id, topics, messages, where = sys.argv[1:]
    settings = MqttOptions(
        port=int(port),
        client_id=client_id,
        filters=(topics,),
        username="bridge",
        password="bridge",
    )
    cost = asyncio.run(drain(settings, int(messages), Path(where)))
    sys.stdout.write(json.dumps(cost) + "\n")
