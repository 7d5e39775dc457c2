"""Random convolutional networks: every kernel, halving, skip and number of words of a row."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from trainer.convolution import Convolution, ConvolutionalNetwork, Halve, Trunk
from trainer.encode_convolution import encode
from trainer.errors import EncodingError
from trainer.integer import INPUT_BITS, MAX_ACCUMULATOR, Int64, Layer, Uint8, quantum

Shape = tuple[int, int, int]
BOUNDS = (2**10, 2**13, 2**15, 2**18, MAX_ACCUMULATOR)
"""Sums that rows of 1, 2, 3 and 4 words hold, at the width of 32."""


def within(weights: Int64, reach: int, room: int) -> Int64:
    """Weights that are cut until sums of `reach` times their sizes keep below `room`."""
    axes = tuple(range(1, weights.ndim))
    most = int(np.abs(weights).sum(axis=axes).max()) * reach
    return weights if most < max(room, 1) else np.trunc(weights * (max(room, 0) / most)).astype(np.int64)


def shift_for(weights: Int64, top: int, bits: int, rng: np.random.Generator) -> int:
    """Some shift with which activations use their range."""
    spread = int(np.abs(weights).sum(axis=tuple(range(1, weights.ndim))).max()) * top // 8
    return min(31, max(0, spread.bit_length() - bits + int(rng.integers(-1, 2))))


def build(
    shape: Shape,
    layers: list[dict[str, int]],
    *,
    classes: int = 3,
    bits: tuple[int, int, int] = (4, 4, 4),
    bound: int = MAX_ACCUMULATOR,
    seed: int = 0,
) -> ConvolutionalNetwork:
    """A network of random weights.

    layers: of each `outputs`, `size`, `halve`, `depthwise`, `skip` and `lift` as in `Convolution`; what lacks is plain.
    bits:   of inputs, activations and weights.
    bound:  below which all sums of convolutions stay.
    """
    rng = np.random.default_rng(seed)
    most = quantum(bits[2])
    shapes, convolutions = [shape], []
    for number, layer in enumerate(layers):
        channels, height, width = shapes[-1]
        depthwise, size, skip = bool(layer.get("depthwise")), layer.get("size", 3), layer.get("skip")
        outputs = channels if depthwise else layer.get("outputs", 2)
        top = 2 ** bits[min(number, 1)] - 1
        added = 0 if skip is None else (2 ** bits[min(skip, 1)] - 1) << layer.get("lift", 0)
        weights = rng.integers(-most, most + 1, (outputs, 1 if depthwise else channels, size, size))
        weights = within(weights, top, bound - added - 201)
        halve = Halve(layer.get("halve", 0))
        convolutions.append(
            Convolution(
                weights=weights,
                bias=rng.integers(-200, 201, outputs),
                shift=shift_for(weights, top, bits[1], rng),
                halve=halve,
                depthwise=depthwise,
                skip=skip,
                lift=layer.get("lift", 0),
            )
        )
        part = 2 if halve else 1
        shapes.append((outputs, height // part, width // part))
    inputs = int(np.prod(shapes[-1]))
    weights = within(rng.integers(-most, most + 1, (classes, inputs)), 2 ** bits[1] - 1, MAX_ACCUMULATOR - 301)
    head = Layer(weights=np.ascontiguousarray(weights.T), bias=rng.integers(-300, 301, classes), shift=None)
    return ConvolutionalNetwork(
        channels=shape[0],
        height=shape[1],
        width=shape[2],
        convolutions=tuple(convolutions),
        head=head,
        input_bits=bits[0],
        activation_bits=bits[1],
        weight_bits=bits[2],
    )


def trunk_of(network: ConvolutionalNetwork) -> Trunk:
    """The same convolutions without a head."""
    return Trunk(**{name: value for name, value in vars(network).items() if name != "head"})


def images(network: Trunk, count: int, seed: int = 0) -> Uint8:
    """Samples: random ones, but one of nothing, one of the largest numbers, one of both, and one of a single bit."""
    rng = np.random.default_rng(seed)
    top = 2**network.input_bits - 1
    samples = rng.integers(0, top + 1, (count, network.inputs)).astype(np.uint8)
    special = [np.zeros(network.inputs), np.full(network.inputs, top), rng.choice([0, top], network.inputs)]
    special.append(np.eye(1, network.inputs, int(rng.integers(network.inputs)))[0])
    for row, sample in zip(samples[1:], special, strict=False):
        row[:] = sample
    return samples


@st.composite
def convolutional_networks(draw: st.DrawFn, *, max_side: int = 32, max_layers: int = 4) -> ConvolutionalNetwork:
    """Networks that have an encoding."""
    side = st.one_of(st.integers(1, max_side), st.sampled_from([s for s in (4, 8, 16, 28, 32) if s <= max_side]))
    shapes = [(draw(st.integers(1, 5)), draw(side), draw(side))]
    layers: list[dict[str, int]] = []
    for _ in range(draw(st.integers(1, max_layers))):
        channels, height, width = shapes[-1]
        layer = {"size": draw(st.sampled_from([1, 3, 3, 5])), "depthwise": draw(st.integers(0, 4)) // 4}
        outputs = channels if layer["depthwise"] else draw(st.one_of(st.integers(1, 6), st.integers(1, 30)))
        like = [i for i, s in enumerate(shapes) if s[1:] == (height, width)]
        if layer["depthwise"]:
            like = [i for i in like if shapes[i][0] == outputs]
        if like and draw(st.booleans()):
            layer["skip"] = draw(st.sampled_from(like))
            layer["lift"] = draw(st.integers(0, 3))
            outputs = shapes[layer["skip"]][0]
        layer["outputs"] = outputs
        even = height % 2 == width % 2 == 0
        layer["halve"] = draw(st.integers(0, 3)) if even else 0
        part = 2 if layer["halve"] else 1
        shapes.append((outputs, height // part, width // part))
        layers.append(layer)
    bits = draw(st.sampled_from(INPUT_BITS)), draw(st.sampled_from(INPUT_BITS)), draw(st.sampled_from([4, 8]))
    assume(int(np.prod(shapes[0])) * bits[0] % 8 == 0)
    network = build(
        shapes[0],
        layers,
        classes=draw(st.integers(2, 9)),
        bits=bits,
        bound=draw(st.sampled_from(BOUNDS)),
        seed=draw(st.integers(0, 2**32)),
    )
    try:
        encode(network)
    except EncodingError:
        assume(False)  # too large for the engine, which tests/contracts has cases of
    return network
