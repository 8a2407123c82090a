"""One segment: an LMDB environment with the databases ``rec`` and ``state``; imports lmdb alone.

The default sync of LMDB is what the promise needs: a commit returns after fdatasync of its pages
    and an O_DSYNC write of its meta page. Nothing lies in the main database: beside named ones,
    put(append=True) there
    stores nothing.
"""

import errno
import logging
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb

from sidespand import platform
from sidespand.errors import SidespanError, StoreUnreadable
from sidespand.journal import keys, segment_file
from sidespand.journal.segment_file import HINT, SegmentDamaged
from sidespand.limits import SEGMENT_BYTES_MIN, SEGMENT_LOCK_BYTES

_log = logging.getLogger(__name__)
_RECORDS = b"rec"
_STATE = b"state"
# The format that LMDB 0.9 writes; a default from the environment must not switch it.
_LIB_VERSION = 0
# A key of another length is damage too: keys have no checksum of their own.
_DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, struct.error)
_AS_OWNER = "read it as the user that runs the daemon"


class SegmentFull(SidespanError):
    """The map has no room for the transaction; nothing of it was written."""


class CommitFailed(SidespanError):
    """LMDB or the disk refused the transaction; it may nevertheless be found on disk later."""


def lock_path(path: Path) -> Path:
    """Return the lock file that LMDB keeps beside ``path``."""
    return path.with_name(path.name + "-lock")


