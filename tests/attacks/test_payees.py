"""Nobody's refusal, callback or blocked address holds up anybody else's money."""

import boa
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ETH, SAMPLES, World, audit_args, quality
from trainer.protocol import ETHER, Outcome, Phase, seal_hash

SALT = b"\x05" * 32
BOND = ETH + 1
TAKES, REFUSES, CALLS, TRIES = range(4)


def by_actor(world: World, function: object, *args: object, value: int = 0) -> None:
    """Let the contract account make a call to the market."""
    data = function.prepare_calldata(*args)
    world.actor.act(world.market.address, data, value, sender=world.stranger)


def actor_wins(world: World) -> int:
    """A challenge that the contract account has won, and nobody has settled."""
    challenge = world.open()
    actor = world.actor.address
    seal = seal_hash(
        chain_id=world.chain.chain_id,
        market=world.market.address,
        challenge=challenge,
        trainer=actor,
        model=quality(1),
        salt=SALT,
    )
    by_actor(world, world.market.commit, challenge, seal, value=BOND + 7)
    world.commit(challenge, world.trainers[1], quality(3))
    world.reveal_all(challenge)
    words = world.predictions(challenge, quality(1))
    by_actor(world, world.market.claim, challenge, world.score(challenge, words))
    world.claim(challenge, world.trainers[1])
    world.pass_phase(challenge)
    assert world.candidate(challenge) == actor
    by_actor(world, world.market.unseal, challenge, SALT, words, quality(1))
    for slot, g in enumerate(world.held_out(challenge)):
        world.market.audit(
            *audit_args(challenge, slot, (1 << SAMPLES) - 1, words, quality(1), g.samples), sender=world.auditor
        )
    assert world.phase(challenge) == Phase.SETTLE
    return challenge


def test_a_winner_that_refuses_ether_holds_up_nobody(world: World) -> None:
    challenge = actor_wins(world)
    world.actor.behave(REFUSES, ETHER, b"")
    assert world.settle(challenge) == Outcome.WON
    world.release_all(challenge)
    world.withdraw_all()
    assert world.escrowed() == 0
    assert world.credit(world.actor.address) == 10 * ETH + BOND
    with unchanged(world), boa.reverts("actor: refused"):
        by_actor(world, world.market.withdraw, ETHER, world.actor.address)
    # and it names another receiver
    by_actor(world, world.market.withdraw, ETHER, world.stranger)
    assert world.credit(world.actor.address) == 0
    assert world.holdings() == world.burned()


@pytest.mark.parametrize("name", ["draw", "settle", "release", "withdraw", "post", "commit", "credit"])
def test_a_receiver_that_calls_back_gets_nothing_more(world: World, name: str) -> None:
    """Each call would succeed at any other time."""
    challenge = actor_wins(world)
    world.settle(challenge)
    actor, env = world.actor.address, world.chain.env
    data = world.ripe_calls(actor)[name]
    credit = world.credit(actor)
    assert credit > 10 * ETH + BOND
    world.actor.behave(CALLS, world.market.address, data)
    with unchanged(world), boa.reverts():
        by_actor(world, world.market.withdraw, ETHER, actor)
    world.actor.behave(TRIES, world.market.address, data)
    before, challenges = env.get_balance(actor), world.market.challenges()
    by_actor(world, world.market.withdraw, ETHER, actor)
    assert not world.actor.reentered()
    assert env.get_balance(actor) == before + credit
    assert world.credit(actor) == 0
    assert world.market.challenges() == challenges
    world.assert_solvent()
    world.assert_solvent(world.token.address)


def test_a_poster_that_is_a_refusing_contract_holds_up_nobody(world: World) -> None:
    actor = world.actor.address
    by_actor(world, world.market.post, world.terms().as_tuple(), value=13 * ETH + 1)
    challenge = world.market.challenges() - 1
    assert world.market.challenge(challenge).poster == actor
    world.actor.behave(REFUSES, ETHER, b"")
    ada = world.trainers[0]
    world.draw(challenge)
    world.commit(challenge, ada, quality(1))
    world.reveal_all(challenge)
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    world.unseal(challenge, ada)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON
    world.market.withdraw(ETHER, ada, sender=ada)
    assert world.escrowed() == 0
    assert world.credit(actor) == 3 * ETH + 1


def test_an_auditor_that_refuses_ether_does_not_save_the_liar(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_lie(ada)
    world.actor.behave(REFUSES, ETHER, b"")
    lie, g = world.lie(challenge, ada), world.held_out(challenge)[0]
    by_actor(world, world.market.audit, *audit_args(challenge, 0, 1, lie, quality(8), g.samples))
    assert world.phase(challenge) == Phase.NOMINATE
    assert world.credit(world.actor.address) == BOND // 2


def test_a_seals_owner_cannot_stop_the_release_of_others(world: World) -> None:
    challenge = actor_wins(world)
    world.actor.behave(REFUSES, ETHER, b"")
    world.settle(challenge)
    world.market.release(challenge, 1, sender=world.stranger)
    assert world.credit(world.trainers[1]) == BOND
    with refused(world, "release: no bond"):
        world.market.release(challenge, 0, sender=world.stranger)
