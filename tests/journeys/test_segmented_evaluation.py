"""A network in segments plays a whole challenge: anyone takes its steps, the market audits, and a lie is proven.

One lie about one sample takes the steps of that sample alone.
"""

from pathlib import Path

import boa
import numpy as np
import pytest

from tests.convolution_strategies import build as build_network
from tests.journeys.played import HOLDOUT, Played
from tests.world import ETH
from trainer.chain import deploy_segmented_engine
from trainer.client import Seal
from trainer.convolution import ConvolutionalNetwork
from trainer.datasets import Dataset
from trainer.encode_segments import files_of, model_of
from trainer.errors import ChainError
from trainer.execute import execute
from trainer.package import Package, build
from trainer.protocol import ETHER, Outcome, Phase
from trainer.quantise import Quantiser
from trainer.segments import cut, predict
from trainer.steps import Steps

GROUPS, SAMPLES = 4, 3
CLASSES = tuple("abcde")
NETWORK = cut(
    build_network((3, 4, 4), [{"outputs": 3}, {"outputs": 4}, {"outputs": 4, "skip": 2, "lift": 3}], classes=5, seed=5),
    fits=lambda s: len(s.convolutions) <= 2 and not isinstance(s, ConvolutionalNetwork),
)


@pytest.fixture(scope="module")
def package() -> Package:
    """Groups whose labels are, but for a tenth, what the network says."""
    rng = np.random.default_rng(0)
    quantiser = Quantiser(bits=4, image_shape=(4, 4, 3))
    features = rng.integers(0, 256, (GROUPS * SAMPLES, 48), dtype=np.uint8)
    labels = predict(NETWORK, quantiser.apply(features))
    labels = np.where(rng.random(len(labels)) < 0.1, (labels + 1) % len(CLASSES), labels).astype(np.uint8)
    data = Dataset(name="noise", features=features, labels=labels, class_names=CLASSES, image_shape=(4, 4, 3))
    return build(data, quantiser, group_size=SAMPLES, seed=0)


def played(package: Package, name: str) -> Played:
    files = files_of(NETWORK)
    return Played(
        package,
        deploy_segmented_engine,
        {name: model_of(files)},
        lambda x: predict(NETWORK, x),
        model_bytes=128,
        segments=files,
    )


def take_steps(play: Played, slot: int, sample: int) -> int:
    """Steps that an auditor takes of one sample."""
    steps = Steps(play.chain, play.engine.address, gas_limit=2**24)
    return len(list(steps.run(NETWORK, play.groups[slot].x[sample], sender=play.accounts["auditor"])))


# in fixtures: titanoboa anchors the environment of a test, and transactions cannot be undone
@pytest.fixture(scope="module")
def honest(package: Package) -> Played:
    """The network wins; before it is unsealed, nobody has seen a segment."""
    play = played(package, "ada")
    with play.chain.active():
        assert not any(play.engine.segment_of(digest).gas for digest in segments_named(play))
        play.claim_and_unseal("ada", play.words())
        with boa.reverts("engine: step not taken"):
            play.audit()
        assert play.client.phase(play.id) == Phase.AUDIT
        for slot in range(HOLDOUT):
            for sample in range(SAMPLES):
                assert take_steps(play, slot, sample) == 3
        assert play.audit() is True
        play.client.settle(play.id, sender=play.accounts["auditor"])
        assert play.client.withdraw(ETHER, sender=play.accounts["ada"]).result == 11 * ETH
    return play


@pytest.fixture(scope="module")
def hasty(package: Package) -> list[str]:
    """What the client says of an unsealing before its time, and of one that the market would refuse."""
    play, said = played(package, "eve"), []
    seal = play.seals["eve"]
    with play.chain.active():
        for words in (play.words(), [bytes(32)] * HOLDOUT):
            with pytest.raises(ChainError) as refused:
                play.client.unseal(seal, words)
            said.append(str(refused.value))
            if len(said) == 1:
                play.client.claim(play.id, HOLDOUT * SAMPLES, sender=play.accounts["eve"])
                play.wait()
        assert not any(play.engine.segment_of(digest).gas for digest in segments_named(play))
    return said


@pytest.fixture(scope="module")
def lied(package: Package) -> Played:
    """The same network, and a lie about the last sample of the last group; that sample alone is executed."""
    play = played(package, "ben")
    with play.chain.active():
        words = play.words()
        lie = bytearray(words[-1])
        lie[SAMPLES - 1] = (lie[SAMPLES - 1] + 1) % play.classes
        play.claim_and_unseal("ben", [*words[:-1], bytes(lie)])
        assert take_steps(play, HOLDOUT - 1, SAMPLES - 1) == 3
        slot = HOLDOUT - 1
        found = play.client.audit(
            play.id,
            {slot: play.client.holdout(play.id).samples[slot]},
            1 << SAMPLES - 1,
            play.client.unsealed(play.id),
            sender=play.accounts["auditor"],
        )
        assert found.result is False
    return play


def segments_named(play: Played) -> list[bytes]:
    """Hashes in the sealed model."""
    (seal,) = play.seals.values()
    return [seal.model[at : at + 32] for at in range(32, len(seal.model), 32)]


def test_every_sample_is_executed_and_the_trainer_paid(honest: Played) -> None:
    contract = honest.client.contract
    assert [int(contract.executed(honest.id, 0, slot)) for slot in range(HOLDOUT)] == [(1 << SAMPLES) - 1] * HOLDOUT
    assert honest.client.outcome(honest.id) == Outcome.WON
    assert honest.client.books(ETHER)["escrowed"] == 0


def test_a_lie_about_one_sample_is_proven_with_the_steps_of_that_sample(lied: Played) -> None:
    (fraud,) = (event for event in lied.client.events if type(event).__name__ == "Fraud")
    assert (fraud.slot, fraud.wrong) == (HOLDOUT - 1, 1 << SAMPLES - 1)


def test_no_segment_is_shown_where_the_unsealing_would_fail(hasty: list[str]) -> None:
    """Shown before the commits are closed, anyone could seal it; shown in vain, it is given away."""
    assert hasty == [
        "the market would refuse the model (market: wrong phase); no segment was shown",
        "the market would refuse the model (unseal: fewer right than claimed); no segment was shown",
    ]


def test_a_seal_keeps_its_segments(lied: Played, tmp_path: Path) -> None:
    (seal,) = lied.seals.values()
    seal.save(tmp_path)
    assert Seal.load(tmp_path) == seal


def test_the_command_line_s_execution_takes_the_steps(package: Package) -> None:
    execution = execute(NETWORK, [package.group(0)], classes=len(CLASSES))
    assert (execution.groups[0].classes == predict(NETWORK, package.group(0).x)).all()
    assert execution.groups[0].execution_gas > SAMPLES * 3 * 100_000
