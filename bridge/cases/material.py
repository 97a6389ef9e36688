"""When a moved prediction is told again: by how far P50 went, over the time that was left."""

from datetime import datetime, timedelta

from bridge.model.case import Facts

SILENCE = 0.05
"""A move of all dates by no more than this share of the remaining time is not even noted."""

REMAINING_MIN = timedelta(hours=1)
"""Close to the date the share would turn on minutes, and after it on nothing at all."""


def is_material(
    told_p50: datetime | None, p50: datetime | None, now: datetime, share: float
) -> bool:
    """Return whether the owners are told again: P50 moved, either way, by more than `share`.

    Parameters
    ----------
    told_p50 : datetime or None
        The P50 that the owners were last told.
    share : float
        Of the time that was left to it at `now`. A date that comes or goes is always told.
    """
    if told_p50 is None or p50 is None:
        return told_p50 is not p50
    return abs(p50 - told_p50) > share * max(told_p50 - now, REMAINING_MIN)


def is_news(old: Facts, new: Facts, now: datetime) -> bool:
    """Return whether new facts are worth an event: a date moved, or what a reader acts on."""
    if _acted_on(old) != _acted_on(new):
        return True
    for before, after in ((old.p10, new.p10), (old.p50, new.p50), (old.p90, new.p90)):
        if before is None or after is None:
            if before is not after:
                return True
        elif abs(after - before) > SILENCE * max(before - now, REMAINING_MIN):
            return True
    return False


def _acted_on(facts: Facts) -> tuple[object, ...]:
    return (facts.mode, facts.advice, facts.confidence, facts.quality, facts.baseline)
