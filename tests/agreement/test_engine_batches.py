"""Batches of the engine: every size, mask, kernel, tail and number of layers gives what NumPy gives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.engine.subject import Engine, engine_for_tests
from tests.strategies import networks, random_group
from trainer import integer
from trainer.integer import INPUT_BITS, MAX_ACCUMULATOR, WEIGHT_BITS, Int64, Layer, Network, Uint8, quantum


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("dense")


def agree(engine: Engine, network: Network, samples: Uint8, mask: int | None = None) -> None:
    """The masked samples have their class, all other bytes are zero, and `validate` accepts the model."""
    count = len(samples)
    mask = (1 << count) - 1 if mask is None else mask
    expected = [int(c) if mask >> j & 1 else 0 for j, c in enumerate(integer.predict(network, samples))]
    engine.validate(network)
    assert list(engine.predict(network, samples, mask)) == expected + [0] * (-count % 32)


def lively(
    widths: tuple[int, ...], *, input_bits: int, activation_bits: int, weight_bits: int, seed: int = 0
) -> Network:
    """A network whose activations use their whole range, and whose classes are spread."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = []
    largest = quantum(weight_bits)
    x = rng.integers(0, 2**input_bits, (64, widths[0]))
    for number in range(len(widths) - 1):
        last = number == len(widths) - 2
        bits = input_bits if number == 0 else activation_bits
        shape = widths[number : number + 2]
        weights = rng.integers(-largest, largest + 1, shape)
        # few enough weights that the bound holds
        room = (MAX_ACCUMULATOR - 1) // (2**bits - 1) // largest // 2
        weights[rng.permuted(np.broadcast_to(np.arange(shape[0])[:, None], shape), axis=0) >= room] = 0
        product = x @ weights
        bias = -np.median(product, axis=0).astype(np.int64)
        spread = int(np.percentile(np.abs(product + bias), 80))
        shift = None if last else max(0, spread.bit_length() - activation_bits)
        layers.append(Layer(weights=weights, bias=bias, shift=shift))
        if shift is not None:
            x = np.minimum(np.maximum(product + bias, 0) >> shift, 2**activation_bits - 1)
    return Network(
        layers=tuple(layers), input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits
    )


BATCH = lively((24, 20, 7), input_bits=4, activation_bits=4, weight_bits=4)
SAMPLES = random_group(BATCH, 256)


def test_the_fixture_has_many_classes() -> None:
    """All halves of all sets hold different samples and different classes."""
    classes = integer.predict(BATCH, SAMPLES)
    assert all(len(set(half)) > 2 for half in classes.reshape(32, 8).tolist())


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 17, 24, 25, 31, 32, 33, 40, 64, 100, 129, 255, 256])
def test_batches_of_every_size(engine: Engine, count: int) -> None:
    agree(engine, BATCH, SAMPLES[:count])


@pytest.mark.parametrize("at", [*range(18), 31, 32, 33, 127, 128, 240, 247, 248, 255])
def test_one_sample_anywhere(engine: Engine, at: int) -> None:
    agree(engine, BATCH, SAMPLES, 1 << at)
    agree(engine, BATCH, SAMPLES[: at + 1], 1 << at)


@pytest.mark.parametrize(
    "mask",
    [
        0,
        0b11,
        1 | 1 << 8,
        1 | 1 << 255,
        1 << 7 | 1 << 8,
        0xFF00,
        0xFF << 8 | 0xFF << 128,
        (1 << 256) // 3,
        (1 << 256) // 65535 * 0x0100,
        (1 << 256) // 65535 * 0x8001,
        2**256 - 1 ^ 1 << 100,
        0xFFFF << 240,
        0xFF << 240,
    ],
)
def test_sparse_masks(engine: Engine, mask: int) -> None:
    agree(engine, BATCH, SAMPLES, mask)


@given(data=st.data(), network=networks(max_layers=7, max_inputs=300, max_width=40))
def test_random_networks_in_batches(engine: Engine, data: st.DataObject, network: Network) -> None:
    count = data.draw(st.integers(1, 40))
    samples = random_group(network, count, seed=data.draw(st.integers(0, 2**32 - 1)))
    samples[data.draw(st.integers(0, count - 1))] = 2**network.input_bits - 1
    agree(engine, network, samples, data.draw(st.integers(0, 2**count - 1)))


