"""Reads what the decision tracer writes: lines, one a step, and the snapshot of a session.

A session's steps are one trace, and siblings: its files name no parent. Lines and snapshot of one
session have the same identity and the same steps in the same order, so that importing both stores
each step once.
Source: ai-decision-tracer 0.2.0, ``Step.to_dict`` and ``TraceWriter.write_full``.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand.exchange import building
from sidespand.exchange.part import MALFORMED, Part, Source, identity
from sidespand.limits import SPAN_ID_BYTES, TRACE_ID_BYTES

FORMAT: Final = "ai-trace"
_SCOPE: Final = "ai_trace"
_FILE: Final = re.compile(r"(?P<agent>.+)_(?P<session>\d{8}_\d{6}(?:_[0-9a-f]{8})?)")


def is_step(document: Mapping[str, Any]) -> bool:
    """Tell whether a line is a step."""
    return isinstance(document.get("name"), str) and "outcome" in document


def is_session(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is the snapshot of a session."""
    return isinstance(document.get("steps"), list) and "session_id" in document


def lines(given: Iterable[bytes], file_stem: str) -> Source:
    """Return the lines of a session as parts, one a step.

    Args:
        given: At least one.
        file_stem: Name of the file without its ending: ``<agent>_<session>``.
    """
    named = _FILE.fullmatch(file_stem)
    agent = named["agent"] if named else file_stem
    resource = _resource(agent, named["session"] if named else "", {})
    return _source(((f"line {number}", _json(line)) for number, line in enumerate(given, 1)),
                   resource)  # fmt: skip


def session(document: Mapping[str, Any]) -> Source:
    """Return the snapshot of a session as parts, one a step."""
    resource = _resource(document.get("agent"), document["session_id"], document.get("meta"))
    return _source(
        ((f"step {number}", step) for number, step in enumerate(document["steps"], 1)), resource
    )


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _resource(agent: Any, session_id: Any, meta: Any) -> dict[str, Any]:
    found = {
        "service.name": agent,
        "gen_ai.agent.name": agent,
        "session.id": session_id,
        "sidespan.session.meta": meta,
    }
    return {key: value for key, value in found.items() if value}


def _source(steps: Iterator[tuple[str, Any]], resource: Mapping[str, Any]) -> Source:
    unreadable: list[str] = []
    for where, first in steps:
        if isinstance(first, dict) and is_step(first):
            # Not its logs: a report that was made in between takes their times away.
            begun = [first["name"], first.get("started_at"), first.get("context")]
            own = identity(FORMAT, json.dumps(begun, sort_keys=True).encode())
            rest = chain([(where, first)], steps)
            return Source(FORMAT, own, _parts(own, rest, resource, unreadable))
        unreadable.append(where)
    return Source(FORMAT, identity(FORMAT, b""), _parts(b"", iter(()), resource, unreadable))


def _parts(
    own: bytes,
    steps: Iterator[tuple[str, Any]],
    resource: Mapping[str, Any],
    unreadable: Iterable[str],
) -> Iterator[Part]:
    # What is no step has no number: the snapshot does not have it.
    seq, before_ns = 0, 0
    for where in unreadable:
        yield Part(0, where, None)
    for where, step in steps:
        if not isinstance(step, dict) or not is_step(step):
            yield Part(0, where, None)
            continue
        seq += 1
        try:
            span = _span(own, seq, step, before_ns)
            request = building.request_of(span, resource, _SCOPE)
        except MALFORMED:
            yield Part(seq, where, None)
        else:
            before_ns = span.end_time_unix_nano
            yield Part(seq, where, request)


def _span(own: bytes, seq: int, step: Mapping[str, Any], before_ns: int) -> Span:
    start_ns, end_ns = _times(step, before_ns)
    context = building.mapping(step.get("context"), "context")
    attributes = {**context, "sidespan.kind": "step", "sidespan.step.outcome": step["outcome"]}
    failed = step["outcome"] == "error"
    found = Span(
        trace_id=_derived("trace", own, 0)[:TRACE_ID_BYTES],
        span_id=_derived("span", own, seq)[:SPAN_ID_BYTES],
        name=building.text(step["name"]),
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns,
        attributes=building.pairs(attributes),
        status=Status(
            code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_OK,
            message=building.text(step.get("error") or ""),
        ),
    )
    for entry in building.sequence(step.get("logs"), "logs"):
        given = dict(building.mapping(entry, "a log"))
        moment = given.pop("_t", None)
        found.events.add(
            # A report that was saved before took the time away.
            time_unix_nano=start_ns if moment is None else building.ns_of_seconds(moment),
            name=building.text(given.pop("event", "log")),
            attributes=building.pairs(given),
        )
    return found


def _times(step: Mapping[str, Any], before_ns: int) -> tuple[int, int]:
    """Return start and end; older files have neither, but the times of what was logged."""
    started, finished = step.get("started_at"), step.get("finished_at")
    lasted_ns = 0
    if isinstance(step.get("duration_ms"), int | float):
        lasted_ns = max(0, round(step["duration_ms"] * 1e6))
    if finished is not None:
        end_ns = building.ns_of_seconds(finished)
        start_ns = end_ns - lasted_ns if started is None else building.ns_of_seconds(started)
        return max(0, start_ns), end_ns
    logged = [
        entry["_t"]
        for entry in building.sequence(step.get("logs"), "logs")
        if isinstance(entry, dict) and entry.get("_t") is not None
    ]
    moments = [moment for moment in (started, *logged[:1]) if moment is not None]
    start_ns = building.ns_of_seconds(moments[0]) if moments else before_ns
    if not start_ns:
        raise ValueError("it has no time")
    return start_ns, start_ns + lasted_ns


def _derived(what: str, own: bytes, seq: int) -> bytes:
    return hashlib.sha256(f"sidespan:ai-trace:{what}:{own.hex()}:{seq}".encode()).digest()
