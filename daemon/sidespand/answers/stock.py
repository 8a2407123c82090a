"""What answers are made of: a journal, what is known of its generations, and perhaps an index."""

from contextlib import suppress

from sidespand.ai import Normalise
from sidespand.errors import NotFound
from sidespand.evidence.note import Verifier
from sidespand.index.reader import IndexReader
from sidespand.journal.reader import JournalReader
from sidespand.limits import REDACTIONS_TOLD_MAX
from sidespand.model import Position, Record
from sidespand.query.redactions import Redactions, record_at
from sidespand.scrubbing import Secrets, without_secrets


class Stock:
    """What answers are made of; may be used by several threads.

    Args:
        journal: The store.
        normalise: Reads what agents do from attributes.
        index: None where there is none.
        pinned: The node's verifier key; None for the log's own word.
        secrets: What no answer has of a span or a log record.
    """

    def __init__(
        self,
        journal: JournalReader,
        normalise: Normalise,
        index: IndexReader | None = None,
        pinned: Verifier | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self.journal = journal
        self.normalise = normalise
        self.pinned = pinned
        self.secrets = secrets or Secrets()
        self._index = index

    @property
    def index(self) -> IndexReader:
        """The index.

        Raises:
            NotFound: This daemon has none. Not retryable.
        """
        if self._index is None:
            raise NotFound(
                "this daemon keeps no index", hint="set index.enabled = true and start it again"
            )
        return self._index

    @property
    def has_index(self) -> bool:
        """Whether there is one."""
        return self._index is not None

    def record_at(self, position: Position) -> Record:
        """Return the record that an item lies in, as it may be shown.

        Raises:
            NotFound: Its content is gone. Not retryable.
        """
        return without_secrets(record_at(self.journal, position), self.secrets)

    def redactions(self, trace_id: bytes | None = None) -> Redactions:
        """Return the newest acts of redaction that the index knows of, of one trace or of all.

        Raises:
            NotFound: This daemon has no index. Not retryable.
        """
        found = Redactions()
        for position in self.index.redactions(trace_id, REDACTIONS_TOLD_MAX):
            # What was trimmed meanwhile is told of no more.
            with suppress(NotFound):
                found.note(record_at(self.journal, position))
        return found

    def node_ref(self, lineage: bytes, boot_generation: int) -> str:
        """Return who recorded a generation; empty when its record was trimmed."""
        return str(self.journal.generation(lineage, boot_generation).get("source_node_ref", ""))
