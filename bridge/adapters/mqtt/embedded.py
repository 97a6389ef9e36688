"""A broker inside this process, for a demo on a machine without mosquitto.

It speaks MQTT 3.1.1 only, takes some thousand messages per second and loses its sessions when
it ends: enough to show something, not to run a plant on.
"""

import socket
from typing import Protocol, Self

from amqtt.broker import Broker
from amqtt.errors import BrokerError

from bridge.model.errors import UnavailableError

HOST = "127.0.0.1"


class _Running(Protocol):
    async def shutdown(self) -> None: ...


class EmbeddedBroker:
    """An async context manager around an amqtt broker on loopback, open to everybody there.

    Parameters
    ----------
    port : int
        Port on loopback; 0 takes a free one.

    Raises
    ------
    UnavailableError
        On entering: the port is taken.
    """

    host = HOST

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._broker: _Running | None = None

    async def __aenter__(self) -> Self:
        """Start to listen."""
        if self.port == 0:
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                self.port = probe.getsockname()[1]
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {
                        "allow_anonymous": True
                    }
                },
            }
        )
        try:
            await broker.start()
        except (BrokerError, OSError) as error:
            raise UnavailableError("broker", f"port {self.port}: {error}") from error
        self._broker = broker
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop to listen and forget everything."""
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None
