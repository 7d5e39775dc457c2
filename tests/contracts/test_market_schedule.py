"""A reward that rises while seals are taken: fixed at the commit, paid to the winner, the rest back to the poster."""

import pytest

from tests.unchanged import refused
from tests.world import ETH, HOUR, World, quality
from trainer.protocol import Outcome, Phase, Rule

REWARD, OPENING, BOND, POSTER_BOND, FEE = 10 * ETH, ETH, ETH + 1, 3 * ETH + 1, 7
RISING = {"reward": REWARD, "opening": OPENING}


def commit_at(world: World, challenge: int, passed: int, trainer: str, good: int = 1) -> int:
    """Commit in the second that is so many after the commits opened; what the seal would win."""
    opened = world.clock(challenge).ends - HOUR
    world.chain.mine_until(opened + passed)
    index = world.commit(challenge, trainer, quality(good))
    ((_, told),) = [event for event in world.events() if event[0] == "Committed"]
    seal = world.market.seals(challenge, index)
    assert told["reward"] == REWARD - seal.rebate
    return int(told["reward"])


def win(world: World, challenge: int, winner: str) -> Outcome:
    """From the reveal to the end, with this winner."""
    world.reveal_all(challenge)
    terms = world.stored(challenge)
    for trainer in world.trainers:
        if (challenge, trainer) in world.models:
            world.claim(challenge, trainer, terms.threshold if Rule(terms.rule) == Rule.FIRST else None)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == winner
    world.unseal(challenge, winner)
    world.audit_all(challenge, winner)
    return world.settle(challenge)


def test_a_seal_would_win_what_the_reward_is_in_its_second(world: World) -> None:
    challenge = world.open(**RISING)
    seconds = (0, 1, HOUR // 2, HOUR - 1)
    found = [commit_at(world, challenge, s, t) for s, t in zip(seconds, world.trainers, strict=True)]
    terms = world.terms(**RISING)
    ends = world.clock(challenge).ends
    assert found == [terms.reward_at(ends - HOUR + passed, ends) for passed in seconds]
    assert found == [OPENING, OPENING + 9 * ETH // HOUR, OPENING + 9 * ETH // 2, REWARD - 9 * ETH // HOUR]


@pytest.mark.parametrize("rule", [Rule.BEST, Rule.FIRST])
def test_the_winner_gets_what_its_seal_fixed_and_the_poster_the_rest(world: World, rule: Rule) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.open(rule=rule, **RISING)
    early = commit_at(world, challenge, 600, ada, good=2)
    commit_at(world, challenge, 1800, ben, good=2)
    world.pass_phase(challenge)
    assert win(world, challenge, ada) == Outcome.WON
    assert world.credit(ada) == early + BOND
    assert world.credit(world.poster) == POSTER_BOND + REWARD - early
    world.release_all(challenge)
    world.assert_over()


def test_a_better_later_seal_wins_more_under_best(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.open(**RISING)
    commit_at(world, challenge, 0, ada, good=3)
    late = commit_at(world, challenge, 3000, ben, good=1)
    world.pass_phase(challenge)
    assert win(world, challenge, ben) == Outcome.WON
    assert world.credit(ben) == late + BOND
    assert world.credit(world.poster) == POSTER_BOND + REWARD - late


def test_after_a_fall_the_next_one_wins_what_its_own_seal_fixed(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.open(**RISING)
    commit_at(world, challenge, 0, ada, good=1)
    late = commit_at(world, challenge, 1200, ben, good=2)
    world.pass_phase(challenge)
    world.reveal_all(challenge)
    for trainer in (ada, ben):
        world.claim(challenge, trainer)
    world.pass_phase(challenge)
    # ada is the candidate, and does not come
    world.pass_phase(challenge)
    world.market.nominate(challenge, 1, sender=world.stranger)
    world.pass_phase(challenge)
    world.unseal(challenge, ben)
    world.audit_all(challenge, ben)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(ben) == late + BOND
    assert world.credit(world.poster) == POSTER_BOND + REWARD - late
    assert world.burned() == BOND + 2 * FEE
    world.assert_over()


def test_without_a_winner_the_whole_goes_back(world: World) -> None:
    challenge = world.open(**RISING)
    commit_at(world, challenge, 100, world.trainers[0])
    world.pass_phase(challenge)
    world.reveal_all(challenge)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNCLAIMED
    assert world.credit(world.poster) == REWARD + POSTER_BOND


def test_a_reward_may_open_at_nothing(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.open(reward=REWARD, opening=0)
    assert commit_at(world, challenge, 0, ada) == 0
    world.pass_phase(challenge)
    assert win(world, challenge, ada) == Outcome.WON
    assert world.credit(ada) == BOND
    assert world.credit(world.poster) == POSTER_BOND + REWARD


def test_time_after_the_commit_changes_nothing(world: World) -> None:
    challenge = world.open(**RISING)
    commit_at(world, challenge, 7, world.trainers[0])
    before = world.market.seals(challenge, 0).rebate
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.REVEAL
    assert world.market.seals(challenge, 0).rebate == before
    with refused(world, "market: wrong phase"):
        world.commit(challenge, world.trainers[1], quality(1))


def test_a_token_pays_by_the_same_schedule(world: World) -> None:
    ada = world.trainers[0]
    token = world.token.address
    challenge = world.open(token=token, **RISING)
    won = commit_at(world, challenge, 1800, ada)
    world.pass_phase(challenge)
    assert win(world, challenge, ada) == Outcome.WON
    assert world.credit(ada, token) == won + BOND
    assert world.credit(world.poster, token) == POSTER_BOND + REWARD - won
    world.assert_solvent(token)
