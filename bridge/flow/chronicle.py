"""Tells the log what the desk decided: what begins and what ends, a line each.

The events themselves hold all of it; the log is for who watches the service, so updates, acts
and clocks stay out of it.
"""

from collections.abc import Iterable, Sequence

import structlog

from bridge.cases.events import Event
from bridge.model.case import Case

log = structlog.get_logger()

_TOLD = frozenset(
    {
        "case-opened",
        "case-cleared",
        "case-closed",
        "gap-opened",
        "gap-closed",
        "trouble-began",
        "trouble-ended",
        "repair-recorded",
        "catalog-adopted",
    }
)
_WORDS = ("asset", "mode", "severity", "reason", "kind", "on", "owner", "version", "detail")


def tell(tenant: str, events: Sequence[Event], cases: Iterable[Case]) -> None:
    """Log what is news to an operator.

    Parameters
    ----------
    events : sequence of Event
        Of one committed batch.
    cases : iterable of Case
        Those that the events touched; they are named by their label.
    """
    labels = {case.id: case.label for case in cases}
    for event in events:
        if event.type not in _TOLD:
            continue
        words = {"case": labels.get(event.case) if event.case else None}
        words |= {word: getattr(event, word, None) for word in _WORDS}
        said = {word: value for word, value in words.items() if value is not None}
        log.info(event.type.replace("-", " "), tenant=tenant, by=event.by, **said)
