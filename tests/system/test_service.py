"""The service as a process of its own: started, fed, stopped, refused, and left alone."""

import json
import time
from pathlib import Path

import pytest

from tests.servers import InfluxDB, Mosquitto, free_port
from tests.servers_mqtt import publish
from tests.system.running import Running, bridge
from tests.system.serving import ALL, CATALOG, Plant

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def reasons(run: Running) -> dict[str, str]:
    """What keeps a service from being ready."""
    return run.client.get("/readyz").json()["reasons"]


def points(run: Running, asset: str, signal: str = "b") -> list[float]:
    """The stored values of a signal, as REST gives them."""
    found = run.client.get(f"/api/v1/assets/{asset}/series", params=ALL)
    if not found.is_success:
        return []
    return found.json()["signals"].get(signal, {}).get("mean", [])


def metric(run: Running, name: str) -> float:
    """One number of /metrics."""
    lines = run.client.get("/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


def only_line(text: str) -> str:
    """The one line that something ended with, without logs; there is no traceback."""
    assert "Traceback" not in text, text
    told = [line for line in text.splitlines() if line.startswith("bridge: ")]
    assert len(told) == 1, text
    return told[0]


def import_catalog(plant: Plant, run: Running) -> None:
    """Bring the small catalog into a running service."""
    (plant.folder / "catalog.yaml").write_text(CATALOG)
    url = f"http://127.0.0.1:{run.port}"
    brought = bridge(
        "catalog", "import", plant.folder / "catalog.yaml", "--url", url, "--token", plant.token
    )
    assert brought.returncode == 0, brought.stderr


def test_rows_come_in_and_are_answered(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Published rows are in the store and in REST, known or not; it stops cleanly in 5 s."""
    plant = Plant(tmp_path, mosquitto)
    plant.let_in()
    with plant.serving() as run:
        assert run.client.get("/healthz").json() == {"status": "ok"}
        plant.send(range(50), ["m-1", "stranger"])
        run.wait(lambda: run.get("assets")["items"], 20, "the first machine")
        assert [each["known"] for each in run.get("assets")["items"]] == [False, False]
        import_catalog(plant, run)
        run.wait(lambda: len(points(run, "m-1")) == 50, 20, "all rows of m-1")
        run.wait(lambda: len(points(run, "stranger")) == 50, 20, "all rows of the stranger")
        assert points(run, "m-1") == list(range(50))
        known = {each["id"]: each["known"] for each in run.get("assets")["items"]}
        assert known == {"m-1": True, "stranger": False}
        page = run.client.get("/api/v1/cases", headers={"Authorization": "Bearer demo"})
        assert page.status_code == 401
        assert run.stop(15) < 5
        assert run.process.returncode == 0
        assert "service stopped" in run.told()
    seconds = plant.stored()
    assert seconds == {(asset, signal): list(range(50))
                       for asset in ("m-1", "stranger") for signal in "ab"}  # fmt: skip


def test_what_cannot_be_read_is_kept(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What nobody can read is a dead letter with its reason, and what follows goes on."""
    plant = Plant(tmp_path, mosquitto)
    plant.let_in()
    with plant.serving() as run:
        publish(mosquitto, f"{plant.topic}/m-1/telemetry", [b"{nonsense"])
        plant.send([1])
        run.wait(lambda: metric(run, "bridge_samples_total") == 2, 20, "the row after it")
        letters = run.get("dead-letters")["items"]
        assert [each["reason"] for each in letters] == ["bad-json"]
        assert metric(run, 'bridge_refused_total{reason="bad-json"}') == 1


def test_the_same_data_folder_is_refused(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A second service on a data folder ends at once, names the first, and harms it not."""
    plant = Plant(tmp_path, mosquitto)
    with plant.serving() as run:
        second = bridge(
            "serve", "--config", plant.config, "--set", f"web.port={free_port()}", timeout_s=40
        )
        assert second.returncode == 1
        line = only_line(second.stderr)
        assert str(run.process.pid) in line
        assert str(tmp_path / "data") in line
        assert run.client.get("/readyz").is_success


def test_the_same_client_id_is_refused(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A second service with another's client id gives up; the first goes on."""
    plant = Plant(tmp_path / "one", mosquitto)
    with plant.serving() as run:
        time.sleep(10.5)  # from then on the first one's connection counts as settled
        second = bridge(
            "serve", "--config", plant.config, "--set", f"web.port={free_port()}",
            "--set", f"service.data_folder={tmp_path / 'two'}", timeout_s=60,
        )  # fmt: skip
        assert second.returncode == 1
        assert plant.client_id in only_line(second.stderr)
        run.wait(lambda: run.client.get("/readyz").is_success, 30, "ready again")


def test_a_taken_port_is_told(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Where the port is taken the service ends with one line that names it."""
    plant = Plant(tmp_path, mosquitto)
    door = f"web.port={mosquitto.port}"
    ended = bridge("serve", "--config", plant.config, "--set", door, timeout_s=40)
    assert ended.returncode == 1
    assert f"port {mosquitto.port} on 127.0.0.1 is taken" in only_line(ended.stderr)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("web.host=0.0.0.0", ["not loopback", "tls_certificate", "behind_proxy"]),
        ('intake.mapping=[{topic="plant/{asset"}]', ["plant/{asset"]),
        ("broker.colour=blue", ["broker.colour"]),
    ],
)
def test_settings_that_cannot_run_are_refused(
    setting: str, words: list[str], mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """What is wrong in the settings ends the start with code 2 and says what and why."""
    plant = Plant(tmp_path, mosquitto)
    ended = bridge("serve", "--config", plant.config, "--set", setting, timeout_s=40)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    for word in words:
        assert word in ended.stderr


def test_records_away_at_start_are_told(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Without its records the service cannot begin: one line, code 1, to be tried again."""
    url = f"postgresql+psycopg://bridge:secret@127.0.0.1:{free_port()}/bridge"
    plant = Plant(tmp_path, mosquitto, f'[records]\nurl = "{url}"')
    ended = bridge("serve", "--config", plant.config, timeout_s=60)
    assert ended.returncode == 1, ended.stderr
    assert "records" in only_line(ended.stderr)
    assert "secret" not in ended.stderr


def test_a_broker_that_comes_later(mosquitto_own: Mosquitto, tmp_path: Path) -> None:
    """Without a broker the service runs, says so at /readyz, and goes on when there is one."""
    plant = Plant(tmp_path, mosquitto_own)
    plant.let_in()
    mosquitto_own.stop()
    run = plant.serve()
    try:
        found = run.wait(lambda: run.client.get("/readyz"), 40, "an answer")
        run.wait(lambda: "broker" in str(reasons(run)), 20, "the reason")
        assert found.status_code == 503
        assert run.client.get("/healthz").is_success
        mosquitto_own.start()
        run.wait(lambda: run.client.get("/readyz").is_success, 40, "ready")
        plant.send(range(5))
        run.wait(lambda: metric(run, "bridge_samples_total") == 10, 20, "the rows")
    finally:
        run.stop()
    assert "Traceback" not in run.told()


def test_a_broker_that_restarts(mosquitto_own: Mosquitto, tmp_path: Path) -> None:
    """Rows sent before, and right after, a restart of the broker all arrive, once each."""
    plant = Plant(tmp_path, mosquitto_own)
    with plant.serving() as run:
        plant.send(range(100))
        mosquitto_own.stop()
        run.wait(lambda: "broker" in reasons(run), 20, "the reason")
        mosquitto_own.start()
        plant.send(range(100, 200))
        run.wait(lambda: metric(run, "bridge_samples_total") >= 400, 60, "all rows")
        assert run.client.get("/readyz").is_success
        run.wait(lambda: "broker connected again" in run.told(), 10, "the log")
    assert plant.stored()["m-1", "b"] == list(range(200))


def test_a_stop_in_a_backlog(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """With far more to detect than there is time, it still stops cleanly, and goes on later."""
    plant = Plant(tmp_path, mosquitto)
    with plant.serving():
        pass  # now the broker holds what comes while nobody is there
    strangers = [f"m-{number}" for number in range(12)]
    plant.send(range(1_500), strangers)
    with plant.serving() as run:
        run.wait(lambda: metric(run, "bridge_samples_total") == 36_000, 30, "all rows")
        assert not plant.handled()
        assert run.stop(15) < 5
        assert run.process.returncode == 0, run.told()
    with plant.serving() as run:
        run.wait(plant.handled, 100, "what was left")


def test_logs_as_json(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """As JSON every line of a run is one object, and a quiet run says little."""
    plant = Plant(tmp_path, mosquitto)
    with plant.serving("--set", "service.log_format=json") as run:
        plant.send(range(200))
        run.wait(lambda: metric(run, "bridge_samples_total") == 400, 20, "the rows")
        run.stop(15)
    lines = [json.loads(line) for line in run.told().splitlines()]
    assert [each["event"] for each in lines][-1] == "service stopped"
    assert {each["level"] for each in lines} == {"info"}
    assert len(lines) < 15


def test_roles_as_processes(
    mosquitto: Mosquitto,
    influxdb: InfluxDB,
    influxdb_org: str,
    postgres_database: str,
    tmp_path: Path,
) -> None:
    """Three processes on one journal, InfluxDB and PostgreSQL do what one process does."""
    plant = Plant(
        tmp_path, mosquitto,
        f'[series]\nkind = "influxdb"\nurl = "{influxdb.url}"\norg = "{influxdb_org}"\n'
        f'token = "{influxdb.token}"\n[records]\nurl = "{postgres_database}"',
    )  # fmt: skip
    plant.let_in()
    others = [plant.serve("--roles", roles) for roles in ("intake", "desk")]
    try:
        with plant.serving("--roles", "archive,watch,web") as run:
            others[0].wait(lambda: "broker connected" in run.told(), 40, "intake")
            import_catalog(plant, run)
            plant.send(range(50), ["m-1", "stranger"])
            run.wait(lambda: len(points(run, "m-1")) == 50, 40, "all rows")
            assert points(run, "m-1") == list(range(50))
            known = run.wait(
                lambda: len(run.get("assets")["items"]) == 2 and run.get("assets")["items"],
                20, "both machines",
            )  # fmt: skip
            assert {each["id"]: each["known"] for each in known} == {
                "m-1": True, "stranger": False,
            }  # fmt: skip
            repaired = run.client.post(
                "/api/v1/repairs", json={"asset": "m-1", "action": "Belt changed"}
            )
            assert repaired.status_code == 201, repaired.text
            run.wait(lambda: plant.controls() == ["catalog", "repair"], 20, "control records")
    finally:
        for other in others:
            assert other.stop(15) < 6
            assert other.process.returncode == 0
