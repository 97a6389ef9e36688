"""The bridge as a process of its own, as a user starts it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.servers import ROOT, free_port


def bridge(*words: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command of the bridge to its end."""
    return subprocess.run(
        command(*words),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def simulators(*words: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command of the simulators to its end."""
    line = [sys.executable, "-m", "simulators", *map(str, words)]
    return subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def command(*words: str | Path) -> list[str]:
    """Give the command line of the bridge in this Python."""
    return [sys.executable, "-m", "bridge", *map(str, words)]


class Running:
    """A command of the bridge that runs until it is stopped, and its REST."""

    def __init__(self, folder: Path, port: int, *words: str | Path, token: str = "") -> None:
        self.port, self.log = port, folder / "bridge.log"
        self.began_s = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command(*words),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "COLUMNS": "200"},
            )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.began_s

    def told(self) -> str:
        """Give what it wrote."""
        return self.log.read_text(errors="replace")

    def get(self, path: str, **params: object) -> Any:
        """Get a page of its REST as JSON."""
        answer = self.client.get(f"/api/v1/{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def act(self, case: str, token: str, **body: object) -> httpx.Response:
        """Act on a case as whom a token names."""
        return self.client.post(
            f"/api/v1/cases/{case}/acts",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
        )

    def wait(self, so: Callable[[], Any], timeout_s: float, what: str) -> Any:
        """Wait until something is so and return it; a service that is not up yet is not so."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it ended:\n{self.told()[-3000:]}"
            try:
                if found := so():
                    return found
            except httpx.HTTPError:
                pass
            time.sleep(0.25)
        raise AssertionError(f"not within {timeout_s} s: {what}\n{self.told()[-3000:]}")

    def stop(self, number: int = signal.SIGINT, timeout_s: float = 30) -> float:
        """End it and return how many seconds that took."""
        self.client.close()
        began_s = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
                raise
        return time.monotonic() - began_s


def demo(folder: Path, *words: str, port: int = 0) -> Running:
    """Start a demo whose data are in a folder."""
    port = port or free_port()
    return Running(
        folder, port, "demo", "--folder", folder / "demo", "--port", str(port), *words,
        token="demo",
    )  # fmt: skip
