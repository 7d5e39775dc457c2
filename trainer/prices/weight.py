"""How much a payment counts: as much as it certainly cost, and no account more than its share.

A reward proves nothing. A poster knows the hold-out and can win his own challenge, under any name: the reward goes
round. What does not come back is gas and the burned seal fee. So a payment weighs what poster and winner together
certainly lost in it, in wei: whoever invents payments of some weight has paid that weight. Fees that rivals burned are
left out, since a poster can lure rivals; so are gas prices above the stated one.

One account's payments weigh no more than a share of what all lost in a window: to be half of the price, one account has
to lose several times what all others did (with a quarter, three times). The share is one of what was lost, not of what
is left under the caps: else whoever has many accounts, which are free, could shrink the weight of honest ones to that
of his own for next to nothing. With many accounts half of the price costs as much as all others lost, and if the
others are a single account, a third of it.
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
GWEI = 10**9


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What counts, and how much.

    share:     of what was lost in a window, how much one poster, and one winner, may weigh; above 0, up to 1.
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
    """Weights, where all payments of one poster, or of one winner, weigh no more than a share of what all lost.

    lost:    weights above 0, shape (n,).
    posters: whose payment each is, numbers from 0 on, shape (n,); winners the same.
    """
    limit = share * float(lost.sum())
    kept = (np.minimum(1.0, limit / np.bincount(accounts, lost))[accounts] for accounts in (posters, winners))
    return lost * np.minimum(*kept)


def largest(weights: Weights, accounts: Accounts) -> float:
    """The largest part of the weight that one account has."""
    return float(np.bincount(accounts, weights).max() / weights.sum())
