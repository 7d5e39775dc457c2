"""The integer network: the specification, in NumPy int64.

Everything else (the JAX version, the engines in Vyper) is compared with this file by `==`.

A network is a stack of dense layers. Inputs and activations are unsigned, weights signed integers in [-Q, Q].
With `acc = x @ weights + bias`, a hidden layer gives

    y = min(max(acc, 0) >> shift, 2**activation_bits - 1)

(rounding is folded into the bias), the last layer gives `acc` itself, and the class is its arg-max, the lowest index
on ties. For every neuron `sum(|w|) * xmax + |bias| < 2**24`, so that float32 and int32 arithmetic, in any order of
summation, give the same numbers.

A binary network has inputs, activations and weights of one bit: a weight is -1 or 1, never 0, and no layer shifts, as
`acc >> s` is 1 or more exactly where `acc - (2**s - 1)` is: a lower bias says the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from trainer.errors import NetworkError

INPUT_BITS = (1, 2, 4, 8)
WEIGHT_BITS = (2, 4, 8)
BINARY = 1
"""Bits of a weight of a binary network, which is no case of the others."""
MAX_LAYERS = 7
MAX_WIDTH = 4096
MAX_CLASSES = 256
MAX_SHIFT = 31
MAX_ACCUMULATOR = 2**24

Int64 = npt.NDArray[np.int64]
Uint8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One dense layer.

    weights: int64, shape (inputs, outputs), in [-Q, Q].
    bias:    int64, shape (outputs,).
    shift:   right shift of a hidden layer, 0 to 31; None in the last layer.
    """

    weights: Int64
    bias: Int64
    shift: int | None


@dataclass(frozen=True, kw_only=True)
class Network:
    """An integer network; construction checks every bound and raises `NetworkError`.

    input_bits:      bits of an input feature: 1, 2, 4 or 8.
    activation_bits: bits of every hidden activation; equal to input_bits where there is no hidden layer.
    weight_bits:     2, 4 or 8: weights in [-Q, Q] with Q = 2**(weight_bits - 1) - 1. Or 1, where all bits are 1 and
                     all shifts 0: weights -1 and 1.
    """

    layers: tuple[Layer, ...]
    input_bits: int
    activation_bits: int
    weight_bits: int

    def __post_init__(self) -> None:
        _check(self)

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, hidden widths, classes."""
        return (self.layers[0].weights.shape[0], *(layer.weights.shape[1] for layer in self.layers))

    @property
    def inputs(self) -> int:
        """Numbers of a sample."""
        return self.widths[0]

    @property
    def classes(self) -> int:
        """Number of classes: the width of the last layer."""
        return self.widths[-1]

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample."""
        return sum(a * b for a, b in pairwise(self.widths))


def quantum(weight_bits: int) -> int:
    """Q, the largest weight: 1, 7 or 127, and 1 with one bit."""
    return 1 if weight_bits == BINARY else int(2 ** (weight_bits - 1) - 1)


def accumulator_bounds(layer: Layer, bits: int) -> Int64:
    """Largest |accumulator| of each neuron over all inputs of `bits` bits; int64, shape (outputs,)."""
    bound: Int64 = np.abs(layer.weights).sum(axis=0) * (2**bits - 1) + np.abs(layer.bias)
    return bound


