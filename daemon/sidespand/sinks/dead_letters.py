"""What a sink refused for good, with the reason: ``<data>/sinks/<name>/dead-letters.jsonl``.

A line a letter, in the order of refusal:

    lineage, first_lsn, last_lsn   which items; an LSN is decimal text
    refused_items                  how many of them; the sink may have taken the others
    reason                         in the sink's words
    refused_at_ns                  wall clock, decimal text
    ordinal, header, leaf, prev_lsn   the record's, for who delivers it again; bytes are hex
    payload                        its OTLP bytes in base64; null beyond DEAD_LETTER_BYTES_MAX

Worker and commands write it by turns: whoever holds ``dead-letters.lock`` beside it.
"""

import errno
import json
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from sidespand import hlc
from sidespand.errors import InUse
from sidespand.limits import (
    DEAD_LETTER_BYTES_MAX,
    DEAD_LETTER_LIST_BYTES_MAX,
    DEAD_LETTER_LOCK_S,
    DEAD_LETTER_REASON_CHARACTERS_MAX,
)
from sidespand.lock import FileLock
from sidespand.model import Flag, Gap, Header, Kind, Record
from sidespand.sinks.erasing import Ranges, without_lines
from sidespand.sinks.line_file import LineFile

FILE_NAME: Final = "dead-letters.jsonl"
_PREFIX: Final = b'{"lineage":"'
_LOCK_PAUSE_S = 0.05
_BYTES_FIELDS = ("lineage", "batch_nonce", "payload_commitment")
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


