"""The tree: its compact range names the same root as the definition in RFC 9162, section 2.1.1."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import merkle

# The reference tree of Certificate Transparency's tests: its leaves and the roots of its heads.
LEAVES = [
    bytes.fromhex(text)
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
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = 70


def defined_root(leaves: list[bytes]) -> bytes:
    """Return MTH(leaves), written down as the RFC defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


def grown(leaves: list[bytes]) -> list[bytes]:
    """Return the compact range after appending every leaf."""
    hashes: list[bytes] = []
    for size, leaf in enumerate(leaves):
        merkle.append(hashes, size, merkle.leaf_hash(leaf))
    return hashes


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_reference_tree(size: int) -> None:
    """Every head of the reference tree has its published root."""
    assert merkle.root(grown(LEAVES[:size])).hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(SIZES))
def test_the_definition(size: int) -> None:
    """The root and the range's length are the defined ones at every size."""
    leaves = [bytes([number]) * (number % 5) for number in range(size)]
    hashes = grown(leaves)
    assert merkle.root(hashes) == defined_root(leaves)
    assert len(hashes) == merkle.range_length(size)


@given(st.lists(st.binary(max_size=8), max_size=40), st.data())
def test_a_range_is_all_that_is_needed_to_go_on(leaves: list[bytes], data: st.DataObject) -> None:
    """Stored at any size and taken up again, the range grows as if it had never been put down."""
    cut = data.draw(st.integers(0, len(leaves)))
    hashes = list(grown(leaves[:cut]))
    for size in range(cut, len(leaves)):
        merkle.append(hashes, size, merkle.leaf_hash(leaves[size]))
    assert hashes == grown(leaves)


def test_leaves_and_nodes_are_told_apart() -> None:
    """A leaf that looks like two hashes does not hash as their node."""
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


def test_the_root_does_not_consume_the_range() -> None:
    """Naming the root leaves the range as it was."""
    hashes = grown(LEAVES[:7])
    before = list(hashes)
    merkle.root(hashes)
    assert hashes == before
