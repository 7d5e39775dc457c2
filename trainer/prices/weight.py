"""How much a payment counts: as much as it certainly cost, and no account more than its share.

A reward proves nothing. A poster knows the hold-out and can win his own challenge, under any name: the reward goes
round. What does not come back is gas and the burned seal fee. So a payment weighs what poster and winner together
certainly lost in it, in wei: whoever invents payments of some weight has paid that weight. Fees that rivals burned are
left out, since a poster can lure rivals; so are gas prices above the stated one.

One account's payments weigh no more than a share of the whole, so that no single poster or winner is the price.
Accounts are free: whoever has many has many shares, and then only the cost of the weight is in his way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError
from trainer.prices.facts import GAS, Payment
from trainer.protocol import ETHER

Weights = npt.NDArray[np.float64]
Accounts = npt.NDArray[np.int64]
ROUNDS = 60
"""How often the caps of posters and of winners take turns."""
CLOSE = 1e-9
GWEI = 10**9


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What counts, and how much.

    share:     of a window's weight that one poster, and one winner, may have at most; above 0, up to 1.
    rivals:    how many accounts other than poster and winner must have sealed a model.
    gas_price: wei that a gas is taken to cost at least.

    Construction raises `DataError` that names the value.
    """

    share: float = 0.25
    rivals: int = 0
    gas_price: int = GWEI

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise DataError(f"share {self.share}; use a part above 0 and up to 1, such as 0.25")
        if self.rivals < 0:
            raise DataError(f"rivals {self.rivals}; use 0 or more")
        if self.gas_price < 0:
            raise DataError(f"gas price {self.gas_price}; use 0 or more wei")

    def lost(self, payment: Payment) -> int:
        """Wei that poster and winner certainly lost in a payment.

        A seal fee in a token is left out: nobody says what the token is worth, and anyone can make one.
        """
        fee = payment.seal_fee if payment.token == ETHER else 0
        return fee + payment.gas * self.gas_price

    @property
    def least(self) -> int:
        """Wei that the cheapest payment there can be costs, which somebody invents: one group, and no audit."""
        calls = ("post", "commit", "reveal", "claim", "unseal")
        return sum(GAS[call] for call in calls) * self.gas_price

    def refusal(self, payment: Payment) -> str:
        """Why a payment does not count at all: `own`, `rivals` or `free`; empty if it does."""
        if payment.poster == payment.winner:
            return "own"
        if payment.rivals < self.rivals:
            return "rivals"
        return "" if self.lost(payment) else "free"


def numbered(names: Sequence[Any]) -> Accounts:
    """Accounts as numbers from 0 on, in the order in which they first appear."""
    places: dict[Any, int] = {}
    return np.array([places.setdefault(name, len(places)) for name in names], np.int64)


def capped(lost: Weights, posters: Accounts, winners: Accounts, share: float) -> Weights:
    """Weights of which no poster and no winner has more than a share.

    lost:    weights above 0, shape (n,).
    posters: whose payment each is, numbers from 0 on, shape (n,); winners the same.

    With so few posters (or winners) that they cannot all keep below the share, all of them have the same. Where both
    cannot be had at once the last of them holds: `largest` tells what came of it.
    """
    weights = lost
    for _ in range(ROUNDS):
        weights = _limited(weights, posters, share)
        again = _limited(weights, winners, share)
        if np.array_equal(again, weights):
            break
        weights = again
    return weights


def largest(weights: Weights, accounts: Accounts) -> float:
    """The largest part of the weight that one account has."""
    return float(np.bincount(accounts, weights).max() / weights.sum())


def _limited(weights: Weights, accounts: Accounts, share: float) -> Weights:
    """Every account's weights times what leaves it at the limit, if it is above."""
    sums = np.bincount(accounts, weights).astype(np.float64)
    limit = _limit(np.sort(sums)[::-1], share)
    scale = np.where(sums > limit * (1 + CLOSE), limit / sums, 1.0)
    return weights if (scale == 1.0).all() else weights * scale[accounts]


def _limit(sums: Weights, share: float) -> float:
    """The largest that any sum may keep so that none has more than a share of what is kept of all.

    sums: above 0, the largest first.
    """
    if len(sums) * share <= 1:
        return float(sums[-1])
    # with the k largest at the limit: limit = share * (k * limit + the others)
    for k in range(len(sums)):
        limit = share * float(sums[k:].sum()) / (1 - k * share)
        if sums[k] <= limit * (1 + CLOSE):
            return limit
    raise AssertionError("more than 1 / share accounts cannot all be above it")
