"""The schedule of a reward: a straight line, monotone, inside its bounds, whatever the sums and seconds."""

from fractions import Fraction
from random import Random
from typing import Any

YEAR = 365 * 24 * 3600
EDGES = (0, 1, 2, 10**18, 2**128 - 2, 2**128 - 1)
WINDOWS = (1, 2, 7, 3600, YEAR - 1, YEAR)


def schedules(count: int, seed: int = 1) -> list[tuple[int, int, int, Random]]:
    """Reward, opening and window, at their edges and between."""
    found = []
    for index in range(count):
        rng = Random(seed * 10**6 + index)
        sums = [rng.choice((*EDGES, rng.randrange(2**128), rng.randrange(10**6))) for _ in range(2)]
        found.append((max(sums), min(sums), rng.choice((*WINDOWS, rng.randrange(1, YEAR + 1))), rng))
    return found


def test_it_is_the_line_rounded_to_the_trainers_side(module: Any) -> None:
    for reward, opening, window, rng in schedules(300):
        left = rng.choice((1, window, rng.randrange(1, window + 1)))
        won = reward - module.internal._rebate(reward, opening, left, window)
        line = opening + Fraction((reward - opening) * (window - left), window)
        assert line <= won < line + 1
        assert opening <= won <= reward


def test_it_begins_with_the_opening(module: Any) -> None:
    for reward, opening, window, _ in schedules(100, seed=2):
        assert module.internal._rebate(reward, opening, window, window) == reward - opening


def test_it_never_falls(module: Any) -> None:
    for reward, opening, window, rng in schedules(100, seed=3):
        lefts = sorted({1, window, *(rng.randrange(1, window + 1) for _ in range(4))}, reverse=True)
        rebates = [module.internal._rebate(reward, opening, left, window) for left in lefts]
        assert rebates == sorted(rebates, reverse=True)


def test_a_flat_reward_is_whole_at_every_second(module: Any) -> None:
    for reward, _, window, rng in schedules(100, seed=4):
        assert module.internal._rebate(reward, reward, rng.randrange(1, window + 1), window) == 0
