"""A trace as Markdown: the report's layout, and nothing of a span that formats it."""

import re

import pytest

from sidespand.cli.markdown import render
from sidespand.query.spans import decode, items
from sidespand.query.traces import assemble
from tests.journals import content, records
from tests.otlp import START_NS, export_request

TRACE = bytes(range(16))
HOSTILE = "`<script>`|# \x1b[2J\r\n\u202e**x**](javascript:0)"


def report(name: str = "plan", message: str = "no such file") -> list[str]:
    """Return the report of a root with a failed child that has an event."""
    request = export_request(2, trace_id=TRACE, span_ids=[b"rootroot", b"childchi"], attributes=0)
    root, child = request.resource_spans[0].scope_spans[0].spans
    root.name = name
    child.parent_span_id = root.span_id
    child.status.code, child.status.message = 2, message
    child.attributes.add(key="symbol").value.string_value = name
    event = child.events.add(name="retry", time_unix_nano=START_NS)
    event.attributes.add(key="n").value.int_value = 2
    found = [decode(one) for one in items(records([content(request.SerializeToString())])[0])]
    return list(render(TRACE, assemble(found), START_NS))


def test_the_report_has_the_seeds_layout() -> None:
    """Title, summary, metadata, steps with context, logs and error, in that order."""
    assert report() == [
        f"# Trace: plan — {TRACE.hex()}",
        "*Generated: 2026-09-21 14:13:20 UTC*",
        "",
        "## Summary",
        "| Steps | OK | Errors | Avg duration |",
        "|---|---|---|---|",
        "| 2 | 1 | 1 | 1.0 ms |",
        "",
        "## Metadata",
        "- **service.name**: `'test'`",
        "",
        "## Steps",
        "",
        "### 1. ✅ `plan` (1.00 ms)",
        "",
        "### 2. ❌ `step 1` (1.00 ms) · level 1",
        "**Context:**",
        "",
        "- `symbol`: `'plan'`",
        "",
        "**Logs:**",
        "",
        "- `14:13:20.000Z` — `retry`, `n=2`",
        "",
        "**Error:** `no such file`",
    ]


def test_nothing_of_a_span_formats_the_page() -> None:
    """Outside of code spans every character of markup is escaped, and no line is controlled."""
    lines = report(HOSTILE, HOSTILE)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(report())
    title = lines[0].removeprefix("# Trace: ")
    assert "<script>" not in re.sub(r"\\.", "", title)
    for line in lines[1:]:
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert "script" not in outside
        assert "javascript" not in outside


@pytest.mark.parametrize("text", ["", "`", "``", "a`b", "`` ` ``", "x" * 5000])
def test_code_spans_hold_any_text(text: str) -> None:
    """However many backticks are in it, the fence around is another one."""
    line = report(text)[13]
    match = re.fullmatch(r"### 1\. ✅ (`+)(?!`)(.*?)(?<!`)\1 \(1\.00 ms\)", line)
    assert match is not None, line
    assert match[1] not in re.findall(r"`+", match[2])
