"""The binary engine, `trainer.integer` and JAX compute the same bits: on every kernel, slot, set, lane and layer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fuzz.engine.subject import Engine, engine_for_tests
from tests.agreement.test_mutated_encodings import check as check_model
from tests.agreement.test_mutated_encodings import mutate
from tests.binary_strategies import binary_network, binary_networks
from tests.strategies import groups, random_group
from trainer import integer, integer_jax
from trainer.encode import class_word, classes_of, decode, encode, pack_samples
from trainer.errors import NetworkError
from trainer.execute import execute
from trainer.integer import Network, Uint8
from trainer.package import Group


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("binary")


def check(engine: Engine, network: Network, samples: Uint8, mask: int | None = None) -> None:
    count = len(samples)
    mask = (1 << count) - 1 if mask is None else mask
    chosen = np.array([mask >> i & 1 for i in range(count)], np.uint8)
    answer = np.frombuffer(engine.predict(network, samples, mask), np.uint8)
    assert answer[:count].tolist() == (integer.predict(network, samples) * chosen).tolist()
    assert not answer[count:].any()


@given(data=st.data(), network=binary_networks(max_layers=5))
def test_classes_are_the_same(engine: Engine, data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network, max_samples=20))
    expected = integer.predict(network, samples)
    engine.validate(network)
    assert classes_of(engine.predict(network, samples)[:32], len(samples)).tolist() == expected.tolist()
    one = data.draw(st.integers(0, len(samples) - 1))
    check(engine, network, samples, 1 << one)


@settings(max_examples=6)
@given(data=st.data(), network=binary_networks(max_bytes=12, max_width=12))
def test_jax_agrees(data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network))
    assert np.array_equal(integer_jax.logits(network, samples), integer.logits(network, samples))
    assert np.array_equal(integer_jax.predict(network, samples), integer.predict(network, samples))


@given(data=st.data(), network=binary_networks(max_bytes=10, max_width=12))
def test_logits_are_the_same(engine: Engine, data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network))
    index = data.draw(st.integers(0, len(samples) - 1))
    assert engine.logits(network, samples, index) == integer.logits(network, samples)[index].tolist()


@given(data=st.data(), network=binary_networks(max_layers=3))
def test_one_more_on_a_tied_logit_decides_the_class(engine: Engine, data: st.DataObject, network: Network) -> None:
    """Every logit is exact: with all of them made equal, one unit more wins, and a tie is class 0."""
    sample = data.draw(groups(network, max_samples=1))
    place = data.draw(st.integers(0, 15))
    samples = random_group(network, 16)
    samples[place] = sample[0]
    last = network.layers[-1]
    tied = last.bias - integer.logits(network, sample)[0]
    winner = data.draw(st.integers(0, network.classes - 1))
    try:
        tie = replace(network, layers=(*network.layers[:-1], replace(last, bias=tied)))
        more = tied.copy()
        more[winner] += 1
        decided = replace(network, layers=(*network.layers[:-1], replace(last, bias=more)))
    except NetworkError:
        # so near its bounds that a tie would be no network: nothing to compare
        assume(False)
    assert engine.predict(tie, samples)[place] == 0
    assert engine.predict(decided, samples)[place] == winner


@pytest.mark.parametrize(
    "size", [*range(1, 14), 31, 32, 33, 39, 40, 41, 63, 64, 65, 72, 73, 95, 96, 97, 98, 104, 105, 192, 200, 232, 512]
)
def test_every_number_of_words(engine: Engine, size: int) -> None:
    """As bytes of a sample: quarters, parts of a word, one to three words, and several slots of them."""
    network = binary_network((8 * size, 3, 4), seed=size)
    samples = random_group(network, 18)
    samples[16], samples[17] = 0, 1
    check(engine, network, samples)


@pytest.mark.parametrize("hidden", [1, 7, 8, 9, 16, 17, 63, 64, 65, 128, 255, 256, 257, 320, 328, 768, 830, 832, 833])
def test_every_number_of_neurons(engine: Engine, hidden: int) -> None:
    """Activations gathered into quarters, parts of a word, words and slots; several parts of rows."""
    network = binary_network((16, hidden, 5), seed=hidden)
    samples = random_group(network, 17)
    check(engine, network, samples)
    check(engine, network, samples, 1 << 11)


@pytest.mark.parametrize("inputs", [8, 64, 72, 256, 264, 784, 832, 840, 4096])
def test_every_input_counts(engine: Engine, inputs: int) -> None:
    """One input, or all but one, differs from a row of all +1 or all -1: the count is exactly one, or one less."""
    weights = np.ones((inputs, 2), np.int64)
    weights[:, 1] = -1
    rng = np.random.default_rng(inputs)
    for one in {0, inputs - 1, inputs // 2, *rng.integers(0, inputs, 3).tolist()}:
        samples = np.zeros((16, inputs), np.uint8)
        samples[::2, one] = 1
        samples[1::2] = 1
        samples[1::4, one] = 0
        for index in range(3):
            # class 1 only where the two are not equal
            level = integer.logits(_single(weights, np.zeros(2, np.int64)), samples[index : index + 1])[0]
            check(engine, _single(weights, -level), samples)
            check(engine, _single(weights, -level + np.array([0, 1])), samples)


def _single(weights: integer.Int64, bias: integer.Int64) -> Network:
    layer = integer.Layer(weights=weights, bias=bias, shift=None)
    return Network(layers=(layer,), input_bits=1, activation_bits=1, weight_bits=1)


@pytest.mark.parametrize("inputs", [8, 256, 784, 1000, 4096])
def test_a_threshold_is_exact(engine: Engine, inputs: int) -> None:
    """Neurons whose threshold is one more and one less than the count, none, and all of them; also far beyond."""
    rng = np.random.default_rng(inputs)
    far = 2**24 - 1 - inputs
    samples = rng.integers(0, 2, (16, inputs), dtype=np.uint8)
    samples[1], samples[2] = 0, 1
    w = rng.choice(np.array([-1, 1], np.int64), (inputs, 1))
    # where a stored threshold would change its bits
    turns = np.array([-1, 0, 1, 4096, 4097, 4098, 8191, 8192, 8193, 2**16, 2**16 + 1]) - int((w > 0).sum())
    # every input differs from the row, then none
    samples[3], samples[4] = w[:, 0] < 0, w[:, 0] > 0
    sums = samples.astype(np.int64) @ w
    bias = np.concatenate([-sums[:, 0], 1 - sums[:, 0], [far, -far], turns])
    hidden = integer.Layer(weights=np.repeat(w, len(bias), axis=1), bias=bias, shift=0)
    # each class asks for one neuron
    chosen = np.full((len(bias), len(bias)), -1, np.int64)
    np.fill_diagonal(chosen, 1)
    for bonus in range(0, len(bias), 5):
        tip = np.zeros(len(bias), np.int64)
        tip[bonus] = 1
        last = integer.Layer(weights=chosen, bias=tip, shift=None)
        check(engine, Network(layers=(hidden, last), input_bits=1, activation_bits=1, weight_bits=1), samples)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 17, 24, 25, 31, 32, 33, 47, 48, 49, 100, 255, 256])
def test_every_size_of_a_batch(engine: Engine, count: int) -> None:
    network = binary_network((72, 20, 7))
    samples = random_group(network, count)
    rng = np.random.default_rng(count)
    some = sum(1 << int(i) for i in np.flatnonzero(rng.integers(0, 2, count)))
    for mask in (None, some, 1 << (count - 1), 1 << (count // 2), 0):
        check(engine, network, samples, mask)


@pytest.mark.parametrize("place", range(16))
def test_samples_do_not_disturb_each_other(engine: Engine, place: int) -> None:
    """Ones among zeros and zeros among ones, with rows of +1 and of -1: full lanes beside empty ones."""
    network = binary_network((832, 40, 6), seed=place)
    first = network.layers[0]
    extreme = np.where(np.arange(40) % 2, 1, -1) * np.ones_like(first.weights)
    bias = np.where(np.arange(40) % 2, -831, 1)
    network = replace(network, layers=(replace(first, weights=extreme, bias=bias), *network.layers[1:]))
    for background in (0, 1):
        samples = np.full((16, 832), background, np.uint8)
        samples[place] = 1 - background
        check(engine, network, samples)
        check(engine, network, samples, 0xFFFF ^ 1 << place)


def test_an_old_set_leaves_nothing_behind(engine: Engine) -> None:
    """A full set of ones, then one of fewer samples, through layers of every kind of input."""
    network = binary_network((840, 30, 300, 5, 840, 4))
    samples = np.ones((21, 840), np.uint8)
    samples[16:] = random_group(network, 5)
    check(engine, network, samples)
    check(engine, network, samples, 0b00101_0000_0000_1111_1111)


@pytest.mark.parametrize("layers", range(1, 8))
def test_every_number_of_layers(engine: Engine, layers: int) -> None:
    network = binary_network((48, *[70 - 9 * i for i in range(layers - 1)], 6), seed=layers)
    check(engine, network, random_group(network, 33))


def test_the_most_classes(engine: Engine) -> None:
    network = binary_network((64, 256))
    samples = random_group(network, 40)
    assert len(set(integer.predict(network, samples))) > 5
    check(engine, network, samples)


def test_a_file_of_most_of_what_fits(engine: Engine) -> None:
    """Rows that begin beyond 64 KiB, and a last layer behind them."""
    network = binary_network((1600, 560, 60))
    assert len(encode(network)) > 118_000
    check(engine, network, random_group(network, 17))
    check(engine, network, random_group(network, 9), 1 << 8)


def test_encodings_come_back() -> None:
    for widths in ((8, 2), (784, 128, 10), (24, 1, 17, 3)):
        model = encode(binary_network(widths))
        assert encode(decode(model)) == model


@given(data=st.data(), network=binary_networks(max_layers=3, max_bytes=12, max_width=20, max_classes=4))
def test_mutated_models_are_refused_or_agreed_on(engine: Engine, data: st.DataObject, network: Network) -> None:
    model = encode(network)
    for _ in range(3):
        mutant = mutate(data, model)
        # a mutant that calls itself a dense model is the dense engine's
        if len(mutant) > 8 and mutant[8] in (2, 4, 8):
            assert engine.call("validate", mutant, network.widths[0] // 8, 1, network.classes).reason is not None
        else:
            check_model(engine, mutant, network)


@given(garbage=st.binary(max_size=200), network=binary_networks(max_layers=1, max_bytes=1, max_classes=2))
def test_garbage_is_refused_and_never_hangs(engine: Engine, garbage: bytes, network: Network) -> None:
    assert not check_model(engine, b"ASAY\x02" + garbage, network)
    header = encode(network)[:32]
    engine.call("predict", header + garbage, 32, 1, gas=30_000_000)


def test_an_evaluation_by_the_contract_chooses_the_binary_engine() -> None:
    network = binary_network((64, 20, 3))
    samples, classes = random_group(network, 7), np.arange(7, dtype=np.uint8) % 3
    group = Group(index=2, salt=b"", labels=class_word(classes), samples=pack_samples(samples, 1), x=samples, y=classes)
    (done,) = execute(network, [group], classes=3).groups
    assert done.classes.tolist() == integer.predict(network, samples).tolist()
    assert (done.group, done.right) == (2, int((done.classes == classes).sum()))
