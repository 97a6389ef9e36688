from pathlib import Path

import pytest

from bridge.codec import catalog, yaml_tree
from bridge.codec.references import KINDS
from bridge.model.catalog import Catalog
from bridge.model.errors import CatalogError

SMALL = """\
tenant: default
people:
  - {id: fe-1, name: Engineer, role: engineer, timezone: Europe/Berlin,
     works: {days: [mon, tue], from: "08:00", to: 17:00}, deputy: fe-2}
  - {id: fe-2, name: Other, role: engineer}
accounts:
  - id: acct-1
    name: Plastics North
    renewal: 2026-11-30
    engineer: fe-1
    outcomes:
      - {id: line3, name: Line 3, assets: [m-1], cost_per_hour: {amount: 4200, currency: EUR},
         protected: [{days: [mon], from: "06:00", to: "22:00"},
                     {from: 2026-12-01, to: 2026-12-20}]}
sites:
  - {id: bremen, account: acct-1, name: Bremen works, timezone: Europe/Berlin}
models:
  - id: HX450
    name: Extruder
    signals: [{name: temp, unit: degC, limits: [-20, 150], every_s: 60}]
    failure_modes: [{id: wear, name: Wear, plain: a worn part, signature: [{signal: temp}]}]
assets:
  - {id: m-1, model: HX450, site: bremen, batch: "2019-07"}
"""


def problems(text: str) -> list[str]:
    """Everything the reader has to say against a text."""
    with pytest.raises(CatalogError) as caught:
        catalog.from_text(text, "catalog.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_catalog_survives_export_and_import():
    """What is written out reads back as the same catalog."""
    read = catalog.from_text(SMALL)
    assert catalog.from_text(catalog.to_text(read)) == read


def test_bare_times_and_yes_are_text():
    """YAML 1.2: 17:00 is no number, and no, on, yes are no truth values."""
    tree = yaml_tree.parse("a: 17:00\nb: no\nc: on\nd: true\ne: 08\nf: 2026-10-13", "t")
    assert tree.value == {
        "a": "17:00",
        "b": "no",
        "c": "on",
        "d": True,
        "e": 8,
        "f": "2026-10-13",
    }


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "role: engineer, t",
            "role: enginer, t",
            ["catalog.yaml:3", "people[0].role", "engineer"],
        ),
        (
            "Europe/Berlin,\n",
            "Europe/Berln,\n",
            ["catalog.yaml:3", "people[0].timezone", "IANA"],
        ),
        ("2026-11-30", "2026-11-31", ["catalog.yaml:9", "accounts[0].renewal", "2026-11-31"]),
        ("    name: Plastics", "    nam: Plastics", ["catalog.yaml:8", "accounts[0].nam"]),
        ("limits: [-20, 150]", "limits: [150, -20]", ["catalog.yaml:20", "low < high"]),
        ("every_s: 60", "every_s: 0", ["catalog.yaml:20", "every_s", "greater than 0"]),
        ("model: HX450", "model: HX451", ["catalog.yaml:23", "assets[0].model", "HX450"]),
        ("deputy: fe-2", "deputy: fe-9", ["people[0].deputy", "'fe-9'", "fe-1, fe-2"]),
        ("id: fe-2", "id: fe-1", ["people[1]", "a second time"]),
        ("signal: temp}", "signal: tmp}", ["catalog.yaml:21", "signature", "temp"]),
        ("tenant: default", "tenant: a b", ["catalog.yaml:1", "tenant", "1 to 64 characters"]),
        ("amount: 4200", "amount: much", ["catalog.yaml:12", "amount", "much"]),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, words: list[str]):
    """File, line, key, what was found and what is allowed."""
    assert old in SMALL
    found = "\n".join(problems(SMALL.replace(old, new, 1)))
    for word in words:
        assert word in found


def test_every_mistake_is_told_at_once():
    """Nobody likes to mend a file one error at a time."""
    text = SMALL.replace("role: engineer, t", "role: cook, t").replace("2026-11-30", "soon")
    assert len(problems(text)) == 2


def test_a_key_twice_is_an_error_with_its_line():
    """YAML would silently let the last one win."""
    assert "catalog.yaml:2" in problems("tenant: a\ntenant: b\n")[0]


def test_a_folder_is_one_catalog(tmp_path: Path):
    """Files of a folder are joined; an error names the file it stands in."""
    head, assets = SMALL.split("assets:\n  - {id: m-1", 1)
    (tmp_path / "a.yaml").write_text(head)
    (tmp_path / "b.yaml").write_text("assets:\n  - {id: m-1" + assets)
    assert catalog.read(tmp_path) == catalog.from_text(SMALL)
    (tmp_path / "b.yaml").write_text("assets:\n  - {id: m-1, model: HX9, site: bremen}\n")
    with pytest.raises(CatalogError, match=r"b\.yaml:2"):
        catalog.read(tmp_path)


def test_an_import_tells_what_it_adds_changes_and_orphans():
    """The operator sees the effect before it happens."""
    old = catalog.from_text(SMALL)
    new = catalog.from_text(
        SMALL.replace("name: Bremen works", "name: Works").replace("fe-2", "fe-3")
    )
    changes = catalog.compare(old, new)
    assert changes.added == ("people/fe-3",)
    assert changes.orphaned == ("people/fe-2",)
    assert set(changes.changed) == {"people/fe-1", "sites/bremen"}


def test_kinds_are_all_lists_of_the_catalog():
    """A list added to the catalog must not be forgotten by compare and the checks."""
    lists = {
        name for name, field in Catalog.model_fields.items() if "tuple" in str(field.annotation)
    }
    assert lists == set(KINDS)