@pytest.mark.parametrize("terms", [1, 2, 3, 4, 5, 8, 9, 13, 14, 17, 18, 24, 25, 26, 49])
@pytest.mark.parametrize(("bits", "weight_bits"), [(4, 4), (4, 2), (8, 8), (8, 4), (8, 2)])
def test_every_number_of_terms(engine: Engine, terms: int, bits: int, weight_bits: int) -> None:
    """Kernels of every size, slots of 24 and 16 terms and the one more that the last may have, in both layers."""
    lanes = 16 if bits == 4 else 8
    hidden = lanes * terms - lanes // 2
    network = lively((8, hidden, 5), input_bits=bits, activation_bits=bits, weight_bits=weight_bits, seed=terms)
    agree(engine, network, random_group(network, 17))
    agree(engine, network, random_group(network, 2), 0b10)
    # whole chunks of the sample, and a tail of some pieces
    wide = (16 if bits == 4 else 10) * terms + 2 * (terms % 5)
    network = lively((wide, 5, 3), input_bits=bits, activation_bits=bits, weight_bits=weight_bits, seed=terms)
    agree(engine, network, random_group(network, 17))
    agree(engine, network, random_group(network, 2), 0b10)


@pytest.mark.parametrize("input_bits", INPUT_BITS)
@pytest.mark.parametrize("activation_bits", INPUT_BITS)
@pytest.mark.parametrize("weight_bits", WEIGHT_BITS)
def test_every_combination_of_bits_in_a_batch(
    engine: Engine, input_bits: int, activation_bits: int, weight_bits: int
) -> None:
    for widths in ((264, 11, 3), (72, 300, 19, 4)):
        network = lively(widths, input_bits=input_bits, activation_bits=activation_bits, weight_bits=weight_bits)
        agree(engine, network, random_group(network, 19), 0b1010111111111110111)
        agree(engine, network, random_group(network, 19), 1 << 18)


@pytest.mark.parametrize("bits", INPUT_BITS)
@pytest.mark.parametrize("weight_bits", [2, 8])
def test_tails_of_every_length(engine: Engine, bits: int, weight_bits: int) -> None:
    """The inputs behind the last whole chunk of a sample: from one piece of one lane to all but one input."""
    per = 8 // bits
    period = (24 // bits * 10) if max(bits, weight_bits) > 4 else (16 // bits * 16)
    around = {*range(per, 6 * per, per), *range(period - 2 * per, period + 3 * per, per), period // 2, 2 * period + per}
    for inputs in sorted(n for n in around if n % per == 0):
        network = lively((inputs, 3), input_bits=bits, activation_bits=bits, weight_bits=weight_bits, seed=inputs)
        agree(engine, network, random_group(network, 3))


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 16, 17, 128, 129, 257])
@pytest.mark.parametrize("bits", [4, 8])
def test_every_number_of_rows(engine: Engine, rows: int, bits: int) -> None:
    network = lively((40, rows, rows, 4), input_bits=bits, activation_bits=bits, weight_bits=4, seed=rows)
    agree(engine, network, random_group(network, 17))
    agree(engine, network, random_group(network, 1))


def test_many_classes(engine: Engine) -> None:
    for classes in (2, 128, 129, 255, 256):
        network = lively((64, 20, classes), input_bits=4, activation_bits=4, weight_bits=4, seed=classes)
        agree(engine, network, random_group(network, 32))


def test_seven_layers(engine: Engine) -> None:
    for bits in INPUT_BITS:
        widths = (48, 30, 17, 33, 16, 9, 21, 5)
        network = lively(widths, input_bits=4, activation_bits=bits, weight_bits=4, seed=bits)
        agree(engine, network, random_group(network, 40))
        agree(engine, network, random_group(network, 5), 0b00100)


