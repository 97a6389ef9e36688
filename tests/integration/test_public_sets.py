"""What learn and backtest say of public run-to-failure sets and labelled rigs.

The sets are not part of this project. `BRIDGE_PUBLIC_SETS` names the folder that holds the
scorer (`scoring/evaluate.py`) and the sets (`data/`); without it a folder `shared` beside this
checkout is looked for.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = Path(os.environ.get("BRIDGE_PUBLIC_SETS", ROOT.parent / "shared"))
SCORER = SETS / "scoring" / "evaluate.py"

pytestmark = [
    pytest.mark.skipif(
        not SCORER.is_file(),
        reason="the public sets are not here; BRIDGE_PUBLIC_SETS names them",
    ),
    pytest.mark.timeout(900),
]


def evaluate(name, folder):
    """Run one part of the scorer against this checkout and return its figures."""
    out = folder / "figures.json"
    answer = subprocess.run(
        [
            sys.executable,
            SCORER,
            name,
            "--bridge",
            f"{sys.executable} -m bridge",
            "--json",
            out,
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(out.read_text())[name]


def test_nothing_looks_ahead(tmp_path) -> None:
    """On every kind of set, cutting the input or leaving machines out changes nothing."""
    figures = evaluate("causal", tmp_path)
    assert figures["holds"], figures


def test_a_fleet_with_recorded_failures(tmp_path) -> None:
    """Turbofans: near the end of life the date is right, the interval honest, tickets early."""
    figures = evaluate("cmapss", tmp_path)
    for name, most in {"FD001": 11, "FD002": 11, "FD003": 12, "FD004": 16}.items():
        found = figures[name]
        assert found["rmse_cap125"] <= most, (name, found)
        assert 0.7 <= found["p10_p90_cover"] <= 0.95, (name, found)
        assert found["share_with_interval"] >= 0.95, (name, found)
        assert found["recall"] >= 0.9, (name, found)
        assert found["false_per_100_cycles"] <= 0.1, (name, found)


def test_a_bearing_by_its_own_history(tmp_path) -> None:
    """A bearing rig without recorded failures: warned a day ahead, and never in vain."""
    found = evaluate("ims", tmp_path)["test2"]
    assert found["recall"] == 1.0
    assert found["lead_median"] >= 1.5
    assert found["false_week"] == 0.0


def test_changes_of_a_rig(tmp_path) -> None:
    """Valve faults at one row a second: changes are found, and healthy rows stay calm."""
    found = evaluate("skab", tmp_path)
    assert found["changepoint_std"] >= 45
    assert found["FAR%"] <= 10
