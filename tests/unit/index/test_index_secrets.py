"""Configured secrets and the index: not a byte of one is in its files."""

from pathlib import Path

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from sidespand.index.indexer import IndexOptions
from sidespand.model import Content, Kind
from sidespand.scrubbing import Secrets
from tests import journals
from tests.indexes import everything
from tests.otlp import export_request
from tests.unit.index.test_indexer import PATH, found, index
from tests.unit.sinks.policies import put, span_of

pytestmark = pytest.mark.slow
SECRET = "sk-live-0123456789abcdef"
OTHER = "another secret of this house"


def telling(secret: str) -> Content:
    """Return a span that tells a secret wherever a program may put words."""
    request = export_request(1, trace_id=bytes(15) + b"\x07")
    span = span_of(request)
    span.name = f"named {secret}"
    span.status.message = secret
    given = {secret: secret, "gen_ai.input.messages": [secret], "gen_ai.request.model": secret}
    put(span.attributes, given)
    put(span.events.add(name=secret).attributes, {"exception.type": secret})
    put(request.resource_spans[0].resource.attributes, {"service.name": secret, "host": secret})
    return Content(Kind.SPANS, request.SerializeToString(), 1)


def bytes_of(data_dir: Path) -> bytes:
    """Return all that the index has on disk."""
    return b"".join(path.read_bytes() for path in sorted((data_dir / PATH).parent.iterdir()))


def test_no_configured_secret_is_in_the_index(tmp_path: Path) -> None:
    """Of spans, marks and logs; the items are there, with ``<redacted>`` in its place."""

    async def run() -> None:
        log = LogsData()
        said = (
            log.resource_logs.add()
            .scope_logs.add()
            .log_records.add(trace_id=bytes(15) + b"\x07", event_name=SECRET)
        )
        said.body.string_value = SECRET
        logs = Content(Kind.LOGS, log.SerializeToString(), 1)
        await journals.write(tmp_path, [telling(SECRET), logs, telling(OTHER)])
        await index(tmp_path, IndexOptions(secrets=Secrets([SECRET])))
        held = bytes_of(tmp_path)
        assert SECRET.encode() not in held
        assert OTHER.encode() in held
        assert found(tmp_path, "text:redacted") == [7]
        assert len(everything(tmp_path / PATH)["logs"]) == 1
        assert found(tmp_path, f'text:"{SECRET}"') == []

    journals.run(run())


def test_another_list_of_secrets_begins_the_index_anew(tmp_path: Path) -> None:
    """What was listed too late is gone from it then; the list itself stands nowhere."""

    async def run() -> None:
        await journals.write(tmp_path, [telling(SECRET)])
        assert await index(tmp_path) == 0
        assert SECRET.encode() in bytes_of(tmp_path)
        both = IndexOptions(secrets=Secrets([SECRET, OTHER]))
        await index(tmp_path, both)
        held = bytes_of(tmp_path)
        assert SECRET.encode() not in held
        assert OTHER.encode() not in held
        same = IndexOptions(secrets=Secrets([OTHER, SECRET]))
        await index(tmp_path, same)
        assert bytes_of(tmp_path) == held

    journals.run(run())
