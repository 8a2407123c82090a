"""What can be learned of a segment's file without opening it as LMDB.

LMDB maps its file: one that is shorter than its own meta page says kills the reader with SIGBUS,
    and one of length zero opens as an empty store. So every open looks here first.
Source: LMDB 0.9 mdb.c, MDB_page and MDB_meta; two meta pages at the head of the file, the younger
    one holds.
"""

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sidespand.errors import StoreUnreadable

_PAGE_HEADER_BYTES = 16
# magic, version, address, map size, page size, rest of two MDB_db, last page, transaction id.
_META = struct.Struct("=IIQQI92xQQ")
_MAGIC = 0xBEEFC0DE
_DATA_VERSION = 1
# What the operator can do about a damaged segment.
HINT = "`sidespan fsck` says what is lost, `sidespan salvage` keeps the rest; nothing was changed"
_PAGE_BYTES_MIN = 512
_PAGE_BYTES_MAX = 65536


class SegmentDamaged(StoreUnreadable):
    """The file is not what was written; nothing was changed."""


class Meta(NamedTuple):
    """The younger meta page.

    Args:
        map_bytes: The map size that the writer uses.
        page_bytes: Of this file.
        used_bytes: What the file must be long at least.
    """

    map_bytes: int
    page_bytes: int
    used_bytes: int


def looks_like(file: BinaryIO) -> bool:
    """Tell whether a file begins as a segment does; its place is moved."""
    head = file.read(_PAGE_HEADER_BYTES + _META.size)
    return len(head) == _PAGE_HEADER_BYTES + _META.size and _META.unpack_from(
        head, _PAGE_HEADER_BYTES
    )[:2] == (_MAGIC, _DATA_VERSION)


def inspect(path: Path) -> Meta:
    """Return what the file's meta pages say, after checking that the file is as long as that.

    Raises:
        FileNotFoundError: There is no such file.
        SegmentDamaged: It is not a segment, or cut short. Nothing was changed.
    """
    with path.open("rb") as file:
        first = file.read(_PAGE_HEADER_BYTES + _META.size)
        meta = _parse(first, path)
        file.seek(meta.page_bytes)
        try:
            second = _parse(file.read(_PAGE_HEADER_BYTES + _META.size), path)
        except SegmentDamaged:
            second = meta
        file.seek(0, 2)
        length = file.tell()
    used = max(meta.used_bytes, second.used_bytes)
    if length < used:
        raise SegmentDamaged(
            f"{path} is cut short: {length} bytes of {used}",
            hint=HINT,
        )
    return Meta(max(meta.map_bytes, second.map_bytes), meta.page_bytes, used)


def _parse(raw: bytes, path: Path) -> Meta:
    if len(raw) < _PAGE_HEADER_BYTES + _META.size:
        raise SegmentDamaged(f"{path} is too short to be a segment", hint=HINT)
    magic, version, _, map_bytes, page_bytes, last_page, _ = _META.unpack_from(
        raw, _PAGE_HEADER_BYTES
    )
    if magic != _MAGIC or version != _DATA_VERSION:
        raise SegmentDamaged(f"{path} does not start as a segment does", hint=HINT)
    if not _PAGE_BYTES_MIN <= page_bytes <= _PAGE_BYTES_MAX:
        raise SegmentDamaged(f"{path} states a page size of {page_bytes} bytes", hint=HINT)
    return Meta(map_bytes, page_bytes, (last_page + 1) * page_bytes)
