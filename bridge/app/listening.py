"""Listens for browsers and REST clients: uvicorn as one part among the others."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from typing_extensions import override

from bridge.app.settings import WebSection
from bridge.model.errors import ConflictError, UnavailableError

_BACKLOG = 512
_SHUTDOWN_S = 1.5


async def listen(app: object, web: WebSection) -> None:
    """Serve an ASGI application until cancelled.

    Raises
    ------
    ConflictError
        The port is taken.
    UnavailableError
        This machine has no such address, or the port needs rights that we have not.
    """
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        ssl_certfile=web.tls_certificate,
        ssl_keyfile=str(web.tls_key) if web.tls_key else None,
        proxy_headers=web.behind_proxy,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    # Bound here, as uvicorn answers a taken port by a log of its own and ends the process.
    with _bound(web.host, web.port) as door:
        server = _Server(config)
        try:
            await server.serve(sockets=[door])
        except asyncio.CancelledError:
            server.should_exit = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SHUTDOWN_S):
                    await server.shutdown(sockets=[door])
            raise


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"port {port} on {host} is taken; stop what holds it, "
                "or choose another: --set web.port=8081 (demo: --port 8081)"
            ) from error
        raise UnavailableError("web", f"{host}:{port}: {error.strerror}") from error


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service decides when to stop."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
