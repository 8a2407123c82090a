"""What a node keeps when it is told to keep less: at every door, without disturbing a caller."""

import os
import re
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.model import Kind
from tests import doors
from tests.daemon import Daemon, running
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import export_request

SAID = "what the user said"
pytestmark = pytest.mark.slow


def conversation() -> bytes:
    """Return a request with content in an attribute and in an event."""
    request = export_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="gen_ai.request.model").value.string_value = "a-model"
    span.attributes.add(key="gen_ai.input.messages").value.string_value = SAID
    event = span.events.add(name="gen_ai.user.message")
    event.attributes.add(key="content").value.string_value = SAID
    return request.SerializeToString()


def everything_in(daemon: Daemon) -> bytes:
    """Return all bytes of the store's files."""
    return b"".join(path.read_bytes() for path in daemon.data.rglob("*") if path.is_file())


def test_metadata_keeps_no_content_on_the_disk(tmp_path: Path) -> None:
    """At every door the span is acknowledged and kept, and nothing of what was said is."""
    config = '[receivers]\ncapture = "metadata"\n'
    with running(tmp_path, doors.TCP_FLAGS, config=config) as daemon:
        for name in doors.DOORS:
            with doors.opened(name, daemon) as door:
                answer = door.send(conversation())
                assert (answer.code, answer.rejected) == (door.ok, 0)
        removed = sum(
            doors.figure(daemon, "sidespan_receiver_removed_values_total", door=door,
                         signal="spans") for door in ("ingest", "grpc", "http")
        )  # fmt: skip
        assert removed == 2 * len(doors.DOORS)
        assert daemon.terminate() == 0
    stored = [one for one in records_of(tmp_path / "data") if one.header.kind is Kind.SPANS]
    assert len(stored) == len(doors.DOORS)
    for record in stored:
        request = ExportTraceServiceRequest.FromString(record.payload or b"")
        span = request.resource_spans[0].scope_spans[0].spans[0]
        assert [one.key for one in span.attributes][-1] == "gen_ai.request.model"
        assert span.dropped_attributes_count == span.events[0].dropped_attributes_count == 1
    assert SAID.encode() not in everything_in(daemon)


def test_off_keeps_nothing_and_disturbs_no_caller(tmp_path: Path) -> None:
    """Every door says that all is well, a session goes on by its seq, also after a restart."""
    config = '[receivers]\ncapture = "off"\n'
    instance_id = os.urandom(16)
    with running(tmp_path, doors.TCP_FLAGS, config=config) as daemon:
        for name in doors.DOORS:
            with doors.opened(name, daemon) as door:
                for body in (conversation(), b"\xff no protobuf"):
                    answer = door.send(body)
                    assert (answer.code, answer.rejected) == (door.ok, 0)
                    assert answer.token
        with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
            client.hello(instance_id)
            client.records(1, conversation(), marks=conversation())
            assert client.ack(1).first_lsn == 0
        assert daemon.terminate() == 0
    with running(tmp_path, config=config) as daemon:
        with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
            assert client.hello(instance_id).last_seq == 1
        assert daemon.terminate() == 0
    assert daemon.log().count("receivers.capture is off: NOTHING that clients send is kept") == 2
    assert all(one.header.kind.is_control for one in records_of(tmp_path / "data"))
    assert SAID.encode() not in everything_in(daemon)


def test_an_unknown_level_stops_the_start(tmp_path: Path) -> None:
    """A word that is misspelt does not keep everything."""
    daemon = Daemon(tmp_path, config='[receivers]\ncapture = "metdata"\n')
    with pytest.raises(AssertionError):
        daemon.start()
    assert re.search(r'receivers\.capture: expected "full" or "metadata" or "off"', daemon.log())
    assert not (tmp_path / "data").exists()
