"""What the commands of the README say when the machine is not ready for them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def command(folder: Path, name: str, script: str) -> None:
    """Put a command on the PATH of the call."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    """Ask for the Python environment with ``folder`` first on PATH."""
    return subprocess.run(
        ["bash", "deploy/native/python.sh", str(folder / "venv"), "run"],
        cwd=ROOT,
        env={"PATH": f"{folder}:/usr/bin:/bin", "PYTHON": "python3", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_target() -> None:
    """Whoever types `make` reads what there is to type."""
    answer = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert re.findall(r"make (\w+)", answer.stdout) == targets[1].split()


@pytest.mark.parametrize(
    ("commands", "failed", "remedy"),
    [
        (
            {f"python3{minor}": "exit 1" for minor in ("", ".11", ".12", ".13", ".14")},
            "no Python 3.11 or newer",
            "python3-venv",
        ),
        (
            {"python3": f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"'},
            "cannot make environments",
            "apt-get install python3-venv",
        ),
        (
            {
                "python3": f'exec {sys.executable} "$@"',
                "df": "echo head; echo disk 100 88 12 90% /",
            },
            "12 MB free",
            "make room",
        ),
    ],
    ids=["old python", "no venv", "full disk"],
)
def test_what_fails_says_what_to_do(
    tmp_path: Path, commands: dict[str, str], failed: str, remedy: str
) -> None:
    """A machine that lacks something is told what, and the command that mends it."""
    for name, script in commands.items():
        command(tmp_path, name, script)
    answer = install(tmp_path)
    assert answer.returncode == 1
    assert failed in answer.stderr
    assert re.search(rf"remedy: .*{remedy}", answer.stderr)
    assert not (tmp_path / "venv").exists()
