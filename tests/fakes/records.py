"""The records' ports in memory, with a toy desk behind the inbox.

The toy desk knows only the gate and the order of the states; the real rules have tests of
their own.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from bridge.cases.events import Acted, ActRefused, CaseClosed, RepairRecorded, TaskChanged
from bridge.cases.inputs import ActRequested, CatalogChanged, Repaired
from bridge.flow.ports import (
    CaseFilter,
    Identity,
    Notification,
    Outcome,
    Page,
    Sending,
    StoredEvent,
)
from bridge.model.case import Case
from bridge.model.detections import AssetStatus, Detection
from bridge.model.errors import ConflictError, InputError
from bridge.model.values import Side

ENGINEERING = {"confirm-finding", "plan", "execute", "verify", "false-alarm"}
SALES = {"confirm-message", "inform"}
NEXT: dict[str, str] = {"plan": "planned", "execute": "executed", "verify": "verified"}


@dataclass
class Shelf:
    """Everything that one fake of the records holds, by tenant where it has one."""

    cases: dict[str, list[Case]] = field(default_factory=dict)
    events: list[StoredEvent] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)
    statuses: dict[str, list[AssetStatus]] = field(default_factory=dict)
    detections: list[Detection] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, event) -> None:
        """Append an event and wake who follows."""
        digest = hashlib.sha256((str(len(self.events)) + str(event.id)).encode()).hexdigest()
        self.events.append(StoredEvent(len(self.events) + 1, event, digest))
        self.news.set()

    def replace(self, case: Case) -> None:
        """Put a case in the place of its older self."""
        found = self.cases.setdefault(case.tenant, [])
        found[:] = [case if each.id == case.id else each for each in found]
        if case not in found:
            found.append(case)


class FakeViews:
    """The read side on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def cases(
        self, tenant: str, where: CaseFilter, *, after: str | None = None, limit: int = 50
    ) -> Page:
        """Return matching cases by act-by date, cursor = how many were given before."""
        found = [each for each in self.shelf.cases.get(tenant, []) if _matches(each, where)]
        found.sort(key=lambda each: (each.facts.act_by is None, each.facts.act_by, each.number))
        start = int(after or 0)
        end = start + limit
        return Page(found[start:end], str(end) if end < len(found) else None, len(found))

    async def case(self, tenant: str, id_: UUID) -> Case | None:
        """Return a case of the tenant."""
        return next((each for each in self.shelf.cases.get(tenant, []) if each.id == id_), None)

    async def case_by_number(self, tenant: str, number: int) -> Case | None:
        """Return the case that people write as C-number."""
        cases = self.shelf.cases.get(tenant, [])
        return next((each for each in cases if each.number == number), None)

    async def last_event(self, tenant: str) -> int:
        """Return the newest event's number."""
        return max(
            (each.seq for each in self.shelf.events if each.event.tenant == tenant), default=0
        )

    async def events(
        self, tenant: str, *, after: int = 0, case: UUID | None = None, limit: int = 500
    ) -> list[StoredEvent]:
        """Return events in order."""
        return [
            each
            for each in self.shelf.events
            if each.event.tenant == tenant
            and each.seq > after
            and case in (None, each.event.case)
        ][:limit]

    async def wait_events(self, *, after: int, timeout_s: float) -> bool:
        """Wait for an event of any tenant."""
        if len(self.shelf.events) > after:
            return True
        self.shelf.news.clear()
        try:
            async with asyncio.timeout(timeout_s):
                return await self.shelf.news.wait()
        except TimeoutError:
            return False

    async def notifications(
        self,
        tenant: str,
        *,
        case: UUID | None = None,
        before: UUID | None = None,
        limit: int = 200,
    ) -> list[Sending]:
        """Return what was sent."""
        found = [
            each
            for each in self.shelf.sendings
            if each.notification.tenant == tenant and case in (None, each.notification.case)
        ]
        return _older(found, [each.notification.id for each in found], before)[:limit]

    async def statuses(self, tenant: str) -> list[AssetStatus]:
        """Return every machine's state."""
        return list(self.shelf.statuses.get(tenant, []))

    async def status(self, tenant: str, asset: str) -> AssetStatus | None:
        """Return one machine's state."""
        statuses = self.shelf.statuses.get(tenant, [])
        return next((each for each in statuses if each.asset == asset), None)

    async def detections(
        self,
        tenant: str,
        *,
        asset: str | None = None,
        type_: str | None = None,
        before: UUID | None = None,
        limit: int = 200,
    ) -> list[Detection]:
        """Return the newest detections."""
        found = [
            each
            for each in self.shelf.detections
            if each.tenant == tenant
            and asset in (None, each.asset)
            and type_ in (None, each.type)
        ]
        found.sort(key=lambda each: each.at, reverse=True)
        return _older(found, [each.id for each in found], before)[:limit]


