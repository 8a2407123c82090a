"""Prints what an export policy costs a span, each level in turn: 100 spans a request.

    python -m tests.bench.policy

CPU time of one thread; the least of many rounds, since other load only ever adds. Stamping comes on
top of each: spliced behind ``full``, and behind the others, too, which write ordinary requests.
"""

from collections.abc import Mapping
from functools import partial

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.config import Capture
from sidespand.model import Record
from sidespand.scrubbing import Secrets
from sidespand.sinks.policy import Policy
from tests.bench.stamping import SPANS, least_us, request
from tests.journals import content, records

SALT = bytes(32)
SECRETS = [f"a secret number {number}" for number in range(8)]


def shapes() -> Mapping[str, Record]:
    """Return a record of each shape of spans that is measured."""
    plain = request(10)
    said = ExportTraceServiceRequest.FromString(plain)
    for span in said.resource_spans[0].scope_spans[0].spans:
        for key in ("gen_ai.input.messages", "gen_ai.output.messages"):
            span.attributes.add(key=key).value.string_value = "what was said, " * 140
    payloads = {
        "10 attributes": plain,
        "the same and two of 2 KB that are content": said.SerializeToString(),
    }
    return {
        name: records([content(payload)], next_lsn=1_000_000)[0]
        for name, payload in payloads.items()
    }


def main() -> None:
    """Measure and print."""
    for name, record in shapes().items():
        print(f"{name}, {len(record.payload or b'') / SPANS:.0f} bytes a span:")
        for capture in (Capture.FULL, Capture.METADATA, Capture.REDACTED):
            for secrets in ([], SECRETS):
                apply = partial(Policy("bench", capture, Secrets(secrets), SALT).apply, record)
                released = apply().record
                assert released is not None
                size = len(released.payload or b"") / SPANS
                print(
                    f"{least_us(apply):8.2f} µs  {capture}, {len(secrets)} secrets, "
                    f"{size:.0f} bytes out"
                )


if __name__ == "__main__":
    main()
