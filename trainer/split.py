"""The split: the keyed permutation of `contracts/modules/split.vy`, both ways.

An unbalanced Feistel network over Z_a x Z_b, a = ceil(sqrt G), b = ceil(G / a), walked along its cycle until the image
is below G (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). A group whose image is below H is held
out, and the image is its slot.
"""

from math import isqrt

from eth_hash.auto import keccak

ROUNDS = 16


def _mix(key: bytes, index: int, half: int) -> int:
    return int.from_bytes(keccak(key + index.to_bytes(32, "big") + half.to_bytes(32, "big")), "big")


def _sides(groups: int) -> tuple[int, int]:
    a = isqrt(groups - 1) + 1
    return a, -(-groups // a)


def slot_of(key: bytes, group: int, groups: int) -> int:
    """Image of `group` under the permutation of [0, groups) that the 32-byte `key` selects."""
    a, b = _sides(groups)
    x = group
    while True:
        left, right = x % a, x // a
        for i in range(ROUNDS):
            if i % 2 == 0:
                left = (left + _mix(key, i, right)) % a
            else:
                right = (right + _mix(key, i, left)) % b
        x = right * a + left
        if x < groups:
            return x


def group_at(key: bytes, slot: int, groups: int) -> int:
    """The group whose image is `slot`: the inverse of `slot_of`."""
    a, b = _sides(groups)
    x = slot
    while True:
        left, right = x % a, x // a
        for i in reversed(range(ROUNDS)):
            if i % 2 == 0:
                left = (left - _mix(key, i, right)) % a
            else:
                right = (right - _mix(key, i, left)) % b
        x = right * a + left
        if x < groups:
            return x


def holdout(key: bytes, groups: int, size: int) -> list[int]:
    """The held-out groups in the order of their slots."""
    return [group_at(key, slot, groups) for slot in range(size)]
