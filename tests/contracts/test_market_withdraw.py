"""withdraw: all of a credit, to whom its owner says, in the token it is in."""

import boa

from tests.unchanged import refused, unchanged
from tests.world import ETH, World
from trainer.protocol import ETHER

CREDIT = 13 * ETH + 1


def cancelled(world: World, token: str = ETHER) -> None:
    """Give the poster a credit."""
    challenge = world.post(token=token)
    world.market.cancel(challenge, sender=world.poster)


def test_withdraw_sends_everything_to_the_receiver(world: World) -> None:
    cancelled(world)
    env = world.chain.env
    before = env.get_balance(world.stranger)
    assert world.market.withdraw(ETHER, world.stranger, sender=world.poster) == CREDIT
    assert world.events() == [
        ("Withdrawn", {"token": ETHER, "owner": world.poster, "to": world.stranger, "amount": CREDIT})
    ]
    assert env.get_balance(world.stranger) == before + CREDIT
    assert world.credit(world.poster) == world.market.credited(ETHER) == world.holdings() == 0


def test_withdraw_in_a_token(world: World) -> None:
    token = world.token.address
    cancelled(world, token)
    before = world.token.balanceOf(world.poster)
    assert world.market.withdraw(token, world.poster, sender=world.poster) == CREDIT
    assert world.token.balanceOf(world.poster) == before + CREDIT
    assert world.credit(world.poster, token) == world.holdings(token) == 0


def test_credits_of_two_tokens_do_not_mix(world: World) -> None:
    token = world.token.address
    cancelled(world)
    cancelled(world, token)
    world.market.withdraw(ETHER, world.poster, sender=world.poster)
    assert world.credit(world.poster, token) == CREDIT
    with refused(world, "ledger: nothing to withdraw"):
        world.market.withdraw(ETHER, world.poster, sender=world.poster)
    world.market.withdraw(token, world.poster, sender=world.poster)
    assert world.holdings() == world.holdings(token) == 0


def test_credits_add_up(world: World) -> None:
    cancelled(world)
    cancelled(world)
    assert world.market.withdraw(ETHER, world.poster, sender=world.poster) == 2 * CREDIT


def test_a_credit_is_withdrawn_once_and_only_by_its_owner(world: World) -> None:
    cancelled(world)
    for thief in (world.stranger, world.trainers[0], world.market.address):
        with refused(world, "ledger: nothing to withdraw"):
            world.market.withdraw(ETHER, thief, sender=thief)
    world.market.withdraw(ETHER, world.poster, sender=world.poster)
    with refused(world, "ledger: nothing to withdraw"):
        world.market.withdraw(ETHER, world.poster, sender=world.poster)


def test_withdraw_to_nobody_is_refused(world: World) -> None:
    cancelled(world)
    with refused(world, "ledger: no receiver"):
        world.market.withdraw(ETHER, ETHER, sender=world.poster)


def test_withdraw_to_the_market_itself_is_refused(world: World) -> None:
    token = world.token.address
    cancelled(world)
    cancelled(world, token)
    with unchanged(world), boa.reverts():
        world.market.withdraw(ETHER, world.market.address, sender=world.poster)
    with refused(world, "ledger: wrong amount left"):
        world.market.withdraw(token, world.market.address, sender=world.poster)


def test_burned_sums_and_escrow_belong_to_nobody(world: World) -> None:
    challenge = world.open()
    world.commit(challenge, world.trainers[0], b"M\0")
    assert world.burned() == 7
    for actor in (world.poster, world.trainers[0], world.market.address, ETHER):
        with refused(world, "ledger: nothing to withdraw"):
            world.market.withdraw(ETHER, world.stranger, sender=actor)
