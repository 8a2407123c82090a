"""Writes spans as lines of JSON, in the form of the ``jsonl`` sink. ``read_lines`` reads them."""

import json
from collections.abc import Callable, Iterable, Iterator

from sidespand.exchange import spans as forms
from sidespand.query.documents import attributes_document, stamp_document
from sidespand.query.span import Span
from sidespand.sinks.line_formats import SPANS, Around

_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def json_lines(spans: Iterable[Span], node_ref: Callable[[bytes, int], str]) -> Iterator[bytes]:
    """Yield a line for each span.

    Args:
        spans: Whole.
        node_ref: Who recorded a generation of a lineage.
    """
    for span in spans:
        # What a scope's version was is not kept.
        scope = {"name": span.scope, "version": ""}
        around = Around(span.service, attributes_document(span.resource), scope)
        for document in SPANS.documents(forms.to_otlp(span), around):
            stamped = {**document, "stamp": stamp_document(span.stamp, node_ref)}
            yield _ENCODER.encode(stamped).encode("ascii") + b"\n"
