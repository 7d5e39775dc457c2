"""Convolutional models: folding changes nothing, and the quantised forward pass is the integer network, bit for bit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.random_convolutions import random_architecture, random_bits, random_samples
from trainer import convolution
from trainer.architecture import MAX_ACCUMULATOR_BITS, Architecture, Block
from trainer.convolution import Halve, bounds
from trainer.convolution_models import (
    FloatCNN,
    QuantisedCNN,
    Rounding,
    calibrate,
    fold,
)
from trainer.encode_convolution import geometries, geometry
from trainer.integer import Uint8
from trainer.models import Affine

SEEDS = range(12)
EVERYTHING = Architecture(
    image=(2, 12, 8),
    blocks=(
        Block(outputs=5, kernel=5, halve=Halve.MAX),
        Block(outputs=5, depthwise=True, skip=1),
        Block(outputs=6, kernel=1, halve=Halve.STRIDE),
        Block(outputs=6, skip=3),
    ),
)


def random_layers(architecture: Architecture, classes: int, rng: np.random.Generator) -> list[Affine]:
    layers = []
    for block, (inputs, _, _) in zip(architecture.blocks, architecture.shapes, strict=False):
        shape = (block.kernel, block.kernel, 1 if block.depthwise else inputs, block.outputs)
        layers.append(Affine(rng.normal(size=shape) / np.sqrt(np.prod(shape[:3])), rng.normal(size=block.outputs) / 4))
    inputs = int(np.prod(architecture.shapes[-1]))
    return [*layers, Affine(rng.normal(size=(inputs, classes)) / np.sqrt(inputs), rng.normal(size=classes) / 4)]


@functools.cache
def drawn(seed: int) -> tuple[QuantisedCNN, Uint8]:
    """A random architecture of random bits and limits, calibrated on random samples, then trained anyhow."""
    rng = np.random.default_rng(seed)
    architecture, classes = random_architecture(rng), int(rng.integers(2, 8))
    input_bits, activation_bits, weight_bits = random_bits(rng)
    blank = architecture.blank(classes=classes, input_bits=input_bits)
    x = np.concatenate([random_samples(blank, rng) for _ in range(4)])
    model = calibrate(
        architecture,
        random_layers(architecture, classes, rng),
        x,
        input_bits=input_bits,
        activation_bits=activation_bits,
        weight_bits=weight_bits,
        accumulator_bits=int(rng.choice((14, 16, MAX_ACCUMULATOR_BITS))),
    )
    for weights in model.weights:
        # beyond their limits, where those are near
        weights[...] = weights[...] * rng.choice((1, 2, 4))
    return model, x


def test_folding_keeps_the_logits() -> None:
    model = FloatCNN(EVERYTHING, classes=3, input_bits=4, rngs=nnx.Rngs(0))
    x = np.random.default_rng(0).integers(0, 16, (64, 192), dtype=np.uint8)
    for _ in range(4):
        model(jnp.asarray(x), training=True)
    for norm in model.norms:
        norm.scale[...] = norm.scale[...] * 1.5
        norm.bias[...] = norm.bias[...] + 0.25
    expected = np.asarray(model(jnp.asarray(x), training=False))
    folded = fold(model)
    for kernel, norm, layer in zip(model.kernels, model.norms, folded[:-1], strict=True):
        kernel[...] = jnp.asarray(layer.weights, jnp.float32)
        norm.bias[...] = jnp.asarray(layer.bias, jnp.float32)
        norm.mean[...] = 0 * norm.mean[...]
        norm.var[...] = 0 * norm.var[...] + 1 - 1e-5
        norm.scale[...] = 0 * norm.scale[...] + 1
    # float32 against float32 of other roundings
    assert np.abs(np.asarray(model(jnp.asarray(x), training=False)) - expected).max() < 1e-4
    assert np.abs(expected).max() > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_the_forward_pass_is_the_integer_network(seed: int) -> None:
    model, x = drawn(seed)
    found = np.asarray(jax.jit(lambda x: model(x))(jnp.asarray(x)))
    assert (found == convolution.logits(model.export(), x)).all()


def test_the_networks_drawn_tell_samples_apart_and_some_meet_their_limits() -> None:
    telling, shrunk = 0, 0
    for seed in SEEDS:
        model, x = drawn(seed)
        telling += len(np.unique(convolution.logits(model.export(), x), axis=0)) > len(x) / 2
        for number, rounding in enumerate(model.roundings):
            plain = np.asarray(model.weights[number][...]) * 2.0**rounding.weight_exponent
            largest = 2 ** (rounding.weight_bits - 1) - 1
            shrunk += bool((np.rint(np.clip(plain, -largest, largest)) != model.integers(number)[0]).any())
    assert telling > len(SEEDS) * 3 / 4
    assert shrunk > 3


def test_calibrated_integers_follow_the_real_network() -> None:
    model = FloatCNN(EVERYTHING, classes=6, input_bits=8, rngs=nnx.Rngs(3))
    x = np.random.default_rng(2).integers(0, 256, (300, 192), dtype=np.uint8)
    for _ in range(30):
        model(jnp.asarray(x), training=True)
    real = np.asarray(model(jnp.asarray(x), training=False)).argmax(axis=1)
    network = calibrate(EVERYTHING, fold(model), x, input_bits=8, activation_bits=8, weight_bits=8).export()
    assert len(np.unique(real)) > 2
    assert (convolution.predict(network, x) == real).mean() > 0.95


@pytest.mark.parametrize(("width", "accumulator_bits", "split"), [(16, 14, 1), (16, 25, 2), (12, 14, 1), (28, 16, 2)])
def test_sums_stay_within_the_lanes_asked_for(width: int, accumulator_bits: int, split: int) -> None:
    architecture = Architecture(image=(16, 4, width), blocks=(Block(outputs=16, skip=0), Block(outputs=4, kernel=1)))
    rng = np.random.default_rng(width)
    # far more than 2**13: 144 weights of up to 127 times 15
    layers = random_layers(architecture, 3, rng)
    x = rng.integers(0, 16, (50, 64 * width), dtype=np.uint8)
    model = calibrate(
        architecture, layers, x, input_bits=4, activation_bits=4, weight_bits=8, accumulator_bits=accumulator_bits
    )
    for parameter in (*model.weights, *model.biases):
        # training may leave them anywhere
        parameter[...] = parameter[...] * 50
    network = model.export()
    assert [place.split for place in geometries(network)] == [split] * 3
    lane = geometry(width, 2 ** (accumulator_bits - 1) - 1).lane
    for number in range(2):
        bound = bounds(network, number).max()
        assert bound < 2 ** (min(lane, 25) - 1)
        assert np.abs(network.convolutions[number].weights).max(axis=(1, 2, 3)).min() > 0
    assert (np.asarray(model(jnp.asarray(x))) == convolution.logits(network, x)).all()


@pytest.mark.parametrize(("percentile", "shift"), [(100.0, 5), (90.0, 1)])
def test_what_lies_above_the_percentile_is_clipped(percentile: float, shift: int) -> None:
    """Pixels of 255 in 5 % of the places and of 30 in the others, through one weight of one."""
    architecture = Architecture(image=(1, 10, 10), blocks=(Block(outputs=1, kernel=1),))
    layers = [Affine(np.ones((1, 1, 1, 1)), np.zeros(1)), Affine(np.ones((100, 2)), np.zeros(2))]
    x = np.full((20, 100), 30, np.uint8)
    x[:, :5] = 255
    model = calibrate(architecture, layers, x, input_bits=8, activation_bits=4, weight_bits=4, percentile=percentile)
    network = model.export()
    (conv,) = network.convolutions
    weight = int(conv.weights[0, 0, 0, 0])
    # the least power of two by which what is not clipped is 15 or less, rounded
    assert conv.shift - int(np.log2(weight)) == shift
    planes = convolution.planes_of(network, x)[1]
    assert (planes == np.minimum((x.reshape(20, 1, 10, 10) * weight + conv.bias[0]) >> conv.shift, 15)).all()


def test_a_channel_gives_up_no_more_than_its_limit_asks() -> None:
    weights = jnp.zeros((3, 3, 1, 2)).at[..., 0].set(7.0).at[0, 0, 0, 1].set(7.0)
    rounding = Rounding(
        weight_exponent=0, accumulator_exponent=4, shift=3, weight_bits=4, top=255, added=0, limit=2**13
    )
    found, bias = rounding.apply(weights, jnp.array([-50.0, 1000.0]))
    # half of the room is the bias's at most; (8191 - 796) // 255 = 29 for nine weights, 16 for one
    assert bias.tolist() == [-796, 4095]
    assert found[..., 0].ravel().tolist() == [3.0] * 9
    assert found[0, 0, 0, 1] == 7


def test_gradients_pass_the_rounding_and_the_shrinking() -> None:
    rounding = Rounding(
        weight_exponent=2, accumulator_exponent=4, shift=0, weight_bits=4, top=255, added=0, limit=2**13
    )

    def total(weights: jax.Array) -> jax.Array:
        return rounding.apply(weights, jnp.zeros(1))[0].sum()

    # 31 units of magnitude fit: a weight of 0.5 is 2, a weight of 9 is beyond 7
    few, many = jnp.full((1, 1, 9, 1), 0.5), jnp.full((1, 1, 36, 1), 0.5)
    assert jax.grad(total)(few).ravel().tolist() == [4.0] * 9
    assert 0 < float(jax.grad(total)(many)[0, 0, 0, 0]) < 4.0
    assert jax.grad(total)(few.at[0, 0, 0, 0].set(9.0)).ravel().tolist() == [0.0] + [4.0] * 8
