"""Proofs that a leaf is in a tree, and that a tree is a prefix of a later one.

Generation asks for hashes of perfect subtrees, so a proof costs about 2 log n hashes where those
are kept, and one pass over the leaves where they are not. Verification takes hostile proofs.
Source: RFC 9162 sections 2.1.3 (inclusion) and 2.1.4 (consistency).
"""

from collections.abc import Callable, Mapping, Sequence

from sidespand.merkle import HASH_BYTES, node_hash, root

# (level, index) of a perfect subtree: it covers the 2**level leaves from index * 2**level on.
Subtree = Callable[[int, int], bytes]
EMPTY_ROOT = root(())
SIZE_MAX = 2**63 - 1


def subtrees(
    leaf: Callable[[int], bytes], known: Mapping[tuple[int, int], bytes] | None = None
) -> Subtree:
    """Return an accessor of subtree hashes over one of leaf hashes; it keeps what it computed.

    Args:
        leaf: Returns the leaf hash at an index; asked once for each that is needed.
        known: Hashes by level and index that need no leaf; None for none.
    """
    kept = dict(known or {})

    def subtree(level: int, index: int) -> bytes:
        if (level, index) not in kept:
            kept[level, index] = (
                leaf(index)
                if level == 0
                else node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))
            )
        return kept[level, index]

    return subtree


def peaks(hashes: Sequence[bytes], size: int) -> dict[tuple[int, int], bytes]:
    """Return by level and index what the compact range ``hashes`` of ``size`` leaves knows.

    A proof for a leaf behind it asks for no other subtree of those leaves.
    """
    assert len(hashes) == size.bit_count()
    found: dict[tuple[int, int], bytes] = {}
    covered = 0
    for one in hashes:
        level = (size - covered).bit_length() - 1
        found[level, covered >> level] = one
        covered += 1 << level
    return found


def tree_root(subtree: Subtree, size: int) -> bytes:
    """Return the root of the first ``size`` leaves."""
    assert 0 <= size <= SIZE_MAX
    return _hash(subtree, 0, size) if size else EMPTY_ROOT


def inclusion(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf ``index`` is in the tree of ``size`` leaves, its sibling first."""
    assert 0 <= index < size <= SIZE_MAX
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_hash(subtree, middle, high))
            high = middle
        else:
            proof.append(_hash(subtree, low, middle))
            low = middle
    proof.reverse()
    return proof


def consistency(subtree: Subtree, first: int, second: int) -> list[bytes]:
    """Return the proof that the tree of ``second`` leaves begins with that of ``first``."""
    assert 0 <= first <= second <= SIZE_MAX
    proof: list[bytes] = []
    low, high = 0, second
    while 0 < first < high:
        middle = low + _split(high - low)
        if first <= middle:
            proof.append(_hash(subtree, middle, high))
            high = middle
        else:
            proof.append(_hash(subtree, low, middle))
            low = middle
    # The verifier holds the first root; its last subtree is named only where it is a part of it.
    if low:
        proof.append(_hash(subtree, low, high))
    proof.reverse()
    return proof


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether ``proof`` shows leaf hash ``leaf`` at ``index`` of the tree ``expected``.

    Args:
        leaf: 32 bytes.
        index: From 0.
        size: Leaves of the tree.
        proof: As ``inclusion`` returns it; any bytes are taken.
        expected: The tree's root, from a verified checkpoint.
    """
    if not 0 <= index < size <= SIZE_MAX or not _are_hashes((leaf, *proof)):
        return False
    turns = _turns(index, size - 1, len(proof))
    if turns is None:
        return False
    result = leaf
    for sibling, to_the_left in zip(proof, turns, strict=True):
        result = node_hash(sibling, result) if to_the_left else node_hash(result, sibling)
    return result == expected


def consistent(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Tell whether ``proof`` shows that the tree of ``second`` leaves begins with the first one.

    Args:
        first: Leaves of the earlier tree.
        second: Leaves of the later tree.
        proof: As ``consistency`` returns it; any bytes are taken.
        first_root: Root of the earlier tree.
        second_root: Root of the later tree.
    """
    if not 0 <= first <= second <= SIZE_MAX or not _are_hashes(proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        # Every tree begins with the empty one.
        return not proof and first_root == EMPTY_ROOT
    # The verifier holds the hash that the path starts from when it is the whole earlier tree.
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    position, last = first - 1, second - 1
    while position & 1:
        position >>= 1
        last >>= 1
    turns = _turns(position, last, len(path) - 1)
    if turns is None:
        return False
    older = newer = path[0]
    for sibling, to_the_left in zip(path[1:], turns, strict=True):
        if to_the_left:
            older = node_hash(sibling, older)
        newer = node_hash(sibling, newer) if to_the_left else node_hash(newer, sibling)
    return older == first_root and newer == second_root


def _turns(position: int, last: int, count: int) -> list[bool] | None:
    # Which siblings of a path lie to the left; None when a path from there is not ``count`` long.
    turns = []
    while last:
        to_the_left = bool(position & 1) or position == last
        turns.append(to_the_left)
        while to_the_left and not position & 1 and position:
            # The last subtree of a level has no sibling until it is a right child.
            position >>= 1
            last >>= 1
        position >>= 1
        last >>= 1
    return turns if len(turns) == count else None


def _split(size: int) -> int:
    # The largest power of two below ``size``.
    return 1 << ((size - 1).bit_length() - 1)


def _hash(subtree: Subtree, low: int, high: int) -> bytes:
    # Leaves from ``low`` on always start at a multiple of the power of two that covers them.
    size = high - low
    if size & (size - 1) == 0:
        return subtree(size.bit_length() - 1, low // size)
    middle = low + _split(size)
    return node_hash(_hash(subtree, low, middle), _hash(subtree, middle, high))


def _are_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
