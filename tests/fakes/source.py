"""A source in memory: what is put in comes out, and what is acknowledged is noted."""

import asyncio
from typing import Self

from bridge.flow.ports import Delivery, SourceStatus
from bridge.model.samples import Messages

RECEIVE_NS = 1_800_000_000 * 10**9


class FakeSource:
    """Hands out what `put` was given; ``acknowledged`` lists the tokens 1, 2, ... in order."""

    def __init__(self) -> None:
        self.status = SourceStatus(connected=True)
        self.acknowledged: list[object] = []
        self._count = 0
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    def put(self, *messages: tuple[str, bytes]) -> None:
        """Add one delivery."""
        self._count += 1
        topics, payloads = [list(column) for column in zip(*messages, strict=True)]
        self._queue.put_nowait(Delivery(Messages(topics, payloads, RECEIVE_NS), self._count))

    async def receive(self) -> Delivery:
        """Wait for the next delivery."""
        return await self._queue.get()

    def acknowledge(self, delivery: Delivery) -> None:
        """Note it."""
        self.acknowledged.append(delivery.token)
