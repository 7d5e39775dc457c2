"""audit: what is executed is recorded, one wrong sample is fraud, and nothing but what was shown before is used."""

from typing import Any

import boa
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ALL, EVERY_SAMPLE, HOLDOUT, HOUR, SAMPLES, World, audit_args, quality
from trainer.protocol import ETHER, Outcome, Phase

MODEL = quality(1)


def test_a_right_group_is_recorded(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words, samples = world.predictions(challenge, MODEL), world.held_out(challenge)[1].samples
    assert world.market.audit(*audit_args(challenge, 1, 0b10110, words, MODEL, samples), sender=world.auditor) is True
    assert world.events() == [
        (
            "Audited",
            {
                "id": challenge,
                "seal": 0,
                "slot": 1,
                "mask": 0b10110,
                "auditor": world.auditor,
                "unaudited": ALL - 3,
            },
        )
    ]
    assert world.market.executed(challenge, 0, 1) == 0b10110
    assert world.market.executed(challenge, 0, 0) == 0
    assert world.clock(challenge).unaudited == ALL - 3
    assert world.credit(world.auditor) == 0
    assert world.phase(challenge) == Phase.AUDIT


def test_every_sample_executed_decides_a_full_audit_at_once(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    for slot in range(HOLDOUT):
        for i in range(SAMPLES):
            assert world.phase(challenge) == Phase.AUDIT
            assert world.clock(challenge).unaudited == ALL - slot * SAMPLES - i
            assert world.audit(challenge, ada, slot, 1 << i)
    assert (world.phase(challenge), world.outcome(challenge)) == (Phase.SETTLE, Outcome.WON)


def test_overlapping_masks_count_each_sample_once(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    for mask, left in ((0b00011, ALL - 2), (0b00110, ALL - 3), (0b11111, ALL - 5)):
        world.audit(challenge, ada, 0, mask)
        assert world.clock(challenge).unaudited == left
    with refused(world, "audit: nothing new to execute"):
        world.audit(challenge, ada, 0)
    assert world.phase(challenge) == Phase.AUDIT


@pytest.mark.parametrize("full_audit", [True, False])
@pytest.mark.parametrize("bond", [1, 2, 7, 8, 10**18 + 1])
def test_one_wrong_sample_is_fraud(world: World, bond: int, full_audit: bool) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_lie(ada, {ben: MODEL}, trainer_bond=bond, full_audit=full_audit)
    words, samples = world.lie(challenge, ada), world.held_out(challenge)[0].samples
    burned = world.burned()
    escrowed = world.escrowed()
    assert (
        world.market.audit(*audit_args(challenge, 0, 0b100, words, quality(8), samples), sender=world.auditor) is False
    )
    assert world.events() == [
        ("Credited", {"token": ETHER, "owner": world.auditor, "amount": bond // 2}),
        ("Burned", {"token": ETHER, "amount": bond - bond // 2}),
        (
            "Fraud",
            {
                "id": challenge,
                "seal": 0,
                "slot": 0,
                "wrong": 0b100,
                "auditor": world.auditor,
                "bounty": bond // 2,
                "ends": world.chain.now + HOUR,
            },
        ),
    ]
    assert world.credit(world.auditor) == bond // 2
    assert world.burned() == burned + bond - bond // 2
    assert world.escrowed() == escrowed - bond
    assert tuple(world.market.seals(challenge, 0))[2:] == (0, 0, 0)
    clock = world.clock(challenge)
    assert (Phase(clock.phase), clock.ends) == (Phase.NOMINATE, world.chain.now + HOUR)
    assert (clock.leader, clock.candidate, clock.unaudited) == (0, 0, 0)
    assert world.market.executed(challenge, 0, 0) == 0
    world.assert_solvent()


def test_only_masked_samples_are_judged(world: World) -> None:
    """One wrong prediction among right ones is found by exactly the masks that hold it."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, ALL - 1)
    world.pass_phase(challenge)
    words = world.predictions(challenge, quality(0))
    wrong = 3
    words[1] = words[1][:wrong] + bytes([(words[1][wrong] + 1) & 3]) + words[1][wrong + 1 :]
    world.unseal(challenge, ada, predictions=words)
    assert world.audit(challenge, ada, 0, predictions=words)
    assert world.audit(challenge, ada, 1, EVERY_SAMPLE ^ 1 << wrong, predictions=words)
    with world.chain.env.anchor():
        assert not world.audit(challenge, ada, 1, 1 << wrong, predictions=words)
    assert not world.audit(challenge, ada, 1, EVERY_SAMPLE, predictions=words)
    assert world.events()[-1][1]["wrong"] == 1 << wrong
    assert world.phase(challenge) == Phase.NOMINATE


def test_optimistic_challenge_is_not_decided_by_a_complete_audit(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL}, full_audit=False)
    world.audit_all(challenge, ada)
    assert world.clock(challenge).unaudited == 0
    assert world.phase(challenge) == Phase.AUDIT
    with refused(world, "market: wrong phase"):
        world.market.settle(challenge, sender=ada)
    world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.WON


def test_anything_but_what_was_shown_is_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words, samples = world.predictions(challenge, MODEL), world.held_out(challenge)[0].samples
    other = world.held_out(challenge)[1].samples

    def audit(*args: Any, sender: str) -> None:
        world.market.audit(*audit_args(*args), sender=sender)

    flipped = [bytes([words[0][0] ^ 1]) + words[0][1:], words[1]]
    for bent in (flipped, words[:1], [*words, bytes(32)], [], words[::-1]):
        with refused(world, "audit: not the predictions"):
            audit(challenge, 0, 1, bent, MODEL, samples, sender=world.auditor)
    for model in (quality(0), b"", MODEL[:1], MODEL + b"\0"):
        with refused(world, "audit: not the model"):
            audit(challenge, 0, 1, words, model, samples, sender=world.auditor)
    for bent in (other, b"", samples[:-1], samples + b"\0", samples[::-1]):
        with refused(world, "audit: not the samples"):
            audit(challenge, 0, 1, words, MODEL, bent, sender=world.auditor)
    with refused(world, "audit: not the samples"):
        audit(challenge, 1, 1, words, MODEL, samples, sender=world.auditor)


def test_slots_and_masks_past_the_bounds_are_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words, samples = world.predictions(challenge, MODEL), world.held_out(challenge)[0].samples

    def audit(*args: Any, sender: str) -> None:
        world.market.audit(*audit_args(*args), sender=sender)

    for slot in (HOLDOUT, 2**256 - 1):
        with refused(world, "audit: no such slot"):
            audit(challenge, slot, 1, words, MODEL, samples, sender=world.auditor)
    for mask in (1 << SAMPLES, EVERY_SAMPLE | 1 << SAMPLES, 1 << 255, 2**256 - 1):
        with refused(world, "audit: no such sample"):
            audit(challenge, 0, mask, words, MODEL, samples, sender=world.auditor)
    with refused(world, "audit: nothing new to execute"):
        audit(challenge, 0, 0, words, MODEL, samples, sender=world.auditor)
    world.audit(challenge, ada, 0, 0b101)
    for mask in (0b1, 0b100, 0b101):
        with refused(world, "audit: nothing new to execute"):
            audit(challenge, 0, mask, words, MODEL, samples, sender=world.auditor)


def test_a_broken_engine_reverts_the_audit(world: World) -> None:
    ada = world.trainers[0]
    for model in (b"R\0", b"G\0"):
        challenge = world.to_claims({ada: model})
        world.claim(challenge, ada, ALL)
        world.pass_phase(challenge)
        lie = world.lie(challenge, ada)
        world.unseal(challenge, ada, predictions=lie)
        with unchanged(world), boa.reverts():
            world.audit(challenge, ada, 0, predictions=lie, gas=3_000_000)


def test_each_candidate_is_audited_from_scratch(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_lie(ada, {ben: MODEL})
    assert not world.audit_lie(challenge, ada, 0)
    world.market.nominate(challenge, 1, sender=ben)
    world.pass_phase(challenge)
    world.unseal(challenge, ben)
    assert world.clock(challenge).unaudited == ALL
    world.audit_all(challenge, ben)
    assert world.market.executed(challenge, 1, 0) == EVERY_SAMPLE
    assert world.settle(challenge) == Outcome.WON


def several(world: World, challenge: int, slots: list[int], words: list[bytes], model: bytes) -> tuple[Any, ...]:
    """Arguments of an audit of several groups."""
    groups = world.held_out(challenge)
    return challenge, slots, words, len(model), model + b"".join(groups[slot].samples for slot in slots)


def test_several_groups_are_recorded_each_under_its_own_slot(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words = world.predictions(challenge, MODEL)
    id, slots, words, length, payload = several(world, challenge, [1, 0], words, MODEL)
    mask = 0b10010 | 0b00111 << SAMPLES
    assert world.market.audit(id, slots, mask, words, length, payload, sender=world.auditor) is True
    assert [world.market.executed(challenge, 0, slot) for slot in (0, 1)] == [0b00111, 0b10010]
    assert world.clock(challenge).unaudited == ALL - 5


def test_one_lie_in_the_second_group_is_fraud(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: MODEL})
    world.claim(challenge, ada, world.honest_score(challenge, ada) - 1)
    world.pass_phase(challenge)
    words = world.predictions(challenge, MODEL)
    words[1] = words[1][:2] + bytes([(words[1][2] + 2) % 4]) + words[1][3:]
    world.unseal(challenge, ada, predictions=words)
    id, slots, words, length, payload = several(world, challenge, [0, 1], words, MODEL)
    assert world.market.audit(id, slots, (1 << ALL) - 1, words, length, payload, sender=world.auditor) is False
    (fraud,) = [fields for name, fields in world.events() if name == "Fraud"]
    assert (fraud["slot"], fraud["wrong"]) == (1, 0b100)
    assert world.phase(challenge) == Phase.NOMINATE
    assert world.credit(world.auditor) == fraud["bounty"] > 0


def test_the_whole_hold_out_in_one_audit_decides(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words = world.predictions(challenge, MODEL)
    id, slots, words, length, payload = several(world, challenge, [0, 1], words, MODEL)
    assert world.market.audit(id, slots, (1 << ALL) - 1, words, length, payload, sender=world.auditor) is True
    assert world.phase(challenge) == Phase.SETTLE


def test_a_group_twice_counts_once(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words = world.predictions(challenge, MODEL)
    id, slots, words, length, payload = several(world, challenge, [0, 0], words, MODEL)
    mask = EVERY_SAMPLE | EVERY_SAMPLE << SAMPLES
    assert world.market.audit(id, slots, mask, words, length, payload, sender=world.auditor) is True
    assert world.clock(challenge).unaudited == ALL - SAMPLES
    assert world.phase(challenge) == Phase.AUDIT


def test_every_group_of_an_audit_must_be_named_new_and_complete(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: MODEL})
    words = world.predictions(challenge, MODEL)
    id, slots, words, length, payload = several(world, challenge, [0, 1], words, MODEL)
    for reason, args in (
        ("audit: no group", (id, [], 0, words, length, MODEL)),
        ("audit: no such sample", (id, slots, 1 << 2 * SAMPLES, words, length, payload)),
        ("audit: nothing new to execute", (id, slots, 1, words, length, payload)),
        ("audit: not the samples", (id, slots, 1 | 1 << SAMPLES, words, length, payload[:-1])),
        ("audit: not the samples", (id, slots[::-1], 1 | 1 << SAMPLES, words, length, payload)),
        ("audit: not the model", (id, slots, 1 | 1 << SAMPLES, words, length + 1, payload)),
        ("audit: not the model", (id, slots, 1 | 1 << SAMPLES, words, 2**256 - 1, payload)),
        ("audit: no such slot", (id, [0, HOLDOUT], 1 | 1 << SAMPLES, words, length, payload)),
    ):
        with refused(world, reason):
            world.market.audit(*args, sender=world.auditor)
