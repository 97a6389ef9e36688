"""The house's walls: who may import whom, and that the picture of it is true."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "bridge" / "ARCHITECTURE.md"


def contracts() -> dict[str, dict]:
    """Read the import contracts of pyproject.toml, by their id."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return {contract["id"]: contract for contract in found}


def layers(drawn: list[str]) -> list[set[str]]:
    """Read layers such as ``(adapters) | (web)``; an optional one is one all the same."""
    return [{name.strip(" ()") for name in layer.split("|")} for layer in drawn]


@pytest.mark.parametrize("contract", contracts())
def test_imports_keep(contract: str, tmp_path: Path) -> None:
    """Every import in the code obeys the contract."""
    options = {"limit_to_contracts": (contract,), "cache_dir": str(tmp_path), "no_logo": True}
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, importlinter.cli as cli; sys.exit(cli.lint_imports(**{options}))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 kept" in answer.stdout, answer.stdout


def test_the_picture_is_true() -> None:
    """The layers that ARCHITECTURE.md draws are the ones that the imports are held to."""
    text = PICTURE.read_text(encoding="utf-8")
    drawn = re.search(r"^```layers\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert drawn, "bridge/ARCHITECTURE.md has no block that begins with ```layers"
    held = layers(contracts()["layers"]["layers"])
    assert layers(" ".join(drawn[1].split()).split(">")) == [
        layer for layer in held if layer != {"__main__"}
    ]
