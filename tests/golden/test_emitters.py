import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

FOLDER = Path(__file__).parent / "emitters"
CAPTURES = sorted(path.parent.name for path in FOLDER.glob("*/meta.json"))
MACHINE = re.compile(r"(?<![\w.])/(home|root|tmp|var|opt|usr|Users)/|site-packages|\.py\b")
SIZE_MAX = 500_000


def _meta(capture: str) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads((FOLDER / capture / "meta.json").read_text())
    return meta


def _requests(capture: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for request in _meta(capture)["requests"]:
        yield request, (FOLDER / capture / request["file"]).read_bytes()


def _traces(capture: str) -> Iterator[ExportTraceServiceRequest]:
    for request, body in _requests(capture):
        if request["file"].endswith(".traces.pb"):
            yield ExportTraceServiceRequest.FromString(body)


def _logs(capture: str) -> Iterator[ExportLogsServiceRequest]:
    for request, body in _requests(capture):
        if request["file"].endswith(".logs.pb"):
            yield ExportLogsServiceRequest.FromString(body)


def _spans(capture: str) -> Iterator[tuple[str, Any]]:
    for message in _traces(capture):
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    yield scope.scope.name, span


def _log_records(capture: str) -> Iterator[Any]:
    for message in _logs(capture):
        for resource in message.resource_logs:
            for scope in resource.scope_logs:
                yield from scope.log_records


def _strings(message: Message) -> Iterator[str]:
    for descriptor, value in message.ListFields():
        for element in value if descriptor.is_repeated else (value,):
            if isinstance(element, Message):
                yield from _strings(element)
            elif isinstance(element, str):
                yield element


def _table(heading: str) -> list[list[str]]:
    section = (FOLDER / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows[2:]]


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_capture_is_what_its_description_says(capture: str) -> None:
    """Files, sizes, digests and item counts are those of meta.json, and no file is undescribed."""
    described = {request["file"] for request, _ in _requests(capture)}
    assert described == {path.name for path in (FOLDER / capture).glob("*.pb")}
    for request, body in _requests(capture):
        assert len(body) == request["bytes"]
        assert hashlib.sha256(body).hexdigest() == request["sha256"]
    items = sum(request["items"] for request, _ in _requests(capture))
    assert items == len([*_spans(capture), *_log_records(capture)])


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_capture_has_valid_ids_and_names_its_service(capture: str) -> None:
    """Every id has its length, every item lies in time, every resource says what was recorded."""
    for _, span in _spans(capture):
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert len(span.parent_span_id) in (0, 8)
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    for record in _log_records(capture):
        assert (len(record.trace_id), len(record.span_id)) == (16, 8)
    resources = [one.resource for message in _traces(capture) for one in message.resource_spans]
    resources += [one.resource for message in _logs(capture) for one in message.resource_logs]
    for resource in resources:
        attributes = {pair.key: pair.value.string_value for pair in resource.attributes}
        own = {"otel_grpc_client", "otel_grpc_server"} if "grpc" in capture else {capture}
        assert attributes["service.name"] in own
        assert not [key for key in attributes if key.startswith(("host.", "process.", "os."))]


def test_no_two_spans_of_the_captures_share_an_id() -> None:
    """All captures can be sent to one store without spans of different emitters meeting."""
    ids = [(span.trace_id, span.span_id) for name in CAPTURES for _, span in _spans(name)]
    assert len(ids) == len(set(ids))
    traces = [{span.trace_id for _, span in _spans(name)} for name in CAPTURES]
    assert len(set().union(*traces)) == sum(map(len, traces))


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_capture_says_nothing_of_the_machine_it_was_made_on(capture: str) -> None:
    """No string in it is a path of a file system or a line of a stack trace."""
    for message in [*_traces(capture), *_logs(capture)]:
        assert not [text for text in _strings(message) if MACHINE.search(text)]


def test_the_readme_lists_every_capture_with_its_counts() -> None:
    """Transport, requests, spans and log records in the table are those of the bytes."""
    counted = [
        [
            name,
            _meta(name)["transport"],
            str(len(_meta(name)["requests"])),
            str(len(list(_spans(name)))),
            str(len(list(_log_records(name)))),
        ]
        for name in CAPTURES
    ]
    assert sorted([row[0], *row[2:]] for row in _table("Captures")) == counted


@pytest.mark.parametrize(("capture", "scope", "attribute", "total"), _table("Token totals"))
def test_the_readme_adds_up_the_tokens_that_were_sent(
    capture: str, scope: str, attribute: str, total: str
) -> None:
    """Each addend is one span's value, in order, and their sum is the total."""
    sent = [
        pair.value.int_value
        for sender, span in _spans(capture)
        for pair in span.attributes
        if sender == scope and pair.key == attribute and pair.value.int_value
    ]
    addends, _, claimed = total.partition(" = ")
    assert sent == [int(addend) for addend in addends.split(" + ")]
    assert sum(sent) == int(claimed)


def test_the_captures_stay_small() -> None:
    """All captures together stay under half a megabyte."""
    assert sum(path.stat().st_size for path in FOLDER.glob("*/*")) < SIZE_MAX


@pytest.mark.slow
def test_recording_refuses_to_touch_a_capture_that_is_there() -> None:
    """Without --replace the recorder names what it would overwrite and leaves it as it is."""
    pytest.importorskip("grpc")
    before = {path: path.read_bytes() for path in FOLDER.glob("*/*")}
    refused = subprocess.run(
        [sys.executable, "-B", str(FOLDER / "record.py"), "openai_v2"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (refused.returncode, "openai_v2" in refused.stderr) == (1, True)
    assert {path: path.read_bytes() for path in FOLDER.glob("*/*")} == before
