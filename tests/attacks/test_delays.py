"""Silence pays nobody, and costs others only time: every challenge ends, whoever stops calling."""

import pytest

from tests.unchanged import refused
from tests.world import ETH, HOUR, World, quality
from trainer.protocol import SEED_DELAY, Outcome, Phase

BOND, POSTER_BOND = ETH + 1, 3 * ETH + 1


@pytest.mark.parametrize("unsealed", [False, True], ids=["model not shown", "audit not complete"])
def test_a_default_burns_the_bond_and_pays_nobody(world: World, unsealed: bool) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_unseal({ada: quality(1), ben: quality(3)})
    if unsealed:
        world.unseal(challenge, ada)
        world.audit(challenge, ada, 0)
    world.pass_phase(challenge)
    # whoever reports it gets nothing
    world.market.nominate(challenge, 1, sender=world.stranger)
    assert world.burned() == BOND + 14
    assert world.credit(ada) == world.credit(world.stranger) == world.credit(ben) == 0
    assert world.credit(world.poster) == POSTER_BOND
    assert world.phase(challenge) == Phase.NOMINATE
    world.assert_solvent()


def test_defaulting_to_delay_costs_a_bond_each_time(world: World) -> None:
    """Three sybils hold an honest trainer up: each pays a whole bond for one unseal and one nomination window."""
    *sybils, dan = world.trainers
    challenge = world.to_claims({trainer: quality(0) for trainer in world.trainers})
    for trainer in world.trainers:
        world.claim(challenge, trainer)
    start = world.clock(challenge).ends
    world.pass_phase(challenge)
    for index, sybil in enumerate(sybils):
        assert world.candidate(challenge) == sybil
        world.pass_phase(challenge)
        world.market.nominate(challenge, index + 1, sender=world.stranger)
        world.pass_phase(challenge)
    assert world.chain.now == start + 3 * (HOUR + HOUR)
    world.unseal(challenge, dan)
    world.audit_all(challenge, dan)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(dan) == 10 * ETH + BOND
    assert world.burned() == 3 * BOND + 4 * 7
    assert [world.credit(sybil) for sybil in sybils] == [0, 0, 0]
    world.assert_over()


@pytest.mark.parametrize("fraud", [False, True], ids=["late", "fraud"])
def test_a_fallen_claim_cannot_be_nominated(world: World, fraud: bool) -> None:
    ada, ben, *_ = world.trainers
    if fraud:
        challenge = world.to_lie(ada, {ben: quality(1)})
        world.audit_lie(challenge, ada, 0)
    else:
        challenge = world.to_unseal({ada: quality(1), ben: quality(3)})
        world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.NOMINATE
    for sender in (ada, world.stranger):
        with refused(world, "nominate: no standing claim"):
            world.market.nominate(challenge, 0, sender=sender)
    world.market.nominate(challenge, 1, sender=ben)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == ben


def test_a_weak_nominee_is_replaced_by_a_better_one(world: World) -> None:
    """Nobody keeps the best standing claim out by nominating a worse one first, or in the last second."""
    ada, ben, cleo, _ = world.trainers
    challenge = world.to_unseal({ada: quality(0), ben: quality(3), cleo: quality(0)})
    world.pass_phase(challenge)
    world.market.nominate(challenge, 1, sender=ben)
    world.market.nominate(challenge, 2, sender=cleo)
    world.near_end(challenge, -1)
    with refused(world, "nominate: not better"):
        world.market.nominate(challenge, 1, sender=ben)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == cleo


def test_losers_need_not_be_online(world: World) -> None:
    """A loser never calls again after his claim; his bond comes back all the same, and anyone can free it."""
    ada, ben, *_ = world.trainers
    challenge = world.to_audit({ada: quality(1), ben: quality(3)})
    world.audit_all(challenge, ada)
    world.settle(challenge)
    world.market.release(challenge, 1, sender=world.stranger)
    assert world.credit(ben) == BOND


def test_no_commits_return_everything(world: World) -> None:
    challenge = world.open()
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.SETTLE
    assert world.settle(challenge) == Outcome.DESERTED
    assert world.credit(world.poster) == 10 * ETH + POSTER_BOND
    world.assert_over()


def test_no_claims_return_the_reward_and_every_bond(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(1), ben: quality(3)})
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNCLAIMED
    world.release_all(challenge)
    assert world.credit(world.poster) == 10 * ETH + POSTER_BOND
    assert world.credit(ada) == world.credit(ben) == BOND
    world.assert_over()


def test_no_nominations_return_the_reward_and_standing_bonds(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_phase(Phase.NOMINATE)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    world.release_all(challenge)
    assert world.credit(world.poster) == 10 * ETH + POSTER_BOND
    assert (world.credit(ada), world.credit(ben)) == (0, BOND)
    world.assert_over()


@pytest.mark.parametrize("phase", [p for p in Phase if p != Phase.CLOSED], ids=lambda phase: phase.name)
def test_from_every_phase_time_and_strangers_lead_to_zero_escrow(world: World, phase: Phase) -> None:
    """Nobody who has a duty calls any more; a stranger settles and releases."""
    challenge = world.to_phase(phase)
    world.chain.mine(10_000, seconds=400 * 86400)
    world.settle(challenge)
    world.release_all(challenge)
    world.assert_over()


def test_all_of_the_short_path_fits_into_one_block(world: World) -> None:
    """A hold-out completed, claimed in the same block; then unsealed, audited, settled and paid in one block."""
    ada = world.trainers[0]
    challenge = world.open()
    world.commit(challenge, ada, quality(1))
    world.pass_phase(challenge)
    block = world.chain.block
    world.reveal_all(challenge)
    world.claim(challenge, ada)
    with refused(world, "market: wrong phase"):
        world.unseal(challenge, ada)
    assert world.chain.block == block
    world.pass_phase(challenge)
    block = world.chain.block
    world.unseal(challenge, ada)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON
    world.market.withdraw("0x" + "00" * 20, ada, sender=ada)
    assert world.chain.block == block
    assert world.escrowed() == 0


def test_draw_and_commit_fit_into_one_block_but_no_reveal(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.post()
    world.chain.mine(SEED_DELAY + 1)
    world.market.draw(challenge, sender=ada)
    world.commit(challenge, ada, quality(0))
    with refused(world, "market: wrong phase"):
        world.reveal(challenge, world.held_out(challenge)[0])


def test_a_nomination_made_in_the_block_of_the_fraud_gives_its_nominee_no_less_time(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_lie(ada, {ben: quality(1)})
    world.audit_lie(challenge, ada, 0)
    world.market.nominate(challenge, 1, sender=ben)
    nominated = world.chain.now
    with refused(world, "market: wrong phase"):
        world.unseal(challenge, ben)
    world.pass_phase(challenge)
    assert world.chain.now == nominated + HOUR
    assert world.clock(challenge).ends == nominated + 2 * HOUR
