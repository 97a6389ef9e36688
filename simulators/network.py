"""What networks do to messages: repeats, disorder, gaps, wrong clocks, late blocks.

A pure transformation of a stream of messages; all chance comes from the generator handed in.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

import numpy as np

from simulators.publish import Message, encoded


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
    gap : float
        Probability, per message, that the device loses `block_rows` messages in a row.
    late_block : float
        Probability, per message, that the device holds `block_rows` messages back and sends
        them in one go afterwards.
    block_rows : int
        Length of a gap or late block, messages.
    clock_skew_s : float
        Constant offset of the clock of every fourth device, seconds.

    Raises
    ------
    ValueError
        A probability is outside [0, 1], or a block is empty.
    """

    duplicate: float = 0.0
    reorder: float = 0.0
    lose: float = 0.0
    gap: float = 0.0
    late_block: float = 0.0
    block_rows: int = 24
    clock_skew_s: float = 0.0

    def __post_init__(self) -> None:
        for name in [each.name for each in fields(self)][:5]:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: 0 to 1 is allowed")
        if self.block_rows < 1:
            raise ValueError(f"block_rows {self.block_rows}: 1 or more is allowed")


@dataclass(slots=True)
class Network:
    """Applies the faults to messages; keeps what it holds back between calls.

    Every message that comes in is, in the end, sent or lost: after `flush`, `offered` is
    `sent + lost`, and `sent + duplicated` have come out.

    Attributes
    ----------
    faults : NetworkFaults
        What happens.
    rng : np.random.Generator
        Where chance comes from.
    offered, sent, duplicated, lost : int
        Messages that came in; that went out, second copies not counted; second copies; never.
    reordered, late : int
        Of those sent: behind a later one of their topic; as part of a late block.
    """

    faults: NetworkFaults
    rng: np.random.Generator
    offered: int = 0
    sent: int = 0
    duplicated: int = 0
    lost: int = 0
    reordered: int = 0
    late: int = 0
    _gaps: dict[str, int] = field(default_factory=dict)
    _blocks: dict[str, list[Message]] = field(default_factory=dict)
    _waiting: dict[str, Message] = field(default_factory=dict)

    def through(self, stream: Iterable[Message]) -> Iterator[Message]:
        """Yield what arrives at the broker, in the order of arrival."""
        for message in stream:
            self.offered += 1
            if self._is_lost(message.topic):
                self.lost += 1
                continue
            for out in self._one(self._skewed(message)):
                yield from self._out(out)

    def flush(self) -> Iterator[Message]:
        """Yield what is still held back, at the end of a run."""
        held = [*self._waiting.values()]
        for block in self._blocks.values():
            self.late += len(block)
            held += block
        self._waiting.clear()
        self._blocks.clear()
        for message in held:
            yield from self._out(message)

    def _out(self, message: Message) -> Iterator[Message]:
        self.sent += 1
        yield message
        if self.rng.random() < self.faults.duplicate:
            self.duplicated += 1
            yield message

    def _is_lost(self, topic: str) -> bool:
        left = self._gaps.pop(topic, 0)
        if not left and self.rng.random() < self.faults.gap:
            left = self.faults.block_rows
        if left > 1:
            self._gaps[topic] = left - 1
        return left > 0 or self.rng.random() < self.faults.lose

    def _one(self, message: Message) -> Iterator[Message]:
        topic = message.topic
        block = self._blocks.get(topic)
        if block is None and self.rng.random() < self.faults.late_block:
            block = self._blocks[topic] = []
        if block is not None:
            block.append(message)
            if len(block) >= self.faults.block_rows:
                self.late += len(block)
                yield from self._blocks.pop(topic)
            return
        waiting = self._waiting.pop(topic, None)
        if waiting is None and self.rng.random() < self.faults.reorder:
            self._waiting[topic] = message
            return
        yield message
        if waiting is not None:
            self.reordered += 1
            yield waiting

    def _skewed(self, message: Message) -> Message:
        skew_ms = int(self.faults.clock_skew_s * 1000)
        if not skew_ms or not is_skewed(message.topic):
            return message
        rows = json.loads(message.payload)["rows"]
        moved = [{**row, "t": row["t"] + skew_ms} for row in rows]
        return replace(message, payload=encoded(moved))


def is_skewed(topic: str) -> bool:
    """Return whether the device behind a topic has a wrong clock; every fourth has."""
    return sum(topic.encode()) % 4 == 0
