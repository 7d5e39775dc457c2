"""The Merkle tree over the groups of a dataset, as `contracts/README.md` fixes it. A proof binds the index.

    leaf = keccak256(0x00 ‖ uint256 index ‖ salt ‖ label word ‖ keccak256(samples))
    node = keccak256(0x01 ‖ left ‖ right)

The tree has 2**d leaves, d = ceil(log2 groups); those from `groups` on are 32 zero bytes.
"""

from collections.abc import Sequence

from eth_hash.auto import keccak

EMPTY_LEAF = bytes(32)


def leaf(index: int, salt: bytes, labels: bytes, samples: bytes) -> bytes:
    """Commitment to one group; salt and label word have 32 bytes, samples any number."""
    assert len(salt) == len(labels) == 32, "a salt and a label word have 32 bytes each"
    return keccak(b"\x00" + index.to_bytes(32, "big") + salt + labels + keccak(samples))


def depth(groups: int) -> int:
    """Length of every proof: ceil(log2 groups)."""
    return (groups - 1).bit_length()


class Tree:
    """All levels of a tree, the leaves first; the memory is 64 bytes a leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Hash the tree over at least one leaf of 32 bytes."""
        assert leaves, "a tree needs a leaf"
        self.groups = len(leaves)
        level = [*leaves, *[EMPTY_LEAF] * (2 ** depth(len(leaves)) - len(leaves))]
        self.levels = [level]
        while len(level) > 1:
            level = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
            self.levels.append(level)

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self.levels[-1][0]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Siblings of leaf `index` from the leaf up; exactly `depth(groups)` of them."""
        if not 0 <= index < self.groups:
            raise IndexError(f"no group {index} among {self.groups}")
        return tuple(level[index >> height ^ 1] for height, level in enumerate(self.levels[:-1]))


def verify(root: bytes, groups: int, index: int, leaf_hash: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `leaf_hash` is leaf `index` of the tree over `groups` leaves with that root."""
    if not 0 <= index < groups or len(proof) != depth(groups) or any(len(sibling) != 32 for sibling in proof):
        return False
    node = leaf_hash
    for height, sibling in enumerate(proof):
        node = _node(sibling, node) if index >> height & 1 else _node(node, sibling)
    return node == root


def _node(left: bytes, right: bytes) -> bytes:
    return keccak(b"\x01" + left + right)
