"""What a seal is worth: accuracies from a profile, rivals as they come, rewards that rise."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent_terms import ENDS, ME, OTHER, challenge, terms
from tests.agent_terms import seal as sealed
from trainer.agent.odds import MISHAP, Gas
from trainer.allocation.chances import Belief, PoissonRivals, belief, in_time, runs, seal
from trainer.allocation.feed import Feed
from trainer.allocation.offers import AUDIT_GAS_A_SAMPLE, Offer, fits, from_index, usual_gas
from trainer.calibration.profile import PresetProfile, Target
from trainer.protocol import Phase, Rule

NONE = Gas(always=0, claim=0, won=0, lost=0)
TARGETS = (
    Target(accuracy=0.8, seconds=100.0, low=50.0, high=400.0, chance=0.9),
    Target(accuracy=0.9, seconds=1000.0, low=500.0, high=1500.0, chance=0.6),
)


def offer(**changes: object) -> Offer:
    base = Offer(
        id=7,
        rule=Rule.FIRST,
        opening=100.0,
        reward=100.0,
        bond=50.0,
        fee=1.0,
        opens=0,
        closes=10_000,
        threshold=80,
        samples=100,
        seals=0,
        presets=("digits-64-32",),
        gas=NONE,
        gas_price=0.0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_times_have_the_quantiles_of_the_profile() -> None:
    for target in TARGETS:
        assert target.seconds
        assert target.low
        assert target.high
        assert in_time(target, target.low) == pytest.approx(0.1)
        assert in_time(target, target.seconds) == pytest.approx(0.5)
        assert in_time(target, target.high) == pytest.approx(0.9)
    assert in_time(TARGETS[0], 0) == 0
    sharp = Target(accuracy=0.8, seconds=100.0, low=100.0, high=100.0, chance=1.0)
    assert [in_time(sharp, seconds) for seconds in (99, 100)] == [0, 1]


def test_a_run_is_as_accurate_as_its_length_and_luck_allow() -> None:
    # at 1500 s the higher accuracy has its 90 % of 60 %; the lower one nearly all of its 90 %
    low, high = belief(TARGETS, 1500).parts
    assert high == (0.9, pytest.approx(0.54))
    assert low[0] == 0.8
    assert low[1] + high[1] == pytest.approx(0.9 * in_time(TARGETS[0], 1500))
    # the chances say nothing that contradicts itself, whatever a profile says
    odd = (TARGETS[0], replace(TARGETS[1], chance=1.0, seconds=60.0, low=50.0, high=70.0))
    assert all(chance >= 0 for _, chance in belief(odd, 100).parts)


def test_reaching_a_threshold_is_a_binomial_within_each_accuracy() -> None:
    parts = ((0.8, 0.3), (0.9, 0.5))
    by_hand = sum(
        chance * sum(math.comb(20, k) * p**k * (1 - p) ** (20 - k) for k in range(17, 21)) for p, chance in parts
    )
    assert Belief(parts=parts).reach(17, 20) == pytest.approx(by_hand, rel=1e-4)
    assert Belief(parts=parts).reach(0, 20) == pytest.approx(0.8)
    assert Belief(parts=()).reach(1, 20) == 0


def test_a_profile_gives_a_run_for_each_target_in_reach() -> None:
    none = Target(accuracy=0.95, seconds=None, low=None, high=None, chance=0.0)
    unknown = Target(accuracy=0.97, seconds=None, low=None, high=None, chance=None)
    profile = PresetProfile(
        samples_per_second=1.0,
        samples_per_second_sd=0.0,
        flops_per_sample=1.0,
        runs=1,
        targets=(*TARGETS, none, unknown),
        curve=None,
    )
    assert [(run.target, run.seconds) for run in runs(profile)] == [(0.8, 400.0), (0.9, 1500.0)]
    assert runs(replace(profile, targets=(unknown,))) == []


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("there", [0, 3])
def test_rivals_are_what_a_simulation_of_them_is(rule: Rule, there: int) -> None:
    rng = np.random.default_rng(5)
    found, reach, now, at = offer(rule=rule, seals=there), 0.4, 2_000.0, 6_000.0
    rivals = PoissonRivals()
    rate = (there + 1) / (2_000 + 10_000)
    assert rivals.rate(found, now) == pytest.approx(rate)
    trials = 40_000
    if rule == Rule.FIRST:
        before = there + rng.poisson(rate * (at - now), trials)
        wins = rng.binomial(before, reach) == 0
    else:
        # all are as good, so that any of them is the best
        wins = rng.random(trials) < 1 / (1 + there + rng.poisson(rate * (10_000 - now), trials))
    chance = rivals.spared(found, reach, now, at)
    assert chance == pytest.approx(wins.mean(), abs=4 * math.sqrt(0.25 / trials))


def test_many_rivals_are_many() -> None:
    crowd = offer(rule=Rule.BEST, seals=10**6)
    assert PoissonRivals().spared(crowd, 0.5, 5_000, 5_000) == pytest.approx(1 / (1 + 10**6 * 4 / 3), rel=1e-3)


def test_a_seal_is_worth_what_it_wins_less_what_it_takes() -> None:
    found = offer(
        opening=0.0, reward=200.0, gas=Gas(always=10, claim=20, won=30, lost=40), gas_price=0.1, rule=Rule.BEST
    )

    class Nobody:
        def spared(self, offer: Offer, reach: float, now: float, at: float) -> float:
            return 0.5

    worth = seal(found, 0.8, Nobody(), now=0, at=2_500)
    gas = (10 + 0.8 * 20 + 0.4 * 30 + 0.6 * 40) * 0.1
    assert (worth.chance, worth.reward) == (0.4, 50)
    assert worth.expected == pytest.approx(0.4 * 50 - 1 - 0.8 * float(MISHAP) * 50 - gas)
    mean = 0.4 * 50 - 0.008 * 50
    assert worth.spread == pytest.approx(math.sqrt(0.4 * 50**2 + 0.008 * 50**2 - mean**2))


def test_a_reward_rises_between_its_ends() -> None:
    found = offer(opening=20.0, reward=120.0, opens=1_000, closes=2_000)
    assert [found.reward_at(now) for now in (0, 1_000, 1_250, 2_000, 9_000)] == [20, 20, 45, 120, 120]


@given(st.integers(0, 20), st.floats(0.05, 0.95), st.integers(0, 9_000))
def test_who_waits_is_paid_more_and_wins_less(seals: int, reach: float, now: int) -> None:
    found = offer(opening=0.0, seals=seals)
    times = np.linspace(now, 9_999, 7)
    worth = [seal(found, reach, PoissonRivals(), now=now, at=at) for at in times]
    assert all(one.chance >= other.chance for one, other in itertools.pairwise(worth))
    assert all(one.reward <= other.reward for one, other in itertools.pairwise(worth))


# ── from the index ──

FEED = Feed(time=0, currency="USD", ether=2_000.0, electricity=((0, 0.1),), tokens={"0x" + "a" * 40: 0.5})
FASHION = {"sample_bytes": 98, "input_bits": 4, "holdout": 8, "samples": 32, "threshold": 220}


def market(*lives: object, me: str | None = None, presets: tuple[str, ...] = ("fashion-196-64",)) -> object:
    return from_index(
        lives,  # type: ignore[arg-type]
        now=ENDS - 1_000,
        block=100,
        feed=FEED,
        gas_price=1e-6,
        decimals=lambda token: 18 if set(token[2:]) == {"0"} else 6,
        profiled=presets,
        me=me,
    )


def test_what_is_open_in_the_index_is_offered() -> None:
    found = market(challenge(Phase.COMMIT, terms=terms(**FASHION), seals=(sealed(trainer=OTHER),)))
    (only,) = found.offers  # type: ignore[attr-defined]
    assert (only.id, only.seals, only.samples, only.threshold, only.presets) == (7, 1, 256, 220, ("fashion-196-64",))
    assert (only.opens, only.closes) == (ENDS - 3_600, ENDS)
    assert (only.opening, only.reward, only.bond, only.fee) == pytest.approx((2_000, 2_000, 400, 2))
    assert only.gas.won > AUDIT_GAS_A_SAMPLE * 256
    # with a token, in its units
    token = terms(**FASHION, token="0x" + "A" * 40, reward=3 * 10**6)
    (only,) = market(challenge(Phase.COMMIT, terms=token)).offers  # type: ignore[attr-defined]
    assert only.reward == pytest.approx(1.5)


def test_what_cannot_be_entered_is_left_out_and_told() -> None:
    good = terms(**FASHION)
    assert market(challenge(Phase.REVEAL, terms=good)).offers == ()  # type: ignore[attr-defined]
    mine = market(challenge(Phase.COMMIT, terms=good, seals=(sealed(trainer=ME),)), me=ME)
    assert (mine.offers, mine.at_risk) == ((), pytest.approx(400))  # type: ignore[attr-defined]
    other = market(challenge(Phase.COMMIT, terms=terms(**{**FASHION, "sample_bytes": 9_000})))
    assert other.offers == ()  # type: ignore[attr-defined]
    assert "no preset of the profile" in other.notes[0]  # type: ignore[attr-defined]
    strange = market(challenge(Phase.COMMIT, terms=terms(**FASHION, token="0x" + "b" * 40)))
    assert strange.offers == ()  # type: ignore[attr-defined]
    assert "the feed has no price" in strange.notes[0]  # type: ignore[attr-defined]


def test_a_preset_fits_samples_of_its_shape() -> None:
    assert fits("fashion-196-64", terms(**FASHION))
    assert not fits("fashion-196-64", terms(**{**FASHION, "input_bits": 8}))
    assert not fits("fashion-196-64", terms(**FASHION, classes=7))
    assert not fits("digits-64-32", terms(**FASHION))
    assert not fits("mlp", terms(**FASHION))


def test_gas_that_a_file_does_not_name_is_that_of_a_full_audit() -> None:
    assert usual_gas(256).won > 256 * AUDIT_GAS_A_SAMPLE
