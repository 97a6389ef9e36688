"""Real machines that ran until they broke, through a real broker into the whole service.

The histories are public run-to-failure sets, which the project does not hold; they are looked
for beside the checkout, or where BRIDGE_DATA says.
"""

import csv
import gzip
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.servers import ROOT, InfluxDB, Mosquitto, free_port
from tests.system.running import Running, bridge, simulators

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

DATA = Path(os.environ.get("BRIDGE_DATA") or ROOT.parent / "shared" / "data")
FEMTO = ("h_rms", "v_rms", "h_peak", "v_peak", "h_kurt", "v_kurt")
IMS = ("bearing_1", "bearing_2", "bearing_3", "bearing_4")


@dataclass(frozen=True)
class Life:
    """One machine's life: times ending at its failure, and its readings."""

    model: str
    asset: str
    signals: tuple[str, ...]
    rising: tuple[str, ...]
    times: list[datetime]
    values: list[list[str]]

    @property
    def failure(self) -> datetime:
        """When it broke: its last row."""
        return self.times[-1]

    def write(self, path: Path, first: int, last: int) -> Path:
        """Write some of its rows as the wide CSV that a user would have."""
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["machine", "time", *self.signals])
            for time, values in zip(
                self.times[first:last], self.values[first:last], strict=True
            ):
                writer.writerow([self.asset, time.isoformat(), *values])
        return path


def rows_of(path: Path) -> list[list[str]]:
    """Read a gzipped CSV, or leave the test out where the set is absent."""
    if not path.exists():
        pytest.skip(f"{path.name} is absent; put the run-to-failure sets under {DATA}")
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.reader(file))


def femto() -> Life:
    """Give one bearing of PRONOSTIA: some hours, a row every ten seconds."""
    head, *rows = rows_of(DATA / "femto" / "Bearing1_3.csv.gz")
    seconds = [float(row[head.index("t_s")]) for row in rows]
    values = [[row[head.index(name)] for name in FEMTO] for row in rows]
    times = ending_now([timedelta(seconds=each - seconds[-1]) for each in seconds])
    return Life("femto", "bearing-1-3", FEMTO, ("h_rms", "v_rms"), times, values)


def ims() -> Life:
    """Give the bearing rig of the IMS: a week, a row every ten minutes; bearing 1 broke."""
    _, *rows = rows_of(DATA / "ims" / "ims_test2_meanabs.csv.gz")
    stamps = [datetime.fromisoformat(row[0]) for row in rows]
    times = ending_now([stamp - stamps[-1] for stamp in stamps])
    return Life("ims", "rig-2", IMS, ("bearing_1",), times, [row[1:] for row in rows])


def ending_now(offsets: list[timedelta]) -> list[datetime]:
    """Move a history so that its end is now, on the clock that the service has."""
    now = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the service's own clock
    return [now + offset for offset in offsets]


def catalog_of(life: Life) -> str:
    """Give a small catalog, as somebody would write it for that machine."""
    signals = "\n".join(f"      - {{name: {name}}}" for name in life.signals)
    signature = ", ".join(f"{{signal: {name}, direction: up}}" for name in life.rising)
    return f"""\
tenant: default
people:
  - {{id: fe-1, name: Engineer, role: engineer, email: fe-1@bridge.example}}
  - {{id: am-1, name: Account manager, role: account-manager, email: am-1@bridge.example}}
  - {{id: op-1, name: Operator, role: admin, email: op-1@bridge.example}}
accounts:
  - {{id: lab, name: Laboratory, account_owner: am-1, engineer: fe-1}}
sites:
  - {{id: rig, account: lab, name: Test rig}}
models:
  - id: {life.model}
    name: Bearing rig
    signals:
{signals}
    failure_modes:
      - {{id: bearing-wear, name: Bearing wear, plain: a worn bearing, component: bearing,
         signature: [{signature}], action: Replace the bearing}}
assets:
  - {{id: {life.asset}, model: {life.model}, site: rig}}
"""


