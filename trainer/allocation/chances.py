"""What a seal is worth: how accurate a training run will be, who may come before it, and what that pays.

Accuracy. A profile says of each target accuracy with which chance a run reaches it at all, and how long that takes
(10 %, 50 % and 90 % quantile). Between the quantiles the time is taken as log-normal on either side of the median. So
a run of some seconds has, for each target, a chance to be that accurate; what lies between two targets counts as the
lower one, and what is below the lowest as never good enough. The hold-out's right answers are binomial around that.

Rivals. Each is taken to be as good as this rig: what they have, nobody can know. Further seals come as a Poisson
process; its rate is the mean of what was seen and of one seal a commit window that never was seen, weighed by their
lengths: (seals + 1) / (seconds since opening + window). `Rivals` is where to put another model.

    FIRST   wins who reaches the threshold with the lowest seal: every seal before has to miss it
    BEST    wins the best of all that reach it: one in as many as there will be
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

from trainer.agent.odds import MISHAP, reaches
from trainer.allocation.offers import Offer
from trainer.calibration.profile import PresetProfile, Target
from trainer.protocol import Rule

SURE = 10**7
"""Rows behind an accuracy in `reaches`: as many as leave nothing uncertain, since a belief has that already."""
Z90 = NormalDist().inv_cdf(0.9)
MOST_RIVALS = 400
"""Terms of a Poisson sum."""


@dataclass(frozen=True, kw_only=True)
class Belief:
    """Accuracies, in [0, 1], and the chance of each; what is missing to 1 is not accurate enough for anything."""

    parts: tuple[tuple[float, float], ...]

    def reach(self, threshold: int, samples: int) -> float:
        """Chance of `threshold` right answers or more among `samples`."""
        return min(
            1.0,
            math.fsum(
                chance * reaches(round(accuracy * SURE), SURE, samples, threshold) for accuracy, chance in self.parts
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training run that is long enough for a target accuracy with 90 % certainty, if that can be reached at all.

    seconds: on the device of the profile.
    """

    target: float
    seconds: float
    belief: Belief


def runs(profile: PresetProfile) -> list[Run]:
    """A run for each target that can be reached; none where nothing is known about accuracies."""
    targets = [target for target in profile.targets if target.chance and target.seconds]
    return [
        Run(target=target.accuracy, seconds=seconds, belief=belief(targets, seconds))
        for target in targets
        if (seconds := target.high or target.seconds or 0.0)
    ]


def belief(targets: Sequence[Target], seconds: float) -> Belief:
    """How accurate a run of some seconds will be."""
    survival: list[tuple[float, float]] = []
    for target in sorted(targets, key=lambda each: each.accuracy):
        chance = (target.chance or 0.0) * in_time(target, seconds)
        # what is at least as accurate as more is at least as likely as that; a profile need not say so
        survival.append((target.accuracy, min([chance, *(earlier for _, earlier in survival)])))
    beyond = [chance for _, chance in survival[1:]] + [0.0]
    return Belief(
        parts=tuple((accuracy, chance - more) for (accuracy, chance), more in zip(survival, beyond, strict=True))
    )


def in_time(target: Target, seconds: float) -> float:
    """Chance that the accuracy is reached within some seconds, if it is reached at all."""
    middle = target.seconds
    if middle is None or seconds <= 0:
        return 0.0
    edge = target.high if seconds >= middle else target.low
    spread = abs(math.log((edge or middle) / middle)) / Z90
    if spread == 0:
        return float(seconds >= middle)
    return NormalDist().cdf(math.log(seconds / middle) / spread)


class Rivals(Protocol):
    """Who else seals a model, and how good it is."""

    def spared(self, offer: Offer, reach: float, now: float, at: float) -> float:
        """Chance, seen from `now`, that whoever wins with a model that reaches does so with a seal of second `at`."""
        ...


@dataclass(frozen=True)
class PoissonRivals:
    """Rivals come at the rate seen so far; each is as good as oneself."""

    def rate(self, offer: Offer, now: float) -> float:
        """Seals a second, from now on."""
        return (offer.seals + 1) / (max(now - offer.opens, 0.0) + offer.closes - offer.opens)

    def spared(self, offer: Offer, reach: float, now: float, at: float) -> float:
        """See `Rivals.spared`."""
        rate = self.rate(offer, now)
        if offer.rule == Rule.FIRST:
            # a Poisson process of which the part `reach` counts, after those that are there
            return (1 - reach) ** offer.seals * math.exp(-rate * reach * max(at - now, 0.0))
        expected = rate * max(offer.closes - now, 0.0)
        return _mean_share(1 + offer.seals, expected)


def _mean_share(least: int, expected: float) -> float:
    """Mean of 1 / (least + K), K being Poisson."""
    if expected > MOST_RIVALS / 2:
        return 1 / (least + expected)
    total, weight = 0.0, math.exp(-expected)
    for count in range(MOST_RIVALS):
        total += weight / (least + count)
        weight *= expected / (count + 1)
    return total


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What a seal of some second is worth, in currency, electricity aside.

    chance:   of winning.
    reward:   that is paid if it wins.
    expected: rewards less fees, gas and bonds that are lost by mishap.
    spread:   standard deviation of the payoff.
    """

    chance: float
    reward: float
    expected: float
    spread: float


def seal(offer: Offer, reach: float, rivals: Rivals, *, now: float, at: float) -> Seal:
    """What is to be expected, now, of a seal that is committed at a second.

    reach: chance that its model reaches the threshold.
    """
    chance = reach * rivals.spared(offer, reach, now, at)
    reward = offer.reward_at(at)
    gas = offer.gas.always + reach * offer.gas.claim + chance * offer.gas.won + (1 - chance) * offer.gas.lost
    mishap = reach * float(MISHAP)
    payoff = chance * reward - mishap * offer.bond
    square = chance * reward**2 + mishap * offer.bond**2
    return Seal(
        chance=chance,
        reward=reward,
        expected=payoff - offer.fee - gas * offer.gas_price,
        spread=math.sqrt(max(0.0, square - payoff**2)),
    )
