"""The two forms of a convolutional network in training: floats with batch norm, then the integers of the contract.

`FloatCNN` learns fast. `QuantisedCNN` starts from its folded weights and computes, in float32, exactly the accumulators
of `trainer/convolution.py`, as `trainer/models.py` does for dense networks. Its sums stay inside limits of their own,
lower than 2**24 where wider lanes would cost more words of a row: a channel that would leave its limit has smaller
weights, in training already.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from trainer import integer
from trainer.architecture import MAX_ACCUMULATOR_BITS, MIN_ACCUMULATOR_BITS, PERCENTILE, Architecture
from trainer.convolution import MAX_LIFT, ConvolutionalNetwork, Halve
from trainer.convolution_jax import convolve, per_channel, planes_of, rows_of, square_max, square_sum
from trainer.encode_convolution import geometry
from trainer.models import EPSILON, MOMENTUM, Affine, straight_through

Float64 = npt.NDArray[np.float64]
Uint8 = npt.NDArray[np.uint8]

SHRINKS = 64
"""A channel beyond its limit keeps so many 64ths of its weights that it fits."""
CALIBRATION_ROWS = 512


class FloatCNN(nnx.Module):
    """Convolutions with batch norm, skip and ReLU, halved as the architecture says, then a dense layer.

    Takes quantised samples, shape (n, inputs), which it divides by 2**input_bits; returns logits, float32, shape
    (n, classes).
    """

    def __init__(self, architecture: Architecture, *, classes: int, input_bits: int, rngs: nnx.Rngs) -> None:
        """Fresh He-normal weights."""
        self.architecture, self.input_bits = architecture, input_bits
        start = nnx.initializers.he_normal()
        kernels, norms = [], []
        for block, (inputs, _, _) in zip(architecture.blocks, architecture.shapes, strict=False):
            seen = 1 if block.depthwise else inputs
            kernels.append(nnx.Param(start(rngs.params(), (block.kernel, block.kernel, seen, block.outputs))))
            norms.append(nnx.BatchNorm(block.outputs, axis=0, momentum=MOMENTUM, epsilon=EPSILON, rngs=rngs))
        self.kernels, self.norms = nnx.List(kernels), nnx.List(norms)
        self.head = nnx.Linear(int(np.prod(architecture.shapes[-1])), classes, kernel_init=start, rngs=rngs)

    def __call__(self, x: jax.Array, *, training: bool) -> jax.Array:
        """Logits; with `training` the batch's own statistics are used and the running ones move."""
        found = [planes_of(x.astype(jnp.float32) * 2.0**-self.input_bits, self.architecture.image)]
        for block, kernel, norm in zip(self.architecture.blocks, self.kernels, self.norms, strict=True):
            stride = 2 if block.halve == Halve.STRIDE else 1
            planes = convolve(found[-1], kernel[...], stride=stride, depthwise=block.depthwise)
            planes = norm(planes, use_running_average=not training)
            if block.skip is not None:
                planes = planes + found[block.skip][:, ::stride, ::stride]
            if block.halve == Halve.MAX:
                # before what follows and never falls: a quarter of the work
                planes = square_max(planes)
            planes = nnx.relu(planes)
            found.append(square_sum(planes) / 4 if block.halve == Halve.MEAN else planes)
        logits: jax.Array = self.head(rows_of(found[-1]))
        return logits

    def logits(self, x: jax.Array) -> jax.Array:
        """Logits for a loss: those of training."""
        return self(x, training=True)


def fold(model: FloatCNN) -> list[Affine]:
    """Batch norm folded into the kernels before it: weights (K, K, inputs, outputs) of each block, then the head's."""
    layers = []
    for kernel, norm in zip(model.kernels, model.norms, strict=True):
        assert norm.scale is not None, "every norm has a scale"
        assert norm.bias is not None, "every norm has a bias"
        gain = _array(norm.scale) / np.sqrt(_array(norm.var) + EPSILON)
        layers.append(Affine(_array(kernel) * gain, _array(norm.bias) - _array(norm.mean) * gain))
    assert model.head.bias is not None, "the head has a bias"
    return [*layers, Affine(_array(model.head.kernel), _array(model.head.bias))]


