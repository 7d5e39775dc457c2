"""Two seals of one trainer where the reward rises and the lowest seal that claims wins.

A seal that does not claim loses only fee and gas. So a trainer may seal early, at a low reward, as an insurance, and
again later from another address, at a higher one: if no rival's seal stands between, it claims the later, and else the
earlier. Here is what that is worth to a trainer among rivals who wait in equilibrium: with c the cost of its model and
of one seal, and P(x) the chance that no rival has sealed before the reward reached x, a single seal at x brings

    P(x) (x - c)

as training begins only where nobody was faster, and two, at x1 and then at x2, bring

    P(x1) (x1 - c) + P(x2) (x2 - x1 - fee).

That holds where rivals seal whatever they see (*undeterred*). Rivals who see a seal and know that they cannot win stay
away (*deterred*): then P(x2) is P(x1), the second seal waits for the whole reward, and the first one for nothing.
"""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from trainer.errors import DataError
from trainer.simulation.auction import Clock, Floats, ask
from trainer.simulation.costs import Costs

GRID = 300
"""Rewards that are tried evenly between the opening and the whole; others where rivals' asks are."""
BEYOND = 4096
"""Costs whose asks are worked out, to know who has sealed when."""
WORTH = 0.01
"""A second seal that brings less than this part of what an honest one does is not worth it."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """The best that a trainer can do.

    honest:        expected profit of one seal, at the best reward; first: that reward.
    split:         expected profit of two, at the best rewards; early, late: those.
    gain:          of two over one.
    """

    honest: float
    first: float
    split: float
    early: float
    late: float

    @property
    def gain(self) -> float:
        """What the second seal is worth; negative where one is better."""
        return self.split - self.honest


@cache
def asks_by_share(costs: Costs, entrants: int, reward: float) -> tuple[Floats, Floats]:
    """What rivals ask for in equilibrium, rising, and the share of them who ask for more."""
    with jax.enable_x64(True):
        # the lowest costs decide, among many the very lowest
        shares = np.concatenate([1 - np.geomspace(1e-7, 1, BEYOND, endpoint=False), np.geomspace(1e-9, 1, BEYOND)])
        shares = np.unique(shares)[::-1].copy()
        asks = np.asarray(ask(costs, costs.upper(jnp.asarray(shares)), entrants, reward))
    return asks, shares


def unsold(costs: Costs, entrants: int, clock: Clock, rewards: Floats) -> Floats:
    """Chance that none of the other entrants, who wait in equilibrium, has sealed before each of these rewards."""
    if entrants < 2:
        return np.ones_like(rewards)
    # asks rise with costs: the share of trainers who ask for more than x is that at the cost whose ask is x
    above = np.interp(rewards, *asks_by_share(costs, entrants, clock.reward), left=1.0)
    return np.asarray(above ** (entrants - 1))


@cache
def _tried(costs: Costs, entrants: int, clock: Clock) -> tuple[Floats, Floats]:
    """Rewards that are tried, rising, and the chance that nobody has sealed before them."""
    rewards = np.linspace(clock.opening, clock.reward, GRID + 1)
    if entrants > 1:
        asks, shares = asks_by_share(costs, entrants, clock.reward)
        # places where the chance goes from 1 to nothing in even steps
        chances = np.linspace(1, 0, GRID, endpoint=False)
        wanted = np.interp(1 - chances, 1 - shares ** (entrants - 1), asks)
        rewards = np.union1d(rewards, np.clip(wanted, clock.opening, clock.reward))
    return rewards, unsold(costs, entrants, clock, rewards)


def best(costs: Costs, cost: float, entrants: int, fee: float, *, clock: Clock, deterred: bool = False) -> Split:
    """The best single seal and the best two of a trainer with `cost`, against `entrants` - 1 rivals.

    fee: what a second seal costs in all: the seal fee, and gas. That of the first one is in `cost`.
    """
    if entrants < 1 or fee < 0:
        raise DataError(f"entrants, fee: {entrants} and {fee}; use 1 or more, and 0 or more")
    rewards, open_still = _tried(costs, entrants, clock)
    single = open_still * (rewards - cost)
    at = int(single.argmax())
    later = open_still[:, None] if deterred else open_still[None, :]
    double = single[:, None] + later * (rewards[None, :] - rewards[:, None] - fee)
    double[np.tril_indices(len(rewards))] = -np.inf
    early, late = np.unravel_index(int(double.argmax()), double.shape)
    return Split(
        honest=float(max(single[at], 0.0)),
        first=float(rewards[at]),
        split=float(max(double[early, late], 0.0)),
        early=float(rewards[early]),
        late=float(rewards[late]),
    )


def least_fee(costs: Costs, cost: float, entrants: int, *, clock: Clock, deterred: bool = False) -> float:
    """The least fee (with gas) at which a second seal brings less than `WORTH` of what an honest one does.

    To a ten-thousandth of the reward.
    """
    low, high = 0.0, clock.reward
    while high - low > clock.reward * 1e-4:
        middle = (low + high) / 2
        found = best(costs, cost, entrants, middle, clock=clock, deterred=deterred)
        if found.gain > WORTH * found.honest:
            low = middle
        else:
            high = middle
    return high
