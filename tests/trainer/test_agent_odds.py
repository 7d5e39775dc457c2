"""What a challenge is worth: chances against sums, over all terms."""

from dataclasses import replace
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent_terms import ETH, challenge_terms, terms
from trainer.agent.odds import HEADROOM, MISHAP, Gas, gas_of, odds, reaches
from trainer.protocol import Rule, Terms

GAS = Gas(always=200_000, claim=100_000, won=5_000_000, lost=120_000)


def test_a_flat_posterior_gives_every_score_the_same_chance() -> None:
    # Beta(1, 1) is not reachable with halves: compare with the exact beta-binomial of Beta(1/2, 1/2) instead,
    # the arcsine law, whose pmf is C(2k, k) C(2n-2k, n-k) / 4**n
    n = 10
    exact = [comb(2 * k, k) * comb(2 * n - 2 * k, n - k) / 4**n for k in range(n + 1)]
    assert sum(exact) == pytest.approx(1)
    for threshold in range(n + 1):
        assert reaches(0, 0, n, threshold) == pytest.approx(sum(exact[threshold:]), rel=1e-9)


def test_with_many_rows_it_is_the_binomial() -> None:
    n, p, threshold = 64, 0.9, 58
    binomial = sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(threshold, n + 1))
    assert reaches(900_000_000, 10**9, n, threshold) == pytest.approx(binomial, rel=1e-3)


def test_few_rows_are_worth_less_than_many() -> None:
    # just as right, but less certain, where the threshold is below what is expected
    assert reaches(18, 20, 100, 80) < reaches(900, 1000, 100, 80) - 0.05


@given(rows=st.integers(0, 5_000), share=st.floats(0, 1), samples=st.integers(1, 8192), data=st.data())
def test_a_chance_is_one_and_falls_with_the_threshold(
    rows: int, share: float, samples: int, data: st.DataObject
) -> None:
    right = int(rows * share)
    threshold = data.draw(st.integers(0, samples + 1))
    chance = reaches(right, rows, samples, threshold)
    assert 0 <= chance <= 1
    assert reaches(right, rows, samples, threshold + 1) <= chance + 1e-12
    if right < rows:
        assert reaches(right + 1, rows, samples, threshold) >= chance - 1e-9


@given(terms=challenge_terms(), right=st.integers(0, 500), price=st.integers(1, 10**12), rivals=st.integers(0, 50))
def test_profit_is_the_expectation_to_the_wei(terms: Terms, right: int, price: int, rivals: int) -> None:
    found = odds(terms, reward=terms.reward, right=right, rows=500, rivals=rivals, gas=GAS, price=price)
    win, reach = Fraction(found.win), Fraction(found.reach)
    gas = 200_000 + reach * 100_000 + win * 5_000_000 + (1 - win) * 120_000
    exact = win * terms.reward - terms.seal_fee - reach * MISHAP * terms.trainer_bond - gas * price
    assert found.profit <= exact < found.profit + 1
    assert found.win <= found.reach
    assert found.at_risk == terms.trainer_bond + terms.seal_fee + HEADROOM * price * 5_300_000


@given(terms=challenge_terms(), right=st.integers(0, 500), price=st.integers(1, 10**12), rivals=st.integers(0, 50))
def test_more_rivals_dearer_gas_or_a_smaller_reward_never_help(
    terms: Terms, right: int, price: int, rivals: int
) -> None:
    found = odds(terms, reward=terms.reward, right=right, rows=500, rivals=rivals, gas=GAS, price=price)
    poorer = replace(terms, reward=terms.reward // 2, opening=terms.opening // 2)
    for worse in (
        odds(terms, reward=terms.reward, right=right, rows=500, rivals=rivals, gas=GAS, price=2 * price),
        odds(poorer, reward=poorer.reward, right=right, rows=500, rivals=rivals, gas=GAS, price=price),
    ):
        assert worse.profit <= found.profit
    more = odds(terms, reward=terms.reward, right=right, rows=500, rivals=rivals + 1, gas=GAS, price=price)
    if terms.reward > (GAS.won - GAS.lost) * price:
        assert more.profit <= found.profit


def test_nothing_can_be_won_where_nothing_is_right() -> None:
    found = odds(
        terms(threshold=64), reward=terms(threshold=64).reward, right=0, rows=1_000, rivals=0, gas=GAS, price=1
    )
    assert found.reach < 1e-9
    assert found.profit < 0


def test_a_token_is_worth_what_it_is_said_to_be() -> None:
    rich = odds(terms(), reward=terms().reward, right=95, rows=100, rivals=0, gas=GAS, price=10**9)
    poor = odds(
        terms(), reward=terms().reward, right=95, rows=100, rivals=0, gas=GAS, price=10**9, rate=Fraction(1, 10**6)
    )
    assert rich.profit > ETH // 2
    assert poor.profit < 0
    assert poor.at_risk < rich.at_risk


def test_gas_of_a_life_is_no_less_than_was_measured() -> None:
    # 784-32-10 on 32 groups of 32 took 1,283,495 to unseal and 56,973,183 to audit
    gas = gas_of(terms(holdout=32), 13_832, 56_973_183)
    assert gas.won > 1_283_495 + 56_973_183 + 89_096 + 36_812
    assert gas.most == gas.always + gas.claim + gas.won


def test_where_the_first_wins_every_earlier_seal_has_to_miss() -> None:
    first = terms(rule=Rule.FIRST)
    alone, second, third = (
        odds(first, reward=ETH, right=70, rows=100, rivals=rivals, gas=GAS, price=1) for rivals in range(3)
    )
    assert alone.win == alone.reach
    assert 0.5 < alone.reach < 1
    assert second.win == pytest.approx(alone.reach * (1 - alone.reach))
    assert third.win == pytest.approx(alone.reach * (1 - alone.reach) ** 2)
    best = odds(terms(), reward=ETH, right=70, rows=100, rivals=2, gas=GAS, price=1)
    assert best.win == pytest.approx(best.reach / 3)
