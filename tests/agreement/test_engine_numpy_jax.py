"""Engine, NumPy and JAX give the same numbers: every logit and every class, on random and adversarial input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fuzz.engine.subject import Engine, engine_for_tests
from tests.strategies import groups, networks, random_group, random_network
from trainer import integer, integer_jax
from trainer.encode import classes_of
from trainer.errors import NetworkError
from trainer.integer import INPUT_BITS, WEIGHT_BITS, Network


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("dense")


@given(data=st.data(), network=networks())
def test_classes_are_the_same(engine: Engine, data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network))
    expected = integer.predict(network, samples)
    engine.validate(network)
    assert classes_of(engine.predict(network, samples)[:32], len(samples)).tolist() == expected.tolist()
    assert np.array_equal(integer_jax.predict(network, samples), expected)


@given(data=st.data(), network=networks(max_inputs=40, max_width=12))
def test_logits_are_the_same(engine: Engine, data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network))
    expected = integer.logits(network, samples)
    index = data.draw(st.integers(0, len(samples) - 1))
    assert engine.logits(network, samples, index) == expected[index].tolist()
    assert np.array_equal(integer_jax.logits(network, samples), expected)


@given(data=st.data(), network=networks())
def test_one_more_on_a_tied_logit_decides_the_class(engine: Engine, data: st.DataObject, network: Network) -> None:
    """`predict` computes every logit exactly: with all of them made equal, one unit more wins, and a tie is class 0."""
    samples = data.draw(groups(network, max_samples=1))
    last = network.layers[-1]
    level = -integer.logits(network, samples)[0]
    winner = data.draw(st.integers(0, network.classes - 1))
    tied = last.bias + level
    try:
        tie = replace(network, layers=(*network.layers[:-1], replace(last, bias=tied)))
        tied = tied.copy()
        tied[winner] += 1
        decided = replace(network, layers=(*network.layers[:-1], replace(last, bias=tied)))
    except NetworkError:
        # so near its bounds that a tie would be no network: nothing to compare
        assume(False)
    assert engine.predict(tie, samples)[0] == 0
    assert engine.predict(decided, samples)[0] == winner


@pytest.mark.parametrize("input_bits", INPUT_BITS)
@pytest.mark.parametrize("activation_bits", INPUT_BITS)
@pytest.mark.parametrize("weight_bits", WEIGHT_BITS)
def test_every_combination_of_bits(engine: Engine, input_bits: int, activation_bits: int, weight_bits: int) -> None:
    network = random_network(
        (264, 11, 3), input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits
    )
    samples = random_group(network, 2)
    engine.validate(network)
    expected = integer.predict(network, samples)
    assert classes_of(engine.predict(network, samples)[:32], 2).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("widths", "bits"),
    [((516, 2), 8), ((1536, 2), 4), ((8, 510, 3), 8), ((64, 400, 3), 4), ((4096, 2), 1), ((8, 256), 2)],
)
def test_wide_layers(engine: Engine, widths: tuple[int, ...], bits: int) -> None:
    """Many blocks in a row, inside the bound of 2**24 with extreme weights and inputs."""
    network = random_network(widths, input_bits=bits, activation_bits=bits, weight_bits=8 if bits == 8 else 4)
    top = network.layers[0].weights
    network = replace(
        network, layers=(replace(network.layers[0], weights=np.sign(top) * abs(top).max()), *network.layers[1:])
    )
    samples = random_group(network, 3)
    samples[1], samples[2] = 2**bits - 1, 0
    engine.validate(network)
    assert classes_of(engine.predict(network, samples)[:32], 3).tolist() == integer.predict(network, samples).tolist()


def test_a_full_group_in_several_turns(engine: Engine) -> None:
    """32 wide samples do not fit into the engine's scratch memory at once."""
    network = random_network((1000, 6, 3), input_bits=8, activation_bits=8)
    samples = random_group(network, 32)
    assert classes_of(engine.predict(network, samples)[:32], 32).tolist() == integer.predict(network, samples).tolist()


@pytest.mark.parametrize("terms", [1, 4, 5, 12, 13, 17])
@pytest.mark.parametrize(("lanes", "bits"), [(16, 4), (10, 8)])
def test_every_term_of_a_block_counts(engine: Engine, terms: int, lanes: int, bits: int) -> None:
    """The last input of a row, alone in its term, decides between two classes that are equal but for one unit."""
    hidden = lanes * (terms - 1) + 1
    network = random_network((8, hidden, 2), input_bits=bits, activation_bits=bits)
    first, last = network.layers
    weights = last.weights.copy()
    weights[-1] = [3, -4]
    samples = random_group(network, 1)
    # every activation is 1 or more
    first = replace(first, weights=abs(first.weights), bias=abs(first.bias) + 8)
    network = replace(network, layers=(first, replace(last, weights=weights)))
    level = integer.logits(network, samples)[0]
    for winner in (0, 1):
        bias = last.bias - level
        bias[1] += winner
        decided = replace(network, layers=(first, replace(last, weights=weights, bias=bias)))
        assert engine.predict(decided, samples)[0] == winner
