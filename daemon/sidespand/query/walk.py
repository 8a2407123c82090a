"""A walk from the newest record towards the oldest, that stops where looking on is not worth it."""

from collections.abc import Iterable, Iterator

from sidespand.model import Position, Record


class Walk:
    """Iterates over records once, counting payload bytes, and tells whether it saw them all.

    Args:
        records: Newest first.
        quiet_bytes: Stop when so many bytes went by since the last ``found``; None for never.
            Before the first ``found`` nothing is quiet.
        bytes_max: Stop after so many bytes in any case; None for no bound.
    """

    def __init__(
        self,
        records: Iterable[Record],
        *,
        quiet_bytes: int | None = None,
        bytes_max: int | None = None,
    ) -> None:
        self._records = records
        self._quiet_bytes = quiet_bytes
        self._bytes_max = bytes_max
        self._seen_bytes = 0
        self._found_at: int | None = None
        self.oldest: Position | None = None
        self.complete = False

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            if self._spent():
                return
            self._seen_bytes += record.header.payload_bytes
            self.oldest = record.position
            yield record
        self.complete = True

    def found(self) -> None:
        """Note that the newest yielded record held something that is looked for."""
        self._found_at = self._seen_bytes

    def _spent(self) -> bool:
        if self._bytes_max is not None and self._seen_bytes >= self._bytes_max:
            return True
        if self._quiet_bytes is None or self._found_at is None:
            return False
        return self._seen_bytes - self._found_at >= self._quiet_bytes
