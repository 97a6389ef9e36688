"""A console on fakes, served for real, and browsers that look at it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bridge.web.application import create_app
from bridge.web.context import WebContext
from tests.fakes.showroom import a_context

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]


@dataclass
class Console:
    """A console that is being served, and what the browsers complained about."""

    url: str
    context: WebContext
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def console() -> Iterator[Console]:
    """Serve the console on fakes until the test is over."""
    context = a_context(speed=1.0)
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(context), log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    yield Console(f"http://127.0.0.1:{door.getsockname()[1]}", context)
    server.should_exit = True
    thread.join(10)
    door.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Share one browser; tests keep apart by contexts of their own.

    Only within a file: playwright keeps an event loop running in this thread, in which no
    asynchronous test could start its own.
    """
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield found
        found.close()


Seat = Callable[..., Page]


@pytest.fixture
def seat(console: Console, browser: Browser) -> Iterator[Seat]:
    """Give a function that opens a browser of its own and takes a seat in it."""
    opened: list[BrowserContext] = []

    def take(role: str, *, width: int = 1440, path: str = "/inbox", **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(15_000)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda said: _complain(console, said.type, said.text))
        page.on("pageerror", lambda error: _complain(console, "error", str(error)))
        page.goto(f"{console.url}/signin?to={path}")
        page.locator(f"form:has(input[value={role}]) button").click()
        page.wait_for_url(console.url + path)
        page.wait_for_selector("#link.on")
        return page

    yield take
    for context in opened:
        context.close()


def _complain(console: Console, kind: str, text: str) -> None:
    # A request fails where the test cuts the line or the desk refuses: no complaint.
    if kind in {"error", "warning"} and "Failed to load resource" not in text:
        console.complaints.append(text)
