"""What a reader is promised about the size and the place of things."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path.relative_to(ROOT)
    for package in ("bridge", "simulators")
    for path in (ROOT / package).rglob("*.py")
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
TOP_LEVEL = {
    "bridge", "simulators", "tests", "deploy",
    "pyproject.toml", "README.md", "mosquitto.conf", "Makefile", "LICENSE", "CHANGELOG.md",
}  # fmt: skip
# Folders that exist on one machine only; two pieces, or this file matches itself.
MACHINE_PATH = re.compile(r"(?<![\w.~/}\"'])/" + r"(?:home|root|work|Users|mnt|media)/[\w.]")


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_file_is_short(path: Path) -> None:
    """A file that needs scrolling for long is two files."""
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_functions_fit_a_screen(path: Path) -> None:
    """Docstring not counted: a long explanation is welcome, a long body is not."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) else node.body
        first = body[0].lineno if body else node.lineno
        assert (node.end_lineno or first) - first < FUNCTION_LINES_MAX, node.name


def committed() -> list[Path]:
    """List the files that git knows, or would take; without git, all of them."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=30,
    )
    if answer.returncode == 0:
        names = [Path(name) for name in answer.stdout.decode().split("\0") if name]
        return [name for name in names if (ROOT / name).is_file()]
    return [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]


def test_the_top_level_is_short() -> None:
    """Whoever opens the repository sees what it holds at one glance; the rest is dotfiles."""
    names = {path.parts[0] for path in committed()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_path_of_one_machine() -> None:
    """Outside deploy/ no file names a folder that exists on its author's machine only."""
    found = []
    for path in committed():
        if path.parts[0] in {"deploy", ".constraints.txt"}:
            continue
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)
