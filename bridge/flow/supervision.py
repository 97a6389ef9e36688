"""Keeps the parts running: one that fails is restarted with back-off and reported."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from bridge.flow.metrics import Metrics
from bridge.model.errors import ConflictError, UnavailableError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until it is cancelled.

    Parameters
    ----------
    name : str
        What logs, metrics and `/readyz` call it.
    run : callable
        Runs it; called again after an exception.
    """

    name: str
    run: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class PartStatus:
    """How a part stands."""

    state: Literal["starting", "running", "restarting", "failed", "stopped"] = "starting"
    restarts: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SupervisionOptions:
    """When and how often a failed part is tried again.

    Parameters
    ----------
    backoff_first_s, backoff_max_s : float
        Wait before the first restart and the ceiling of later ones; doubled in between.
    calm_s : float
        A part that ran this long starts its back-off anew.
    stop_s : float
        How long one part may take to stop.
    """

    backoff_first_s: float = 0.5
    backoff_max_s: float = 30.0
    calm_s: float = 60.0
    stop_s: float = 2.0


class Supervisor:
    """Runs parts side by side.

    Parameters
    ----------
    parts : list of Part
        In the order of start; they stop in the reverse order.
    metrics : Metrics
        Counts restarts.

    Raises
    ------
    ConflictError
        From `run`, where a part finds that another service holds what it needs; restarting
        would only make two services fight.
    """

    def __init__(
        self,
        parts: list[Part],
        metrics: Metrics,
        options: SupervisionOptions = SupervisionOptions(),
    ) -> None:
        self._parts = parts
        self._metrics = metrics
        self._options = options
        self.status = {part.name: PartStatus() for part in parts}

    def reasons(self) -> dict[str, str]:
        """Return by part why it is not running; empty when all run."""
        return {
            name: f"{status.state}: {status.detail}".rstrip(": ")
            for name, status in self.status.items()
            if status.state != "running"
        }

    async def run(self) -> None:
        """Run all parts until cancelled; on the way out stop the last started first."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._keep(part), name=f"part {part.name}")
                for part in self._parts
            ]
            try:
                await asyncio.Event().wait()
            finally:
                for part, task in reversed(list(zip(self._parts, tasks, strict=True))):
                    await self._stop(part, task)

    async def _stop(self, part: Part, task: asyncio.Task[None]) -> None:
        task.cancel()
        _, late = await asyncio.wait({task}, timeout=self._options.stop_s)
        self.status[part.name].state = "stopped"
        if late:
            log.warning("part stopped late", part=part.name, limit_s=self._options.stop_s)

    async def _keep(self, part: Part) -> None:
        status, options = self.status[part.name], self._options
        backoff_s = options.backoff_first_s
        while True:
            status.state, started_s = "running", time.monotonic()
            self._metrics.up.labels(part.name).set(1)
            try:
                await part.run()
                detail = "ended by itself"
            except ConflictError as error:
                status.state, status.detail = "failed", str(error)
                raise
            except UnavailableError as error:
                detail = str(error)
                backoff_s = max(backoff_s, error.retry_after_s)
            except Exception as error:
                detail = f"{type(error).__name__}: {error}"
                log.exception("part failed", part=part.name)
            self._metrics.up.labels(part.name).set(0)
            self._metrics.restarts.labels(part.name).inc()
            if time.monotonic() - started_s > options.calm_s:
                backoff_s = options.backoff_first_s
            status.state, status.detail = "restarting", detail
            status.restarts += 1
            wait_s = backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            log.warning(
                "part restarting", part=part.name, detail=detail, wait_s=round(wait_s, 2)
            )
            await asyncio.sleep(wait_s)
            backoff_s = min(backoff_s * 2, options.backoff_max_s)
