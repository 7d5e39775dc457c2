"""Every product of every kernel counts: samples that all reach one sum, and a rival class just above and just below it.

A class hides most faults of a sum. Here the sum of the only row with weights is the same for all samples, although
inputs and weights differ from place to place, and the other class has that sum, or one less, as its bias. So a product
that is left out, taken twice or taken of another term decides some class.
"""

import numpy as np
import pytest

from fuzz.engine.subject import Engine, engine_for_tests
from trainer.integer import Int64, Layer, Network, Uint8, predict, quantum

SET = 24
"""Samples: a set of the wide kernel, and one and a half of the other."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("dense")


def balanced(weights: Int64, bits: int, rng: np.random.Generator) -> tuple[Uint8, int]:
    """Samples whose weighted sums are equal, and the sum."""
    top = 2**bits - 1
    goal = int(np.median(rng.integers(0, top + 1, (SET, len(weights))) @ weights))
    samples = []
    while len(samples) < SET:
        x = rng.integers(0, top + 1, len(weights))
        for i in rng.permutation(np.tile(np.arange(len(weights)), 4)):
            # as near as one input can bring it
            x[i] = np.clip(x[i] + int((goal - int(x @ weights)) / weights[i]), 0, top)
        if int(x @ weights) == goal:
            samples.append(x)
    return np.array(samples, np.uint8), goal


@pytest.mark.parametrize("inputs", [16, 32, 48, 64, 80, 128, 144, 208, 224, 272, 320, 384, 400, 416, 784, 1200])
@pytest.mark.parametrize(("bits", "weight_bits"), [(4, 4), (4, 2), (2, 4), (8, 8), (8, 4), (4, 8)])
def test_every_product_decides_a_class(engine: Engine, inputs: int, bits: int, weight_bits: int) -> None:
    rng = np.random.default_rng(inputs)
    most = quantum(weight_bits)
    row = rng.integers(-most, most + 1, inputs)
    row[row == 0] = 1
    # powers of two, with which every sum can be reached
    few = rng.permutation(inputs)[: inputs // 2]
    row[few] = 2 ** (np.arange(len(few)) % (weight_bits - 1)) * rng.choice([-1, 1], len(few))
    samples, goal = balanced(row, bits, rng)
    for below in (0, 1):
        network = Network(
            layers=(
                Layer(
                    weights=np.stack([np.zeros(inputs, np.int64), row], axis=1),
                    bias=np.array([goal - below, 0], np.int64),
                    shift=None,
                ),
            ),
            input_bits=bits,
            activation_bits=bits,
            weight_bits=weight_bits,
        )
        assert predict(network, samples).tolist() == [below] * SET
        assert list(engine.predict(network, samples))[:SET] == [below] * SET
        # one sample has kernels of its own
        for lone in (0, 7, SET - 1):
            assert engine.predict(network, samples, 1 << lone)[lone] == below
