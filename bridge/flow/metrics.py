"""What the service counts of itself: one object handed to the parts, shown by `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Every metric of the bridge, by name.

    Notes
    -----
    Labels come from closed sets (reasons, readers, channels, part names), never from payloads.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self._add_intake(registry)
        self._add_fill(registry)
        self._add_work(registry)

    def _add_intake(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "bridge_messages", "Messages received.", ["source"], registry=registry
        )
        self.samples = Counter("bridge_samples", "Samples journalled.", registry=registry)
        self.refused = Counter(
            "bridge_refused",
            "Messages or samples refused, by reason.",
            ["reason"],
            registry=registry,
        )
        self.intake_blocked = Counter(
            "bridge_intake_blocked",
            "Commits put off because the journal was full or away.",
            ["reason"],
            registry=registry,
        )
        self.late = Counter(
            "bridge_late",
            "Samples that came too late for live detection.",
            ["reason"],
            registry=registry,
        )

    def _add_fill(self, registry: CollectorRegistry) -> None:
        self.queue_length = Gauge(
            "bridge_queue_length", "Now in a queue.", ["queue"], registry=registry
        )
        self.queue_limit = Gauge(
            "bridge_queue_limit", "Room of a queue.", ["queue"], registry=registry
        )
        self.queue_peak = Gauge(
            "bridge_queue_peak",
            "Most that ever stood in a queue.",
            ["queue"],
            registry=registry,
        )
        self.offset_age_s = Gauge(
            "bridge_offset_age_seconds",
            "Age of the oldest that a reader, the desk or the outbox has not finished.",
            ["reader"],
            registry=registry,
        )
        self.journal_bytes = Gauge(
            "bridge_journal_bytes", "Size of the journal.", registry=registry
        )
        self.journal_cap_bytes = Gauge(
            "bridge_journal_cap_bytes", "Cap of the journal.", registry=registry
        )
        self.broker_dropped = Gauge(
            "bridge_broker_dropped_messages",
            "Messages the broker says it dropped.",
            registry=registry,
        )

        self.broker_connected = Gauge(
            "bridge_broker_connected", "1 while the broker is connected.", registry=registry
        )
        self.broker_reconnects = Gauge(
            "bridge_broker_reconnects", "Reconnects since the start.", registry=registry
        )
        self.broker_sessions_lost = Gauge(
            "bridge_broker_sessions_lost",
            "Sessions that the broker had forgotten, with all it held for us.",
            registry=registry,
        )
        self.dead_letters = Gauge(
            "bridge_dead_letters", "Dead letters that are kept.", registry=registry
        )

    def _add_work(self, registry: CollectorRegistry) -> None:
        self.detections = Counter(
            "bridge_detections", "Detections, by type.", ["type"], registry=registry
        )
        self.desk_events = Counter(
            "bridge_desk_events", "Events of the desk.", ["type"], registry=registry
        )
        self.desk_inputs = Counter(
            "bridge_desk_inputs",
            "Inputs the desk is done with, by status (500: our failure).",
            ["status"],
            registry=registry,
        )
        self.notifications = Counter(
            "bridge_notifications", "Deliveries tried.", ["channel", "state"], registry=registry
        )
        self.restarts = Counter(
            "bridge_part_restarts", "Restarts of a part.", ["part"], registry=registry
        )
        self.up = Gauge("bridge_part_up", "1 while a part runs.", ["part"], registry=registry)
        self.commit_s = Histogram(
            "bridge_journal_commit_seconds", "Time of a journal commit.", registry=registry
        )

    def queue(self, name: str, length: int, limit: float) -> None:
        """Note how full a queue is; the peak follows by itself.

        A durable queue that only the disk limits has the limit `math.inf`.
        """
        self.queue_length.labels(name).set(length)
        self.queue_limit.labels(name).set(limit)
        peak = self.queue_peak.labels(name)
        peak.set(max(length, peak._value.get()))  # noqa: SLF001 - prometheus-client has no read access
