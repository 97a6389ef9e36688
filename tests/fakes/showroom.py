"""A small plant to look at: three customers, two tenants, cases, drawn series."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import uuid5

import numpy as np
from jinja2 import Environment, PackageLoader

from bridge.cases.events import CaseOpened
from bridge.cases.wording import Wording
from bridge.flow.clock import ScaledClock
from bridge.flow.metrics import Metrics
from bridge.flow.ports import DemoState, Series
from bridge.model.case import Case, Facts, Task, Waiver
from bridge.model.catalog import Catalog
from bridge.model.detections import (
    NAMESPACE,
    AssetStatus,
    Connectivity,
    DataQuality,
    Evidence,
    Prediction,
)
from bridge.model.instants import as_datetime, as_ns
from bridge.model.samples import DeadLetter
from bridge.model.values import Money
from bridge.web.context import WebContext, WebOptions
from tests.fakes.records import FakeCatalogs, FakeInbox, FakePeople, FakeViews, Shelf, told

NOW = datetime(2026, 10, 1, 7, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def wording() -> Wording:
    """Return the words of both sides, as the service has them."""
    loader = PackageLoader("bridge.cases")
    return Wording(Environment(loader=loader, trim_blocks=True, lstrip_blocks=True))  # noqa: S701


class DrawnSeries:
    """Series that follow a machine's state: level, daily rhythm, noise, wear."""

    def __init__(self, shelf: Shelf, levels: dict[str, tuple[float, float]]) -> None:
        self.shelf = shelf
        self.levels = levels

    async def signals(self, tenant: str, asset: str) -> list[str]:
        """Name the signals of a machine that has a state."""
        status = next(
            (s for s in self.shelf.statuses.get(tenant, []) if s.asset == asset), None
        )
        return sorted(status.signals) if status else []

    async def query(self, tenant, asset, signals, *, start_ns, end_ns, points_max=800):
        """Draw each signal."""
        n = min(points_max, 400)
        t_ns = np.linspace(start_ns, max(end_ns - 1, start_ns), n).astype(np.int64)
        case = next((c for c in self.shelf.cases.get(tenant, []) if c.asset == asset), None)
        found = {}
        for number, signal in enumerate(signals):
            level, spread = self.levels.get(signal, (0.9, 0.02))
            rng = np.random.default_rng(number)
            days = t_ns / 86_400e9
            mean = level + spread * (np.sin(days * 2 * np.pi) + 0.5 * rng.standard_normal(n))
            if case and case.facts.onset:
                age = (t_ns - as_ns(case.facts.onset)) / 86_400e9
                mean = mean + spread * 0.55 * np.clip(age, 0, None) ** 1.2
            found[signal] = Series(t_ns, mean, mean - spread * 0.4, mean + spread * 0.4)
        return found


class FakeJournal:
    """A journal that holds dead letters only."""

    def __init__(self) -> None:
        self.letters = [
            (1, DeadLetter("default", "plant/x", b"{", "bad-json", "cut off", as_ns(NOW))),
            (2, DeadLetter("other", "plant/y", b"?", "bad-json", "cut off", as_ns(NOW))),
        ]

    async def dead_letters(self, *, before: int | None = None, limit: int = 100, tenants=None):
        """Return letters, the newest first."""
        kept = [
            each
            for each in self.letters
            if (before is None or each[0] < before)
            and (tenants is None or each[1].tenant in tenants)
        ]
        return sorted(kept, reverse=True, key=lambda each: each[0])[:limit]


class FakeDemo:
    """The demo's clock on a scaled clock."""

    def __init__(self, clock: ScaledClock, seats: dict[str, str]) -> None:
        self.clock = clock
        self.seats = seats
        self.taken: list[str] = []
        self._speed = clock.speed or 60.0

    def state(self) -> DemoState:
        """Return what the header shows."""
        paused = self.clock.speed == 0
        return DemoState(
            as_datetime(self.clock.now_ns()), self._speed, paused, "live", 1.0, self.seats
        )

    def run_at(self, speed: float) -> None:
        """Set the speed."""
        self._speed = speed
        self.clock.run_at(speed)

    def pause(self) -> None:
        """Stand still."""
        self.clock.run_at(0)

    def resume(self) -> None:
        """Go on."""
        self.clock.run_at(self._speed)

    def take_seat(self, person: str) -> None:
        """Note who sits."""
        self.taken.append(person)


