"""Damages segments as disks and people do, page by page."""

import struct
from pathlib import Path

from sidespand.journal import record
from sidespand.journal.pages import PageFile

PAGE_BYTES = 4096
_FLAGS = {0x01: "branch", 0x02: "leaf", 0x04: "overflow", 0x08: "meta"}


def pages_by_kind(path: Path) -> dict[str, list[int]]:
    """Return the pages that the newest transaction of a segment uses, by what they hold.

    ``meta``, ``main``, ``branch``, ``leaf`` (of records), ``state``, ``overflow`` (its first page)
    and ``data`` (the others of a large value).
    """
    raw = path.read_bytes()
    file = PageFile(path)
    meta = file.newest_meta()
    assert meta is not None
    assert meta.root is not None
    databases = file.databases(meta)
    state: set[int] = set()
    records: set[int] = set()
    assert databases[b"state"] is not None
    assert databases[b"rec"] is not None
    list(file.walk(databases[b"state"], state))
    found: dict[str, list[int]] = {"meta": [0, 1], "main": [meta.root], "state": sorted(state)}
    for node in file.walk(databases[b"rec"], records):
        first = node.start // PAGE_BYTES
        if first not in records and node.start % PAGE_BYTES == 16:
            found.setdefault("overflow", []).append(first)
            rest = range(first + 1, (node.start + node.length) // PAGE_BYTES)
            found.setdefault("data", []).extend(rest)
    file.close()
    for number in sorted(records):
        flags = struct.unpack_from("=H", raw, number * PAGE_BYTES + 10)[0] & 0x0F
        found.setdefault(_FLAGS[flags], []).append(number)
    return found


def pages_with(path: Path, key: bytes) -> set[int]:
    """Return the leaf pages that hold a key, those of earlier transactions included."""
    file = PageFile(path)
    found = {node.start // PAGE_BYTES for node in file.scan(set()) if node.key == key}
    file.close()
    return found


def lsns_on(path: Path, page: int) -> set[int]:
    """Return the LSNs of the records that the newest transaction keeps on a page, or in part."""
    file = PageFile(path)
    meta = file.newest_meta()
    assert meta is not None
    root = file.databases(meta)[b"rec"]
    assert root is not None
    found = set()
    for number in pages_by_kind(path)["leaf"]:
        for node in file.walk(number, set()):
            large = node.start % PAGE_BYTES == 16 and node.start // PAGE_BYTES != number
            first = node.start // PAGE_BYTES if large else number
            pages = {number, *range(first, (node.start + node.length) // PAGE_BYTES + 1)}
            if page in pages:
                value = file.value(node)
                assert value is not None
                header = record.decode_header(value)[0]
                found |= set(range(header.first_lsn, header.last_lsn + 1))
    file.close()
    return found


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Turn one bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def overwrite(path: Path, page: int, content: bytes) -> None:
    """Put bytes over the head of a page."""
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(content)


def truncate(path: Path, length: int) -> None:
    """Cut a file."""
    with path.open("r+b") as file:
        file.truncate(length)
