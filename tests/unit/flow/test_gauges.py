"""The gauges that no part sees by itself: they grow while a part hangs."""

from pathlib import Path

import numpy as np
import pytest

from bridge.adapters.journal.sqlite import SqliteJournal
from bridge.codec import blob
from bridge.flow.gauges import GaugeOptions, Gauges
from bridge.flow.metrics import Metrics
from bridge.flow.ports import Backlog, Entry, SourceStatus
from bridge.model.samples import Samples

NOON_NS = 1_790_000_000 * 10**9
SECOND_NS = 10**9


class Clock:
    """A clock that is set by hand."""

    now = NOON_NS

    def now_ns(self) -> int:
        """Return what was set."""
        return self.now


class Desk:
    """Inbox and outbox with backlogs that are set by hand."""

    def __init__(self) -> None:
        self.position = 0
        self.inputs = Backlog(0, None)
        self.waiting: dict[str, Backlog] = {}

    async def offset(self, reader: str) -> int:
        """Return where the watch is."""
        assert reader == "watch"
        return self.position

    async def backlog(self) -> Backlog:
        """Return what waits for the desk."""
        return self.inputs


class Outbox:
    """An outbox whose backlog is the desk's."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def backlog(self) -> dict[str, Backlog]:
        """Return what waits to be sent."""
        return self.desk.waiting


@pytest.fixture
async def journal(tmp_path: Path):
    """A journal with two records, received at noon and a second later."""
    async with await SqliteJournal.open(tmp_path / "journal.db") as opened:
        for second in range(2):
            samples = Samples(
                np.zeros(1, np.int32),
                np.full(1, NOON_NS, np.int64),
                np.ones(1),
                NOON_NS + second * SECOND_NS,
            )
            await opened.append([Entry("samples", "default", blob.encode(samples))])
        yield opened


def shown(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a gauge's value."""
    value = metrics.registry.get_sample_value(f"bridge_{name}", labels)
    assert value is not None, name
    return value


async def test_offsets_age_while_nobody_reads(journal: SqliteJournal):
    """The age of each reader's offset is that of the oldest record it has not finished."""
    desk, clock, metrics = Desk(), Clock(), Metrics()
    gauges = Gauges(journal, desk, Outbox(desk), clock, metrics)  # type: ignore[arg-type]
    clock.now = NOON_NS + 10 * SECOND_NS
    await gauges.look()
    assert shown(metrics, "offset_age_seconds", reader="archive") == 10
    assert shown(metrics, "offset_age_seconds", reader="watch") == 10
    assert shown(metrics, "queue_length", queue="journal to watch") == 2
    await journal.finish("archive", 1)
    desk.position = 2
    await gauges.look()
    assert shown(metrics, "offset_age_seconds", reader="archive") == 9
    assert shown(metrics, "offset_age_seconds", reader="watch") == 0
    assert shown(metrics, "queue_length", queue="journal to watch") == 0
    assert shown(metrics, "queue_peak", queue="journal to watch") == 2


async def test_backlogs_of_desk_and_outbox(journal: SqliteJournal):
    """What waits for desk and channels is shown, with its age; strange channels are one."""
    desk, clock, metrics = Desk(), Clock(), Metrics()
    options = GaugeOptions(channels=("email",))
    gauges = Gauges(
        journal,
        desk,
        Outbox(desk),
        clock,
        metrics,
        options=options,  # type: ignore[arg-type]
    )
    desk.inputs = Backlog(3, NOON_NS - 5 * SECOND_NS)
    desk.waiting = {"email": Backlog(2, NOON_NS), "pigeon": Backlog(1, NOON_NS - SECOND_NS)}
    await gauges.look()
    assert shown(metrics, "queue_length", queue="desk") == 3
    assert shown(metrics, "offset_age_seconds", reader="desk") == 5
    assert shown(metrics, "queue_length", queue="outbox email") == 2
    assert shown(metrics, "queue_length", queue="outbox unknown") == 1
    assert shown(metrics, "offset_age_seconds", reader="outbox") == 1
    desk.waiting = {}
    await gauges.look()
    assert shown(metrics, "queue_length", queue="outbox email") == 0
    assert shown(metrics, "queue_peak", queue="outbox email") == 2


async def test_the_source_is_shown(journal: SqliteJournal):
    """Connection, what is not acknowledged, and losses at the broker are shown."""
    desk, metrics = Desk(), Metrics()
    status = SourceStatus(connected=True, unacknowledged=7, broker_dropped=4, session_lost=1)
    gauges = Gauges(
        journal,
        desk,
        Outbox(desk),
        Clock(),
        metrics,
        source=lambda: status,  # type: ignore[arg-type]
    )
    await gauges.look()
    assert shown(metrics, "broker_connected") == 1
    assert shown(metrics, "queue_length", queue="unacknowledged") == 7
    assert shown(metrics, "queue_limit", queue="unacknowledged") == 20_000
    assert shown(metrics, "broker_dropped_messages") == 4
    assert shown(metrics, "broker_sessions_lost") == 1
