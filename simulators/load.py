"""A load generator: many machines, one connection, as many messages as wanted.

The machines show nothing but noise around a level each; for machines that fail, see the fleet
simulator.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import mqtt5
import numpy as np
import typer
from typing_extensions import override

CHUNK = 500
"""Messages written at a time."""
WINDOW = 20_000
"""Messages on their way without an answer, at QoS 1."""
PACKET_IDS = 60_000
PACE_S = 0.005
CONNECT_S = 10.0
REFUSED = 0x80
SIGNALS = ("temp", "vib", "press", "cur")

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Load:
    """What to send and where to.

    Parameters
    ----------
    topic : str
        Of one machine; ``{machine}`` stands for its name.
    machines, signals : int
        How many; machines take turns.
    count : int
        Messages in all; 0 sends until `duration_s` is over.
    duration_s : float
        0 sends until `count` is reached.
    rate : float
        Messages per second; 0 sends as fast as the broker takes them.
    start_ns, step_ms : int
        Time of the first message, and between two messages of one machine; 0 steps in real
        time.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password: str = ""
    client_id: str = "load"
    topic: str = "plant/a/{machine}/telemetry"
    machines: int = 1_000
    signals: int = 4
    qos: int = 1
    count: int = 0
    duration_s: float = 0.0
    rate: float = 0.0
    start_ns: int = 0
    step_ms: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.count <= 0 and self.duration_s <= 0:
            raise ValueError("count or duration_s must be above 0, or it would never end")
        if self.qos not in (0, 1):
            raise ValueError(f"qos {self.qos}: 0 or 1 is allowed")
        if self.machines < 1 or self.signals < 1:
            raise ValueError("machines and signals: at least 1 is allowed")


