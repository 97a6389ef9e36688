"""What networks do to messages on their way: repeats, disorder, gaps, wrong clocks, late blocks.

A pure transformation of a stream of messages; everything random comes from the generator handed in.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from simulators.publish import Message


@dataclass(frozen=True, slots=True)
class NetworkFaults:
    """How often what happens; all zero is a perfect network.

    Parameters
    ----------
    duplicate : float
        Probability that a message is sent twice.
    reorder : float
        Probability that a message changes places with the next of its topic.
    lose : float
        Probability that a message never leaves the device.
    late_block : float
        Probability, per message, that the device starts holding `late_rows` messages back and sends
        them in one go afterwards.
    late_rows : int
        Length of such a block.
    clock_skew_s : float
        Constant offset of the clock of every fourth device, in seconds.
    """

    duplicate: float = 0.0
    reorder: float = 0.0
    lose: float = 0.0
    late_block: float = 0.0
    late_rows: int = 24
    clock_skew_s: float = 0.0


@dataclass(slots=True)
class Network:
    """Applies the faults to messages; keeps what it holds back between calls.

    Attributes
    ----------
    sent, duplicated, lost, held : int
        Counts, so that a test can say what ought to have arrived.
    """

    faults: NetworkFaults
    rng: np.random.Generator
    sent: int = 0
    duplicated: int = 0
    lost: int = 0
    held: int = 0
    _late: dict[str, list[Message]] = field(default_factory=dict)
    _swapped: dict[str, Message] = field(default_factory=dict)

    def through(self, stream: Iterable[Message]) -> Iterator[Message]:
        """Yield what arrives at the broker, in the order of arrival."""
        for message in stream:
            for out in self._one(self._skewed(message)):
                self.sent += 1
                yield out
                if self.rng.random() < self.faults.duplicate:
                    self.duplicated += 1
                    yield out

    def flush(self) -> Iterator[Message]:
        """Yield what is still held back, at the end of a run."""
        for late in self._late.values():
            yield from late
        yield from self._swapped.values()
        self._late.clear()
        self._swapped.clear()

    def _one(self, message: Message) -> Iterator[Message]:
        if self.rng.random() < self.faults.lose:
            self.lost += 1
            return
        block = self._late.get(message.topic)
        if block is None and self.rng.random() < self.faults.late_block:
            block = self._late[message.topic] = []
        if block is not None:
            block.append(message)
            self.held += 1
            if len(block) >= self.faults.late_rows:
                yield from self._late.pop(message.topic)
            return
        waiting = self._swapped.pop(message.topic, None)
        if waiting is None and self.rng.random() < self.faults.reorder:
            self._swapped[message.topic] = message
            return
        yield message
        if waiting is not None:
            yield waiting

    def _skewed(self, message: Message) -> Message:
        skew_ms = int(self.faults.clock_skew_s * 1000)
        if not skew_ms or sum(message.topic.encode()) % 4:
            return message
        body = json.loads(message.payload)
        for row in body["rows"]:
            row["t"] += skew_ms
        return replace(message, payload=json.dumps(body, separators=(",", ":")).encode())
