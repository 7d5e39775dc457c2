"""The rising reward alone: the textbook's asks, what they clear at, and two seals of one trainer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.errors import DataError
from trainer.simulation.auction import Clock, ask, clear
from trainer.simulation.costs import KINDS, Costs
from trainer.simulation.splitting import best, least_fee, unsold

FLOORED = {
    "uniform": Costs(kind="uniform", lowest=1.0, spread=1.0),
    "exponential": Costs(kind="exponential", lowest=1.0, spread=1.0),
    "pareto": Costs(kind="pareto", lowest=1.0, spread=0.5),
}


def asked(costs: Costs, cost: float | np.ndarray, entrants: int, reward: float = 1e6) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(ask(costs, jnp.asarray(cost, jnp.float64), entrants, reward))


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_and_survival_are_inverse(kind: str) -> None:
    costs = Costs(kind=kind, lowest=2.0, spread=0.7)
    shares = np.linspace(0.01, 0.99, 50)
    with jax.enable_x64(True):
        assert np.allclose(costs.above(costs.upper(jnp.asarray(shares))), shares, rtol=1e-9)
    assert float(costs.above(jnp.float32(2.0))) == 1.0
    assert float(costs.above(jnp.float32(1.0))) == 1.0


def test_asks_are_those_of_the_textbook() -> None:
    cost = np.array([1.0, 1.3, 1.9])
    for entrants in (2, 3, 10, 500):
        # uniform on [1, 2]: c + (2 - c) / n; exponential: no memory, so the same on top of any cost
        assert np.allclose(asked(FLOORED["uniform"], cost, entrants), cost + (2 - cost) / entrants, rtol=1e-4)
        assert np.allclose(asked(FLOORED["exponential"], cost, entrants), cost + 1 / (entrants - 1), rtol=1e-3)


def test_asks_are_the_second_lowest_cost_to_be_expected() -> None:
    rng = np.random.default_rng(0)
    for costs in FLOORED.values():
        for entrants, mine in ((2, 1.4), (8, 1.1)):
            above = float(costs.above(jnp.float32(mine)))
            with jax.enable_x64(True):
                rivals = np.asarray(costs.upper(jnp.asarray(above * (1 - rng.random((40_000, entrants - 1))))))
            second = np.minimum(rivals.min(axis=1), 3.0)
            assert abs(asked(costs, mine, entrants, 3.0) - second.mean()) < 5 * second.std() / 200


@given(
    kind=st.sampled_from(KINDS),
    spread=st.floats(0.1, 2),
    share=st.floats(1e-6, 1),
    entrants=st.integers(1, 3000),
    reward=st.floats(1.01, 50),
)
def test_nobody_asks_for_less_than_costs_or_more_than_there_is(
    kind: str, spread: float, share: float, entrants: int, reward: float
) -> None:
    costs = Costs(kind=kind, spread=spread)
    with jax.enable_x64(True):
        cost = float(costs.upper(jnp.float64(share)))
    found = float(asked(costs, cost, entrants, reward))
    assert cost <= found <= max(cost, reward) * (1 + 1e-12)
    more = float(asked(costs, cost, entrants + 1, reward))
    assert more <= found * (1 + 1e-9)


@pytest.mark.parametrize(("name", "waits"), [*((name, True) for name in FLOORED), ("uniform", False)])
def test_the_reward_clears_at_the_lowest_cost_as_entrants_grow(name: str, waits: bool) -> None:
    ratios = [clear(FLOORED[name], entrants, waits=waits, trials=300).ratio for entrants in (2, 50, 500)]
    if waits:
        assert ratios == sorted(ratios, reverse=True)
        assert ratios[0] > 1.15
    assert 1 <= ratios[-2] <= 1.05
    assert 1 <= ratios[-1] <= 1.01


def test_it_does_not_where_costs_reach_down_to_nothing() -> None:
    # of uniform costs from 0 the second lowest is twice the lowest, in the mean, however many there are
    nothing = Costs(kind="uniform", lowest=0.0, spread=1.0)
    for entrants in (2, 100):
        ratio = clear(nothing, entrants, clock=Clock(reward=1.5, ticks=10**7), trials=4000).ratio
        assert 1.85 < ratio < 2.15


def test_the_cheapest_wins_and_is_paid_what_it_asks() -> None:
    clock = Clock(reward=3.0, ticks=10**8)
    found = clear(FLOORED["uniform"], 7, clock=clock, trials=200)
    assert np.array_equal(found.winner, found.lowest)
    assert np.allclose(found.paid, asked(FLOORED["uniform"], found.lowest, 7, 3.0), atol=1e-7)
    # revenue equivalence: in the mean that is the second lowest cost
    many = clear(FLOORED["uniform"], 7, clock=clock, trials=4000)
    gap = many.paid - many.second
    assert abs(gap.mean()) < 5 * gap.std() / np.sqrt(4000)


def test_a_coarse_clock_lets_others_win_too() -> None:
    found = clear(FLOORED["uniform"], 20, clock=Clock(reward=3.0, ticks=6), trials=300)
    assert (found.winner > found.lowest).any()
    assert set(np.round(found.paid / 0.5, 9).tolist()) <= {2.0, 3.0, 4.0}


def test_nobody_seals_below_costs() -> None:
    clock = Clock(reward=1.2)
    for waits in (True, False):
        found = clear(FLOORED["uniform"], 3, clock=clock, trials=500, waits=waits)
        assert np.array_equal(np.isnan(found.paid), found.lowest > 1.2)
        won = np.isfinite(found.paid)
        assert 0.1 < won.mean() < 0.9
        assert (found.paid[won] >= found.winner[won]).all()


def test_who_is_alone_takes_it_all() -> None:
    found = clear(FLOORED["uniform"], 1, clock=Clock(reward=4.0), trials=50)
    assert np.allclose(found.paid, 4.0)
    assert found.second.tolist() == [np.inf] * 50


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = clear(FLOORED["uniform"], 5, trials=50)
    monkeypatch.setattr("trainer.simulation.auction.BATCH", 5 * 7)
    parts = clear(FLOORED["uniform"], 5, trials=50)
    assert np.array_equal(whole.paid, parts.paid)
    assert not np.array_equal(whole.paid, clear(FLOORED["uniform"], 5, trials=50, seed=1).paid)


CLOCK = Clock(reward=3.0)


@pytest.mark.parametrize("entrants", [2, 5, 30])
@pytest.mark.parametrize("name", FLOORED)
def test_asks_are_best_against_others_who_ask_so(name: str, entrants: int) -> None:
    costs = FLOORED[name]
    found = best(costs, 1.1, entrants, fee=10.0, clock=CLOCK)
    assert abs(found.first - asked(costs, 1.1, entrants, CLOCK.reward)) <= 0.01
    assert found.gain == 0 or found.split < found.honest


def test_two_seals_are_worth_what_playing_them_brings() -> None:
    costs, entrants, fee, trials = FLOORED["exponential"], 4, 0.02, 40_000
    found = best(costs, 1.05, entrants, fee, clock=CLOCK)
    assert found.gain > 0
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        drawn = np.asarray(costs.upper(jnp.asarray(1 - rng.random((trials, entrants - 1)))))
        rivals = np.asarray(ask(costs, jnp.asarray(drawn.min(axis=1)), entrants, CLOCK.reward))
    for early, late, expected in ((found.early, found.late, found.split), (found.first, None, found.honest)):
        money = np.zeros(trials)
        first = rivals > early
        money[first] += early - 1.05
        if late is not None:
            money[rivals > late] += late - early - fee
        assert abs(money.mean() - expected) < 5 * money.std() / np.sqrt(trials) + 0.003


def test_the_least_fee_is_where_the_gain_ends() -> None:
    for deterred in (False, True):
        fee = least_fee(FLOORED["uniform"], 1.2, 5, clock=CLOCK, deterred=deterred)
        dearer, cheaper = (
            best(FLOORED["uniform"], 1.2, 5, fee + change, clock=CLOCK, deterred=deterred) for change in (1e-3, -2e-3)
        )
        assert dearer.gain <= 0.01 * dearer.honest
        assert cheaper.gain > 0.01 * cheaper.honest


def test_rivals_who_stay_away_leave_the_whole_reward() -> None:
    found = best(FLOORED["uniform"], 1.2, 5, 0.01, clock=CLOCK, deterred=True)
    # the first seal comes before anybody else's, however early, and the second at the end
    assert found.early < asked(FLOORED["uniform"], 1.0, 5, 3.0)
    assert found.late == 3.0
    assert found.split == pytest.approx(3.0 - 1.2 - 0.01)
    # more rivals do not help then, and do where they seal all the same
    shy = [least_fee(FLOORED["uniform"], 1.01, n, clock=CLOCK, deterred=True) for n in (3, 300)]
    bold = [least_fee(FLOORED["uniform"], 1.01, n, clock=CLOCK) for n in (3, 300)]
    assert shy[1] >= shy[0] > 1
    assert bold[1] < bold[0] / 10


def test_the_chance_that_nobody_has_sealed_falls_from_one_to_nothing() -> None:
    rewards = np.linspace(0, 3, 50)
    found = unsold(FLOORED["uniform"], 6, CLOCK, rewards)
    assert found[0] == 1
    assert (np.diff(found) <= 1e-12).all()
    assert found[-1] < 1e-6
    assert unsold(FLOORED["uniform"], 1, CLOCK, rewards).tolist() == [1.0] * 50


@settings(max_examples=10)
@given(ticks=st.sampled_from([0, -1, 2**31]))
def test_clocks_that_do_not_run_are_refused(ticks: int) -> None:
    with pytest.raises(DataError, match="^ticks: "):
        Clock(ticks=ticks)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(DataError, match="^opening, reward: 3 and 2 do not rise; use 0 <= opening < reward$"):
        Clock(opening=3, reward=2)
    with pytest.raises(DataError, match="^kind: no distribution is named 'normal'; use one of uniform"):
        Costs(kind="normal")
    with pytest.raises(DataError, match="^lowest: -1 is out of range"):
        Costs(lowest=-1)
    with pytest.raises(DataError, match="^spread: 0 is out of range"):
        Costs(spread=0)
    with pytest.raises(DataError, match="^lowest: 0 leaves a Pareto"):
        Costs(kind="pareto", lowest=0)
    with pytest.raises(DataError, match="^entrants: 0 is out of range"):
        clear(Costs(), 0)
    with pytest.raises(DataError, match="^trials: 0 is out of range"):
        clear(Costs(), 2, trials=0)
    with pytest.raises(DataError, match="^entrants, fee: 2 and -1; use"):
        best(Costs(), 1, 2, -1, clock=CLOCK)
