"""The compact range of a Merkle tree: the hashes of its perfect subtrees, largest first.

Enough to append a leaf and to name the root, in at most 64 hashes, without any earlier leaf.
Source: RFC 9162 section 2.1 (hashes of leaves, nodes and the tree).
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
_EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def append(hashes: list[bytes], size: int, leaf: bytes) -> None:
    """Extend in place the compact range ``hashes`` of a tree of ``size`` leaves by one leaf hash.

    Each trailing one bit of ``size`` is a perfect subtree that the new leaf completes into a larger
    one.
    """
    while size & 1:
        leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
        size >>= 1
    hashes.append(leaf)


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the tree's root; SHA-256 of nothing when the range is empty."""
    if not hashes:
        return _EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def range_length(size: int) -> int:
    """Return how many hashes the compact range of ``size`` leaves holds."""
    return size.bit_count()
