"""Whoever copies what he sees in the mempool gains nothing by it."""

from collections.abc import Iterator

import pytest

from tests.unchanged import refused
from tests.world import ALL, ETH, World, quality
from trainer.protocol import Outcome, Phase, Rule, seal_hash

SALT = b"\x05" * 32
BOND = ETH + 1


@pytest.fixture
def chain_id(world: World) -> Iterator[int]:
    """Restore the chain's id afterwards."""
    patch = world.chain.env.evm.patch
    before = patch.chain_id
    yield before
    patch.chain_id = before


def copied(world: World, **changes: object) -> tuple[int, bytes]:
    """A challenge in which ben copied ada's seal before she committed it; both claim."""
    ada, ben, *_ = world.trainers
    challenge = world.open(**changes)
    seal = world.seal(challenge, ada, quality(1))
    value = BOND + 7
    world.market.commit(challenge, seal, sender=ben, value=value)
    world.market.commit(challenge, seal, sender=ada, value=value)
    world.reveal_all(challenge)
    return challenge, seal


def test_copied_seal_cannot_be_unsealed_by_the_copier(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge, _ = copied(world)
    score = world.honest_score(challenge, ada)
    world.claim(challenge, ben, score)
    world.claim(challenge, ada, score)
    world.pass_phase(challenge)
    assert world.candidate(challenge) == ben
    words = world.predictions(challenge, quality(1))
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(challenge, SALT, words, quality(1), sender=ben)
    world.pass_phase(challenge)
    world.market.nominate(challenge, 1, sender=ada)
    world.pass_phase(challenge)
    world.unseal(challenge, ada)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(ada) == 10 * ETH + BOND
    assert world.credit(ben) == 0
    assert world.bond(challenge, 0) == 0


def test_copier_loses_his_bond_where_the_first_wins(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge, _ = copied(world, rule=Rule.FIRST)
    for trainer in (ben, ada):
        world.claim(challenge, trainer, 3)
    for _ in range(2):
        world.pass_phase(challenge)
    world.market.nominate(challenge, 1, sender=world.stranger)
    world.pass_phase(challenge)
    world.unseal(challenge, ada)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON
    assert world.burned() == 14 + BOND


def test_a_seen_unseal_cannot_be_sent_by_another(world: World) -> None:
    """The model is public with the transaction, and yet only the candidate can show it."""
    ada, ben, *_ = world.trainers
    challenge = world.to_unseal({ada: quality(1), ben: quality(3)})
    for thief in (ben, world.poster, world.stranger):
        with refused(world, "unseal: not the candidate"):
            world.unseal(challenge, ada, sender=thief)


def test_a_model_seen_in_an_unseal_cannot_be_sealed_any_more(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_audit({ada: quality(1)})
    with refused(world, "market: wrong phase"):
        world.commit(challenge, ben, quality(1))


def test_a_front_run_reveal_serves_the_poster(world: World) -> None:
    """Whoever sends the poster's groups first pays the gas for him; the bond returns to the poster."""
    challenge = world.to_phase(Phase.REVEAL)
    for g in world.held_out(challenge):
        world.reveal(challenge, g, sender=world.stranger)
        with refused(
            world, "market: wrong phase" if world.phase(challenge) == Phase.CLAIM else "reveal: already revealed"
        ):
            world.reveal(challenge, g)
    assert world.credit(world.poster) == 3 * ETH + 1
    assert world.credit(world.stranger) == 0


def test_a_seal_replayed_in_another_challenge_cannot_be_unsealed(world: World) -> None:
    ada = world.trainers[0]
    first = world.open(windows={"commit": 24 * 3600})
    second = world.open(windows={"commit": 24 * 3600})
    seal = world.seal(first, ada, quality(1))
    world.market.commit(second, seal, sender=ada, value=BOND + 7)
    world.reveal_all(second)
    world.claim(second, ada, 3)
    world.pass_phase(second)
    words = world.predictions(second, quality(1))
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(second, SALT, words, quality(1), sender=ada)


def test_a_seal_replayed_in_another_market_cannot_be_unsealed(world: World) -> None:
    ada = world.trainers[0]
    seal = world.seal(0, ada, quality(1))
    world.market = world.market.deployer.deploy(3600, [world.engine.address])
    challenge = world.open()
    assert challenge == 0
    world.market.commit(challenge, seal, sender=ada, value=BOND + 7)
    world.reveal_all(challenge)
    world.claim(challenge, ada, 3)
    world.pass_phase(challenge)
    words = world.predictions(challenge, quality(1))
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(challenge, SALT, words, quality(1), sender=ada)


def test_a_seal_replayed_on_another_chain_cannot_be_unsealed(world: World, chain_id: int) -> None:
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: quality(1)})
    words = world.predictions(challenge, quality(1))
    patch = world.chain.env.evm.patch
    patch.chain_id = chain_id + 1
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(challenge, SALT, words, quality(1), sender=ada)
    patch.chain_id = chain_id
    world.unseal(challenge, ada)


@pytest.mark.parametrize("field", ["chain_id", "market", "challenge", "trainer", "model", "salt"])
def test_a_seal_is_bound_to_everything_it_names(world: World, field: str) -> None:
    ada = world.trainers[0]
    challenge = world.open()
    right = {
        "chain_id": world.chain.chain_id,
        "market": world.market.address,
        "challenge": challenge,
        "trainer": ada,
        "model": quality(1),
        "salt": SALT,
    }
    wrong = {
        "chain_id": right["chain_id"] + 1,
        "market": world.engine.address,
        "challenge": challenge + 1,
        "trainer": world.trainers[1],
        "model": quality(0),
        "salt": bytes(32),
    }
    world.market.commit(challenge, seal_hash(**{**right, field: wrong[field]}), sender=ada, value=BOND + 7)
    world.reveal_all(challenge)
    world.claim(challenge, ada, 3)
    world.pass_phase(challenge)
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(challenge, SALT, world.predictions(challenge, quality(1)), quality(1), sender=ada)


def test_a_copied_fraud_proof_pays_one_bounty_only(world: World) -> None:
    """The copier takes the bounty, as nothing in a public mempool tells the two apart; fraud is stopped either way."""
    ada = world.trainers[0]
    challenge = world.to_lie(ada)
    assert not world.audit_lie(challenge, ada, 0, sender=world.stranger)
    with refused(world, "market: wrong phase"):
        world.audit_lie(challenge, ada, 0, sender=world.auditor)
    assert world.credit(world.stranger) == BOND // 2
    assert world.credit(world.auditor) == 0
    assert world.burned() == 7 + BOND - BOND // 2


def test_losers_show_nothing_but_their_seal(world: World) -> None:
    """Of a seal that never was candidate the chain knows its hash, its trainer and its claim."""
    ada, ben, *_ = world.trainers
    challenge = world.to_audit({ada: quality(1), ben: quality(3)})
    world.audit_all(challenge, ada)
    world.settle(challenge)
    world.market.release(challenge, 1, sender=ben)
    seal = world.market.seals(challenge, 1)
    assert seal.hash == world.seal(challenge, ben, quality(3))
    assert seal.claim <= ALL
    assert world.market.challenge(challenge).model != seal.hash
