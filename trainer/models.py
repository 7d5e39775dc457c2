"""The two forms of a dense network in training: floats with batch norm, then the integers of the contract.

`FloatMLP` learns fast. `QuantisedMLP` starts from its folded weights and computes, in float32, exactly the accumulators
of `trainer/integer.py`: weights, biases and activations are integers held in floats, every sum stays below 2**24, and
the rounding is invisible to the gradient (straight-through estimator). What it returns *is* the integer network.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from trainer import integer

Float64 = npt.NDArray[np.float64]
Uint8 = npt.NDArray[np.uint8]

MOMENTUM = 0.9
EPSILON = 1e-5


class Affine(NamedTuple):
    """A folded layer: weights, float64, shape (inputs, outputs); bias, float64, shape (outputs,)."""

    weights: Float64
    bias: Float64


class FloatMLP(nnx.Module):
    """Dense layers with batch norm and ReLU on the hidden ones.

    Takes quantised samples, shape (n, inputs), which it divides by 2**input_bits; returns logits, float32, shape
    (n, classes).
    """

    def __init__(self, widths: Sequence[int], *, input_bits: int, rngs: nnx.Rngs) -> None:
        """Fresh He-normal weights for `widths`: inputs, hidden widths, classes."""
        self.input_bits = input_bits
        start = nnx.initializers.he_normal()
        self.linears = nnx.List([nnx.Linear(a, b, kernel_init=start, rngs=rngs) for a, b in pairwise(widths)])
        self.norms = nnx.List(
            [nnx.BatchNorm(width, momentum=MOMENTUM, epsilon=EPSILON, rngs=rngs) for width in widths[1:-1]]
        )

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """Logits; with `training` the batch's own statistics are used and the running ones move."""
        x = x.astype(jnp.float32) * 2.0**-self.input_bits
        for linear, norm in zip(self.linears, self.norms, strict=False):
            x = nnx.relu(norm(linear(x), use_running_average=not training))
        logits: jax.Array = self.linears[-1](x)
        return logits

    def logits(self, x: jax.Array) -> jax.Array:
        """Logits for a loss: those of training."""
        return self(x, training=True)


def fold(model: FloatMLP) -> list[Affine]:
    """Batch norm folded into the weights before it: the network in evaluation mode, as plain layers."""
    layers = []
    for number, linear in enumerate(model.linears):
        weights, bias = _array(linear.kernel), _array(linear.bias)
        if number < len(model.norms):
            norm = model.norms[number]
            gain = _array(norm.scale) / np.sqrt(_array(norm.var) + EPSILON)
            weights, bias = weights * gain, (bias - _array(norm.mean)) * gain + _array(norm.bias)
        layers.append(Affine(weights, bias))
    return layers


def _array(variable: nnx.Variable[jax.Array] | None) -> Float64:
    assert variable is not None, "every layer has a bias, every norm a scale"
    return np.asarray(variable[...], np.float64)


def straight_through(exact: jax.Array, smooth: jax.Array) -> jax.Array:
    """The value of `exact` with the gradient of `smooth`."""
    # not smooth + stop_gradient(exact - smooth): its two roundings could miss `exact` by an ulp
    return jax.lax.stop_gradient(exact) + (smooth - jax.lax.stop_gradient(smooth))


class Exponents(nnx.Variable[jax.Array]):
    """Powers of two, int32, one a layer: part of a network, and not trained."""


def power(exponent: jax.Array) -> jax.Array:
    """2**exponent, float32, exact for exponents from -126 to 127."""
    return jnp.ldexp(jnp.float32(1), exponent)


