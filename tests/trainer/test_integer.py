"""The specification: its arithmetic against plain Python integers, its bounds, its refusals; and JAX beside it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import groups, networks, random_group, random_network
from trainer import integer, integer_jax
from trainer.errors import NetworkError
from trainer.integer import MAX_ACCUMULATOR, Layer, Network, accumulator_bounds


def plain_logits(network: Network, sample: list[int]) -> list[int]:
    """The definition, in Python integers."""
    x = sample
    for layer in network.layers:
        columns = layer.weights.T.tolist()
        acc = [sum(a * w for a, w in zip(x, column, strict=True)) for column in columns]
        acc = [a + b for a, b in zip(acc, layer.bias.tolist(), strict=True)]
        if layer.shift is not None:
            acc = [min(max(a, 0) // 2**layer.shift, 2**network.activation_bits - 1) for a in acc]
        x = acc
    return x


def one_layer(weights: list[list[int]], bias: list[int], *, input_bits: int = 8, weight_bits: int = 8) -> Network:
    layer = Layer(weights=np.array(weights, np.int64), bias=np.array(bias, np.int64), shift=None)
    return Network(layers=(layer,), input_bits=input_bits, activation_bits=input_bits, weight_bits=weight_bits)


@given(data=st.data(), network=networks(max_inputs=30, max_width=10))
def test_logits_are_exact_integer_arithmetic(data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network, max_samples=2))
    expected = [plain_logits(network, row) for row in samples.tolist()]
    assert integer.logits(network, samples).tolist() == expected


@given(data=st.data(), network=networks())
def test_no_accumulator_leaves_its_bound(data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network))
    last = network.layers[-1]
    bits = network.input_bits if len(network.layers) == 1 else network.activation_bits
    assert (np.abs(integer.logits(network, samples)) <= accumulator_bounds(last, bits)).all()


def test_a_tie_is_won_by_the_lowest_class() -> None:
    network = one_layer([[1, 2, 2]], [0, 0, 0])
    assert integer.predict(network, np.array([[0], [9]], np.uint8)).tolist() == [0, 1]
    assert integer_jax.predict(network, np.array([[0], [9]], np.uint8)).tolist() == [0, 1]


def test_batches_do_not_change_the_answer() -> None:
    network = random_network((16, 9, 5))
    samples = random_group(network, 13)
    expected = integer.predict(network, samples, batch=13)
    for batch in (1, 2, 5, 64):
        assert np.array_equal(integer.predict(network, samples, batch=batch), expected)
        assert np.array_equal(integer_jax.predict(network, samples, batch=batch), expected)


def test_no_samples_have_no_classes() -> None:
    network = random_network((16, 5))
    for predict in (integer.predict, integer_jax.predict):
        assert predict(network, np.zeros((0, 16), np.uint8)).shape == (0,)


def test_the_digest_depends_on_every_class() -> None:
    classes = np.array([1, 2, 3], np.uint8)
    assert integer.digest(classes) == integer.digest(classes.copy())
    assert integer.digest(classes) != integer.digest(classes[::-1])


def test_the_bound_is_exact() -> None:
    reach = 127 * 255
    room = MAX_ACCUMULATOR - 1 - reach
    one_layer([[127, 1]], [room, 0])
    one_layer([[-127, 1]], [-room, 0])
    for bias in (room + 1, -room - 1):
        with pytest.raises(NetworkError, match="neuron 0 can reach 16777216"):
            one_layer([[127, 1]], [bias, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ()}, "0 layers"),
        ({"input_bits": 3}, "input_bits is 3"),
        ({"activation_bits": 16}, "activation_bits is 16"),
        ({"weight_bits": 1}, "weight_bits is 1"),
        ({"weight_bits": 2}, "a weight leaves"),
    ],
)
def test_values_outside_the_specification_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        replace(random_network((8, 4, 3)), **change)


def test_layers_must_fit_each_other() -> None:
    network = random_network((8, 4, 3))
    first, last = network.layers
    with pytest.raises(NetworkError, match="inputs after a layer"):
        replace(network, layers=(replace(first, weights=first.weights[:, :3], bias=first.bias[:3]), last))
    with pytest.raises(NetworkError, match="no shift"):
        replace(network, layers=(first, replace(last, shift=0)))
    for shift in (None, -1, 32):
        with pytest.raises(NetworkError, match="shift is"):
            replace(network, layers=(replace(first, shift=shift), last))
    with pytest.raises(NetworkError, match="must be int64"):
        replace(network, layers=(first, replace(last, bias=last.bias.astype(np.int32))))
    with pytest.raises(NetworkError, match="do not fit"):
        replace(network, layers=(first, replace(last, bias=last.bias[:2])))
    with pytest.raises(NetworkError, match="classes"):
        replace(network, layers=(first, replace(last, weights=last.weights[:, :1], bias=last.bias[:1])))


@pytest.mark.parametrize("module", [integer, integer_jax])
def test_samples_must_fit_the_network(module: type[integer_jax]) -> None:
    network = random_network((8, 3))
    for samples in (np.zeros((2, 7), np.uint8), np.zeros(8, np.uint8)):
        with pytest.raises(NetworkError, match="samples have shape"):
            module.logits(network, samples)
    with pytest.raises(NetworkError, match="a feature leaves 0 to 15"):
        module.logits(network, np.full((1, 8), 16, np.uint8))


def test_jax_equals_numpy_on_a_large_network() -> None:
    network = random_network((784, 64, 10), input_bits=8, activation_bits=8, weight_bits=4)
    samples = random_group(network, 300)
    assert np.array_equal(integer_jax.logits(network, samples), integer.logits(network, samples))
    expected = integer.digest(integer.predict(network, samples))
    assert integer.digest(integer_jax.predict(network, samples, batch=128)) == expected
