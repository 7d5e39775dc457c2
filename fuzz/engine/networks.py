"""Random networks and samples that go to the edges: of lanes, slots, parts and sets, of accumulators, and of a tie.

Every choice of shape and style comes from a `random.Random`; hypothesis passes one that it can shrink. Bulk numbers
come from NumPy, seeded by that. A case's `number` deals the classes that must all occur (bits, layers, styles, batches,
terms, rows) in turn, so that a few hundred cases meet what chance would leave out.

`predict` shows nothing but an arg-max, so a network whose class is always the same hides every fault. Two thirds of the
networks are therefore fitted to inputs, layer by layer, and most have their last biases moved until all classes of one
sample tie but for one unit: then a sum that is off by one shows. Two of eleven networks are full: in the last layer the
largest inputs meet rows of the largest weights, beside rows of the smallest.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import numpy as np

from fuzz.engine.subject import Subject
from trainer.encode import MAX_MODEL_BYTES, encode, padded_width
from trainer.errors import EncodingError
from trainer.integer import (
    MAX_ACCUMULATOR,
    MAX_WIDTH,
    Int64,
    Layer,
    Network,
    Uint8,
    accumulator_bounds,
    logits,
    predict,
)

STYLES = (
    "random",
    "all max",
    "all min",
    "both ends",
    "alternating",
    "rows of one sign",
    "ladder",
    "sparse",
    "single",
    "zero",
)
BIASES = ("fitted", "highest", "lowest", "mixed extremes", "small", "zero")
FEATURES = ("random", "half zeros", "all max", "all zero", "single feature", "aligned with", "aligned against")
MASKS = ("all", "one", "last", "some", "few", "none", "one half", "all but one")
BATCHES = (1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 64, 100, 129, 255, 256)
CLASSES = (2, 3, 10, 5, 16, 127, 2, 7, 128, 129, 255, 256)
# of a hidden layer; 128 rows are a part
ROWS = (1, 2, 7, 8, 9, 15, 16, 17, 33, 127, 128, 129, 130, 255, 256, 257, 300)
SMALL = (1, 2, 3, 5, 8, 12, 15, 16, 17, 24, 31, 33, 40)
AIMS = ("turns of inputs", "turns of a hidden layer", "rows", "classes", "chunks", "small")

# multiply-adds of a network: `logits` takes 1,600 gas for each
WORK = 25_000
GIANT_WORK = 130_000
# of a batch
BATCH_WORK = 3_000_000


@dataclass(frozen=True)
class Case:
    """A network, samples for it, which of them are asked for, and the classes of choices that led here."""

    network: Network
    samples: Uint8
    mask: int
    tags: tuple[tuple[str, str], ...] = ()


def make_case(subject: Subject, rng: Random, number: int, *, small: bool = False) -> Case:
    """Case `number`; `small` keeps the model to a few hundred bytes."""
    tags: list[tuple[str, str]] = []
    network = make_network(subject, rng, number, tags, small=small)
    samples = make_samples(subject, network, rng, number, tags)
    mask = make_mask(rng, len(samples), number, tags)
    network = level(twin(network, samples, rng, tags), samples, mask, rng, tags)
    return Case(network, samples, mask, tuple(tags))


# ── networks ──


def make_network(
    subject: Subject, rng: Random, number: int, tags: list[tuple[str, str]], *, small: bool = False
) -> Network:
    """Network `number`: bits and layers are dealt in turn."""
    bits = subject.triples[number % len(subject.triples)]
    count = 1 + number % 7
    if count == 1:
        bits = next(t for t in subject.triples if t == (bits[0], bits[0], bits[2]))
    giant = not small and number % 20 == 19
    if giant and number // 20 % 3 == 0:
        count = min(count, subject.layers_behind_wide_inputs)
    if is_full(number):
        bits = rng.choice([t for t in subject.triples if t[0] == t[1] == t[2]] or [bits])
    for _ in range(30):
        widths = _widths(subject, rng, count, bits, number, small=small, giant=giant)
        work = sum(a * b for a, b in pairwise(widths))
        if work > (GIANT_WORK if giant else WORK):
            continue
        network = _fill(subject, rng, widths, bits, number, tags)
        try:
            subject.encode(network)
        except EncodingError:
            # above 120 KiB, or too costly
            continue
        return network
    widths = (padded_width(8, bits[0]), *[3] * (count - 1), 2)
    return _fill(subject, rng, widths, bits, number, tags)


def is_full(number: int) -> bool:
    """Whether a network of this number has a last layer with lanes as full as they can be."""
    return number % 11 in (4, 8)


def _widths(
    subject: Subject, rng: Random, count: int, bits: tuple[int, int, int], number: int, *, small: bool, giant: bool
) -> tuple[int, ...]:
    if small:
        widths = [rng.choice((1, 2, 3, 5, 7, 8, 9, 17, 40)) for _ in range(count)] + [rng.choice((2, 3, 4, 5))]
        return (padded_width(widths[0], bits[0]), *widths[1:])
    few = SMALL if count < 4 else SMALL[:9]
    widths = [rng.choice(few) for _ in range(count)] + [rng.choice(CLASSES[:3])]
    at = rng.randrange(1, count) if count > 1 else 0
    edge = rng.choice((-1, -1, 0, 0, 0, 1))
    if giant:
        kind = number // 20 % 3
        if kind == 0 or count == 1:
            widths[0] = rng.choice((*subject.wide_inputs, MAX_WIDTH - rng.randrange(700)))
        elif kind == 1:
            widths[at] = rng.choice(subject.wide_layers)
            widths[at - 1] = rng.choice((1, 2, 8, 16))
        else:
            widths[:2] = [rng.choice((784, 400, 300)), rng.choice((128, 129, 60))]
    elif is_full(number):
        widths[-2] = subject.layout.full(rng, edge, count - 1, bits)
    else:
        deal = number // 10
        match AIMS[number % 5 if number % 2 else number // 7 % len(AIMS)]:
            case "turns of inputs":
                widths[0] = subject.layout.inputs_at(rng, deal, bits)
                widths[1] = rng.choice((2, 3, 5))
            case "turns of a hidden layer" if count > 1:
                widths[at] = subject.layout.hidden_at(deal, edge, bits)
                widths[at + 1] = rng.choice((2, 3, 5))
            case "rows" if count > 1:
                widths[at] = ROWS[deal % len(ROWS)]
            case "chunks":
                widths[0] = subject.layout.period(bits) * rng.choice((1, 1, 2, 3)) + edge * 8 // bits[0]
                widths[1] = rng.choice((2, 3, 5))
            case "classes":
                widths[-1] = CLASSES[deal % len(CLASSES)]
            case _:
                pass
    widths[-1] = max(2, widths[-1])
    return (min(padded_width(max(1, widths[0]), bits[0]), MAX_WIDTH), *(max(1, w) for w in widths[1:]))


def _fill(
    subject: Subject,
    rng: Random,
    widths: tuple[int, ...],
    bits: tuple[int, int, int],
    number: int,
    tags: list[tuple[str, str]],
) -> Network:
    """Weights, biases and shifts for these widths; two thirds of the networks are fitted to random inputs."""
    tags.clear()
    bulk = np.random.default_rng(rng.getrandbits(32))
    levels = subject.levels(bits[2])
    styles = [s for s in STYLES if 0 in levels or s not in ("sparse", "single", "zero")]
    fitted = number % 3 > 0
    x = bulk.integers(0, 2 ** bits[0], (16, widths[0]))
    layers = []
    for layer, shape in enumerate(pairwise(widths)):
        style, lean, pace = styles[(number + layer) % len(styles)], rng.choice(BIASES[1:]), rng.choice(subject.shifts)
        if fitted:
            style, lean, pace = rng.choice((style, "random", "random", "both ends")), "fitted", subject.shifts[0]
        if is_full(number) and layer == len(widths) - 2:
            style = rng.choice(("rows of one sign", "ladder", "all max"))
        elif is_full(number) and layer == len(widths) - 3:
            lean, pace = "highest", "0"
        a = bits[1] if layer else bits[0]
        top = 2**a - 1
        weights = _fit(bulk, _weights(bulk, style, shape, levels), top)
        room = MAX_ACCUMULATOR - 1 - np.abs(weights).sum(axis=0) * top
        sums = (x.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)
        middle = np.clip(-np.median(sums, axis=0).astype(np.int64), -room, room)
        bias = middle if lean == "fitted" else _bias(bulk, lean, room)
        bias = subject.layout.nudge(bulk, bias, weights, room, last=layer == len(widths) - 2)
        shift = None
        if layer < len(widths) - 2:
            spread = int(np.percentile(np.abs(sums + bias), 80))
            fitting = min(31, max(0, spread.bit_length() - bits[1]))
            shift = {"fitted": fitting, "0": 0, "31": 31, "any": rng.randrange(32)}[pace]
            x = np.minimum(np.maximum(sums + bias, 0) >> shift, 2 ** bits[1] - 1)
            tags.append(("shift", pace))
        tags += [("weights", style), ("biases", lean)]
        layers.append(Layer(weights=weights, bias=bias, shift=shift))
    return Network(layers=tuple(layers), input_bits=bits[0], activation_bits=bits[1], weight_bits=bits[2])


def _weights(bulk: np.random.Generator, style: str, shape: tuple[int, int], levels: Int64) -> Int64:
    low, high = int(levels[0]), int(levels[-1])
    grid = np.arange(shape[0])[:, None] + np.arange(shape[1])
    random = bulk.choice(levels, shape)
    match style:
        case "all max":
            return np.full(shape, high)
        case "all min":
            return np.full(shape, low)
        case "both ends":
            return bulk.choice(np.array([low, high]), shape)
        case "alternating":
            return np.where(grid % 2 == 0, high, low)
        case "rows of one sign":
            return np.where(np.arange(shape[1]) % 2 == 0, high, low) * np.ones(shape, np.int64)
        case "ladder":
            # the first inputs high, the others low; each row has more of the first
            return np.where(np.arange(shape[0])[:, None] * shape[1] < (np.arange(shape[1]) + 1) * shape[0], high, low)
        case "sparse":
            return random * (bulk.random(shape) < 0.1)
        case "single":
            return np.where(np.arange(shape[0])[:, None] == bulk.integers(0, shape[0], shape[1]), high, 0)
        case "zero":
            return np.zeros(shape, np.int64)
    return random


def _fit(bulk: np.random.Generator, weights: Int64, top: int) -> Int64:
    """The weights, with as many zeros as the bound of an accumulator asks for."""
    if int(np.abs(weights).sum(axis=0).max()) * top < MAX_ACCUMULATOR:
        return weights
    order = bulk.permuted(np.broadcast_to(np.arange(len(weights))[:, None], weights.shape), axis=0)
    shuffled = np.take_along_axis(weights, order, axis=0)
    shuffled[np.abs(shuffled).cumsum(axis=0) * top >= MAX_ACCUMULATOR] = 0
    result = np.zeros_like(weights)
    np.put_along_axis(result, order, shuffled, axis=0)
    return result


def _bias(bulk: np.random.Generator, lean: str, room: Int64) -> Int64:
    match lean:
        case "highest":
            return room
        case "lowest":
            return -room
        case "mixed extremes":
            return room * bulk.integers(-1, 2, len(room))
        case "zero":
            return np.zeros_like(room)
    return np.clip(bulk.integers(-300, 301, len(room)), -room, room)


def twin(network: Network, samples: Uint8, rng: Random, tags: list[tuple[str, str]]) -> Network:
    """Perhaps the last layer with the class that wins the first sample doubled, so that a tie decides."""
    if rng.random() < 0.7:
        return network
    last = network.layers[-1]
    winner = int(predict(network, samples[:1])[0])
    other = rng.choice([c for c in range(network.classes) if c != winner])
    weights, bias = last.weights.copy(), last.bias.copy()
    weights[:, other], bias[other] = weights[:, winner], bias[winner]
    tags.append(("near", "twins"))
    return replace(network, layers=(*network.layers[:-1], replace(last, weights=weights, bias=bias)))


def level(network: Network, samples: Uint8, mask: int, rng: Random, tags: list[tuple[str, str]]) -> Network:
    """Perhaps the last biases so that all classes of one sample tie, or one of them leads by one or by minus one."""
    kind = rng.choice(("free", "tie", "one more", "one more", "one less"))
    last = network.layers[-1]
    at = rng.choice([j for j in range(len(samples)) if mask >> j & 1] or [0])
    bias = last.bias - logits(network, samples[at : at + 1])[0]
    # between the classes that stand first and last, anywhere
    bias[rng.randrange(network.classes)] += {"free": 0, "tie": 0, "one more": 1, "one less": -1}[kind]
    layer = replace(last, bias=bias)
    if kind == "free" or accumulator_bounds(layer, _bits(network, -1)).max() >= MAX_ACCUMULATOR:
        kind, layer = "free", last
    tags.append(("near", kind))
    return replace(network, layers=(*network.layers[:-1], layer))


def _bits(network: Network, layer: int) -> int:
    """Bits of the inputs of a layer; -1 is the last."""
    return network.input_bits if layer % len(network.layers) == 0 else network.activation_bits


# ── samples ──


def make_samples(subject: Subject, network: Network, rng: Random, number: int, tags: list[tuple[str, str]]) -> Uint8:
    """A batch of samples, each of a mode of its own: uint8, shape (n, inputs)."""
    inputs, top = network.widths[0], 2**network.input_bits - 1
    bulk = np.random.default_rng(rng.getrandbits(32))
    room = (MAX_MODEL_BYTES - len(encode(network))) // (inputs * network.input_bits // 8)
    count = max(1, min(BATCHES[number % len(BATCHES)], room, BATCH_WORK // network.multiply_adds))
    samples = bulk.integers(0, top + 1, (count, inputs), dtype=np.uint8)
    first = network.layers[0].weights
    for j in range(count):
        mode = FEATURES[(number + j) % len(FEATURES)] if j < 20 else "random"
        if is_full(number) and j % 2 == 0:
            mode = "all max"
        if inputs == MAX_WIDTH and j % 2:
            mode = subject.wide_samples or mode
        neuron = first[:, int(bulk.integers(0, first.shape[1]))]
        match mode:
            case "half zeros":
                samples[j] *= bulk.integers(0, 2, inputs, dtype=np.uint8)
            case "all max":
                samples[j] = top
            case "all zero":
                samples[j] = 0
            case "single feature":
                samples[j] = 0
                samples[j, int(bulk.integers(0, inputs))] = 1 << int(bulk.integers(0, network.input_bits))
            case "aligned with":
                samples[j] = np.where(neuron > 0, top, 0)
            case "aligned against":
                samples[j] = np.where(neuron < 0, top, 0)
        tags.append(("samples", mode))
    return samples


def make_mask(rng: Random, count: int, number: int, tags: list[tuple[str, str]]) -> int:
    """Which samples of a batch are asked for."""
    full = (1 << count) - 1
    kind = MASKS[number // 3 % len(MASKS)] if number % 2 else "all"
    tags.append(("mask", kind))
    match kind:
        case "one":
            return 1 << rng.randrange(count)
        case "last":
            return 1 << (count - 1)
        case "some":
            return rng.getrandbits(count)
        case "few":
            return rng.getrandbits(count) & rng.getrandbits(count) & rng.getrandbits(count)
        case "none":
            return 0
        case "one half":
            return 255 << 8 * rng.randrange(-(-count // 8)) & full
        case "all but one":
            return full ^ 1 << rng.randrange(count)
    return full