class FakeInbox:
    """A queue that a toy desk handles at once; `roles` says who may act on which side."""

    def __init__(self, shelf: Shelf, roles: dict[str, str]) -> None:
        self.shelf = shelf
        self.roles = roles
        self.inputs: list = []
        self.outcomes: dict[int, Outcome] = {}
        self.offsets: dict[str, int] = {}

    async def submit(self, input_) -> int:
        """Take an input once, and decide."""
        for number, known in enumerate(self.inputs, 1):
            if known.id == input_.id:
                if known.model_dump(exclude={"at"}) != input_.model_dump(exclude={"at"}):
                    raise ConflictError("this idempotency key was used for another request")
                return number
        self.inputs.append(input_)
        self.outcomes[len(self.inputs)] = self._decide(input_)
        return len(self.inputs)

    async def outcome(self, seq: int, *, timeout_s: float) -> Outcome:
        """Return what the desk made of it."""
        assert timeout_s > 0
        return self.outcomes[seq]

    async def put(
        self,
        tenant: str,
        inputs: Sequence,
        statuses: Sequence[AssetStatus],
        *,
        reader: str,
        offset: int,
    ) -> None:
        """Keep detections and states."""
        self.shelf.detections += [each.detection for each in inputs]
        kept = {each.asset: each for each in self.shelf.statuses.get(tenant, [])}
        kept.update({each.asset: each for each in statuses})
        self.shelf.statuses[tenant] = list(kept.values())
        self.offsets[reader] = offset

    async def offset(self, reader: str) -> int:
        """Return the offset last put."""
        return self.offsets.get(reader, 0)

    def _decide(self, asked) -> Outcome:
        if isinstance(asked, Repaired):
            self._record(RepairRecorded, asked, asset=asked.asset, mode=asked.mode)
            return Outcome(200)
        if isinstance(asked, CatalogChanged) or not isinstance(asked, ActRequested):
            return Outcome(200)
        cases = self.shelf.cases.get(asked.tenant, [])
        case = next((each for each in cases if each.id == asked.case), None)
        if case is None:
            return Outcome(404, "no such case")
        refusal = _refusal(case, asked, self.roles.get(asked.by, ""))
        if refusal:
            status, reason = refusal
            self._record(
                ActRefused, asked, case=case.id, do=asked.do, status=status, reason=reason
            )
            return Outcome(status, reason, case.id)
        self._apply(case, asked)
        return Outcome(200, case=case.id)

    def _apply(self, case: Case, asked: ActRequested) -> None:
        side: Side = _side(asked.do, self.roles.get(asked.by, ""))
        texts = asked.model_dump(include={"reason", "finding", "action", "told", "note"})
        place = {"asset": case.asset, "mode": case.mode}
        self._record(Acted, asked, case=case.id, do=asked.do, side=side, **place, **texts)
        change = {key: texts[key] for key in ("finding", "action", "told") if texts[key]}
        change["updated_at"] = asked.at
        if asked.do == "confirm-finding":
            change["finding_confirmed"] = True
        if asked.do == "confirm-message":
            change["message_confirmed"] = True
        if asked.do == "inform":
            change |= {"told_at": asked.at, "state": "informed"}
        if asked.do in NEXT:
            change["state"] = NEXT[asked.do]
        if asked.do in {"close", "false-alarm"}:
            change |= {"state": "closed", "closed_at": asked.at}
        case = case.model_copy(update=change)
        if case.state == "open" and case.finding_confirmed and case.message_confirmed:
            case = case.model_copy(update={"state": "aligned"})
        self._move(case, asked, side)
        if case.state == "closed":
            self._record(CaseClosed, asked, case=case.id, reason=asked.do)

    def _move(self, case: Case, asked: ActRequested, side: Side) -> None:
        tasks = {}
        for name in ("engineering", "sales"):
            task = case.task(name)
            if task is None:
                continue
            change = {"waiting_on": None, "waiting_since": None}
            if name == side and task.state == "created":
                change["state"] = "in-progress"
            if name == "sales" and not case.finding_confirmed:
                change = {
                    **change,
                    "waiting_on": "engineering",
                    "waiting_since": case.opened_at,
                }
            tasks[name] = task.model_copy(update=change)
            if tasks[name] != task:
                self._record(TaskChanged, asked, case=case.id, task=tasks[name])
        self.shelf.replace(case.model_copy(update=tasks))

    def _record(self, kind, asked, *, case: UUID | None = None, **content) -> None:
        self.shelf.record(
            kind(
                id=uuid5(asked.id, f"{len(self.shelf.events)}"),
                tenant=asked.tenant,
                at=asked.at,
                by=asked.by,
                input=asked.id,
                case=case,
                **content,
            )
        )


