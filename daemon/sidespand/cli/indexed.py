"""Traces of a store that no daemon serves, each read from where the index says that it lies."""

from pathlib import Path
from typing import TYPE_CHECKING

from sidespand.limits import TRACE_SPANS_MAX

if TYPE_CHECKING:
    from sidespand.answers.stock import Stock
    from sidespand.cli.show_asked import Shown
    from sidespand.index.reader import IndexReader


class IndexedTraces:
    """Reads traces one after the other; a walk over the journal for each would take far longer.

    Args:
        data_dir: The store.
        index: Of it.
    """

    def __init__(self, data_dir: Path, index: "IndexReader") -> None:
        self._data_dir = data_dir
        self._index = index
        self._stock: Stock | None = None

    def trace(self, trace_id: bytes) -> "Shown | None":
        """Return a trace; None where the journal itself is to be read, which is closed here then.

        Args:
            trace_id: 16 bytes.
        """
        from sidespand.answers.recordings import Recordings
        from sidespand.cli.show_asked import Shown
        from sidespand.query.traces import assemble

        stock = self._opened()
        places = self._index.span_places(trace_id)
        # What was recorded last may not be in the index: the journal alone has all.
        if self._index.position() != stock.journal.tail() or len(places) > TRACE_SPANS_MAX:
            self.close()
            return None
        tree = assemble([one.span for one in Recordings(stock).spans(places)])
        stamps = (row.span.stamp for row in tree.rows)
        recorders = {(stamp.position.lineage, stamp.boot_generation) for stamp in stamps}
        nodes = {recorder: stock.node_ref(*recorder) for recorder in recorders}
        return Shown(trace_id, tree, nodes, {}, ())

    def close(self) -> None:
        """Let go of the journal, until it is needed again."""
        if self._stock is not None:
            self._stock.journal.close()
            self._stock = None

    def _opened(self) -> "Stock":
        if self._stock is None:
            from sidespand import ai
            from sidespand.answers.stock import Stock
            from sidespand.journal.reader import JournalReader

            self._stock = Stock(JournalReader(self._data_dir), ai.normaliser({}), self._index)
        return self._stock
