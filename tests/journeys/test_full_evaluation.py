"""1,024 samples of 784-32-10 at 4 bits run through the market in four transactions that a public chain takes.

The data is made up, of Fashion-MNIST's shape and of as many bytes; `make bench-gas` plays the same with the real one.
"""

from dataclasses import asdict

import numpy as np
import pytest

from bench.evaluation import GROUPS, SAMPLES, Challenge, honest, last_lie, market, within_limits
from tests.strategies import random_network
from trainer import integer
from trainer.chain import TRANSACTION_CAP
from trainer.datasets import Dataset
from trainer.integer import Network, Uint8
from trainer.package import Package, build
from trainer.quantise import Quantiser

NETWORK = random_network((784, 32, 10))


@pytest.fixture(scope="module")
def package() -> Package:
    """40 groups whose labels are, but for a tenth, what the network says."""
    rng = np.random.default_rng(0)
    quantiser = Quantiser(bits=4, image_shape=(28, 28))
    features = rng.integers(0, 256, (40 * SAMPLES, 784), dtype=np.uint8)
    features[rng.random(features.shape) < 0.5] = 0
    labels = integer.predict(NETWORK, quantiser.apply(features))
    labels = np.where(rng.random(len(labels)) < 0.1, rng.integers(0, 10, len(labels)), labels).astype(np.uint8)
    names = tuple(str(i) for i in range(10))
    data = Dataset(name="noise", features=features, labels=labels, class_names=names, image_shape=(28, 28))
    return build(data, quantiser, group_size=SAMPLES, seed=0)


def train(x: Uint8, y: Uint8) -> Network:
    assert x.shape == (8 * SAMPLES, 784)
    return NETWORK


@pytest.fixture(scope="module")
def played(package: Package) -> tuple[Challenge, int, Challenge]:
    """Both challenges, in a fixture: titanoboa anchors the environment of a test, and transactions cannot be undone."""
    client, engine = market()
    with client.chain.active():
        challenge, _, score = honest(client, engine, package, train)
        return challenge, score, last_lie(client, engine, package, NETWORK)


def test_every_sample_runs_in_four_transactions_within_both_limits(played: tuple[Challenge, int, Challenge]) -> None:
    challenge, score, _ = played
    audits = [step for step in challenge.steps if step.call == "audit"]
    assert len(audits) == 4
    assert within_limits(challenge.steps), [asdict(step) for step in audits]
    assert all(step.floor_gas <= step.transaction_gas <= TRANSACTION_CAP for step in audits)
    expected = [int((integer.predict(NETWORK, group.x) == group.y).sum()) for group in challenge.groups]
    assert score == sum(expected) > GROUPS * SAMPLES * 0.8


def test_a_lie_in_the_last_sample_of_the_last_group_is_found(played: tuple[Challenge, int, Challenge]) -> None:
    *_, lied = played
    # `last_lie` has seen the fraud; what ran before it, one group in a transaction of its own, stays recorded
    assert [step.call for step in lied.steps[-2:]] == ["audit", "audit"]
    assert within_limits(lied.steps)
