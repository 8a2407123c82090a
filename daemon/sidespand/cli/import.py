"""``sidespan import``: hands a file of OTLP/JSON lines to the running daemon, each line once.

The file is what a program wrote without a daemon. Its first line names it, so that importing it
again, or importing what was added to it since, stores nothing twice.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespan import _wire
from sidespan._frames import FramesTransport
from sidespan._transport import PermanentError, RetryableError
from sidespand.cli import exits
from sidespand.cli.output import print_json
from sidespand.cli.text import safe
from sidespand.config import load
from sidespand.errors import InvalidRequest, NotFound, TooLarge, Unavailable
from sidespand.limits import IMPORT_WAIT_S, INSTANCE_ID_BYTES, MESSAGE_BYTES_MAX
from sidespand.model import Kind
from sidespand.receiver.otlp_json import to_protobuf

_DEFAULT_WAIT_S = 1.0
_PROGRESS_S = 1.0


@dataclass(slots=True)
class _Done:
    lines: int = 0
    ended_spans: int = 0
    open_spans: int = 0
    unreadable: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="FILE", type=Path, help="OTLP/JSON, one request a line")
    parser.add_argument(
        "--socket", metavar="PATH", help="the daemon's ingest.sock; default: as the config says"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Import the file; return 1 when a line of it was refused.

    Raises:
        NotFound: There is no such file.
        Unavailable: No daemon took the lines. Retryable: what was taken is not taken again.
    """
    socket_path = args.socket or str(load(args.config, {}).runtime_dir / "ingest.sock")
    done = _Done()
    try:
        with args.file.open("rb") as file:
            instance_id = hashlib.sha256(file.readline(MESSAGE_BYTES_MAX)).digest()
            transport = FramesTransport(socket_path, instance_id[:INSTANCE_ID_BYTES])
            file.seek(0)
            try:
                _import(iter(lambda: file.readline(MESSAGE_BYTES_MAX), b""), transport, done)
            finally:
                transport.close()
    except OSError as error:
        raise NotFound(f"{args.file}: {error.strerror}", hint="name a file of spans") from error
    _tell(args, done)
    return exits.WRONG if done.refused else exits.OK


def _import(lines: Iterator[bytes], transport: FramesTransport, done: _Done) -> None:
    told_s = time.monotonic()
    for seq, line in enumerate(lines, start=1):
        done.lines = seq
        records = b""
        try:
            request = ExportTraceServiceRequest.FromString(to_protobuf(Kind.SPANS, line))
        except InvalidRequest:
            # Cut by a crash or a full disk. Its number is used up like any other's.
            done.unreadable.append(seq)
        except TooLarge as error:
            _refuse(done, seq, error)
        else:
            records, ended, still_open = _records(request)
            done.ended_spans += ended
            done.open_spans += still_open
        _send(transport, seq, records, done)
        if sys.stderr.isatty() and time.monotonic() - told_s > _PROGRESS_S:
            told_s = time.monotonic()
            print(f"\r{seq} lines", end="", file=sys.stderr, flush=True)


def _records(request: ExportTraceServiceRequest) -> tuple[bytes, int, int]:
    """Return the step that a line becomes, and how many spans in it have ended and have not."""
    marks = ExportTraceServiceRequest()
    marks.CopyFrom(request)
    ended = _keep(request, lambda span: span.end_time_unix_nano != 0)
    still_open = _keep(marks, lambda span: span.end_time_unix_nano == 0)
    records = _wire.encode_records(
        request.SerializeToString() if ended else b"",
        marks.SerializeToString() if still_open else b"",
        b"".join(span.trace_id + span.span_id for span in ended),
    )
    return records, len(ended), len(still_open)


def _keep(request: ExportTraceServiceRequest, wanted: Callable[[Span], bool]) -> list[Span]:
    kept: list[Span] = []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            found = [span for span in scope_spans.spans if wanted(span)]
            del scope_spans.spans[:]
            scope_spans.spans.extend(found)
            kept += scope_spans.spans
    return kept


def _send(transport: FramesTransport, seq: int, records: bytes, done: _Done) -> None:
    deadline_s = time.monotonic() + IMPORT_WAIT_S
    while True:
        try:
            transport.send(seq, records)
        except PermanentError as error:
            _refuse(done, seq, error)
        except RetryableError as error:
            if time.monotonic() > deadline_s:
                raise Unavailable(
                    f"line {seq} was not taken: {error}",
                    hint="start the daemon with `sidespan serve`, then import the file again",
                ) from error
            time.sleep(error.retry_after_s or _DEFAULT_WAIT_S)
            continue
        return


def _refuse(done: _Done, seq: int, error: Exception) -> None:
    done.refused.append(seq)
    print(f"line {seq}: {safe(str(error))}", file=sys.stderr)


def _tell(args: argparse.Namespace, done: _Done) -> None:
    if args.json:
        print_json(
            {
                "file": str(args.file),
                "lines": done.lines,
                "ended_spans": done.ended_spans,
                "open_spans": done.open_spans,
                "unreadable_lines": done.unreadable,
                "refused_lines": done.refused,
            }
        )
        return
    print(
        f"{safe(str(args.file))}: {done.lines} lines, {done.ended_spans} spans"
        f" and {done.open_spans} marks"
    )
    for what, numbers in (("unreadable", done.unreadable), ("refused", done.refused)):
        if numbers:
            print(f"{what}: line {', '.join(map(str, numbers[:10]))}")
