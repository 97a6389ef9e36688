import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bridge.app.backtest import BacktestRequest, backtest, backtest_command
from bridge.app.learn import LearnRequest, learn, learn_command
from bridge.model.errors import InputError

HEAD = ["asset", "time", "score", "alarm", "rul_p10", "rul_p50", "rul_p90"]


def machines(count, seed, *, length=(70, 120)):
    """Return rows (asset, time, mode, wear, heat) of machines that wear to their end."""
    rng = np.random.default_rng(seed)
    rows = []
    for at in range(count):
        span = int(rng.integers(*length))
        for t in range(span):
            mode, wear = int(rng.integers(0, 2)), (t / span) ** 3
            noise = 0.05 * rng.standard_normal(2)
            rows.append(
                (
                    f"m{at}",
                    t + 1,
                    mode,
                    10 + 3 * wear + mode + noise[0],
                    5 + 2 * wear + noise[1],
                )
            )
    return rows


def write(path, head, rows):
    """Write a CSV file and return its path."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def history(path, rows):
    """Write a history."""
    return write(path, ["asset", "time", "mode", "wear", "heat"], rows)


def ends(path, rows):
    """Write the last row of each machine as its failure."""
    last = {row[0]: row[1] for row in rows}
    return write(path, ["asset", "time", "mode"], [(a, t, "") for a, t in last.items()])


def replayed(path):
    """Return the rows of a replay as dictionaries."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of a small fleet, by the function that the command calls."""
    folder = tmp_path_factory.mktemp("fleet")
    rows = machines(24, 1)
    last = {row[0]: row[1] for row in rows}
    failures = write(
        folder / "f.csv", ["asset", "time", "mode"], [(a, t, "") for a, t in last.items()]
    )
    out = folder / "model"
    learn(LearnRequest(history(folder / "h.csv", rows), failures, out, settings=("mode",)))
    return out


def run(folder, rows, **options):
    """Replay rows and return what was said."""
    out = folder / "replay.csv"
    backtest(BacktestRequest(history(folder / "history.csv", rows), out, **options))
    return replayed(out)


def test_one_row_per_row_in_the_order_of_the_input(tmp_path) -> None:
    """Interleaved machines, odd numbers: asset and time come back as they stood."""
    rows = [("b", "1.50", 0, 1, 2), ("a", "1", 0, 1, ""), ("b", "2e0", 0, "NaN", 2)]
    said = run(tmp_path, rows)
    assert [(each["asset"], each["time"]) for each in said] == [(r[0], r[1]) for r in rows]
    assert list(said[0])[:7] == HEAD
    for each in said:
        assert 0 <= float(each["score"]) <= 1
        assert each["alarm"] in {"0", "1"}


def test_with_a_model_every_row_has_a_date(tmp_path, model) -> None:
    """Dates are in the time column's unit, in order, right in the mean, and open tickets."""
    rows = machines(6, 2)
    end = {row[0]: row[1] for row in rows}
    said = run(tmp_path, rows, settings=("mode",), model=model)
    left = np.array([[float(each[key]) for key in HEAD[4:]] for each in said])
    truth = np.array([end[row[0]] - row[1] for row in rows])
    assert (np.diff(left, axis=1) >= 0).all()
    near = truth < 30
    assert np.abs(left[near, 1] - truth[near]).mean() < 8
    alarm = np.array([int(each["alarm"]) for each in said])
    assert alarm[truth < 5].mean() > 0.8
    assert alarm[truth > 60].mean() < 0.1


@pytest.mark.parametrize("with_model", [False, True])
def test_what_is_said_rests_on_the_past_of_that_machine(tmp_path, model, with_model) -> None:
    """Cutting the input, or leaving the other machines out, changes no output."""
    options = {
        "settings": ("mode",),
        "model": model if with_model else None,
        "healthy_rows": 20,
    }
    rows = machines(4, 3)
    whole = run(tmp_path, rows, **options)
    cut = [row for row in rows if row[1] <= 45]
    expected = [said for said, row in zip(whole, rows, strict=True) if row[1] <= 45]
    assert run(tmp_path, cut, **options) == expected
    alone = [row for row in rows if row[0] == "m2"]
    expected = [said for said, row in zip(whole, rows, strict=True) if row[0] == "m2"]
    assert run(tmp_path, alone, **options) == expected


