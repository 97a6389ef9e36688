"""Real servers for tests: where their binaries are, how they start, answer and stop.

Fixtures (in tests/conftest.py); each leaves its test out where its server cannot run:

mosquitto (session) -> Mosquitto
    Our mosquitto.conf with a plain and a TLS door on loopback: ``.host .port .tls_port
    .ca_file``. Users, each with its name as password: ``bridge`` (all rights), ``simulator``
    (all rights), ``press-07`` (writes ``acme/press-07/#`` only).
mosquitto_own (function) -> Mosquitto
    A broker of the test's own, to ``kill()``, ``stop()`` and ``start()`` again on the same
    folder and ports.
mosquitto_with (function) -> Callable[..., Mosquitto]
    ``mosquitto_with(options="...", acl="...")`` starts one with further lines of configuration,
    or with another ACL.
postgres (session) -> Postgres
    ``.host .port .user .password``, ``.dsn(database) -> str``, ``.execute(statement)``.
postgres_database (function) -> str
    DSN ``postgresql+psycopg://...`` of a fresh, empty database; the driver serves
    SQLAlchemy's sync and async engines.
influxdb (session) -> InfluxDB
    ``.url .org .token`` (may do everything), ``.new_org() -> str`` (its name),
    ``.new_bucket(org, name) -> str`` (its name).
influxdb_org (function) -> str
    Name of a fresh organisation without buckets; ``influxdb.token`` opens it too.
influxdb_bucket (function) -> str
    Name of a fresh bucket in ``influxdb.org``.
smtp (function) -> Smtp (tests/mailbox.py)
    ``.host .port``, ``.messages`` (``list[EmailMessage]``, in the order taken), ``.replies``
    (``list[str]``: replies such as ``"451 Try later"``, each given once instead of taking).
chromium (session) -> str
    Path of the browser, for playwright's
    ``chromium.launch(executable_path=chromium, args=["--no-sandbox"])``.

``not_run(name, how)`` is the one way to leave a test out because a machine lacks something.
Ports are loopback ports outside the range that the kernel gives to clients; folders are
temporary and belong to the user that the server runs as.
"""

import base64
import hashlib
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import httpx
import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(
    os.environ.get("BRIDGE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bridge"
)
NOT_RUN = "not run: "
SERVICES = "make services"
HOST = "127.0.0.1"
READY_S = 30.0
STOP_S = 10.0


def not_run(name: str, how: str) -> NoReturn:
    """Leave the calling test out because ``name`` is missing; with ``CI=true`` fail it instead.

    The end of the run lists each name once, with ``how`` to bring it.
    """
    message = f"{NOT_RUN}{name}; to bring it: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def locate(name: str) -> str | None:
    """Find a binary: on PATH, where Debian hides it, or in the cache of ``make services``."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    places = [
        *CACHE.glob(f"{name}*/bin/{name}"),
        *CACHE.glob(f"influxdb-*/bin/{name}"),
        *Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
    ]
    usable = [place for place in sorted(places) if os.access(place, os.X_OK)]
    return str(usable[-1]) if usable else None


def free_port() -> int:
    """Draw a loopback port that nobody listens on, below those the kernel hands to clients."""
    while True:
        port = random.SystemRandom().randrange(18_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


class Server:
    """A child process in a folder of its own; as root, the folder belongs to ``owner``."""

    name = "server"
    owner: str | None = None
    becomes_owner = False  # whether it must be started as the owner, or becomes it by itself

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"bridge-{self.name}-"))
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Give the command line, for the ports and files of this object."""
        raise AssertionError(f"{self.name} has no command")

    def answers(self) -> bool:
        """Ask the server whether it can do its work; an exception counts as no."""
        raise AssertionError(f"{self.name} cannot be asked")

    def identity(self) -> dict[str, int]:
        """Give the user and group of the owner; nothing where only root could become it."""
        if self.owner is None or os.geteuid() != 0:
            return {}
        entry = pwd.getpwnam(self.owner)
        return {"user": entry.pw_uid, "group": entry.pw_gid}

    def hand_over(self) -> None:
        """Give the folder and all in it to the owner, who must also be able to reach it."""
        self.folder.chmod(0o755)
        if identity := self.identity():
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, identity["user"], identity["group"])

    def start(self) -> None:
        """Start the process and wait until it answers."""
        assert self._process is None, f"{self.name} runs already"
        identity = {} if self.becomes_owner else self.identity()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
                **identity,
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_S
        reason: Exception | None = None
        while time.monotonic() < deadline and self.alive():
            try:
                if self.answers():
                    return
            except (OSError, httpx.HTTPError, psycopg.Error) as error:
                reason = error
            time.sleep(0.03)
        raise RuntimeError(
            f"{self.name} did not answer in {READY_S} s ({reason}):\n{self.told()}"
        )

    def alive(self) -> bool:
        """Tell whether the process has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def told(self) -> str:
        """Give the end of what the process wrote."""
        return self.log.read_text(errors="replace")[-2_000:]

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """End the process as an operator would, and wait; one that does not run stays so."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal_number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.stop(signal.SIGKILL)

    def remove(self) -> None:
        """Stop the process and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mosquitto(Server):
    """The production broker's configuration on free loopback ports, with users for tests."""

    name = "mosquitto"
    owner = "mosquitto"
    becomes_owner = True
    host = listens = HOST
    users = ("bridge", "simulator", "press-07")

    def __init__(self, binary: str, options: str = "", acl: str = "") -> None:
        super().__init__()
        self.binary = binary
        self.port, self.tls_port = free_port(), free_port()
        for folder in ("data", "tls", "conf.d"):
            (self.folder / folder).mkdir()
        self.ca_file = self_signed(self.folder / "tls")
        passwords = "".join(f"{user}:{hashed(user)}\n" for user in self.users)
        (self.folder / "passwords").write_text(passwords)
        (self.folder / "passwords").chmod(0o600)
        (self.folder / "acl").write_text(
            acl
            or "user bridge\ntopic readwrite #\ntopic read $SYS/#\n"
            "user simulator\ntopic readwrite #\n"
            "user press-07\ntopic write acme/press-07/#\n"
        )
        # All that differs from production: where it listens, how often it reports, options.
        (self.folder / "conf.d" / "test.conf").write_text(
            f"port {self.tls_port}\nbind_address {self.listens}\nsys_interval 1\n{options}\n"
            f"listener {self.port} {self.listens}\n"
        )
        self.hand_over()

    def command(self) -> list[str]:
        """Name our own configuration file; its paths are relative to the folder."""
        return [self.binary, "-c", str(ROOT / "mosquitto.conf")]

    def answers(self) -> bool:
        """Ask whether the bridge is let in at the plain door."""
        return self.admits("bridge", "bridge")

    def admits(self, user: str, password: str) -> bool:
        """Sign in at the plain door by MQTT 3.1.1; an empty user gives no name."""
        fields = [b"probe", *([user.encode(), password.encode()] if user else [])]
        # The flags: a clean session, with user and password or without; keep-alive of 5 s.
        body = b"\x00\x04MQTT\x04" + (b"\xc2" if user else b"\x02") + b"\x00\x05"
        body += b"".join(len(field).to_bytes(2, "big") + field for field in fields)
        with socket.create_connection((HOST, self.port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(bytes([0x10, len(body)]) + body)
            return connection.recv(4) == b"\x20\x02\x00\x00"


def hashed(password: str) -> str:
    """Hash a password as mosquitto_passwd does: PBKDF2 with SHA-512, 101 rounds."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def self_signed(folder: Path) -> Path:
    """Make server.key and give a certificate for localhost that is its own authority."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}",
         "-keyout", "server.key", "-out", "server.crt"],
        cwd=folder, check=True, timeout=20, capture_output=True,
    )  # fmt: skip
    return folder / "server.crt"


