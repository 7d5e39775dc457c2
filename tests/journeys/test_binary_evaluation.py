"""A network of one bit plays a whole challenge: posted, sealed, revealed, claimed, unsealed, executed, paid.

The market has this engine in its list beside another; one audit runs both groups.
"""

import boa
import numpy as np
import pytest

from tests.binary_strategies import binary_network
from tests.journeys.played import HOLDOUT, Played
from tests.strategies import random_network
from tests.world import ETH
from trainer import integer
from trainer.chain import deploy_binary_engine
from trainer.client import MarketClient
from trainer.datasets import Dataset
from trainer.encode import encode
from trainer.errors import ChainError
from trainer.integer import Network
from trainer.package import Package, build
from trainer.protocol import ETHER, Outcome, Phase
from trainer.quantise import Quantiser

GROUPS, SAMPLES = 4, 20
CLASSES = tuple("abcde")
NETWORK = binary_network((72, 17, 5))
DENSE = random_network((72, 17, 5), input_bits=1, activation_bits=1, weight_bits=2)


@pytest.fixture(scope="module")
def package() -> Package:
    """Groups whose labels are, but for a tenth, what the network says."""
    rng = np.random.default_rng(0)
    quantiser = Quantiser(bits=1, image_shape=(9, 8))
    features = rng.integers(0, 2, (GROUPS * SAMPLES, 72), dtype=np.uint8) * np.uint8(200)
    labels = integer.predict(NETWORK, quantiser.apply(features))
    labels = np.where(rng.random(len(labels)) < 0.1, (labels + 1) % len(CLASSES), labels).astype(np.uint8)
    data = Dataset(name="noise", features=features, labels=labels, class_names=CLASSES, image_shape=(9, 8))
    return build(data, quantiser, group_size=SAMPLES, seed=0)


def played(package: Package, sealed: dict[str, Network]) -> Played:
    models = {name: encode(network) for name, network in sealed.items()}
    return Played(package, deploy_binary_engine, models, lambda x: integer.predict(NETWORK, x), model_bytes=1024)


# in fixtures: titanoboa anchors the environment of a test, and transactions cannot be undone
@pytest.fixture(scope="module")
def honest(package: Package) -> Played:
    """The network wins."""
    play = played(package, {"ada": NETWORK})
    with play.chain.active():
        assert play.won("ada") == 11 * ETH
    return play


@pytest.fixture(scope="module")
def lied(package: Package) -> Played:
    """The same network, and a lie about the last sample of the last group."""
    play = played(package, {"ben": NETWORK})
    with play.chain.active():
        assert play.caught("ben")
    return play


@pytest.fixture(scope="module")
def refused(package: Package) -> Played:
    """A dense network of one bit, but for its weights, has no way in, though nobody looked before it was sealed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MarketClient, "check_model", lambda *_: None)
        play = played(package, {"cleo": DENSE})
    with play.chain.active(), boa.reverts("engine: bad weight bits"):
        play.claim_and_unseal("cleo", [group.labels for group in play.groups])
    return play


@pytest.fixture(scope="module")
def warnings(package: Package) -> list[str]:
    """What the client says before a bond is at stake."""
    said = []
    for network in (DENSE, binary_network((72, 120, 5))):
        with pytest.raises(ChainError) as error:
            played(package, {"cleo": network})
        said.append(str(error.value))
    return said


def test_a_model_that_could_not_be_unsealed_is_not_sealed(warnings: list[str]) -> None:
    engine, length = warnings
    assert "the challenge's engine refuses the model (engine: bad weight bits)" in engine
    assert "1 bits a feature, and 5 classes" in engine
    assert "the challenge takes 1024" in length


def test_every_sample_is_executed_in_one_audit_and_the_trainer_paid(honest: Played) -> None:
    contract = honest.client.contract
    assert [int(contract.executed(honest.id, 0, slot)) for slot in range(HOLDOUT)] == [(1 << SAMPLES) - 1] * HOLDOUT
    assert honest.client.outcome(honest.id) == Outcome.WON
    assert honest.client.books(ETHER)["escrowed"] == 0


def test_a_lie_about_the_last_sample_is_found(lied: Played) -> None:
    (fraud,) = (event for event in lied.client.events if type(event).__name__ == "Fraud")
    assert (fraud.slot, fraud.wrong) == (HOLDOUT - 1, 1 << SAMPLES - 1)


def test_a_dense_network_is_refused(refused: Played) -> None:
    assert refused.client.phase(refused.id) == Phase.UNSEAL