def _check(network: Network) -> None:
    if not 1 <= len(network.layers) <= MAX_LAYERS:
        raise NetworkError(f"network has {len(network.layers)} layers; use 1 to {MAX_LAYERS}")
    for name, value, allowed in (
        ("input_bits", network.input_bits, INPUT_BITS),
        ("activation_bits", network.activation_bits, INPUT_BITS),
        ("weight_bits", network.weight_bits, (BINARY, *WEIGHT_BITS)),
    ):
        if value not in allowed:
            raise NetworkError(f"{name} is {value}; use one of {allowed}")
    if len(network.layers) == 1 and network.activation_bits != network.input_bits:
        raise NetworkError("a network without hidden layers has activation_bits equal to input_bits")

    binary = network.weight_bits == BINARY
    if binary and (network.input_bits, network.activation_bits) != (1, 1):
        raise NetworkError(
            f"weight_bits is 1 with input_bits {network.input_bits} and activation_bits {network.activation_bits}; "
            "a binary network has 1 everywhere"
        )
    largest = quantum(network.weight_bits)
    previous: int | None = None
    for number, layer in enumerate(network.layers):
        where = f"layer {number}"
        if layer.weights.dtype != np.int64 or layer.bias.dtype != np.int64:
            raise NetworkError(f"{where}: weights and bias must be int64")
        if layer.weights.ndim != 2 or layer.bias.shape != layer.weights.shape[1:]:
            raise NetworkError(f"{where}: weights {layer.weights.shape} and bias {layer.bias.shape} do not fit")
        inputs, outputs = layer.weights.shape
        if previous is not None and inputs != previous:
            raise NetworkError(f"{where}: {inputs} inputs after a layer of {previous} outputs")
        if not (1 <= inputs <= MAX_WIDTH and 1 <= outputs <= MAX_WIDTH):
            raise NetworkError(f"{where}: width {inputs} x {outputs}; use 1 to {MAX_WIDTH}")
        previous = outputs
        last = number == len(network.layers) - 1
        if last and layer.shift is not None:
            raise NetworkError(f"{where}: the last layer has no shift")
        if not last and not (layer.shift is not None and 0 <= layer.shift <= MAX_SHIFT):
            raise NetworkError(f"{where}: shift is {layer.shift}; use 0 to {MAX_SHIFT}")
        if binary and layer.shift:
            raise NetworkError(f"{where}: shift is {layer.shift}; a binary network has 0, and lower biases")
        if binary and not layer.weights.all():
            raise NetworkError(f"{where}: a weight is 0; a binary network has -1 and 1")
        if np.abs(layer.weights).max() > largest:
            raise NetworkError(f"{where}: a weight leaves [-{largest}, {largest}]")
        bits = network.input_bits if number == 0 else network.activation_bits
        bound = accumulator_bounds(layer, bits)
        if bound.max() >= MAX_ACCUMULATOR:
            worst = int(bound.argmax())
            raise NetworkError(f"{where}: neuron {worst} can reach {int(bound[worst])}; keep it under 2**24")
    if not 2 <= network.classes <= MAX_CLASSES:
        raise NetworkError(f"network has {network.classes} classes; use 2 to {MAX_CLASSES}")


def logits(network: Network, samples: Uint8) -> Int64:
    """Accumulators of the last layer.

    samples: uint8, shape (n, inputs), values below 2**input_bits.
    Returns int64, shape (n, classes).
    """
    inputs = network.widths[0]
    if samples.ndim != 2 or samples.shape[1] != inputs:
        raise NetworkError(f"samples have shape {samples.shape}; the network takes (n, {inputs})")
    x = samples.astype(np.int64)
    if x.size and (x.max() >= 2**network.input_bits or x.min() < 0):
        raise NetworkError(f"a feature leaves 0 to {2**network.input_bits - 1}")
    top = 2**network.activation_bits - 1
    for layer in network.layers:
        # every partial sum is below 2**24: float64 products and sums are exact, and BLAS is fast
        product = x.astype(np.float64) @ layer.weights.astype(np.float64)
        x = product.astype(np.int64) + layer.bias
        if layer.shift is not None:
            x = np.minimum(np.maximum(x, 0) >> layer.shift, top)
    return x


def predict(network: Network, samples: Uint8, *, batch: int = 4096) -> Uint8:
    """Class of each sample: uint8, shape (n,); arg-max of the logits, lowest index on ties."""
    parts: Sequence[Uint8] = [
        logits(network, samples[i : i + batch]).argmax(axis=1).astype(np.uint8) for i in range(0, len(samples), batch)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def digest(classes: Uint8) -> str:
    """SHA-256 of the predicted classes, one byte each, in order: the same on every machine."""
    return hashlib.sha256(np.ascontiguousarray(classes, dtype=np.uint8).tobytes()).hexdigest()
