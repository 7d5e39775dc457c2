"""settle: who gets reward and poster bond in each outcome, once."""

import pytest

from tests.unchanged import refused
from tests.world import ETH, World, quality
from trainer.protocol import ETHER, SEED_DELAY, SEED_REACH, Outcome, Phase

REWARD, BOND, POSTER_BOND, FEE = 10 * ETH, ETH + 1, 3 * ETH + 1, 7


def to_outcome(world: World, outcome: Outcome) -> int:
    """A challenge that waits to be settled with this outcome, with two seals where it gets that far."""
    ada, ben, *_ = world.trainers
    models = {ada: quality(1), ben: quality(3)}
    if outcome == Outcome.VOID:
        challenge = world.post()
        world.chain.mine(SEED_DELAY + SEED_REACH + 1)
        return challenge
    if outcome == Outcome.DESERTED:
        challenge = world.open()
    elif outcome == Outcome.WITHHELD:
        challenge = world.to_phase(Phase.REVEAL)
        world.reveal(challenge, world.held_out(challenge)[0])
    elif outcome == Outcome.UNCLAIMED:
        challenge = world.to_claims(models)
    elif outcome == Outcome.UNNOMINATED:
        challenge = world.to_phase(Phase.NOMINATE)
    else:
        challenge = world.to_audit(models, full_audit=False)
    world.pass_phase(challenge)
    return challenge


# outcome: what settle credits to the poster and to the winner, and what it burns
SHARES = [
    (Outcome.VOID, REWARD + POSTER_BOND // 2, 0, POSTER_BOND - POSTER_BOND // 2),
    (Outcome.DESERTED, REWARD + POSTER_BOND, 0, 0),
    (Outcome.WITHHELD, REWARD, 0, POSTER_BOND),
    (Outcome.UNCLAIMED, REWARD, 0, 0),
    (Outcome.UNNOMINATED, REWARD, 0, BOND),
    (Outcome.WON, 0, REWARD + BOND, 0),
]


@pytest.mark.parametrize(("outcome", "poster", "winner", "burned"), SHARES)
def test_settle_divides_the_money_once(world: World, outcome: Outcome, poster: int, winner: int, burned: int) -> None:
    ada = world.trainers[0]
    challenge = to_outcome(world, outcome)
    assert (world.phase(challenge), world.outcome(challenge)) == (Phase.SETTLE, outcome)
    before = world.credit(world.poster), world.credit(ada), world.burned(), world.escrowed()
    world.market.settle(challenge, sender=world.stranger)
    name, event = world.events()[-1]
    assert name == "Settled"
    assert event == {
        "id": challenge,
        "outcome": outcome,
        "winner": ada if outcome == Outcome.WON else ETHER,
        "reward": REWARD,
    }
    after = world.credit(world.poster), world.credit(ada), world.burned(), world.escrowed()
    moved = poster, winner, burned, -(poster + winner + burned)
    assert tuple(b - a for a, b in zip(before, after, strict=True)) == moved
    assert world.credit(world.stranger) == 0
    assert (world.phase(challenge), world.outcome(challenge)) == (Phase.CLOSED, outcome)
    with refused(world, "market: wrong phase"):
        world.market.settle(challenge, sender=world.poster)
    world.release_all(challenge)
    world.assert_over()


@pytest.mark.parametrize("bond", [1, 2, 7])
def test_void_burns_the_odd_wei(world: World, bond: int) -> None:
    challenge = world.post(poster_bond=bond)
    world.chain.mine(SEED_DELAY + SEED_REACH + 1)
    assert world.settle(challenge) == Outcome.VOID
    assert world.credit(world.poster) == REWARD + bond // 2
    assert world.burned() == bond - bond // 2
    world.assert_over()


def test_nothing_is_settled_a_second_before_the_optimistic_window_ends(world: World) -> None:
    challenge = world.to_audit({world.trainers[0]: quality(1)}, full_audit=False)
    world.near_end(challenge, -1)
    with refused(world, "market: wrong phase"):
        world.market.settle(challenge, sender=world.trainers[0])
    world.near_end(challenge, 0)
    assert world.settle(challenge) == Outcome.WON


def test_a_full_audit_one_sample_short_is_a_default(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: quality(1)})
    world.audit(challenge, ada, 0)
    world.audit(challenge, ada, 1, 0b11110)
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.NOMINATE
    with refused(world, "market: wrong phase"):
        world.market.settle(challenge, sender=ada)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert world.burned() == BOND + FEE
    assert world.credit(ada) == 0


def test_years_later_the_outcome_is_the_same(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: quality(1)}, full_audit=False)
    world.chain.mine(10_000, seconds=100 * 365 * 86400)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(ada) == REWARD + BOND