class FakePeople:
    """People, tokens and sessions in memory; passwords in plain."""

    def __init__(self) -> None:
        self.roles: dict[tuple[str, str], str] = {}
        self.passwords: dict[tuple[str, str], str] = {}
        self.tokens: dict[str, tuple[Identity, datetime | None]] = {}
        self.sessions: dict[str, tuple[Identity, datetime]] = {}

    def grant(self, tenant: str, person: str, role: str) -> None:
        """Say which role a person has."""
        self.roles[tenant, person] = role

    async def add_user(self, tenant: str, person: str, password: str) -> None:
        """Let a person sign in by password."""
        self.passwords[tenant, person] = password

    async def verify(self, tenant: str, person: str, password: str) -> Identity | None:
        """Return who this is where the password is right."""
        if self.passwords.get((tenant, person)) != password:
            return None
        return Identity(tenant, person, self.roles[tenant, person], "session")

    async def issue_token(
        self, tenant: str, person: str, name: str, *, expires: datetime | None
    ) -> str:
        """Make a token; its text is its name and its person."""
        token = f"{tenant}:{person}:{name}"
        identity = Identity(tenant, person, self.roles[tenant, person], "token")
        self.tokens[token] = (identity, expires)
        return token

    async def revoke_token(self, tenant: str, name: str) -> bool:
        """Forget a token."""
        gone = [
            key
            for key in self.tokens
            if key.startswith(f"{tenant}:") and key.endswith(f":{name}")
        ]
        for key in gone:
            del self.tokens[key]
        return bool(gone)

    async def by_token(self, token: str, *, now: datetime) -> Identity | None:
        """Return whose token this is, while it lives."""
        identity, expires = self.tokens.get(token, (None, None))
        return identity if expires is None or expires > now else None

    async def open_session(self, identity: Identity, *, expires: datetime) -> str:
        """Open a session."""
        session = f"session-{len(self.sessions)}-{identity.person}"
        self.sessions[session] = (identity, expires)
        return session

    async def by_session(self, session: str, *, now: datetime) -> Identity | None:
        """Return whose session this is, while it lives."""
        found = self.sessions.get(session)
        return found[0] if found and found[1] > now else None

    async def close_session(self, session: str) -> None:
        """End a session."""
        self.sessions.pop(session, None)


class FakeCatalogs:
    """Versions of catalogs in memory."""

    def __init__(self) -> None:
        self.versions: dict[str, list] = {}

    async def put(self, catalog) -> int:
        """Keep a catalog; an equal one is the present version."""
        kept = self.versions.setdefault(catalog.tenant, [])
        if not kept or kept[-1] != catalog:
            kept.append(catalog)
        return len(kept)

    async def latest(self, tenant: str):
        """Return the newest version."""
        kept = self.versions.get(tenant)
        return (len(kept), kept[-1]) if kept else None

    async def get(self, tenant: str, version: int):
        """Return one version."""
        kept = self.versions.get(tenant, [])
        return kept[version - 1] if 0 < version <= len(kept) else None

    async def tenants(self) -> list[str]:
        """Return who has a catalog."""
        return sorted(self.versions)


def told(case: Case, to: str, kind: str, at: datetime, state: str = "sent") -> Sending:
    """Return a notification as the outbox would hold it."""
    number = uuid5(case.id, f"{to}{kind}{at}")
    subject = f"{case.label} {case.asset}"
    message = Notification(
        number,
        case.tenant,
        to,
        "email",
        kind,
        case.id,
        subject,
        subject,
        "",
        at,
        f"{to}@example.org",
    )
    sent_at = at + timedelta(seconds=2) if state == "sent" else None
    return Sending(message, state, 1, 0, "", sent_at)


def _older(items: list, ids: list[UUID], before: UUID | None) -> list:
    if before is None:
        return items
    if before not in ids:
        raise InputError(f"before: found {before}, which is not kept")
    return items[ids.index(before) + 1 :]


def _matches(case: Case, where: CaseFilter) -> bool:
    owners = {task.owner for task in (case.engineering, case.sales) if task}
    text = f"{case.label} {case.asset} {case.account}".lower()
    return (
        (where.owner is None or where.owner in owners)
        and where.asset in (None, case.asset)
        and where.account in (None, case.account)
        and (where.states is None or case.state in where.states)
        and (not where.open_only or case.state != "closed")
        and (where.text is None or where.text.lower() in text)
    )


def _side(do: str, role: str) -> Side:
    if do in ENGINEERING or (do not in SALES and "engineer" in role):
        return "engineering"
    return "sales"


def _refusal(  # noqa: PLR0911 - one line per rule
    case: Case, asked: ActRequested, role: str
) -> tuple[int, str] | None:
    side = "engineering" if "engineer" in role else "sales" if "account" in role else ""
    if (asked.do in ENGINEERING and side != "engineering") or (
        asked.do in SALES and side != "sales"
    ):
        return 403, f"{asked.do} belongs to the other side"
    if not side:
        return 403, f"role {role or 'unknown'} may not act"
    if case.state == "closed":
        return 409, "the case is closed"
    if asked.do == "close" and not (asked.finding and asked.action and asked.told):
        return 422, "close needs finding, action and told"
    if asked.do == "false-alarm" and not asked.reason:
        return 422, "false-alarm needs a reason"
    if asked.do == "inform" and not (case.finding_confirmed and case.message_confirmed):
        return 409, "inform waits for confirm-finding and confirm-message"
    return None
