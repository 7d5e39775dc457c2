"""The integer network in JAX: the same bits as `trainer.integer`, compiled for any device.

Operands and sums are int32. Every partial sum stays below 2**24 (a `Network` proves it at construction), so neither the
device nor the order of summation can change a bit.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding

from trainer import devices as placement
from trainer.errors import NetworkError
from trainer.integer import Int64, Network, Uint8

Parameters = tuple[tuple[jax.Array, jax.Array], ...]


def parameters(network: Network) -> Parameters:
    """Weights and biases of each layer on the device: int32, shapes (inputs, outputs) and (outputs,)."""
    return tuple(
        (jnp.asarray(layer.weights.astype(np.int32)), jnp.asarray(layer.bias.astype(np.int32)))
        for layer in network.layers
    )


def _forward(layers: Parameters, samples: jax.Array, *, shifts: tuple[int, ...], top: int) -> jax.Array:
    """Accumulators of the last layer: int32, shape (n, classes)."""
    x = samples.astype(jnp.int32)
    for number, (weights, bias) in enumerate(layers):
        x = lax.dot_general(x, weights, (((1,), (0,)), ((), ())), preferred_element_type=jnp.int32) + bias
        if number < len(shifts):
            x = jnp.minimum(jnp.maximum(x, 0) >> shifts[number], top)
    return x


@partial(jax.jit, static_argnames=("shifts", "top"))
def _logits(layers: Parameters, samples: jax.Array, *, shifts: tuple[int, ...], top: int) -> jax.Array:
    return _forward(layers, samples, shifts=shifts, top=top)


@partial(jax.jit, static_argnames=("shifts", "top"))
def _classes(layers: Parameters, samples: jax.Array, *, shifts: tuple[int, ...], top: int) -> jax.Array:
    # the lowest index on ties
    return jnp.argmax(_forward(layers, samples, shifts=shifts, top=top), axis=1).astype(jnp.uint8)


def _shifts(network: Network) -> tuple[int, ...]:
    return tuple(layer.shift for layer in network.layers if layer.shift is not None)


def _check(network: Network, samples: Uint8) -> None:
    inputs = network.widths[0]
    if samples.ndim != 2 or samples.shape[1] != inputs:
        raise NetworkError(f"samples have shape {samples.shape}; the network takes (n, {inputs})")
    if samples.size and (samples.max() >= 2**network.input_bits or samples.min() < 0):
        raise NetworkError(f"a feature leaves 0 to {2**network.input_bits - 1}")


def logits(network: Network, samples: Uint8) -> Int64:
    """Accumulators of the last layer.

    samples: uint8, shape (n, inputs), values below 2**input_bits.
    Returns int64, shape (n, classes), on the host. Raises `NetworkError` for other shapes and values.
    """
    _check(network, samples)
    top = 2**network.activation_bits - 1
    out = _logits(parameters(network), jnp.asarray(samples), shifts=_shifts(network), top=top)
    return np.asarray(out).astype(np.int64)


def predict(
    network: Network, samples: Uint8, *, batch: int = 4096, devices: Sequence[jax.Device] | None = None
) -> Uint8:
    """Class of each sample: uint8, shape (n,), on the host; the lowest index on ties.

    batch:   most samples a call; they go through in equal batches (the last one is filled up), so that one compilation
             serves all.
    devices: devices of this process, among which each batch is split, the network being on all; by default one device.

    Neither changes a bit. Raises `NetworkError` for other shapes and values.
    """
    _check(network, samples)
    if batch < 1:
        raise NetworkError(f"batch is {batch}; use 1 or more")
    count = len(samples)
    if count == 0:
        return np.zeros(0, np.uint8)
    size = min(batch, count)
    top = 2**network.activation_bits - 1
    layers, shifts = parameters(network), _shifts(network)
    placed: NamedSharding | None = None
    if devices is not None:
        size += -size % len(devices)
        mesh = placement.mesh_of(devices)
        placed, layers = placement.split(mesh), jax.device_put(layers, placement.whole(mesh))
    parts = []
    for i in range(0, count, size):
        part = samples[i : i + size]
        filled = jax.device_put(np.pad(part, ((0, size - len(part)), (0, 0))), placed)
        parts.append(np.asarray(_classes(layers, filled, shifts=shifts, top=top))[: len(part)])
    return np.concatenate(parts)
