import asyncio

import pytest

from bridge.flow.metrics import Metrics
from bridge.flow.supervision import Part, SupervisionOptions, Supervisor
from bridge.model.errors import ConflictError

FAST = SupervisionOptions(backoff_first_s=0.001, backoff_max_s=0.01, stop_s=0.2)


async def test_a_failing_part_is_restarted_and_reported():
    """It comes back by itself, is counted, and says meanwhile what is wrong."""
    runs, second = [], asyncio.Event()

    async def flaky() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("once")
        second.set()
        await asyncio.Event().wait()

    metrics = Metrics()
    supervisor = Supervisor([Part("flaky", flaky)], metrics, FAST)
    assert "flaky" in supervisor.reasons()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run())
        await second.wait()
        assert supervisor.status["flaky"].restarts == 1
        assert "RuntimeError: once" in supervisor.status["flaky"].detail
        assert supervisor.reasons() == {}
        task.cancel()
    assert (
        metrics.registry.get_sample_value("bridge_part_restarts_total", {"part": "flaky"}) == 1
    )


async def test_a_part_that_ends_by_itself_is_restarted():
    """Silence is not success: a part runs until it is cancelled."""
    runs, third = [], asyncio.Event()

    async def short() -> None:
        runs.append(1)
        if len(runs) == 3:
            third.set()
            await asyncio.Event().wait()

    supervisor = Supervisor([Part("short", short)], Metrics(), FAST)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run())
        await third.wait()
        task.cancel()


async def test_a_conflict_ends_the_service():
    """Two services on one session would only throw each other out."""

    async def taken() -> None:
        raise ConflictError("client id bridge is in use")

    async def well() -> None:
        await asyncio.Event().wait()

    supervisor = Supervisor([Part("well", well), Part("taken", taken)], Metrics(), FAST)
    with pytest.raises(ExceptionGroup) as caught:
        await supervisor.run()
    assert caught.group_contains(ConflictError, match="in use")


async def test_parts_stop_in_the_reverse_order_of_start():
    """What feeds is stopped before what is fed."""
    order: list[str] = []

    def part(name: str) -> Part:
        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                order.append(name)

        return Part(name, run)

    supervisor = Supervisor([part("desk"), part("intake")], Metrics(), FAST)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert order == ["intake", "desk"]
