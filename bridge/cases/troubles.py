"""What can be wrong with the service itself, of which its operators must hear in time."""

from typing import Literal

TroubleKind = Literal["journal-filling", "broker-dropped"]
"""A new kind is a name here and its words in ``templates/*/trouble.j2``."""

Trouble = tuple[str, str]
"""Kind and place: one trouble, told once when it begins and once when it is over."""
