"""Ports of the telemetry: source, journal, series store."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from bridge.model.samples import DeadLetter, Messages, Samples
from bridge.model.slots import SignalSlot


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages of one read and the token that acknowledges them.

    Parameters
    ----------
    messages : Messages
        What came, in the order of arrival.
    token : object
        The source's own; handed back to `Source.acknowledge` once the journal has committed.
    """

    messages: Messages
    token: object


@dataclass(slots=True)
class SourceStatus:
    """What a source can say of itself, for metrics and `/readyz`."""

    connected: bool = False
    since_ns: int = 0
    received: int = 0
    unacknowledged: int = 0
    reconnects: int = 0
    session_lost: int = 0
    broker_dropped: int | None = None
    detail: str = "not started"


class Source(Protocol):
    """A subscription to a broker with a persistent session; reconnects by itself with back-off.

    Used as an async context manager: entering connects (raises `ConflictError` where the client
    id is in use by a live bridge as far as it can be known), leaving disconnects and keeps the
    session at the broker.
    """

    status: SourceStatus

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def receive(self) -> Delivery:
        """Wait for the next messages; a cancelled call loses none of them."""
        ...

    def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge, in the order received [MQTT-4.6.0-2]; old deliveries are passed over."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What is appended: a blob of samples (`bridge.codec.blob`) or a control record (JSON)."""

    kind: Literal["samples", "control"]
    tenant: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What is read back; offsets start at 1 and only grow."""

    offset: int
    kind: Literal["samples", "control"]
    tenant: str
    body: bytes


@dataclass(frozen=True, slots=True)
class JournalUsage:
    """How full the journal is and where its readers stand."""

    used_bytes: int
    cap_bytes: int
    first_offset: int
    last_offset: int
    readers: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0


class Journal(Protocol):
    """An append-only log: what is committed here is acknowledged to the broker."""

    async def append(
        self,
        entries: Sequence[Entry],
        *,
        slots: Sequence[SignalSlot] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> int:
        """Commit all of it durably in one transaction and return the last offset.

        Raises
        ------
        JournalFullError
            At the cap; nothing was written. Control records and dead letters alone still are.
        """
        ...

    async def read(self, after: int, *, limit: int = 64) -> list[Record]:
        """Return up to `limit` records with an offset greater than `after`, in order."""
        ...

    async def wait(self, after: int, *, timeout_s: float) -> bool:
        """Wait until a record later than `after` may be there; False when time ran out."""
        ...

    async def slots(self, after: int = 0) -> list[SignalSlot]:
        """Return the slots from number `after` on."""
        ...

    async def position(self, reader: str) -> int:
        """Return the offset up to which a reader has finished; 0 at first."""
        ...

    async def finish(self, reader: str, offset: int) -> None:
        """Note that a reader has finished up to an offset; it never moves back."""
        ...

    async def trim(self, readers: Sequence[str]) -> int:
        """Remove what all named readers have finished; return how many records went."""
        ...

    async def usage(self) -> JournalUsage:
        """Return how full it is."""
        ...

    async def dead_letters(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        tenants: Collection[str] | None = None,
    ) -> list[tuple[int, DeadLetter]]:
        """Return dead letters by number, the newest first, older than number `before`.

        Of these tenants alone; "" is that of letters whose topic told none, None is all.
        """
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows the store will never take, with its reason."""

    rows: NDArray[np.int64]
    reason: str


@dataclass(frozen=True, slots=True)
class Series:
    """One signal over time, reduced for plotting: mean, least and greatest per bucket.

    Parameters
    ----------
    t_ns : NDArray[np.int64], shape (n,)
        Start of each bucket, or the sample's time where no reduction was needed.
    mean, low, high : NDArray[np.float64], shape (n,)
        In the unit of the signal; equal where a bucket holds one sample.
    """

    t_ns: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long samples are kept raw and as means; 0 keeps for ever."""

    raw_days: float = 400
    downsampled_days: float = 0
    downsample_s: float = 3600


class SeriesStore(Protocol):
    """Where series are kept; a sample is (tenant, asset, signal, t), writing twice is once.

    Derived series of the watch use reserved signal names that begin with ``~``: ``~score``,
    ``~health``.

    Attributes
    ----------
    keeps_position : bool
        Whether `position` comes from the store; where not, the journal's position counts.
    """

    keeps_position: bool

    async def write(
        self, batch: Samples, slots: Sequence[SignalSlot], *, offset: int | None
    ) -> list[Refused]:
        """Write a batch; `slots[i]` is the signal of slot i, and the offset goes with it.

        The offset is kept in the same transaction where the store can.

        Returns what was refused for ever (rows of the batch); the rest is durable.
        """
        ...

    async def position(self) -> int:
        """Return the last offset that is durable here, or 0 where the store cannot keep it."""
        ...

    async def query(
        self,
        tenant: str,
        asset: str,
        signals: Sequence[str],
        *,
        start_ns: int,
        end_ns: int,
        points_max: int = 800,
    ) -> dict[str, Series]:
        """Return each signal in [start, end), reduced to at most `points_max` buckets."""
        ...

    async def signals(self, tenant: str, asset: str) -> list[str]:
        """Return the names of an asset's stored signals, sorted."""
        ...

    def scan(
        self, tenant: str, *, start_ns: int, end_ns: int, assets: Sequence[str] | None = None
    ) -> AsyncIterator[tuple[list[SignalSlot], Samples]]:
        """Yield raw samples in time order, block by block (replay, relearning, export)."""
        ...

    async def keep(self, retention: Retention, *, now_ns: int) -> int:
        """Downsample and remove what is older than the retention says; return rows removed."""
        ...

    async def ping(self) -> str:
        """Return the store's name and version; raises `UnavailableError` with what to do."""
        ...

    async def close(self) -> None:
        """Release it."""
        ...