def test_iso_times_give_spans_in_seconds(tmp_path) -> None:
    """A machine whose signals rise steadily is dated in seconds where times are instants."""
    rng = np.random.default_rng(5)
    rows = []
    for at in range(700):
        rise = np.exp(max(at - 300, 0) / 700 + 0.01 * rng.standard_normal())
        stamp = f"2026-01-{1 + at // 24:02d}T{at % 24:02d}:00:00Z"
        rows.append(("m", stamp, 0, 10 * rise, 5 * rise))
    said = run(tmp_path, rows, healthy_rows=100, settings=("mode",))
    dated = [float(each["rul_p50"]) for each in said if each["rul_p50"]]
    assert dated
    assert 3600 < np.median(dated) < 3600 * 24 * 365


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([("a", "1", 0, "x", 1)], {}, r"history\.csv:2:wear: found 'x'"),
        ([("a", "1", 0, 1, 1)], {"settings": ("lode",)}, "no column 'lode'"),
        ([("a", "1", 0, 1, 1)], {"settings": ("mode", "wear", "heat")}, "settings only"),
        ([("a", "1", 0, 1, 1)], {"asset": "machine"}, "no column 'machine'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, rows, options, words) -> None:
    """The error says file, line and column, and nothing is written."""
    with pytest.raises(InputError, match=words):
        run(tmp_path, rows, **options)
    assert not (tmp_path / "replay.csv").exists()


def test_a_model_of_other_columns_is_refused(tmp_path, model) -> None:
    """The model says which columns and settings it needs."""
    lacking = write(tmp_path / "h.csv", ["asset", "time", "wear"], [("a", 1, 2)])
    with pytest.raises(InputError, match="no column 'heat'"):
        backtest(BacktestRequest(lacking, tmp_path / "r.csv", model=model))
    with pytest.raises(InputError, match="--setting"):
        run(tmp_path, machines(1, 1), model=model)
    with pytest.raises(InputError, match="not a model"):
        run(tmp_path, machines(1, 1), model=lacking)
    with pytest.raises(InputError, match="readable"):
        run(tmp_path, machines(1, 1), model=tmp_path / "none")


def test_the_commands_as_they_are_typed(tmp_path) -> None:
    """Options by their names, a summary for people or as JSON."""
    app = typer.Typer()
    app.command("learn")(learn_command)
    app.command("backtest")(backtest_command)
    rows = machines(8, 1)
    last = {row[0]: row[1] for row in rows}
    failures = write(
        tmp_path / "f.csv", ["asset", "time", "mode"], [(a, t, "") for a, t in last.items()]
    )
    source, out, model = history(tmp_path / "h.csv", rows), tmp_path / "r.csv", tmp_path / "m"
    common = [str(source), "--asset", "asset", "--time", "time", "--setting", "mode"]
    runner = CliRunner()
    taught = runner.invoke(
        app, ["learn", *common, "--failures", str(failures), "--out", str(model), "--json"]
    )
    assert taught.exit_code == 0, taught.output
    assert json.loads(taught.stdout)["failures"] == 8
    options = ["--out", str(out), "--healthy-rows", "20", "--model", str(model)]
    said = runner.invoke(app, ["backtest", *common, *options])
    assert said.exit_code == 0, said.output
    assert "8 machine(s)" in said.stdout


def test_the_commands_import_nothing_heavy() -> None:
    """Help stays quick: naming the commands loads neither numpy nor polars."""
    code = (
        "import sys, bridge.app.learn, bridge.app.backtest;"
        "print([m for m in ('numpy', 'polars', 'scipy', 'rich.progress') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "[]"
