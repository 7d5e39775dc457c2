# pragma version 0.4.3
"""
@title Groups of samples and their Merkle tree
@license MIT
@notice Shows that a group is the one committed under its index. snekmate's proofs sort each pair and so show
        membership only; here the index decides left and right and is part of the leaf.
"""

MAX_DEPTH: constant(uint256) = 20
LEAF: constant(bytes1) = 0x00
NODE: constant(bytes1) = 0x01


@internal
@pure
def _leaf(index: uint256, salt: bytes32, labels: bytes32, samples: bytes32) -> bytes32:
    """
    @dev The commitment to one group.
    @param index Position of the group.
    @param salt Hides the group until it is shown.
    @param labels Word of classes.
    @param samples keccak256 of the group's samples.
    """
    return keccak256(concat(LEAF, convert(index, bytes32), salt, labels, samples))


@internal
@pure
def _is_member(
    root: bytes32, groups: uint256, leaf: bytes32, index: uint256, proof: DynArray[bytes32, MAX_DEPTH]
) -> bool:
    """
    @dev Whether `leaf` stands at `index` of a tree with `groups` leaves.
    @param root Merkle root.
    @param groups Number of leaves, 2 to 2**20.
    @param leaf The leaf.
    @param index Its position.
    @param proof Siblings from the leaf up, exactly ⌈log2 groups⌉ of them.
    """
    # 2**(depth - 1) < groups <= 2**depth; a proof is never empty, as groups >= 2 > 2**0
    if index >= groups or groups > 1 << len(proof) or groups <= (1 << len(proof)) >> 1:
        return False
    node: bytes32 = leaf
    path: uint256 = index
    for sibling: bytes32 in proof:
        if path & 1 == 0:
            node = keccak256(concat(NODE, node, sibling))
        else:
            node = keccak256(concat(NODE, sibling, node))
        path >>= 1
    return node == root
