"""Encoding: round trips, the bits of the format by hand, and a reason for everything that is not canonical."""

import struct
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.strategies import groups, networks, random_network
from trainer.encode import (
    class_word,
    classes_of,
    cost,
    decode,
    encode,
    model_bytes,
    pack_samples,
    padded_width,
    plans,
    unpack_samples,
)
from trainer.errors import EncodingError
from trainer.integer import Layer, Network


def same(a: Network, b: Network) -> bool:
    return (a.input_bits, a.activation_bits, a.weight_bits, a.widths) == (
        b.input_bits,
        b.activation_bits,
        b.weight_bits,
        b.widths,
    ) and all(
        np.array_equal(x.weights, y.weights) and np.array_equal(x.bias, y.bias) and x.shift == y.shift
        for x, y in zip(a.layers, b.layers, strict=True)
    )


@given(network=networks(max_layers=7, max_inputs=300, max_width=40))
def test_decode_inverts_encode(network: Network) -> None:
    model = encode(network)
    assert len(model) == model_bytes(network)
    assert same(decode(model), network)
    assert encode(decode(model)) == model


@given(network=networks(max_inputs=300))
def test_weights_stand_where_the_format_says(network: Network) -> None:
    """One weight of each layer, found with the formulas of the format, bit by bit."""
    model, at = encode(network), 32
    rng = np.random.default_rng(0)
    for number, (layer, p) in enumerate(zip(network.layers, plans(network), strict=True)):
        i, row = int(rng.integers(p.inputs)), int(rng.integers(p.rows))
        if number == 0:
            c = p.stride // p.bits
            period = c * p.lanes
            e = period - 1 - i % period
            lane, term = e // c, i // period * c + e % c
            whole, rest = divmod(p.inputs, period)
            if i >= whole * period:
                run = -(-rest // c)
                together = p.lanes // run
                piece = c - 1 - e % c
                term = whole * c + piece // together
                lane -= run * (piece % together)
        else:
            lane, term = i % p.lanes, i // p.lanes
        chunk = at + 4 * p.rows + row * p.row_bytes + term // p.depth * p.chunk_bytes
        word = int.from_bytes(model[chunk : chunk + p.chunk_bytes])
        bit = p.stride * (p.lanes - 1 - lane) + network.weight_bits * (term % p.depth)
        stored = word >> bit & (2**network.weight_bits - 1)
        assert stored - 2 ** (network.weight_bits - 1) == layer.weights[i, row]
        bias = at + 4 * row
        assert struct.unpack(">I", model[bias : bias + 4])[0] - 2**30 == layer.bias[row]
        at += p.rows * (4 + p.row_bytes)
    assert at == len(model)


def test_a_small_model_by_hand() -> None:
    """Two inputs of 4 bits, two words of one lane each, merged into one term: the two lowest lanes of its row."""
    layer = Layer(weights=np.array([[1, -7], [2, 0]], np.int64), bias=np.array([5, -1], np.int64), shift=None)
    model = encode(Network(layers=(layer,), input_bits=4, activation_bits=4, weight_bits=4))
    header = b"ASAY" + bytes([2, 1, 4, 4, 4]) + bytes([0, 2, 0, 2]) + bytes(19)
    biases = bytes.fromhex("40000005 3fffffff")
    rows = bytes(28) + b"\x00\x0a\x00\x09" + bytes(28) + b"\x00\x08\x00\x01"
    assert model == header + biases + rows


def test_encoding_is_fast() -> None:
    network = random_network((784, 128, 10))
    start = time.perf_counter()
    assert same(decode(encode(network)), network)
    assert time.perf_counter() - start < 1


BASE = encode(random_network((9, 5, 3), input_bits=8, activation_bits=8, weight_bits=8))


def patched(at: int, value: int) -> bytes:
    return BASE[:at] + bytes([value]) + BASE[at + 1 :]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "at least 32 bytes"),
        (BASE[:31], "at least 32 bytes"),
        (bytes(124 * 1024 + 1), "at most 126976 bytes"),
        (b"ASAX" + BASE[4:], "magic and version"),
        (patched(4, 1), "magic and version"),
        (patched(5, 0), "0 layers"),
        (patched(5, 8), "8 layers"),
        (patched(6, 3), "3 input bits"),
        (patched(7, 0), "0 activation bits"),
        (patched(8, 1), "1 weight bits"),
        (patched(10, 0), "widths"),
        (patched(9, 0x20), "widths"),
        (patched(16, 1), "unused field"),
        (patched(25, 32), "shifts"),
        (patched(26, 1), "unused field"),
        (patched(31, 1), "unused field"),
        (patched(14, 1), "1 classes"),
        (BASE[:-1], "the header asks for"),
        (BASE + b"\0", "the header asks for"),
        (patched(81, 0), "a lane with input is zero"),
        (patched(80, 1), "a lane without input is not zero"),
        (patched(32, 0x3E), "can reach"),
    ],
)
def test_the_fault_is_named(model: bytes, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        decode(model)


def test_inputs_that_end_inside_a_byte_have_no_encoding() -> None:
    with pytest.raises(EncodingError, match="padded_width"):
        encode(random_network((9, 3)))
    header = bytearray(encode(random_network((10, 3))))
    header[10] = 9
    with pytest.raises(EncodingError, match="end inside a byte"):
        decode(bytes(header))


def test_a_network_above_120_kib_has_no_encoding() -> None:
    with pytest.raises(EncodingError, match="at most 126976 fit"):
        encode(random_network((600, 220, 3), input_bits=8, activation_bits=8, weight_bits=8))


def test_cost_grows_with_every_width() -> None:
    costs = [cost(random_network(widths)) for widths in ((64, 16, 4), (64, 32, 4), (640, 32, 4), (640, 32, 64))]
    assert costs == sorted(set(costs))


@given(data=st.data(), network=networks())
def test_unpacking_inverts_packing(data: st.DataObject, network: Network) -> None:
    samples = data.draw(groups(network))
    packed = pack_samples(samples, network.input_bits)
    assert len(packed) == samples.size * network.input_bits // 8
    assert np.array_equal(unpack_samples(packed, len(samples), network.input_bits), samples)


def test_the_first_feature_has_the_highest_bits() -> None:
    assert pack_samples(np.array([[1, 2], [3, 15]], np.uint8), 4) == b"\x12\x3f"
    assert pack_samples(np.array([[1, 0, 0, 0, 0, 0, 1, 1]], np.uint8), 1) == b"\x83"
    assert pack_samples(np.array([[3, 2, 1, 0]], np.uint8), 2) == b"\xe4"


@pytest.mark.parametrize(
    ("samples", "bits", "message"),
    [
        (np.zeros((1, 8), np.uint8), 3, "3 input bits"),
        (np.zeros((1, 7), np.uint8), 1, "end inside a byte"),
        (np.zeros((1, 0), np.uint8), 8, "end inside a byte"),
        (np.full((1, 8), 2, np.uint8), 1, "feature 2 needs more than 1 bits"),
        (np.zeros(8, np.uint8), 8, "pass uint8"),
        (np.zeros((1, 8), np.int64), 8, "pass uint8"),
    ],
)
def test_samples_that_cannot_be_packed_are_refused(samples: np.ndarray, bits: int, message: str) -> None:
    with pytest.raises(EncodingError, match=message):
        pack_samples(samples, bits)


def test_bytes_that_are_not_whole_samples_are_refused() -> None:
    for data, count in ((b"abc", 2), (b"", 1), (b"abc", 0)):
        with pytest.raises(EncodingError, match="are not"):
            unpack_samples(data, count, 8)
    with pytest.raises(EncodingError, match="5 input bits"):
        unpack_samples(b"a", 1, 5)


def test_padded_widths_fill_the_last_byte() -> None:
    assert [padded_width(n, 1) for n in (1, 8, 9)] == [8, 8, 16]
    assert [padded_width(n, 4) for n in (1, 2, 63)] == [2, 2, 64]
    assert padded_width(13, 8) == 13
    with pytest.raises(EncodingError, match="7 input bits"):
        padded_width(1, 7)


@given(classes=hnp.arrays(np.uint8, st.integers(0, 32)))
def test_words_hold_classes(classes: np.ndarray) -> None:
    word = class_word(classes)
    assert len(word) == 32
    assert word[: len(classes)] == classes.tobytes()
    assert not any(word[len(classes) :])
    assert np.array_equal(classes_of(word, len(classes)), classes)


def test_words_with_more_than_their_classes_are_refused() -> None:
    with pytest.raises(EncodingError, match="after the first 3"):
        classes_of(bytes(3) + b"\1" + bytes(28), 3)
    with pytest.raises(EncodingError, match="31 bytes"):
        classes_of(bytes(31), 3)
    with pytest.raises(EncodingError, match="at most 32"):
        class_word(np.zeros(33, np.uint8))
    with pytest.raises(EncodingError, match="0 to 255"):
        class_word(np.array([256]))


def test_a_network_keeps_its_bytes_when_weights_are_not_contiguous() -> None:
    network = random_network((8, 4, 3))
    first = network.layers[0]
    strided = replace(first, weights=np.asfortranarray(first.weights))
    assert encode(replace(network, layers=(strided, network.layers[1]))) == encode(network)
