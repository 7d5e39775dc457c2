"""Only the sealed model of the candidate is unsealed, and only one that the engine can always run."""

import boa
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ALL, ETH, World, quality, step_engine
from trainer.chain import deploy_engine
from trainer.protocol import Outcome, Phase

SALT = b"\x05" * 32
LARGEST = 124 * 1024


def claimed(world: World, model: bytes, **changes: object) -> int:
    """A challenge whose only seal is of these bytes, and claims everything."""
    ada = world.trainers[0]
    challenge = world.to_claims({ada: model}, **changes)
    world.claim(challenge, ada, ALL)
    world.pass_phase(challenge)
    return challenge


def test_anothers_model_cannot_be_unsealed(world: World) -> None:
    ada, ben, *_ = world.trainers
    challenge = world.to_unseal({ada: quality(0), ben: quality(1)})
    assert world.candidate(challenge) == ada
    words = world.predictions(challenge, quality(1))
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(challenge, SALT, words, quality(1), sender=ada)


def test_a_better_model_found_after_the_seal_cannot_be_unsealed(world: World) -> None:
    """The hold-out is public by now: a model that knows it must come too late."""
    ada = world.trainers[0]
    challenge = world.to_unseal({ada: quality(3)})
    with refused(world, "unseal: not the sealed model"):
        world.market.unseal(challenge, SALT, world.lie(challenge, ada), quality(0), sender=ada)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"", "engine: wrong length"),
        (b"M", "engine: wrong length"),
        (b"M\0\0", "engine: wrong length"),
        (b"\0\0", "engine: not a model"),
        (b"\xff" * 64, "engine: wrong length"),
        (b"\xff" * 65, "unseal: model too long"),
    ],
    ids=str,
)
def test_garbage_truncated_and_oversized_models_end_in_default(world: World, model: bytes, reason: str) -> None:
    ada = world.trainers[0]
    challenge = claimed(world, model)
    with refused(world, reason):
        world.unseal(challenge, ada, predictions=world.lie(challenge, ada))
    for _ in range(2):
        world.pass_phase(challenge)
    assert world.settle(challenge) == Outcome.UNNOMINATED
    assert world.credit(ada) == 0
    assert world.burned() == ETH + 1 + 7
    world.assert_over()


def test_a_model_past_the_largest_transaction_is_refused(world: World) -> None:
    ada = world.trainers[0]
    challenge = claimed(world, b"\xff" * (LARGEST + 1), model_bytes=LARGEST - 5)
    with unchanged(world), boa.reverts():
        world.unseal(challenge, ada, predictions=world.lie(challenge, ada))


def test_a_model_that_a_real_engine_refuses_is_refused_with_its_reason(world: World) -> None:
    """The dense engine refuses what costs too much gas, is of another shape, or is not canonical."""
    engine = deploy_engine()
    world.market = world.market.deployer.deploy(3600, [engine.address])
    header = bytearray(b"ASAY\x02\x01\x08\x08\x02")
    header += (1).to_bytes(2, "big") + (4).to_bytes(2, "big") + bytes(12) + bytes(6) + b"\0"
    ada = world.trainers[0]
    for model in (b"", b"ASAY", bytes(32), bytes(header), bytes(header) + bytes(4 * 36), b"\xff" * 5000):
        challenge = claimed(world, model, engine=engine.address, model_bytes=LARGEST - 5)
        with pytest.raises(boa.BoaError) as refusal, unchanged(world):
            world.unseal(challenge, ada, predictions=world.lie(challenge, ada))
        assert refusal.value.stack_trace.last_frame.pretty_vm_reason.startswith("engine: ")
        assert world.phase(challenge) == Phase.UNSEAL


def test_a_posters_own_engine_cannot_turn_on_the_candidate(world: World) -> None:
    own = step_engine()
    with refused(world, "terms: engine unknown"):
        world.post(engine=own.address)


def test_a_candidate_who_defaults_shows_nothing_of_his_model(world: World) -> None:
    challenge = claimed(world, quality(0))
    for _ in range(2):
        world.pass_phase(challenge)
    world.settle(challenge)
    assert world.market.challenge(challenge).model == bytes(32)
    assert world.market.challenge(challenge).predictions == bytes(32)
