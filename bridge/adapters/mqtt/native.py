"""A mosquitto of one's own for the demo: a child process on loopback, its state in a folder."""

import asyncio
import getpass
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from bridge.model.errors import UnavailableError

HOST = "127.0.0.1"
READY_S = 10.0
STOP_S = 5.0
_POLL_S = 0.02

# What the production broker's mosquitto.conf has for keeping messages, without its doors:
# nobody but this machine can reach it.
_CONFIG = """\
user {user}
listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 10
max_queued_messages 0
max_queued_bytes 268435456
max_inflight_messages 0
set_tcp_nodelay true
sys_interval 5
log_dest stderr
log_type error
log_type warning
"""


def find_mosquitto() -> str | None:
    """Return the path of mosquitto: on PATH, or where Debian hides it from users."""
    return shutil.which("mosquitto") or shutil.which(
        "mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
    )


class NativeBroker:
    """An async context manager around a mosquitto process.

    Parameters
    ----------
    folder : Path
        Where its configuration, log and stored messages go; made if missing.
    port : int
        Port on loopback; 0 takes a free one.
    binary : str or None
        Path of mosquitto; None looks for it.

    Raises
    ------
    UnavailableError
        On entering: no mosquitto is there, or it does not start; the message ends with its log.
    """

    host = HOST

    def __init__(self, folder: Path, *, port: int = 0, binary: str | None = None) -> None:
        self.folder = folder
        self.port = port
        self._binary = binary
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers."""
        binary = self._binary or find_mosquitto()
        if binary is None:
            raise UnavailableError("broker", "mosquitto is not on PATH")
        config, log = self._prepare()
        with log.open("wb") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                binary, "-c", str(config), stdin=asyncio.subprocess.DEVNULL, stderr=stderr
            )
        try:
            async with asyncio.timeout(READY_S):
                await self._ready(self._process)
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError | ConnectionError):
                tail = log.read_text(errors="replace")[-1_000:].strip()
                detail = f"mosquitto did not start on port {self.port}: {tail}"
                raise UnavailableError("broker", detail) from error
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop it; what it holds is on disk."""
        await self.stop()

    async def stop(self) -> None:
        """End the process as an operator would, and wait; one that does not end is killed."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _prepare(self) -> tuple[Path, Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.port == 0:
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                self.port = probe.getsockname()[1]
        config = self.folder / "mosquitto.conf"
        settings = {"user": getpass.getuser(), "port": self.port, "host": HOST}
        config.write_text(_CONFIG.format(folder=self.folder.resolve(), **settings))
        return config, self.folder / "mosquitto.log"

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        while True:
            # Its own death comes first: something else may listen on that port.
            await asyncio.sleep(_POLL_S)
            if process.returncode is not None:
                raise ConnectionError(f"it ended with {process.returncode}")
            try:
                _, writer = await asyncio.open_connection(HOST, self.port)
            except OSError:
                continue
            writer.close()
            return


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """Which broker runs, where, and the newest protocol it speaks (a word of the settings)."""

    name: str
    host: str
    port: int
    protocol: Literal["mqtt5", "mqtt311"]


@asynccontextmanager
async def demo_broker(folder: Path, *, port: int = 0) -> AsyncIterator[DemoBroker]:
    """Run mosquitto where it is installed, and a broker inside this process where not.

    Parameters
    ----------
    folder : Path
        Of mosquitto's files.
    port : int
        On loopback; 0 takes a free one.

    Raises
    ------
    UnavailableError
        The port is taken, or mosquitto does not start.
    """
    if find_mosquitto() is not None:
        async with NativeBroker(folder, port=port) as native:
            yield DemoBroker("mosquitto", native.host, native.port, "mqtt5")
        return
    from bridge.adapters.mqtt.embedded import EmbeddedBroker  # noqa: PLC0415 - slow to import

    async with EmbeddedBroker(port) as embedded:
        yield DemoBroker("amqtt, in this process", embedded.host, embedded.port, "mqtt311")
