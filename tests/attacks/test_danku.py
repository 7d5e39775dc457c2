"""The ten proven faults of DanKu, the first contract that bought models, and what meets each here."""

from typing import Any

import boa
import numpy as np
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ALL, CLASSES, ETH, SAMPLES, World, audit_args, group, quality
from trainer import encode
from trainer.chain import deploy_engine
from trainer.integer import Layer, Network
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Phase

BOND, POSTER_BOND = ETH + 1, 3 * ETH + 1


@pytest.fixture(scope="module")
def dense(site: Any) -> Any:
    """The real engine."""
    with site.chain.active():
        return deploy_engine()


def linear(bias: list[int], weights: list[int] | None = None) -> bytes:
    """The file of a network of one layer: one input of 8 bits, four classes."""
    row = np.array([weights or [0] * CLASSES], dtype=np.int64)
    layer = Layer(weights=row, bias=np.array(bias, dtype=np.int64), shift=None)
    return encode.encode(Network(layers=(layer,), input_bits=8, activation_bits=8, weight_bits=8))


def test_1_data_that_was_not_committed_cannot_be_injected(world: World) -> None:
    challenge = world.to_phase(Phase.REVEAL)
    index = world.held_out(challenge)[0].index
    with refused(world, "reveal: not the committed group"):
        world.reveal(challenge, group(index, bytes(SAMPLES)))


def test_2_the_split_is_not_known_when_the_data_is_committed(world: World) -> None:
    """The hash that draws it is of a block after the post, and until that block the poster is bound by his root."""
    challenge = world.post()
    assert world.market.challenge(challenge).seed_block == world.chain.block + SEED_DELAY
    with refused(world, "market: wrong phase"):
        world.market.draw(challenge, sender=world.poster)
    with boa.reverts("market: not drawn"):
        world.market.is_holdout(challenge, 0)


def test_3_nobody_takes_anothers_deposit(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.post()
    with refused(world, "market: not the poster"):
        world.market.cancel(challenge, sender=world.stranger)
    world.draw(challenge)
    world.commit(challenge, ada, quality(1))
    for thief in (world.stranger, world.poster):
        with refused(world, "ledger: nothing to withdraw"):
            world.market.withdraw(ETHER, thief, sender=thief)
        with refused(world, "release: too early"):
            world.market.release(challenge, 0, sender=thief)
    assert world.escrowed() == 10 * ETH + POSTER_BOND + BOND


def test_4_money_is_not_locked_when_nobody_submits(world: World) -> None:
    challenge = world.open()
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.DESERTED
    world.assert_over()
    assert world.holdings() == 0


def test_5_a_payee_that_reverts_locks_nothing(world: World) -> None:
    """Nothing is pushed: settling credits, and each withdraws alone."""
    ada = world.trainers[0]
    by_actor = world.actor.act
    terms = world.terms().as_tuple()
    by_actor(world.market.address, world.market.post.prepare_calldata(terms), 13 * ETH + 1, sender=world.stranger)
    world.actor.behave(1, ETHER, b"")
    challenge = world.market.challenges() - 1
    world.draw(challenge)
    world.commit(challenge, ada, quality(1))
    world.pass_phase(challenge)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WITHHELD
    world.release_all(challenge)
    assert world.escrowed() == 0
    assert world.market.withdraw(ETHER, ada, sender=ada) == BOND


def test_6_an_all_zero_model_scores_only_where_class_zero_is_right(world: World, dense: Any) -> None:
    """Executed by the real engine: ties go to the lowest class, so that zeros are one constant guess, not a win."""
    ada = world.trainers[0]
    world.market = world.market.deployer.deploy(3600, [dense.address])
    model = linear([0] * CLASSES)
    challenge = world.to_claims({ada: model}, engine=dense.address, model_bytes=len(model))
    zeros = [bytes(32)] * 2
    score = world.score(challenge, zeros)
    assert 0 < score < ALL / 2
    world.claim(challenge, ada, ALL)
    world.pass_phase(challenge)
    with refused(world, "unseal: fewer right than claimed"):
        world.unseal(challenge, ada, predictions=zeros)
    lie = world.lie(challenge, ada)
    world.unseal(challenge, ada, predictions=lie)
    assert not world.audit(challenge, ada, 0, predictions=lie)
    assert world.phase(challenge) == Phase.NOMINATE


def test_6_an_honest_model_wins_under_the_real_engine(world: World, dense: Any) -> None:
    """The counterpart: what the engine computes of a constant guess is what the chain accepts of it."""
    ada = world.trainers[0]
    world.market = world.market.deployer.deploy(3600, [dense.address])
    model = linear([0, 0, 1, 0])
    challenge = world.to_claims({ada: model}, engine=dense.address, model_bytes=len(model), threshold=1)
    words = [bytes([2] * SAMPLES).ljust(32, b"\0")] * 2
    world.claim(challenge, ada, world.score(challenge, words))
    world.pass_phase(challenge)
    world.unseal(challenge, ada, predictions=words)
    for slot in range(2):
        assert world.audit(challenge, ada, slot, predictions=words)
    assert world.settle(challenge) == Outcome.WON


def test_7_the_poster_cannot_reveal_only_a_part(world: World) -> None:
    challenge = world.to_phase(Phase.REVEAL)
    world.reveal(challenge, world.held_out(challenge)[0])
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WITHHELD
    assert world.burned() == POSTER_BOND + 14
    assert world.credit(world.poster) == 10 * ETH


def test_8_criteria_nobody_can_meet_are_refused(world: World) -> None:
    with refused(world, "terms: threshold impossible"):
        world.post(threshold=ALL + 1)
    challenge = world.to_claims({world.trainers[0]: quality(0)}, threshold=ALL)
    world.claim(challenge, world.trainers[0])
    world.pass_phase(challenge)
    world.unseal(challenge, world.trainers[0])
    world.audit_all(challenge, world.trainers[0])
    assert world.settle(challenge) == Outcome.WON


def test_9_no_wrong_index_pays_anybody_else(world: World) -> None:
    """Who is paid follows from the clock, not from an argument: settle takes none but the challenge."""
    ada, ben, *_ = world.trainers
    challenge = world.to_audit({ada: quality(1), ben: quality(3)})
    words, samples = world.predictions(challenge, quality(3)), world.held_out(challenge)[0].samples
    with refused(world, "audit: not the predictions"):
        world.market.audit(*audit_args(challenge, 0, 1, words, quality(3), samples), sender=ben)
    world.audit_all(challenge, ada)
    for unknown in (challenge + 1, 2**256 - 1):
        with refused(world, "market: no such challenge"):
            world.market.settle(unknown, sender=ben)
    world.market.settle(challenge, sender=ben)
    assert world.credit(ada) == 10 * ETH + BOND
    assert world.credit(ben) == 0
    with refused(world, "release: no bond"):
        world.market.release(challenge, 2, sender=ben)


@pytest.mark.parametrize("chosen", range(CLASSES))
def test_10_every_neuron_has_a_bias_of_its_own(world: World, dense: Any, chosen: int) -> None:
    """With one bias a layer, no bias could ever prefer a class."""
    bias = [-5] * CLASSES
    bias[chosen] = -4
    model = linear(bias)
    with unchanged(world):
        assert dense.validate(model, 1, 8, CLASSES) <= 12_000_000
        words = dense.predict(model + bytes(range(0, 250, 50)), len(model), (1 << SAMPLES) - 1)
    assert words == [bytes([chosen] * SAMPLES).ljust(32, b"\0")]
