"""The daemon's own metrics, declared once. Suffixes follow what collector dashboards look for."""

from collections.abc import Callable
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sidespand.errors import JournalFailed, Unavailable

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Of every counter another series would tell when it began, which is when the process did.
disable_created_metrics()  # type: ignore[no-untyped-call]

_DOORS = ("ingest", "grpc", "http")
_SINK_COUNTERS = {
    "delivered_items": "Items that the sink took.",
    "rejected_items": "Items that the sink refused for good, now among its dead letters.",
    "dropped_items": "Rejected items whose bytes found no room among the dead letters.",
    "withheld_items": "Items that the policy keeps from the sink, or that name other sinks.",
    "changed_values": "Values left out, replaced or scrubbed on the way to the sink.",
    "tap_missed_records": "Records that the debug tap could not copy (failed_non_mutating).",
    "retries": "Deliveries that had to be tried again.",
    "missed_items": "LSNs that the journal could not give: trimmed or damaged before.",
}
_SINK_GAUGES = {
    "failures": ("failures", "Tries in a row that have failed; 0 for a sink that is well."),
    "lag_items": ("lag_items", "Items between the newest durable one and the sink's cursor."),
    "oldest_age_ms": (
        "oldest_age_seconds",
        "Age of the oldest record that is being delivered; 0 without one.",
    ),
    "dead_letter_bytes": ("dead_letter_bytes", "What the sink's dead letters take on disk."),
}


