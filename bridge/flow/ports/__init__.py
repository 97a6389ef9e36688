"""The Protocols that the parts run on; contract tests hold all adapters to one suite.

All calls may raise `UnavailableError` (the world's fault: wait and retry). Nothing here knows
SQL, MQTT or HTTP.
"""

from bridge.flow.ports.demo import Demo, DemoState
from bridge.flow.ports.people import Identity, People
from bridge.flow.ports.records import (
    Backlog,
    CaseFilter,
    CatalogStore,
    Channel,
    Decision,
    DeskStore,
    Inbox,
    Notification,
    Outbox,
    Outcome,
    Page,
    Queued,
    Receipt,
    Sending,
    StoredEvent,
    Views,
)
from bridge.flow.ports.telemetry import (
    Delivery,
    Entry,
    Journal,
    JournalUsage,
    Record,
    Refused,
    Retention,
    Series,
    SeriesStore,
    Source,
    SourceStatus,
)

__all__ = [
    "Backlog",
    "CaseFilter",
    "CatalogStore",
    "Channel",
    "Decision",
    "Delivery",
    "Demo",
    "DemoState",
    "DeskStore",
    "Entry",
    "Identity",
    "Inbox",
    "Journal",
    "JournalUsage",
    "Notification",
    "Outbox",
    "Outcome",
    "Page",
    "People",
    "Queued",
    "Receipt",
    "Record",
    "Refused",
    "Retention",
    "Sending",
    "Series",
    "SeriesStore",
    "Source",
    "SourceStatus",
    "StoredEvent",
    "Views",
]
