"""What detection must hear goes into the journal: catalogs, repairs, new baselines."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from pydantic import ValidationError

from bridge.flow.ports import Entry, Journal, Notification, Receipt
from bridge.model.control import CONTROL

if TYPE_CHECKING:
    from uuid import UUID

_REMEMBERED = 1_000


class JournalChannel:
    """Implements `Channel`: appends a notification's control record to the journal.

    Notes
    -----
    An id delivered by this process is not appended again. After a crash between the append and
    the outbox's mark it may be: control records carry their id, and readers take each id once.
    """

    name = "journal"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._appended: OrderedDict[UUID, int] = OrderedDict()

    async def send(self, notification: Notification) -> Receipt:
        """Append one control record; raises `UnavailableError` where the journal is away."""
        offset = self._appended.get(notification.id)
        if offset is None:
            try:
                control = CONTROL.validate_json(notification.text)
            except ValidationError as error:
                return Receipt(ok=False, retry=False, detail=f"no control record: {error}")
            body = CONTROL.dump_json(control, by_alias=True)
            offset = await self._journal.append([Entry("control", control.tenant, body)])
            self._appended[notification.id] = offset
            while len(self._appended) > _REMEMBERED:
                self._appended.popitem(last=False)
        return Receipt(ok=True, retry=False, detail=f"offset {offset}")

    async def ping(self) -> str:
        """Return where the journal ends; raises `UnavailableError`."""
        usage = await self._journal.usage()
        return f"journal up to offset {usage.last_offset}"
