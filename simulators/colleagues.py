"""Simulated colleagues act on the seats that no visitor has taken, over REST like anybody.

Each side of an open case takes its next step after a while of simulated time, long enough that
a visitor can see the case and act first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import httpx

Tree = dict[str, Any]

LOOK_EVERY_S = 1.0
STEP_H = {"engineering": (2.0, 6.0), "sales": (3.0, 8.0)}
"""Shortest and longest simulated time before a side's next step."""

UNTOLD_H = 24.0
"""So long an engineer waits with the plan for a customer who has not been told."""

ACTS = {
    "confirm-finding": "confirm-finding",
    "plan": "plan",
    "execute": "execute",
    "verify": "verify",
    "confirm-message": "confirm-message",
    "inform": "inform",
    "retract": "inform",
    "close": "close",
}
"""The act that takes each next step of a task; other steps wait for somebody else."""

WORDS = {
    "finding": (
        "Checked on site: the readings are right, the part is worn.",
        "Heard and measured it: the trend is real.",
        "Inspected during the break, wear is visible.",
        "Compared with the sister machine: clearly out of line.",
        "Looked at two weeks of data and called the line lead: confirmed.",
    ),
    "verified": (
        "Ran it for a shift: readings are back at their old level.",
        "Measured again after the restart: all quiet.",
        "Back to normal under full load.",
    ),
    "planned": (
        "Replace the part in the next planned stop; kit is reserved.",
        "Two people, half a day, at the change of product.",
        "Swap it in the early shift, the line runs on the sister machine.",
    ),
    "done": (
        "Part replaced, test run without findings.",
        "Replaced and aligned, readings back to normal.",
        "Repaired in the planned stop, run-in done.",
        "Cleaned, balanced and measured: within limits.",
    ),
    "told": (
        "A part is wearing out; we repair it before it fails.",
        "We saw it early; it can be fixed in a planned stop.",
        "Explained what we see and agreed on the next step.",
        "Called the plant manager, sent the dates by mail.",
    ),
    "retracted": ("It was not what we thought; the machine is fine, no stop is needed.",),
}
"""What colleagues write, a few ways of saying each."""

FIELDS = {
    "confirm-finding": {"finding": "finding"},
    "inform": {"told": "told"},
    "plan": {"action": "planned"},
    "execute": {"action": "done"},
    "verify": {"finding": "verified"},
    "close": {"finding": "finding", "action": "done", "told": "told"},
}
"""The fields of each act, and what is written there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act that is due: by whom, on which case, with which words."""

    case: str
    side: str
    owner: str
    act: str
    body: Tree


@dataclass(slots=True)
class Colleagues:
    """Looks at the open cases and does what is due.

    Attributes
    ----------
    url : str
        Where the service answers.
    tokens : mapping of person id to token
        One for each simulated colleague.
    reader : str
        Person with whose token the cases are read.
    seed : int
        Decides who is quick and what they write.
    taken : callable
        Person ids whose seats visitors have taken.
    now : callable
        Simulated time.
    allowed : callable
        Whether an act may be done at all now.
    acting : set of str
        Persons in whose name a request is under way.
    done : int
        Acts that were accepted.
    refused : list of str
        Those that were not, and why; the last hundred.
    """

    url: str
    tokens: dict[str, str]
    reader: str
    seed: int
    taken: Callable[[], set[str]]
    now: Callable[[], datetime]
    allowed: Callable[[str], bool] = lambda _act: True
    acting: set[str] = field(default_factory=set)
    done: int = 0
    refused: list[str] = field(default_factory=list)
    _since: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    _tries: dict[tuple[str, str, str], int] = field(default_factory=dict)

    async def run(self) -> None:
        """Act until cancelled; a service that is away for a while is waited for."""
        async with httpx.AsyncClient(base_url=self.url, timeout=15.0) as client:
            while True:
                try:
                    await self.look(client)
                except httpx.HTTPError as error:
                    self._note(f"looking: {error!r}")
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, client: httpx.AsyncClient) -> None:
        """Do every act that is due now."""
        after: str | None = None
        while True:
            answer = await client.get(
                "/api/v1/cases",
                params={"open": "true", "limit": 200, **({"after": after} if after else {})},
                headers=self._headers(self.reader),
            )
            answer.raise_for_status()
            page = answer.json()
            for case in page["items"]:
                for step in self.due(case):
                    await self._act(client, step)
            after = page["next"]
            if after is None:
                return

    def due(self, case: Tree) -> list[Step]:
        """Return the acts on a case whose time has come; it runs from the first look on."""
        steps = []
        for side in ("engineering", "sales"):
            act = next_act(case, side)
            if act is None or not self.allowed(act):
                continue
            owner = case["tasks"][side]["owner"]
            if owner in self.taken() or owner not in self.tokens:
                continue
            since = self._since.setdefault((case["id"], side, act), self.now())
            if self.now() - since >= self.patience(case, side, act):
                body = self._words(case, side, act)
                steps.append(Step(case["id"], side, owner, act, body))
                self._since[case["id"], side, act] = self.now()
        return steps

    def patience(self, case: Tree, side: str, act: str) -> timedelta:
        """Return how long a side lets an act wait."""
        low, high = STEP_H[side]
        hours = low + self._share(case["id"], side, act) * (high - low)
        if act == "plan" and case["tasks"]["sales"] and not case["told_at"]:
            hours += UNTOLD_H
        return timedelta(hours=hours)

    async def _act(self, client: httpx.AsyncClient, step: Step) -> None:
        key = (step.case, step.side, step.act)
        number = self._tries[key] = self._tries.get(key, 0) + 1
        # The same key gives the same answer, so another try needs another one; and so does
        # another run, whose clock is another.
        name = f"{step.case}/{step.side}/{step.act}/{number}/{self.now().isoformat()}"
        self.acting.add(step.owner)
        try:
            answer = await client.post(
                f"/api/v1/cases/{step.case}/acts",
                json={"do": step.act, **step.body},
                headers={**self._headers(step.owner), "Idempotency-Key": name},
            )
        finally:
            self.acting.discard(step.owner)
        if answer.is_success:
            self.done += 1
        else:
            told = answer.text[:200]
            self._note(f"{step.act} by {step.owner}: {answer.status_code} {told}")

    def _headers(self, person: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[person]}"}

    def _note(self, text: str) -> None:
        self.refused = [*self.refused[-99:], text]

    def _share(self, *parts: str) -> float:
        return crc32("/".join((str(self.seed), *parts)).encode()) / 2**32

    def _words(self, case: Tree, side: str, act: str) -> Tree:
        """Return the fields that an act needs, in a colleague's words."""
        body = {}
        for name, kind in FIELDS.get(act, {}).items():
            taken_back = kind == "told" and case["side_state"] == "retraction-due"
            choice = WORDS["retracted" if taken_back else kind]
            body[name] = choice[int(self._share(case["id"], kind) * len(choice))]
        if act == "plan":
            until = self.now() + self.patience(case, side, "execute")
            body["until"] = until.isoformat()
        return body


def next_act(case: Tree, side: str) -> str | None:
    """Return what a side would do next on a case, or None while there is nothing to do.

    A side without a partner (its case is waived) only acknowledges: what is not sure yet is
    looked at when it is. Closing is the engineer's.
    """
    task = case["tasks"][side]
    if task is None or task["state"] == "done":
        return None
    if task["state"] == "created":
        return "acknowledge"
    if task["waiting_on"] is not None or case["waiver"] is not None:
        return None
    act = ACTS.get(task["next_action"])
    return None if act == "close" and side == "sales" else act
