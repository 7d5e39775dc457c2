"""The convolution engine and `trainer.convolution` compute the same bits, and accept the same byte strings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.engine.subject import calldata, words_of
from fuzz.native import Machine
from tests.agreement.test_mutated_encodings import mutate
from tests.contracts.convolution_fixtures import convolution_engine, slow_convolution_engine
from tests.convolution_strategies import BOUNDS, Shape, build, convolutional_networks, images
from trainer.convolution import ConvolutionalNetwork, logits, predict
from trainer.encode import pack_samples
from trainer.encode_convolution import cost, decode, encode, geometries, head_terms
from trainer.errors import EncodingError, NetworkError
from trainer.integer import Layer, Uint8

LENET = (1, 28, 28), [{"outputs": 8, "halve": 2}, {"outputs": 16, "halve": 2}]


@pytest.fixture(scope="module")
def machine() -> Machine:
    return convolution_engine()


def classes(machine: Machine, network: ConvolutionalNetwork, samples: Uint8, mask: int | None = None) -> list[int]:
    model = encode(network)
    mask = (1 << len(samples)) - 1 if mask is None else mask
    done = machine.call(calldata("predict", model + pack_samples(samples, network.input_bits), len(model), mask))
    assert done.reason is None, (done.reason, done.halted)
    return list(words_of(done.output))


def tied(network: ConvolutionalNetwork, sample: Uint8) -> ConvolutionalNetwork:
    """The same with biases that make all logits of a sample equal."""
    bias = network.head.bias - logits(network, sample[None])[0]
    return replace(network, head=Layer(weights=network.head.weights, bias=bias, shift=None))


def check(machine: Machine, network: ConvolutionalNetwork, samples: Uint8) -> None:
    """Classes, and with one logit more or less than the others every logit."""
    size = network.inputs * network.input_bits // 8
    checked = machine.call(calldata("validate", encode(network), size, network.input_bits, network.classes))
    assert (checked.reason, int.from_bytes(checked.output)) == (None, cost(network))
    answer = classes(machine, network, samples)
    assert answer == predict(network, samples).tolist() + [0] * (-len(samples) % 32)
    for number in range(min(3, len(samples))):
        try:
            even = tied(network, samples[number])
            for one in (0, network.classes - 1):
                bias = even.head.bias + np.eye(network.classes, dtype=np.int64)[one]
                above = replace(even, head=Layer(weights=even.head.weights, bias=bias, shift=None))
                assert classes(machine, above, samples[number : number + 1])[0] == one
        except (NetworkError, EncodingError):
            continue  # no room for such a bias
        assert classes(machine, even, samples[number : number + 1])[0] == 0


MANY = 2**20
BOTH = (
    build((1, 2, 18), [{"outputs": 3}, {"outputs": 2, "size": 5, "halve": 2}], bits=(8, 8, 8), bound=MANY),
    build((2, 6, 4), [{"outputs": 2, "size": 1}, {"outputs": 2, "skip": 1, "lift": 2, "halve": 1}], seed=1),
    build((5, 2, 8), [{"outputs": 13, "size": 1}, {"outputs": 9, "size": 1}, {"outputs": 2, "size": 1}], seed=2),
    build((9, 2, 2), [{"depthwise": 1}, {"outputs": 34}, {"outputs": 2, "halve": 3}], seed=3),
    build((1, 1, 20), [{"outputs": 2, "size": 5}, {"outputs": 1, "size": 1}], bits=(8, 4, 4), bound=MANY, seed=4),
    build((1, 2, 30), [{"outputs": 2}, {"outputs": 2, "halve": 2}], bits=(8, 8, 8), bound=MANY, seed=5),
    build((1, 8, 5), [{"outputs": 1}], bits=(8, 8, 8), seed=6),
    build((1, 2, 30), [{"outputs": 1, "halve": 2}, {"outputs": 1}], bits=(8, 8, 8), bound=MANY, seed=7),
)
"""Small networks that together take every branch."""


@pytest.mark.parametrize("network", BOTH)
def test_two_machines_give_the_same_bytes_for_the_same_gas(machine: Machine, network: ConvolutionalNetwork) -> None:
    slow, model, samples = slow_convolution_engine(), encode(network), images(network, 2)
    packed, size = pack_samples(samples, network.input_bits), network.inputs * network.input_bits // 8
    for data in (
        calldata("validate", model, size, network.input_bits, network.classes),
        calldata("validate", model + b"\0", size, network.input_bits, network.classes),
        calldata("cost", model),
        calldata("predict", model + packed, len(model), 3),
        calldata("predict", model + packed, len(model), 2),
        calldata("predict", model + packed, len(model) + 1, 1),
    ):
        assert machine.call(data) == slow.call(data)


@settings(max_examples=60)
@given(network=convolutional_networks(), seed=st.integers(0, 2**32))
def test_engine_and_specification_agree(machine: Machine, network: ConvolutionalNetwork, seed: int) -> None:
    samples = images(network, 6, seed)
    sample_bytes = network.inputs * network.input_bits // 8
    model = encode(network)
    done = machine.call(calldata("validate", model, sample_bytes, network.input_bits, network.classes))
    assert done.reason is None
    assert int.from_bytes(done.output) == cost(network)
    check(machine, network, samples)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("width", [1, 2, 5, 8, 14, 15, 16, 17, 28, 31, 32])
@pytest.mark.parametrize("bound", BOUNDS)
def test_every_width_and_number_of_words(machine: Machine, size: int, width: int, bound: int) -> None:
    bits = (8, 8, 8) if bound > 2**15 else (4, 2, 4)
    network = build((2, 9, width), [{"size": size, "outputs": 5}, {"size": 3}], bits=bits, bound=bound, seed=width)
    check(machine, network, images(network, 3, width))


@pytest.mark.parametrize("width", [12, 20, 31, 32])
@pytest.mark.parametrize("bound", BOUNDS)
def test_kernels_of_5_see_two_rows_of_the_tile_below(machine: Machine, width: int, bound: int) -> None:
    """And of the words beside it."""
    bits = (8, 8, 8) if bound > 2**15 else (4, 4, 4)
    network = build((1, 18, width), [{"size": 5, "outputs": 4}], bits=bits, bound=bound, seed=width)
    check(machine, network, images(network, 3, width))


def test_rows_of_two_to_four_words_were_met() -> None:
    networks = (build((2, 9, 32), [{"outputs": 5}, {}], bits=(8, 8, 8), bound=bound) for bound in BOUNDS)
    assert {geometries(network)[0].split for network in networks} == {2, 3, 4}


@pytest.mark.parametrize("large", [0, 2])
def test_the_largest_sum_decides_how_rows_lie(machine: Machine, large: int) -> None:
    """Whichever output it is of."""
    network = build((2, 4, 16), [{"outputs": 3}], bits=(4, 4, 8), bound=2**12)
    conv = network.convolutions[0]
    bias = conv.bias.copy()
    bias[large] = 2**20
    network = replace(network, convolutions=(replace(conv, bias=bias),))
    assert geometries(network)[0].split == 2
    check(machine, network, images(network, 3))


@pytest.mark.parametrize("halve", [1, 2, 3])
@pytest.mark.parametrize("side", [2, 4, 6, 14, 18, 28, 30, 32])
@pytest.mark.parametrize("bound", BOUNDS[1:])
def test_every_halving(machine: Machine, halve: int, side: int, bound: int) -> None:
    bits = (8, 8, 4) if bound > 2**15 else (2, 4, 4)
    network = build((1, side, side), [{"outputs": 2, "halve": halve}], bits=bits, bound=bound, seed=side)
    check(machine, network, images(network, 3, side))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 9, 11, 12, 13, 24])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_every_number_of_channels(machine: Machine, channels: int, size: int) -> None:
    """Slots that are full, and those that are not, in every row of a tile; more outputs than meet one together."""
    for layer in ({"size": size, "outputs": 35}, {"size": size, "depthwise": 1}):
        network = build((channels, 8, 6), [layer], bits=(4, 4, 4), seed=channels)
        check(machine, network, images(network, 3, channels))


@pytest.mark.parametrize("width", [14, 16, 20])
def test_sums_about_the_limit_beside_sums_below_zero(machine: Machine, width: int) -> None:
    """Also where the limit is half a lane: a lane below zero borrows from the one above."""
    network = build((1, 4, width), [{"size": 1, "outputs": 1}], bits=(8, 4, 4), bound=2**11)
    conv = replace(network.convolutions[0], weights=np.ones((1, 1, 1, 1), np.int64), bias=np.array([-20]))
    for shift in (0, 1, 3, geometries(network)[0].lane - 5):
        above = min(20 + (16 << shift), 254)
        numbers = np.array([0, 19, 20, above - 2, above - 1, above, above + 1, 255], np.uint8)
        samples = np.random.default_rng(shift).choice(numbers, (6, 4 * width))
        samples[0] = np.tile(np.array([above, 0], np.uint8), 2 * width)
        samples[1] = np.tile(np.array([20, 0], np.uint8), 2 * width)
        check(machine, replace(network, convolutions=(replace(conv, shift=shift),)), samples)


def test_a_full_head_of_rows_that_are_no_fours(machine: Machine) -> None:
    """Four rows move together, also those that are not there."""
    network = build((1, 5, 14), [{"size": 1, "outputs": 102}], seed=1)
    assert head_terms(network.shapes[-1]) == 1020
    check(machine, network, images(network, 3))


def test_the_most_classes_that_there_may_be(machine: Machine) -> None:
    network = build((2, 2, 2), [{"outputs": 3}], classes=256, bits=(4, 4, 8), seed=4)
    samples = images(network, 40)
    assert max(predict(network, samples)) > 200
    check(machine, network, samples)


@pytest.mark.parametrize(("lift", "skip"), [(0, 0), (3, 1), (15, 2), (7, 0)])
def test_every_skip(machine: Machine, lift: int, skip: int) -> None:
    layers = [{"outputs": 3, "size": 1}, {"outputs": 3}, {"outputs": 3, "skip": skip, "lift": lift}]
    network = build((3, 10, 20), layers, seed=lift)
    check(machine, network, images(network, 3, lift))


def test_masked_samples_alone_are_answered(machine: Machine) -> None:
    network = build(*LENET)
    samples = images(network, 34)
    expected = predict(network, samples).tolist()
    for mask in (0, 1, 1 << 33, 0b1011 << 20):
        answer = classes(machine, network, samples, mask)
        assert answer == [c * (mask >> i & 1) for i, c in enumerate(expected)] + [0] * 30


@settings(max_examples=100)
@given(data=st.data(), network=convolutional_networks(max_side=6, max_layers=2))
def test_mutated_models_are_refused_or_agreed_on(
    machine: Machine, data: st.DataObject, network: ConvolutionalNetwork
) -> None:
    original = encode(network)
    for _ in range(4):
        model = mutate(data, original)
        bits, classes_ = network.input_bits, network.classes
        size = network.inputs * bits // 8
        if len(model) >= 32:
            bits = model[6]
            size = int.from_bytes(model[9:11]) * model[11] * model[12] * bits // 8
            classes_ = int.from_bytes(model[13:15])
        done = machine.call(calldata("validate", model, size, bits, classes_))
        read, fault = None, ""
        try:
            read = decode(model)
        except EncodingError as error:
            fault = str(error)
        if read is None:
            assert done.reason, f"the engine accepts what the decoder refuses: {fault}"
            assert done.reason.startswith("engine: "), (done.reason, done.halted)
            continue
        assert done.reason is None, f"the engine refuses what the decoder accepts: {done.reason}"
        assert encode(read) == model
        assert int.from_bytes(done.output) == cost(read)
        samples = images(read, 2)
        assert classes(machine, read, samples)[:2] == predict(read, samples).tolist()


@settings(max_examples=40)
@given(network=convolutional_networks())
def test_no_sample_costs_more_than_the_bound(machine: Machine, network: ConvolutionalNetwork) -> None:
    """Also not the last one of the longest payload."""
    model, bound = encode(network), cost(network)
    count = min(256, (126_976 - len(model)) * 8 // network.inputs // network.input_bits)
    full = b"\xff" * (count * network.inputs * network.input_bits // 8)
    done = machine.call(calldata("predict", model + full, len(model), 1 << (count - 1)), gas=bound)
    assert (done.reason, done.halted) == (None, "")
    assert bound <= 2.5 * done.gas


@pytest.mark.parametrize(
    ("shape", "layers", "bits", "classes"),
    [
        ((64, 1, 1), [{"outputs": 64}, {"outputs": 40}], (8, 4, 4), 2),
        ((94, 2, 2), [{"outputs": 94, "size": 1}], (8, 4, 4), 2),
        ((60, 2, 2), [{"depthwise": 1}, {"depthwise": 1, "size": 1}], (8, 4, 8), 2),
        ((40, 2, 1), [{"depthwise": 1, "size": 5}, {"depthwise": 1, "size": 5}], (8, 4, 8), 2),
        ((2, 32, 32), [{"outputs": 3, "size": 5}, {"outputs": 1, "size": 5}], (8, 8, 8), 2),
        ((2, 32, 32), [{"outputs": 3}, {"outputs": 3, "skip": 1}, {"outputs": 3, "skip": 2}], (8, 8, 8), 2),
        ((1, 32, 32), [{"outputs": 9, "halve": 2}], (8, 8, 8), 2),
        ((1, 32, 32), [{"outputs": 18, "halve": 1}], (4, 4, 4), 2),
        ((4, 32, 2), [{"outputs": 20, "size": 1}], (8, 4, 4), 45),
        ((4, 8, 32), [{"outputs": 20, "size": 1}], (8, 8, 8), 23),
        ((30, 8, 8), [{"outputs": 30}, {"outputs": 30}, {"outputs": 30}], (4, 4, 4), 10),
    ],
)
def test_the_bound_holds_where_one_part_dominates(
    machine: Machine, shape: Shape, layers: list[dict[str, int]], bits: tuple[int, int, int], classes: int
) -> None:
    network = build(shape, layers, bits=bits, classes=classes, bound=2**13 if max(bits) == 4 else 2**24)
    model = encode(network)
    count = min(256, (126_976 - len(model)) * 8 // network.inputs // network.input_bits)
    full = b"\xff" * (count * network.inputs * network.input_bits // 8)
    done = machine.call(calldata("predict", model + full, len(model), 1 << (count - 1)))
    assert done.reason is None
    assert done.gas <= cost(network) <= 1.8 * done.gas
    # `unseal` pays for every byte, 256 words of predictions and the market besides
    taken = machine.call(calldata("validate", model, network.inputs * bits[0] // 8, bits[0], classes)).gas
    assert taken + 21_000 + 16 * (len(model) + 256 * 32) + 1_000_000 < 2**24
