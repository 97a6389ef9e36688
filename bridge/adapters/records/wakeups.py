"""Wakes whoever waits for rows: at once in this process, by a look across processes."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable


class Wakeups:
    """Topics that can be waited on.

    Parameters
    ----------
    poll_s : float
        How often a waiter looks by itself, because another process rings no bell here.

    Notes
    -----
    A waiter takes its bell before it looks: what is stored between look and wait rings it.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._bells: dict[str, set[asyncio.Event]] = defaultdict(set)

    def ring(self, topic: str) -> None:
        """Wake all who wait on a topic."""
        for bell in self._bells.get(topic, ()):
            bell.set()

    async def wait(
        self, topic: str, look: Callable[[], Awaitable[bool]], *, timeout_s: float
    ) -> bool:
        """Wait until `look` says yes; False when time ran out."""
        deadline = time.monotonic() + timeout_s
        bell = asyncio.Event()
        self._bells[topic].add(bell)
        try:
            while True:
                bell.clear()
                if await look():
                    return True
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                try:
                    async with asyncio.timeout(min(left_s, self._poll_s)):
                        await bell.wait()
                except TimeoutError:
                    continue
        finally:
            self._bells[topic].discard(bell)
            if not self._bells[topic]:
                del self._bells[topic]
