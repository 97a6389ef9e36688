import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bridge.adapters.journal.lock import DataFolder
from bridge.app.cli import app, main
from tests.servers import free_port

Run = Callable[..., tuple[int, str]]


def commands(group: object, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command, those in groups too."""
    found = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += commands(command, (*words, name))
        else:
            found.append((*words, name))
    return found


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run the command line in an empty folder; gives exit code and what stderr got."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("BRIDGE_TOKEN", raising=False)

    def run_main(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bridge", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        code = ended.value.code
        return (0 if code is None else int(code)), told.err + told.out

    return run_main


@pytest.mark.parametrize("words", commands(typer.main.get_command(app)), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    """--help says what a command does, with an example that begins with that command."""
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert f"bridge {' '.join(words)}" in shown.output.split("Example", 1)[1]


def test_every_promised_command_is_there() -> None:
    """What README and scripts call exists."""
    known = {" ".join(words) for words in commands(typer.main.get_command(app))}
    assert known >= {
        "serve", "demo", "check", "discover", "learn", "backtest", "catalog import",
        "catalog export", "user add", "token issue", "token revoke", "version",
    }  # fmt: skip


def test_no_command_is_help(run: Run) -> None:
    """Alone it lists its commands."""
    _, told = run()
    assert "serve" in told
    assert "discover" in told


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("demo --faults some", ["--faults", "'some'", "'all'", "'none'"]),
        ("demo --speed 0", ["--speed", "1"]),
        ("demo --port 70000", ["--port", "65535"]),
        ("discover --broker here --seconds 0", ["--seconds", "1"]),
        ("token issue op-1 --days 0", ["--days", "0.01"]),
        ("backtest x.csv --out y.csv --healthy-rows 1", ["--healthy-rows", "2"]),
        ("serve --colour blue", ["--colour"]),
        ("dance", ["dance"]),
    ],
)
def test_wrong_options_are_refused(run: Run, line: str, words: list[str]) -> None:
    """A value that is not allowed ends with code 2, its name, and what is allowed."""
    code, told = run(*line.split())
    assert code == 2
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("serve --roles cook", ["service.roles", "'cook'", "'intake'"]),
        ("serve --set nonsense", ["nonsense", "section.key=value"]),
        ("serve --config nowhere.toml", ["nowhere.toml", "settings file"]),
        ("discover --broker host:door", ["host:door", "host:port"]),
        ("catalog import nowhere.yaml --token x", ["nowhere.yaml"]),
        ("catalog export", ["--token", "BRIDGE_TOKEN"]),
        ("catalog export --token x --url here", ["--url here", "http://host:port"]),
        ("user add op-1 --role king --password-file password", ["king", "operator"]),
        ("user add op-1 --password-file nowhere", ["--password-file nowhere"]),
        ("user add op-1 --password-file short", ["at least 10"]),
        ("user add op-1", ["--password-file"]),
        ("user add op-1 --password-file password", ["op-1"]),
        ("token issue nobody", ["nobody"]),
        ("token revoke nothing", ["nothing"]),
        ("backtest nowhere.csv --out y.csv", ["nowhere.csv"]),
        ("learn nowhere.csv --failures f.csv --out m", ["nowhere.csv"]),
        ("token revoke x --set records.url=nonsense", ["records.url"]),
    ],
)
def test_their_fault_is_one_line_and_2(
    run: Run, tmp_path: Path, line: str, words: list[str]
) -> None:
    """What was handed in wrong ends with code 2 and one line that names it."""
    (tmp_path / "password").write_text("a long password")
    (tmp_path / "short").write_text("short")
    code, told = run(*line.split())
    assert code == 2
    assert_one_line(told, words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("catalog export --token x --url http://127.0.0.1:1", ["127.0.0.1:1", "bridge serve"]),
        ("token issue op-1 --set service.data_folder=/proc/nowhere", ["/proc/nowhere"]),
        (
            "token revoke x --set records.url=postgresql+psycopg://a:hush@127.0.0.1:1/b",
            ["records", "127.0.0.1"],
        ),
    ],
)
def test_the_worlds_fault_is_one_line_and_1(run: Run, line: str, words: list[str]) -> None:
    """What is away ends with code 1 and one line that names it, without its password."""
    code, told = run(*line.split())
    assert code == 1
    assert_one_line(told, words)
    assert "hush" not in told


def test_nobody_to_discover(run: Run) -> None:
    """A broker that does not answer is named, and no file is written."""
    code, told = run("discover", "--broker", "127.0.0.1:1", "--seconds", "1", "--out", "mine")
    assert code == 1
    assert told.splitlines()[-1].startswith("bridge: broker is not available: 127.0.0.1:1")
    assert not Path("mine").exists()


def test_a_conflict_is_one_line_and_1(tmp_path: Path) -> None:
    """A second demo on a folder is refused with the number of the first."""
    # A process of its own: what sets up the log does it for the rest of its process.
    words = ("-m", "bridge", "demo", "--folder", str(tmp_path), "--port", str(free_port()))
    with DataFolder.lock(tmp_path, "demo"):
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert_one_line(done.stderr, [str(tmp_path), "in use", str(os.getpid())])


def test_help_loads_no_engine() -> None:
    """--help is quick: numbers, stores and servers are loaded by who needs them."""
    look = "import sys, bridge.app.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True
    )
    heavy = {"numpy", "scipy", "duckdb", "sqlalchemy", "fastapi", "bokeh", "aiomqtt", "httpx"}
    assert not heavy & set(done.stdout.split())


def assert_one_line(told: str, words: list[str]) -> None:
    """One line from the bridge, no traceback, with these words in it."""
    [line] = told.strip().splitlines()
    assert line.startswith("bridge: ")
    for word in words:
        assert word in line
