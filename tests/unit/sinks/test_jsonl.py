"""The jsonl sink: each span on one line, once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sidespand import hlc
from sidespand.limits import LINES_BYTES_MAX
from sidespand.model import Delivered, Record, Retry
from sidespand.sinks.jsonl import JsonlSink
from tests.journals import LINEAGE, NODE_REF, content, records, run
from tests.otlp import encoded, export_request


def node_ref(lineage: bytes, boot_generation: int) -> str:
    """Resolve the one generation of the records here."""
    assert (lineage, boot_generation) == (LINEAGE, 3)
    return NODE_REF


def deliver(path: Path, *batches: Sequence[Record]) -> None:
    """Deliver batches through a sink of its own, each successfully."""

    async def test() -> None:
        sink = JsonlSink(path, lambda _lineage, _generation: NODE_REF)
        for batch in batches:
            assert await sink.deliver(batch) == Delivered()
        await sink.close()

    run(test())


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the file's lines, parsed."""
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def positions(path: Path) -> list[tuple[str, int]]:
    """Return lineage and LSN of each line."""
    return [(line["stamp"]["lineage"], int(line["stamp"]["lsn"])) for line in lines(path)]


def test_a_line_has_the_span_its_surroundings_and_its_stamp(tmp_path: Path) -> None:
    """The documented fields are there, in the documented order, with the item's own stamp."""
    request = export_request(2)
    request.resource_spans[0].scope_spans[0].scope.name = "library"
    request.resource_spans[0].scope_spans[0].scope.version = "1.2"
    (record,) = records([content(request.SerializeToString())], next_lsn=7)

    async def test() -> None:
        sink = JsonlSink(tmp_path / "spans.jsonl", node_ref)
        assert await sink.deliver([record]) == Delivered()
        await sink.close()

    run(test())
    line = lines(tmp_path / "spans.jsonl")[1]
    span = request.resource_spans[0].scope_spans[0].spans[1]
    assert line["trace_id"] == span.trace_id.hex()
    assert line["name"] == "step 1"
    assert line["attributes"] == {"attribute.0": "value 0", "attribute.1": "value 1"}
    assert line["service"] == "test"
    assert line["resource"] == {"service.name": "test"}
    assert line["scope"] == {"name": "library", "version": "1.2"}
    assert line["stamp"] == {
        "source_node_ref": NODE_REF,
        "lineage": LINEAGE.hex(),
        "boot_generation": 3,
        "lsn": "8",
        "hlc": hlc.text(hlc.nth(record.header.stamp, 1)),
    }
    assert list(line)[-4:] == ["service", "resource", "scope", "stamp"]


def test_a_line_is_one_line_of_printable_ascii(tmp_path: Path) -> None:
    """Newlines, escapes and separators in a span reach no terminal and end no line."""
    request = export_request()
    request.resource_spans[0].scope_spans[0].spans[0].name = "a\nb\x1b[2J\x9b\u2028\u202ec"
    deliver(tmp_path / "f", records([content(request.SerializeToString())]))
    text = (tmp_path / "f").read_text(encoding="ascii")
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()
    assert lines(tmp_path / "f")[0]["name"] == "a\nb\x1b[2J\x9b\u2028\u202ec"


def test_what_is_in_the_file_is_not_written_again(tmp_path: Path) -> None:
    """A redelivery that overlaps the file, even inside a record, adds the rest only."""
    first, second, third = records([content(encoded(3)), content(encoded(3)), content(encoded(2))])
    path = tmp_path / "f"
    deliver(path, [first, second])
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:4]) + whole[4][:25])
    deliver(path, [first, second, third])
    assert positions(path) == [(LINEAGE.hex(), lsn) for lsn in range(1, 9)]


def test_another_lineage_is_told_apart(tmp_path: Path) -> None:
    """Equal LSNs of a new lineage are other spans."""
    path = tmp_path / "f"
    other = bytes(8)
    deliver(path, records([content(encoded(3))]))
    deliver(path, records([content(encoded(2))], ordinal=2, lineage=other))
    assert positions(path)[3:] == [(other.hex(), 1), (other.hex(), 2)]


def test_a_failed_write_is_retried_without_a_second_line(tmp_path: Path) -> None:
    """While the path is unusable the sink says Retry; then it takes the records, once."""
    batch = records([content(encoded(2))])
    path = tmp_path / "f"
    path.mkdir()

    async def test() -> None:
        sink = JsonlSink(path, node_ref)
        for _ in range(2):
            outcome = await sink.deliver(batch)
            assert isinstance(outcome, Retry)
            assert str(path) in outcome.reason
        path.rmdir()
        for _ in range(2):
            assert await sink.deliver(batch) == Delivered()
        await sink.close()
        await sink.close()

    run(test())
    assert [lsn for _, lsn in positions(path)] == [1, 2]


def test_a_line_that_is_none_of_ours_stops_it(tmp_path: Path) -> None:
    """A file whose last line looks like a span and has no stamp is not continued."""
    path = tmp_path / "f"
    body = b'{"trace_id":"00"}\n'
    path.write_bytes(body)

    async def test() -> None:
        sink = JsonlSink(path, node_ref)
        assert isinstance(await sink.deliver(records([content(encoded())])), Retry)
        await sink.close()

    run(test())
    assert path.read_bytes() == body


@pytest.mark.slow
def test_a_record_of_many_megabytes_is_written_in_parts(tmp_path: Path) -> None:
    """More lines than one flush covers arrive whole, whichever part a restart begins in."""
    request = export_request(30)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.name = "x" * (LINES_BYTES_MAX // 10)
    batch = records([content(request.SerializeToString())])
    path = tmp_path / "f"
    deliver(path, batch)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size // 2)
    deliver(path, batch)
    assert [lsn for _, lsn in positions(path)] == list(range(1, 31))
    assert path.stat().st_size == size
