import json
import subprocess
import sys

import pytest

SPEAK = """\
import logging, structlog
from bridge.app import logs
logs.set_up({form!r}, {level!r})
log = structlog.get_logger()
log.debug("too small to tell")
log.info("service started", roles="web", count=3)
logging.getLogger("uvicorn.error").info("idle talk")
logging.getLogger("uvicorn.error").warning("a %s warning", "foreign")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("part failed", part="watch")
"""


def spoken(form: str, level: str = "info") -> list[str]:
    """What a process of its own writes to stderr; structlog keeps its first set-up for good."""
    code = SPEAK.format(form=form, level=level)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_is_one_object_a_line() -> None:
    """Every line is an object with time, level and event; a traceback is a field of one."""
    lines = [json.loads(line) for line in spoken("json")]
    assert [(each["level"], each["event"]) for each in lines] == [
        ("info", "service started"),
        ("warning", "a foreign warning"),
        ("error", "part failed"),
    ]
    assert all(each["timestamp"].endswith("Z") for each in lines)
    assert lines[0]["count"] == 3
    assert lines[1]["logger"] == "uvicorn.error"
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_text_is_for_a_person() -> None:
    """A line tells time, level, event and what goes with it; no colours into a file."""
    lines = spoken("text")
    assert "service started" in lines[0]
    assert "count=3 roles=web" in lines[0]
    assert "a foreign warning" in lines[1]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("warning", 2), ("error", 1)])
def test_level(level: str, count: int) -> None:
    """Nothing below the level is told."""
    assert len(spoken("json", level)) == count
