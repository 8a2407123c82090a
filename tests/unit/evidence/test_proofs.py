"""Proofs against the published vectors, the RFC's own definition, and every kind of damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.evidence import proofs
from sidespand.merkle import leaf_hash, node_hash

# The reference tree of Certificate Transparency's tests, its published roots and proofs.
LEAVES = [
    leaf_hash(bytes.fromhex(text))
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
_G = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
# Index, size, proof.
INCLUSIONS = [
    (0, 1, []),
    (0, 8, [_A, _B, _C]),
    (5, 8, [_D, _E, _F]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [ROOTS[1], _B, _D]),
]
# First size, second size, proof.
CONSISTENCIES = [(1, 1, []), (1, 8, [_A, _B, _C]), (6, 8, [_G, _E, _F]), (2, 5, [_B, _D])]
SIZES = 70
TREE = [leaf_hash(bytes([number])) for number in range(SIZES)]


def defined_root(leaves: list[bytes]) -> bytes:
    """Return the root of leaf hashes as the RFC defines it."""
    if not leaves:
        return proofs.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined_root(leaves[:split]), defined_root(leaves[split:]))


def defined_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH(index, leaves) as the RFC defines it."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*defined_path(index, leaves[:split]), defined_root(leaves[split:])]
    return [*defined_path(index - split, leaves[split:]), defined_root(leaves[:split])]


def defined_subproof(first: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """Return SUBPROOF(first, leaves, whole) as the RFC defines it."""
    if first == len(leaves):
        return [] if whole else [defined_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        left = defined_subproof(first, leaves[:split], whole=whole)
        return [*left, defined_root(leaves[split:])]
    right = defined_subproof(first - split, leaves[split:], whole=False)
    return [*right, defined_root(leaves[:split])]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSIONS)
def test_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    """The proof of each published vector is the one we make, and it verifies."""
    made = proofs.inclusion(proofs.subtrees(LEAVES.__getitem__), index, size)

    assert [one.hex() for one in made] == proof
    assert proofs.included(LEAVES[index], index, size, made, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCIES)
def test_published_consistency_proofs(first: int, second: int, proof: list[str]) -> None:
    """The proof of each published vector is the one we make, and it verifies."""
    made = proofs.consistency(proofs.subtrees(LEAVES.__getitem__), first, second)

    assert [one.hex() for one in made] == proof
    roots = bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second])
    assert proofs.consistent(first, second, made, *roots)


def test_every_inclusion_proof_of_small_trees() -> None:
    """For all sizes below 70, the proof of every leaf is the defined one and holds for it alone."""
    subtree = proofs.subtrees(TREE.__getitem__)
    for size in range(1, SIZES):
        root = proofs.tree_root(subtree, size)
        assert root == defined_root(TREE[:size])
        for index in range(size):
            proof = proofs.inclusion(subtree, index, size)
            assert proof == defined_path(index, TREE[:size])
            assert proofs.included(TREE[index], index, size, proof, root)
            other = (index + 1) % size
            assert other == index or not proofs.included(TREE[index], other, size, proof, root)


def test_every_consistency_proof_of_small_trees() -> None:
    """For all pairs of sizes below 70 the proof is the defined one and holds for that pair."""
    subtree = proofs.subtrees(TREE.__getitem__)
    roots = [proofs.tree_root(subtree, size) for size in range(SIZES)]
    for second in range(1, SIZES):
        for first in range(1, second + 1):
            proof = proofs.consistency(subtree, first, second)
            assert proof == defined_subproof(first, TREE[:second], whole=True)
            assert proofs.consistent(first, second, proof, roots[first], roots[second])
            assert first == second or not proofs.consistent(
                first, second, proof, roots[first - 1], roots[second]
            )


def test_every_tree_begins_with_the_empty_one() -> None:
    """From size 0 the proof is empty, and the earlier root must be that of nothing."""
    subtree = proofs.subtrees(TREE.__getitem__)
    root = proofs.tree_root(subtree, 5)

    assert proofs.consistency(subtree, 0, 5) == []
    assert proofs.consistent(0, 5, [], proofs.EMPTY_ROOT, root)
    assert not proofs.consistent(0, 5, [], TREE[0], root)
    assert not proofs.consistent(0, 5, [TREE[0]], proofs.EMPTY_ROOT, root)


@given(st.data())
def test_a_changed_proof_does_not_hold(data: st.DataObject) -> None:
    """A flipped bit, a missing or an extra hash, or another size is refused, and nothing raises."""
    size = data.draw(st.integers(2, SIZES - 1))
    index = data.draw(st.integers(0, size - 1))
    subtree = proofs.subtrees(TREE.__getitem__)
    root = proofs.tree_root(subtree, size)
    proof = proofs.inclusion(subtree, index, size)
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(proof[at])
    flipped[bit // 8] ^= 1 << bit % 8
    changed = [*proof[:at], bytes(flipped), *proof[at + 1 :]]

    assert not proofs.included(TREE[index], index, size, changed, root)
    assert not proofs.included(TREE[index], index, size, proof[:-1], root)
    assert not proofs.included(TREE[index], index, size, [*proof, root], root)
    assert not proofs.included(TREE[index], index, size, [*proof[:-1], b"short"], root)
    assert not proofs.included(TREE[index], size, size, proof, root)


@given(st.data())
def test_a_changed_history_is_not_consistent(data: st.DataObject) -> None:
    """No proof that we would make joins a tree to one in which an early leaf was changed."""
    second = data.draw(st.integers(2, SIZES - 1))
    first = data.draw(st.integers(1, second - 1))
    changed = data.draw(st.integers(0, first - 1))
    forged = [*TREE]
    forged[changed] = leaf_hash(b"forged")
    honest, other = proofs.subtrees(TREE.__getitem__), proofs.subtrees(forged.__getitem__)
    old, new = proofs.tree_root(honest, first), proofs.tree_root(other, second)

    assert not proofs.consistent(first, second, proofs.consistency(other, first, second), old, new)
    assert not proofs.consistent(first, second, proofs.consistency(honest, first, second), old, new)


@given(
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    st.lists(st.binary(min_size=32, max_size=32), max_size=70),
)
def test_hostile_proofs_are_answered_with_no(first: int, second: int, proof: list[bytes]) -> None:
    """Sizes and hashes out of any range give False, quickly and without an exception."""
    assert not proofs.included(bytes(32), first, second, proof, b"\xff" * 32)
    assert not proofs.consistent(first, second, proof, b"\xff" * 32, b"\xfe" * 32)
