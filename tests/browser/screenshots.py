"""Photograph the console on a phone and on a desk.

`python -m tests.browser.screenshots URL FOLDER`, where URL is a running demo's or that of
`tests.browser.devserver`. With `--readme FILE` the case page alone goes into that file, as the
README shows it.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"phone": (390, 844), "desk": (1440, 900)}
README_HEIGHT = 1_400  # down to the plot
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]


def main() -> None:
    """Take a seat, open each page at each width, and save what it looks like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the console is, such as http://127.0.0.1:8080")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", type=Path, help="write the case page here and nothing else")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--seat", default="engineer")
    parser.add_argument("--language", default="")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGS
        )
        for name in ["desk"] if options.readme else WIDTHS:
            photograph(browser, name, options)
        browser.close()


def photograph(browser: Browser, name: str, options: argparse.Namespace) -> None:
    """Save each page at one width."""
    width, height = WIDTHS[name]
    if options.readme:
        height = README_HEIGHT
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if options.dark else "light",
    )
    said: set[str] = set()
    page.on(
        "console", lambda message: tell(said, f"{name} {message.type} {message.text[:300]}")
    )
    page.on("pageerror", lambda error: tell(said, f"{name} error {error}"))
    page.goto(f"{options.url}/signin")
    save(page, options.folder / f"{name}-signin.png")
    sit(page, options.seat)
    if options.language:
        page.locator("details.me summary").click()
        page.locator(f"button[value={options.language}]").click()
    page.goto(f"{options.url}/inbox?tab=all")
    first = page.locator(".row a.cover").first.get_attribute("href")
    asset = None
    pages = {"inbox": "/inbox", "all": "/inbox?tab=all", "case": first, "fleet": "/fleet"}
    for title, path in pages.items():
        page.goto(options.url + str(path))
        if title == "case":
            asset = page.locator(".marks a").first.get_attribute("href")
            drawn(page)
            if options.readme:
                page.screenshot(path=options.readme, full_page=False)
                return
        save(page, options.folder / f"{name}-{title}.png")
    page.goto(options.url + str(asset))
    drawn(page)
    save(page, options.folder / f"{name}-asset.png")


def tell(said: set[str], text: str) -> None:
    """Write what the browser's console says, each thing once and not without end."""
    if text not in said and len(said) < 20:
        said.add(text)
        sys.stdout.write(text + "\n")


def sit(page: Page, seat: str) -> None:
    """Take one of the demo's seats."""
    page.locator(f"form:has(input[value={seat}]) button").click()
    page.wait_for_url(lambda url: "signin" not in url)


def drawn(page: Page) -> None:
    """Wait until the plot is there."""
    if page.locator("details.depth:not([open])").count():
        page.locator("details.depth summary").click()
    if page.locator("[data-plot]").count():
        page.locator("[data-plot]").scroll_into_view_if_needed()
        page.wait_for_selector("[data-drawn]", timeout=20_000)
        page.wait_for_timeout(400)
        page.evaluate("scrollTo(0, 0)")


def save(page: Page, path: Path) -> None:
    """Save the whole page."""
    page.wait_for_timeout(300)
    size = page.viewport_size
    assert size is not None
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(tall, size["height"])})
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    page.set_viewport_size(size)


if __name__ == "__main__":
    main()
