"""The daemon's own metrics, declared once. Suffixes follow what collector dashboards look for."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Telemetry:
    """Every metric of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.accepted_items = Counter(
            "sidespan_receiver_accepted_items",
            "Items acknowledged as durable.",
            ["door", "signal"],
            registry=registry,
        )
        self.refused_items = Counter(
            "sidespan_receiver_refused_items",
            "Items refused while others of their request were stored.",
            ["door", "signal"],
            registry=registry,
        )
        self.refused_requests = Counter(
            "sidespan_receiver_refused_requests",
            "Requests of which nothing was stored.",
            ["door", "reason"],
            registry=registry,
        )
        self.connections = Gauge(
            "sidespan_receiver_connections",
            "Open client connections.",
            ["door"],
            registry=registry,
        )
        self.last_lsn = Gauge(
            "sidespan_journal_last_lsn", "The newest durable LSN.", registry=registry
        )
        self.boot_generation = Gauge(
            "sidespan_journal_boot_generation", "Opens of this lineage.", registry=registry
        )
        self.inflight_bytes = Gauge(
            "sidespan_journal_inflight_bytes",
            "Payload bytes that wait for their commit.",
            registry=registry,
        )
        self.durable = Gauge(
            "sidespan_journal_durable",
            "1 when an acknowledgement means on disk, 0 when durability is none.",
            registry=registry,
        )
        self.worker_starts = Counter(
            "sidespan_worker_starts", "Times the worker was started.", registry=registry
        )
        self.sink_delivered = _sink_gauge(
            registry, "delivered_items", "Items that the sink took, since the worker started."
        )
        self.sink_rejected = _sink_gauge(
            registry,
            "rejected_items",
            "Items that the sink refused for good, since the worker started.",
        )
        self.sink_retries = _sink_gauge(
            registry, "retries", "Deliveries that had to be tried again, since the worker started."
        )
        self.sink_missed = _sink_gauge(
            registry, "missed_items", "LSNs the journal could not give, since the worker started."
        )
        self.sink_lag = _sink_gauge(
            registry, "lag_items", "Items between the newest durable one and the sink's cursor."
        )

    def follow(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Have ``gauge`` ask ``read`` whenever metrics are collected."""
        gauge.set_function(read)

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)


def _sink_gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    return Gauge(f"sidespan_sink_{name}", text, ["sink"], registry=registry)
