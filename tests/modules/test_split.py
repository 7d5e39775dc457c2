"""The split: the same on chain and off, a permutation, and as even as chance."""

import json
from collections import Counter
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak

from trainer import split

GOLDEN = Path(__file__).parent.parent / "golden" / "split.json"


def keys(count: int, name: str = "key") -> list[bytes]:
    return [keccak(b"%s %d" % (name.encode(), i)) for i in range(count)]


def chi_square(counts: list[int]) -> float:
    mean = sum(counts) / len(counts)
    return sum((n - mean) ** 2 for n in counts) / mean


def bound(cells: int) -> float:
    """Five standard deviations over the mean of a chi-square with `cells` - 1 degrees of freedom."""
    return cells - 1 + 5 * (2 * (cells - 1)) ** 0.5


def test_frozen_vectors(module: Any) -> None:
    for case in json.loads(GOLDEN.read_text()):
        key, groups = bytes.fromhex(case["key"]), case["groups"]
        for group, slot in case["slots"]:
            assert split.slot_of(key, group, groups) == slot
            assert split.group_at(key, slot, groups) == group
            assert module.internal._slot(key, group, groups) == slot


@pytest.mark.parametrize("groups", [2, 3, 4, 5, 6, 7, 10, 16, 17, 101, 1000, 1023, 65_537, 2**20 - 1, 2**20])
def test_chain_and_python_agree(module: Any, groups: int) -> None:
    rng = Random(groups)
    for key in [bytes(32), b"\xff" * 32, *keys(3, str(groups))]:
        for group in {0, 1, groups - 1, rng.randrange(groups), rng.randrange(groups)}:
            assert module.internal._slot(key, group, groups) == split.slot_of(key, group, groups)


@pytest.mark.parametrize("groups", range(2, 65))
def test_every_split_is_a_permutation_with_an_inverse(groups: int) -> None:
    for key in keys(4):
        slots = [split.slot_of(key, g, groups) for g in range(groups)]
        assert sorted(slots) == list(range(groups))
        assert [split.group_at(key, slot, groups) for slot in slots] == list(range(groups))


def test_split_on_chain_is_a_permutation(module: Any) -> None:
    for groups in (2, 3, 5, 8, 13, 30):
        (key,) = keys(1, str(groups))
        assert sorted(module.internal._slot(key, g, groups) for g in range(groups)) == list(range(groups))


def test_walks_end_within_the_side() -> None:
    # the network permutes a * b numbers and fewer than a of them lie out of range: nothing to meet twice
    for groups in [*range(2, 400), 2**20 - 1023, 2**20 - 1, 2**20]:
        a = next(a for a in range(1, 1025) if a * a >= groups)
        b = -(-groups // a)
        assert 0 <= a * b - groups < a <= 1024


@pytest.mark.parametrize("groups", [2, 3, 4, 5, 6, 7, 11, 20])
def test_single_positions_are_uniform(groups: int) -> None:
    draws = keys(1500, "single")
    for group in {0, groups // 2, groups - 1}:
        counts = Counter(split.slot_of(key, group, groups) for key in draws)
        assert chi_square([counts[slot] for slot in range(groups)]) < bound(groups)


@pytest.mark.parametrize("groups", [3, 4, 9, 10, 16])
def test_pairs_of_positions_are_uniform(groups: int) -> None:
    draws = keys(1500, "pair")
    for first, second in ((0, 1), (groups // 2, groups - 1)):
        counts = Counter((split.slot_of(k, first, groups), split.slot_of(k, second, groups)) for k in draws)
        pairs = list(permutations(range(groups), 2))
        assert sum(counts[pair] for pair in pairs) == len(draws)
        assert chi_square([counts[pair] for pair in pairs]) < bound(len(pairs))


def pair_bias(a: int, b: int, first: int, second: int) -> float:
    """Distance of a pair's image from uniform, exact, were the rounds random functions; a * b groups, so no walk."""
    state = np.zeros((a, b, a, b))
    state[first % a, first // a, second % a, second // a] = 1
    for i in range(split.ROUNDS):
        moving, staying = ((0, 2), (1, 3)) if i % 2 == 0 else ((1, 3), (0, 2))
        size = state.shape[moving[0]]
        # halves that stay equal move together, others apart
        together = sum(np.roll(state, (d, d), moving) for d in range(size)) / size
        apart = np.broadcast_to(state.sum(moving, keepdims=True) / size**2, state.shape)
        same = np.eye(state.shape[staying[0]]).reshape((1, b, 1, b) if i % 2 == 0 else (a, 1, a, 1))
        state = same * together + (1 - same) * apart
    groups = a * b
    uniform = np.full((groups, groups), 1 / (groups * (groups - 1)))
    np.fill_diagonal(uniform, 0)
    return float(np.abs(state.reshape(groups, groups) - uniform).sum() / 2)


@pytest.mark.parametrize(
    ("a", "b", "most"), [(3, 2, 0.005), (4, 3, 0.0005), (5, 4, 0.0001), (6, 6, 1e-5), (8, 8, 1e-6), (10, 10, 1e-6)]
)
def test_pair_bias_vanishes_as_groups_grow(a: int, b: int, most: float) -> None:
    # every two rounds divide it by b, so tiny data sets keep the most
    groups = a * b
    for first, second in ((0, 1), (0, groups - 1), (groups // 2, groups - 1)):
        assert pair_bias(a, b, first, second) < most


@pytest.mark.parametrize("groups", [3, 4])
def test_whole_orders_are_uniform(groups: int) -> None:
    draws = keys(2000, "order")
    counts = Counter(tuple(split.slot_of(k, g, groups) for g in range(groups)) for k in draws)
    orders = list(permutations(range(groups)))
    assert chi_square([counts[order] for order in orders]) < bound(len(orders))


def test_hold_outs_of_neighbouring_keys_are_unrelated() -> None:
    groups, size = 100, 20
    overlap = 0
    for i in range(200):
        a, b = i.to_bytes(32, "big"), (i + 1).to_bytes(32, "big")
        overlap += len(set(split.holdout(a, groups, size)) & set(split.holdout(b, groups, size)))
    # 4 expected a pair, variance below 4: five deviations of the sum are 142
    assert abs(overlap - 800) < 142
