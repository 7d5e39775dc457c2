"""An audit tells the truth: whatever is sent, and however little gas, honest predictions stand and lies fall."""

import boa
import pytest

from tests.unchanged import picture, refused, unchanged
from tests.world import ALL, ETH, EVERY_SAMPLE, HOLDOUT, SAMPLES, World, audit_args, quality
from trainer.protocol import Outcome, Phase

BOND = ETH + 1
MODEL = quality(1)


@pytest.mark.parametrize("slot", range(HOLDOUT))
@pytest.mark.parametrize("sample", range(SAMPLES))
def test_one_fake_prediction_is_found_wherever_it_is(world: World, slot: int, sample: int) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, ALL - 1)
    world.pass_phase(challenge)
    words = world.predictions(challenge, quality(0))
    words[slot] = words[slot][:sample] + bytes([words[slot][sample] ^ 1]) + words[slot][sample + 1 :]
    world.unseal(challenge, ada, predictions=words)
    found = [
        (s, i)
        for s in range(HOLDOUT)
        for i in range(SAMPLES)
        if world.phase(challenge) == Phase.AUDIT and not world.audit(challenge, ada, s, 1 << i, predictions=words)
    ]
    assert found == [(slot, sample)]
    assert world.phase(challenge) == Phase.NOMINATE
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert world.credit(ada) == 0
    assert world.credit(world.auditor) == BOND // 2


@pytest.mark.parametrize("lane", [SAMPLES, SAMPLES + 1, 31])
def test_a_fake_prediction_in_an_unused_lane_is_refused(world: World, lane: int) -> None:
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: MODEL})
    for slot in range(HOLDOUT):
        words = world.predictions(challenge, MODEL)
        words[slot] = words[slot][:lane] + b"\x01" + words[slot][lane + 1 :]
        with refused(world, "unseal: bad prediction word"):
            world.unseal(challenge, ada, predictions=words)


