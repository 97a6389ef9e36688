"""Topic templates: what to subscribe, and what a topic says of tenant, asset and signal."""

import re
from dataclasses import dataclass

from typing_extensions import override

from bridge.model.errors import InputError

PLACEHOLDERS = ("tenant", "asset", "signal", "gateway")
_PARTS = re.compile(r"\{([^{}]*)\}")
_LEVEL = r"[^/+#]+"


@dataclass(frozen=True, slots=True)
class Place:
    """What one topic says; a field is None where its template has no such placeholder."""

    tenant: str | None = None
    asset: str | None = None
    signal: str | None = None
    gateway: str | None = None


class TopicTemplate:
    """A topic with placeholders, such as ``{tenant}/{site}/{asset}/telemetry``.

    ``{tenant}``, ``{asset}``, ``{signal}`` and ``{gateway}`` stand for (a part of) one level
    and are read; any other name, and ``+``, stands for one level that is passed over; ``#`` at
    the end stands for any number of levels.

    Parameters
    ----------
    text : str
        The template.

    Raises
    ------
    InputError
        If it cannot be a topic, or a placeholder of the four is named twice.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        levels = text.split("/")
        if not text or "\0" in text or text.startswith("$"):
            raise InputError(
                f"topic {text!r}: a topic such as plant/{{asset}}/telemetry is allowed"
            )
        names = [name for name in _PARTS.findall(text) if name in PLACEHOLDERS]
        if len(names) != len(set(names)):
            raise InputError(f"topic {text!r}: each placeholder may be named once")
        self.names = frozenset(names)
        for index, level in enumerate(levels):
            self._check(level, last=index == len(levels) - 1)
        self.filter = "/".join("+" if "{" in level else level for level in levels)
        self._pattern = re.compile(self._regex(levels))

    def match(self, topic: str) -> Place | None:
        """Return what a topic says, or None where it does not fit the template."""
        found = self._pattern.fullmatch(topic)
        return Place(**found.groupdict()) if found else None

    def _check(self, level: str, *, last: bool) -> None:
        bare = _PARTS.sub("", level)
        if "{" in bare or "}" in bare:
            raise InputError(
                f"topic {self.text!r}: braces stand around a name, as in {{asset}}"
            )
        if "#" in bare and not (level == "#" and last):
            raise InputError(f"topic {self.text!r}: # is allowed only as the last level")
        if "+" in bare and level != "+":
            raise InputError(f"topic {self.text!r}: + is allowed only as a whole level")
        if "}{" in level:
            raise InputError(
                f"topic {self.text!r}: two placeholders need a letter between them"
            )

    @staticmethod
    def _regex(levels: list[str]) -> str:
        parts: list[str] = []
        for level in levels:
            if level == "#":
                # [MQTT-4.7.1-2]: the level before # matches too, so its slash is optional.
                return "/".join(parts) + r"(?:/.*)?" if parts else r"[^$].*"
            parts.append(_LEVEL if level == "+" else _level_regex(level))
        return "/".join(parts)

    @override
    def __repr__(self) -> str:
        return f"TopicTemplate({self.text!r})"

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopicTemplate) and other.text == self.text

    @override
    def __hash__(self) -> int:
        return hash(self.text)


def _level_regex(level: str) -> str:
    pieces = _PARTS.split(level)  # literal, name, literal, name, ...
    text = re.escape(pieces[0])
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        text += f"(?P<{name}>{_LEVEL})" if name in PLACEHOLDERS else _LEVEL
        text += re.escape(literal)
    return text
