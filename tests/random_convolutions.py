"""Random convolutional networks of every kind, with weights and biases at their bounds, and samples for them."""

from dataclasses import replace

import numpy as np

from trainer.architecture import Architecture, Block
from trainer.convolution import WEIGHT_BITS, Convolution, ConvolutionalNetwork, Halve, convolve, halved
from trainer.integer import INPUT_BITS, MAX_ACCUMULATOR, Int64, Layer, Uint8, quantum

Rng = np.random.Generator
MAX_CHANNELS = 6


def random_architecture(rng: Rng) -> Architecture:
    """One to four blocks: kernels of 1, 3 and 5, depthwise or not, every halving, skips where planes have one shape."""
    image = (int(rng.integers(1, MAX_CHANNELS + 1)), int(rng.integers(1, 15)), int(rng.integers(1, 15)))
    if rng.random() < 0.7:
        image = (image[0], image[1] // 2 * 2 + 2, image[2] // 2 * 2 + 2)
    blocks: list[Block] = []
    shapes = [image]
    for _ in range(rng.integers(1, 5)):
        channels, height, width = shapes[-1]
        outputs, skip = int(rng.integers(1, MAX_CHANNELS + 1)), None
        depthwise = bool(rng.random() < 0.3)
        if rng.random() < 0.5:
            skip = int(rng.choice([n for n, shape in enumerate(shapes) if shape[1:] == (height, width)]))
            outputs = shapes[skip][0]
            depthwise = depthwise and outputs == channels
        elif depthwise:
            outputs = channels
        even = height % 2 == width % 2 == 0
        block = Block(
            outputs=outputs,
            kernel=int(rng.choice((1, 3, 5))),
            halve=Halve(rng.integers(4)) if even else Halve.NOT,
            depthwise=depthwise,
            skip=skip,
        )
        blocks.append(block)
        part = 2 if block.halve else 1
        shapes.append((outputs, height // part, width // part))
    return Architecture(image=image, blocks=tuple(blocks))


def random_bits(rng: Rng) -> tuple[int, int, int]:
    """Bits of inputs, activations and weights."""
    return int(rng.choice(INPUT_BITS)), int(rng.choice(INPUT_BITS)), int(rng.choice(WEIGHT_BITS))


def random_convolutional_network(rng: Rng) -> ConvolutionalNetwork:
    """A network over a random architecture whose activations are, mostly, neither all zero nor all at the top."""
    input_bits, activation_bits, weight_bits = random_bits(rng)
    blank = random_architecture(rng).blank(
        classes=int(rng.integers(2, 13)),
        input_bits=input_bits,
        activation_bits=activation_bits,
        weight_bits=weight_bits,
    )
    found = [rng.integers(0, 2**input_bits, (8, *blank.shapes[0]))]
    convolutions = tuple(_filled(rng, blank, number, found) for number in range(len(blank.convolutions)))
    top = 2**activation_bits - 1
    weights = _weights(rng, blank.head.weights.shape, weight_bits)
    # 8 bits over many planes leave the bound
    weights = np.sign(weights) * (
        np.abs(weights) // -(-np.abs(weights).sum(axis=0).max() * top // (MAX_ACCUMULATOR - 1))
    )
    room = MAX_ACCUMULATOR - 1 - np.abs(weights).sum(axis=0) * top
    centre = -(weights.sum(axis=0) * top // 2)
    head = Layer(weights=weights, bias=_bias(rng, centre, room), shift=None)
    return replace(blank, convolutions=convolutions, head=head)


def _filled(rng: Rng, blank: ConvolutionalNetwork, number: int, found: list[Int64]) -> Convolution:
    """A convolution with numbers that suit the planes found before it; adds its own to them."""
    conv = blank.convolutions[number]
    top = 2 ** (blank.activation_bits if number else blank.input_bits) - 1
    lift = most = 0
    added = np.zeros(1, np.int64)
    if conv.skip is not None:
        lift = int(rng.integers(0, 7))
        most = (2 ** (blank.activation_bits if conv.skip else blank.input_bits) - 1) << lift
        added = found[conv.skip] << lift
    conv = replace(conv, weights=_weights(rng, conv.weights.shape, blank.weight_bits), lift=lift)
    room = MAX_ACCUMULATOR - 1 - most - np.abs(conv.weights).sum(axis=(1, 2, 3)) * top
    sums = convolve(found[-1], conv) + added
    bias = _bias(rng, -np.median(sums, axis=(0, 2, 3)).astype(np.int64), room)
    # a shift that leaves most activations in range, or any other
    shift = max(0, (2 * int(sums.std(axis=(0, 2, 3)).max())).bit_length() - blank.activation_bits)
    conv = replace(conv, bias=bias, shift=shift if rng.random() < 0.95 else int(rng.integers(32)))
    active = np.maximum(sums + bias[:, None, None], 0) >> conv.shift
    found.append(halved(np.minimum(active, 2**blank.activation_bits - 1), conv.halve))
    return conv


def _weights(rng: Rng, shape: tuple[int, ...], bits: int) -> Int64:
    largest = quantum(bits)
    mode = rng.integers(12)
    if mode == 0:
        return np.full(shape, rng.choice((-largest, largest)), np.int64)
    if mode <= 2:
        return rng.choice(np.array([-largest, largest], np.int64), shape)
    return rng.integers(-largest, largest + 1, shape)


def _bias(rng: Rng, centre: Int64, room: Int64) -> Int64:
    """At a bound once in a while, else near the centre."""
    mode = rng.integers(24)
    if mode <= 1:
        return room if mode else -room
    return np.clip(centre + rng.integers(-99, 100, len(centre)), -room, room)


def random_samples(network: ConvolutionalNetwork, rng: Rng) -> Uint8:
    """Eight samples: random ones, a sparse one, all zeros, all at the top, and a single number."""
    top = 2**network.input_bits - 1
    rows = rng.integers(0, top + 1, (8, network.inputs))
    rows[4] *= rng.integers(0, 2, network.inputs)
    rows[5] = 0
    rows[6] = top
    rows[7] = 0
    rows[7, rng.integers(network.inputs)] = top
    return rows.astype(np.uint8)
