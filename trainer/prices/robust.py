"""Weighted quantiles, and how far lies and fakes can move them.

The price of a window is the weighted median of its payments: whoever has less than half of the weight moves it only
from one honest price to another, whatever he says. How far that is, and what half of the weight costs, is computed
here.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.prices.weight import Accounts, Weights, capped

Values = npt.NDArray[np.float64]
CLOSE = 1e-12
"""Part of the weight that is taken for rounding."""
MOVE = 0.1
"""How far a price is moved whose cost is told."""
BISECTIONS = 50
DRAWS = 400
"""Samples of the bootstrap."""
FEW = 5
"""Payments below which it says nothing."""
INTERVAL = 0.9


def quantile(values: Values, weights: Weights, part: float) -> float:
    """The value below which a part of the weight lies; between two values where exactly there a new one begins.

    values: shape (n,), n above 0; weights: above 0, shape (n,); part: in [0, 1].
    """
    low, high = around(values, weights, part * float(weights.sum()))
    return low if low == high else low + (high - low) / 2


def around(values: Values, weights: Weights, level: float) -> tuple[float, float]:
    """The values on both sides of a weight, counted from the lowest value: one and the same unless it lies between two.

    level: 0 to the sum of the weights.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    slack = CLOSE * float(reached[-1])
    last = len(order) - 1
    low = min(int(np.searchsorted(reached, level - slack)), last)
    high = min(int(np.searchsorted(reached, level + slack)), last)
    return float(values[order[low]]), float(values[order[high]])


def interval(values: Values, weights: Weights, seed: int) -> tuple[float, float] | None:
    """Where the median lies in nine of ten samples drawn from the payments with repetition; None for a few payments.

    seed: of the draws, so that the same payments always give the same interval.
    """
    count = len(values)
    if count < FEW:
        return None
    order = np.argsort(values, kind="stable")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    reached = np.cumsum(drawn * weights[order], axis=1)
    places = (reached < reached[:, -1:] / 2 * (1 - CLOSE)).sum(axis=1)
    medians = np.sort(values[order][places])
    edge = (1 - INTERVAL) / 2
    return float(medians[math.floor(edge * DRAWS)]), float(medians[math.ceil((1 - edge) * DRAWS) - 1])


def one_liar(values: Values, weights: Weights, winners: Accounts) -> tuple[float | None, float | None]:
    """Between which values the median stays, whatever any one winner says of his payments, or keeps to himself.

    None where nothing bounds it: one winner has half of the weight.

    With weight s of his moved below everything, at most s more lies below any value than did before; so the new median
    is no lower than where the old weights reach half of their sum less s. Silence moves less than that.
    """
    own, half = float(np.bincount(winners, weights).max()), float(weights.sum()) / 2
    if own >= half * (1 - CLOSE):
        return None, None
    return around(values, weights, half - own)[0], around(values, weights, half + own)[1]


@dataclass(frozen=True, kw_only=True)
class Push:
    """What it takes to move a price by `MOVE` with invented payments at the price wanted.

    cost:     weight that must be paid, in wei: whatever is less does not do, whatever is more does.
    accounts: posters, and as many winners, that this takes at least because of the caps.
    """

    cost: float
    accounts: int


def push(
    values: Values, lost: Weights, posters: Accounts, winners: Accounts, share: float, *, up: bool, by: float = MOVE
) -> Push:
    """The cheapest way to move the median up, or down, by a part of itself, with accounts that nobody knows yet.

    lost: weights before the caps.
    """
    weights, whole = capped(lost, posters, winners, share), float(lost.sum())
    wanted = quantile(values, weights, 0.5) * (1 + by if up else 1 - by)
    behind = values < wanted if up else values > wanted

    def enough(cost: float) -> bool:
        # what is invented is part of what was lost, so it loosens the caps of all; its accounts are too many for any
        found = capped(lost, posters, winners, share * (1 + cost / whole))
        return cost + float(found[~behind].sum()) >= float(found[behind].sum())

    low, high = 0.0, whole
    if np.array_equal(weights, lost):
        high = low = max(0.0, 2 * float(lost[behind].sum()) - whole)
    elif enough(0.0):
        high = low
    else:
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (low, middle) if enough(middle) else (middle, high)
    return Push(cost=high, accounts=max(1, math.ceil(high / (share * (whole + high)) * (1 - CLOSE))))
