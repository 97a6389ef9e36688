"""Shared by every test: how hard hypothesis looks, the real servers, and what was not run.

The servers are described in tests/servers.py.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import HealthCheck, settings

from tests.containers import (
    ContainedInfluxDB,
    ContainedMosquitto,
    ContainedPostgres,
    engine_answers,
)
from tests.mailbox import Smtp
from tests.servers import (
    NOT_RUN,
    SERVICES,
    InfluxDB,
    Mosquitto,
    Postgres,
    Server,
    locate,
    not_run,
)

# A deadline measures the machine, not the property; the whole run has a fault timeout.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile(
    "deep", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci", deadline=None, max_examples=200, derandomize=True, print_blob=True
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick")
)


@contextmanager
def running(native: type[Server], contained: type[Server], **options: str) -> Iterator[Server]:
    """Run a server: its binary if there is one, a container if a Docker engine answers."""
    if binary := locate(native.name):
        server = native(binary, **options)
    elif engine_answers():
        server = contained(**options)
    else:
        not_run(native.name, SERVICES)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    """Share one broker; tests keep apart by topics and client ids of their own."""
    with running(Mosquitto, ContainedMosquitto) as broker:
        yield broker


@pytest.fixture
def mosquitto_with() -> Iterator[Callable[..., Mosquitto]]:
    """Give brokers to one test, with options and ACL of its own."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            running(Mosquitto, ContainedMosquitto, **options)
        )


@pytest.fixture
def mosquitto_own(mosquitto_with: Callable[..., Mosquitto]) -> Mosquitto:
    """Give a broker to one test, to be killed and started again."""
    return mosquitto_with()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Share one PostgreSQL; tests keep apart by databases of their own."""
    with running(Postgres, ContainedPostgres) as server:
        yield server


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[str]:
    """Give the DSN of a fresh database, dropped afterwards with all its connections."""
    name = f"test_{secrets.token_hex(6)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres.dsn(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def influxdb() -> Iterator[InfluxDB]:
    """Share one InfluxDB 2; tests keep apart by organisations or buckets of their own."""
    with running(InfluxDB, ContainedInfluxDB) as server:
        yield server


@pytest.fixture
def influxdb_org(influxdb: InfluxDB) -> str:
    """Give the name of a fresh organisation without buckets."""
    return influxdb.new_org()


@pytest.fixture
def influxdb_bucket(influxdb: InfluxDB) -> str:
    """Give the name of a fresh bucket in the server's first organisation."""
    return influxdb.new_bucket(influxdb.org, f"bucket-{secrets.token_hex(6)}")


@pytest.fixture
def smtp() -> Iterator[Smtp]:
    """Give a mail server with an empty mailbox."""
    server = Smtp()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of the browser."""
    found = locate("chromium") or locate("google-chrome")
    return found or not_run("Chromium", SERVICES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List by name what was not run, and the command that brings it."""
    counts: dict[str, int] = {}
    for outcome in ("skipped", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            text = str(report.longrepr[2] if outcome == "skipped" else report.longrepr)
            _, mark, message = text.partition(NOT_RUN)
            if mark:
                counts[message.strip()] = counts.get(message.strip(), 0) + 1
    if counts:
        terminalreporter.section("not run on this machine")
        for message, count in sorted(counts.items()):
            terminalreporter.line(f"{count:5d} tests need {message}")
