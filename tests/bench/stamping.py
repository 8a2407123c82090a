"""Prints what stamping costs a span, spliced and rebuilt: 100 spans of 10 attributes a request.

    python -m tests.bench.stamping [ATTRIBUTES]

CPU time of one thread; the least of many rounds, since other load only ever adds.
"""

import os
import sys
import time
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.sinks import stamping
from sidespand.sinks.line_formats import encode_lines
from tests.journals import NODE_REF, content, records

SPANS = 100
ROUNDS = 30
CALLS = 50


def request(attributes: int) -> bytes:
    """Return a request of spans as an agent's instrumentation makes them."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope_spans = resource_spans.scope_spans.add()
    for _ in range(SPANS):
        span = scope_spans.spans.add(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            parent_span_id=os.urandom(8),
            name="chat gpt-4o",
            start_time_unix_nano=time.time_ns(),
            end_time_unix_nano=time.time_ns(),
        )
        for number in range(attributes):
            value = f"value of attribute {number}"
            span.attributes.add(key=f"gen_ai.attribute.{number}").value.string_value = value
        span.events.add(name="first token", time_unix_nano=time.time_ns())
    return message.SerializeToString()


def least_us(work: Callable[[], object]) -> float:
    """Return the least CPU time of ``work`` for one span, in microseconds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        for _ in range(CALLS):
            work()
        rounds.append(time.thread_time_ns() - began)
    return min(rounds) / CALLS / SPANS / 1000


def main() -> None:
    """Measure and print."""
    payload = request(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    (record,) = records([content(payload)], next_lsn=1_000_000)
    header = record.header
    print(f"{len(payload) / SPANS:.0f} bytes a span; µs of CPU a span:")
    for name, work in (
        ("spliced", lambda: stamping.splice(payload, header, NODE_REF)),
        ("spliced, with the look for foreign stamps", lambda: stamping.stamp(payload, header, "n")),
        ("rebuilt", lambda: stamping.rebuild(payload, header, NODE_REF)),
        ("a line of JSON, for comparison", lambda: list(encode_lines(record, NODE_REF))),
    ):
        print(f"{least_us(work):8.2f}  {name}")


if __name__ == "__main__":
    main()
