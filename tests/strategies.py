"""Hypothesis strategies: random and extreme networks, random and adversarial groups of samples."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from trainer.encode import padded_width
from trainer.integer import INPUT_BITS, MAX_ACCUMULATOR, WEIGHT_BITS, Int64, Layer, Network, Uint8, quantum

WEIGHTS = ("random", "sparse", "all +Q", "all -Q", "both extremes", "alternating")
BIASES = ("small", "zero", "highest", "lowest", "balanced")
GROUPS = ("random", "half zeros", "all max", "all min", "single bit")


def _weights(rng: np.random.Generator, mode: str, shape: tuple[int, int], largest: int) -> Int64:
    random = rng.integers(-largest, largest + 1, shape)
    if mode == "random":
        return random
    if mode == "sparse":
        return random * (rng.random(shape) < 0.2)
    if mode == "all +Q":
        return np.full(shape, largest, np.int64)
    if mode == "all -Q":
        return np.full(shape, -largest, np.int64)
    if mode == "both extremes":
        return rng.choice(np.array([-largest, largest], np.int64), shape)
    return np.where((np.arange(shape[0])[:, None] + np.arange(shape[1])) % 2 == 0, largest, -largest).astype(np.int64)


def _bias(rng: np.random.Generator, mode: str, weights: Int64, bits: int) -> Int64:
    outputs = weights.shape[1]
    room = MAX_ACCUMULATOR - 1 - np.abs(weights).sum(axis=0) * (2**bits - 1)
    if mode == "zero":
        return np.zeros(outputs, np.int64)
    if mode == "highest":
        return room
    if mode == "lowest":
        return -room
    if mode == "balanced":
        # the middle of what the inputs can reach: activations on both sides of zero
        return -(weights.sum(axis=0) * (2**bits - 1) // 2)
    return np.clip(rng.integers(-300, 301, outputs), -room, room)


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    max_layers: int = 4,
    max_inputs: int = 90,
    max_width: int = 24,
    max_classes: int = 12,
) -> Network:
    """Networks of every number of bits, odd widths, extreme weights, biases at the bound; inputs fill whole bytes."""
    input_bits = draw(st.sampled_from(INPUT_BITS))
    weight_bits = draw(st.sampled_from(WEIGHT_BITS))
    count = draw(st.integers(1, max_layers))
    activation_bits = draw(st.sampled_from(INPUT_BITS)) if count > 1 else input_bits
    widths = [
        padded_width(draw(st.integers(1, max_inputs)), input_bits),
        *(draw(st.integers(1, max_width)) for _ in range(count - 1)),
        draw(st.integers(2, max_classes)),
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers = []
    for number in range(count):
        bits = activation_bits if number else input_bits
        shape = (widths[number], widths[number + 1])
        weights = _weights(rng, draw(st.sampled_from(WEIGHTS)), shape, quantum(weight_bits))
        bias = _bias(rng, draw(st.sampled_from(BIASES)), weights, bits)
        # a shift that leaves most activations in range, or any other
        reach = int((np.abs(weights).sum(axis=0) * (2**bits - 1)).max()) >> (activation_bits + 1)
        fitting = st.just(min(31, reach.bit_length()))
        shift = draw(st.one_of(fitting, fitting, st.integers(0, 31))) if number < count - 1 else None
        layers.append(Layer(weights=weights, bias=bias, shift=shift))
    return Network(
        layers=tuple(layers), input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits
    )


@st.composite
def groups(draw: st.DrawFn, network: Network, *, max_samples: int = 4) -> Uint8:
    """Samples for this network: uint8, shape (n, inputs), 1 <= n <= max_samples, each sample of a mode of its own."""
    inputs, bits = network.widths[0], network.input_bits
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    top = 2**bits - 1
    rows = []
    for mode in draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=max_samples)):
        row = rng.integers(0, top + 1, inputs)
        if mode == "half zeros":
            row *= rng.integers(0, 2, inputs)
        elif mode == "all max":
            row[:] = top
        elif mode == "all min":
            row[:] = 0
        elif mode == "single bit":
            row[:] = 0
            row[draw(st.integers(0, inputs - 1))] = 1 << draw(st.integers(0, bits - 1))
        rows.append(row)
    return np.array(rows, np.uint8)


def random_network(
    widths: tuple[int, ...],
    *,
    input_bits: int = 4,
    activation_bits: int = 4,
    weight_bits: int = 4,
    seed: int = 0,
) -> Network:
    """One network of these shapes, for tests that need a fixed one."""
    rng = np.random.default_rng(seed)
    layers = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        weights = _weights(rng, "random", (inputs, outputs), quantum(weight_bits))
        shift = 3 if number < len(widths) - 2 else None
        layers.append(Layer(weights=weights, bias=rng.integers(-99, 100, outputs), shift=shift))
    return Network(
        layers=tuple(layers),
        input_bits=input_bits,
        activation_bits=activation_bits if len(widths) > 2 else input_bits,
        weight_bits=weight_bits,
    )


def random_group(network: Network, count: int, *, seed: int = 0) -> Uint8:
    """`count` random samples for a network: uint8, shape (count, inputs)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**network.input_bits, (count, network.widths[0]), dtype=np.uint8)
