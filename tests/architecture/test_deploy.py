"""What deploy/ promises: its files are well-formed and speak of settings that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SCRIPTS = [ROOT / ".ci" / "run", *sorted(DEPLOY.rglob("*.sh"))]


def test_compose_settings_are_the_services_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The service starts with the environment that compose.yaml gives it, secrets as files."""
    from bridge.app.settings import load

    for key, value in COMPOSE["services"]["bridge"]["environment"].items():
        secret = tmp_path / Path(str(value)).name
        if str(value).startswith("/run/secrets/"):
            assert secret.name in COMPOSE["services"]["bridge"]["secrets"], key
            secret.write_text("postgresql+psycopg://bridge:secret@postgres/bridge")
            value = str(secret)  # noqa: PLW2901 - the file that the container would mount
        monkeypatch.setenv(key, re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)))
    settings = load(DEPLOY / "bridge.toml")
    assert settings.records_url.startswith("postgresql+psycopg://")
    assert settings.broker.secret
    assert settings.series.kind == "influxdb"


def test_compose_secrets_are_made() -> None:
    """Every secret that a service names is declared, and deploy/secrets.sh makes its file."""
    script = (DEPLOY / "secrets.sh").read_text(encoding="utf-8")
    named = {
        secret
        for service in COMPOSE["services"].values()
        for secret in service.get("secrets", [])
    }
    assert named == set(COMPOSE["secrets"])
    for secret, place in COMPOSE["secrets"].items():
        assert place == {"file": f"./secrets/{secret}"}
        assert re.search(rf"^secret {secret} ", script, re.MULTILINE), secret


def test_compose_waits_for_what_is_healthy() -> None:
    """The bridge starts when its broker and stores answer, so each of them can be asked."""
    services = COMPOSE["services"]
    for name in services["bridge"]["depends_on"]:
        assert services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    for name, service in services.items():
        assert re.search(r":\d", service["image"]), f"{name} runs whatever version is newest"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_well_formed(script: Path) -> None:
    """The shell can read each script to its end."""
    subprocess.run(["bash", "-n", script], check=True, timeout=20)


def test_influxdb_is_one_version() -> None:
    """Tests, the compiled server and the container speak of the same InfluxDB."""
    version = COMPOSE["services"]["influxdb"]["image"].partition(":")[2]
    assert f"version={version}\n" in (DEPLOY / "native" / "influxdb.sh").read_text()
    assert f"influxdb-{version}/" in (DEPLOY / "native" / "services.sh").read_text()
    assert f'"influxdb:{version}"' in (ROOT / "tests" / "containers.py").read_text()
