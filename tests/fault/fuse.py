"""A file system of a few files in a process of its own, spoken to the kernel directly (fuse(4)).

Source: include/uapi/linux/fuse.h, protocol 7.31.
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path

_IN = struct.Struct("=IIQQIIIHH")
_OUT = struct.Struct("=IiQ")
_INIT = struct.Struct("=IIIIHHIIHHI28x")
_ATTR = struct.Struct("=QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("=QQQQII")
_ATTR_HEAD = struct.Struct("=QII")
_OPEN = struct.Struct("=QII")
_RANGE = struct.Struct("=QQIIQII")
_STATFS_BYTES = 80
_REQUEST_BYTES_MAX = 1 << 21
_WRITE_BYTES_MAX = 1 << 20
_PAGE_BYTES = 4096
_INIT_BIG_WRITES = 1 << 5
_INIT_MAX_PAGES = 1 << 22
_OPEN_DIRECT = 1
_VALID_S = 3600
_ROOT = 1


class _Op(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


_UNANSWERED = (_Op.FORGET, _Op.BATCH_FORGET, _Op.INTERRUPT)
Read = Callable[[str, int, int], bytes]
Write = Callable[[str, int, bytes], None]
Flush = Callable[[str], None]


class FuseServer:
    """Serves the files of one mount, one request after another.

    Args:
        place: An empty directory.
        files: Name and size in bytes of each; one of no bytes is written past the page cache.

    Raises:
        OSError: It cannot be mounted.
    """

    def __init__(self, place: Path, files: Sequence[tuple[str, int]]) -> None:
        self._files = files
        self._device = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._device},rootmode=40700,user_id=0,group_id=0".encode()
        if libc.mount(b"sidespan-test", os.fsencode(place), b"fuse", 0, options):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(place))

    def serve(self, *, read: Read, write: Write, flush: Flush) -> None:
        """Answer until it is unmounted.

        Args:
            read: Returns bytes of a file: its name, the offset, and how many. What it raises as
                OSError is what the reader gets.
            write: Takes bytes of a file: its name, the offset, and the bytes.
            flush: Called when a file is to be made durable.
        """
        self._read, self._write, self._flush = read, write, flush
        while True:
            try:
                request = os.read(self._device, _REQUEST_BYTES_MAX)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                raise
            _, number, unique, node, *_ = _IN.unpack_from(request)
            if number in _UNANSWERED:
                continue
            try:
                answer, failure = self._answer(number, node, request[_IN.size :]), 0
            except OSError as error:
                answer, failure = b"", error.errno or errno.EIO
            head = _OUT.pack(_OUT.size + len(answer), -failure, unique)
            os.write(self._device, head + answer)

    def _answer(self, number: int, node: int, body: bytes) -> bytes:
        match number:
            case _Op.INIT:
                flags = _INIT_BIG_WRITES | _INIT_MAX_PAGES
                pages = _WRITE_BYTES_MAX // _PAGE_BYTES
                answer = _INIT.pack(7, 31, 1 << 17, flags, 16, 12, _WRITE_BYTES_MAX, 1, pages, 0, 0)
            case _Op.LOOKUP:
                answer = self._lookup(body.rstrip(b"\0").decode())
            case _Op.GETATTR | _Op.SETATTR:
                answer = _ATTR_HEAD.pack(_VALID_S, 0, 0) + self._attributes(node)
            case _Op.OPEN:
                answer = _OPEN.pack(0, 0 if self._file(node)[1] else _OPEN_DIRECT, 0)
            case _Op.READ:
                _, offset, size, *_ = _RANGE.unpack_from(body)
                answer = self._read(self._file(node)[0], offset, size)
            case _Op.WRITE:
                _, offset, size, *_ = _RANGE.unpack_from(body)
                data = body[_RANGE.size : _RANGE.size + size]
                self._write(self._file(node)[0], offset, data)
                answer = struct.pack("=II", size, 0)
            case _Op.FSYNC:
                self._flush(self._file(node)[0])
                answer = b""
            case _Op.STATFS:
                answer = bytes(_STATFS_BYTES)
            case _Op.RELEASE | _Op.FLUSH | _Op.DESTROY:
                answer = b""
            case _:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        return answer

    def _file(self, node: int) -> tuple[str, int]:
        return self._files[node - _ROOT - 1]

    def _lookup(self, name: str) -> bytes:
        for node, (known, _) in enumerate(self._files, _ROOT + 1):
            if name == known:
                return _ENTRY.pack(node, 0, _VALID_S, _VALID_S, 0, 0) + self._attributes(node)
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _attributes(self, node: int) -> bytes:
        size = 0 if node == _ROOT else self._file(node)[1]
        mode = stat.S_IFDIR | 0o700 if node == _ROOT else stat.S_IFREG | 0o600
        blocks = size // 512
        return _ATTR.pack(node, size, blocks, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, _PAGE_BYTES, 0)
