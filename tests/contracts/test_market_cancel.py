"""cancel: the poster takes everything back while nobody can know the split."""

from tests.unchanged import refused
from tests.world import ETH, World
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Phase


def test_cancel_credits_reward_and_bond_to_the_poster(world: World) -> None:
    challenge = world.post()
    world.market.cancel(challenge, sender=world.poster)
    assert world.events() == [
        ("Credited", {"token": ETHER, "owner": world.poster, "amount": 13 * ETH + 1}),
        ("Cancelled", {"id": challenge}),
    ]
    assert world.credit(world.poster) == 13 * ETH + 1
    assert world.escrowed() == world.burned() == 0
    assert (world.phase(challenge), world.outcome(challenge)) == (Phase.CLOSED, Outcome.CANCELLED)
    world.assert_over()


def test_cancel_works_in_the_last_block_before_the_seed(world: World) -> None:
    challenge = world.post()
    world.chain.mine(SEED_DELAY - 1)
    world.market.cancel(challenge, sender=world.poster)
    assert world.outcome(challenge) == Outcome.CANCELLED


def test_cancel_is_refused_from_the_seeds_block_on(world: World) -> None:
    challenge = world.post()
    for _ in range(2):
        world.chain.mine(SEED_DELAY)
        with refused(world, "market: wrong phase"):
            world.market.cancel(challenge, sender=world.poster)


def test_only_the_poster_cancels(world: World) -> None:
    challenge = world.post()
    for other in (world.stranger, world.trainers[0], world.market.address):
        with refused(world, "market: not the poster"):
            world.market.cancel(challenge, sender=other)


def test_a_challenge_is_cancelled_once(world: World) -> None:
    challenge = world.post()
    other = world.post()
    world.market.cancel(challenge, sender=world.poster)
    with refused(world, "market: wrong phase"):
        world.market.cancel(challenge, sender=world.poster)
    assert world.escrowed() == 13 * ETH + 1
    assert world.phase(other) == Phase.POSTED


def test_a_cancelled_challenge_is_never_drawn_or_settled(world: World) -> None:
    challenge = world.post()
    world.market.cancel(challenge, sender=world.poster)
    for blocks in (SEED_DELAY + 1, 9000):
        world.chain.mine(blocks)
        for call in (world.market.draw, world.market.settle):
            with refused(world, "market: wrong phase"):
                call(challenge, sender=world.stranger)
