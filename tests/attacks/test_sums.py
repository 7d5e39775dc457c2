"""Sums, windows and indices near 2**256 neither overflow nor wrap."""

from dataclasses import asdict

import boa
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ALL, ETH, World, audit_args, quality
from trainer.protocol import ETHER, Outcome, Phase

TOP = 2**128 - 1
EDGES = (2**256 - 1, 2**256 - 2, 2**255, 2**128)
NUMBERS = (
    *("reward", "poster_bond", "trainer_bond", "seal_fee"),
    *("threshold", "groups", "holdout", "samples", "sample_bytes", "input_bits", "classes", "model_bytes"),
)


@pytest.mark.parametrize("name", NUMBERS)
def test_huge_numbers_in_terms_are_refused_with_a_reason(world: World, name: str) -> None:
    for value in EDGES:
        with pytest.raises(boa.BoaError) as refusal, unchanged(world):
            world.post(value=0, **{name: value})
        assert refusal.value.stack_trace.last_frame.pretty_vm_reason.startswith("terms: ")


@pytest.mark.parametrize("name", ["commit", "reveal", "claim", "unseal", "audit", "nominate"])
def test_huge_windows_are_refused(world: World, name: str) -> None:
    for value in EDGES:
        with refused(world, "terms: window too long"):
            world.post(windows={name: value})


def test_products_that_would_wrap_to_something_small_are_refused(world: World) -> None:
    """holdout * samples = 2**256 wraps to zero, and samples * sample_bytes to one."""
    with refused(world, "terms: hold-out too large"):
        world.post(holdout=2**251, groups=2**252 % 2**20 + 2**20, samples=32, threshold=1)
    with refused(world, "terms: sample too large"):
        world.post(samples=1, threshold=1, sample_bytes=2**256 - 1, model_bytes=2)


def test_the_largest_sums_live_through_a_whole_challenge(world: World) -> None:
    ada, ben, *_ = world.trainers
    env = world.chain.env
    for actor in (world.poster, ada, ben):
        env.set_balance(actor, 2**130)
    challenge = world.open(reward=TOP, poster_bond=TOP, trainer_bond=TOP, seal_fee=TOP)
    for trainer, model in ((ada, quality(1)), (ben, quality(3))):
        world.commit(challenge, trainer, model)
    world.reveal_all(challenge)
    for trainer in (ada, ben):
        world.claim(challenge, trainer)
    world.pass_phase(challenge)
    world.unseal(challenge, ada)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON
    world.release_all(challenge)
    assert world.credit(ada) == 2 * TOP
    assert world.credit(ben) == world.credit(world.poster) == TOP
    assert world.burned() == 2 * TOP
    world.assert_over()


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_the_smallest_sums_lose_nothing_to_rounding(world: World, unit: int) -> None:
    ada, ben, *_ = world.trainers
    changes = {"reward": unit, "poster_bond": unit, "trainer_bond": unit, "seal_fee": 0}
    challenge = world.to_lie(ada, {ben: quality(1)}, **changes)
    world.audit_lie(challenge, ada, 0)
    assert world.credit(world.auditor) == unit // 2
    assert world.burned() == unit - unit // 2
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    world.release_all(challenge)
    assert world.credit(world.poster) == 2 * unit
    world.assert_over()


def test_huge_indices_are_refused(world: World) -> None:
    challenge = world.to_phase(Phase.NOMINATE)
    for index in EDGES:
        with refused(world, "nominate: no standing claim"):
            world.market.nominate(challenge, index, sender=world.stranger)
        with refused(world, "release: no bond"):
            world.market.release(challenge, index, sender=world.stranger)
        with refused(world, "market: no such challenge"):
            world.market.settle(index, sender=world.stranger)
        with boa.reverts("market: no such group"):
            world.market.slot_of(challenge, index)


def test_huge_scores_slots_and_masks_are_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    for score in EDGES:
        with refused(world, "claim: more than all"):
            world.claim(challenge, ada, score)
    world.claim(challenge, ada, ALL)
    world.pass_phase(challenge)
    world.unseal(challenge, ada)
    words, samples = world.predictions(challenge, quality(0)), world.held_out(challenge)[0].samples
    for edge in EDGES:
        with refused(world, "audit: no such slot"):
            world.market.audit(*audit_args(challenge, edge, 1, words, quality(0), samples), sender=ada)
        with refused(world, "audit: no such sample"):
            world.market.audit(*audit_args(challenge, 0, edge, words, quality(0), samples), sender=ada)


def test_the_longest_windows_end(world: World) -> None:
    """365 days each, one after another, without a call: still one phase at every instant."""
    year = 365 * 86400
    ada = world.trainers[0]
    names = asdict(world.terms().windows)
    challenge = world.to_claims({ada: quality(1)}, windows=dict.fromkeys(names, year))
    world.claim(challenge, ada)
    seen = []
    for _ in range(3):
        seen.append(world.phase(challenge))
        world.pass_phase(challenge)
    assert seen == [Phase.CLAIM, Phase.UNSEAL, Phase.NOMINATE]
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert world.escrowed(ETHER) == 0
    assert world.credit(world.poster) == 13 * ETH + 1
