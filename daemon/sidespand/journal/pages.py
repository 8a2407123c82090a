"""The pages of a segment's file, read without LMDB: whatever is damaged, nobody dies of it.

LMDB maps its file and believes its pages; a wrong length in one of them ends the process. Here each
page is read by itself (pread(2)) and every number in it is checked before it is used.
Source: LMDB 0.9 mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sidespand.limits import MESSAGE_BYTES_MAX

# Number, padding, flags, end of the pointers, start of the nodes.
_PAGE = struct.Struct("=QHHHH")
# Magic, version, address, map size, page size; root of the main database; last page, transaction.
_META = struct.Struct("=IIQQI84xQQQ")
_NODE = struct.Struct("=HHHH")
_POINTER = struct.Struct("=H")
_NUMBER = struct.Struct("=Q")
_MAGIC = 0xBEEFC0DE
_VERSION = 1
_BRANCH, _LEAF, _META_PAGE = 0x01, 0x02, 0x08
# What a page of 0.9 may say of itself beside its kind: dirty, loose, kept.
_TRANSIENT = 0xC010
_BIG_DATA, _SUB_DATA = 0x01, 0x02
_DB_BYTES = 48
_ROOT_OFFSET = 40
_NO_PAGE = 2**64 - 1
_DEPTH_MAX = 32
_VALUE_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
_PAGE_SIZES = tuple(512 << shift for shift in range(8))


class Meta(NamedTuple):
    """One of the two meta pages.

    Args:
        transaction: Its number; the higher one of both holds.
        map_bytes: The map size.
        root: First page of the main database; None when it is empty.
        last_page: Number of the last page in use.
    """

    transaction: int
    map_bytes: int
    root: int | None
    last_page: int


class Node(NamedTuple):
    """A key of a leaf page, and where its value lies.

    Args:
        key: As it is stored.
        start: Offset of the value in the file.
        length: Of the value, in bytes.
        is_database: Whether the value tells of a database.
    """

    key: bytes
    start: int
    length: int
    is_database: bool


class PageFile:
    """A segment's file, page by page.

    Args:
        path: The file.

    Attributes:
        faults: How many pages could not be used, since it was opened.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.faults = 0
        self.page_bytes = self._find_page_bytes()

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def newest_meta(self) -> Meta | None:
        """Return the meta page that holds; None when neither can be read."""
        metas = [self._meta(number, self.page_bytes) for number in (0, 1)]
        self.faults += metas.count(None)
        return max((one for one in metas if one is not None), default=None)

    def databases(self, meta: Meta) -> dict[bytes, int | None]:
        """Return the root pages of the named databases, None of an empty one."""
        found: dict[bytes, int | None] = {}
        for node in self.walk(meta.root, set()) if meta.root is not None else ():
            if node.is_database and node.length == _DB_BYTES:
                raw = self.value(node)
                root = _NUMBER.unpack_from(raw, _ROOT_OFFSET)[0] if raw is not None else _NO_PAGE
                found[node.key] = None if root == _NO_PAGE else root
        return found

    def walk(self, root: int, seen: set[int]) -> Iterator[Node]:
        """Yield the nodes below a page in the order of their keys, past what is damaged.

        Args:
            root: Number of the page.
            seen: Pages that were read; each is read once.
        """
        stack = [(root, 0)]
        while stack:
            number, depth = stack.pop()
            raw = self._page(number) if number not in seen and depth < _DEPTH_MAX else None
            if raw is None:
                self.faults += 1
                continue
            seen.add(number)
            kind = _PAGE.unpack_from(raw)[2] & ~_TRANSIENT
            if kind == _LEAF:
                yield from self._nodes(raw, number)
            elif kind == _BRANCH:
                children = list(self._children(raw))
                stack += [(child, depth + 1) for child in reversed(children)]
            else:
                self.faults += 1

    def last(self, root: int) -> Node | None:
        """Return the node with the highest key below a page; None where the way is damaged."""
        number = root
        for _ in range(_DEPTH_MAX):
            raw = self._page(number)
            kind = _PAGE.unpack_from(raw)[2] & ~_TRANSIENT if raw is not None else 0
            if raw is not None and kind == _LEAF:
                return next(reversed(list(self._nodes(raw, number))), None)
            children = list(self._children(raw)) if raw is not None and kind == _BRANCH else []
            if not children:
                return None
            number = children[-1]
        return None

    def scan(self, seen: set[int]) -> Iterator[Node]:
        """Yield the nodes of every leaf page of the file that was not ``seen``."""
        length = os.fstat(self._descriptor).st_size
        for number in range(length // self.page_bytes):
            raw = self._page(number) if number not in seen else None
            if raw is not None and _PAGE.unpack_from(raw)[2] & ~_TRANSIENT == _LEAF:
                yield from self._nodes(raw, number)

    def value(self, node: Node) -> bytes | None:
        """Return the bytes of a node's value; None where they cannot be read whole."""
        if node.length > _VALUE_BYTES_MAX:
            return None
        raw = self._read(node.start, node.length)
        return raw if raw is not None and len(raw) == node.length else None

    def _find_page_bytes(self) -> int:
        for number in (0, 1):
            for size in (mmap.PAGESIZE, *_PAGE_SIZES):
                if self._meta(number, size) is not None:
                    return size
        return mmap.PAGESIZE

    def _meta(self, number: int, page_bytes: int) -> Meta | None:
        raw = self._read(number * page_bytes, _PAGE.size + _META.size)
        if raw is None or len(raw) < _PAGE.size + _META.size:
            return None
        own, _, flags, _, _ = _PAGE.unpack_from(raw)
        magic, version, _, map_bytes, size, root, last_page, transaction = _META.unpack_from(
            raw, _PAGE.size
        )
        if (own, magic, version, size) != (number, _MAGIC, _VERSION, page_bytes):
            return None
        if flags & ~_TRANSIENT != _META_PAGE:
            return None
        return Meta(transaction, map_bytes, None if root == _NO_PAGE else root, last_page)

    def _page(self, number: int) -> bytes | None:
        raw = self._read(number * self.page_bytes, self.page_bytes)
        if raw is None or len(raw) < self.page_bytes:
            return None
        own, _, _, lower, upper = _PAGE.unpack_from(raw)
        fits = own == number and _PAGE.size <= lower <= upper <= self.page_bytes
        return raw if fits else None

    def _read(self, offset: int, length: int) -> bytes | None:
        try:
            return os.pread(self._descriptor, length, offset)
        except (OSError, OverflowError):
            # A bad sector, or a number that no file has.
            return None

    def _offsets(self, raw: bytes) -> Iterator[int]:
        _, _, _, lower, upper = _PAGE.unpack_from(raw)
        for at in range(_PAGE.size, lower - 1, _POINTER.size):
            (offset,) = _POINTER.unpack_from(raw, at)
            if upper <= offset <= self.page_bytes - _NODE.size:
                yield offset
            else:
                self.faults += 1

    def _children(self, raw: bytes) -> Iterator[int]:
        for offset in self._offsets(raw):
            low, high, flags, _ = _NODE.unpack_from(raw, offset)
            yield low | high << 16 | flags << 32

    def _nodes(self, raw: bytes, number: int) -> Iterator[Node]:
        for offset in self._offsets(raw):
            low, high, flags, key_bytes = _NODE.unpack_from(raw, offset)
            length = low | high << 16
            at = offset + _NODE.size + key_bytes
            key = raw[offset + _NODE.size : at]
            big = bool(flags & _BIG_DATA)
            if at + (_NUMBER.size if big else length) > self.page_bytes:
                self.faults += 1
                continue
            start = number * self.page_bytes + at
            if big:
                start = _NUMBER.unpack_from(raw, at)[0] * self.page_bytes + _PAGE.size
            yield Node(key, start, length, bool(flags & _SUB_DATA))


def has_sound_end(path: Path) -> bool:
    """Tell whether the state and the last record of a segment can be read without harm.

    One that is cut short, or none at all, is another matter: what opens it says so.

    Raises:
        FileNotFoundError: There is no such file.
    """
    file = PageFile(path)
    try:
        meta = file.newest_meta()
        if meta is None:
            return True
        databases = file.databases(meta)
        state, records = databases.get(b"state"), databases.get(b"rec")
        nodes = list(file.walk(state, set())) if state is not None else []
        last = file.last(records) if records is not None else None
        whole = all(file.value(one) is not None for one in nodes)
        reached = records is None or (last is not None and file.value(last) is not None)
        return whole and reached and not file.faults
    finally:
        file.close()
