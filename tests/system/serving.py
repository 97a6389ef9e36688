"""A plant with a broker and a settings file of its own, and services started on them."""

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bridge.adapters.series.duckdb import DuckDbStore
from bridge.model.instants import NS_PER_S
from tests.servers import Mosquitto, free_port
from tests.servers_mqtt import publish_many
from tests.system.running import Running, bridge

TENANT = "default"
# Within every retention, and nothing from the future; a whole second, as messages carry.
BEGIN_NS = (int(time.time()) - 10 * 86_400) * NS_PER_S  # noqa: TID251 - the service's own clock
ALL = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "points": 2_000}
"""Asks REST for a whole series."""

CATALOG = """\
tenant: default
people:
  - {id: fe-1, name: Engineer, role: engineer, email: fe-1@bridge.example}
  - {id: am-1, name: Account manager, role: account-manager, email: am-1@bridge.example}
accounts:
  - {id: acct-1, name: Plastics North, account_owner: am-1, engineer: fe-1}
sites:
  - {id: bremen, account: acct-1, name: Bremen works}
models:
  - id: HX450
    name: Extruder
    signals: [{name: a}, {name: b}]
    failure_modes: [{id: wear, name: Wear, plain: a worn part, signature: [{signal: a}]}]
assets:
  - {id: m-1, model: HX450, site: bremen}
"""


class Plant:
    """Machines at a broker, and the settings of the services that listen to them.

    Attributes
    ----------
    folder : Path
        Holds the settings file, the data folder ``data`` and the services' logs.
    topic : str
        First part of the plant's topics.
    """

    def __init__(self, folder: Path, broker: Mosquitto, more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.broker = folder, broker
        self.topic = f"plant-{secrets.token_hex(4)}"
        self.client_id = f"bridge-{secrets.token_hex(4)}"
        self.port = free_port()
        self.token = ""
        self.config = folder / "bridge.toml"
        self.config.write_text(f"""\
[service]
data_folder = "{folder / "data"}"
[broker]
host = "{broker.host}"
port = {broker.port}
user = "bridge"
password = "bridge"
client_id = "{self.client_id}"
[[intake.mapping]]
topic = "{self.topic}/{{asset}}/telemetry"
shape = "key"
signals_key = "values"
time_key = "ts"
[web]
port = {self.port}
{more}
""")

    def serve(self, *words: str) -> Running:
        """Start a service with these settings; it is not yet ready."""
        words = ("serve", "--config", str(self.config), *words)
        return Running(self.folder, self.port, *words, token=self.token or "none")

    @contextmanager
    def serving(self, *words: str) -> Iterator[Running]:
        """Run a service, ready, while the block lasts."""
        run = self.serve(*words)
        try:
            run.wait(lambda: run.client.get("/readyz").is_success, 40, "ready")
            yield run
        finally:
            run.stop()

    def let_in(self) -> str:
        """Add an operator and return a token for them; services started later use it."""
        password = self.folder / "password"
        password.write_text("a long password\n")
        added = bridge(
            "user", "add", "op-1", "--role", "admin", "--config", self.config,
            "--password-file", password,
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        issued = bridge("token", "issue", "op-1", "--config", self.config)
        assert issued.returncode == 0, issued.stderr
        self.token = issued.stdout.strip()
        return self.token

    def send(self, numbers: Sequence[int], assets: Sequence[str] = ("m-1",)) -> None:
        """Send one message of two signals per number and asset; the number is its second."""
        publish_many(
            self.broker,
            [
                (f"{self.topic}/{asset}/telemetry", message(number))
                for number in numbers
                for asset in assets
            ],
        )

    def stored(self) -> dict[tuple[str, str], list[int]]:
        """Return the seconds stored per asset and signal in DuckDB; no service may run."""
        return asyncio.run(stored(self.folder / "data" / "series.duckdb"))

    def controls(self) -> list[str]:
        """Return the types of the journal's control records, in order."""
        with closing(sqlite3.connect(self.folder / "data" / "journal.db")) as journal:
            query = "SELECT body FROM records WHERE kind = 'control' ORDER BY \"offset\""
            return [json.loads(body)["type"] for (body,) in journal.execute(query)]

    def handled(self) -> bool:
        """Whether detection has read the whole journal, and desk and outbox are done."""
        with closing(sqlite3.connect(self.folder / "data" / "journal.db")) as journal:
            query = "SELECT seq FROM sqlite_sequence WHERE name = 'records'"
            last = journal.execute(query).fetchall()
        waiting = self.records(
            "SELECT count(*) FROM desk_input WHERE status IS NULL "
            "UNION ALL SELECT count(*) FROM outbox WHERE state = 'waiting'"
        )
        read = self.records("SELECT position FROM reader_offset WHERE reader = 'watch'")
        return read == last and waiting == [(0,), (0,)]

    def records(self, query: str) -> list[tuple]:
        """Ask the SQLite records."""
        with closing(sqlite3.connect(self.folder / "data" / "records.db")) as database:
            return database.execute(query).fetchall()


def message(number: int) -> bytes:
    """Give one row of two signals, at a second of the plant's time."""
    t_ms = (BEGIN_NS // NS_PER_S + number) * 1_000
    return json.dumps({"ts": t_ms, "values": {"a": number % 7, "b": number}}).encode()


async def stored(path: Path) -> dict[tuple[str, str], list[int]]:
    """Return the seconds of every row of a DuckDB file, repetitions included."""
    found: dict[tuple[str, str], list[int]] = {}
    store = await DuckDbStore.open(path)
    try:
        async for slots, samples in store.scan(TENANT, start_ns=0, end_ns=4 * 10**18):
            for slot, t_ns in zip(samples.signal.tolist(), samples.t_ns.tolist(), strict=True):
                key = (slots[slot].asset, slots[slot].signal)
                found.setdefault(key, []).append((t_ns - BEGIN_NS) // NS_PER_S)
    finally:
        await store.close()
    return {key: sorted(each) for key, each in found.items() if not key[1].startswith("~")}
