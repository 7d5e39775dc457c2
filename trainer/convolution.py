"""Convolutional integer networks: the specification, in NumPy int64. Of dense ones it is `trainer/integer.py`.

A sample is an image of C channels, H x W. Planes hold unsigned integers. A convolution pads with zeros, keeps height
and width, and gives

    y = min(max(acc + skip * 2**lift, 0) >> shift, 2**activation_bits - 1)

with `acc` the sum of weights times inputs plus the channel's bias, and `skip` the planes of an earlier layer, where
there is one (He et al., https://arxiv.org/abs/1512.03385). Then it may halve its planes. The last layer is dense, over
all planes, channel by channel and row by row; the class is its arg-max, the lowest index on ties.

For every channel `sum(|w|) * xmax + |bias| + top * 2**lift < 2**24`, so that float32 and int32 arithmetic, in any order
of summation, give the same numbers.
"""

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np

from trainer.errors import NetworkError
from trainer.integer import INPUT_BITS, MAX_ACCUMULATOR, MAX_CLASSES, MAX_SHIFT, Int64, Layer, Uint8, quantum

KERNELS = (1, 3, 5)
WEIGHT_BITS = (4, 8)
MAX_SIDE = 32
MAX_CHANNELS = 256
MAX_CONVOLUTIONS = 23
MAX_LIFT = 15


