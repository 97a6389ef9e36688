"""What is wrong with a sample, one code each; the order is the order of precedence."""

from enum import IntEnum


class Quality(IntEnum):
    """Codes of `Frame.quality` (ISO 13374 data manipulation)."""

    GOOD = 0
    MISSING = 1
    """Nothing arrived for this row and nothing fresh enough could be held."""
    HELD = 2
    """The last value, held up to its `max_age_s`; usable, but not a new observation."""
    LIMIT = 3
    """Outside the physical limits of the sensor, or not finite."""
    STUCK = 4
    """The same value for longer than this signal ever stood still."""
    SPIKE = 5
    """One sample far from both neighbours."""


USABLE = (Quality.GOOD, Quality.HELD)