LEVELS = {
    "bearing_temp": (61.0, 1.8),
    "envelope": (0.42, 0.05),
    "motor_current": (84.0, 1.5),
    "oil_pressure": (182.0, 2.2),
    "load": (72.0, 6.0),
}
UNITS = {
    "bearing_temp": "°C",
    "envelope": "g",
    "motor_current": "A",
    "oil_pressure": "bar",
    "load": "%",
}


def catalog() -> Catalog:
    """Return the plant's catalog."""
    person = {"email": "x@example.org", "timezone": "Europe/Berlin"}
    modes = [
        {
            "id": "bearing-outer-race",
            "name": "Outer-race defect of the drive-end bearing",
            "plain": "a worn part in the drive",
            "component": "gearbox",
            "work_h": 5,
            "people": 2,
        },
        {
            "id": "seal-leak",
            "name": "Internal leak of the main seal",
            "plain": "a seal",
            "component": "cylinder",
        },
    ]
    signals = [{"name": name, "unit": unit} for name, unit in UNITS.items()]
    return Catalog.model_validate(
        {
            "people": [
                {"id": "fe-1", "name": "Jonas Feld", "role": "engineer", **person},
                {"id": "fe-2", "name": "Maria Lindt", "role": "lead-engineer", **person},
                {
                    "id": "am-1",
                    "name": "Ada Brook",
                    "role": "account-manager",
                    **person,
                    "language": "en",
                },
                {"id": "co-1", "name": "Kim Odell", "role": "coordinator", **person},
                {"id": "op-1", "name": "Operations", "role": "operator", **person},
            ],
            "accounts": [
                {
                    "id": "plastics-north",
                    "name": "Plastics North",
                    "timezone": "Europe/Berlin",
                    "account_owner": "am-1",
                    "engineer": "fe-1",
                    "contacts": [
                        {
                            "id": "c-1",
                            "name": "Plant manager",
                            "role": "plant-manager",
                            "email": "pm@example.org",
                            "phone": "+49 421 000",
                            "languages": ["de", "en"],
                            "quiet_hours": {"from": "18:00", "to": "08:00"},
                        }
                    ],
                },
                {
                    "id": "lakeside",
                    "name": "Lakeside Foods",
                    "timezone": "America/Chicago",
                    "account_owner": "am-1",
                    "engineer": "fe-1",
                },
                {
                    "id": "kansai",
                    "name": "Kansai Moulding",
                    "timezone": "Asia/Tokyo",
                    "account_owner": "am-1",
                    "engineer": "fe-2",
                },
            ],
            "sites": [
                {
                    "id": "bremen",
                    "account": "plastics-north",
                    "name": "Bremen works",
                    "timezone": "Europe/Berlin",
                },
                {
                    "id": "chicago",
                    "account": "lakeside",
                    "name": "Chicago plant",
                    "timezone": "America/Chicago",
                },
                {
                    "id": "osaka",
                    "account": "kansai",
                    "name": "Osaka plant",
                    "timezone": "Asia/Tokyo",
                },
            ],
            "models": [
                {
                    "id": "HX450",
                    "name": "Extruder HX450",
                    "signals": signals,
                    "failure_modes": modes,
                },
                {
                    "id": "PR200",
                    "name": "Press PR200",
                    "signals": signals,
                    "failure_modes": modes,
                },
            ],
            "parts": [{"id": "bearing-kit", "name": "Bearing and seal kit"}],
            "assets": [
                {
                    "id": f"{model}-{number:04d}",
                    "model": model,
                    "site": site,
                    "location": f"Line {line}",
                    "gateway": f"gw-{site}",
                }
                for model, number, site, line in [
                    ("HX450", 173, "bremen", 3),
                    ("HX450", 174, "bremen", 4),
                    ("PR200", 21, "bremen", 1),
                    ("PR200", 22, "bremen", 2),
                    ("HX450", 201, "chicago", 1),
                    ("HX450", 202, "chicago", 2),
                    ("PR200", 31, "chicago", 5),
                    ("PR200", 40, "osaka", 1),
                    ("PR200", 41, "osaka", 2),
                    ("HX450", 230, "osaka", 7),
                ]
            ],
        }
    )


