"""Two processes that talk over gRPC under the stock gRPC instrumentation.

The client starts the server as its child. The server exports when its standard input closes, after
the client did, so the order of the requests is fixed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient, GrpcInstrumentorServer
from telemetry import exporting

SERVICE = "golden.Worker"
DEADLINE_S = 20


def client() -> None:
    """Make a unary call and a server stream under one span, then a call that finds nothing."""
    GrpcInstrumentorClient().instrument()
    child = subprocess.Popen(
        [sys.executable, "-P", __file__, "server"],
        env=os.environ | {"OTEL_SERVICE_NAME": "otel_grpc_server"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with exporting() as flush, child:
        port = child.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            with trace.get_tracer("application").start_as_current_span("plan"):
                _unary(channel, "Run")(StringValue(value="step 1"), timeout=DEADLINE_S)
                list(_stream(channel)(StringValue(value="step 2"), timeout=DEADLINE_S))
            flush()
            _fail(channel)
            flush()
        child.stdin.close()
        assert child.wait(DEADLINE_S) == 0


def _fail(channel: grpc.Channel) -> None:
    """Await a failing call as a future: a call that raises puts a stack trace into its span."""
    ended = Event()
    call = _unary(channel, "Lose").future(StringValue(value="step 3"), timeout=DEADLINE_S)
    # Runs after the instrumentation's own callback, which ends the span.
    call.add_done_callback(lambda _call: ended.set())
    assert ended.wait(DEADLINE_S)
    assert call.code() is grpc.StatusCode.NOT_FOUND


def server() -> None:
    """Answer until standard input closes."""
    GrpcInstrumentorServer().instrument()
    with exporting():
        running = grpc.server(ThreadPoolExecutor(1))
        running.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    SERVICE,
                    {
                        "Run": grpc.unary_unary_rpc_method_handler(_run, **_codec()),
                        "Watch": grpc.unary_stream_rpc_method_handler(_watch, **_codec()),
                        "Lose": grpc.unary_unary_rpc_method_handler(_lose, **_codec()),
                    },
                ),
            )
        )
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        print(port, flush=True)
        sys.stdin.read()
        running.stop(grace=DEADLINE_S).wait()


def _run(request: StringValue, _context: grpc.ServicerContext) -> StringValue:
    span = trace.get_current_span()
    span.set_attribute("golden.input", request.value)
    span.add_event("worked", {"golden.items": 3})
    return StringValue(value="done")


def _watch(_request: StringValue, _context: grpc.ServicerContext) -> Iterator[StringValue]:
    for i in range(3):
        with trace.get_tracer("application").start_as_current_span("watch step") as span:
            span.set_attribute("golden.index", i)
        yield StringValue(value=str(i))


def _lose(_request: StringValue, context: grpc.ServicerContext) -> StringValue:
    context.set_code(grpc.StatusCode.NOT_FOUND)
    context.set_details("no such step")
    return StringValue()


def _codec() -> dict[str, object]:
    return {
        "request_deserializer": StringValue.FromString,
        "response_serializer": StringValue.SerializeToString,
    }


def _unary(channel: grpc.Channel, method: str) -> grpc.UnaryUnaryMultiCallable:
    return channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


def _stream(channel: grpc.Channel) -> grpc.UnaryStreamMultiCallable:
    return channel.unary_stream(
        f"/{SERVICE}/Watch",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


if sys.argv[1:] == ["server"]:
    server()
else:
    client()
