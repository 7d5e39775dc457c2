"""The dense engine on titanoboa at every number of bits: the same sums as the integer network, weight by weight.

`tests/agreement` asks more of it on revm, which is fast and which coverage does not see.
"""

from itertools import product

import numpy as np
import pytest

from fuzz.engine.subject import Engine, engine_for_tests
from tests.strategies import random_group, random_network
from trainer.encode import encode, pack_samples, padded_width
from trainer.integer import INPUT_BITS, WEIGHT_BITS, logits, predict


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("dense")


@pytest.mark.parametrize(("bits", "weight_bits"), list(product(INPUT_BITS, WEIGHT_BITS)))
def test_logits_and_classes_at_every_number_of_bits(engine: Engine, bits: int, weight_bits: int) -> None:
    # a row long enough for whole words and a tail
    widths = (padded_width(200, bits), 3, 3)
    network = random_network(widths, input_bits=bits, activation_bits=bits, weight_bits=weight_bits)
    samples = random_group(network, 2)
    expected = logits(network, samples).tolist()
    engine.validate(network)
    assert [engine.logits(network, samples, index) for index in range(2)] == expected
    assert np.frombuffer(engine.predict(network, samples), np.uint8)[:2].tolist() == predict(network, samples).tolist()


def test_logits_refuse_what_is_no_sample(engine: Engine) -> None:
    network = random_network((24, 7, 3))
    model, samples = encode(network), pack_samples(random_group(network, 2), 4)
    for args, reason in (
        ((model[:31], samples, 0), "engine: model too short"),
        ((model, samples[:-1], 0), "engine: not whole samples"),
        ((model, samples, 2), "engine: no such sample"),
    ):
        assert engine.call("logits", *args).reason == reason
    assert engine.call("cost", model[:31]).reason == "engine: model too short"