@pytest.fixture
def serve(
    tmp_path: Path,
    mosquitto: Mosquitto,
    influxdb: InfluxDB,
    influxdb_org: str,
    postgres_database: str,
) -> Iterator[Callable[[Life], Running]]:
    """Start the service on real servers with a machine's catalog in it."""
    runs: list[Running] = []
    port = free_port()
    config = tmp_path / "bridge.toml"
    config.write_text(f"""\
[service]
data_folder = "{tmp_path / "data"}"
[broker]
host = "{mosquitto.host}"
port = {mosquitto.port}
user = "bridge"
password = "bridge"
client_id = "bridge-{secrets.token_hex(4)}"
[[intake.mapping]]
topic = "{tmp_path.name}/+/{{asset}}/telemetry"
tenant = "default"
shape = "rows"
signals_key = "rows"
time_key = "t"
time_unit = "ms"
[series]
kind = "influxdb"
url = "{influxdb.url}"
org = "{influxdb_org}"
token = "{influxdb.token}"
[records]
url = "{postgres_database}"
[web]
port = {port}
public_url = "http://127.0.0.1:{port}"
""")

    def begin(life: Life) -> Running:
        (tmp_path / "password").write_text("a long password")
        added = bridge(
            "user", "add", "op-1", "--role", "admin", "--config", config,
            "--password-file", tmp_path / "password",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        issued = bridge("token", "issue", "op-1", "--config", config)
        assert issued.returncode == 0, issued.stderr
        token = issued.stdout.strip()
        runs.append(Running(tmp_path, port, "serve", "--config", config, token=token))
        runs[-1].wait(lambda: runs[-1].client.get("/readyz").is_success, 40, "ready")
        (tmp_path / "catalog.yaml").write_text(catalog_of(life))
        brought = bridge(
            "catalog", "import", tmp_path / "catalog.yaml",
            "--url", f"http://127.0.0.1:{port}", "--token", token,
        )  # fmt: skip
        assert brought.returncode == 0, brought.stderr
        return runs[-1]

    yield begin
    for run in runs:
        run.stop()


@pytest.mark.parametrize("life_of", [femto, ims], ids=["femto", "ims"])
def test_a_real_failure_is_seen_in_time(
    life_of: Callable[[], Life],
    tmp_path: Path,
    mosquitto: Mosquitto,
    serve: Callable[[Life], Running],
    record_property: Callable[[str, object], None],
) -> None:
    """One case with both tasks before the machine broke, and none in the first half."""
    life = life_of()
    run = serve(life)
    half, end = len(life.times) // 2, len(life.times) - 1

    def play(first: int, last: int) -> None:
        sent = simulators(
            "replay", life.write(tmp_path / f"{first}.csv", first, last),
            "--asset", "machine", "--speed", "0", "--prefix", tmp_path.name,
            "--broker", f"{mosquitto.host}:{mosquitto.port}",
            "--user", "simulator", "--password", "simulator",
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        assert f"{last - first} rows" in sent.stderr
        seen = life.times[last - 1]
        run.wait(lambda: _seen(run, life.asset) >= seen, 90, f"all rows until {seen}")

    play(0, half)
    early = run.get("cases")["items"]
    # An anomaly that engineering alone looks at is no word to a customer; it is reported below.
    assert [(case["mode"], case["p50"]) for case in early if case["tasks"]["sales"]] == []
    play(half, end)

    def full() -> list[dict]:
        return [case for case in run.get("cases")["items"] if all(case["tasks"].values())]

    both = run.wait(full, 20, "a case with both tasks")
    # Two modes of one machine are two cases; one mode never has two at a time.
    assert len({(case["mode"], case["episode"]) for case in both}) == len(both)
    known = run.get("predictions", asset=life.asset, limit=500)["items"]
    first = min(datetime.fromisoformat(each["at"]) for each in known)
    lead = life.failure - first
    assert timedelta(0) < lead < (life.failure - life.times[0]) / 2
    assert {case["tasks"]["engineering"]["owner"] for case in both} == {"fe-1"}
    assert {case["tasks"]["sales"]["owner"] for case in both} == {"am-1"}
    told = (
        f"{life.asset}: {lead} before it broke, life {life.failure - life.times[0]}; "
        f"{len(early)} anomalies for engineering alone in the first half"
    )
    record_property("lead", told)
    sys.stdout.write(f"{told}\n")


def _seen(run: Running, asset: str) -> datetime:
    items = {each["id"]: each["at"] for each in run.get("assets")["items"]}
    found = items.get(asset)
    return datetime.fromisoformat(found) if found else datetime.min.replace(tzinfo=UTC)
