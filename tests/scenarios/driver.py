"""Runs a story on the pure desk: events become inputs, time is the story's, looks are matched.

Ticks come by themselves: before every event and every look the desk is ticked at each instant
at which its state has something to do, so nothing depends on how often a service looks.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bridge.cases.desk import decide
from bridge.cases.events import Acted, ActRefused, Event
from bridge.cases.inputs import (
    ActRequested,
    CatalogChanged,
    Detected,
    Input,
    Repaired,
    Ticked,
)
from bridge.cases.letters import Letter, follow
from bridge.cases.state import DeskState, evolve, initial
from bridge.cases.wording import Wording
from bridge.codec import catalog as catalog_file
from bridge.codec import yaml_tree
from bridge.model.case import Case, Task
from bridge.model.catalog import Catalog
from bridge.model.detections import Anomaly, Cleared, Connectivity, Prediction, derive_id
from bridge.model.values import Side
from tests.scenarios.matching import misses

ORDER = ("catalog", "device", "prediction", "anomaly", "cleared", "repair", "act")
"""Events of one instant run in this order, then by content, not by their place in the file."""

LOOKED_AT = ("cases", "notifications", "refused", "gaps", "audit")
TICKS_MAX = 10_000


@cache
def wording() -> Wording:
    """Return the words as the service has them."""
    return Wording(
        Environment(
            loader=PackageLoader("bridge.cases", "templates"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,  # noqa: S701 - the templates escape HTML themselves
        )
    )


@dataclass(slots=True)
class Desk:
    """A desk with a memory of everything it said."""

    tenant: str = "default"
    state: DeskState = field(init=False)
    cases: dict[Any, Case] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    letters: dict[Any, Letter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = initial(self.tenant)

    def take(self, input_: Input) -> tuple[Event, ...]:
        """Decide on one input and fold what follows."""
        events = decide(input_, self.state)
        for event in events:
            self.state = evolve(self.state, event)
            self.events.append(event)
            for letter in follow(event, self.state):
                assert letter.id not in self.letters
                self.letters[letter.id] = letter
        for event in events:
            if event.case in self.state.cases:
                self.cases[event.case] = self.state.cases[event.case]
            elif event.case in self.state.closed:
                self.cases[event.case] = self.state.closed[event.case]
        return events

    def pass_time(self, until: datetime) -> None:
        """Tick at every instant up to `until` at which something falls due."""
        for _ in range(TICKS_MAX):
            due = min(self.state.wakes.values(), default=None)
            if due is None or due > until:
                return
            tick = derive_id("tick", due, len(self.events))
            assert self.take(Ticked(id=tick, tenant=self.tenant, at=due)), "a tick for nothing"
        raise AssertionError(f"the desk never comes to rest before {until}")


def run(path: Path, *, skip: tuple[str, ...] = ()) -> list[str]:
    """Run a story file and return what its looks missed.

    Parameters
    ----------
    skip : tuple of str
        Kinds of events that are left out; looks at what only they would show are, too.
    """
    story = yaml_tree.read(path).value
    desk = Desk()
    start = datetime.fromisoformat(story["clock"])
    tree = _catalog_tree(story["catalog"], path.parent)
    desk.take(_adopt(tree, start, 1))
    steps = [(datetime.fromisoformat(each["at"]), *_kind(each)) for each in story["events"]]
    steps = [step for step in steps if step[1] not in skip]
    steps.sort(key=lambda step: (step[0], ORDER.index(step[1]), repr(step[2])))
    looks = sorted(story["look"], key=lambda look: datetime.fromisoformat(look["at"]))
    wrong: list[str] = []
    for look in looks:
        at = datetime.fromisoformat(look["at"])
        while steps and steps[0][0] <= at:
            when, kind, body = steps.pop(0)
            desk.pass_time(when)
            if kind == "catalog":
                tree = _merged(tree, body)
                desk.take(_adopt(tree, when, desk.state.catalog_version + 1))
            else:
                desk.take(input_of(kind, body, when))
        desk.pass_time(at)
        view = view_of(desk)
        for key in LOOKED_AT:
            if key in look:
                wrong += [f"{look['at']} {miss}" for miss in misses(look[key], view[key], key)]
    return wrong


def _kind(event: dict[str, Any]) -> tuple[str, Any]:
    return next((key, value) for key, value in event.items() if key != "at")


def _catalog_tree(given: Any, folder: Path) -> dict[str, Any]:
    return yaml_tree.read(folder / given).value if isinstance(given, str) else given


def _merged(tree: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Replace or add whole objects by identity; `policy` key by key; the rota as a whole."""
    new = dict(tree)
    for key, value in part.items():
        if key == "policy":
            new[key] = {**tree.get(key, {}), **value}
        elif key == "on_call" or not isinstance(value, list):
            new[key] = value
        else:
            changed = {each["id"] for each in value}
            new[key] = [each for each in tree.get(key, []) if each["id"] not in changed] + value
    return new


