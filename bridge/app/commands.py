"""What the smaller commands do: discover, catalog, users, tokens."""

import asyncio
import getpass
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.app import settings as settings_file
from bridge.app.opening import open_records
from bridge.codec import catalog as catalog_file
from bridge.flow.clock import SystemClock
from bridge.model.catalog import Catalog
from bridge.model.errors import BridgeError, InputError, UnavailableError
from bridge.model.instants import as_datetime

if TYPE_CHECKING:
    from bridge.app.discover import Door

PASSWORD_LENGTH_MIN = 10


def run_discover(broker: str, seconds: float, out: Path, door: "Door") -> None:
    """Listen, then write `bridge.toml` and `catalog.yaml`, over no existing file."""
    from bridge.app.discover import discover

    host, _, port = broker.partition(":")
    if port and not port.isdigit():
        raise InputError(f"--broker {broker!r}: host or host:port is allowed")
    targets = {"bridge.toml": "settings", "catalog.yaml": "catalog"}
    for name in targets:
        if (out / name).exists():
            raise InputError(f"{out / name} exists; move it away or give another --out")
    columns = (TextColumn("Listening"), BarColumn(), TextColumn("{task.fields[seen]} messages"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("listen", total=seconds, seen=0)

        def progress(elapsed_s: float, messages: int) -> None:
            bar.update(task, completed=elapsed_s, seen=messages)

        found = asyncio.run(
            discover(
                host,
                int(port or (8883 if door.tls else 1883)),
                seconds,
                door=door,
                progress=progress,
            )
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "bridge.toml").write_text(found.toml, "utf-8")
    (out / "catalog.yaml").write_text(found.catalog, "utf-8")
    sys.stdout.write(f"{found.summary}\n{out / 'bridge.toml'}\n{out / 'catalog.yaml'}\n")


def run_catalog_import(path: Path, url: str, token: str, *, dry_run: bool) -> None:
    """Send a checked catalog to a running service and print what it changes."""
    catalog = catalog_file.read(path)
    with _client(url, token) as client:
        present = _get_catalog(client)
        if present is not None:
            changes = catalog_file.compare(present, catalog)
        else:
            changes = catalog_file.compare(Catalog(tenant=catalog.tenant), catalog)
        for sign, names in (
            ("+", changes.added),
            ("~", changes.changed),
            ("-", changes.orphaned),
        ):
            for name in names:
                sys.stdout.write(f"{sign} {name}\n")
        if dry_run:
            sys.stdout.write("dry run: nothing was changed\n")
            return
        answer = _call(client, "PUT", catalog.model_dump_json(by_alias=True))
        _checked(answer)
        sys.stdout.write(f"catalog version {answer.json()['version']}\n")


def run_catalog_export(url: str, token: str) -> None:
    """Print the catalog of a running service."""
    with _client(url, token) as client:
        present = _get_catalog(client)
    if present is None:
        raise InputError("the service has no catalog yet; bring one in: bridge catalog import")
    sys.stdout.write(catalog_file.to_text(present))


def run_user_add(
    person: str,
    config: Path | None,
    overrides: list[str],
    password_file: Path | None,
    role: str | None,
) -> None:
    """Set a person's password; who is in no catalog needs an operating role."""
    settings = settings_file.load(config, overrides)
    password = _read(password_file) if password_file else _ask()
    if len(password) < PASSWORD_LENGTH_MIN:
        raise InputError(f"a password has at least {PASSWORD_LENGTH_MIN} characters")

    async def add() -> None:
        async with open_records(settings) as records:
            await records.people.add_user(settings.service.tenant, person, password, role=role)

    asyncio.run(add())
    sys.stdout.write(f"{person} may sign in\n")


def run_token_issue(
    person: str, name: str, days: float, config: Path | None, overrides: list[str]
) -> None:
    """Print a new token."""
    settings = settings_file.load(config, overrides)
    expires = as_datetime(SystemClock().now_ns()) + timedelta(days=days)

    async def issue() -> str:
        async with open_records(settings) as records:
            return await records.people.issue_token(
                settings.service.tenant, person, name, expires=expires
            )

    sys.stdout.write(asyncio.run(issue()) + "\n")


def run_token_revoke(name: str, config: Path | None, overrides: list[str]) -> None:
    """Revoke a token by its name."""
    settings = settings_file.load(config, overrides)

    async def revoke() -> bool:
        async with open_records(settings) as records:
            return await records.people.revoke_token(settings.service.tenant, name)

    if not asyncio.run(revoke()):
        raise InputError(f"no token is named {name!r}")
    sys.stdout.write(f"{name} revoked\n")


def _read(password_file: Path) -> str:
    try:
        return password_file.read_text("utf-8").strip()
    except OSError as error:
        raise InputError(f"--password-file {password_file}: {error.strerror}") from error


def _ask() -> str:
    if not sys.stdin.isatty():
        raise InputError("no terminal to ask for the password; give --password-file")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise InputError("the two are not equal")
    return first


def _client(url: str, token: str) -> httpx.Client:
    if not token:
        raise InputError("a token is needed: --token or BRIDGE_TOKEN (bridge token issue)")
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--url {url}: http://host:port or https://host is allowed")
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def _call(client: httpx.Client, method: str, content: str | None = None) -> httpx.Response:
    try:
        return client.request(
            method,
            "/api/v1/catalog",
            content=content,
            headers={"Content-Type": "application/json"},
        )
    except httpx.HTTPError as error:
        raise UnavailableError(
            "service",
            f"{client.base_url} does not answer ({error}); is `bridge serve` running?",
        ) from error


def _get_catalog(client: httpx.Client) -> Catalog | None:
    answer = _call(client, "GET")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    _checked(answer)
    tree = answer.json()
    return Catalog.model_validate_json(json.dumps(tree.get("catalog", tree)))


def _checked(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        detail = answer.json().get("detail") or answer.text
    except ValueError:
        detail = answer.text
    raise BridgeError(f"the service answered {answer.status_code}: {detail}")
