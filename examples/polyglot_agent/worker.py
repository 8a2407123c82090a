r"""A tool server that knows nothing of sidespan: the stock OpenTelemetry SDK, configured by env.

    OTEL_EXPORTER_OTLP_ENDPOINT=unix:///run/sidespan/grpc.sock OTEL_EXPORTER_OTLP_INSECURE=true \
        python worker.py --port-file FILE

It serves gRPC on a free port of 127.0.0.1, writes that port to FILE, and ends on SIGTERM or
SIGINT, after its last spans have been exported.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

STOP_GRACE_S = 2.0

tracer = trace.get_tracer("worker")


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal asks to stop."""
    parser = argparse.ArgumentParser(description="serve tools over gRPC")
    parser.add_argument("--port-file", required=True, type=Path, metavar="FILE")
    port_file: Path = parser.parse_args(arguments).port_file

    # Before any other thread: they inherit the mask, so the signal waits for sigwait below.
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    service = os.environ.get("OTEL_SERVICE_NAME", "worker")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

    interceptor: grpc.ServerInterceptor = server_interceptor()
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[interceptor])
    server.add_generic_rpc_handlers((toolbox(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    write_whole(port_file, f"{port}\n")

    signal.sigwait(stops)
    server.stop(STOP_GRACE_S).wait()
    provider.shutdown()
    return 0


def toolbox() -> grpc.GenericRpcHandler:
    """Return the service ``tools.Toolbox`` with JSON bodies."""
    run = grpc.unary_unary_rpc_method_handler(
        run_tool,
        request_deserializer=json.loads,
        response_serializer=lambda body: json.dumps(body).encode(),
    )
    return grpc.method_handlers_generic_handler("tools.Toolbox", {"Run": run})


def run_tool(request: dict[str, Any], context: grpc.ServicerContext) -> dict[str, Any]:
    """Answer one call."""
    if request.get("tool") != "get_forecast":
        context.abort(grpc.StatusCode.NOT_FOUND, f"no tool {request.get('tool')!r}")
    return get_forecast(**request["arguments"])


def get_forecast(city: str, days: int) -> dict[str, Any]:
    """Return a forecast that is the same every time."""
    with tracer.start_as_current_span("get_forecast") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", "get_forecast")
        span.set_attribute("city", city)
        week = [("Saturday", 24, 10), ("Sunday", 21, 60), ("Monday", 22, 20)]
        found = [
            {"day": day, "high_celsius": high, "rain_percent": rain}
            for day, high, rain in week[:days]
        ]
        span.add_event("forecast found", {"days": len(found)})
        return {"city": city, "days": found}


def write_whole(path: Path, text: str) -> None:
    """Make ``path`` hold ``text`` at once: a reader sees all of it or no file."""
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(text, encoding="ascii")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
