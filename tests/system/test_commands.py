"""The smaller commands as a user runs them, against real servers and a running service."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mailbox import Smtp
from tests.servers import Mosquitto, free_port
from tests.servers_mqtt import publish_many
from tests.system.running import Running, bridge
from tests.system.serving import ALL, CATALOG, Plant, message

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def told(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    """What a command said, after a look at how it ended."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_the_catalog_goes_in_and_out(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A dry run only tells, an import changes, an export brings back, a revoked token ends."""
    plant = Plant(tmp_path, mosquitto)
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG)
    way = ("--url", f"http://127.0.0.1:{plant.port}", "--token", plant.let_in())
    with plant.serving():
        said = told(bridge("catalog", "import", file, "--dry-run", *way))
        assert "+ assets/m-1" in said
        assert "nothing was changed" in said
        assert "no catalog yet" in told(bridge("catalog", "export", *way), 2)

        assert "catalog version 1" in told(bridge("catalog", "import", file, *way))
        exported = bridge("catalog", "export", *way).stdout
        (tmp_path / "again.yaml").write_text(exported)
        said = told(bridge("catalog", "import", tmp_path / "again.yaml", *way))
        assert said == "catalog version 1"

        file.write_text(CATALOG.replace("name: Extruder", "name: Extruder 450"))
        said = told(bridge("catalog", "import", file, *way))
        assert said == "~ models/HX450 catalog version 2"

        file.write_text(CATALOG.replace("model: HX450, site", "model: HX451, site"))
        said = told(bridge("catalog", "import", file, *way), 2)
        assert "catalog.yaml:15: assets[0].model: found 'HX451'" in said

        told(bridge("token", "revoke", "default", "--config", plant.config))
        assert "401" in told(bridge("catalog", "export", *way), 2)


def test_from_discovery_to_rows(mosquitto_own: Mosquitto, tmp_path: Path) -> None:
    """What discover writes passes check and serves: what was heard is stored and known."""
    given = discovered(mosquitto_own, tmp_path)
    (tmp_path / "password").write_text("a long password")
    words = ("--role", "operator", "--password-file", tmp_path / "password")
    told(bridge("user", "add", "op-1", *words, *given))
    token, port = told(bridge("token", "issue", "op-1", *given)), free_port()
    run = Running(tmp_path, port, "serve", *given, "--set", f"web.port={port}", token=token)
    try:
        run.wait(lambda: run.client.get("/readyz").is_success, 40, "ready")
        url = f"http://127.0.0.1:{port}"
        told(
            bridge(
                "catalog", "import", tmp_path / "catalog.yaml", "--url", url, "--token", token
            )
        )
        send(mosquitto_own, 100, 5)

        def values() -> list[float]:
            found = run.get("assets/press-1/series", **ALL)["signals"]
            return found.get("b", {}).get("mean", [])

        run.wait(lambda: values() == [100, 101, 102, 103, 104], 20, "the rows")
        assert [each["known"] for each in run.get("assets")["items"]] == [True, True]
    finally:
        run.stop()


def discovered(broker: Mosquitto, folder: Path) -> tuple[str, ...]:
    """Discover two machines into a folder; give the options that use what was found."""
    door = f"{broker.host}:{broker.port}"
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, broker, 0, 60)
        words = ("--seconds", "4", "--user", "bridge", "--password", "bridge")
        said = told(bridge("discover", "--broker", door, "--out", folder, *words))
        sending.result()
    assert "bridge.toml" in said
    assert "exists" in told(bridge("discover", "--broker", door, "--out", folder), 2)
    assert "ok settings" in told(bridge("check", folder / "bridge.toml"))
    assert "2 assets" in told(bridge("check", folder / "catalog.yaml"))
    given = (
        "--config", str(folder / "bridge.toml"), "--set", "broker.password=bridge",
        "--set", f"service.data_folder={folder / 'data'}",
    )  # fmt: skip
    assert "ok broker" in told(bridge("check", *given, "--connect"))
    return given


def send(broker: Mosquitto, first: int, count: int) -> None:
    """Send rows of two machines, a tenth of a second apart."""
    for number in range(first, first + count):
        publish_many(
            broker,
            [(f"hall/{each}/telemetry", message(number)) for each in ("press-1", "press-2")],
        )
        time.sleep(0.1)


def test_check_asks_the_world(mosquitto: Mosquitto, smtp: Smtp, tmp_path: Path) -> None:
    """With everything there it says what answers; what a running service holds is busy."""
    plant = Plant(
        tmp_path, mosquitto,
        f'[channels.smtp]\nhost = "{smtp.host}"\nport = {smtp.port}\nsecurity = "none"',
    )  # fmt: skip
    said = told(bridge("check", "--config", plant.config, "--connect"))
    for part in ("ok settings", "ok broker", "ok series", "ok records", "ok smtp"):
        assert part in said
    with plant.serving() as run:
        said = told(bridge("check", "--config", plant.config, "--connect"))
        assert "busy series" in said
        assert "ok broker" in said
        assert run.client.get("/readyz").is_success


def test_check_names_what_is_away(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What does not answer is named with its place, all of it, without a password; code 1."""
    plant = Plant(
        tmp_path, mosquitto,
        f'[series]\nkind = "influxdb"\nurl = "http://127.0.0.1:{free_port()}"\ntoken = "hush"\n'
        f'[records]\nurl = "postgresql+psycopg://b:hush@127.0.0.1:{free_port()}/b"\n'
        f'[channels.smtp]\nhost = "127.0.0.1"\nport = {free_port()}\n'
        f'[[channels.webhook]]\nname = "crm"\nurl = "http://127.0.0.1:{free_port()}/"\n'
        'secret_key = "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo"\n',
    )  # fmt: skip
    nowhere = f"broker.port={free_port()}"
    done = bridge("check", "--config", plant.config, "--set", nowhere, "--connect")
    said = told(done, 1)
    for part in ("broker", "series", "records", "smtp", "webhook crm"):
        assert f"away {part}: " in said
    assert "hush" not in said


def test_check_names_line_and_key(tmp_path: Path) -> None:
    """A wrong catalog and wrong settings are told with file, line and key; code 2."""
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG.replace("role: engineer", "role: enginer"))
    assert "catalog.yaml:3: people[0].role: found 'enginer'" in told(bridge("check", file), 2)
    (tmp_path / "bridge.toml").write_text("[web]\nport = 0\n[broker]\ncolour = 1\n")
    said = told(bridge("check", tmp_path / "bridge.toml"), 2)
    assert "bridge.toml: web.port: found 0" in said
    assert "broker.colour" in said
