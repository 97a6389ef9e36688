"""A journal in memory that behaves as the port says, and fails when told to."""

import asyncio
from collections.abc import Collection, Sequence

from bridge.flow.ports import Entry, JournalUsage, Record
from bridge.model.samples import DeadLetter
from bridge.model.slots import SignalSlot


class FakeJournal:
    """Keeps all; ``failures`` are raised by the next appends, ``delay_s`` slows each commit."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.failures: list[Exception] = []
        self.records: list[Record] = []
        self.rows: list[SignalSlot] = []
        self.letters: list[DeadLetter] = []
        self.commit_sizes: list[int] = []
        self.readers: dict[str, int] = {}
        self.grown = asyncio.Event()

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        slots: Sequence[SignalSlot] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> int:
        """Keep all of it, or raise the next failure and keep nothing."""
        await asyncio.sleep(self.delay_s)
        if self.failures:
            raise self.failures.pop(0)
        for entry in entries:
            offset = len(self.records) + 1
            self.records.append(Record(offset, entry.kind, entry.tenant, entry.body))
        known = len(self.rows)
        self.rows += [row for row in slots if row.slot >= known]
        assert [row.slot for row in self.rows] == list(range(len(self.rows)))
        self.letters += letters
        self.commit_sizes.append(len(entries))
        self.grown.set()
        return len(self.records)

    async def read(self, after: int, *, limit: int = 64) -> list[Record]:
        """Return up to ``limit`` records later than ``after``."""
        return self.records[after : after + limit]

    async def wait(self, after: int, *, timeout_s: float) -> bool:
        """Wait for a record later than ``after``."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.records) <= after:
                    self.grown.clear()
                    await self.grown.wait()
        except TimeoutError:
            return False
        return True

    async def slots(self, after: int = 0) -> list[SignalSlot]:
        """Return the slots from number ``after`` on."""
        return self.rows[after:]

    async def position(self, reader: str) -> int:
        """Return where a reader stands."""
        return self.readers.get(reader, 0)

    async def finish(self, reader: str, offset: int) -> None:
        """Move a reader on."""
        self.readers[reader] = max(offset, self.readers.get(reader, 0))

    async def trim(self, readers: Sequence[str]) -> int:  # noqa: ARG002 - it keeps everything
        """Remove nothing."""
        return 0

    async def usage(self) -> JournalUsage:
        """Return its size."""
        used = sum(len(record.body) for record in self.records)
        return JournalUsage(
            used, 1 << 30, 1, len(self.records), dict(self.readers), len(self.letters)
        )

    async def dead_letters(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        tenants: Collection[str] | None = None,
    ) -> list[tuple[int, DeadLetter]]:
        """Return dead letters, the newest first."""
        numbered = [
            (number, letter)
            for number, letter in enumerate(self.letters, 1)
            if before is None or number < before
            if tenants is None or letter.tenant in tenants
        ]
        return numbered[::-1][:limit]
