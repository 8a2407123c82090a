"""The ``otlp`` sink: OTLP to any collector, over gRPC or HTTP, stamped as its operator chose."""

import functools
from collections import deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Protocol

from sidespand.errors import ConfigError
from sidespand.limits import SINK_SPLITS_MAX
from sidespand.model import Delivered, Delivery, Kind, Record, Rejected, Retry
from sidespand.sinks import metric_parts, stamping
from sidespand.sinks.otlp_grpc import GrpcExporter
from sidespand.sinks.otlp_options import GRPC, OPTIONS, Headers, faults, headers_of, tls_of
from sidespand.sinks.spec import Generations, NodeRef, SinkType, node_refs


class Exporter(Protocol):
    """Sends requests to one collector."""

    async def export(
        self, kind: Kind, body: bytes, item_count: int, headers: dict[str, str]
    ) -> Delivery:
        """Send one request; Delivered once the collector has answered OK."""
        ...

    async def close(self) -> None:
        """Break off what is on its way and close the connection."""
        ...


class OtlpSink:
    """Implements ``ports.Sink`` and ``ports.PerKind``; a delivery is one export request.

    Args:
        exporter: Speaks to the collector.
        kinds: Of SPANS, LOGS and METRICS.
        stamp: ``span``, ``resource`` or ``none``: what gets stamps.
        headers: Of every request.
        request_bytes_max: What is longer is sent in parts, but for a single item.
        node_ref: Tells a generation's ``source_node_ref`` from lineage and boot generation.
    """

    one_kind = True

    def __init__(
        self,
        exporter: Exporter,
        *,
        kinds: AbstractSet[Kind],
        stamp: str,
        headers: Headers,
        request_bytes_max: int,
        node_ref: NodeRef,
    ) -> None:
        self.kinds = kinds
        self._exporter = exporter
        self._stamp = stamp
        self._headers = headers
        self._request_bytes_max = request_bytes_max
        self._node_ref = node_ref

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Export records of one kind; Delivered once the collector has answered OK."""
        kind = records[0].header.kind
        item_count = sum(record.header.item_count for record in records)
        # Encoded messages put behind one another are one message with the repeated fields of all.
        body = b"".join(self._stamped(record) for record in records)
        if len(body) > self._request_bytes_max and item_count > 1:
            reason = f"{len(body)} bytes are over request_bytes_max"
            return Rejected(item_count, reason, whole=True)
        try:
            headers = self._headers.read()
        except ConfigError as error:
            return Retry(str(error))
        if kind is Kind.METRICS and item_count == 1:
            return await self._export_metrics(body, headers)
        return await self._exporter.export(kind, body, item_count, headers)

    async def close(self) -> None:
        """Break off what is on its way and close the connection."""
        await self._exporter.close()

    async def _export_metrics(self, body: bytes, headers: dict[str, str]) -> Delivery:
        # One item of the log, and yet too much for one request: parts that are refused give way to
        # their halves, and what is still refused then does not keep back the others.
        parts = deque((body,))
        refused: Rejected | None = None
        splits = 0
        while parts:
            part = parts.popleft()
            too_long = len(part) > self._request_bytes_max
            halves = metric_parts.halves(part) if too_long and splits < SINK_SPLITS_MAX else None
            if halves is None:
                outcome = await self._exporter.export(Kind.METRICS, part, 1, headers)
                if isinstance(outcome, Retry):
                    return outcome
                if isinstance(outcome, Delivered):
                    continue
                if not outcome.whole or splits >= SINK_SPLITS_MAX:
                    refused = refused or outcome
                    continue
                halves = metric_parts.halves(part)
                if halves is None:
                    refused = refused or outcome
                    continue
            splits += 1
            parts.extendleft(reversed(halves))
        return refused or Delivered()

    def _stamped(self, record: Record) -> bytes:
        header = record.header
        assert record.payload is not None
        if self._stamp == "none":
            return record.payload
        node_ref = self._node_ref(header.lineage, header.boot_generation)
        if self._stamp == "resource":
            return stamping.stamp_resources(record.payload, header, node_ref)
        return stamping.stamp(record.payload, header, node_ref, record.prev_lsn)


def _make(options: Mapping[str, Any], _place: Path, generations: Generations) -> OtlpSink:
    return OtlpSink(
        _exporter(options),
        kinds=options["signals"],
        stamp=options["stamp"],
        headers=headers_of(options),
        request_bytes_max=options["request_bytes_max"],
        node_ref=functools.cache(node_refs(generations)),
    )


def _exporter(options: Mapping[str, Any]) -> Exporter:
    arguments = (options["endpoint"], tls_of(options), options["timeout"], options["compression"])
    if options["protocol"] == GRPC:
        return GrpcExporter(*arguments)
    # Its client takes 16 MiB, which a worker without it need not hold.
    from sidespand.sinks.otlp_http import HttpExporter

    return HttpExporter(*arguments)


OTLP = SinkType(OPTIONS, _make, faults=faults)