def create_lock(path: Path) -> None:
    """Make the lock file of a segment that has none, allocated.

    Raises:
        OSError: The disk has no room, or the path cannot be written.
    """
    descriptor = os.open(lock_path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        platform.allocate(descriptor, SEGMENT_LOCK_BYTES)
    finally:
        os.close(descriptor)


def create(path: Path, map_bytes: int) -> None:
    """Make an empty segment at ``path``, with its lock file allocated, and close it again.

    LMDB maps the lock file for writing: made sparse, it kills its opener with SIGBUS when the disk
        is full.

    Raises:
        OSError: The disk has no room, or the path cannot be written.
    """
    remove(path)
    create_lock(path)
    try:
        SegmentWriter(path, map_bytes, sync=True).close()
    except CommitFailed as error:
        # LMDB says EIO of a full disk too.
        full = platform.free_bytes(path.parent) < SEGMENT_BYTES_MIN
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error


def move(source: Path, destination: Path) -> None:
    """Give a segment another place, durably; what lies there is replaced.

    The lock file goes first, lest a reader make one.

    Raises:
        OSError: A directory cannot be made or written.
    """
    destination.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock_path(source).replace(lock_path(destination))
    source.replace(destination)
    platform.sync_directory(destination.parent)


def remove(path: Path) -> None:
    """Remove a segment that holds nothing, or nothing any more, and its lock file."""
    for file in (path, lock_path(path)):
        file.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a segment that holds nothing, where the disk still lets us; the next start would."""
    try:
        remove(path)
    except OSError as error:
        _log.warning("an empty segment is left behind: %s", error)


class SegmentWriter:
    """The one writer of a segment. All of its methods belong to one thread.

    Args:
        path: The file; it is made when it is missing.
        map_bytes: Fixed for the segment's life.
        sync: Whether a commit waits for the disk.

    Raises:
        CommitFailed: LMDB or the disk refused to open it.
    """

    def __init__(self, path: Path, map_bytes: int, *, sync: bool) -> None:
        self.path = path
        try:
            self._env = lmdb.open(
                os.fsencode(path),
                subdir=False,
                map_size=map_bytes,
                max_dbs=4,
                mode=0o600,
                sync=sync,
                metasync=sync,
                writemap=False,
                lock=True,
                # Free space in a page is zeros, not bytes of a record that may be redacted.
                meminit=True,
                lib_version=_LIB_VERSION,
            )
            self._records = self._env.open_db(_RECORDS)
            self._state = self._env.open_db(_STATE)
        except lmdb.Error as error:
            raise CommitFailed(f"{path}: {error}") from error
        self._page_bytes = int(self._env.stat()["psize"])
        self._inode = _inode(path)

    def commit(
        self, records: Iterable[tuple[bytes, bytes]], rows: Mapping[bytes, bytes | None]
    ) -> int:
        """Write records and state rows in one transaction.

        Args:
            records: Keys, rising, above every key there, and values.
            rows: State rows; None deletes one.

        Returns:
            The bytes of the file that are in use, after the flush.

        Raises:
            SegmentFull: Nothing was written.
            CommitFailed: Nobody may be acknowledged; the segment must not be written again. This is
                also so when the file has lost its path: nobody would find it again.
        """
        try:
            with self._env.begin(write=True) as txn:
                for key, value in records:
                    if not txn.put(key, value, append=True, db=self._records):
                        raise CommitFailed(
                            f"{self.path} already holds LSN {keys.parse_record_key(key)}"
                        )
                for key, row in rows.items():
                    if row is None:
                        txn.delete(key, db=self._state)
                    else:
                        txn.put(key, row, db=self._state)
        except lmdb.MapFullError as error:
            raise SegmentFull(f"{self.path} is full") from error
        except lmdb.Error as error:
            raise CommitFailed(f"{self.path}: {error}") from error
        if _inode(self.path) != self._inode:
            raise CommitFailed(f"{self.path} was removed, or replaced, by somebody else")
        return (int(self._env.info()["last_pgno"]) + 1) * self._page_bytes

    def move(self, place: Path) -> None:
        """Give the file its place, while it stays open; see ``move``."""
        if self.path != place:
            move(self.path, place)
            self.path = place

    def check_readers(self) -> int:
        """Free the slots of readers that died, so that pages can be used again; return how many."""
        return int(self._env.reader_check())

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


class SegmentReader:
    """Reads one segment in short transactions, from any process.

    Args:
        path: The file.
        locked: Register in the lock file. Needed while somebody writes the segment.

    Raises:
        FileNotFoundError: There is no such segment.
        SegmentDamaged: Its file is damaged.
        StoreUnreadable: It cannot be opened.
    """

    def __init__(self, path: Path, *, locked: bool) -> None:
        self.path = path
        self.locked = locked
        try:
            meta = segment_file.inspect(path)
            self._inode = path.stat().st_ino
        except PermissionError as error:
            raise StoreUnreadable(f"{path}: {error.strerror}", hint=_AS_OWNER) from error
        try:
            self._env = lmdb.open(
                os.fsencode(path),
                subdir=False,
                map_size=meta.map_bytes,
                max_dbs=4,
                readonly=True,
                create=False,
                lock=locked,
                lib_version=_LIB_VERSION,
            )
        except lmdb.Error as error:
            if not path.exists():
                raise FileNotFoundError(path) from error
            if isinstance(error, _DAMAGE):
                raise SegmentDamaged(f"{path}: {error}", hint=HINT) from error
            raise StoreUnreadable(f"{path}: {error}", hint=_AS_OWNER) from error
        try:
            self._records = self._env.open_db(_RECORDS, create=False)
            self._state = self._env.open_db(_STATE, create=False)
        except lmdb.Error as error:
            self._env.close()
            raise SegmentDamaged(f"{path} holds no records: {error}", hint=HINT) from error

    def replaced(self) -> bool:
        """Tell whether another file, or none, has this one's path by now."""
        try:
            return self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def values(
        self, first_lsn: int, before_lsn: int | None, records_max: int, bytes_max: int
    ) -> list[tuple[int, bytes]]:
        """Return first LSNs and values in key order, from the record that holds ``first_lsn``.

        Args:
            first_lsn: Inclusive; a record that starts before it and ends at or after it comes
                first.
            before_lsn: Records that start here or later are left out; None for no bound.
            records_max: At most so many.
            bytes_max: No further one once so many bytes are copied.
        """
        found: list[tuple[int, bytes]] = []
        size = 0
        with self._cursor(self._records) as cursor:
            for key, value in _from(cursor, keys.record_key(first_lsn)):
                lsn = keys.parse_record_key(key)
                if before_lsn is not None and lsn >= before_lsn:
                    break
                found.append((lsn, value))
                size += len(value)
                if len(found) >= records_max or size >= bytes_max:
                    break
        return found

    def last_values(
        self, before_lsn: int | None, records_max: int, bytes_max: int
    ) -> list[tuple[int, bytes]]:
        """Return what starts before ``before_lsn``, the newest first; bounds as in ``values``."""
        found: list[tuple[int, bytes]] = []
        size = 0
        with self._cursor(self._records) as cursor:
            if before_lsn is None or not cursor.set_range(keys.record_key(before_lsn)):
                more = cursor.last()
            else:
                more = cursor.prev()
            while more and len(found) < records_max and size < bytes_max:
                key, value = cursor.item()
                found.append((keys.parse_record_key(key), value))
                size += len(value)
                more = cursor.prev()
        return found

    def next_lsn(self, lsn: int) -> int | None:
        """Return where the record after the one at ``lsn`` starts; None at the end."""
        with self._cursor(self._records) as cursor:
            if not cursor.set_range(keys.record_key(lsn + 1)):
                return None
            return keys.parse_record_key(cursor.key())

    def rows(self) -> dict[bytes, bytes]:
        """Return every state row."""
        with self._cursor(self._state) as cursor:
            return dict(cursor)

    def row(self, key: bytes) -> bytes | None:
        """Return one state row; None when there is none."""
        with self._cursor(self._state) as cursor:
            value: bytes | None = cursor.get(key)
            return value

    def copy(self, descriptor: int) -> None:
        """Write the segment as its newest commit left it, while others go on writing.

        The writer waits for a moment, until the copy has its transaction.

        Args:
            descriptor: Of an empty file; the caller syncs it.

        Raises:
            OSError: There is no room for it, or the segment cannot be read.
        """
        try:
            self._env.copyfd(descriptor)
        except lmdb.Error as error:
            full = platform.free_bytes_of(descriptor) < SEGMENT_BYTES_MIN
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    @contextmanager
    def _cursor(self, database: Any) -> "Iterator[lmdb.Cursor[bytes]]":
        try:
            with self._env.begin(db=database) as txn, txn.cursor() as cursor:
                yield cursor
        except _DAMAGE as error:
            raise SegmentDamaged(f"{self.path}: {error}", hint=HINT) from error
        except lmdb.Error as error:
            raise StoreUnreadable(f"{self.path}: {error}", hint=_AS_OWNER) from error


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _from(cursor: "lmdb.Cursor[bytes]", key: bytes) -> Iterator[tuple[bytes, bytes]]:
    # The record that holds an LSN starts at or before it.
    if not cursor.set_range(key):
        if not cursor.last():
            return
    elif cursor.key() != key and not cursor.prev():
        cursor.first()
    yield from cursor.iternext()
