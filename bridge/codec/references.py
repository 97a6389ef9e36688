"""What identifies an object of a catalog, and which references lead nowhere."""

from collections.abc import Iterable, Iterator
from typing import Any

from bridge.codec.yaml_tree import KeyPath
from bridge.model.catalog import Catalog

KINDS = (
    "people",
    "on_call",
    "accounts",
    "sites",
    "models",
    "parts",
    "assets",
    "contracts",
    "commitments",
    "service_history",
    "kpis",
)
NEAR_MAX = 8
"""How many of the known ids a message lists."""

Broken = tuple[KeyPath, str, str]
Reference = tuple[KeyPath, Iterable[str | None], str]


def identity(kind: str, item: Any) -> str:  # noqa: ANN401 - any object of the catalog
    """Return what identifies an object within its kind."""
    match kind:
        case "kpis":
            return f"{item.id}/{item.department}"
        case "service_history":
            return f"{item.site}/{item.metric}"
        case "on_call":
            return f"{item.side}/{','.join(item.sites)}"
        case _:
            return str(item.id)


def broken_references(catalog: Catalog) -> Iterator[Broken]:
    """Yield every id used twice and every reference to nothing.

    Yields
    ------
    tuple
        Path of the key, what was found, what is allowed.
    """
    yield from _twice(catalog)
    known: dict[str, dict[str, Any]] = {
        "people": catalog.person_by_id,
        "accounts": catalog.account_by_id,
        "sites": catalog.site_by_id,
        "models": catalog.model_by_id,
        "parts": catalog.part_by_id,
        "assets": catalog.asset_by_id,
    }
    for path, values, kind in _references(catalog):
        for value in values:
            if value is not None and value not in known[kind]:
                yield path, repr(value), _allowed(kind, sorted(known[kind]))
    for index, model in enumerate(catalog.models):
        signals = sorted(signal.name for signal in model.signals)
        for number, mode in enumerate(model.failure_modes):
            for symptom in mode.signature:
                if symptom.signal not in signals:
                    path = ("models", index, "failure_modes", number, "signature")
                    yield (
                        path,
                        repr(symptom.signal),
                        _allowed(f"signals of {model.id}", signals),
                    )


def _allowed(kind: str, ids: list[str]) -> str:
    near = ", ".join(ids[:NEAR_MAX]) or "none there"
    return f"an id of {kind} ({near}{', ...' if len(ids) > NEAR_MAX else ''})"


def _twice(catalog: Catalog) -> Iterator[Broken]:
    for kind in KINDS:
        seen: set[str] = set()
        for index, item in enumerate(getattr(catalog, kind)):
            key = identity(kind, item)
            if key in seen:
                yield (kind, index), f"{key!r} a second time", f"each id of {kind} once"
            seen.add(key)


def _references(catalog: Catalog) -> Iterator[Reference]:
    """Yield each place that names objects: its path, the ids it names, the kind they are of."""
    for index, person in enumerate(catalog.people):
        yield ("people", index, "deputy"), [person.deputy], "people"
    for index, account in enumerate(catalog.accounts):
        yield ("accounts", index, "account_owner"), [account.account_owner], "people"
        yield ("accounts", index, "engineer"), [account.engineer], "people"
        for number, outcome in enumerate(account.outcomes):
            yield ("accounts", index, "outcomes", number, "assets"), outcome.assets, "assets"
    for index, site in enumerate(catalog.sites):
        yield ("sites", index, "account"), [site.account], "accounts"
    for index, model in enumerate(catalog.models):
        for number, mode in enumerate(model.failure_modes):
            yield ("models", index, "failure_modes", number, "parts"), mode.parts, "parts"
    yield from _references_of_assets(catalog)
    yield from _references_of_promises(catalog)


def _references_of_assets(catalog: Catalog) -> Iterator[Reference]:
    for index, asset in enumerate(catalog.assets):
        yield ("assets", index, "model"), [asset.model], "models"
        yield ("assets", index, "site"), [asset.site], "sites"
        yield ("assets", index, "engineer"), [asset.engineer], "people"
        yield ("assets", index, "account_owner"), [asset.account_owner], "people"


def _references_of_promises(catalog: Catalog) -> Iterator[Reference]:
    for index, turn in enumerate(catalog.on_call):
        yield ("on_call", index, "people"), turn.people, "people"
        yield ("on_call", index, "sites"), turn.sites, "sites"
    for index, contract in enumerate(catalog.contracts):
        yield ("contracts", index, "account"), [contract.account], "accounts"
        if not isinstance(contract.assets, str):
            yield ("contracts", index, "assets"), contract.assets, "assets"
    for index, commitment in enumerate(catalog.commitments):
        yield ("commitments", index, "account"), [commitment.account], "accounts"
        yield ("commitments", index, "site"), [commitment.site], "sites"
        yield ("commitments", index, "made_by"), [commitment.made_by], "people"
    for index, history in enumerate(catalog.service_history):
        yield ("service_history", index, "site"), [history.site], "sites"
