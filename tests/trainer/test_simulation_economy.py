"""The economy: against the same rules in plain loops, its limits, and that nothing is lost."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.simulation_by_hand import Economy
from trainer.errors import DataError
from trainer.simulation import economy, population, report
from trainer.simulation.run import simulate
from trainer.simulation.settings import Settings

SMALL = Settings(miners=12, challenges=25, hours=400, window=60, work=5e19, cards=20, seed=3)
# rigs that are alike but for their costs, nothing to pay but training, and time enough to wait
PLAIN = Settings(
    miners=300, challenges=40, hours=2920, cards=400, window=800, window_spread=0.0, work=5e20, work_spread=0.2,
    price=1.0, price_spread=0.1, reach=1.0, mishap=0.0, fee=0.0, seal_gas=0.0, win_gas=0.0, capital=0.0,
    card_spread=0.2, coin_volatility=0.1, hash_spread=0.1, train_spread=0.1,
    day_swing=0.0,
)  # fmt: skip
# more to train for than the few rigs can do
BUSY = replace(
    PLAIN, hash_spread=0.25, train_spread=0.35, miners=60, challenges=700, cards=30, window=300, rule="best", price=0.5,
    work=5e19, day_swing=0.2,
)  # fmt: skip


@cache
def ended(settings: Settings) -> report.Run:
    return simulate(settings)


VARIETY = {
    "the lowest seal, rising": SMALL,
    "the lowest seal, flat": replace(SMALL, opening=1.0),
    "the best score, flat": replace(SMALL, rule="best", opening=1.0, price=2.0),
    "the best score, rising": replace(SMALL, rule="best", opening=0.3, price=2.0),
    "both, in a crowd": replace(SMALL, rule="both", miners=60, challenges=60, price=3.0, reach=0.6, seed=4),
    "many fail": replace(SMALL, reach=0.5, mishap=0.4, bond=1.5, price=5.0, seed=5),
    "a wild coin": replace(SMALL, coin_volatility=5.0, coin_return=0.0, difficulty_lag=5, day_swing=0.9, rule="both"),
    "few watch": replace(SMALL, watching=0.3, rule="both"),
    "slow rigs": replace(SMALL, cards=3, window=200, price=2.0, rule="both"),
    "nothing to train for": replace(SMALL, challenges=0),
    "nobody to train": replace(SMALL, watching=0.0),
}


@pytest.mark.parametrize("name", VARIETY)
def test_the_economy_is_that_of_plain_loops(name: str) -> None:
    run = ended(VARIETY[name])
    hand = Economy(run.world)
    assert {key: int(value) for key, value in run.state.ledger._asdict().items()} == hand.ledger
    for field in ("wealth", "by_training", "mined", "trained", "off"):
        assert getattr(run.state.purses, field).tolist() == [getattr(rig, field) for rig in hand.rigs], field
    for field in economy.Outcomes._fields:
        expected = [hand.outcomes[number][field] for number in range(run.settings.challenges)]
        assert getattr(run.state.outcomes, field).tolist() == expected, field
    assert list(zip(*(part.tolist() for part in run.hours), strict=True)) == hand.noted


def test_the_variety_shows_every_case() -> None:
    outcomes = {name: ended(settings).state.outcomes for name, settings in VARIETY.items()}
    for field in ("seals", "stopped", "bonds", "entrants"):
        assert any((getattr(one, field) > 1).any() for one in outcomes.values()), field
    assert any((one.winner < 0).any() for one in outcomes.values())
    assert any((one.entrants == population.ENTRANTS).any() for one in outcomes.values())
    assert any(run.hours.mining.min() < run.settings.miners for run in map(ended, VARIETY.values()))


@pytest.mark.parametrize("name", VARIETY)
def test_nothing_is_lost_and_nobody_is_in_two_places(name: str) -> None:
    run = ended(VARIETY[name])
    assert report.balance(run.state) == 0
    assert report.idle_or_busy(run.state, run.settings.hours)
    assert run.state.outcomes.hours.sum() == run.state.purses.trained.sum() == run.hours.training.sum()
    assert run.state.purses.mined.sum() == run.hours.mining.sum()


def test_the_balance_notices_a_millionth() -> None:
    run = ended(SMALL)
    ledger = run.state.ledger._replace(fees=run.state.ledger.fees + 1)
    assert report.balance(run.state._replace(ledger=ledger)) == -1
    purses = run.state.purses._replace(off=run.state.purses.off + (np.arange(SMALL.miners) == 3))
    assert not report.idle_or_busy(run.state._replace(purses=purses), SMALL.hours)


@pytest.mark.parametrize("chunk", [1, 37])
def test_any_chunks_give_the_same_digest(chunk: int) -> None:
    world = population.draw(VARIETY["both, in a crowd"])
    state, hours = economy.run(world, chunk=chunk)
    again = replace(ended(VARIETY["both, in a crowd"]), state=state, hours=hours)
    assert report.digest(again) == report.digest(ended(VARIETY["both, in a crowd"]))


def test_operation_by_operation_gives_the_same_digest() -> None:
    settings = replace(SMALL, rule="both", hours=48, challenges=12, miners=8, window=10, cards=200)
    world = population.draw(settings)
    runs = [economy.run(world, compiled=compiled) for compiled in (True, False)]
    first, second = (report.Run(settings=settings, world=world, state=state, hours=hours) for state, hours in runs)
    assert first.won.any()
    assert report.digest(first) == report.digest(second)


def test_another_seed_is_another_economy() -> None:
    assert report.digest(ended(SMALL)) != report.digest(ended(replace(SMALL, seed=4)))


def test_more_challenges_leave_rigs_and_coin_as_they_are() -> None:
    few, many = population.draw(SMALL), population.draw(replace(SMALL, challenges=50))
    assert (few.rigs.hash == many.rigs.hash).all()
    assert (few.subsidy == many.subsidy).all()


def test_all_mine_when_rewards_are_nil() -> None:
    run = ended(replace(SMALL, price=0.0, coin_income=0.2, fee=0.0))
    assert run.state.purses.trained.sum() == 0
    assert (run.hours.mining == SMALL.miners).all()


def test_all_are_off_when_nothing_pays() -> None:
    run = ended(replace(SMALL, price=0.0, coin_income=0.0))
    assert run.state.purses.off.sum() == SMALL.miners * SMALL.hours
    assert not run.state.purses.wealth.any()


def test_difficulty_follows_the_hash_rate() -> None:
    # at the start all mine, which pays too little for half of them
    quick, slow = (ended(replace(SMALL, challenges=0, coin_income=0.02, coin_volatility=0.0, day_swing=0.0,
                                 difficulty_lag=lag)) for lag in (10, 100))  # fmt: skip
    for run, lag in ((quick, 10), (slow, 100)):
        first, then = run.hours.difficulty[:2]
        assert run.hours.hash[0] < first
        assert then == first + (run.hours.hash[0] - first) // lag
    assert abs(quick.hours.difficulty[-1] - quick.hours.hash[-1]) < abs(quick.hours.difficulty[0] - quick.hours.hash[0])
    assert quick.hours.difficulty[5] < slow.hours.difficulty[5]


def test_nobody_trains_at_a_loss_in_expectation() -> None:
    for run in map(ended, VARIETY.values()):
        assert run.state.worst >= 0
    # without chance, and with prices that stay, what is expected is what comes
    calm = ended(replace(PLAIN, coin_volatility=0.0, day_swing=0.0, difficulty_lag=100_000, fee=0.01, seal_gas=0.5,
                         win_gas=1.0, capital=0.1, hours=2920))  # fmt: skip
    outcomes, asked, won = calm.state.outcomes, calm.world.challenges, calm.won
    interest = asked.interest * (asked.closes - outcomes.sealed) + asked.hold
    profit = outcomes.paid - outcomes.winner_spent - asked.fee - calm.world.seal_gas - calm.world.win_gas - interest
    assert won.sum() > 30
    assert (profit[won] >= 0).all()


def test_the_price_of_training_approaches_what_mining_would_have_given() -> None:
    found = {count: ended(replace(PLAIN, watching=count / 300)) for count in (1, 3, 30, 300)}
    paid = [np.nanmedian(run.prices()) for run in found.values()]
    assert paid == sorted(paid, reverse=True)
    # who is alone waits for the last hour
    alone = found[1]
    sealed = alone.state.outcomes.sealed[alone.won]
    assert np.median(sealed - alone.world.challenges.closes[alone.won]) == -1
    assert paid[0] > 1.5 * np.nanmedian(alone.costs())
    crowd = found[300]
    # the second lowest cost, and a step of the reward; these rigs' lowest two are some percents apart
    outcomes, won = crowd.state.outcomes, crowd.won
    assert np.median(outcomes.paid[won] / outcomes.second[won]) < 1.05
    assert np.median(outcomes.paid[won] / outcomes.least[won]) < 1.08
    # and it is the cheapest who gets it
    assert np.mean(outcomes.winner_spent[won] / outcomes.least[won]) < 1.03


def test_a_flat_reward_is_paid_whole_whoever_comes() -> None:
    run = ended(replace(PLAIN, opening=1.0))
    assert (run.state.outcomes.paid[run.won] == run.world.challenges.reward[run.won]).all()
    # the fastest, not the cheapest: it costs him more than it would cost others
    assert np.nanmedian(run.costs() / run.least()) > 1.05


def test_rigs_do_what_they_are_relatively_better_at() -> None:
    run = ended(BUSY)
    assert report.rank_correlation(run.advantage(), run.training_share()) > 0.7
    # better at both is no advantage
    both = run.world.rigs.hash * run.world.rigs.speed
    assert abs(report.rank_correlation(both, run.training_share())) < 0.3


def test_training_takes_hash_rate_from_the_coin() -> None:
    idle = ended(replace(BUSY, challenges=0))
    share = ended(BUSY).hours.training.mean() / BUSY.miners
    assert 0.02 < share < 0.5
    assert ended(BUSY).hours.difficulty[-1000:].mean() < idle.hours.difficulty[-1000:].mean()


def test_a_dearer_bond_keeps_trainers_out() -> None:
    crowd = replace(SMALL, rule="best", price=2.0, challenges=60, miners=40, mishap=0.05)
    seals = [ended(replace(crowd, bond=bond)).state.outcomes.seals.mean() for bond in (0.1, 1.0, 5.0)]
    assert seals[0] > seals[1] > seals[2]


def test_a_world_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="^window: 500 hours do not fit 400 hours; use at most 398$"):
        population.draw(replace(SMALL, window=500))
    with pytest.raises(DataError, match="^coin_income: the coin would pay more than"):
        population.draw(replace(SMALL, coin_income=1000, cards=1000))
    with pytest.raises(DataError, match="^price: a reward would exceed two million USD"):
        population.draw(replace(SMALL, price=1e6))
    with pytest.raises(DataError, match="a rig is too large"):
        population.draw(replace(SMALL, card_flops=1e17, cards=1e4))


def test_slots_hold_each_challenge_while_it_is_open() -> None:
    world = population.draw(replace(SMALL, challenges=200))
    asked, slots = world.challenges, world.slots
    for number in range(200):
        hours, places = np.nonzero(slots == number)
        assert hours.tolist() == list(range(asked.opens[number], asked.closes[number] + 1))
        assert len(set(places.tolist())) == 1
    together = [((asked.opens <= hour) & (hour <= asked.closes)).sum() for hour in range(SMALL.hours)]
    assert slots.shape == (SMALL.hours, -(-max(together) // population.SLOTS) * population.SLOTS)