def extreme(widths: tuple[int, int], *, bits: int, weight_bits: int) -> Network:
    """One layer at its bounds: rows of +Q, rows of -Q, rows of both; accumulators of ±(2**24 - 1)."""
    inputs, outputs = widths
    largest = min(quantum(weight_bits), (MAX_ACCUMULATOR - 1) // (2**bits - 1) // inputs)
    weights = np.full((inputs, outputs), largest, np.int64)
    weights[:, 1::3] = -largest
    weights[::2, 2::3] = -largest
    room = MAX_ACCUMULATOR - 1 - np.abs(weights).sum(axis=0) * (2**bits - 1)
    bias: Int64 = np.where(np.arange(outputs) % 3 == 1, -room, room)
    return Network(
        layers=(Layer(weights=weights, bias=bias, shift=None),),
        input_bits=bits,
        activation_bits=bits,
        weight_bits=weight_bits,
    )


@pytest.mark.parametrize("weight_bits", WEIGHT_BITS)
@pytest.mark.parametrize("bits", INPUT_BITS)
def test_accumulators_at_their_bounds(engine: Engine, bits: int, weight_bits: int) -> None:
    """Neighbours of a lane that is as full as it may be: all-max samples beside empty ones, in every order."""
    for inputs in (8, 264, 1040):
        network = extreme((inputs, 3), bits=bits, weight_bits=weight_bits)
        samples = random_group(network, 17)
        samples[::3], samples[1::4] = 2**bits - 1, 0
        peak = integer.logits(network, samples).max()
        assert peak == MAX_ACCUMULATOR - 1 or inputs * quantum(weight_bits) * (2**bits - 1) >= MAX_ACCUMULATOR // 2
        agree(engine, network, samples)
        # the same sums as activations: clipped, or zero, or shifted to less than the limit
        first = network.layers[0]
        wide = extreme((3, 5), bits=bits, weight_bits=weight_bits).layers[0]
        for shift in (0, 16, 24 - bits, 31):
            deep = replace(network, layers=(replace(first, shift=shift), wide))
            agree(engine, deep, samples)


@pytest.mark.parametrize("bits", [4, 8])
def test_hidden_layers_at_their_bounds(engine: Engine, bits: int) -> None:
    """Every activation at its limit meets rows of the largest weights, in slots of every kind."""
    for weight_bits in WEIGHT_BITS:
        for hidden in (16, 64, 208, 416):
            last = extreme((hidden, 3), bits=bits, weight_bits=weight_bits).layers[0]
            first = Layer(weights=np.ones((8, hidden), np.int64), bias=np.full(hidden, 2**20, np.int64), shift=0)
            network = Network(layers=(first, last), input_bits=bits, activation_bits=bits, weight_bits=weight_bits)
            agree(engine, network, random_group(network, 17))
            agree(engine, network, random_group(network, 1))


def test_the_lowest_class_wins_a_tie(engine: Engine) -> None:
    """Classes with equal accumulators, above, at and below zero, in both halves of a set."""
    for level in (0, 5, -5, MAX_ACCUMULATOR - 200, 200 - MAX_ACCUMULATOR):
        for tied in ((0, 1), (3, 4), (2, 9), (5, 6, 7, 8, 9)):
            weights = np.zeros((8, 10), np.int64)
            bias = np.full(10, level - 1, np.int64)
            bias[list(tied)] = level
            layer = Layer(weights=weights, bias=bias, shift=None)
            network = Network(layers=(layer,), input_bits=4, activation_bits=4, weight_bits=4)
            samples = random_group(network, 17)
            assert set(engine.predict(network, samples)[:17]) == {tied[0]}
            assert engine.predict(network, samples, 1 << 11)[11] == tied[0]


def test_samples_do_not_see_each_other(engine: Engine) -> None:
    """A sample's class is the same alone and in a batch, whatever its neighbours are."""
    rng = np.random.default_rng(3)
    alone = engine.predict(BATCH, SAMPLES[:1])[0]
    for at in (0, 7, 8, 15):
        for neighbours in (0, 15):
            batch = np.full((16, 24), neighbours, np.uint8)
            batch[at] = SAMPLES[0]
            assert engine.predict(BATCH, batch)[at] == alone
        order = rng.permutation(256)
        assert engine.predict(BATCH, SAMPLES[order])[int(np.argmin(order))] == alone
