"""A file of the jsonl sink fits together, or a line says where it does not."""

import io
import json
from pathlib import Path

from sidespand.audit import lines
from sidespand.audit.report import Fault, Report
from sidespand.sinks.line_formats import encode_lines
from tests.attested import Node
from tests.journals import records_of
from tests.unit.query import samples


def written(tmp_path: Path) -> list[bytes]:
    """Return what the sink would write of a store."""
    node = Node(tmp_path / "data")
    node.live([samples.spans_content(samples.request(samples.span(n))) for n in range(1, 5)])
    return [
        line
        for record in records_of(node.data_dir)
        if record.header.kind == 1
        for _, line in encode_lines(record, "node://a@host")
    ]


def checked(found: list[bytes]) -> Report:
    """Return what a check of a file says."""
    file = io.BytesIO(b"".join(found))
    assert lines.looks_like(file) == bool(found)
    return lines.verify(file)


def test_a_file_of_the_sink_fits_together(tmp_path: Path) -> None:
    """What it cannot show is said: a line carries no leaf."""
    report = checked(written(tmp_path))

    assert report.findings == []
    assert report.facts["lines"] == "4"
    assert any("carries no leaf" in sentence for sentence in report.not_established)


def test_a_swapped_repeated_or_cut_line_is_named(tmp_path: Path) -> None:
    """LSN and HLC rise from line to line, and the last line is whole."""
    one, two, three, four = written(tmp_path)

    assert [f.where for f in checked([one, three, two, four]).findings] == ["line 3"]
    assert [f.where for f in checked([one, one]).findings] == ["line 2"]
    assert [f.where for f in checked([one, two[:-1]]).findings] == ["line 2"]
    stale = json.loads(two)
    stale["stamp"]["hlc"] = json.loads(one)["stamp"]["hlc"]
    assert [f.where for f in checked([one, json.dumps(stale).encode() + b"\n"]).findings] == [
        "line 2"
    ]


def test_lines_of_nobody_are_named(tmp_path: Path) -> None:
    """Junk never raises."""
    one = written(tmp_path)[0]
    for junk in (b"\n", b"{}\n", b"7\n", b'{"stamp":{"lineage":"zz","lsn":"1","hlc":"1.1"}}\n'):
        (found,) = checked([one, junk]).findings
        assert (found.code, found.where) == (Fault.LINE_DAMAGED, "line 2")
