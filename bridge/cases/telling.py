"""A case as one reader's words need it: every date, number and amount already written out.

The dates of failure are local days of the machine, whoever reads them, so that both sides name
the same ones; a time of day by which somebody has something to do is in the reader's own zone,
and that of a call to the customer in the customer's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from bridge.cases.reading import Reading
from bridge.cases.steps import OTHER
from bridge.model.case import Case, Facts
from bridge.model.values import UNKNOWN_MODE, Side

SIGNALS_MAX = 3
"""Signals named in a text; the page shows all."""

SHORT = timedelta(days=3)
"""A narrower interval is told with times of day: its days alone would say too little."""

Nature = Literal["known", "unknown", "anomaly"]


@dataclass(frozen=True, slots=True)
class SignalWords:
    """One signal's part: level, baseline and change in its unit; empty where unknown."""

    name: str
    share: str
    latest: str
    normal: str
    change: str


@dataclass(frozen=True, slots=True)
class Telling:
    """The words' raw material; empty text where there is nothing to say."""

    label: str
    state: str
    severity: str
    closed: bool
    stop: bool
    nature: Nature
    asset: str
    machine: str
    machine_plain: str
    model: str
    place: str
    location: str
    account: str
    contact: str
    mode_name: str
    plain: str
    component: str
    dated: bool
    p10: str
    p50: str
    p90: str
    act_by: str
    confidence: str
    onset: str
    signals: tuple[SignalWords, ...]
    operating_state: str
    quality: str
    baseline: str
    completeness: str
    action: str
    work: str
    people: int
    skills: str
    parts: str
    downtime: str
    cost: str
    outcome: str
    told: str
    told_at: str
    waived: str
    waived_until: str
    step: str
    due: str
    waiting: str
    other_step: str
    other_due: str
    other_waiting: bool
    planned_until: str
    calls_open: bool
    call_by: str


def telling_of(case: Case, side: Side, language: str, zone: str) -> Telling:
    """Return a case as a side's reader in a language and zone has it."""
    reading = Reading(language, zone, case.opened_at.year)
    facts = case.facts
    return Telling(
        label=case.label,
        state=case.state,
        severity=case.severity,
        closed=case.state == "closed",
        stop=facts.advice == "stop",
        **_subject(facts),
        **_dates(facts, reading),
        **_reasons(facts, reading),
        **_work(facts, reading),
        **_tasks(case, side, reading),
        **_customer(case, reading),
    )


def _subject(facts: Facts) -> dict[str, Any]:
    nature: Nature = "known"
    if facts.mode is None:
        nature = "anomaly"
    elif facts.mode == UNKNOWN_MODE:
        nature = "unknown"
    return {
        "nature": nature,
        "asset": facts.asset,
        "machine": facts.asset,
        "machine_plain": facts.model or facts.asset,
        "model": facts.model,
        "place": ", ".join(each for each in (facts.location, facts.site) if each),
        "location": facts.location,
        "account": facts.account,
        "contact": facts.contact.replace("-", " "),
        "mode_name": facts.mode_name or facts.mode or "",
        "plain": facts.plain,
        "component": facts.component,
    }


def _dates(facts: Facts, reading: Reading) -> dict[str, Any]:
    p10, p50, p90 = facts.p10, facts.p50, facts.p90
    if p10 is None or p50 is None or p90 is None:
        words = {"dated": False, "p10": "", "p50": "", "p90": "", "act_by": ""}
    else:
        write = reading.moment if p90 - p10 < SHORT else reading.day
        first, middle, last = (write(each, facts.timezone) for each in (p10, p50, p90))
        words = {"dated": True, "p10": first, "p50": middle, "p90": last, "act_by": first}
    onset = reading.day(facts.onset, facts.timezone) if facts.onset else ""
    return {**words, "confidence": facts.confidence, "onset": onset}


def _reasons(facts: Facts, reading: Reading) -> dict[str, Any]:
    evidence = facts.evidence
    ranked = sorted(facts.contributions.items(), key=lambda each: -each[1])[:SIGNALS_MAX]
    return {
        "signals": tuple(_signal(facts, name, share, reading) for name, share in ranked),
        "operating_state": evidence.operating_state if evidence else "",
        "quality": facts.quality,
        "baseline": facts.baseline,
        "completeness": reading.share(evidence.completeness, 1) if evidence else "",
    }


def _signal(facts: Facts, name: str, share: float, reading: Reading) -> SignalWords:
    unit = facts.units.get(name, "")
    evidence = facts.evidence
    latest = evidence.latest.get(name) if evidence else None
    base = evidence.baseline.get(name) if evidence else None
    normal = base[0] if base else None
    change = latest - normal if latest is not None and normal is not None else None
    return SignalWords(
        name=name,
        share=reading.share(share),
        latest="" if latest is None else reading.measured(latest, unit),
        normal="" if normal is None else reading.measured(normal, unit),
        change="" if change is None else reading.measured(change, unit, signed=True),
    )


def _work(facts: Facts, reading: Reading) -> dict[str, Any]:
    low, high = facts.downtime_h
    return {
        "action": facts.action,
        "work": reading.number(facts.work_h) if facts.work_h else "",
        "people": facts.people,
        "skills": ", ".join(facts.skills),
        "parts": ", ".join(facts.parts),
        "downtime": reading.span(low, high) if high else "",
        "cost": reading.money(*facts.cost) if facts.cost else "",
        "outcome": facts.outcome,
    }


def _tasks(case: Case, side: Side, reading: Reading) -> dict[str, Any]:
    own, other = case.task(side), case.task(OTHER[side])
    work = case.engineering

    def moment(instant: datetime | None) -> str:
        return reading.moment(instant) if instant else ""

    return {
        "step": own.next_action if own else "none",
        "due": moment(own.due) if own else "",
        "waiting": moment(own.waiting_since) if own and own.waiting_on else "",
        "other_step": other.next_action if other else "",
        "other_due": moment(other.due) if other else "",
        "other_waiting": bool(other and other.waiting_on),
        "planned_until": moment(work.due) if work.next_action == "execute" else "",
    }


def _customer(case: Case, reading: Reading) -> dict[str, Any]:
    facts, sales = case.facts, case.sales
    stop = facts.advice == "stop"
    calls_open = case.finding_confirmed and (case.message_confirmed or stop)
    zone = facts.contact_timezone or facts.timezone
    by = sales.due if sales is not None else None
    waiver = case.waiver
    return {
        "told": case.told,
        "told_at": reading.moment(case.told_at) if case.told_at else "",
        "waived": waiver.reason if waiver else "",
        "waived_until": reading.day(waiver.until) if waiver else "",
        "calls_open": calls_open,
        "call_by": reading.moment(by, zone) if by else "",
    }
