"""Simulated colleagues: they act on the seats that no visitor has taken, over REST like everybody.

Each side of an open case takes its next step after a while of simulated time, long enough that a
visitor can see the case and act first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import httpx
import numpy as np

Tree = dict[str, Any]

LOOK_EVERY_S = 1.0
STEP_H = (3.0, 9.0)
"""Shortest and longest simulated time before a side's next step."""

FINDINGS = (
    "Checked on site: the readings are right, the part is worn.",
    "Heard and measured it: the trend is real.",
    "Inspected during the break, wear is visible.",
)
ACTIONS = (
    "Part replaced, test run without findings.",
    "Replaced and aligned, readings back to normal.",
    "Repaired in the planned stop, run-in done.",
)
TOLD = (
    "A part is wearing out; we repair it before it fails.",
    "We saw it early; it can be fixed in a planned stop.",
    "We explained what we see and agreed on the next step.",
)


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
    taken : callable
        Person ids whose seats visitors have taken.
    now : callable
        Simulated time.
    """

    url: str
    tokens: dict[str, str]
    seed: int
    taken: Callable[[], set[str]]
    now: Callable[[], datetime]
    done: int = 0
    refused: list[str] = field(default_factory=list)
    _since: dict[tuple[str, str, str], datetime] = field(default_factory=dict)

    async def run(self) -> None:
        """Act until cancelled; a service that is away for a while is waited for."""
        async with httpx.AsyncClient(base_url=self.url, timeout=15.0) as client:
            while True:
                try:
                    await self.look(client)
                except httpx.HTTPError:
                    await asyncio.sleep(LOOK_EVERY_S)
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, client: httpx.AsyncClient) -> None:
        """Do every act that is due now."""
        reader = next(iter(self.tokens.values()))
        answer = await client.get(
            "/api/v1/cases",
            params={"open": "true", "limit": 200},
            headers={"Authorization": f"Bearer {reader}"},
        )
        answer.raise_for_status()
        for case in answer.json()["items"]:
            for step in self._due(case):
                await self._act(client, step)

    async def _act(self, client: httpx.AsyncClient, step: Step) -> None:
        answer = await client.post(
            f"/api/v1/cases/{step.case}/acts",
            json={"do": step.act, **step.body},
            headers={
                "Authorization": f"Bearer {self.tokens[step.owner]}",
                "Idempotency-Key": f"{step.case}-{step.side}-{step.act}",
            },
        )
        if answer.is_success:
            self.done += 1
        else:
            self.refused.append(
                f"{step.act} by {step.owner}: {answer.status_code} {answer.text[:200]}"
            )

    def _due(self, case: Tree) -> list[Step]:
        steps = []
        for side in ("engineering", "sales"):
            task = case["tasks"].get(side)
            if not task or task["owner"] in self.taken() or task["owner"] not in self.tokens:
                continue
            act = next_act(case, side)
            if act is None:
                continue
            since = self._since.setdefault((case["id"], side, act), self.now())
            if self.now() - since >= self._patience(case["id"], side, act):
                body = words(act, self._pick(case["id"], act), self.now())
                steps.append(Step(case["id"], side, task["owner"], act, body))
                self._since[case["id"], side, act] = self.now()
        return steps

    def _patience(self, case: str, side: str, act: str) -> timedelta:
        share = crc32(f"{self.seed}/{case}/{side}/{act}".encode()) / 2**32
        return timedelta(hours=STEP_H[0] + share * (STEP_H[1] - STEP_H[0]))

    def _pick(self, case: str, act: str) -> int:
        return int(np.uint32(crc32(f"{self.seed}/{case}/{act}/words".encode())) % 3)


def next_act(case: Tree, side: str) -> str | None:
    """Return what a side would do next on a case, or None while it waits for the other side."""
    task, state = case["tasks"][side], case["state"]
    if task["state"] == "created":
        return "acknowledge"
    if side == "engineering":
        if not case.get("finding_confirmed"):
            return "confirm-finding"
        order = {
            "aligned": None,
            "informed": "plan",
            "planned": "execute",
            "executed": "verify",
        }
        if case["tasks"].get("sales") is None:
            order |= {"open": "plan", "aligned": "plan"}
        if state == "verified":
            return "close"
        return order.get(state)
    if not case.get("message_confirmed"):
        return "confirm-message"
    return "inform" if state == "aligned" else None


def words(act: str, pick: int, now: datetime) -> Tree:
    """Return the fields that an act needs, in a colleague's words."""
    match act:
        case "confirm-finding" | "verify":
            return {"finding": FINDINGS[pick]}
        case "inform":
            return {"told": TOLD[pick]}
        case "plan":
            return {"action": ACTIONS[pick], "until": (now + timedelta(hours=20)).isoformat()}
        case "execute":
            return {"action": ACTIONS[pick]}
        case "close":
            return {"finding": FINDINGS[pick], "action": ACTIONS[pick], "told": TOLD[pick]}
        case _:
            return {}
