"""`bridge check`: whether what was written is right, and what it names answers."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge.app import settings as settings_file
from bridge.app.opening import (
    ask_broker,
    ask_smtp,
    ask_webhook,
    mappings,
    open_records,
    open_series,
)
from bridge.app.settings import Settings
from bridge.codec import catalog as catalog_file
from bridge.model.catalog import Catalog
from bridge.model.errors import BridgeError, CatalogError, ConflictError, InputError

ASK_TIMEOUT_S = 15.0


def run_check(
    path: Path | None, config: Path | None, overrides: list[str], *, connect: bool
) -> int:
    """Check files and, where asked, the world; return 0, 1 (world) or 2 (files)."""
    console = Console(highlight=False)
    code = 0
    if path is not None and path.suffix == ".toml":
        path, config = None, path
    settings: Settings | None = None
    if config is not None or connect or path is None:
        try:
            settings = settings_file.load(config, overrides)
            mappings(settings)
            console.print(f"[green]ok[/green]    settings {config or '(defaults)'}")
        except InputError as error:
            settings, code = None, _tell(console, error)
    if path is not None:
        try:
            _summary(console, path, catalog_file.read(path))
        except CatalogError as error:
            code = _tell(console, error)
    if connect and settings is not None:
        code = max(code, asyncio.run(_ask_all(console, settings)))
    return code


def _summary(console: Console, path: Path, catalog: Catalog) -> None:
    counts = ", ".join(
        f"{len(getattr(catalog, kind))} {kind}"
        for kind in ("assets", "models", "accounts", "people", "contracts")
    )
    console.print(f"[green]ok[/green]    catalog {path}: {counts}")
    for account in catalog.accounts:
        missing = [
            word
            for word, value in (
                ("account_owner", account.account_owner),
                ("engineer", account.engineer),
                ("contacts", account.contacts),
                ("outcomes", account.outcomes),
            )
            if not value
        ]
        if missing:
            console.print(
                f"[yellow]note[/yellow]  account {account.id} has no {', '.join(missing)}"
            )


def _tell(console: Console, error: InputError) -> int:
    for problem in error.problems if isinstance(error, CatalogError) else [error]:
        console.print(f"[red]wrong[/red] {escape(str(problem))}", soft_wrap=True)
    return 2


async def _ask_all(console: Console, settings: Settings) -> int:
    async def series() -> str:
        async with open_series(settings) as store:
            return await store.ping()

    async def records() -> str:
        async with open_records(settings) as found:
            return await found.ping()

    asked: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("broker", lambda: ask_broker(settings)),
        ("series", series),
        ("records", records),
    ]
    if settings.channels.smtp.host:
        asked.append(("smtp", lambda: ask_smtp(settings)))
    asked += [
        (f"webhook {hook.name}", partial(ask_webhook, hook))
        for hook in settings.channels.webhook
    ]
    code = 0
    for name, ask in asked:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                answer = await ask()
            console.print(f"[green]ok[/green]    {name}: {escape(answer)}", soft_wrap=True)
        except ConflictError as error:  # the embedded stores let in one process
            console.print(
                f"[yellow]busy[/yellow]  {name}: {escape(str(error))}", soft_wrap=True
            )
        except (BridgeError, OSError, TimeoutError) as error:
            text = str(error) or f"no answer in {ASK_TIMEOUT_S:.0f} s"
            console.print(f"[red]away[/red]  {name}: {escape(text)}", soft_wrap=True)
            code = 1
    return code
