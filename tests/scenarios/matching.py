"""Whether a view shows what a look asks for: the matching rules of story files."""

import re
from datetime import datetime
from typing import Any

COMPARISON = re.compile(r"^(<=|>=|<|>)\s*(.+)$")


def misses(asked: Any, found: Any, path: str = "") -> list[str]:
    """Return what does not match, each as a sentence; empty where all holds."""
    if isinstance(asked, dict):
        return _mapping(asked, found, path)
    if isinstance(asked, list):
        return _listing(asked, found, path)
    return [] if _scalar(asked, found) else [f"{path}: asked {asked!r}, found {found!r}"]


def _mapping(asked: dict[str, Any], found: Any, path: str) -> list[str]:
    if not isinstance(found, dict):
        return [f"{path}: asked {asked!r}, found {found!r}"]
    wrong = []
    for key, value in asked.items():
        wrong += misses(value, found.get(key), f"{path}.{key}")
    return wrong


def _listing(asked: list[Any], found: Any, path: str) -> list[str]:
    items = list(found or [])
    wrong, free = [], list(items)
    for wish in asked:
        if isinstance(wish, dict) and set(wish) == {"none"}:
            if any(not misses(wish["none"], item) for item in items):
                wrong.append(f"{path}: there is one of {wish['none']!r}")
        elif isinstance(wish, dict) and "count" in wish:
            like = wish.get("of", {})
            count = sum(not misses(like, item) for item in items) if like else len(items)
            if count != wish["count"]:
                wrong.append(f"{path}: asked {wish!r}, counted {count} in {items!r}")
        else:
            match = next((item for item in free if not misses(wish, item)), None)
            if match is None:
                wrong.append(f"{path}: nothing matches {wish!r} in {free!r}")
            else:
                free.remove(match)
    return wrong


def _scalar(asked: Any, found: Any) -> bool:
    if asked is None or found is None:
        return asked is found
    if isinstance(asked, str) and len(asked) > 1 and asked[0] == asked[-1] == "/":
        return re.search(asked[1:-1], str(found)) is not None
    if isinstance(asked, str) and (compared := COMPARISON.match(asked)):
        return _compare(compared[1], _value(found), _value(compared[2]))
    left, right = _value(asked), _value(found)
    return left == right or str(asked) == str(found)


def _value(raw: Any) -> Any:
    if isinstance(raw, str):
        for read in (float, datetime.fromisoformat):
            try:
                return read(raw)
            except ValueError:
                continue
    return raw


def _compare(sign: str, left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[sign]
