"""A trace as the daemon tells it."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sidespand.cli import answers, api, gone
from sidespand.errors import InvalidRequest, NotFound, TooLarge

if TYPE_CHECKING:
    from sidespand.query.traces import Tree


class Shown(NamedTuple):
    """A trace that is to be shown.

    Args:
        trace_id: 16 bytes.
        tree: Its spans; none when all of it was redacted.
        nodes: Who recorded each generation of a lineage.
        document: The same for programs.
        notes: What is to be said about the answer.
    """

    trace_id: bytes
    tree: "Tree"
    nodes: Mapping[tuple[bytes, int], str]
    document: dict[str, Any]
    notes: tuple[str, ...]


def ask(args: argparse.Namespace, name: str) -> Shown | None:
    """Return the trace that an id or ``last`` names; None where the journal is to be read instead.

    Raises:
        NotFound: The daemon that ``--run`` names has none. Not retryable.
        SidespanError: It cannot answer.
    """
    path = answers.daemon_socket(args)
    if path is None:
        return None
    try:
        document = api.get(path, f"/v1/traces/{api.part(name)}")
    except (api.Absent, NotFound, InvalidRequest, TooLarge):
        # What the index does not have, or not yet, and what was redacted, the journal tells.
        if args.run is not None and args.data is None:
            raise
        return None
    return shown(document, utc=args.utc)


def shown(document: dict[str, Any], *, utc: bool) -> Shown:
    """Return what the API's document of a trace says; moments in UTC or in local time."""
    from sidespand.exchange.documents import from_document
    from sidespand.query.traces import assemble

    fields = document["spans"]
    tree = assemble(from_document(one) for one in fields)
    nodes = {
        (bytes.fromhex(stamp["lineage"]), int(stamp["boot_generation"])): stamp["source_node_ref"]
        for stamp in (one["stamp"] for one in fields)
    }
    complete = {"redacted": [], "scan": {"complete": True, "oldest_position": None}}
    return Shown(
        bytes.fromhex(document["trace_id"]),
        tree,
        nodes,
        {**complete, **document},
        tuple(gone.lines(document.get("redacted", ()), utc=utc)),
    )