def _adopt(tree: dict[str, Any], at: datetime, version: int) -> CatalogChanged:
    catalog: Catalog = catalog_file.from_trees([yaml_tree.Tree(tree, {}, "story")])
    return CatalogChanged(
        id=derive_id("catalog", version),
        tenant=catalog.tenant,
        at=at,
        version=version,
        catalog=catalog,
    )


def input_of(kind: str, body: dict[str, Any], at: datetime, tenant: str = "default") -> Input:
    """Return an event of a story as the desk's input; equal events have equal ids."""
    id_ = derive_id("story", kind, at.isoformat(), repr(sorted(body.items(), key=str)))
    base = {"id": id_, "tenant": tenant, "at": at}
    if kind == "act":
        on = body["on"]
        rest = {key: value for key, value in body.items() if key != "on"}
        return ActRequested(**base, asset=on["asset"], mode=on.get("mode"), **rest)
    if kind == "repair":
        return Repaired(**base, by="repair", **body)
    if kind == "device":
        asset = body.get("asset") or body["gateway"]
        said: Any = Connectivity(
            **base, asset=asset, state=body["state"], gateway=body.get("gateway")
        )
    else:
        types = {"prediction": Prediction, "anomaly": Anomaly, "cleared": Cleared}
        said = types[kind](**base, **body)
    return Detected(**base, detection=said)


def view_of(desk: Desk) -> dict[str, list[dict[str, Any]]]:
    """Return the desk as a look sees it."""
    words = wording()
    return {
        "cases": [_case(case, words) for case in desk.cases.values()],
        "notifications": [
            {
                "at": letter.at.isoformat(),
                "to": letter.to,
                "case": str(letter.case),
                "channel": letter.channel,
                "kind": letter.kind,
                "state": "sent",
            }
            for letter in desk.letters.values()
            if letter.channel not in {"webhook", "journal"}
        ],
        "refused": [
            {
                "at": event.at.isoformat(),
                "by": event.by,
                "do": event.do,
                "status": event.status,
                "reason": event.reason,
            }
            for event in desk.events
            if isinstance(event, ActRefused)
        ],
        "gaps": [
            {"kind": gap.kind, "on": gap.on, "owner": owner}
            for gap, owner in desk.state.gaps.items()
        ],
        "audit": [
            {
                "at": event.at.isoformat(),
                "by": event.by,
                "do": event.do,
                "on": event.asset,
                "reason": event.reason,
            }
            for event in desk.events
            if isinstance(event, Acted)
        ],
    }


def _case(case: Case, words: Wording) -> dict[str, Any]:
    facts = case.facts
    sides: tuple[Side, ...] = ("engineering", "sales")
    return {
        "id": str(case.id),
        "asset": case.asset,
        "account": case.account,
        "mode": case.mode,
        "episode": case.episode,
        "state": case.state,
        "side_state": case.side_state,
        "severity": case.severity,
        "facts_hash": case.facts_hash,
        "p10": _text(facts.p10),
        "p50": _text(facts.p50),
        "p90": _text(facts.p90),
        "tasks": {side: _task(case, case.task(side), words) for side in sides},
        "waiver": case.waiver.model_dump(mode="json") if case.waiver else None,
    }


def _task(case: Case, task: Task | None, words: Wording) -> dict[str, Any] | None:
    if task is None:
        return None
    return {
        "owner": task.owner,
        "gap": task.gap,
        "state": task.state,
        "due": _text(task.due),
        "next_action": task.next_action,
        "waiting_on": task.waiting_on,
        "text": words.task_text(case, side=task.side, language="en", zone="Europe/Berlin"),
    }


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
