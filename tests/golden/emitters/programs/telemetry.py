"""The stock OpenTelemetry SDK with the exporter that OTEL_EXPORTER_OTLP_PROTOCOL names."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_tracer_provider


@contextmanager
def exporting() -> Iterator[Callable[[], None]]:
    """Export spans and log records; yields what sends all that has ended so far.

    The batch delay in the environment is long: one call of the yielded function is one request a
    signal, so the recording does not depend on speed.
    """
    # The SDK draws ids from here: the same in every recording, different in every service.
    random.seed(os.environ["OTEL_SERVICE_NAME"])
    door = "grpc" if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc" else "http"
    exporters = f"opentelemetry.exporter.otlp.proto.{door}"
    traces = TracerProvider()
    traces.add_span_processor(
        BatchSpanProcessor(import_module(f"{exporters}.trace_exporter").OTLPSpanExporter())
    )
    logs = LoggerProvider()
    logs.add_log_record_processor(
        BatchLogRecordProcessor(import_module(f"{exporters}._log_exporter").OTLPLogExporter())
    )
    set_tracer_provider(traces)
    set_logger_provider(logs)

    def flush() -> None:
        traces.force_flush()
        logs.force_flush()

    yield flush
    flush()
    traces.shutdown()
    logs.shutdown()