@dataclass(slots=True)
class LoadReport:
    """What was sent and what the broker said; `refused` are answers with an error."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rate: float = 0.0
    detail: str = ""


def run(load: Load, *, progress: Callable[[LoadReport], None] | None = None) -> LoadReport:
    """Send it all; raises OSError or TimeoutError where there is no broker."""
    return asyncio.run(send(load, progress=progress))


async def send(
    load: Load, *, progress: Callable[[LoadReport], None] | None = None
) -> LoadReport:
    """Send it all inside a running loop; `progress` is called about once a second."""
    loop = asyncio.get_running_loop()
    wire = _Wire()
    async with asyncio.timeout(CONNECT_S):
        await loop.create_connection(lambda: wire, load.host, load.port)
        await wire.introduce(load)
    report, started_s, cpu_s = wire.report, loop.time(), time.process_time()
    machines = _Machines(load)
    shown_s = started_s
    try:
        while not wire.closed.is_set():
            elapsed_s = loop.time() - started_s
            if 0 < load.duration_s <= elapsed_s or 0 < load.count <= report.sent:
                break
            if progress is not None and loop.time() - shown_s >= 1.0:
                shown_s = loop.time()
                progress(report)
            due = _due(load, report.sent, elapsed_s)
            if due and await wire.room(load.qos):
                wire.send(machines.packets(report.sent, due))
                report.sent += due
            else:
                await asyncio.sleep(PACE_S)
        await wire.answered(load.qos)
    finally:
        report.wall_s = loop.time() - started_s
        report.cpu_s = time.process_time() - cpu_s
        report.rate = report.sent / report.wall_s if report.wall_s else 0.0
        wire.close()
    return report


@app.callback(invoke_without_command=True)
def command(  # noqa: PLR0913 - one option each
    *,
    host: Annotated[str, typer.Option(help="Broker.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.")] = 1883,
    username: Annotated[str, typer.Option(help="User at the broker.")] = "",
    password: Annotated[str, typer.Option(envvar="LOAD_PASSWORD", help="Password.")] = "",
    topic: Annotated[
        str, typer.Option(help="{machine} is its name.")
    ] = "plant/a/{machine}/telemetry",
    machines: Annotated[int, typer.Option(help="How many machines take turns.")] = 1_000,
    signals: Annotated[int, typer.Option(help="Signals of each message.")] = 4,
    qos: Annotated[int, typer.Option(help="0 or 1.")] = 1,
    rate: Annotated[float, typer.Option(help="Messages per second; 0: all it takes.")] = 0.0,
    count: Annotated[int, typer.Option(help="Messages in all.")] = 0,
    duration: Annotated[float, typer.Option(help="Seconds, if no count.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Send many messages of many machines and report what the broker acknowledged."""
    try:
        load = Load(
            host=host, port=port, username=username, password=password, topic=topic,
            machines=machines, signals=signals, qos=qos, rate=rate, count=count,
            duration_s=duration,
        )  # fmt: skip
        report = run(load, progress=None if as_json else _show)
    except (ValueError, OSError, TimeoutError) as error:
        typer.echo(f"{host}:{port}: {str(error) or 'no answer'}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(asdict(report)) if as_json else _words(report))
    if report.detail or report.refused:
        raise typer.Exit(1)


class _Machines:
    """Makes the packets, chunk by chunk."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._rng = np.random.default_rng(load.seed)
        names = [f"press-{number:04d}" for number in range(load.machines)]
        self._names = names
        self._topics = [load.topic.replace("{machine}", name) for name in names]
        self._level = self._rng.uniform(10.0, 90.0, (load.machines, load.signals))
        signals = [
            *SIGNALS[: load.signals],
            *(f"s{number:02d}" for number in range(len(SIGNALS), load.signals)),
        ]
        values = ", ".join(f'"{signal}": %.3f' for signal in signals)
        self._body = '{"ts": %d, "machine": "%s", "seq": %d, "values": {' + values + "}}"
        # A device stamps by its own clock.
        self._start_ms = (load.start_ns or time.time_ns()) // 1_000_000  # noqa: TID251
        self._started_s = time.monotonic()

    def packets(self, first: int, count: int) -> bytes:
        """Return the packets of messages `first`, `first + 1`, ..."""
        load = self._load
        machine = np.arange(first, first + count) % load.machines
        noise = self._rng.normal(0.0, 1.0, (count, load.signals))
        rows = (self._level[machine] + noise).tolist()
        now_ms = self._start_ms + int((time.monotonic() - self._started_s) * 1e3)
        qos = mqtt5.QoS(load.qos)
        out = []
        for number, which, row in zip(
            range(first, first + count), machine.tolist(), rows, strict=True
        ):
            turn_ms = number // load.machines * load.step_ms
            t_ms = self._start_ms + turn_ms if load.step_ms else now_ms
            body = self._body % (t_ms, self._names[which], number, *row)
            packet_id = number % PACKET_IDS + 1 if load.qos else None
            out.append(
                mqtt5.PublishPacket(
                    self._topics[which], body.encode(), qos=qos, packet_id=packet_id
                ).write()
            )
        return b"".join(out)


class _Wire(asyncio.Protocol):
    """The connection: counts the answers and says when there is room for more."""

    def __init__(self) -> None:
        self.report = LoadReport()
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._changed = asyncio.Event()
        self._writable = True
        self._connack: mqtt5.ConnAckPacket | None = None
        self._window = WINDOW

    async def introduce(self, load: Load) -> None:
        """Connect as a clean client; raises ConnectionError where the broker refuses."""
        packet = mqtt5.ConnectPacket(
            load.client_id, clean_start=True, username=load.username or None,
            password=load.password.encode() or None,
        )  # fmt: skip
        self.send(packet.write())
        while self._connack is None and not self.closed.is_set():
            await self._wait()
        connack = self._connack
        if connack is None or connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            reason = "closed" if connack is None else connack.reason_code.name
            raise ConnectionError(f"the broker refused: {reason}")
        self._window = min(WINDOW, connack.receive_max)

    async def room(self, qos: int) -> bool:
        """Wait until a chunk may be sent; False where the connection is gone."""
        report = self.report
        while not self.closed.is_set():
            open_count = report.sent - report.acknowledged if qos else 0
            if self._writable and open_count + CHUNK <= max(self._window, CHUNK):
                return True
            await self._wait()
        return False

    async def answered(self, qos: int) -> None:
        """Wait until all is answered and written, at most some seconds without progress."""
        report = self.report
        while qos and report.acknowledged < report.sent and not self.closed.is_set():
            before = report.acknowledged
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._wait()
            except TimeoutError:
                if report.acknowledged == before:
                    report.detail = f"{report.sent - before} messages were never answered"
                    return
        while (  # noqa: ASYNC110
            self._transport is not None and self._transport.get_write_buffer_size()
        ):
            await asyncio.sleep(PACE_S)  # the transport tells by no event that it is empty

    def send(self, packets: bytes) -> None:
        """Write."""
        if self._transport is not None:
            self._transport.write(packets)

    def close(self) -> None:
        """Say goodbye."""
        self.send(mqtt5.DisconnectPacket().write())
        if self._transport is not None:
            self._transport.close()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        view = memoryview(self._rest + data)
        start = 0
        while start < len(view):
            try:
                packet, size = mqtt5.read(view[start:])
            except IndexError:
                break
            start += size
            if isinstance(packet, mqtt5.PubAckPacket):
                self.report.acknowledged += 1
                self.report.refused += int(packet.reason_code) >= REFUSED
            elif isinstance(packet, mqtt5.ConnAckPacket):
                self._connack = packet
        self._rest = bytes(view[start:])
        self._changed.set()

    @override
    def pause_writing(self) -> None:
        self._writable = False

    @override
    def resume_writing(self) -> None:
        self._writable = True
        self._changed.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self.report.sent > self.report.acknowledged:
            self.report.detail = str(exc or "the broker closed the connection")
        self.closed.set()
        self._changed.set()


def _due(load: Load, sent: int, elapsed_s: float) -> int:
    due = CHUNK if load.rate <= 0 else min(CHUNK, int(elapsed_s * load.rate) + 1 - sent)
    if load.count:
        due = min(due, load.count - sent)
    return max(due, 0)


def _show(report: LoadReport) -> None:
    typer.echo(f"sent {report.sent:,}, acknowledged {report.acknowledged:,}", err=True)


def _words(report: LoadReport) -> str:
    text = (
        f"sent {report.sent:,} messages in {report.wall_s:.1f} s ({report.rate:,.0f}/s), "
        f"acknowledged {report.acknowledged:,}, refused {report.refused:,}, "
        f"{report.cpu_s:.1f} s of processor time"
    )
    return f"{text}; {report.detail}" if report.detail else text
