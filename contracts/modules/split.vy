# pragma version 0.4.3
"""
@title The split: which groups are held out
@license MIT
@notice A keyed permutation of [0, G). A group whose image is below H is held out, and the image is its slot in the
        hold-out, so nothing is stored per group. The permutation is an unbalanced Feistel network over
        Z_a x Z_b with a = ⌈√G⌉ and b = ⌈G / a⌉ (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002),
        walked along its cycle until the image is below G.
"""

# The images of two groups are as good as independent: their joint distribution is within 0.5 % of uniform for 6 groups,
# and two rounds more divide the distance by about √G. See tests/modules/test_split.py.
ROUNDS: constant(uint256) = 16
# ⌈√(2**20)⌉
MAX_SIDE: constant(uint256) = 1024


@internal
@pure
def _slot(key: bytes32, group: uint256, groups: uint256) -> uint256:
    """
    @dev Image of `group` under the permutation of [0, groups) that `key` selects.
    @param key The draw.
    @param group The group, below `groups`.
    @param groups Number of groups, 2 to 2**20.
    """
    a: uint256 = isqrt(groups - 1) + 1
    b: uint256 = (groups + a - 1) // a
    x: uint256 = group
    # a * b - groups < a values lie out of range, and a walk meets none of them twice: a steps suffice
    for _: uint256 in range(a, bound=MAX_SIDE):
        left: uint256 = x % a
        right: uint256 = x // a
        for i: uint256 in range(ROUNDS):
            if i & 1 == 0:
                left = (left + self._mix(key, i, right) % a) % a
            else:
                right = (right + self._mix(key, i, left) % b) % b
        x = right * a + left
        if x < groups:
            return x
    raise  # dev: no walk is longer than a


@internal
@pure
def _mix(key: bytes32, i: uint256, half: uint256) -> uint256:
    """
    @dev Round function.
    @param key The draw.
    @param i Round.
    @param half The half that stays.
    """
    return convert(keccak256(abi_encode(key, i, half)), uint256)
