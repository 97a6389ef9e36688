"""The live stream: a tenant's events as server-sent events, resumed where the reader left off.

Notes
-----
Each event carries its sequence number as its id, so a browser that lost its connection says in
``Last-Event-ID`` what it has seen and gets the rest [HTML, 9.2 Server-sent events].
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from bridge.flow.ports import StoredEvent
from bridge.model.errors import UnavailableError
from bridge.web.context import WebContext

_BATCH = 200
_PAUSE_S = 0.2
"""Least time between two looks: the store wakes everybody for events of any tenant."""


async def follow(context: WebContext, tenant: str, after: int) -> AsyncIterator[bytes]:
    """Yield the tenant's events later than `after`, and a comment after a long silence.

    It ends when the reader goes away, or after `WebOptions.stream_max_s`: the reader comes back
    by itself and has to be known anew.
    """
    yield b"retry: 2000\n: connected\n\n"
    said = time.monotonic()
    end = said + context.options.stream_max_s
    while time.monotonic() < end:
        try:
            found = await context.views.events(tenant, after=after, limit=_BATCH)
            for each in found:
                after = max(after, each.seq)
                yield _message(each)
                said = time.monotonic()
            if not found:
                left_s = said + context.options.heartbeat_s - time.monotonic()
                await context.views.wait_events(after=after, timeout_s=max(left_s, _PAUSE_S))
                await asyncio.sleep(_PAUSE_S)
        except UnavailableError as error:
            await asyncio.sleep(error.retry_after_s)
        if time.monotonic() - said >= context.options.heartbeat_s:
            yield b": still here\n\n"
            said = time.monotonic()


def _message(stored: StoredEvent) -> bytes:
    event = stored.event
    content = {
        "seq": stored.seq,
        "type": event.type,
        "case": str(event.case) if event.case else None,
        "at": event.at.isoformat(),
        "by": event.by,
    }
    return f"id: {stored.seq}\ndata: {json.dumps(content)}\n\n".encode()
