"""Groups and their proofs: the index decides the sides, and nothing else passes."""

from random import Random
from typing import Any

import pytest
from eth_hash.auto import keccak

from trainer import merkle


def leaves(count: int) -> list[bytes]:
    return [keccak(b"leaf %d" % i) for i in range(count)]


def test_leaf_is_the_hash_of_its_parts(module: Any) -> None:
    rng = Random(1)
    for index in (0, 1, 255, 256, 2**20 - 1, 2**256 - 1):
        salt, labels = rng.randbytes(32), rng.randbytes(32)
        samples = rng.randbytes(rng.randrange(100))
        expected = merkle.leaf(index, salt, labels, samples)
        assert module.internal._leaf(index, salt, labels, keccak(samples)) == expected
        assert expected == keccak(b"\0" + index.to_bytes(32, "big") + salt + labels + keccak(samples))


@pytest.mark.parametrize("count", range(2, 41))
def test_every_group_is_a_member_at_its_own_index_only(module: Any, count: int) -> None:
    all_leaves = leaves(count)
    tree = merkle.Tree(all_leaves)
    for index in {0, 1, count // 2, count - 2, count - 1}:
        proof = tree.proof(index)
        assert module.internal._is_member(tree.root, count, all_leaves[index], index, proof)
        for other in {0, index ^ 1, count - 1, count, index + 2 ** len(proof), 2**256 - 1} - {index}:
            assert not module.internal._is_member(tree.root, count, all_leaves[index], other, proof)


def test_one_flipped_bit_anywhere_is_refused(module: Any) -> None:
    rng, count = Random(2), 21
    all_leaves = leaves(count)
    tree = merkle.Tree(all_leaves)
    for index in range(0, count, 4):
        proof = list(tree.proof(index))
        parts = [tree.root, all_leaves[index], *proof]
        for place in range(len(parts)):
            bit = rng.randrange(256)
            flipped = list(parts)
            flipped[place] = (int.from_bytes(parts[place], "big") ^ 1 << bit).to_bytes(32, "big")
            assert not module.internal._is_member(flipped[0], count, flipped[1], index, flipped[2:])
        for a, b in ((0, 1), (1, 2), (3, 4)):
            swapped = list(proof)
            swapped[a], swapped[b] = swapped[b], swapped[a]
            assert not module.internal._is_member(tree.root, count, all_leaves[index], index, swapped)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33])
def test_a_proof_has_one_length(module: Any, count: int) -> None:
    all_leaves = leaves(count)
    tree = merkle.Tree(all_leaves)
    proof = tree.proof(0)
    assert len(proof) == merkle.depth(count)
    longer = [*proof, bytes(32)]
    root = keccak(b"\1" + tree.root + bytes(32))
    # a consistent path that is one level too high, and inner nodes passed off as leaves
    assert not module.internal._is_member(root, count, all_leaves[0], 0, longer)
    node = keccak(b"\1" + all_leaves[0] + all_leaves[1])
    assert not module.internal._is_member(tree.root, count, node, 0, proof[1:])
    assert not module.internal._is_member(tree.root, count, tree.root, 0, [])


def test_padding_is_no_group(module: Any) -> None:
    tree = merkle.Tree(leaves(5))
    for index in (5, 6, 7):
        siblings = [level[index >> height ^ 1] for height, level in enumerate(tree.levels[:-1])]
        assert tree.levels[0][index] == merkle.EMPTY_LEAF
        assert not module.internal._is_member(tree.root, 5, merkle.EMPTY_LEAF, index, siblings)


@pytest.mark.parametrize("count", [2**20, 2**20 - 1, 2**19 + 1])
def test_largest_trees_are_walked_to_the_root(module: Any, count: int) -> None:
    rng = Random(count)
    for index in (0, 1, count - 1, rng.randrange(count)):
        leaf, proof = rng.randbytes(32), [rng.randbytes(32) for _ in range(20)]
        node = leaf
        for height, sibling in enumerate(proof):
            pair = sibling + node if index >> height & 1 else node + sibling
            node = keccak(b"\1" + pair)
        assert module.internal._is_member(node, count, leaf, index, proof)
        assert merkle.verify(node, count, index, leaf, proof)
        assert not module.internal._is_member(node, count, leaf, index ^ 1, proof)
        assert not module.internal._is_member(node, 2**19, leaf, index % 2**19, proof)
        assert not module.internal._is_member(node, count, leaf, index, proof[:-1])
