"""Catalog files: YAML to a checked `Catalog` and back, and what an import would change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.codec import yaml_tree
from bridge.codec.references import KINDS, broken_references, identity
from bridge.codec.yaml_tree import KeyPath, Tree
from bridge.model.catalog import Catalog
from bridge.model.errors import CatalogError, Problem


def read(path: Path) -> Catalog:
    """Read a catalog: a file, or a folder whose files are merged.

    Raises
    ------
    CatalogError
        With every problem found: file, line, key, what stands there and what is allowed.
    """
    files = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
    if not files:
        raise CatalogError(
            [Problem(str(path), "-", "no .yaml file", "a catalog file or folder")]
        )
    return from_trees([yaml_tree.read(file) for file in files])


def from_text(text: str, file: str = "catalog") -> Catalog:
    """Read a catalog from text, with the same checks as `read`."""
    return from_trees([yaml_tree.parse(text, file)])


def from_trees(trees: list[Tree]) -> Catalog:
    """Merge and validate trees; lists are joined, `policy` is merged key by key."""
    merged, places = _merge(trees)
    try:
        catalog = Catalog.model_validate(merged)
    except ValidationError as error:
        raise CatalogError([_problem(each, places) for each in error.errors()]) from error
    _refuse_broken(catalog, places)
    return catalog


def check(catalog: Catalog) -> None:
    """Check a catalog that came another way than from a file, such as by REST.

    Raises
    ------
    CatalogError
        With every id used twice and every reference to nothing.
    """
    _refuse_broken(catalog, [])


def to_tree(catalog: Catalog) -> dict[str, Any]:
    """Return the catalog as a plain tree, defaults left out."""
    return catalog.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def to_text(catalog: Catalog) -> str:
    """Return the catalog as YAML that `from_text` reads to an equal catalog."""
    return yaml_tree.render({"tenant": catalog.tenant, **to_tree(catalog)})


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import would do, as ``kind/identity``; orphans stand in the old catalog only."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    orphaned: tuple[str, ...]


def compare(old: Catalog, new: Catalog) -> Changes:
    """Return what is added, changed and orphaned by going from one catalog to another."""
    added, changed, orphaned = [], [], []
    for kind in KINDS:
        before = {identity(kind, item): item for item in getattr(old, kind)}
        after = {identity(kind, item): item for item in getattr(new, kind)}
        added += [f"{kind}/{key}" for key in after if key not in before]
        changed += [
            f"{kind}/{key}" for key in after if key in before and after[key] != before[key]
        ]
        orphaned += [f"{kind}/{key}" for key in before if key not in after]
    if old.policy != new.policy:
        changed.append("policy")
    return Changes(tuple(added), tuple(changed), tuple(orphaned))


def _refuse_broken(catalog: Catalog, places: list[tuple[KeyPath, KeyPath, Tree]]) -> None:
    problems = [
        Problem(_where(path, places), _dotted(path), found, allowed)
        for path, found, allowed in broken_references(catalog)
    ]
    if problems:
        raise CatalogError(problems)


def _merge(trees: list[Tree]) -> tuple[dict[str, Any], list[tuple[KeyPath, KeyPath, Tree]]]:
    """Join the files; also return which part of the whole stands where in which file."""
    merged: dict[str, Any] = {}
    places: list[tuple[KeyPath, KeyPath, Tree]] = []
    for tree in trees:
        if not isinstance(tree.value, dict):
            found = type(tree.value).__name__
            raise CatalogError(
                [Problem(tree.file, "-", found, "a mapping with the catalog's keys")]
            )
        for key, value in tree.value.items():
            if isinstance(value, list) and isinstance(merged.get(key), list):
                shift = len(merged[key])
                merged[key] = [*merged[key], *value]
                places += [
                    ((key, shift + index), (key, index), tree) for index in range(len(value))
                ]
                continue
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                merged[key] = {**merged[key], **value}
            elif key in merged and merged[key] != value:
                where = tree.where((key,))
                found = f"{value!r} after {merged[key]!r}"
                raise CatalogError([Problem(where, key, found, "one value in all files")])
            else:
                merged[key] = value
            places.append(((key,), (key,), tree))
    return merged, places


def _where(path: KeyPath, places: list[tuple[KeyPath, KeyPath, Tree]]) -> str:
    best: tuple[int, str] = (-1, places[0][2].file if places else "catalog")
    for whole, part, tree in places:
        if path[: len(whole)] == whole and len(whole) > best[0]:
            best = (len(whole), tree.where(part + path[len(whole) :]))
    return best[1]


def _dotted(path: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "-"


def _problem(error: Any, places: list[tuple[KeyPath, KeyPath, Tree]]) -> Problem:  # noqa: ANN401
    path = tuple(part for part in error["loc"] if not _is_branch(part))
    found = "nothing" if error["type"] == "missing" else repr(error.get("input"))[:120]
    if error["type"] == "extra_forbidden":
        return Problem(
            _where(path, places), _dotted(path), "an unknown key", "the documented keys"
        )
    return Problem(
        _where(path, places), _dotted(path), found, error["msg"].removeprefix("Value error, ")
    )


def _is_branch(part: str | int) -> bool:
    """Tell pydantic's names of union branches from keys of the file."""
    return isinstance(part, str) and ("[" in part or "(" in part)
