"""``sidespan import``: hands the spans and logs of a file to the running daemon, each of them once.

What the file is shows in it. Its contents name it, not its path, so that importing it again, or
importing what was added to it since, stores nothing twice.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespan._frames import FramesTransport
from sidespan._transport import PermanentError, RetryableError
from sidespan.v1.recorder_pb2 import Records
from sidespand.cli import exits
from sidespand.cli.output import print_json
from sidespand.cli.text import safe
from sidespand.config import load
from sidespand.errors import InvalidRequest, NotFound, TooLarge, Unavailable
from sidespand.exchange import detect
from sidespand.exchange.part import Part, Source
from sidespand.limits import IMPORT_WAIT_S

_DEFAULT_WAIT_S = 1.0
_PROGRESS_S = 1.0
_SHOWN_MAX = 10
_EPILOG = """\
what can be imported:
  otlp           spans and logs in JSON, one request a line, or one document
  otlp-protobuf  one request of them, or requests that each follow their length in four bytes
  jsonl          spans as `sidespan export -f jsonl` and the jsonl sink write them
  aitrace        a trace of AITrace's file exporter, or of the aitrace_file sink
  agenttrace     lines of AgentTrace's JSONL exporter
  ai-trace       lines or the snapshot of a session of the decision tracer
"""


@dataclass(slots=True)
class _Done:
    parts: int = 0
    ended_spans: int = 0
    open_spans: int = 0
    log_records: int = 0
    unreadable: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("file", metavar="FILE", type=Path, help="what a program wrote")
    parser.add_argument(
        "--socket", metavar="PATH", help="the daemon's ingest.sock; default: as the config says"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Import the file; return 1 when a part of it was refused.

    Raises:
        NotFound: There is no such file.
        InvalidRequest: It is nothing that can be imported.
        TooLarge: It is a document that is too large.
        Unavailable: No daemon took the spans. Retryable: what was taken is not taken again.
    """
    socket_path = args.socket or str(load(args.config, {}).runtime_dir / "ingest.sock")
    done = _Done()
    try:
        with args.file.open("rb") as file:
            source = _read(file, args.file)
            transport = FramesTransport(socket_path, source.identity)
            try:
                _import(source, transport, done)
            finally:
                transport.close()
    except OSError as error:
        raise NotFound(f"{args.file}: {error.strerror}", hint="name a file of spans") from error
    _tell(args, source.format, done)
    return exits.WRONG if done.refused else exits.OK


def _read(file: BinaryIO, path: Path) -> Source:
    try:
        return detect.read(file, path.stem)
    except (InvalidRequest, TooLarge) as error:
        raise type(error)(f"{path}: {error}", hint=error.hint) from error


def _import(source: Source, transport: FramesTransport, done: _Done) -> None:
    told_s = time.monotonic()
    for part in source.parts:
        done.parts += 1
        records = b""
        if part.refusal:
            _refuse(done, part, part.refusal)
        elif part.request is None:
            # Cut by a crash or a full disk. Its number is used up like any other's.
            done.unreadable.append(part.where)
        else:
            records = _records(part.request, part.logs, done)
        if part.seq:
            _send(transport, part, records, done)
        if sys.stderr.isatty() and time.monotonic() - told_s > _PROGRESS_S:
            told_s = time.monotonic()
            print(f"\r{done.parts} parts", end="", file=sys.stderr, flush=True)


def _records(
    request: ExportTraceServiceRequest, logs: ExportLogsServiceRequest | None, done: _Done
) -> bytes:
    """Return the step that a part becomes; what is in it is counted."""
    marks = ExportTraceServiceRequest()
    marks.CopyFrom(request)
    ended = _keep(request, lambda span: span.end_time_unix_nano != 0)
    still_open = _keep(marks, lambda span: span.end_time_unix_nano == 0)
    done.ended_spans += len(ended)
    done.open_spans += len(still_open)
    step = Records(ended=b"".join(span.trace_id + span.span_id for span in ended))
    if ended:
        step.traces = request.SerializeToString()
    if still_open:
        step.marks = marks.SerializeToString()
    if logs is not None:
        step.logs = logs.SerializeToString()
        done.log_records += sum(
            len(scoped.log_records) for group in logs.resource_logs for scoped in group.scope_logs
        )
    return step.SerializeToString()


def _keep(request: ExportTraceServiceRequest, wanted: Callable[[Span], bool]) -> list[Span]:
    kept: list[Span] = []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            found = [span for span in scope_spans.spans if wanted(span)]
            del scope_spans.spans[:]
            scope_spans.spans.extend(found)
            kept += scope_spans.spans
    return kept


def _send(transport: FramesTransport, part: Part, records: bytes, done: _Done) -> None:
    deadline_s = time.monotonic() + IMPORT_WAIT_S
    while True:
        try:
            transport.send(part.seq, records)
        except PermanentError as error:
            _refuse(done, part, str(error))
        except RetryableError as error:
            if time.monotonic() > deadline_s:
                raise Unavailable(
                    f"{part.where} was not taken: {error}",
                    hint="start the daemon with `sidespan serve`, then import the file again",
                ) from error
            time.sleep(error.retry_after_s or _DEFAULT_WAIT_S)
            continue
        return


def _refuse(done: _Done, part: Part, why: str) -> None:
    done.refused.append(part.where)
    print(f"{part.where}: {safe(why)}", file=sys.stderr)


def _tell(args: argparse.Namespace, name: str, done: _Done) -> None:
    if args.json:
        print_json(
            {
                "file": str(args.file),
                "format": name,
                "lines": done.parts,
                "ended_spans": done.ended_spans,
                "open_spans": done.open_spans,
                "log_records": done.log_records,
                "unreadable_lines": _numbers(done.unreadable),
                "refused_lines": _numbers(done.refused),
            }
        )
        return
    print(
        f"{safe(str(args.file))}: {name}, {done.parts} parts, {done.ended_spans} spans,"
        f" {done.open_spans} marks and {done.log_records} log records"
    )
    for what, places in (("unreadable", done.unreadable), ("refused", done.refused)):
        if places:
            print(f"{what}: {', '.join(places[:_SHOWN_MAX])}")


def _numbers(places: list[str]) -> list[int]:
    # A document and a message are the first of one.
    return [int(number) if (number := place.split()[-1]).isdigit() else 1 for place in places]
