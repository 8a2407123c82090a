"""Writes traces as one page: no script, no request to any host, all of span data as text.

The page says so itself, with a content security policy that lets nothing in but its own style.
"""

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sidespand.limits import EXPORT_TEXT_CHARACTERS_MAX
from sidespand.plain import safe
from sidespand.query.documents import attributes_document
from sidespand.query.span import Span, Value
from sidespand.query.traces import Row, Tree

_NS_PER_MS: Final = 1e6
_INDENT_MAX: Final = 24
_STYLE: Final = """\
:root{color-scheme:light dark;--ground:#fbfbfa;--ink:#1c1e21;--dim:#62676f;--line:#e2e3e5;
--bar:#5b7fb8;--bad:#b3261e;--open:#8a6100}
@media(prefers-color-scheme:dark){:root{--ground:#15171a;--ink:#e6e7e9;--dim:#9aa0a8;
--line:#2b2f34;--bar:#7ea3dc;--bad:#ff8a80;--open:#e6b450}}
body{margin:0 auto;max-width:72rem;padding:1.5rem;background:var(--ground);color:var(--ink);
font:14px/1.45 system-ui,sans-serif}
h1{font-size:1.25rem;margin:1.5rem 0 .25rem;overflow-wrap:anywhere}
p{color:var(--dim);margin:.25rem 0 1rem}
code,pre,dt{font:12px/1.5 ui-monospace,monospace}
details{border-top:1px solid var(--line)}
summary{display:grid;grid-template-columns:minmax(12rem,2fr) 6rem 5rem 3fr;gap:.75rem;
padding:.3rem 0;cursor:pointer;align-items:center}
summary b{font-weight:500;overflow-wrap:anywhere}
summary i{font-style:normal;color:var(--dim);text-align:right}
.error b,.error i{color:var(--bad)}.open b,.open i{color:var(--open)}
svg{width:100%;height:10px;display:block}
rect{fill:var(--bar)}.error rect{fill:var(--bad)}.open rect{fill:var(--open)}
dl{display:grid;grid-template-columns:minmax(10rem,1fr) 4fr;gap:.15rem 1rem;
margin:.25rem 0 1rem 1rem}
dt{color:var(--dim);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;max-height:24rem;overflow:auto}
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


class Trace(NamedTuple):
    """A trace for a page."""

    trace_id: bytes
    tree: Tree


def page(traces: Iterable[Trace], now_ns: int) -> Iterator[str]:
    """Yield the pieces of a page.

    Args:
        traces: Of at least one span each.
        now_ns: When the page is made, since the Unix epoch.
    """
    yield "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
    yield f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">\n'
    yield '<meta name=viewport content="width=device-width">\n'
    yield "<meta name=referrer content=no-referrer>\n"
    yield f"<title>Sidespan</title>\n<style>\n{_STYLE}</style>\n"
    for trace in traces:
        yield from _section(trace)
    yield f"<p>Written by Sidespan, {_moment(now_ns)}.</p>\n</html>\n"


def _section(trace: Trace) -> Iterator[str]:
    rows = trace.tree.rows
    start_ns = min(row.span.start_ns for row in rows)
    end_ns = max(max(row.span.end_ns, row.span.start_ns) for row in rows)
    errors = sum(row.span.status == "error" for row in rows)
    facts = [
        f"trace <code>{trace.trace_id.hex()}</code>",
        _moment(start_ns),
        _lasted(end_ns - start_ns),
        f"{len(rows)} spans",
        f"{errors} errors",
    ]
    yield f"<h1>{_text(rows[0].span.name)}</h1>\n<p>{' · '.join(facts)}</p>\n"
    for row in rows:
        yield from _span(row, start_ns, max(1, end_ns - start_ns))


def _span(row: Row, start_ns: int, whole_ns: int) -> Iterator[str]:
    span = row.span
    state = "error" if span.status == "error" else "open" if not span.end_ns else ""
    indent = min(row.depth, _INDENT_MAX)
    name = "\N{NO-BREAK SPACE}" * (2 * indent) + _text(span.name)
    lasted = _lasted(span.end_ns - span.start_ns) if span.end_ns else span.state.value
    left = 100 * (span.start_ns - start_ns) / whole_ns
    share = 100 * max(0, (span.end_ns or start_ns + whole_ns) - span.start_ns) / whole_ns
    yield (
        f'<details class="{state}"><summary><b>{name}</b><i>{_text(span.service)}</i>'
        f"<i>{lasted}</i>"
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="{left:.3f}" width="{max(share, 0.3):.3f}" height="10"/></svg></summary>\n'
    )
    facts: dict[str, Any] = {
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex() or "none",
        "started": _moment(span.start_ns),
        "status": f"{span.status} {span.status_message}".strip(),
        "state": span.state.value,
        "recorded at": str(span.stamp.position),
    }
    yield _values(facts) + _values(span.attributes)
    for event in span.events:
        after = _lasted(event.time_ns - span.start_ns)
        yield f"<p>event {_text(event.name)}, after {after}</p>{_values(event.attributes)}"
    for link in span.links:
        yield f"<p>link to {link.trace_id.hex()} {link.span_id.hex()}</p>"
    yield _resource(span) + "</details>\n"


def _resource(span: Span) -> str:
    return f"<p>resource</p>{_values(span.resource)}" if span.resource else ""


def _values(values: Mapping[str, Value]) -> str:
    if not values:
        return ""
    shown = attributes_document(values)
    cells = "".join(f"<dt>{_text(key)}<dd>{_value(value)}" for key, value in shown.items())
    return f"<dl>{cells}</dl>\n"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f"<pre>{_lines(value)}</pre>"
    return f"<pre>{_lines(json.dumps(value, ensure_ascii=False, indent=1))}</pre>"


def _lines(text: str) -> str:
    kept = text[:EXPORT_TEXT_CHARACTERS_MAX]
    rest = len(text) - len(kept)
    # A line break is the one control character that a page may show as what it is.
    lines = [html.escape(safe(line, len(line) + 1)) for line in kept.split("\n")]
    return "\n".join(lines) + (f"\n… {rest} characters more" if rest else "")


def _text(text: str) -> str:
    return html.escape(safe(text))


def _moment(unix_ns: int) -> str:
    seconds, rest = divmod(unix_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // 10**6:03d} UTC"


def _lasted(length_ns: int) -> str:
    return f"{length_ns / _NS_PER_MS:,.2f} ms" if length_ns >= 0 else "—"
