"""The rising reward by itself: N trainers with costs of their own, and the first who seals wins what it stands at.

A reward that rises until somebody takes it is a Dutch auction turned round: whoever seals bids the reward as of then,
and nobody learns anything before the auction is over. So it has the equilibrium of sealed bids in which the lowest wins
and is paid what it asked (Vickrey 1961, https://doi.org/10.1111/j.1540-6261.1961.tb02789.x; Krishna, Auction Theory,
2nd edition, sections 1.2 and 2.3, where bidders buy): with costs drawn independently from one distribution, a trainer
asks for what it expects the second lowest cost to be, should its own be the lowest,

    b(c) = E[min(second lowest, reward) | lowest = c] = integral over w from 0 to 1 of min(Q(S(c) w^(1/(n-1))), reward),

S(c) being the share of trainers with costs above c, and Q(s) the cost that a share s exceeds. A *myopic* trainer seals
as soon as the reward meets its cost: b(c) = c.

The ratio of what is paid to the lowest cost tends to 1 as trainers come, wherever costs cannot fall below some lowest
one that is more than nothing, and fast where they crowd at it. Where they reach down to 0 it does not: of uniform costs
from 0, the lowest two are as far apart as the lowest is from 0, however many there are.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array, lax

from trainer.errors import DataError
from trainer.simulation.costs import Costs

NODES = 64
"""Of Gauss and Legendre's quadrature."""
NEAR = 64
"""Lowest costs that are looked at: more never seal in one step that matters."""
BATCH = 1 << 22
"""Costs that are drawn at once."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The reward, in the unit of costs: from `opening` to `reward` in so many equal steps."""

    opening: float = 0.0
    reward: float = 10.0
    ticks: int = 50_400
    """Blocks of 12 seconds in a week."""

    def __post_init__(self) -> None:
        """Raise `DataError` naming what is wrong."""
        if not 0 <= self.opening < self.reward < 1e9:
            raise DataError(f"opening, reward: {self.opening} and {self.reward} do not rise; use 0 <= opening < reward")
        if not 1 <= self.ticks <= 1 << 30:
            raise DataError(f"ticks: {self.ticks} is out of range; use 1 to {1 << 30}")


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """Auctions that are over, one entry each; NaN where nobody sealed.

    lowest, second: costs.
    paid:      what the winner got.
    winner:    its cost.
    """

    lowest: Floats
    second: Floats
    paid: Floats
    winner: Floats

    @property
    def ratio(self) -> float:
        """Mean of what was paid over mean of the lowest cost, among those that were won."""
        won = np.isfinite(self.paid)
        return float(self.paid[won].mean() / self.lowest[won].mean()) if won.any() else float("nan")

    @property
    def within(self) -> float:
        """Part of the auctions that paid at most 5 % more than the lowest cost."""
        return float((self.paid <= 1.05 * self.lowest).mean())


def ask(costs: Costs, cost: Array, entrants: int, reward: float) -> Array:
    """What a trainer with `cost` waits for in equilibrium, among so many entrants, itself included; shape of `cost`.

    With no rival that is the whole reward. Costs above the reward are asked as they are, and never met.
    """
    if entrants < 2:
        return jnp.maximum(cost, reward)
    points, weights = np.polynomial.legendre.leggauss(NODES)
    shares = ((points + 1) / 2) ** (1 / (entrants - 1))
    others = costs.above(cost)[..., None] * shares
    return jnp.maximum(jnp.minimum(costs.upper(jnp.maximum(others, 1e-300)), reward) @ (weights / 2), cost)


def clear(
    costs: Costs, entrants: int, *, clock: Clock | None = None, trials: int = 2000, seed: int = 0, waits: bool = True
) -> Cleared:
    """Play `trials` auctions among so many entrants, who wait in equilibrium or, without `waits`, are myopic.

    Raises `DataError` where there is nobody to play, or nothing to be played.
    """
    clock = clock or Clock()
    for name, value in (("entrants", entrants), ("trials", trials)):
        if not 1 <= value <= 1_000_000:
            raise DataError(f"{name}: {value} is out of range; use 1 to 1,000,000")
    found: list[tuple[Floats, ...]] = []
    with jax.enable_x64(True):
        key = jax.random.key(seed)
        # a batch is as large as memory likes, and trial k the same in any
        batch = max(1, BATCH // entrants)
        for start in range(0, trials, batch):
            numbers = jnp.arange(start, min(start + batch, trials))
            part = _play(costs, entrants, clock, waits, key, numbers)
            found.append(tuple(np.asarray(one) for one in part))
    lowest, second, paid, winner = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Cleared(lowest=lowest, second=second, paid=paid, winner=winner)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _play(
    costs: Costs, entrants: int, clock: Clock, waits: bool, key: Array, numbers: Array
) -> tuple[Array, Array, Array, Array]:
    def one(number: Array) -> tuple[Array, Array, Array, Array]:
        shares = jax.random.uniform(jax.random.fold_in(key, number), (entrants,), jnp.float64)
        # costs rise with shares, and only the lowest ones matter
        order = costs.upper(1 + lax.top_k(-shares, min(NEAR, entrants))[0])
        second = order[1] if entrants > 1 else jnp.inf
        # asks rise with costs, so of all who seal in one step the winner is any, and in the steps before it nobody is
        asked = ask(costs, order, entrants, clock.reward) if waits else order
        step = (clock.reward - clock.opening) / clock.ticks
        # the whole reward is the last step, and not a rounding error more
        tick = jnp.ceil(jnp.maximum(asked - clock.opening, 0) / step - 1e-9)
        same = (tick == tick[0]).sum()
        won = tick[0] <= clock.ticks
        # of those who seal in one block the builder puts any first
        pick = jax.random.randint(jax.random.fold_in(key, ~number), (), 0, same)
        paid = jnp.where(won, clock.opening + tick[0] * step, jnp.nan)
        return order[0], jnp.asarray(second), paid, jnp.where(won, order[pick], jnp.nan)

    found: tuple[Array, Array, Array, Array] = lax.map(one, numbers)
    return found