class Halve(IntEnum):
    """What follows a convolution: nothing, every other row and column, or one number of each 2 x 2 square."""

    NOT = 0
    STRIDE = 1
    MAX = 2
    MEAN = 3


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """One convolution.

    weights: int64, shape (outputs, inputs, K, K) with K 1, 3 or 5, in [-Q, Q]; depthwise (outputs, 1, K, K), where
             output i sees input i alone.
    bias:    int64, shape (outputs,).
    shift:   right shift, 0 to 31.
    halve:   what follows. Halved planes have an even height and width; a mean is that of four numbers, rounded down.
    skip:    the layer whose planes are added, 0 for the sample and i for the i-th convolution; None for none. They have
             the shape of `acc`.
    lift:    left shift of what is added, 0 to 15; 0 where nothing is.
    """

    weights: Int64
    bias: Int64
    shift: int
    halve: Halve = Halve.NOT
    depthwise: bool = False
    skip: int | None = None
    lift: int = 0


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """Convolutions without a head, whose last planes are the answer; construction checks every bound and raises
    `NetworkError`.

    channels, height, width: of a sample; sides of 1 to 32.
    convolutions:    1 to 23 of them.
    input_bits:      bits of a number of a sample: 1, 2, 4 or 8.
    activation_bits: bits of a number of any other plane.
    weight_bits:     4 or 8: weights in [-Q, Q] with Q = 7 or 127.
    """

    channels: int
    height: int
    width: int
    convolutions: tuple[Convolution, ...]
    input_bits: int
    activation_bits: int
    weight_bits: int

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> int:
        """Numbers of a sample."""
        return self.channels * self.height * self.width

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, height, width) of the sample and of the planes behind each convolution."""
        return tuple(_shapes(self))

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample, padding included."""
        return sum(
            int(conv.weights.size) * height * width
            for conv, (_, height, width) in zip(self.convolutions, self.shapes[:-1], strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class ConvolutionalNetwork(Trunk):
    """A convolutional integer network: a trunk and its head.

    head: the dense layer behind the convolutions, without a shift.
    """

    head: Layer

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_head(self)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.head.weights.shape[1])

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample, padding included."""
        return super().multiply_adds + int(self.head.weights.size)


def _shapes(network: Trunk) -> list[tuple[int, int, int]]:
    shapes = [(network.channels, network.height, network.width)]
    for conv in network.convolutions:
        _, height, width = shapes[-1]
        part = 2 if conv.halve else 1
        shapes.append((len(conv.weights), height // part, width // part))
    return shapes


def bounds(network: Trunk, number: int) -> Int64:
    """Largest |accumulator| of each channel of a convolution, what is added included; int64, shape (outputs,)."""
    conv = network.convolutions[number]
    top = 2 ** (network.activation_bits if number else network.input_bits) - 1
    bound: Int64 = np.abs(conv.weights).sum(axis=(1, 2, 3)) * top + np.abs(conv.bias)
    if conv.skip is not None:
        bound = bound + ((2 ** (network.activation_bits if conv.skip else network.input_bits) - 1) << conv.lift)
    return bound


def _check(network: Trunk) -> None:
    for name, value, allowed in (
        ("input_bits", network.input_bits, INPUT_BITS),
        ("activation_bits", network.activation_bits, INPUT_BITS),
        ("weight_bits", network.weight_bits, WEIGHT_BITS),
    ):
        if value not in allowed:
            raise NetworkError(f"{name} is {value}; use one of {allowed}")
    if not 1 <= len(network.convolutions) <= MAX_CONVOLUTIONS:
        raise NetworkError(f"network has {len(network.convolutions)} convolutions; use 1 to {MAX_CONVOLUTIONS}")
    if not (1 <= network.height <= MAX_SIDE and 1 <= network.width <= MAX_SIDE):
        raise NetworkError(f"images are {network.height} x {network.width}; use sides of 1 to {MAX_SIDE}")
    if not 1 <= network.channels <= MAX_CHANNELS:
        raise NetworkError(f"images have {network.channels} channels; use 1 to {MAX_CHANNELS}")
    for number, conv in enumerate(network.convolutions):
        _check_convolution(network, number, conv)


def _check_head(network: ConvolutionalNetwork) -> None:
    channels, height, width = network.shapes[-1]
    head = network.head
    if head.weights.dtype != np.int64 or head.bias.dtype != np.int64:
        raise NetworkError("head: weights and bias must be int64")
    if head.weights.shape[:1] != (channels * height * width,) or head.bias.shape != head.weights.shape[1:]:
        raise NetworkError(
            f"head: weights {head.weights.shape} and bias {head.bias.shape} after planes {(channels, height, width)}"
        )
    if head.shift is not None:
        raise NetworkError("head: the last layer has no shift")
    if not 2 <= network.classes <= MAX_CLASSES:
        raise NetworkError(f"network has {network.classes} classes; use 2 to {MAX_CLASSES}")
    _check_numbers("head", head.weights, network.weight_bits)
    bound = np.abs(head.weights).sum(axis=0) * (2**network.activation_bits - 1) + np.abs(head.bias)
    _check_bound("head", bound)


def _check_convolution(network: Trunk, number: int, conv: Convolution) -> None:
    where = f"convolution {number + 1}"
    if conv.weights.dtype != np.int64 or conv.bias.dtype != np.int64:
        raise NetworkError(f"{where}: weights and bias must be int64")
    inputs, height, width = network.shapes[number]
    size = conv.weights.shape[-1] if conv.weights.ndim == 4 else 0
    if size not in KERNELS or conv.weights.shape[2] != size:
        raise NetworkError(f"{where}: weights {conv.weights.shape}; kernels are square, with a side in {KERNELS}")
    outputs = len(conv.weights)
    if conv.weights.shape[1] != (1 if conv.depthwise else inputs) or (conv.depthwise and outputs != inputs):
        raise NetworkError(f"{where}: weights {conv.weights.shape} after {inputs} channels")
    if not 1 <= outputs <= MAX_CHANNELS or conv.bias.shape != (outputs,):
        raise NetworkError(f"{where}: {outputs} channels, bias {conv.bias.shape}; use 1 to {MAX_CHANNELS} and one each")
    if not 0 <= conv.shift <= MAX_SHIFT:
        raise NetworkError(f"{where}: shift is {conv.shift}; use 0 to {MAX_SHIFT}")
    if conv.halve and (height % 2 or width % 2):
        raise NetworkError(f"{where}: planes of {height} x {width} cannot be halved")
    if conv.skip is None and conv.lift:
        raise NetworkError(f"{where}: lift is {conv.lift} without a skip; use 0")
    if not 0 <= conv.lift <= MAX_LIFT:
        raise NetworkError(f"{where}: lift is {conv.lift}; use 0 to {MAX_LIFT}")
    if conv.skip is not None and not 0 <= conv.skip <= number:
        raise NetworkError(f"{where}: adds layer {conv.skip}; use 0 to {number}")
    if conv.skip is not None and network.shapes[conv.skip] != (outputs, height, width):
        raise NetworkError(f"{where}: adds planes {network.shapes[conv.skip]} to {(outputs, height, width)}")
    _check_numbers(where, conv.weights, network.weight_bits)
    _check_bound(where, bounds(network, number))


def _check_numbers(where: str, weights: Int64, bits: int) -> None:
    if np.abs(weights).max() > quantum(bits):
        raise NetworkError(f"{where}: a weight leaves [-{quantum(bits)}, {quantum(bits)}]")


def _check_bound(where: str, bound: Int64) -> None:
    if bound.max() >= MAX_ACCUMULATOR:
        worst = int(bound.argmax())
        raise NetworkError(f"{where}: channel {worst} can reach {int(bound[worst])}; keep it under 2**24")


def convolve(planes: Int64, conv: Convolution) -> Int64:
    """Sums of a convolution: int64, shape (n, inputs, H, W) to (n, outputs, H, W)."""
    size = conv.weights.shape[-1]
    pad = size // 2
    _, _, height, width = planes.shape
    padded = np.pad(planes, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((len(planes), len(conv.weights), height, width), np.int64)
    for dy in range(size):
        for dx in range(size):
            part = padded[:, :, dy : dy + height, dx : dx + width]
            taps = conv.weights[:, :, dy, dx]
            if conv.depthwise:
                out += part * taps[:, 0, None, None]
            else:
                # every partial sum is below 2**24: float64 is exact
                product = np.tensordot(taps.astype(np.float64), part.astype(np.float64), axes=(1, 1))
                out += product.transpose(1, 0, 2, 3).astype(np.int64)
    return out + conv.bias[:, None, None]


def halved(planes: Int64, how: Halve) -> Int64:
    """Planes at half of their height and width: int64, shape (n, channels, H, W) to (n, channels, H / 2, W / 2)."""
    if how == Halve.NOT:
        return planes
    if how == Halve.STRIDE:
        return planes[:, :, ::2, ::2]
    count, channels, height, width = planes.shape
    squares = planes.reshape(count, channels, height // 2, 2, width // 2, 2)
    out: Int64 = squares.max(axis=(3, 5)) if how == Halve.MAX else squares.sum(axis=(3, 5)) >> 2
    return out


def planes_of(network: Trunk, samples: Uint8) -> list[Int64]:
    """The sample's planes, then those behind each convolution: int64, shape (n, channels, height, width).

    samples: uint8, shape (n, height * channels * width), row by row and in a row channel by channel, below
             2**input_bits.
    """
    if samples.ndim != 2 or samples.shape[1] != network.inputs:
        raise NetworkError(f"samples have shape {samples.shape}; the network takes (n, {network.inputs})")
    if samples.size and samples.max() >= 2**network.input_bits:
        raise NetworkError(f"a feature leaves 0 to {2**network.input_bits - 1}")
    shape = len(samples), network.height, network.channels, network.width
    found = [samples.astype(np.int64).reshape(shape).transpose(0, 2, 1, 3)]
    top = 2**network.activation_bits - 1
    for conv in network.convolutions:
        acc = convolve(found[-1], conv)
        if conv.skip is not None:
            acc = acc + (found[conv.skip] << conv.lift)
        found.append(halved(np.minimum(np.maximum(acc, 0) >> conv.shift, top), conv.halve))
    return found


def logits(network: ConvolutionalNetwork, samples: Uint8) -> Int64:
    """Accumulators of the last layer.

    samples: as for `planes_of`.
    Returns int64, shape (n, classes).
    """
    flat = planes_of(network, samples)[-1].reshape(len(samples), -1)
    product = flat.astype(np.float64) @ network.head.weights.astype(np.float64)
    out: Int64 = product.astype(np.int64) + network.head.bias
    return out


def predict(network: ConvolutionalNetwork, samples: Uint8, *, batch: int = 256) -> Uint8:
    """Class of each sample: uint8, shape (n,); arg-max of the logits, lowest index on ties."""
    parts = [
        logits(network, samples[i : i + batch]).argmax(axis=1).astype(np.uint8) for i in range(0, len(samples), batch)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def stages(network: Trunk) -> list[range]:
    """Convolutions whose inputs have the same height and width, in a row: by their numbers from 0."""
    starts = [0, *(n + 1 for n, conv in enumerate(network.convolutions[:-1]) if conv.halve)]
    return [range(a, b) for a, b in pairwise([*starts, len(network.convolutions)])]
