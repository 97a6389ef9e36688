"""Where settings come from, as plain trees, and how what is wrong with them is told."""

import os
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bridge.model.errors import CatalogError, Problem

PREFIX = "BRIDGE_"
_SECRET = {"password", "token", "secret_key"}
"""Keys whose values are never shown."""
_USER = re.compile(r"//[^/@\s]*@")
"""Where a URL holds a password."""


def read_file(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    CatalogError
        It cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        text = f"nothing readable ({error.strerror})"
        raise CatalogError(
            [Problem(str(path), "-", text, "a settings file; see deploy/bridge.toml")]
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(
            [Problem(str(path), "-", str(error), "TOML 1.0 in UTF-8")]
        ) from error


def read_overrides(pairs: list[str]) -> dict[str, Any]:
    """Make a tree of ``section.key=value`` each; the value is TOML, or text where it is none.

    Raises
    ------
    CatalogError
        One is not of that form.
    """
    tree: dict[str, Any] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        parts = key.strip().split(".")
        if not sign or len(parts) < 2 or not all(parts):  # noqa: PLR2004 - section and key
            raise CatalogError([Problem("--set", key, "no value", "section.key=value")])
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        branch = tree
        for part in parts[:-1]:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise CatalogError(
                    [Problem("--set", key, f"{part} with a value", "one of both")]
                )
        branch[parts[-1]] = value
    return tree


def check_environment(sections: Collection[str]) -> None:
    """Refuse variables that look like settings and name no section: a slip would go unseen.

    Raises
    ------
    CatalogError
        With every such variable.
    """
    allowed = f"{PREFIX}SECTION__KEY with a section of {', '.join(sections)}"
    problems = [
        Problem("environment", name, "an unknown section", allowed)
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and "__" in name
        if name.removeprefix(PREFIX).partition("__")[0].lower() not in sections
    ]
    if problems:
        raise CatalogError(problems)


def problem_of(error: Any, path: Path | None) -> Problem:  # noqa: ANN401 - pydantic's ErrorDetails
    """Say for a person what is wrong with a setting; no value of a secret is shown."""
    where = str(path) if path else "settings"
    key = ".".join(str(part) for part in error["loc"]) or "-"
    return Problem(where, key, _found(error), error["msg"].removeprefix("Value error, "))


def _found(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    value = error.get("input")
    if error["type"] == "missing":
        return "nothing"
    if isinstance(value, dict):  # a whole section, and with it its password
        return ", ".join(map(str, value)) or "an empty section"
    if _SECRET & {str(part) for part in error["loc"]}:
        return "a value that is not shown"
    return _USER.sub("//...@", repr(value))[:120]
