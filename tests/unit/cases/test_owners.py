"""Owners, fallbacks, gaps and on-call turns."""

from datetime import datetime

import pytest

from bridge.cases.owners import NOBODY, Gap, gaps_of, on_call, owner_of
from bridge.model.catalog import Catalog
from tests.scenarios.plant import MONDAY, plant

T = datetime.fromisoformat


def test_named_then_deputy_then_lead() -> None:
    """An absent owner's deputy stands in without a gap; with both away the lead, as a gap."""
    catalog = plant()
    asset = catalog.asset_by_id["M-1"]
    assert owner_of(catalog, asset, "engineering", MONDAY) == ("fe-1", False)
    at = T("2026-11-03T09:00:00+01:00")
    assert owner_of(catalog, asset, "engineering", at) == ("fe-2", False)
    at = T("2026-11-05T09:00:00+01:00")
    assert owner_of(catalog, asset, "engineering", at) == ("lead-fe", True)


def test_an_empty_catalog_has_nobody() -> None:
    """Where there are no people at all the owner is a word that says so."""
    assert owner_of(Catalog(), None, "sales", MONDAY) == (NOBODY, True)


def test_gaps_are_named_once_per_account() -> None:
    """An account without people and contacts is three gaps, however many machines it has."""
    catalog = plant()
    bare = catalog.accounts[0].model_copy(
        update={"account_owner": None, "engineer": None, "contacts": ()}
    )
    changed = catalog.model_copy(update={"accounts": (bare, catalog.accounts[1])})
    fresh = Catalog.model_validate(changed.model_dump(by_alias=True))
    assert gaps_of(fresh) == {
        Gap("no-engineer", "acct-1"): "lead-fe",
        Gap("no-account-owner", "acct-1"): "lead-am",
        Gap("no-contact", "acct-1"): "lead-am",
    }
    assert gaps_of(catalog) == {}


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-10-05T07:59:59+02:00", None),
        ("2026-10-05T08:00:00+02:00", "fe-1"),
        ("2026-10-12T07:59:59+02:00", "fe-1"),
        ("2026-10-12T08:00:00+02:00", "fe-2"),
        # Clocks went back on 25 October: the turn still changes at eight by the wall.
        ("2026-10-26T07:59:59+01:00", "fe-1"),
        ("2026-10-26T08:00:00+01:00", "fe-2"),
        # It is fe-1's turn, who is away.
        ("2026-11-03T02:00:00+01:00", "fe-2"),
        ("2026-11-05T02:00:00+01:00", None),
    ],
)
def test_turns_change_at_the_local_hour_and_pass_over_the_absent(
    at: str, who: str | None
) -> None:
    """Whoever is on call is there, and changes at the same hour of the wall clock all year."""
    catalog = plant()
    assert on_call(catalog, catalog.asset_by_id["M-1"], "engineering", T(at)) == who


def test_a_rota_answers_for_its_sites_only() -> None:
    """Another site's machine and another side have nobody here."""
    catalog = plant()
    at = T("2026-10-06T02:00:00+02:00")
    assert on_call(catalog, catalog.asset_by_id["M-3"], "engineering", at) is None
    assert on_call(catalog, catalog.asset_by_id["M-1"], "sales", at) is None
