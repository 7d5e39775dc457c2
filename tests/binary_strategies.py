"""Binary networks for tests: extreme weights, thresholds at the edge of what inputs reach, odd widths."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from trainer.integer import BINARY, MAX_ACCUMULATOR, Int64, Layer, Network

WEIGHTS = ("random", "all +1", "all -1", "alternating")
BIASES = ("lively", "edge", "zero", "highest", "lowest")


def _weights(rng: np.random.Generator, mode: str, shape: tuple[int, int]) -> Int64:
    if mode == "random":
        return rng.choice(np.array([-1, 1], np.int64), shape)
    if mode == "alternating":
        return np.where((np.arange(shape[0])[:, None] + np.arange(shape[1])) % 2 == 0, 1, -1).astype(np.int64)
    return np.full(shape, 1 if mode == "all +1" else -1, np.int64)


def _bias(rng: np.random.Generator, mode: str, weights: Int64) -> Int64:
    inputs, outputs = weights.shape
    room = MAX_ACCUMULATOR - 1 - inputs
    total = weights.sum(axis=0)
    if mode == "lively":
        # the middle of what the inputs can reach: activations on both sides of zero
        return -(total // 2) + rng.integers(-3, 4, outputs)
    if mode == "edge":
        # one off what no input reaches, or every input does
        low, high = (total - inputs) // 2, (total + inputs) // 2
        return rng.choice(np.stack([-low - 1, -low, -low + 1, -high - 1, -high, -high + 1]), axis=0)
    if mode == "zero":
        return np.zeros(outputs, np.int64)
    return np.full(outputs, room if mode == "highest" else -room, np.int64)


def _network(rng: np.random.Generator, widths: tuple[int, ...], weights: list[str], biases: list[str]) -> Network:
    layers = []
    for number, shape in enumerate(pairwise(widths)):
        w = _weights(rng, weights[number], shape)
        shift = 0 if number < len(widths) - 2 else None
        layers.append(Layer(weights=w, bias=_bias(rng, biases[number], w), shift=shift))
    return Network(layers=tuple(layers), input_bits=1, activation_bits=1, weight_bits=BINARY)


@st.composite
def binary_networks(
    draw: st.DrawFn, *, max_layers: int = 7, max_bytes: int = 120, max_width: int = 40, max_classes: int = 12
) -> Network:
    """Networks of one bit; sample sizes and widths around those where another kernel takes over are likely."""
    count = draw(st.integers(1, max_layers))
    size = st.one_of(st.integers(1, max_bytes), st.sampled_from([1, *(s for s in _TURNS if s <= max_bytes)]))
    hidden = st.one_of(
        st.integers(1, max_width), st.sampled_from([w for w in (1, 15, 16, 17, 64, 65) if w <= max_width])
    )
    widths = (8 * draw(size), *(draw(hidden) for _ in range(count - 1)), draw(st.integers(2, max_classes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    modes = st.lists(st.sampled_from(WEIGHTS), min_size=count, max_size=count)
    levels = st.lists(st.sampled_from(BIASES), min_size=count, max_size=count)
    return _network(rng, widths, draw(modes), draw(levels))


_TURNS = (8, 9, 32, 33, 40, 41, 64, 72, 73, 96, 104, 105)


def binary_network(widths: tuple[int, ...], *, seed: int = 0) -> Network:
    """One lively network of these widths."""
    layers = len(widths) - 1
    return _network(np.random.default_rng(seed), widths, ["random"] * layers, ["lively"] * layers)
