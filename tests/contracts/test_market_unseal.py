"""unseal: the sealed model of the candidate, valid, and as many right answers as claimed."""

import boa
import pytest
from eth_hash.auto import keccak

from tests.unchanged import refused, unchanged
from tests.world import ALL, HOLDOUT, HOUR, SAMPLES, World, quality
from trainer.protocol import Phase, predictions_hash

SALT = b"\x05" * 32


def right(world: World, challenge: int, count: int) -> list[bytes]:
    """Predictions of which exactly `count` are right, the first ones."""
    words = []
    for slot, g in enumerate(world.held_out(challenge)):
        lanes = bytearray(g.labels)
        for i in range(SAMPLES):
            if slot * SAMPLES + i >= count:
                lanes[i] = (lanes[i] + 1) & 3
        words.append(bytes(lanes))
    assert world.score(challenge, words) == count
    return words


def test_unseal_keeps_hashes_and_opens_the_audit(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_claims({ada: quality(3), ben: quality(1)})
    world.claim(challenge, ada, 3)
    world.claim(challenge, ben)
    world.pass_phase(challenge)
    model, words = quality(1), world.predictions(challenge, quality(1))
    score = world.honest_score(challenge, ben)
    world.unseal(challenge, ben)
    assert world.events() == [
        (
            "Unsealed",
            {
                "id": challenge,
                "seal": 1,
                "score": score,
                "salt": SALT,
                "predictions": words,
                "model": model,
                "cost": 30_000,
                "ends": world.chain.now + HOUR,
            },
        )
    ]
    stored = world.market.challenge(challenge)
    assert (stored.model, stored.predictions) == (keccak(model), predictions_hash(words))
    clock = world.clock(challenge)
    assert (Phase(clock.phase), clock.ends, clock.unaudited) == (Phase.AUDIT, world.chain.now + HOUR, ALL)
    assert clock.candidate == 2


def test_more_right_than_claimed_is_accepted(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, 5)
    world.pass_phase(challenge)
    world.unseal(challenge, ada)
    assert world.phase(challenge) == Phase.AUDIT


@pytest.mark.parametrize("claimed", [3, 5, 7, ALL])
def test_as_many_right_as_claimed_and_one_fewer(world: World, claimed: int) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)})
    world.claim(challenge, ada, claimed)
    world.pass_phase(challenge)
    for count in (0, claimed - 1):
        with refused(world, "unseal: fewer right than claimed"):
            world.unseal(challenge, ada, predictions=right(world, challenge, count))
    world.unseal(challenge, ada, predictions=right(world, challenge, claimed))
    assert world.phase(challenge) == Phase.AUDIT


def test_unused_lanes_are_never_counted(world: World) -> None:
    """A word of zeros agrees with the labels in every unused lane; only the real ones count."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(0)}, threshold=ALL)
    world.claim(challenge, ada, ALL)
    world.pass_phase(challenge)
    zeros = [bytes(32)] * HOLDOUT
    assert world.score(challenge, zeros) < ALL
    with refused(world, "unseal: fewer right than claimed"):
        world.unseal(challenge, ada, predictions=zeros)


def test_bad_prediction_words_are_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: quality(1)})
    words = world.predictions(challenge, quality(1))
    for slot in range(HOLDOUT):
        for lane, value in ((0, 4), (0, 255), (SAMPLES - 1, 4), (SAMPLES, 1), (31, 1), (31, 255)):
            bent = list(words)
            bent[slot] = words[slot][:lane] + bytes([value]) + words[slot][lane + 1 :]
            with refused(world, "unseal: bad prediction word"):
                world.unseal(challenge, ada, predictions=bent)


def test_wrong_numbers_of_words_are_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: quality(1)})
    words = world.predictions(challenge, quality(1))
    for bent in ([], words[:1], [*words, bytes(32)], [*words, words[0]], [*words, *[bytes(32)] * 254]):
        with refused(world, "unseal: wrong number of words"):
            world.unseal(challenge, ada, predictions=bent)
    with unchanged(world), boa.reverts():
        world.unseal(challenge, ada, predictions=[*words, *[bytes(32)] * 255])


def test_only_the_candidate_unseals(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_unseal({ada: quality(1), ben: quality(3)})
    for sender in (ben, world.poster, world.auditor, world.stranger):
        with refused(world, "unseal: not the candidate"):
            world.unseal(challenge, ada, sender=sender)


def test_anything_but_the_sealed_model_and_salt_is_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: quality(1)})
    words = world.predictions(challenge, quality(1))
    for salt, model in (
        (b"\x06" * 32, quality(1)),
        (bytes(32), quality(1)),
        (SALT, quality(0)),
        (SALT, quality(1)[:1]),
        (SALT, quality(1) + b"\0"),
        (SALT, b""),
    ):
        with refused(world, "unseal: not the sealed model"):
            world.market.unseal(challenge, salt, words, model, sender=ada)


@pytest.mark.parametrize(
    ("model", "terms", "reason"),
    [
        (b"M", {}, "engine: wrong length"),
        (b"", {}, "engine: wrong length"),
        (b"M" * 64, {}, "engine: wrong length"),
        (b"M" * 65, {}, "unseal: model too long"),
        (quality(1), {"model_bytes": 1}, "unseal: model too long"),
        (b"Z\0", {}, "engine: not a model"),
    ],
    ids=str,
)
def test_models_that_are_none_are_refused(world: World, model: bytes, terms: dict[str, int], reason: str) -> None:
    ada = world.trainers[0]
    challenge = world.to_claims({ada: model}, **terms)
    world.claim(challenge, ada, ALL)
    world.pass_phase(challenge)
    with refused(world, reason):
        world.unseal(challenge, ada, predictions=world.lie(challenge, ada))


def test_a_model_for_other_inputs_is_refused(world: World) -> None:
    """The engine sees the challenge's input width, bits and classes; the step engine knows four classes."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: quality(1)}, classes=5)
    world.claim(challenge, ada)
    world.pass_phase(challenge)
    with refused(world, "engine: classes"):
        world.unseal(challenge, ada)


def test_a_model_is_unsealed_once(world: World) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: quality(1)})
    with refused(world, "market: wrong phase"):
        world.unseal(challenge, ada)