def _array(variable: nnx.Variable[jax.Array]) -> Float64:
    return np.asarray(variable[...], np.float64)


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How the real numbers of one layer become integers.

    weight_exponent:      a real weight is weight / 2**weight_exponent.
    accumulator_exponent: a real sum is sum / 2**accumulator_exponent.
    shift:                right shift behind the sum; 0 of the head.
    weight_bits:          4 or 8.
    top:                  the largest input.
    added:                the largest number that a skip adds.
    limit:                what every |sum| stays below.
    """

    weight_exponent: int
    accumulator_exponent: int
    shift: int
    weight_bits: int
    top: int
    added: int
    limit: int

    def apply(self, weights: jax.Array, bias: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Integers in float32, the last axis that of outputs; rounding of the shift is folded into the bias."""
        largest = integer.quantum(self.weight_bits)
        room = self.limit - 1 - self.added
        reach = int(np.prod(weights.shape[:-1])) * largest * self.top
        # where the largest weights leave less than half of the room, weights and bias have to share it
        shared = 2 * reach > room
        integers: tuple[jax.Array, jax.Array] = _round(
            weights,
            bias,
            2.0**self.weight_exponent,
            2.0**self.accumulator_exponent,
            2.0 ** (self.shift - 1) if self.shift else 0.0,
            float(room // 2 if shared else room - reach),
            room,
            largest=largest,
            top=self.top,
            shared=shared,
        )
        return integers


# all but the static is an operand, so that calibration compiles once for all the exponents that it tries
@functools.partial(jax.jit, static_argnames=("largest", "top", "shared"))
def _round(
    weights: jax.Array,
    bias: jax.Array,
    scale: float,
    bias_scale: float,
    half: float,
    rest: float,
    room: int,
    *,
    largest: int,
    top: int,
    shared: bool,
) -> tuple[jax.Array, jax.Array]:
    """Weights in [-largest, largest], biases in [-rest, rest], which together leave `room` where they share it."""
    smooth = jnp.clip(weights * scale, -largest, largest)
    smooth_bias = jnp.clip(bias * bias_scale + half, -rest, rest)
    bias = straight_through(jnp.round(smooth_bias), smooth_bias)
    if shared:
        # int32: float division may round otherwise in another program
        most = (room - jnp.abs(jax.lax.stop_gradient(bias)).astype(jnp.int32)) // top
        smooth = smooth * _shrink(jax.lax.stop_gradient(smooth), most)
    return straight_through(jnp.round(smooth), smooth), bias


def _shrink(weights: jax.Array, most: jax.Array) -> jax.Array:
    """The largest part of each channel's weights, in 64ths, that rounds to a sum of `most` or less: (outputs,)."""
    kept = jnp.zeros(weights.shape[-1], jnp.float32)
    # a rounded magnitude never falls where its weight grows: halving finds the last part that fits
    for step in (64, 32, 16, 8, 4, 2, 1):
        tried = kept + step
        # at most 2 * 127 a weight, of 8192: exact in float32 in any order
        total = (
            jnp.abs(jnp.round(weights * (tried / SHRINKS))).sum(axis=tuple(range(weights.ndim - 1))).astype(jnp.int32)
        )
        kept = jnp.where((total <= most) & (tried <= SHRINKS), tried, kept)
    return kept / SHRINKS


class QuantisedCNN(nnx.Module):
    """A convolutional network trained through its own rounding."""

    def __init__(
        self,
        architecture: Architecture,
        layers: Sequence[Affine],
        roundings: Sequence[Rounding],
        *,
        input_bits: int,
        activation_bits: int,
    ) -> None:
        """Start from folded layers, with a rounding each."""
        self.architecture, self.roundings = architecture, tuple(roundings)
        self.weights = nnx.List([nnx.Param(jnp.asarray(layer.weights, jnp.float32)) for layer in layers])
        self.biases = nnx.List([nnx.Param(jnp.asarray(layer.bias, jnp.float32)) for layer in layers])
        self.input_bits, self.activation_bits = input_bits, activation_bits
        # of the sample and of the planes behind each block
        exponents = (input_bits, *(rounding.accumulator_exponent - rounding.shift for rounding in roundings[:-1]))
        self.lifts = tuple(
            0 if block.skip is None else rounding.accumulator_exponent - exponents[block.skip]
            for block, rounding in zip(architecture.blocks, roundings, strict=False)
        )
        assert all(0 <= lift <= MAX_LIFT for lift in self.lifts), "a skip coarser or much finer than its accumulator"

    def integers(self, number: int) -> tuple[jax.Array, jax.Array]:
        """Weights and bias of a layer as integers in float32."""
        return self.roundings[number].apply(self.weights[number][...], self.biases[number][...])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Accumulators of the last layer for quantised samples, uint8 or float32, shape (n, inputs)."""
        top = 2**self.activation_bits - 1
        found = [planes_of(x.astype(jnp.float32), self.architecture.image)]
        for number, block in enumerate(self.architecture.blocks):
            weights, bias = self.integers(number)
            stride = 2 if block.halve == Halve.STRIDE else 1
            sums = convolve(found[-1], weights, stride=stride, depthwise=block.depthwise) + per_channel(bias)
            if block.skip is not None:
                sums = sums + found[block.skip][:, ::stride, ::stride] * 2.0 ** self.lifts[number]
            if block.halve == Halve.MAX:
                sums = square_max(sums)
            real = jnp.clip(sums * 2.0 ** -self.roundings[number].shift, 0, top)
            planes = straight_through(jnp.floor(real), real)
            if block.halve == Halve.MEAN:
                mean = square_sum(planes) / 4
                planes = straight_through(jnp.floor(mean), mean)
            found.append(planes)
        weights, bias = self.integers(len(self.lifts))
        return jnp.dot(rows_of(found[-1]), weights, precision=jax.lax.Precision.HIGHEST) + bias

    def logits(self, x: jax.Array) -> jax.Array:
        """The same as real numbers, for a loss."""
        return self(x) * 2.0 ** -self.roundings[-1].accumulator_exponent

    def export(self) -> ConvolutionalNetwork:
        """The integer network."""
        blank = self.architecture.blank(classes=self.biases[-1][...].shape[0])
        convolutions = []
        for number, conv in enumerate(blank.convolutions):
            weights, bias = self._exact(number)
            convolutions.append(
                replace(
                    conv,
                    weights=np.ascontiguousarray(weights.transpose(3, 2, 0, 1)),
                    bias=bias,
                    shift=self.roundings[number].shift,
                    lift=self.lifts[number],
                )
            )
        weights, bias = self._exact(len(convolutions))
        channels, height, width = blank.shapes[-1]
        weights = weights.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(weights.shape)
        return replace(
            blank,
            convolutions=tuple(convolutions),
            head=integer.Layer(weights=np.ascontiguousarray(weights), bias=bias, shift=None),
            input_bits=self.input_bits,
            activation_bits=self.activation_bits,
            weight_bits=self.roundings[-1].weight_bits,
        )

    def _exact(self, number: int) -> tuple[integer.Int64, integer.Int64]:
        weights, bias = self.integers(number)
        return np.asarray(weights).astype(np.int64), np.asarray(bias).astype(np.int64)


def calibrate(
    architecture: Architecture,
    layers: Sequence[Affine],
    samples: Uint8,
    *,
    input_bits: int,
    activation_bits: int,
    weight_bits: int,
    accumulator_bits: int = MAX_ACCUMULATOR_BITS,
    percentile: float = PERCENTILE,
) -> QuantisedCNN:
    """Choose the powers of two and return the network they give, still untrained.

    samples:          quantised training rows; uint8, shape (n, inputs).
    accumulator_bits: 14 to 25: rows are laid out with lanes of so many bits, in the fewest words that have them, and
                      sums stay within whatever those lanes hold.

    percentile:       of a layer's positive values, the one that still fits its activations; larger values are clipped.

    Weights: of the exponents around the one
    where the largest weight just fits, that with the least squared error, limits included.
    """
    assert MIN_ACCUMULATOR_BITS <= accumulator_bits <= MAX_ACCUMULATOR_BITS, "the recipe has checked it"
    top = 2**activation_bits - 1
    found = [planes_of(jnp.asarray(samples[:CALIBRATION_ROWS], jnp.float32) * 2.0**-input_bits, architecture.image)]
    exponents, tops = [input_bits], [2**input_bits - 1]
    roundings = []
    for block, layer, (_, _, width) in zip(architecture.blocks, layers, architecture.shapes, strict=False):
        limit = _limit(width, accumulator_bits)
        weights, bias = jnp.asarray(layer.weights, jnp.float32), jnp.asarray(layer.bias, jnp.float32)
        stride = 2 if block.halve == Halve.STRIDE else 1
        planes = convolve(found[-1], weights, stride=stride, depthwise=block.depthwise) + per_channel(bias)
        if block.skip is not None:
            planes = planes + found[block.skip][:, ::stride, ::stride]
        planes = jnp.maximum(planes, 0)
        positive = np.asarray(planes).ravel()
        positive = positive[positive > 0]
        high = float(np.percentile(positive, percentile)) if len(positive) else 1.0
        exponent = int(np.floor(np.log2((top + 0.5) / high)))
        # neither shift may be negative or too large, and what is added takes no more than a quarter of the limit
        least, most = exponent, exponent + integer.MAX_SHIFT
        skip_top = 0
        if block.skip is not None:
            skip_top = tops[block.skip]
            lift = min(int(np.floor(np.log2(limit / 4 / skip_top))), MAX_LIFT)
            exponent = least = min(exponent, exponents[block.skip] + lift)
            least, most = max(least, exponents[block.skip]), min(most, exponents[block.skip] + lift)
        roundings.append(
            _best(
                weights,
                bias,
                [
                    Rounding(
                        weight_exponent=accumulator - exponents[-1],
                        accumulator_exponent=accumulator,
                        shift=accumulator - exponent,
                        weight_bits=weight_bits,
                        top=tops[-1],
                        added=skip_top << (accumulator - exponents[block.skip]) if block.skip is not None else 0,
                        limit=limit,
                    )
                    for accumulator in _candidates(layer.weights, weight_bits, exponents[-1], least, most)
                ],
            )
        )
        if block.halve == Halve.MAX:
            planes = square_max(planes)
        elif block.halve == Halve.MEAN:
            planes = square_sum(planes) / 4
        found.append(planes)
        exponents.append(exponent)
        tops.append(top)
    head = layers[-1]
    roundings.append(
        _best(
            jnp.asarray(head.weights, jnp.float32),
            jnp.asarray(head.bias, jnp.float32),
            [
                Rounding(
                    weight_exponent=accumulator - exponents[-1],
                    accumulator_exponent=accumulator,
                    shift=0,
                    weight_bits=weight_bits,
                    top=top,
                    added=0,
                    limit=integer.MAX_ACCUMULATOR,
                )
                for accumulator in _candidates(head.weights, weight_bits, exponents[-1], -64, 64)
            ],
        )
    )
    return QuantisedCNN(architecture, layers, roundings, input_bits=input_bits, activation_bits=activation_bits)


def _limit(width: int, accumulator_bits: int) -> int:
    """What sums of rows of that width stay below: the lanes of the fewest words that have so many bits hold it."""
    lane = geometry(width, 2 ** (accumulator_bits - 1) - 1).lane
    return min(int(2 ** (lane - 1)), integer.MAX_ACCUMULATOR)


def _candidates(weights: Float64, weight_bits: int, exponent: int, least: int, most: int) -> list[int]:
    """Accumulator exponents from `least` to `most` around the one where the largest weight just fits."""
    biggest = max(float(np.abs(weights).max()), 1e-12)
    fits = int(np.floor(np.log2(integer.quantum(weight_bits) / biggest))) + exponent
    return sorted({min(max(fits + more, least), most) for more in range(-6, 5)})


def _best(weights: jax.Array, bias: jax.Array, roundings: Sequence[Rounding]) -> Rounding:
    """The rounding with the least squared error of the weights."""

    def squared_error(rounding: Rounding) -> float:
        rounded, _ = rounding.apply(weights, bias)
        return float(jnp.mean((rounded * 2.0**-rounding.weight_exponent - weights) ** 2))

    return min(roundings, key=squared_error)
