"""Models: folding changes nothing, and the quantised forward pass is the integer network, bit for bit."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trainer import integer
from trainer.models import Affine, FloatMLP, QuantisedMLP, calibrate, fold, straight_through, within_bounds


def random_layers(widths: tuple[int, ...], seed: int) -> list[Affine]:
    rng = np.random.default_rng(seed)
    return [Affine(rng.normal(size=(a, b)) / np.sqrt(a), rng.normal(size=b) / 4) for a, b in pairwise(widths)]


def test_folding_keeps_the_logits() -> None:
    model = FloatMLP((12, 16, 9, 3), input_bits=4, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).integers(0, 16, (64, 12), dtype=np.uint8)
    for _ in range(20):
        model(jnp.asarray(x), training=True)
    for norm in model.norms:
        norm.scale[...] = norm.scale[...] * 1.5
        norm.bias[...] = norm.bias[...] + 0.25
    real = x / 16
    for number, layer in enumerate(folded := fold(model)):
        real = real @ layer.weights + layer.bias
        if number < len(folded) - 1:
            real = np.maximum(real, 0)
    expected = np.asarray(model(jnp.asarray(x), training=False))
    # float32 against float64
    assert np.abs(real - expected).max() < 1e-4


@pytest.mark.parametrize("widths", [(16, 3), (16, 20, 4), (24, 30, 10, 5)])
@pytest.mark.parametrize(("input_bits", "activation_bits", "weight_bits"), [(4, 4, 4), (8, 8, 8), (1, 2, 2), (8, 4, 8)])
def test_the_forward_pass_is_the_integer_network(
    widths: tuple[int, ...], input_bits: int, activation_bits: int, weight_bits: int
) -> None:
    x = np.random.default_rng(5).integers(0, 2**input_bits, (300, widths[0]), dtype=np.uint8)
    model = calibrate(
        random_layers(widths, 3), x, input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits
    )
    network = model.export()
    found = np.asarray(jax.jit(lambda x: model(x))(jnp.asarray(x)))
    assert (found == integer.logits(network, x)).all()
    assert len(np.unique(integer.predict(network, x))) > 1


def test_calibrated_integers_follow_the_real_network() -> None:
    layers = random_layers((32, 40, 24, 6), 9)
    x = np.random.default_rng(2).integers(0, 256, (500, 32), dtype=np.uint8)
    real = x / 256
    for layer in layers[:-1]:
        real = np.maximum(real @ layer.weights + layer.bias, 0)
    real = real @ layers[-1].weights + layers[-1].bias
    network = calibrate(layers, x, input_bits=8, activation_bits=8, weight_bits=8).export()
    assert (integer.predict(network, x) == real.argmax(axis=1)).mean() > 0.97


def test_neurons_beyond_the_bound_are_shrunk_below_it() -> None:
    weights = np.full((1000, 2), 127, np.int64)
    weights[:, 1] = 1
    layer = within_bounds(integer.Layer(weights=weights, bias=np.array([9, 9]), shift=None), 8)
    bounds = integer.accumulator_bounds(layer, 8)
    assert bounds.max() < 2**24
    assert layer.weights[0, 0] == 65
    assert (layer.weights[:, 1] == 1).all()
    assert layer.bias.tolist() == [4, 9]


def test_export_obeys_the_bound_even_if_training_did_not() -> None:
    huge = [Affine(np.full((1000, 2), 100.0), np.zeros(2))]
    model = QuantisedMLP(
        huge, weight_exponents=[0], activation_exponents=[], input_bits=8, activation_bits=8, weight_bits=8
    )
    assert integer.accumulator_bounds(model.export().layers[0], 8).max() < 2**24


def test_gradients_pass_the_rounding_and_stop_at_the_clip() -> None:
    def value(x: jax.Array) -> jax.Array:
        smooth = jnp.clip(x, -7, 7)
        return straight_through(jnp.round(smooth), smooth).sum()

    x = jnp.array([-9.0, -2.4, 0.3, 6.6, 8.0])
    assert jax.grad(value)(x).tolist() == [0, 1, 1, 1, 0]
    assert float(value(x)) == -7 - 2 + 0 + 7 + 7
