"""release: the bond of a seal that did nothing wrong, to its trainer, once."""

import pytest

from tests.unchanged import refused
from tests.world import ETH, World, quality
from trainer.protocol import ETHER, Outcome, Phase

BOND = ETH + 1


def test_release_credits_the_trainer_whoever_calls(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(1), ben: quality(3)})
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    world.market.release(challenge, 1, sender=world.stranger)
    assert world.events() == [
        ("Credited", {"token": ETHER, "owner": ben, "amount": BOND}),
        ("Released", {"id": challenge, "seal": 1}),
    ]
    assert world.credit(ben) == BOND
    assert world.credit(world.stranger) == 0
    assert world.bond(challenge, 1) == 0
    with refused(world, "release: no bond"):
        world.market.release(challenge, 1, sender=ben)
    world.assert_solvent()


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.REVEAL, Phase.CLAIM], ids=lambda phase: phase.name)
def test_no_bond_is_free_before_the_claims_are_over(world: World, phase: Phase) -> None:
    challenge = world.to_phase(phase)
    for seal in (0, 1):
        with refused(world, "release: too early"):
            world.market.release(challenge, seal, sender=world.trainers[seal])


def test_bonds_are_held_to_the_last_second_of_the_claims(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(1), ben: quality(3)})
    world.claim(challenge, ada)
    world.near_end(challenge, -1)
    with refused(world, "release: too early"):
        world.market.release(challenge, 1, sender=ben)
    world.near_end(challenge, 0)
    world.market.release(challenge, 1, sender=ben)
    assert world.credit(ben) == BOND


@pytest.mark.parametrize(
    "phase", [Phase.UNSEAL, Phase.AUDIT, Phase.NOMINATE, Phase.SETTLE], ids=lambda phase: phase.name
)
def test_a_standing_claim_holds_its_bond_until_the_challenge_is_closed(world: World, phase: Phase) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_phase(phase)
    if phase != Phase.NOMINATE:
        with refused(world, "release: the claim stands"):
            world.market.release(challenge, 0, sender=ada)
    with refused(world, "release: the claim stands"):
        world.market.release(challenge, 1, sender=ben)


def test_bonds_of_a_withheld_challenge_are_free_before_it_is_settled(world: World) -> None:
    challenge = world.to_phase(Phase.REVEAL)
    world.pass_phase(challenge)
    world.market.release(challenge, 0, sender=world.stranger)
    assert world.credit(world.trainers[0]) == BOND
    assert world.settle(challenge) == Outcome.WITHHELD
    world.market.release(challenge, 1, sender=world.stranger)
    world.assert_over()


def test_standing_claims_are_released_after_the_end(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_phase(Phase.CLOSED)
    assert world.credit(ada) == 10 * ETH + BOND
    with refused(world, "release: no bond"):
        world.market.release(challenge, 0, sender=ada)
    world.market.release(challenge, 1, sender=ben)
    assert world.credit(ben) == BOND
    world.assert_over()


def test_a_fallen_seal_has_no_bond(world: World) -> None:
    ada, ben, *_ = world.trainers
    late = world.to_phase(Phase.NOMINATE)
    with refused(world, "release: no bond"):
        world.market.release(late, 0, sender=ada)
    liar = world.to_lie(ada, {ben: quality(1)})
    world.audit_lie(liar, ada, 0)
    with refused(world, "release: no bond"):
        world.market.release(liar, 0, sender=ada)


def test_a_late_release_records_the_default(world: World) -> None:
    ada, ben, cleo, _ = world.trainers
    challenge = world.to_claims({ada: quality(1), ben: quality(1), cleo: quality(1)})
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    world.pass_phase(challenge)
    world.market.release(challenge, 1, sender=ben)
    assert [name for name, _ in world.events()] == ["Burned", "Defaulted", "Credited", "Released"]
    world.market.release(challenge, 2, sender=ben)
    assert [name for name, _ in world.events()] == ["Credited", "Released"]
    assert world.burned() == BOND + 21


def test_seals_that_do_not_exist_have_no_bond(world: World) -> None:
    challenge = world.to_phase(Phase.CLOSED)
    for seal in (2, 2**256 - 1):
        with refused(world, "release: no bond"):
            world.market.release(challenge, seal, sender=world.stranger)
