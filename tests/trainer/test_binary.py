"""Networks of one bit off the chain: the specification, the file, the training and the presets."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from tests.binary_strategies import binary_network, binary_networks
from tests.strategies import groups, random_network
from tests.trainer.test_encode import same
from tests.trainer.test_integer import plain_logits
from trainer import datasets, integer
from trainer.binary import BinaryMLP
from trainer.encode import cost, decode, encode, model_bytes
from trainer.errors import DataError, EncodingError, NetworkError
from trainer.integer import BINARY, Layer, Network, accumulator_bounds
from trainer.presets import PRESETS, Recipe, adapt, find
from trainer.quantise import fit
from trainer.training import train


@given(data=st.data(), network=binary_networks(max_bytes=4, max_width=10))
def test_logits_are_exact_integer_arithmetic(data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network, max_samples=2))
    assert integer.logits(network, samples).tolist() == [plain_logits(network, row) for row in samples.tolist()]
    assert (np.abs(integer.logits(network, samples)) <= accumulator_bounds(network.layers[-1], 1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_bits": 2}, "weight_bits is 1 with input_bits 2"),
        ({"activation_bits": 4}, "weight_bits is 1 with .* activation_bits 4"),
        ({"shift": 1}, "layer 0: shift is 1; a binary network has 0"),
        ({"weight": 0}, "layer 0: a weight is 0"),
        ({"weight": 2}, "layer 0: a weight leaves"),
        ({"bias": 2**24 - 8}, "can reach 16777216"),
    ],
)
def test_other_networks_of_one_bit_are_refused(change: dict[str, int], message: str) -> None:
    network = binary_network((8, 4, 3))
    first, last = network.layers
    weights, bias = first.weights.copy(), first.bias.copy()
    weights[3, 2] = change.pop("weight", weights[3, 2])
    bias[1] = change.pop("bias", bias[1])
    first = Layer(weights=weights, bias=bias, shift=change.pop("shift", 0))
    with pytest.raises(NetworkError, match=message):
        replace(network, layers=(first, last), **change)


def test_a_shift_says_nothing_that_a_bias_does_not() -> None:
    acc = np.arange(-40, 300)
    for shift in range(8):
        clipped = np.minimum(np.maximum(acc, 0) >> shift, 1)
        assert np.array_equal(clipped, np.minimum(np.maximum(acc - (2**shift - 1), 0), 1))


@given(network=binary_networks(max_bytes=200))
def test_decode_inverts_encode(network: Network) -> None:
    model = encode(network)
    assert len(model) == model_bytes(network)
    assert same(decode(model), network)
    assert encode(decode(model)) == model


def test_a_small_model_by_hand() -> None:
    """Eight inputs, ten neurons, two classes: rows of one and two bytes, thresholds of bias and ones."""
    first = Layer(weights=np.full((8, 10), -1, np.int64), bias=np.arange(10), shift=0)
    first.weights[:3, 9] = 1
    last = Layer(weights=np.full((10, 2), 1, np.int64), bias=np.array([-1, 0], np.int64), shift=None)
    last.weights[9, 1] = -1
    model = encode(Network(layers=(first, last), input_bits=1, activation_bits=1, weight_bits=BINARY))
    header = b"ASAY" + bytes([2, 2, 1, 1, 1]) + bytes([0, 8, 0, 10, 0, 2]) + bytes(17)
    thresholds = b"".join((2**30 + c).to_bytes(4) for c in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 + 3))
    rows = bytes(9) + b"\xe0"
    assert model == header + thresholds + rows + bytes.fromhex("40000009 40000009 ffc0 ff80")


BASE = encode(binary_network((8, 11, 3)))


def patched(at: int, value: int) -> bytes:
    return BASE[:at] + bytes([value]) + BASE[at + 1 :]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (patched(6, 2), "byte 8: 1 weight bits with 2 input bits"),
        (patched(7, 8), "byte 8: 1 weight bits with 1 input bits, 8 activation bits"),
        (patched(8, 0), "byte 8: 0 weight bits; use one of"),
        (patched(25, 1), r"shifts \(1,\); use 1 bit everywhere"),
        (BASE[:-1], "the header asks for"),
        (BASE + b"\0", "the header asks for"),
        (patched(len(BASE) - 1, BASE[-1] | 1), "layer 1, neuron 2: a bit behind the last weight is not zero"),
        (patched(32, 0x3E), "layer 0: neuron 0 can reach"),
    ],
)
def test_the_fault_is_named(model: bytes, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        decode(model)


def test_what_is_too_large_or_too_dear_has_no_encoding() -> None:
    with pytest.raises(EncodingError, match="end inside a byte"):
        encode(binary_network((9, 3)))
    with pytest.raises(EncodingError, match="at most 126976 fit"):
        encode(binary_network((4096, 250, 2)))
    with pytest.raises(EncodingError, match="at most 10000000 are allowed"):
        encode(binary_network((8, 4096, 1, 4096, 1, 4096, 2)))
    dear = bytearray(encode(binary_network((8, 2))))
    dear[9:11] = (16).to_bytes(2)
    with pytest.raises(EncodingError, match="the header asks for"):
        decode(bytes(dear))
    costs = [cost(binary_network(widths)) for widths in ((64, 16, 4), (64, 32, 4), (640, 32, 4), (1640, 32, 64))]
    assert costs == sorted(set(costs))


def test_the_exported_network_is_the_trained_one() -> None:
    """Norms of every kind, also of negative scale, become thresholds: in evaluation mode every sum is the same."""
    rng = np.random.default_rng(3)
    model = BinaryMLP((40, 25, 30, 6), rngs=nnx.Rngs(0))
    for norm in model.norms:
        width = norm.mean[...].shape[0]
        norm.mean[...] = jnp.asarray(rng.normal(0, 4, width), jnp.float32)
        norm.var[...] = jnp.asarray(rng.uniform(5, 60, width), jnp.float32)
        norm.scale[...] = jnp.asarray(rng.normal(0, 1, width), jnp.float32)
        norm.bias[...] = jnp.asarray(rng.normal(0, 0.4, width), jnp.float32)
    last = np.where(np.asarray(model.weights[-1][...]) >= 0, 1, -1)
    scale = 1 / np.sqrt(30)
    # a bias that the integers can say: what the signs add to twice the integer sum
    model.bias[...] = jnp.asarray(scale * last.sum(axis=0), jnp.float32)
    x = rng.integers(0, 2, (200, 40), dtype=np.uint8)
    expected = np.asarray(model(jnp.asarray(x), training=False)) / (2 * scale)
    network = model.export()
    assert np.array_equal(integer.logits(network, x), np.rint(expected).astype(np.int64))
    hidden = replace(network, layers=(*network.layers[:-1], replace(network.layers[-1])))
    assert len(np.unique(integer.logits(hidden, x), axis=0)) > 50


def test_a_neuron_without_scale_is_always_the_same() -> None:
    model = BinaryMLP((8, 4, 2), rngs=nnx.Rngs(0))
    model.norms[0].scale[...] = jnp.zeros(4)
    model.norms[0].bias[...] = jnp.asarray([1.0, -1.0, 1e-6, -1e-6])
    first = model.export().layers[0]
    x = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.int64)
    assert ((x @ first.weights + first.bias > 0) == [True, False, True, False]).all()


def test_binary_training_learns_and_repeats() -> None:
    data = datasets.load("digits")
    train_rows, test_rows = data.split()
    x = fit(data, bits=1, rows=train_rows).apply(data.features)
    recipe = Recipe(
        hidden=(48,), input_bits=1, activation_bits=1, weight_bits=1, batch=32, epochs=0, quantised_epochs=12,
        quantised_rate=1e-2,
    )  # fmt: skip
    first, second = (train(x[train_rows], data.labels[train_rows], recipe=recipe, seed=1, classes=10) for _ in range(2))
    assert encode(first.network) == encode(second.network)
    assert first.network.weight_bits == BINARY
    assert first.network.widths == (64, 48, 10)
    assert [epoch.phase for epoch in first.history] == ["quantised"] * 12
    assert (integer.predict(first.network, x[test_rows]) == data.labels[test_rows]).mean() > 0.75


def test_presets_of_one_bit_have_no_other() -> None:
    preset = find("fashion-784-128-binary", "fashion-mnist")
    assert (preset.recipe.input_bits, preset.recipe.activation_bits, preset.recipe.weight_bits) == (1, 1, 1)
    assert adapt(preset, hidden=(64, 32), bits=1, input_bits=1).recipe == replace(preset.recipe, hidden=(64, 32))
    for change in ({"bits": 4}, {"input_bits": 8}, {"bits": 1, "input_bits": 2}):
        with pytest.raises(DataError, match="has 1 bit everywhere"):
            adapt(preset, **change)
    assert all(p.recipe.epochs == 0 for p in PRESETS.values() if p.recipe.weight_bits == BINARY)


def test_a_dense_model_of_one_bit_inputs_is_still_dense() -> None:
    network = random_network((8, 4, 3), input_bits=1, activation_bits=1, weight_bits=2)
    assert decode(encode(network)).weight_bits == 2
