"""What pages and REST are given: ports, options and wording, as one frozen value."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bridge.flow.clock import Clock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import (
    CatalogStore,
    Demo,
    Inbox,
    Journal,
    People,
    SeriesStore,
    Views,
)
from bridge.model.case import Case
from bridge.model.instants import as_datetime
from bridge.model.values import Side


class Texts(Protocol):
    """Says a case in the words of one side; `bridge.cases.wording` does it."""

    def sentence(self, case: Case, *, side: Side, language: str, zone: str) -> str:
        """Return the case in one sentence."""
        ...

    def task_text(self, case: Case, *, side: Side, language: str, zone: str) -> str:
        """Return what the owner of a side's task needs to read."""
        ...

    def blocks(self, case: Case, side: Side, language: str, zone: str) -> list[tuple[str, str]]:
        """Return the paragraphs of that text with their headings."""
        ...

    def next_step(self, case: Case, *, side: Side, language: str, zone: str) -> str:
        """Return the next action of a side, in that side's words."""
        ...


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Limits and spans of the pages and the REST.

    Parameters
    ----------
    session_hours : float
        How long a sign-in lasts.
    outcome_timeout_s : float
        How long a request waits for the desk before it answers 503; asking again with the
        same key is safe.
    stream_max_s : float
        How long a stream lasts before its reader has to come again and be known anew.
    heartbeat_s : float
        Longest silence of the event stream.
    page_max : int
        Most items of one page of a list.
    points_max : int
        Most points of one series in one answer.
    body_bytes_max, catalog_bytes_max : int
        Largest body of a request; that of a catalog.
    origins : tuple of str
        Origins besides the request's own host whose pages may act with a session's cookie:
        for a proxy that rewrites the host.
    """

    session_hours: float = 12
    outcome_timeout_s: float = 10
    stream_max_s: float = 3_600
    heartbeat_s: float = 15
    page_max: int = 200
    points_max: int = 2_000
    body_bytes_max: int = 1 << 20
    catalog_bytes_max: int = 32 << 20
    origins: tuple[str, ...] = ()


def _always_ready() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class WebContext:
    """Everything that the pages and the REST rest on.

    Parameters
    ----------
    ready : callable
        Reasons by part why the service is not ready; empty means ready.
    demo : Demo or None
        The demo's clock and seats; None in a real service.
    secure : bool
        Whether cookies travel over TLS only; true everywhere but on loopback.
    tenant : str
        Whose people sign in where the form names no tenant.
    """

    views: Views
    inbox: Inbox
    people: People
    catalogs: CatalogStore
    series: SeriesStore
    journal: Journal
    clock: Clock
    metrics: Metrics
    texts: Texts
    ready: Callable[[], dict[str, str]] = _always_ready
    demo: Demo | None = None
    secure: bool = True
    tenant: str = "default"
    options: WebOptions = field(default_factory=WebOptions)

    def now(self) -> datetime:
        """Return the bridge's time."""
        return as_datetime(self.clock.now_ns())
