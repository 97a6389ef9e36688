"""Telemetry as columns: what flows from the codec to the journal, the archive and the watch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Slots32 = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Messages:
    """What one read of a source delivered, undecoded.

    Parameters
    ----------
    topics : list of str
        Topic of each message.
    payloads : list of bytes
        Payload of each message, same length.
    receive_ns : int
        When they were read, by the bridge's clock, nanoseconds since the Unix epoch.
    """

    topics: list[str]
    payloads: list[bytes]
    receive_ns: int

    def __len__(self) -> int:
        return len(self.topics)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of many signals of one tenant, one column per field.

    Parameters
    ----------
    signal : NDArray[np.int32], shape (n,)
        Slot of each sample's signal (`bridge.model.slots`); the slot implies tenant and asset.
    t_ns : NDArray[np.int64], shape (n,)
        Event time (the device's), nanoseconds since the Unix epoch, in order of arrival.
    value : NDArray[np.float64], shape (n,)
        Reading in the unit of its signal; NaN means "sent as missing".
    receive_ns : int
        When the batch was received, by the bridge's clock.

    Raises
    ------
    ValueError
        If the columns differ in length.
    """

    signal: Slots32
    t_ns: Times
    value: Values
    receive_ns: int

    def __post_init__(self) -> None:
        n = self.signal.shape[0]
        if self.t_ns.shape != (n,) or self.value.shape != (n,):
            raise ValueError(
                f"columns differ: signal {self.signal.shape}, t_ns {self.t_ns.shape}, "
                f"value {self.value.shape}"
            )

    def __len__(self) -> int:
        return int(self.signal.shape[0])


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be taken in, kept with its reason.

    Parameters
    ----------
    tenant, topic : str
        Where it came from; tenant is empty where the topic told none.
    payload : bytes
        As it came, cut to the configured size.
    reason, detail : str
        A word of a closed set (a metric label), and the sentence for a person.
    at_ns : int
        When it was received.
    """

    tenant: str
    topic: str
    payload: bytes
    reason: str
    detail: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """At most one row per asset, all assets of one group (same signals in the same order).

    Parameters
    ----------
    slot : NDArray[np.int32], shape (n,)
        Row of each asset in its group's state; unique within a frame.
    t_ns : NDArray[np.int64], shape (n,)
        Event time of each row.
    value : NDArray[np.float64], shape (n, k)
        Readings; NaN means missing or not to be used.
    quality : NDArray[np.uint8], shape (n, k)
        `bridge.model.quality` codes; 0 is good.
    """

    slot: Slots32
    t_ns: Times
    value: Values
    quality: NDArray[np.uint8]

    def __len__(self) -> int:
        return int(self.slot.shape[0])