class QuantisedMLP(nnx.Module):
    """A network trained through its own rounding.

    A real weight is weight / 2**weight_exponent; a layer's accumulator is the real value times
    2**(input exponent + weight_exponent); a hidden activation is the real value times 2**activation_exponent. Input
    features are real values times 2**input_bits.
    """

    def __init__(
        self,
        layers: Sequence[Affine],
        *,
        weight_exponents: Sequence[int],
        activation_exponents: Sequence[int],
        input_bits: int,
        activation_bits: int,
        weight_bits: int,
    ) -> None:
        """Start from folded layers; one weight exponent a layer, one activation exponent a hidden layer."""
        self.weights = nnx.List([nnx.Param(jnp.asarray(layer.weights, jnp.float32)) for layer in layers])
        self.biases = nnx.List([nnx.Param(jnp.asarray(layer.bias, jnp.float32)) for layer in layers])
        inputs = (input_bits, *activation_exponents)
        accumulators = [a + b for a, b in zip(inputs, weight_exponents, strict=True)]
        shifts = [a - b for a, b in zip(accumulators, activation_exponents, strict=False)]
        assert all(0 <= shift <= integer.MAX_SHIFT for shift in shifts), "an activation finer than its accumulator"
        # variables, not attributes: one program trains networks of other exponents, too
        self.weight_exponents = Exponents(jnp.asarray(weight_exponents, jnp.int32))
        self.accumulator_exponents = Exponents(jnp.asarray(accumulators, jnp.int32))
        self.shifts = Exponents(jnp.asarray(shifts, jnp.int32))
        self.input_bits, self.activation_bits, self.weight_bits = input_bits, activation_bits, weight_bits

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.weights) - 1

    def integers(self, number: int) -> tuple[jax.Array, jax.Array]:
        """Weights and bias of a layer as integers in float32, rounding of the shift folded into the bias."""
        largest = integer.quantum(self.weight_bits)
        scaled = self.weights[number][...] * power(self.weight_exponents[number])
        smooth = jnp.clip(scaled, -largest, largest)
        weights = straight_through(jnp.round(smooth), smooth)
        scaled_bias = self.biases[number][...] * power(self.accumulator_exponents[number])
        bias = straight_through(jnp.round(scaled_bias), scaled_bias)
        if number < self.hidden:
            # half of what is shifted out
            bias += jnp.floor(power(self.shifts[number] - 1))
        return weights, bias

    def __call__(self, x: jax.Array) -> jax.Array:
        """Accumulators of the last layer for quantised samples, uint8 or float32, shape (n, inputs)."""
        x = x.astype(jnp.float32)
        top = 2**self.activation_bits - 1
        for number in range(len(self.weights)):
            weights, bias = self.integers(number)
            # full float32 products on every device: each sum is below 2**24, hence exact
            x = jnp.dot(x, weights, precision=jax.lax.Precision.HIGHEST) + bias
            if number < self.hidden:
                real = jnp.clip(x * power(-self.shifts[number]), 0, top)
                x = straight_through(jnp.floor(real), real)
        return x

    def logits(self, x: jax.Array) -> jax.Array:
        """The same as real numbers, for a loss."""
        return self(x) * power(-self.accumulator_exponents[-1])

    def export(self) -> integer.Network:
        """The integer network; neurons that could reach 2**24 are shrunk below it."""
        layers = []
        for number in range(len(self.weights)):
            weights, bias = (np.asarray(part, np.float64).astype(np.int64) for part in self.integers(number))
            bits = self.input_bits if number == 0 else self.activation_bits
            shift = int(self.shifts[number]) if number < self.hidden else None
            layers.append(within_bounds(integer.Layer(weights=weights, bias=bias, shift=shift), bits))
        return integer.Network(
            layers=tuple(layers),
            input_bits=self.input_bits,
            activation_bits=self.activation_bits if self.hidden else self.input_bits,
            weight_bits=self.weight_bits,
        )


def within_bounds(layer: integer.Layer, bits: int) -> integer.Layer:
    """The layer with every neuron's largest accumulator below 2**24, for inputs of `bits` bits.

    A neuron beyond it loses the same part of every weight and of the bias, rounded towards zero. No trained network has
    needed it; the guarantee costs nothing.
    """
    bounds = integer.accumulator_bounds(layer, bits)
    factor = np.minimum((integer.MAX_ACCUMULATOR - 1) / np.maximum(bounds, 1), 1.0)
    if (factor == 1.0).all():
        return layer
    weights = np.trunc(layer.weights * factor).astype(np.int64)
    bias = np.trunc(layer.bias * factor).astype(np.int64)
    return integer.Layer(weights=weights, bias=bias, shift=layer.shift)


def calibrate(
    layers: Sequence[Affine], samples: Uint8, *, input_bits: int, activation_bits: int, weight_bits: int
) -> QuantisedMLP:
    """Choose the powers of two and return the network they give, still untrained.

    samples: quantised training rows; uint8, shape (n, inputs).

    Activations: the 99.9th percentile of a layer's positive values still fits. Weights: of the five exponents from the
    one where the largest weight just fits, that with the least squared error.
    """
    weight_exponents: list[int] = []
    activation_exponents: list[int] = []
    exponent_in = input_bits
    x: Float64 = samples.astype(np.float64) * 2.0**-input_bits
    for number, layer in enumerate(layers):
        exponent = _weight_exponent(layer.weights, integer.quantum(weight_bits))
        if number < len(layers) - 1:
            x = np.maximum(x @ layer.weights + layer.bias, 0)
            high = float(np.percentile(x[x > 0], 99.9)) if (x > 0).any() else 1.0
            activation = int(np.floor(np.log2((2**activation_bits - 0.5) / high)))
            # the shift must not be negative
            exponent = max(exponent, activation - exponent_in)
            activation_exponents.append(activation)
            exponent_in = activation
        weight_exponents.append(exponent)
    return QuantisedMLP(
        layers,
        weight_exponents=weight_exponents,
        activation_exponents=activation_exponents,
        input_bits=input_bits,
        activation_bits=activation_bits,
        weight_bits=weight_bits,
    )


def _weight_exponent(weights: Float64, largest: int) -> int:
    """The power of two by which weights become integers in [-largest, largest] with the least squared error."""
    biggest = max(float(np.abs(weights).max()), 1e-12)
    fits = int(np.floor(np.log2(largest / biggest)))

    def squared_error(exponent: int) -> float:
        scale = 2.0**exponent
        rounded = np.clip(np.rint(weights * scale), -largest, largest) / scale
        return float(np.mean((rounded - weights) ** 2))

    return min(range(fits, fits + 5), key=squared_error)
