"""Endpoints about the daemon itself."""

from collections.abc import Callable
from pathlib import Path

from starlette.responses import PlainTextResponse, Response

from sidespand import __version__, hlc
from sidespand.answers.rows import index_document
from sidespand.answers.stock import Stock
from sidespand.query.documents import Document
from sidespand.web.table import Asked, Endpoint


def endpoints(stock: Stock, web: Callable[[], str | None], ingest: Path) -> list[Endpoint]:
    """Return the endpoints.

    Args:
        stock: What answers are made of.
        web: Returns where the page is; None where it is off.
        ingest: The socket of thin clients.
    """

    async def healthz(_asked: Asked) -> Response:
        return PlainTextResponse("ok\n")

    def status(_asked: Asked) -> Document:
        head = stock.journal.head()
        found: Document = {
            "version": __version__,
            "store_id": stock.journal.store_id,
            "web": web(),
            "ingest": str(ingest),
            "source_node_ref": None,
            "lineage": None,
            "boot_generation": None,
            "position": None,
            "hlc": None,
            "open_spans": len(stock.journal.open_spans()),
            "index": index_document(stock.index.lag()) if stock.has_index else None,
        }
        if head is not None:
            found |= {
                "source_node_ref": stock.node_ref(head.lineage, head.boot_generation) or None,
                "lineage": head.lineage.hex(),
                "boot_generation": head.boot_generation,
                "position": f"{head.lineage.hex()}:{head.last_lsn}",
                "hlc": hlc.text(head.stamp),
            }
        return found

    return [
        Endpoint("/healthz", "200 while the worker runs.", handler=healthz, schema="text/plain"),
        Endpoint("/v1/status", "Which store this is, and how far it has come.", status,
                 schema="Status"),
    ]  # fmt: skip
