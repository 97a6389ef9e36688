"""The servers of tests/servers.py in containers, if a binary is absent and an engine answers.

Only what runs differs. Ports, users, files and the question for readiness are the native
servers; the container's ports are bound to the same numbers, so that a restart keeps them.
"""

import contextlib
import functools
import gc
import shutil
import warnings

import docker
from testcontainers.core.container import DockerContainer

from tests.servers import ROOT, InfluxDB, Mosquitto, Postgres, Server, free_port


@functools.cache
def engine_answers() -> bool:
    """Ask once whether there is a Docker engine; without one the answer takes milliseconds."""
    with warnings.catch_warnings():
        # Where nobody answers, the client leaves its socket to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with contextlib.closing(docker.from_env(timeout=5)) as client:
                answered = bool(client.ping())
        except docker.errors.DockerException:
            answered = False
        gc.collect()
    return answered


class Contained(Server):
    """A server whose process is a container."""

    _running: DockerContainer | None = None

    def container(self) -> DockerContainer:
        """Describe the container: image, ports, files."""
        raise AssertionError(f"{self.name} has no container")

    def start(self) -> None:
        """Create the container, or start it again; wait until it answers."""
        if self._running is None:
            self._running = self.container().start()
        else:
            self._running.get_wrapped_container().start()
        self._wait()

    def alive(self) -> bool:
        """Ask the engine whether the container has not ended by itself."""
        assert self._running is not None
        self._running.reload()
        return self._running.status in {"created", "running"}

    def told(self) -> str:
        """Give the end of what the container wrote."""
        assert self._running is not None
        return b"".join(self._running.get_logs()).decode(errors="replace")[-2_000:]

    def stop(self, signal_number: int = 0) -> None:  # noqa: ARG002 - the image knows its signal
        """End the container's process as an operator would; its files stay."""
        if self._running is not None:
            self._running.get_wrapped_container().stop(timeout=10)

    def kill(self) -> None:
        """End the container's process as a power cut would; its files stay."""
        if self._running is not None:
            self._running.get_wrapped_container().kill()

    def remove(self) -> None:
        """Remove container, volumes and folder."""
        if self._running is not None:
            self._running.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class ContainedMosquitto(Contained, Mosquitto):
    """The production broker's configuration in the image that deploy/compose.yaml runs."""

    listens = "0.0.0.0"  # noqa: S104 - inside the container; outside it is bound to loopback

    def __init__(self, options: str = "", acl: str = "") -> None:
        super().__init__("mosquitto", options, acl)

    def hand_over(self) -> None:
        """Open the folder to the image's own user, whose number this machine does not know."""
        self.folder.chmod(0o755)
        (self.folder / "data").chmod(0o777)
        for path in ("passwords", "tls/server.key"):
            (self.folder / path).chmod(0o644)

    def container(self) -> DockerContainer:
        """Mount our configuration, and the folder that its relative paths start from."""
        configuration = "/mosquitto/config/mosquitto.conf"
        command = ["mosquitto", "-c", configuration]
        described = DockerContainer(
            "eclipse-mosquitto:2.0.22", command=command, working_dir="/broker"
        )
        for port in (self.port, self.tls_port):
            described.with_bind_ports(port, port)
        described.with_volume_mapping(ROOT / "mosquitto.conf", configuration)
        return described.with_volume_mapping(self.folder, "/broker", "rw")


class ContainedPostgres(Contained, Postgres):
    """PostgreSQL in its official image."""

    def __init__(self) -> None:
        Server.__init__(self)
        self.port = free_port()

    def container(self) -> DockerContainer:
        """Name the first user; the image does the rest."""
        described = DockerContainer("postgres:17", command=["postgres", "-c", "fsync=off"])
        described.with_envs(POSTGRES_USER=self.user, POSTGRES_PASSWORD=self.password)
        return described.with_bind_ports(5432, self.port)


class ContainedInfluxDB(Contained, InfluxDB):
    """InfluxDB 2 in its official image."""

    def __init__(self) -> None:
        super().__init__("influxd")

    def container(self) -> DockerContainer:
        """Start it empty: the set-up by REST is that of the native server."""
        described = DockerContainer("influxdb:2.7.12", command=["influxd"])
        return described.with_bind_ports(8086, int(self.url.rsplit(":", 1)[1]))