def a_case(
    number: int, asset: str, *, place: Catalog, days: float | None, now: datetime = NOW, **more
) -> Case:
    """Return an open case of a machine that fails with 50 % in so many days."""
    id_ = uuid5(NAMESPACE, f"case {number}")
    entry = place.asset_by_id.get(asset)
    account = place.account_of(entry) if entry else None
    model = place.model_by_id[entry.model] if entry else None
    mode = model.failure_modes[number % 2] if model and days else None
    opened = now - timedelta(hours=more.pop("hours", 5))
    dates = (
        {
            name: now + days * DAY * share
            for name, share in (("p10", 0.65), ("p50", 1.0), ("p90", 1.4))
        }
        if days
        else {}
    )
    shares = {"envelope": 0.58, "bearing_temp": 0.27, "motor_current": 0.15}
    facts = Facts(
        asset=asset,
        model=model.name if model else "",
        site=entry.site if entry else "",
        location=entry.location if entry else "",
        account=account.name if account else "",
        mode=mode.id if mode else None,
        mode_name=mode.name if mode else "",
        plain=mode.plain if mode else "",
        component=mode.component if mode else "",
        confidence="medium",
        advice=more.pop("advice", "watch"),
        act_by=dates.get("p10"),
        contributions=shares,
        units=UNITS,
        score=0.93,
        health=0.61,
        as_new=74.0,
        onset=now - 16 * DAY if days else None,
        action="Replace bearing and seal kit" if days else "",
        work_h=5,
        people=2,
        parts=("bearing-kit",) if days else (),
        downtime_h=(9, 14) if days else (0, 0),
        outcome="Line output" if days else "",
        cost=(Money(amount=37_800, currency="EUR"), Money(amount=58_800, currency="EUR"))
        if days and account and account.id == "plastics-north"
        else None,
        evidence=Evidence(
            window_from=now - 21 * DAY,
            window_to=opened,
            baseline={name: LEVELS[name] for name in shares},
            latest={"envelope": 1.34, "bearing_temp": 70.2, "motor_current": 86.6},
            completeness=0.994,
            operating_state="extruding",
            method="first passage of a Wiener process",
        ),
        **dates,
    )
    digest = hashlib.sha256(facts.model_dump_json().encode()).hexdigest()
    sides = {
        "engineering": Task(
            id=uuid5(id_, "e"),
            side="engineering",
            owner="fe-1",
            created_at=opened,
            due=opened + timedelta(hours=9),
            next_action="confirm-finding",
        ),
        "sales": Task(
            id=uuid5(id_, "s"),
            side="sales",
            owner="am-1",
            created_at=opened,
            due=opened + timedelta(hours=30),
            next_action="confirm-message",
            waiting_on="engineering",
            waiting_since=opened,
        ),
    }
    return Case(
        **{
            "id": id_,
            "number": number,
            "tenant": place.tenant,
            "asset": asset,
            "account": account.id if account else None,
            "mode": facts.mode,
            "episode": 1,
            "opened_at": opened,
            "updated_at": opened,
            "facts": facts,
            "facts_hash": digest,
            "severity": "low"
            if not days
            else "critical"
            if days < 10
            else "high"
            if days < 30
            else "medium",
            **sides,
            **more,
        }
    )


def a_status(place: Catalog, asset: str, condition: str, now: datetime = NOW) -> AssetStatus:
    """Return a machine's state."""
    signals = {
        name: {
            "value": level
            + (spread * 4 if condition in {"degrading", "anomalous"} else spread),
            "t": now.isoformat(),
            "quality": "stuck"
            if condition == "sensor-fault" and name == "envelope"
            else "good",
            "low": level - 3 * spread,
            "high": level + 3 * spread,
        }
        for name, (level, spread) in LEVELS.items()
    }
    learning = condition == "learning"
    return AssetStatus(
        tenant=place.tenant,
        asset=asset,
        at=now - timedelta(seconds=40),
        condition=condition,
        known=asset in place.asset_by_id,
        score=0.93 if condition == "degrading" else 0.2,
        health=0.6 if condition == "degrading" else 0.97,
        as_new=None if learning else 74.0 if condition == "degrading" else 98.6,
        learned=0.4 if learning else 1.0,
        operating_state="extruding",
        signals=signals,
    )


def opened(case: Case) -> CaseOpened:
    """Return the event that opened a case."""
    return CaseOpened(
        id=uuid5(case.id, "opened"),
        tenant=case.tenant,
        at=case.opened_at,
        by="detection",
        input=uuid5(case.id, "input"),
        case=case.id,
        asset=case.asset,
        account=case.account,
        mode=case.mode,
        episode=case.episode,
        severity=case.severity,
        facts=case.facts,
        facts_hash=case.facts_hash,
        engineering=case.engineering,
        sales=case.sales,
        waiver=case.waiver,
    )


