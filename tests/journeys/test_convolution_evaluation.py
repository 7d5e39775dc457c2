"""A convolutional network plays a whole challenge of small colour images, and is paid; one that lies is found."""

import numpy as np
import pytest

from tests.convolution_strategies import build as build_network
from tests.journeys.played import HOLDOUT, Played
from tests.world import ETH
from trainer import convolution
from trainer.chain import deploy_convolution_engine
from trainer.datasets import Dataset
from trainer.encode_convolution import encode
from trainer.package import Package, build
from trainer.protocol import ETHER, Outcome
from trainer.quantise import Quantiser

GROUPS, SAMPLES = 4, 6
CLASSES = tuple("abcde")
NETWORK = build_network((3, 8, 6), [{"outputs": 4, "halve": 2}, {"outputs": 4, "skip": 1, "lift": 3}], classes=5)


@pytest.fixture(scope="module")
def package() -> Package:
    """Groups whose labels are, but for a tenth, what the network says."""
    rng = np.random.default_rng(0)
    quantiser = Quantiser(bits=4, image_shape=(8, 6, 3))
    features = rng.integers(0, 256, (GROUPS * SAMPLES, 144), dtype=np.uint8)
    labels = convolution.predict(NETWORK, quantiser.apply(features))
    labels = np.where(rng.random(len(labels)) < 0.1, (labels + 1) % len(CLASSES), labels).astype(np.uint8)
    data = Dataset(name="noise", features=features, labels=labels, class_names=CLASSES, image_shape=(8, 6, 3))
    return build(data, quantiser, group_size=SAMPLES, seed=0)


def played(package: Package, name: str) -> Played:
    sealed = {name: encode(NETWORK)}
    return Played(
        package, deploy_convolution_engine, sealed, lambda x: convolution.predict(NETWORK, x), model_bytes=4096
    )


# in fixtures: titanoboa anchors the environment of a test, and transactions cannot be undone
@pytest.fixture(scope="module")
def honest(package: Package) -> Played:
    """The network wins."""
    play = played(package, "ada")
    with play.chain.active():
        assert play.won("ada") == 11 * ETH
    return play


@pytest.fixture(scope="module")
def lied(package: Package) -> Played:
    """The same network, and a lie about the last sample of the last group."""
    play = played(package, "ben")
    with play.chain.active():
        assert play.caught("ben")
    return play


def test_classes_differ(package: Package) -> None:
    """A network that always says the same would prove little."""
    found = {int(c) for i in range(GROUPS) for c in convolution.predict(NETWORK, package.group(i).x)}
    assert len(found) > 1


def test_every_sample_is_executed_and_the_trainer_paid(honest: Played) -> None:
    contract = honest.client.contract
    assert [int(contract.executed(honest.id, 0, slot)) for slot in range(HOLDOUT)] == [(1 << SAMPLES) - 1] * HOLDOUT
    assert honest.client.outcome(honest.id) == Outcome.WON
    assert honest.client.books(ETHER)["escrowed"] == 0


def test_a_lie_about_the_last_sample_is_found(lied: Played) -> None:
    (fraud,) = (event for event in lied.client.events if type(event).__name__ == "Fraud")
    assert (fraud.slot, fraud.wrong) == (HOLDOUT - 1, 1 << SAMPLES - 1)
