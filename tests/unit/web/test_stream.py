"""The live stream: only the tenant's events, in order, resumed where the reader left off."""

import asyncio
import json

import pytest

from bridge.cases.inputs import ActRequested
from bridge.model.errors import UnavailableError
from bridge.web.stream import follow
from tests.fakes.showroom import NOW, a_context

HEARTBEAT_S = 0.3


@pytest.fixture
def context():
    """Give a context whose stream is never silent for long."""
    return a_context(demo=False, heartbeat_s=HEARTBEAT_S)


async def take(stream, count: int) -> list[dict]:
    """Return the next events of a stream, comments left out."""
    found = []
    async with asyncio.timeout(5):
        while len(found) < count:
            text = (await anext(stream)).decode()
            if text.startswith("id:"):
                number, content = text.split("\n")[:2]
                found.append(json.loads(content.removeprefix("data: ")))
                assert found[-1]["seq"] == int(number.removeprefix("id: "))
    return found


async def act(context, do: str = "acknowledge") -> None:
    """Let somebody act on the first case."""
    case = await context.views.case_by_number("default", 2041)
    asked = ActRequested(id=case.id, tenant="default", at=NOW, by="fe-1", case=case.id, do=do)
    await context.inbox.submit(asked)


async def test_what_happens_arrives(context):
    """An act that happens while somebody follows arrives as its event."""
    last = await context.views.last_event("default")
    stream = follow(context, "default", last)
    await anext(stream)
    async with asyncio.TaskGroup() as group:
        arrived = group.create_task(take(stream, 1))
        await asyncio.sleep(0)
        await act(context)
    event = arrived.result()[0]
    assert (event["type"], event["by"]) == ("acted", "fe-1")
    await stream.aclose()


async def test_a_reader_gets_the_rest(context):
    """Who names the last event seen gets every later one, once and in order."""
    stream = follow(context, "default", 2)
    found = await take(stream, 3)
    assert [each["seq"] for each in found] == [3, 4, 5]
    await stream.aclose()


async def test_other_tenants_are_not_heard(context):
    """Events of another tenant never show, while the stream goes on."""
    stream = follow(context, "other", 0)
    found = await take(stream, 1)
    assert found[0]["type"] == "case-opened"
    await act(context)
    text = ""
    async with asyncio.timeout(5):
        while not text.startswith(": still"):
            text = (await anext(stream)).decode()
            assert not text.startswith("id:")
    await stream.aclose()


async def test_silence_is_broken(context):
    """A stream on which nothing happens says so, that proxies keep it open."""
    stream = follow(context, "default", await context.views.last_event("default"))
    await anext(stream)
    async with asyncio.timeout(5):
        assert (await anext(stream)).startswith(b":")
    await stream.aclose()


async def test_a_store_that_is_away_is_waited_for(context):
    """While the records are away the stream stays open and goes on afterwards."""
    views = context.views
    good = views.events
    calls = []

    async def away(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise UnavailableError("records", "away", retry_after_s=0.01)
        return await good(*args, **kwargs)

    views.events = away
    stream = follow(context, "default", 0)
    assert (await take(stream, 1))[0]["seq"] == 1
    await stream.aclose()


async def test_a_stream_ends_after_its_time():
    """A stream lasts no longer than its time, so that who may no longer read is found out."""
    context = a_context(demo=False, heartbeat_s=HEARTBEAT_S, stream_max_s=0.3)
    async with asyncio.timeout(5):
        texts = [text async for text in follow(context, "default", 0)]
    assert sum(text.startswith(b"id:") for text in texts) == 6
