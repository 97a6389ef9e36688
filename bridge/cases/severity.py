"""How urgent a case is: by advice and by how near its dates are, never by a sensor's score."""

from datetime import datetime, timedelta

from bridge.model.case import Facts
from bridge.model.catalog import Policy
from bridge.model.values import Severity

ORDER: tuple[Severity, ...] = ("low", "medium", "high", "critical")


def severity_of(facts: Facts, now: datetime, policy: Policy) -> Severity:
    """Return the severity of a case at `now`.

    Critical: the failure mode says stop (also without dates), or P10 is nearer than
    `critical_days`. High: P50 is nearer than `high_risk_days`. Medium: it has dates. Low: none.
    """
    if facts.advice == "stop":
        return "critical"
    if facts.p10 is None or facts.p50 is None:
        return "low"
    if facts.p10 - now < timedelta(days=policy.critical_days):
        return "critical"
    if facts.p50 - now < timedelta(days=policy.high_risk_days):
        return "high"
    return "medium"


def changes_at(facts: Facts, policy: Policy) -> list[datetime]:
    """Return the instants at which time alone raises the severity of these facts."""
    if facts.advice == "stop" or facts.p10 is None or facts.p50 is None:
        return []
    # The limits are exclusive, so the change is there a microsecond after the instant itself.
    tick = timedelta(microseconds=1)
    critical = facts.p10 - timedelta(days=policy.critical_days) + tick
    high = facts.p50 - timedelta(days=policy.high_risk_days) + tick
    return [high, critical] if high < critical else [critical]
