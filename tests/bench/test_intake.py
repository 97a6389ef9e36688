"""How fast and how cheaply intake drains a broker, beside a C client that discards all."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.servers import ROOT, SERVICES, Mosquitto, locate, not_run

TOOL = Path(os.environ.get("BRIDGE_MQ_C") or ROOT.parent / "shared" / "tools" / "mq.c")
FULL, SHORT = 200_000, 10_000


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    """Give a broker that lets the C tool in, which knows no passwords."""
    binary = locate("mosquitto") or not_run("mosquitto", SERVICES)
    server = Mosquitto(binary, "allow_anonymous true")
    acl = server.folder / "acl"
    acl.write_text("topic readwrite #\n" + acl.read_text())
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def tool(tmp_path: Path) -> str:
    """Give the C client, compiled."""
    compiler = shutil.which("cc")
    if not TOOL.is_file() or compiler is None:
        not_run("the C client of the intake benchmark", "set BRIDGE_MQ_C to mq.c; install a cc")
    binary = tmp_path / "mq"
    subprocess.run([compiler, "-O2", "-o", str(binary), str(TOOL)], check=True, timeout=60)
    return str(binary)


def call(*command: str | int | Path) -> dict[str, float]:
    """Run a command and read the JSON that it prints last."""
    words = [str(word) for word in command]
    answer = subprocess.run(
        words, cwd=ROOT, check=True, timeout=300, capture_output=True, text=True
    )
    return json.loads(answer.stdout.splitlines()[-1].replace("-nan", "0"))


def test_drain_of_a_backlog(benchmark, broker: Mosquitto, tool: str, tmp_path: Path) -> None:
    """Intake loses nothing of a backlog; timed, its rate and cost stand beside a C client's."""
    timed = benchmark.enabled
    count = FULL if timed else SHORT
    bridge = (sys.executable, "-m", "tests.bench.drain", broker.port, "bridge", "plant/#")
    sink = (tool, "sink", "-p", broker.port, "-q", 1, "-V", 5, "-c", 0, "-i", "sink")

    def once() -> tuple[dict[str, float], dict[str, float]]:
        call(*bridge, 0, tmp_path)
        call(*sink, "-n", 0)
        call(tool, "pub", "-p", broker.port, "-q", 1, "-V", 5, "-n", count, "-m", 1_000)
        reference = call(*sink, "-n", count)
        return call(*bridge, count, tmp_path), reference

    rounds = [benchmark.pedantic(once, rounds=1, iterations=1)]
    rounds += [once() for _ in range(4 if timed else 0)]
    for ours, reference in rounds:
        assert ours["messages"] == reference["got"] == count
        assert ours["samples"] == 4 * count
    columns = [
        (
            ours["messages"] / ours["wall_s"], reference["rate"],
            ours["cpu_s"] / count * 1e6, reference["cpu"] / count * 1e6,
        )
        for ours, reference in rounds
    ]  # fmt: skip
    rate, sink_rate, cpu_us, sink_cpu_us = (
        median(column) for column in zip(*columns, strict=True)
    )
    benchmark.extra_info |= {
        "messages_per_s": round(rate), "sink_messages_per_s": round(sink_rate),
        "rate_ratio": round(median(row[0] / row[1] for row in columns if row[1]), 3),
        "cpu_us": round(cpu_us, 2), "sink_cpu_us": round(sink_cpu_us, 2),
        "cpu_ratio": round(median(row[2] / row[3] for row in columns if row[3]), 2),
        "cpu_us_rounds": [[round(row[2], 2), round(row[3], 2)] for row in columns],
    }  # fmt: skip
    if timed:
        sys.stdout.write(f"\nintake beside the C client: {json.dumps(benchmark.extra_info)}\n")
