"""One trace as Markdown, in the layout of ai-decision-tracer's report. Pure.

What a span holds is shown as code or escaped, so it can neither format the page nor put HTML into
it. Source: ai-decision-tracer 0.2.0, ``TraceWriter.write_markdown``.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sidespand.limits import TEXT_CHARACTERS_MAX
from sidespand.plain import safe

if TYPE_CHECKING:
    from sidespand.query.span import Event, Span, Value
    from sidespand.query.traces import Tree

_ERROR_CHARACTERS_MAX: Final = TEXT_CHARACTERS_MAX
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]()#+!|<>~&-])")
_TICKS: Final = re.compile(r"`+")
_ICONS: Final = {"error": "❌", "ok": "✅", "open": "⏳"}
_NS_PER_S: Final = 10**9


def render(trace_id: bytes, tree: "Tree", now_ns: int) -> Iterator[str]:
    """Yield the lines of the report.

    Args:
        trace_id: 16 bytes.
        tree: Its spans, of which there is one at least.
        now_ns: When the report is made, since the Unix epoch.
    """
    spans = [row.span for row in tree.rows]
    root = spans[0]
    states = [_state(span) for span in spans]
    durations = [(span.end_ns - span.start_ns) / 10**6 for span in spans if span.end_ns]
    average = f"{sum(durations) / len(durations):.1f} ms" if durations else "—"
    generated = datetime.fromtimestamp(now_ns // _NS_PER_S, UTC)
    yield f"# Trace: {_text(root.name)} — {trace_id.hex()}"
    yield f"*Generated: {generated:%Y-%m-%d %H:%M:%S} UTC*"
    yield ""
    yield "## Summary"
    yield "| Steps | OK | Errors | Avg duration |"
    yield "|---|---|---|---|"
    yield f"| {len(spans)} | {states.count('ok')} | {states.count('error')} | {average} |"
    if root.resource:
        yield ""
        yield "## Metadata"
        for key, value in root.resource.items():
            yield f"- **{_text(key)}**: {_value(value)}"
    yield ""
    yield "## Steps"
    for number, row in enumerate(tree.rows, 1):
        yield ""
        yield from _step(number, row.span, row.depth)


def _step(number: int, span: "Span", depth: int) -> Iterator[str]:
    took = f"{(span.end_ns - span.start_ns) / 10**6:.2f} ms" if span.end_ns else "—"
    below = f" · level {depth}" if depth else ""
    yield f"### {number}. {_ICONS[_state(span)]} {_code(span.name)} ({took}){below}"
    if span.attributes:
        yield "**Context:**"
        yield ""
        for key, value in span.attributes.items():
            yield f"- {_code(key)}: {_value(value)}"
    if span.events:
        yield ""
        yield "**Logs:**"
        yield ""
        for event in span.events:
            yield f"- {_code(_clock(event.time_ns))} — {', '.join(_log(event))}"
    if span.status == "error":
        yield ""
        yield f"**Error:** {_code(safe(span.status_message, _ERROR_CHARACTERS_MAX))}"


def _state(span: "Span") -> str:
    if span.status == "error":
        return "error"
    return "ok" if span.end_ns else "open"


def _log(event: "Event") -> Iterator[str]:
    yield _code(event.name)
    attributes: Mapping[str, Value] = event.attributes
    for key, value in attributes.items():
        yield _code(f"{key}={value!r}")


def _clock(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%H:%M:%S}.{rest // 10**6:03d}Z"


def _value(value: "Value") -> str:
    return _code(repr(value))


def _code(text: str) -> str:
    # More backticks around than there are in a row inside (CommonMark, 6.1).
    shown = safe(text) or " "
    ticks = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _text(text: str) -> str:
    return _MARKUP.sub(r"\\\1", safe(text))