class Postgres(Server):
    """One PostgreSQL for the whole run; durability is off, as nothing cuts its power."""

    name = "postgres"
    owner = "postgres"
    host = HOST
    user = "bridge"
    password = "bridge"

    def __init__(self, binary: str) -> None:
        super().__init__()
        self.binary = binary
        self.port = free_port()
        (self.folder / "password").write_text(self.password)
        self.hand_over()
        subprocess.run(
            [str(Path(binary).with_name("initdb")), "-D", "data", "-U", self.user, "-E", "UTF8",
             "--locale=C.UTF-8", "--auth=scram-sha-256", "--pwfile=password", "--no-sync"],
            cwd=self.folder, check=True, timeout=60, capture_output=True,
            extra_groups=[] if self.identity() else None, **self.identity(),
        )  # fmt: skip

    def command(self) -> list[str]:
        """Listen on loopback only, with its lock file in its own folder."""
        options = {
            "listen_addresses": HOST, "port": self.port, "unix_socket_directories": self.folder,
            "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
            "max_connections": 50, "shared_buffers": "32MB",
        }  # fmt: skip
        pairs = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return [self.binary, "-D", str(self.folder / "data"), *pairs]

    def answers(self) -> bool:
        """Ask for one row."""
        self.execute("SELECT 1")
        return True

    def stop(self, signal_number: int = signal.SIGINT) -> None:
        """Stop at once and cleanly: SIGTERM would wait for open connections."""
        super().stop(signal_number)

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction, in the maintenance database."""
        address = f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())

    def dsn(self, database: str) -> str:
        """Give the address of a database as SQLAlchemy reads it."""
        return f"postgresql+psycopg://{self.user}:{self.password}@{self.host}:{self.port}/{database}"


class InfluxDB(Server):
    """One InfluxDB 2 for the whole run, set up with a token that may do everything."""

    name = "influxd"
    org = "bridge"
    token = "token-of-the-tests"

    def __init__(self, binary: str) -> None:
        super().__init__()
        self.binary = binary
        self.url = f"http://{HOST}:{free_port()}"
        self._set_up = False

    def command(self) -> list[str]:
        """Keep everything in the folder and report nothing to anybody."""
        return [
            self.binary, "--bolt-path", "influxd.bolt", "--engine-path", "engine",
            "--sqlite-path", "influxd.sqlite", "--http-bind-address", self.url.removeprefix("http://"),
            "--reporting-disabled", "--log-level", "warn",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Ask for its health, and set it up the first time."""
        if httpx.get(f"{self.url}/health", timeout=2).status_code != httpx.codes.OK:
            return False
        if not self._set_up:
            content = {"username": "bridge", "password": "bridge-bridge", "org": self.org,
                       "bucket": "first", "token": self.token}  # fmt: skip
            httpx.post(f"{self.url}/api/v2/setup", json=content, timeout=20).raise_for_status()
            self._set_up = True
        return True

    def call(self, method: str, path: str, **content: object) -> dict:
        """Call the server's REST as its operator; raise what it refuses."""
        answer = httpx.request(
            method,
            f"{self.url}/api/v2/{path}",
            headers={"Authorization": f"Token {self.token}"},
            timeout=20,
            **content,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def new_org(self) -> str:
        """Make an organisation that nobody used before; give its name."""
        name = f"org-{secrets.token_hex(6)}"
        self.call("POST", "orgs", json={"name": name})
        return name

    def new_bucket(self, org: str, name: str) -> str:
        """Make a bucket that keeps everything; give its name."""
        found = self.call("GET", "orgs", params={"org": org})["orgs"]
        self.call("POST", "buckets", json={"orgID": found[0]["id"], "name": name})
        return name
