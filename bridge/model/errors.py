"""The root of every error that the bridge raises, and its three kinds.

* `BridgeError`
    * `InputError` - *their* fault: a payload, file or request is wrong; quarantine, go on.
        * `PayloadError` - one message cannot be decoded.
        * `CatalogError` - a catalog or settings file is wrong; it names file, line and key.
    * `UnavailableError` - the *world's* fault: a broker or store is away; wait and retry.
        * `JournalFullError` - the journal reached its cap.
    * `ConflictError` - a second service on the same data, or an id used for something else.

What is *ours* is an assertion: the part crashes and its supervisor restarts it.
"""

from typing_extensions import override


class BridgeError(Exception):
    """Something the bridge cannot or will not do; its subclasses say what, with attributes."""


class InputError(BridgeError):
    """What was handed in is wrong, and handing it in again will not help."""


class PayloadError(InputError):
    """One message cannot be decoded.

    Parameters
    ----------
    reason : str
        A word of a closed set, fit for a metric label: ``bad-json``, ``not-a-number``, ...
    detail : str
        What was found and what is allowed, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Problem:
    """One thing wrong in a file.

    Parameters
    ----------
    where : str
        ``file:line`` as far as known.
    key : str
        The path of the key, such as ``assets[3].model``.
    found : str
        What stands there.
    allowed : str
        What may stand there.
    """

    __slots__ = ("allowed", "found", "key", "where")

    def __init__(self, where: str, key: str, found: str, allowed: str) -> None:
        self.where = where
        self.key = key
        self.found = found
        self.allowed = allowed

    @override
    def __str__(self) -> str:
        return f"{self.where}: {self.key}: found {self.found}; allowed: {self.allowed}"


class CatalogError(InputError):
    """A catalog, story or settings file is wrong.

    Parameters
    ----------
    problems : list of Problem
        Everything that is wrong, not only the first.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class UnavailableError(BridgeError):
    """A part of the world does not answer; the same call may succeed later.

    Parameters
    ----------
    what : str
        Which part: ``broker``, ``series``, ``records``, ``smtp``, ...
    detail : str
        What it said.
    retry_after_s : float
        When to ask again at the earliest, in seconds.
    """

    def __init__(self, what: str, detail: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(f"{what} is not available: {detail}")
        self.what = what
        self.detail = detail
        self.retry_after_s = retry_after_s


class JournalFullError(UnavailableError):
    """The journal reached its cap; nothing may be acknowledged until a reader has moved on."""

    def __init__(self, used_bytes: int, cap_bytes: int) -> None:
        super().__init__("journal", f"full: {used_bytes} of {cap_bytes} bytes")
        self.used_bytes = used_bytes
        self.cap_bytes = cap_bytes


class ConflictError(BridgeError):
    """Something else already holds what is asked for: a data folder, a client id, a key."""