class Key(NamedTuple):
    """Names a letter.

    Args:
        lineage: In lower hex.
        first_lsn: Of its first item.
        last_lsn: Of its last one.
    """

    lineage: str
    first_lsn: int
    last_lsn: int

    def __str__(self) -> str:
        return f"{self.lineage}:{self.first_lsn}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Items that a sink refused.

    Args:
        record: With its payload, or without it when there was no room.
        refused_items: 1 or more; fewer than the record holds when the sink did not say which.
        reason: In the sink's words.
        refused_at_ns: Wall clock of the refusal.
    """

    record: Record
    refused_items: int
    reason: str
    refused_at_ns: int

    @property
    def key(self) -> Key:
        """Its name."""
        header = self.record.header
        return Key(header.lineage.hex(), header.first_lsn, header.last_lsn)


class DeadLetters:
    """One sink's dead letters. Its methods block.

    Args:
        place: The sink's own directory; it exists.
        wall_ns: The wall clock.
        bytes_max: Beyond it letters are kept without their bytes.
        list_bytes_max: Beyond it none is taken.
    """

    def __init__(
        self,
        place: Path,
        wall_ns: Callable[[], int] = time.time_ns,
        *,
        bytes_max: int = DEAD_LETTER_BYTES_MAX,
        list_bytes_max: int = DEAD_LETTER_LIST_BYTES_MAX,
    ) -> None:
        self._path = place / FILE_NAME
        self._lock_path = place / "dead-letters.lock"
        self._wall_ns = wall_ns
        self._bytes_max = bytes_max
        self._list_bytes_max = list_bytes_max
        # The keys of the file that has this inode and size.
        self._known: tuple[tuple[int, int], set[Key]] | None = None

    @property
    def size_bytes(self) -> int:
        """What the file holds now."""
        return _identity(self._path)[1]

    def put(self, record: Record, refused_items: int, reason: str) -> bool:
        """Keep what was refused; it is durable when this returns.

        A record that is there already is not written again.

        Args:
            record: With its payload.
            refused_items: How many of its items.
            reason: In the sink's words; it is cut.

        Returns:
            Whether its bytes are kept, too.

        Raises:
            OSError: It is not there: the file cannot be written, or is full.
            InUse: Somebody else has been writing it for DEAD_LETTER_LOCK_S.
        """
        reason = reason[:DEAD_LETTER_REASON_CHARACTERS_MAX]
        letter = DeadLetter(record, refused_items, reason, self._wall_ns())
        with self._locked():
            if letter.key in self._keys():
                return True
            line = encode(letter)
            size = self.size_bytes
            kept = size + len(line) <= self._bytes_max
            if not kept:
                line = encode(letter, with_payload=False)
            if size + len(line) > self._list_bytes_max:
                raise OSError(errno.ENOSPC, "the dead letters are full", str(self._path))
            file = LineFile(self._path, _PREFIX)
            try:
                file.append(line)
            finally:
                file.close()
            assert self._known is not None
            keys = self._known[1]
            keys.add(letter.key)
            self._known = (_identity(self._path), keys)
        return kept

    def letters(self) -> Iterator[DeadLetter]:
        """Yield all letters, oldest first; what a crash tore off, or damaged, is passed over."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                try:
                    yield decode(line)
                except (ValueError, KeyError, TypeError):
                    continue

    def remove(self, keys: AbstractSet[Key]) -> int:
        """Take letters out; return how many were there.

        Raises:
            OSError: All are still there.
            InUse: The same: somebody else has been writing for DEAD_LETTER_LOCK_S.
        """
        with self._locked():
            return without_lines(self._path, _PREFIX, lambda line: _key_of(line) in keys)

    def erase(self, gone: Sequence[Gap]) -> None:
        """Take out what was redacted; ``ports.Erasable`` has the contract, but for the waiting.

        Raises:
            OSError: Some of it may still be there.
            InUse: The same: somebody else has been writing for DEAD_LETTER_LOCK_S.
        """
        if not self._path.exists():
            return
        ranges = Ranges(gone)
        with self._locked():
            without_lines(self._path, _PREFIX, lambda line: _is_in(ranges, line))

    def _keys(self) -> set[Key]:
        identity = _identity(self._path)
        if self._known is None or self._known[0] != identity:
            self._known = (identity, {letter.key for letter in self.letters()})
        return self._known[1]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._acquired()
        try:
            yield
            self._give_to_owner()
        finally:
            lock.release()

    def _acquired(self) -> FileLock:
        deadline_s = time.monotonic() + DEAD_LETTER_LOCK_S
        while True:
            try:
                return FileLock(self._lock_path, f"the file {self._path}", "data_dir")
            except InUse:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_LOCK_PAUSE_S)

    def _give_to_owner(self) -> None:
        # What root's command makes is for the daemon's user, whose directory this is.
        if os.geteuid() == 0:
            owner = self._path.parent.stat()
            for path in (self._lock_path, self._path):
                if path.exists():
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def encode(letter: DeadLetter, *, with_payload: bool = True) -> bytes:
    """Return a letter as a line."""
    record, header = letter.record, letter.record.header
    payload = record.payload if with_payload else None
    document = {
        "lineage": header.lineage.hex(),
        "first_lsn": str(header.first_lsn),
        "last_lsn": str(header.last_lsn),
        "refused_items": letter.refused_items,
        "reason": letter.reason,
        "refused_at_ns": str(letter.refused_at_ns),
        "ordinal": record.ordinal,
        "header": {one.name: _plain(getattr(header, one.name)) for one in fields(Header)},
        "leaf": record.leaf.hex(),
        "prev_lsn": None if record.prev_lsn is None else str(record.prev_lsn),
        "payload": None if payload is None else b64encode(payload).decode("ascii"),
    }
    return _ENCODER.encode(document).encode("ascii") + b"\n"


def decode(line: bytes) -> DeadLetter:
    """Return the letter of a line.

    Raises:
        ValueError, KeyError, TypeError: It holds none.
    """
    document = json.loads(line)
    header = dict(document["header"])
    for name in _BYTES_FIELDS:
        header[name] = bytes.fromhex(header[name])
    header["kind"] = Kind(header["kind"])
    header["flags"] = Flag(header["flags"])
    header["stamp"] = hlc.parse(header["stamp"])
    payload = document["payload"]
    prev_lsn = document["prev_lsn"]
    record = Record(
        int(document["ordinal"]),
        Header(**header),
        (),
        bytes.fromhex(document["leaf"]),
        None if payload is None else b64decode(payload, validate=True),
        None if prev_lsn is None else int(prev_lsn),
    )
    return DeadLetter(
        record,
        int(document["refused_items"]),
        str(document["reason"]),
        int(document["refused_at_ns"]),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, hlc.Hlc):
        return hlc.text(value)
    return None if value is None else int(value)


def _is_in(ranges: Ranges, line: bytes) -> bool:
    key = _key_of(line)
    # What cannot be read might be what is to go.
    return key is None or ranges.hold(key.lineage, key.first_lsn)


def _key_of(line: bytes) -> Key | None:
    try:
        document = json.loads(line)
        return Key(document["lineage"], int(document["first_lsn"]), int(document["last_lsn"]))
    except (ValueError, KeyError, TypeError):
        return None


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size
