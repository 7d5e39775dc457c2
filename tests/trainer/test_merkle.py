"""The Merkle tree: every leaf proves itself, and nothing else does."""

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from trainer import merkle

leaf_lists = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@given(leaf_lists)
def test_every_leaf_proves_its_index(leaves: list[bytes]) -> None:
    tree = merkle.Tree(leaves)
    for index, leaf in enumerate(leaves):
        proof = tree.proof(index)
        assert len(proof) == merkle.depth(len(leaves))
        assert merkle.verify(tree.root, len(leaves), index, leaf, proof)


@given(leaf_lists.filter(lambda leaves: len(leaves) > 1), st.data())
def test_a_flipped_bit_fails(leaves: list[bytes], data: st.DataObject) -> None:
    tree = merkle.Tree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    words = [tree.root, leaves[index], *tree.proof(index)]
    place, bit = data.draw(st.integers(0, len(words) - 1)), data.draw(st.integers(0, 255))
    words[place] = (int.from_bytes(words[place], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not merkle.verify(words[0], len(leaves), index, words[1], words[2:])


@given(st.sets(st.binary(min_size=32, max_size=32), min_size=2, max_size=40), st.data())
def test_another_index_fails(distinct: set[bytes], data: st.DataObject) -> None:
    leaves = sorted(distinct)
    tree = merkle.Tree(leaves)
    index, other = data.draw(st.permutations(range(len(leaves))))[:2]
    assert not merkle.verify(tree.root, len(leaves), other, leaves[index], tree.proof(index))


@given(leaf_lists.filter(lambda leaves: len(leaves) > 1), st.data())
def test_another_length_fails(leaves: list[bytes], data: st.DataObject) -> None:
    tree = merkle.Tree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.proof(index)
    assert not merkle.verify(tree.root, len(leaves), index, leaves[index], proof[:-1])
    assert not merkle.verify(tree.root, len(leaves), index, leaves[index], (*proof, bytes(32)))
    assert not merkle.verify(tree.root, len(leaves), index, leaves[index], (proof[0][:31], *proof[1:]))


def test_an_inner_node_is_no_leaf() -> None:
    tree = merkle.Tree([bytes([i]) * 32 for i in range(4)])
    inner, sibling = tree.levels[1]
    assert not merkle.verify(tree.root, 4, 0, inner, (sibling,))
    assert not merkle.verify(tree.root, 2, 2, inner, (sibling,))


def test_empty_leaves_fill_the_tree_and_prove_nothing() -> None:
    leaves = [bytes([i + 1]) * 32 for i in range(3)]
    tree = merkle.Tree(leaves)
    left = keccak(b"\x01" + leaves[0] + leaves[1])
    right = keccak(b"\x01" + leaves[2] + bytes(32))
    assert tree.root == keccak(b"\x01" + left + right)
    assert not merkle.verify(tree.root, 3, 3, bytes(32), (leaves[2], left))
    with pytest.raises(IndexError, match="no group 3 among 3"):
        tree.proof(3)


def test_leaf_hashes_the_documented_bytes() -> None:
    samples = b"samples"
    parts = b"\x00" + (5).to_bytes(32, "big") + b"s" * 32 + b"l" * 32 + keccak(samples)
    assert merkle.leaf(5, b"s" * 32, b"l" * 32, samples) == keccak(parts)
    assert len(parts) == 129
