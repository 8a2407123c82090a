"""Shows in the recorder's metrics what the worker counts, across the lives of workers."""

from collections.abc import Mapping

from prometheus_client import Counter

from sidespand.app.channel import IndexFigures, SinkFigures
from sidespand.telemetry import Telemetry

_MS_PER_S = 1000


class WorkerMetrics:
    """Brings counters up to figures that begin at 0 with each worker.

    Args:
        telemetry: Of the recorder.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._told: dict[tuple[str, str], int] = {}
        self._sinks: set[str] = set()

    def begin(self) -> None:
        """Count another worker; its figures begin at 0."""
        self._telemetry.worker_starts.inc()
        self._told.clear()

    def sinks(self, figures: Mapping[str, SinkFigures]) -> None:
        """Show the figures of all sinks that there are; those of others go."""
        telemetry = self._telemetry
        for gone in self._sinks - figures.keys():
            # A sink that was taken out must not look like one that lags.
            for metric in (*telemetry.sink_counters.values(), *telemetry.sink_gauges.values()):
                metric.remove(gone)
            self._told = {key: total for key, total in self._told.items() if key[0] != gone}
        self._sinks = set(figures)
        for name, each in figures.items():
            for field, counter in telemetry.sink_counters.items():
                self._bring(counter.labels(name), (name, field), getattr(each, field))
            for field, gauge in telemetry.sink_gauges.items():
                value = getattr(each, field)
                gauge.labels(name).set(value / _MS_PER_S if field.endswith("_ms") else value)

    def index(self, figures: IndexFigures) -> None:
        """Show the figures of the index."""
        telemetry = self._telemetry
        self._bring(telemetry.index_items, ("", "indexed_items"), figures.indexed_items)
        self._bring(telemetry.index_rebuilds, ("", "rebuilds"), figures.rebuilds)
        telemetry.index_lag_items.set(figures.lag_items)
        telemetry.index_lag.set(figures.lag_ms / _MS_PER_S)
        telemetry.index_bytes.set(figures.file_bytes)

    def _bring(self, counter: Counter, key: tuple[str, str], total: int) -> None:
        told = self._told.get(key, 0)
        # A sink that was replaced counts from 0 again.
        counter.inc(total - told if total >= told else total)
        self._told[key] = total
