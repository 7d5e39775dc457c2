"""Convolutional networks in JAX: every logit of NumPy's, for every kind of layer and at every bound."""

import numpy as np
import pytest

from tests.random_convolutions import random_convolutional_network, random_samples
from trainer import convolution, convolution_jax
from trainer.architecture import Architecture, Block
from trainer.convolution import ConvolutionalNetwork, Halve
from trainer.errors import NetworkError
from trainer.integer import Uint8


def blank(*blocks: Block, image: tuple[int, int, int] = (1, 4, 4)) -> ConvolutionalNetwork:
    return Architecture(image=image, blocks=blocks).blank(classes=3, input_bits=4)


SEEDS = range(30)


def drawn(seed: int) -> tuple[ConvolutionalNetwork, Uint8]:
    rng = np.random.default_rng(seed)
    network = random_convolutional_network(rng)
    return network, random_samples(network, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_logit_is_numpys(seed: int) -> None:
    network, x = drawn(seed)
    assert (convolution_jax.logits(network, x) == convolution.logits(network, x)).all()


def test_the_networks_drawn_reach_every_kind_of_layer() -> None:
    kinds, telling = set(), 0
    for seed in SEEDS:
        network, x = drawn(seed)
        for conv in network.convolutions:
            kinds |= {conv.weights.shape[-1], conv.halve.name, (conv.depthwise, conv.skip is not None, conv.lift > 0)}
        telling += len(np.unique(convolution.logits(network, x), axis=0)) > 4
    assert kinds >= {1, 3, 5} | {halve.name for halve in Halve}
    assert kinds >= {(depthwise, added, added) for depthwise in (False, True) for added in (False, True)}
    # the planes of the other networks are all zero, or all at the top, somewhere
    assert telling > len(SEEDS) * 2 / 3


def test_batches_change_nothing() -> None:
    network = blank(Block(outputs=3, halve=Halve.MEAN))
    network.convolutions[0].weights[...] = np.arange(27).reshape(3, 1, 3, 3) % 5 - 1
    network.head.weights[...] = np.random.default_rng(1).integers(-9, 10, (12, 3))
    x = np.random.default_rng(0).integers(0, 16, (23, 16), dtype=np.uint8)
    expected = convolution.predict(network, x)
    assert len(np.unique(expected)) > 1
    for batch in (1, 7, 23, 100):
        assert (convolution_jax.predict(network, x, batch=batch) == expected).all()
    assert convolution_jax.predict(network, x[:0]).shape == (0,)


def test_the_lowest_class_wins_a_tie() -> None:
    network = blank(Block(outputs=1))
    network.head.bias[:] = (1, 5, 5)
    assert convolution_jax.predict(network, np.zeros((1, 16), np.uint8)).tolist() == [1]


@pytest.mark.parametrize(
    ("x", "batch", "reason"),
    [
        (np.zeros((2, 15), np.uint8), 1, r"samples have shape \(2, 15\); the network takes \(n, 16\)"),
        (np.full((2, 16), 16, np.uint8), 1, "a feature leaves 0 to 15"),
        (np.zeros((2, 16), np.uint8), 0, "batch is 0; use 1 or more"),
    ],
)
def test_unfit_samples_are_refused(x: np.ndarray, batch: int, reason: str) -> None:
    with pytest.raises(NetworkError, match=reason):
        convolution_jax.predict(blank(Block(outputs=1)), x, batch=batch)


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ((), "network has 0 convolutions"),
        ((Block(outputs=2, kernel=2),), "kernels are square, with a side in"),
        ((Block(outputs=2, depthwise=True),), "after 1 channels"),
        ((Block(outputs=2, skip=0),), r"adds planes \(1, 4, 4\) to \(2, 4, 4\)"),
        ((Block(outputs=0),), "0 channels"),
        ((Block(outputs=1, halve=Halve.MAX),) * 3, "planes of 1 x 1 cannot be halved"),
    ],
)
def test_an_architecture_that_no_network_has_is_refused(blocks: tuple[Block, ...], reason: str) -> None:
    with pytest.raises(NetworkError, match=reason):
        Architecture(image=(1, 4, 4), blocks=blocks)