class Telemetry:
    """Every metric of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._declare_process(registry)
        self._declare_receiver(registry)
        self._declare_journal(registry)
        self._declare_evidence(registry)
        self._declare_retention(registry)
        self._declare_worker(registry)
        self._declare_index(registry)

    def follow(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Have ``gauge`` ask ``read`` whenever metrics are collected."""
        gauge.set_function(read)

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)

    def _declare_process(self, registry: CollectorRegistry) -> None:
        self.build = Info("sidespan_build", "Which version runs.", registry=registry)
        self.ready = Gauge(
            "sidespan_ready", "1 when a request would be made durable now.", registry=registry
        )

    def _declare_receiver(self, registry: CollectorRegistry) -> None:
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
        # A series that begins with what it counts shows no increase, and alerts ask for that.
        for door, error in product(_DOORS, (Unavailable, JournalFailed)):
            self.refused_requests.labels(door, error.__name__)
        self.repeated_requests = Counter(
            "sidespan_receiver_repeated_requests",
            "Requests that had come before and were not stored again.",
            ["door"],
            registry=registry,
        )
        self.removed_values = Counter(
            "sidespan_receiver_removed_values",
            "Attributes, log bodies and status messages left out because capture is metadata.",
            ["door", "signal"],
            registry=registry,
        )
        self.held_requests = Gauge(
            "sidespan_receiver_held_requests",
            "Requests that wait a little before they are tried once more.",
            registry=registry,
        )
        self.receiver_inflight_bytes = Gauge(
            "sidespan_receiver_inflight_bytes",
            "Bytes of requests that wait for their answer, all doors together.",
            registry=registry,
        )
        self.unread_calls = Gauge(
            "sidespan_receiver_unread_calls",
            "gRPC calls, since the start, whose message did not come: too large, given up, or still"
            " on its way.",
            registry=registry,
        )
        self.connections = Gauge(
            "sidespan_receiver_connections",
            "Open client connections.",
            ["door"],
            registry=registry,
        )

    def _declare_journal(self, registry: CollectorRegistry) -> None:
        self.last_lsn = Gauge(
            "sidespan_journal_last_lsn", "The newest durable LSN.", registry=registry
        )
        self.boot_generation = Gauge(
            "sidespan_journal_boot_generation", "Opens of this store.", registry=registry
        )
        self.lineage_ordinal = Gauge(
            "sidespan_journal_lineage_ordinal",
            "Lineages of this store so far; a rollback or a move begins another one.",
            registry=registry,
        )
        self.open_spans = Gauge(
            "sidespan_journal_open_spans",
            "Marked spans that have not ended.",
            registry=registry,
        )
        self.abandoned_spans = Counter(
            "sidespan_journal_abandoned_spans",
            "Open spans whose client went away.",
            registry=registry,
        )
        self.unwatched_marks = Counter(
            "sidespan_journal_unwatched_marks",
            "Marks that found no room in the table of open spans.",
            registry=registry,
        )
        self.inflight_bytes = Gauge(
            "sidespan_journal_inflight_bytes",
            "Payload bytes that wait for their commit.",
            registry=registry,
        )
        self.commits = Counter(
            "sidespan_journal_commits", "Groups of requests made durable.", registry=registry
        )
        self.commit_time = Counter(
            "sidespan_journal_commit_seconds",
            "How long the disk took for them, all together.",
            registry=registry,
        )
        self.durable = Gauge(
            "sidespan_journal_durable",
            "1 when an acknowledgement means on disk, 0 when durability is none.",
            registry=registry,
        )

    def _declare_evidence(self, registry: CollectorRegistry) -> None:
        self.hlc_lead = Gauge(
            "sidespan_journal_hlc_lead_seconds",
            "How far the HLC of the newest record was ahead of its wall clock.",
            registry=registry,
        )
        self.failing_anchors = Gauge(
            "sidespan_journal_failing_anchors",
            "Anchors that could not be written last time; a rollback may go unnoticed.",
            registry=registry,
        )
        self.checkpoints = Counter(
            "sidespan_journal_checkpoints", "Checkpoints that are durable.", registry=registry
        )
        self.checkpoint_failures = Counter(
            "sidespan_journal_checkpoint_failures",
            "Checkpoints that could not be signed or committed.",
            registry=registry,
        )
        self.uncovered_records = Gauge(
            "sidespan_journal_uncovered_records",
            "Records that no checkpoint of this generation covers; 1 is the newest checkpoint's.",
            registry=registry,
        )

    def _declare_retention(self, registry: CollectorRegistry) -> None:
        self.store_bytes = Gauge(
            "sidespan_journal_store_bytes", "What the segments occupy on disk.", registry=registry
        )
        self.disk_free = Gauge(
            "sidespan_journal_disk_free_bytes",
            "What the journal's disk has left for the daemon.",
            registry=registry,
        )
        self.oldest_lsn = Gauge(
            "sidespan_journal_oldest_lsn", "The first LSN that can be read.", registry=registry
        )
        self.oldest_age = Gauge(
            "sidespan_journal_oldest_age_seconds",
            "Age of the newest record of the oldest closed segment; 0 without one.",
            registry=registry,
        )
        self.trimmed_items = Counter(
            "sidespan_journal_trimmed_items",
            "LSNs whose segments were removed, dropped ones included.",
            registry=registry,
        )
        self.dropped_items = Counter(
            "sidespan_journal_dropped_items",
            "LSNs that were removed before a required sink had passed them.",
            registry=registry,
        )
        self.redacted_records = Counter(
            "sidespan_journal_redacted_records",
            "Records whose content was taken out.",
            registry=registry,
        )

    def _declare_worker(self, registry: CollectorRegistry) -> None:
        self.worker_starts = Counter(
            "sidespan_worker_starts", "Times the worker was started.", registry=registry
        )
        # Both by the fields of what a worker reports of a sink.
        self.sink_counters = {
            name: Counter(f"sidespan_sink_{name}", text, ["sink"], registry=registry)
            for name, text in _SINK_COUNTERS.items()
        }
        self.sink_gauges = {
            field: Gauge(f"sidespan_sink_{name}", text, ["sink"], registry=registry)
            for field, (name, text) in _SINK_GAUGES.items()
        }

    def _declare_index(self, registry: CollectorRegistry) -> None:
        self.index_items = Counter(
            "sidespan_index_indexed_items", "Items that were indexed.", registry=registry
        )
        self.index_rebuilds = Counter(
            "sidespan_index_rebuilds", "Times the index was begun anew.", registry=registry
        )
        self.index_lag_items = Gauge(
            "sidespan_index_lag_items",
            "Items between the newest durable one and the index.",
            registry=registry,
        )
        self.index_lag = Gauge(
            "sidespan_index_lag_seconds",
            "For how long the oldest item that is not indexed yet has been durable.",
            registry=registry,
        )
        self.index_bytes = Gauge(
            "sidespan_index_file_bytes", "What the index takes on disk.", registry=registry
        )