def test_an_honest_candidate_survives_every_audit_by_everybody(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_audit({ada: MODEL, ben: quality(3)}, full_audit=False)
    others = [bytes([word[0] ^ 1]) + word[1:] for word in world.predictions(challenge, MODEL)]
    for sender in (world.poster, ben, world.stranger):
        words, samples = world.predictions(challenge, MODEL), world.held_out(challenge)[1].samples
        with refused(world, "audit: not the samples"):
            world.market.audit(*audit_args(challenge, 0, 1, words, MODEL, samples), sender=sender)
        with refused(world, "audit: not the predictions"):
            world.market.audit(*audit_args(challenge, 1, 1, others, MODEL, samples), sender=sender)
        with refused(world, "audit: not the model"):
            world.market.audit(*audit_args(challenge, 1, 1, words, quality(8), samples), sender=sender)
        with refused(world, "audit: no such sample"):
            world.market.audit(*audit_args(challenge, 1, 1 << SAMPLES, words, MODEL, samples), sender=sender)
        with refused(world, "audit: no such slot"):
            world.market.audit(*audit_args(challenge, HOLDOUT, 1, words, MODEL, samples), sender=sender)
    world.audit_all(challenge, ada)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(ada) == 10 * ETH + BOND


@pytest.mark.parametrize("honest", [True, False])
def test_too_little_gas_changes_nothing(world: World, honest: bool) -> None:
    """From small gas to enough: an audit reverts whole, or finds the truth."""
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL}) if honest else world.to_lie(ada)
    model = MODEL if honest else quality(8)
    words = world.predictions(challenge, model) if honest else world.lie(challenge, ada)
    samples = world.held_out(challenge)[0].samples
    before = picture(world)
    results = []
    for gas in (*range(1_000, 60_000, 8_000), *range(60_000, 260_000, 5_000), 400_000, 1_000_000):
        with world.chain.env.anchor():
            try:
                found = world.market.audit(
                    *audit_args(challenge, 0, EVERY_SAMPLE, words, model, samples), sender=world.auditor, gas=gas
                )
            except boa.BoaError:
                assert not any(world.market.get_logs())
                assert world.market.executed(challenge, 0, 0) == 0
                assert picture(world) == before
                results.append(None)
            else:
                assert found is honest
                assert (world.phase(challenge) == Phase.AUDIT) is honest
                assert world.credit(world.auditor) == (0 if honest else BOND // 2)
                results.append(found)
    enough = results.index(honest)
    assert enough > 10
    assert set(results[:enough]) == {None}
    assert set(results[enough:]) == {honest}


@pytest.mark.parametrize("model", [b"R\0", b"G\0"], ids=["reverting", "burning all gas"])
@pytest.mark.parametrize("honest", [True, False])
def test_a_broken_engine_proves_nothing(world: World, model: bytes, honest: bool) -> None:
    """Should an engine ever fail, no bond falls by it; under full audit the candidate cannot win by it either."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: model})
    world.claim(challenge, ada, 3)
    world.pass_phase(challenge)
    words = world.lie(challenge, ada)
    if not honest:
        words[0] = bytes([words[0][0] ^ 1]) + words[0][1:]
    world.unseal(challenge, ada, predictions=words)
    for sender in (world.auditor, ada):
        for mask in (1, EVERY_SAMPLE):
            with unchanged(world), boa.reverts():
                world.audit(challenge, ada, 0, mask, predictions=words, sender=sender, gas=600_000)
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.NOMINATE


def test_a_self_audit_returns_at_most_half_of_the_bond(world: World) -> None:
    """A liar who sees that he will be caught may prove it himself; half is burned all the same."""
    ada = world.trainers[0]
    env = world.chain.env
    before = env.get_balance(ada)
    challenge = world.to_lie(ada)
    assert not world.audit_lie(challenge, ada, 0, sender=ada)
    assert world.credit(ada) == BOND // 2 <= BOND / 2
    world.pass_phase(challenge)
    world.settle(challenge)
    world.assert_over()
    assert env.get_balance(ada) == before - BOND - 7 + BOND // 2


def test_fraud_is_paid_once(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_lie(ada, {ben: MODEL})
    assert not world.audit_lie(challenge, ada, 0)
    for sender in (world.auditor, world.stranger, ada):
        with refused(world, "market: wrong phase"):
            world.audit_lie(challenge, ada, 1, sender=sender)
    assert world.credit(world.auditor) == BOND // 2


def test_groups_audited_right_do_not_save_a_lie_elsewhere(world: World) -> None:
    """Under full audit a false prediction never settles, whatever order the samples are executed in."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, ALL - 1)
    world.pass_phase(challenge)
    words = world.predictions(challenge, quality(0))
    words[1] = words[1][:4] + bytes([words[1][4] ^ 1]) + words[1][5:]
    world.unseal(challenge, ada, predictions=words)
    assert world.audit(challenge, ada, 0, predictions=words, sender=ada)
    assert world.audit(challenge, ada, 1, 0b01111, predictions=words, sender=ada)
    assert world.clock(challenge).unaudited == 1
    with refused(world, "audit: nothing new to execute"):
        world.audit(challenge, ada, 1, 0b01111, predictions=words, sender=ada)
    with refused(world, "market: wrong phase"):
        world.market.settle(challenge, sender=ada)
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.NOMINATE
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED


def test_a_wrong_mask_beside_executed_samples_still_convicts(world: World) -> None:
    """Samples that were right are executed again beside a new one: the new one decides."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, ALL - 1)
    world.pass_phase(challenge)
    words = world.predictions(challenge, quality(0))
    words[0] = words[0][:2] + bytes([words[0][2] ^ 1]) + words[0][3:]
    world.unseal(challenge, ada, predictions=words)
    assert world.audit(challenge, ada, 0, 0b00011, predictions=words)
    assert not world.audit(challenge, ada, 0, 0b00111, predictions=words)


def test_optimistic_fraud_found_in_the_last_second_falls(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_lie(ada, {ben: MODEL}, full_audit=False)
    world.near_end(challenge, -1)
    assert not world.audit_lie(challenge, ada, 1, 0b1)
    world.market.nominate(challenge, 1, sender=ben)
    world.pass_phase(challenge)
    world.unseal(challenge, ben)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(ben) == 10 * ETH + BOND


def test_optimistic_fraud_nobody_looks_for_wins(world: World) -> None:
    """Said openly: this mode needs one honest auditor. From the first second after the window nobody can object."""
    ada = world.trainers[0]
    challenge = world.to_lie(ada, full_audit=False)
    world.near_end(challenge, 0)
    with refused(world, "market: wrong phase"):
        world.audit_lie(challenge, ada, 0)
    assert world.settle(challenge) == Outcome.WON
    assert world.credit(ada) == 10 * ETH + BOND


def test_under_full_audit_a_lie_nobody_looks_for_is_a_default(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_lie(ada)
    world.pass_phase(challenge)
    assert world.phase(challenge) == Phase.NOMINATE
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert world.burned() == BOND + 7
