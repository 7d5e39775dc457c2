"""What a challenge is worth to somebody with a trained model: a chance, against what it takes and what it risks.

The rows a model is judged on were drawn from the same shuffle as the hold-out, and trained nothing. With `right` of
`rows` of them right the accuracy has the posterior Beta(right + 1/2, wrong + 1/2) (Jeffreys), so the right answers in
the hold-out are beta-binomial: the binomial's spread, and that of the estimate.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from trainer.protocol import Rule, Terms

MISHAP = Fraction(1, 100)
"""Part of the chances in which a leading claim loses its bond all the same: a node, a machine or a fee fails it."""
HEADROOM = 2
"""What is set aside for gas, in times of the present price."""
COMMIT_GAS, CLAIM_GAS, SETTLE_GAS, RELEASE_GAS, WITHDRAW_GAS = 200_000, 100_000, 115_000, 85_000, 40_000
UNSEAL_GAS, UNSEAL_BYTE_GAS, UNSEAL_SLOT_GAS = 700_000, 60, 5_000
"""Gas of the market's calls, rounded up from `python -m bench.market` and `python -m bench.evaluation`."""


@dataclass(frozen=True, kw_only=True)
class Gas:
    """Gas of what is yet to do: `always`, with a `claim`, having `won`, or having `lost`."""

    always: int
    claim: int
    won: int
    lost: int

    @property
    def most(self) -> int:
        """Gas of the dearest way through."""
        return self.always + self.claim + max(self.won, self.lost)


@dataclass(frozen=True, kw_only=True)
class Odds:
    """What to expect of a challenge; amounts in wei.

    right, rows: how the model did on rows that it was not trained on.
    reach:       chance that it reaches the threshold, in [0, 1].
    win:         chance that it wins: the best of as many as there are, or the first of those that reach it.
    profit:      expected profit; negative for a loss.
    at_risk:     bond and fee, and what is set aside for gas.
    """

    right: int
    rows: int
    reach: float
    win: float
    profit: int
    at_risk: int


def gas_of(terms: Terms, model_bytes: int, audit: int) -> Gas:
    """Gas of a life from the commit to the withdrawal.

    audit: of the full audit; 0 where the terms demand none.
    """
    unseal = UNSEAL_GAS + UNSEAL_BYTE_GAS * model_bytes + UNSEAL_SLOT_GAS * terms.holdout
    return Gas(
        always=COMMIT_GAS,
        claim=CLAIM_GAS,
        won=unseal + audit + SETTLE_GAS + WITHDRAW_GAS,
        lost=RELEASE_GAS + WITHDRAW_GAS,
    )


def reaches(right: int, rows: int, samples: int, threshold: int) -> float:
    """Chance of `threshold` right answers or more among `samples`, after `right` of `rows`; in [0, 1]."""
    assert 0 <= right <= rows, "no more can be right than there are"
    a, b = right + 0.5, rows - right + 0.5
    if threshold <= 0:
        return 1.0
    if threshold > samples:
        return 0.0
    tail = math.fsum(math.exp(_log(samples, k, a, b)) for k in range(threshold, samples + 1))
    return min(max(tail, 0.0), 1.0)


def _log(n: int, k: int, a: float, b: float) -> float:
    """Logarithm of the beta-binomial probability of k among n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + _beta(k + a, n - k + b) - _beta(a, b)


def _beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def odds(
    terms: Terms,
    *,
    reward: int,
    right: int,
    rows: int,
    rivals: int,
    gas: Gas,
    price: int,
    rate: Fraction = Fraction(1),
) -> Odds:
    """What to expect of sealing a model in a challenge.

    reward: what the seal would win, in the token's smallest unit.
    rivals: who sealed already, each of whom is taken to be as good: what they have, nobody can know.
    price:  wei a gas.
    rate:   wei that the smallest unit of the challenge's token is worth.
    """
    reach = reaches(right, rows, terms.holdout * terms.samples, terms.threshold)
    # where the first wins, every earlier seal has to miss the threshold
    win = reach * (1 - reach) ** rivals if terms.rule == Rule.FIRST else reach / (1 + rivals)
    # exact from here on: whether a sum of wei is below zero is no matter of rounding
    likely, winning = Fraction(reach), Fraction(win)
    spent = gas.always + likely * gas.claim + winning * gas.won + (1 - winning) * gas.lost
    gain = winning * reward * rate
    bond, fee = terms.trainer_bond * rate, terms.seal_fee * rate
    return Odds(
        right=right,
        rows=rows,
        reach=reach,
        win=win,
        profit=math.floor(gain - fee - likely * MISHAP * bond - spent * price),
        at_risk=math.ceil(bond + fee + HEADROOM * gas.most * price),
    )
