"""commit: one seal an address, with bond and fee."""

import boa

from tests.unchanged import refused, unchanged
from tests.world import ETH, World, quality
from trainer.protocol import ETHER, Phase

BOND, FEE = ETH + 1, 7


def test_commit_escrows_the_bond_and_burns_the_fee(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.open()
    escrowed = world.escrowed()
    before = world.chain.env.get_balance(ada)
    assert world.commit(challenge, ada, quality(1)) == 0
    sealed = world.seal(challenge, ada, quality(1))
    assert world.events() == [
        ("Burned", {"token": ETHER, "amount": FEE}),
        ("Committed", {"id": challenge, "seal": 0, "trainer": ada, "hash": sealed, "reward": 10 * ETH}),
    ]
    assert tuple(world.market.seals(challenge, 0)) == (ada, sealed, 0, BOND, 0)
    assert world.market.seal_of(challenge, ada) == 1
    assert world.escrowed() == escrowed + BOND
    assert world.burned() == FEE
    assert world.chain.env.get_balance(ada) == before - BOND - FEE
    assert world.clock(challenge).seals == 1
    world.assert_solvent()


def test_index_is_the_order_of_commits(world: World) -> None:
    challenge = world.open()
    assert [world.commit(challenge, t, quality(1)) for t in world.trainers] == [0, 1, 2, 3]
    assert [world.market.seals(challenge, i).trainer for i in range(4)] == world.trainers


def test_commit_in_a_token_takes_bond_and_fee(world: World) -> None:
    ada = world.trainers[0]
    token = world.token.address
    challenge = world.open(token=token)
    before = world.token.balanceOf(ada)
    world.commit(challenge, ada, quality(1))
    assert world.token.balanceOf(ada) == before - BOND - FEE
    assert world.burned(token) == FEE
    assert world.burned() == 0
    world.assert_solvent(token)


def test_commit_without_a_fee_burns_nothing(world: World) -> None:
    challenge = world.open(seal_fee=0)
    world.commit(challenge, world.trainers[0], quality(1))
    assert [name for name, _ in world.events()] == ["Committed"]
    assert world.burned() == 0


def test_a_second_seal_of_one_address_is_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.open()
    world.commit(challenge, ada, quality(1))
    for model in (quality(1), quality(2)):
        with refused(world, "commit: one seal per address"):
            world.commit(challenge, ada, model)


def test_an_address_may_seal_in_two_challenges(world: World) -> None:
    ada = world.trainers[0]
    first, second = world.open(), world.open()
    assert world.commit(first, ada, quality(1)) == world.commit(second, ada, quality(1)) == 0


def test_an_empty_seal_is_refused(world: World) -> None:
    challenge = world.open()
    with refused(world, "commit: seal is empty"):
        world.market.commit(challenge, bytes(32), sender=world.trainers[0], value=BOND + FEE)


def test_wrong_amounts_are_refused(world: World) -> None:
    challenge = world.open()
    for value in (0, FEE, BOND, BOND + FEE - 1, BOND + FEE + 1):
        with refused(world, "ledger: wrong amount of ether"):
            world.commit(challenge, world.trainers[0], quality(1), value=value)


def test_ether_beside_a_token_is_refused(world: World) -> None:
    challenge = world.open(token=world.token.address)
    with refused(world, "ledger: ether beside a token"):
        world.commit(challenge, world.trainers[0], quality(1), value=1)


def test_a_trainer_without_the_tokens_is_refused(world: World) -> None:
    challenge = world.open(token=world.token.address)
    with unchanged(world), boa.reverts():
        world.commit(challenge, world.stranger, quality(1))


def test_the_poster_may_commit_too(world: World) -> None:
    challenge = world.open()
    world.commit(challenge, world.poster, quality(0))
    assert world.market.seal_of(challenge, world.poster) == 1
    assert world.phase(challenge) == Phase.COMMIT