def a_shelf(place: Catalog) -> Shelf:
    """Return the records of the plant and of another tenant."""
    shelf = Shelf()
    waiver = Waiver(
        side="sales", reason="an anomaly without a date", until=NOW + 3 * DAY, by="detection"
    )
    lead = {"owner": "fe-2", "gap": True}
    first = a_case(2041, "HX450-0173", place=place, days=18)
    gap = a_case(2044, "HX450-0230", place=place, days=45, hours=30)
    for case in (
        first,
        a_case(2042, "PR200-0031", place=place, days=6, advice="stop", hours=2),
        a_case(2043, "PR200-0021", place=place, days=None, sales=None, waiver=waiver, hours=1),
        gap.model_copy(update={"engineering": gap.engineering.model_copy(update=lead)}),
        a_case(
            2038,
            "HX450-0201",
            place=place,
            days=25,
            hours=70,
            state="planned",
            finding_confirmed=True,
            message_confirmed=True,
            told_at=NOW - DAY,
            finding="Race mark visible in the envelope.",
            told="We would like to come on 10 October.",
        ),
        a_case(
            2019,
            "PR200-0040",
            place=place,
            days=3,
            hours=400,
            state="closed",
            closed_at=NOW - 4 * DAY,
        ),
    ):
        shelf.replace(case)
        shelf.record(opened(case))
        shelf.sendings += [
            told(case, owner, "new", case.opened_at) for owner in ("fe-1", "am-1")
        ]
    conditions = {
        "HX450-0173": "degrading",
        "PR200-0031": "degrading",
        "PR200-0021": "anomalous",
        "PR200-0022": "sensor-fault",
        "HX450-0202": "offline",
        "PR200-0041": "learning",
        "HX450-0230": "degrading",
        "test-rig-9": "learning",
    }
    names = {*place.asset_by_id, *conditions} - {"HX450-0174"}
    shelf.statuses["default"] = [
        a_status(place, each, conditions.get(each, "normal")) for each in sorted(names)
    ]
    base = {"tenant": "default", "at": NOW - timedelta(hours=2)}
    shelf.detections = [
        DataQuality(
            id=uuid5(NAMESPACE, "q"),
            asset="PR200-0022",
            kind="sensor-fault",
            signal="envelope",
            active=True,
            detail="the same value for 3 h",
            **base,
        ),
        Connectivity(
            id=uuid5(NAMESPACE, "c"),
            asset="HX450-0202",
            state="offline",
            gateway="gw-chicago",
            **base,
        ),
        Prediction(
            id=uuid5(NAMESPACE, "p"),
            asset="HX450-0173",
            mode="bearing-outer-race",
            confidence="medium",
            p10=first.facts.p10,
            p50=first.facts.p50,
            p90=first.facts.p90,
            **base,
        ),
    ]
    other = place.model_copy(update={"tenant": "other"})
    theirs = a_case(3001, "HX450-0173", place=other, days=9)
    shelf.replace(theirs)
    shelf.record(opened(theirs))
    return shelf


def a_context(*, demo: bool = True, speed: float = 0.0, **options) -> WebContext:
    """Return a context on fakes: the plant, its people with tokens, and the demo's seats."""
    place = catalog()
    catalogs, people, shelf = FakeCatalogs(), FakePeople(), a_shelf(place)
    catalogs.versions = {
        "default": [place],
        "other": [place.model_copy(update={"tenant": "other"})],
    }
    for person in place.people:
        for tenant in ("default", "other"):
            people.grant(tenant, person.id, person.role)
    clock = ScaledClock(as_ns(NOW), speed=speed)
    seats = {
        "engineer": "fe-1",
        "account-manager": "am-1",
        "coordinator": "co-1",
        "operator": "op-1",
    }
    return WebContext(
        views=FakeViews(shelf),
        inbox=FakeInbox(shelf, {person.id: person.role for person in place.people}),
        people=people,
        catalogs=catalogs,
        series=DrawnSeries(shelf, LEVELS),
        journal=FakeJournal(),
        clock=clock,
        metrics=Metrics(),
        texts=wording(),
        demo=FakeDemo(clock, seats) if demo else None,
        secure=False,
        options=WebOptions(**options),
    )
