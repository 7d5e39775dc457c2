"""Convolutional integer networks in JAX: the same bits as `trainer.convolution`, compiled for any device.

Operands and sums are int32, and every partial sum stays below 2**24, as a `ConvolutionalNetwork` proves. Planes lie as
(channels, height, width, n). A convolution is shifted slices and one product of matrices: `lax.conv` takes longer on a
CPU, many times so inside a scan, and `trainer.convolution_models` trains through the same functions. Samples lie last,
as they are many where channels are few: every slice, sum and maximum runs along them, without a stride.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from trainer.convolution import ConvolutionalNetwork, Halve, Trunk
from trainer.errors import NetworkError
from trainer.integer import Int64, Uint8

Parameters = tuple[tuple[jax.Array, jax.Array], ...]


class Step(NamedTuple):
    """What a convolution does but for its numbers, as in `trainer.convolution.Convolution`."""

    shift: int
    halve: Halve
    depthwise: bool
    skip: int | None
    lift: int


def planes_of(samples: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
    """Samples, (n, height * channels * width), as planes of that shape: (channels, height, width, n)."""
    channels, height, width = shape
    return samples.reshape(-1, height, channels, width).transpose(2, 1, 3, 0)


def rows_of(planes: jax.Array) -> jax.Array:
    """Planes, (channels, height, width, n), as the head takes them: (n, height * width * channels)."""
    return planes.transpose(3, 1, 2, 0).reshape(planes.shape[-1], -1)


def per_channel(numbers: jax.Array) -> jax.Array:
    """Numbers, (channels,), that broadcast over planes."""
    return numbers[:, None, None, None]


@partial(jax.jit, static_argnames=("stride", "depthwise"))
def convolve(planes: jax.Array, weights: jax.Array, *, stride: int, depthwise: bool) -> jax.Array:
    """Sums of weights times planes, of the planes' dtype: (inputs, H, W, n) to (outputs, H / stride, W / stride, n).

    weights: shape (K, K, inputs, outputs), depthwise (K, K, 1, outputs).
    """
    size, _, _, outputs = weights.shape
    _, height, width, _ = planes.shape
    pad = size // 2
    padded = jnp.pad(planes, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    parts = [padded[:, dy : dy + height : stride, dx : dx + width : stride] for dy in range(size) for dx in range(size)]
    if depthwise:
        total = parts[0] * per_channel(weights[0, 0, 0])
        for number, part in enumerate(parts[1:], 1):
            total = total + part * per_channel(weights[number // size, number % size, 0])
        return total
    patches = jnp.concatenate(parts, axis=0)
    sums = lax.dot_general(
        weights.reshape(-1, outputs),
        # two axes: with four the product of its gradient takes eight times as long
        patches.reshape(len(patches), -1),
        (((0,), (0,)), ((), ())),
        # full float32 products on every device: with sums below 2**24 they are exact
        precision=lax.Precision.HIGHEST,
        preferred_element_type=planes.dtype,
    )
    return sums.reshape(outputs, *patches.shape[1:])


def squares(planes: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The four numbers of each 2 x 2 square: four times (channels, H / 2, W / 2, n)."""
    channels, height, width, count = planes.shape
    parts = planes.reshape(channels, height // 2, 2, width // 2, 2, count)
    return parts[:, :, 0, :, 0], parts[:, :, 0, :, 1], parts[:, :, 1, :, 0], parts[:, :, 1, :, 1]


@jax.jit
def square_max(planes: jax.Array) -> jax.Array:
    """The largest number of each 2 x 2 square."""
    a, b, c, d = squares(planes)
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


@jax.jit
def square_sum(planes: jax.Array) -> jax.Array:
    """The sum of each 2 x 2 square."""
    a, b, c, d = squares(planes)
    return a + b + c + d


def parameters(network: Trunk) -> Parameters:
    """Weights and biases of each convolution, and of the head if there is one, on the device, int32.

    Shapes (K, K, inputs, outputs) and (outputs,); of the head (inputs, classes), with inputs in the order of planes.
    """
    pairs = [(conv.weights.transpose(2, 3, 1, 0), conv.bias) for conv in network.convolutions]
    if isinstance(network, ConvolutionalNetwork):
        channels, height, width = network.shapes[-1]
        head = network.head.weights.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
        pairs.append((head.reshape(channels * height * width, -1), network.head.bias))
    return tuple((jnp.asarray(weights.astype(np.int32)), jnp.asarray(bias.astype(np.int32))) for weights, bias in pairs)


def _forward(
    layers: Parameters, samples: jax.Array, *, shape: tuple[int, int, int], steps: tuple[Step, ...], top: int
) -> jax.Array:
    """Accumulators of the last layer: int32, shape (n, classes); of a trunk its last planes, row by row."""
    found = [planes_of(samples.astype(jnp.int32), shape)]
    for (weights, bias), step in zip(layers, steps, strict=False):
        # what a stride leaves out is never computed
        stride = 2 if step.halve == Halve.STRIDE else 1
        acc = convolve(found[-1], weights, stride=stride, depthwise=step.depthwise) + per_channel(bias)
        if step.skip is not None:
            acc = acc + (found[step.skip][:, ::stride, ::stride] << step.lift)
        planes = jnp.minimum(jnp.maximum(acc, 0) >> step.shift, top)
        if step.halve == Halve.MAX:
            planes = square_max(planes)
        elif step.halve == Halve.MEAN:
            planes = square_sum(planes) >> 2
        found.append(planes)
    if len(layers) == len(steps):
        return found[-1].transpose(3, 1, 0, 2).reshape(len(samples), -1)
    weights, bias = layers[-1]
    flat = rows_of(found[-1])
    return lax.dot_general(flat, weights, (((1,), (0,)), ((), ())), preferred_element_type=jnp.int32) + bias


@partial(jax.jit, static_argnames=("shape", "steps", "top"))
def _logits(
    layers: Parameters, samples: jax.Array, *, shape: tuple[int, int, int], steps: tuple[Step, ...], top: int
) -> jax.Array:
    return _forward(layers, samples, shape=shape, steps=steps, top=top)


def logits(network: ConvolutionalNetwork, samples: Uint8, *, batch: int = 128) -> Int64:
    """Accumulators of the last layer.

    samples: uint8, shape (n, inputs), values below 2**input_bits, as `trainer.convolution.planes_of` takes them.

    Samples go through in equal batches (the last one is filled up), so that one compilation serves all.
    Returns int64, shape (n, classes), on the host. Raises `NetworkError` for other shapes and values.
    """
    return _through(network, samples, network.classes, batch)


def outputs(trunk: Trunk, samples: Uint8, *, batch: int = 128) -> Uint8:
    """The last planes of a trunk as samples, as `trainer.segments.outputs` gives them: uint8, shape (n, numbers)."""
    return _through(trunk, samples, int(np.prod(trunk.shapes[-1])), batch).astype(np.uint8)


def _through(network: Trunk, samples: Uint8, width: int, batch: int) -> Int64:
    if samples.ndim != 2 or samples.shape[1] != network.inputs:
        raise NetworkError(f"samples have shape {samples.shape}; the network takes (n, {network.inputs})")
    if samples.size and (samples.max() >= 2**network.input_bits or samples.min() < 0):
        raise NetworkError(f"a feature leaves 0 to {2**network.input_bits - 1}")
    if batch < 1:
        raise NetworkError(f"batch is {batch}; use 1 or more")
    layers = parameters(network)
    steps = tuple(Step(conv.shift, conv.halve, conv.depthwise, conv.skip, conv.lift) for conv in network.convolutions)
    top, size = 2**network.activation_bits - 1, max(min(batch, len(samples)), 1)
    out = np.zeros((len(samples), width), np.int64)
    for i in range(0, len(samples), size):
        part = samples[i : i + size]
        filled = jnp.asarray(np.pad(part, ((0, size - len(part)), (0, 0))))
        found = _logits(layers, filled, shape=network.shapes[0], steps=steps, top=top)
        out[i : i + size] = np.asarray(found)[: len(part)]
    return out


def predict(network: ConvolutionalNetwork, samples: Uint8, *, batch: int = 128) -> Uint8:
    """Class of each sample: uint8, shape (n,), on the host; the lowest index on ties.

    Raises `NetworkError` for other shapes and values.
    """
    classes: Uint8 = logits(network, samples, batch=batch).argmax(axis=1).astype(np.uint8)
    return classes
