"""The dense engine as a contract: what it refuses and why, its size, its masks, and the gas bound it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.engine.subject import Engine, engine_for_tests
from tests.strategies import networks, random_group, random_network
from trainer import encode as encoding
from trainer.encode import MAX_COST, encode, pack_samples
from trainer.errors import EncodingError
from trainer.integer import Layer, Network, Uint8, predict

NETWORK = random_network((9, 5, 3), input_bits=8, activation_bits=8, weight_bits=8)
MODEL = encode(NETWORK)
# what NETWORK is validated for
ASKED = (9, 8, 3)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("dense")


def patched(at: int, value: int) -> bytes:
    return MODEL[:at] + bytes([value]) + MODEL[at + 1 :]


def header(layers: int, bits: int, widths: tuple[int, ...], *, weight_bits: int = 8) -> bytes:
    fields = b"".join(w.to_bytes(2) for w in widths).ljust(16, b"\0")
    return b"ASAY" + bytes([2, layers, bits, bits, weight_bits]) + fields + bytes(7)


def check(engine: Engine, network: Network, samples: Uint8, mask: int) -> None:
    """Exactly the masked samples have their class, in as many words as there are."""
    count = len(samples)
    chosen = np.array([mask >> i & 1 for i in range(count)], np.uint8)
    answer = np.frombuffer(engine.predict(network, samples, mask), np.uint8)
    assert len(answer) == -(-count // 32) * 32
    assert answer[:count].tolist() == (predict(network, samples) * chosen).tolist()
    assert not answer[count:].any()


def test_a_model_is_accepted_with_its_cost(engine: Engine) -> None:
    assert engine.validate(NETWORK) == encoding.cost(NETWORK)
    assert int.from_bytes(engine.answer("cost", MODEL)) == encoding.cost(NETWORK)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"", "engine: model too short"),
        (MODEL[:31], "engine: model too short"),
        (b"ASAX" + MODEL[4:], "engine: bad magic or version"),
        (patched(4, 1), "engine: bad magic or version"),
        (patched(5, 0), "engine: bad number of layers"),
        (patched(5, 8), "engine: bad number of layers"),
        (patched(6, 3), "engine: bad input bits"),
        (patched(6, 0), "engine: bad input bits"),
        (patched(6, 16), "engine: bad input bits"),
        (patched(7, 0), "engine: bad activation bits"),
        (patched(7, 255), "engine: bad activation bits"),
        (patched(8, 1), "engine: bad weight bits"),
        (patched(8, 16), "engine: bad weight bits"),
        (patched(10, 0), "engine: bad width"),
        (patched(11, 0x10), "engine: bad width"),
        (patched(13, 1), "engine: bad number of classes"),
        (patched(14, 1), "engine: bad number of classes"),
        (patched(16, 1), "engine: unused width not zero"),
        (patched(24, 1), "engine: unused width not zero"),
        (patched(25, 32), "engine: bad shift"),
        (patched(26, 1), "engine: unused shift not zero"),
        (patched(30, 1), "engine: unused shift not zero"),
        (patched(31, 1), "engine: last byte not zero"),
        (MODEL[:-1], "engine: wrong length"),
        (MODEL[:32], "engine: wrong length"),
        (MODEL + b"\0", "engine: wrong length"),
        (MODEL + MODEL[-34:], "engine: wrong length"),
        # five biases of the first layer, then its first row: nine inputs, each in every third byte from the end
        (patched(81, 0), "engine: lanes not canonical"),
        (patched(57, 0), "engine: lanes not canonical"),
        (patched(80, 1), "engine: lanes not canonical"),
        (patched(52, 0x80), "engine: lanes not canonical"),
        # the last row of all, in which the last layer has five inputs in the upper lanes
        (patched(len(MODEL) - 1, 1), "engine: lanes not canonical"),
        (patched(32, 0x3E), "engine: accumulator too large"),
        (patched(32, 0xC0), "engine: accumulator too large"),
        (patched(32, 0), "engine: accumulator too large"),
        (patched(48, 0x42), "engine: accumulator too large"),
    ],
)
def test_what_is_not_a_model_is_refused(engine: Engine, model: bytes, reason: str) -> None:
    # the smallest headers of other shapes are asked for as what they say
    asked = ASKED if model[13:15] != b"\0\1" else (9, 8, 1)
    assert engine.call("validate", model, *asked).reason == reason
    with pytest.raises(EncodingError):
        encoding.decode(model)


def test_a_single_layer_has_the_activation_bits_of_its_input(engine: Engine) -> None:
    model = bytearray(encode(random_network((8, 3))))
    model[7] = 8
    assert engine.call("validate", bytes(model), 4, 4, 3).reason == "engine: bad activation bits"


def test_inputs_that_end_inside_a_byte_are_refused(engine: Engine) -> None:
    model = header(1, 4, (9, 3))
    assert engine.call("validate", model, 4, 4, 3).reason == "engine: input not whole bytes"


@pytest.mark.parametrize(
    ("sample_bytes", "bits", "classes", "reason"),
    [
        (9, 4, 3, "engine: other input bits"),
        (10, 8, 3, "engine: other sample size"),
        (0, 8, 3, "engine: other sample size"),
        (2**253 + 9, 8, 3, "engine: other sample size"),
        (9, 8, 4, "engine: other number of classes"),
        (9, 8, 2**256 - 1, "engine: other number of classes"),
    ],
)
def test_a_model_for_other_data_is_refused(
    engine: Engine, sample_bytes: int, bits: int, classes: int, reason: str
) -> None:
    assert engine.call("validate", MODEL, sample_bytes, bits, classes).reason == reason


def test_a_model_that_costs_too_much_is_refused(engine: Engine) -> None:
    model = header(3, 8, (1000, 4096, 4096, 3))
    assert int.from_bytes(engine.answer("cost", model)) > MAX_COST
    assert engine.call("validate", model, 1000, 8, 3).reason == "engine: sample costs too much"


@pytest.mark.parametrize(
    ("input_bits", "weight_bits"), [(1, 2), (1, 8), (2, 4), (4, 2), (4, 4), (8, 2), (8, 4), (8, 8)]
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_accumulator_bound_is_exact(engine: Engine, input_bits: int, weight_bits: int, sign: int) -> None:
    """Sum |w| * xmax + |b| may be 2**24 - 1 and no more, with weights of both signs and zeros."""
    rng = np.random.default_rng(weight_bits)
    largest = 2 ** (weight_bits - 1) - 1
    weights = rng.integers(-largest, largest + 1, (80, 2))
    reach = np.abs(weights).sum(axis=0) * (2**input_bits - 1)
    layer = Layer(weights=weights, bias=sign * (2**24 - 1 - reach), shift=None)
    network = Network(layers=(layer,), input_bits=input_bits, activation_bits=input_bits, weight_bits=weight_bits)
    engine.validate(network)
    model = encode(network)
    for at in (32, 36):
        bias = int.from_bytes(model[at : at + 4]) + sign
        above = model[:at] + bias.to_bytes(4) + model[at + 4 :]
        answer = engine.call("validate", above, 10 * input_bits, input_bits, 2)
        assert answer.reason == "engine: accumulator too large"


@given(data=st.data(), network=networks(max_inputs=64, max_width=6, max_layers=2))
def test_exactly_the_masked_samples_are_answered(engine: Engine, data: st.DataObject, network: Network) -> None:
    count = data.draw(st.one_of(st.integers(1, 40), st.sampled_from([16, 17, 31, 32, 33, 64, 100, 255, 256])))
    samples = random_group(network, count)
    mask = data.draw(st.integers(0, (1 << count) - 1)) & data.draw(st.integers(0, (1 << count) - 1))
    check(engine, network, samples, mask)


def test_samples_outside_the_mask_cost_little(engine: Engine) -> None:
    network = random_network((64, 32, 10))
    model, packed = encode(network), pack_samples(random_group(network, 256), 4)
    # nothing of the first 15 sets, all of them, one sample
    last, all_, one = (
        engine.call("predict", model + packed, len(model), mask).gas for mask in (0xFFFF << 240, 2**256 - 1, 1 << 255)
    )
    slope = (all_ - last) / 15
    assert last - slope < 160_000
    assert one < last


@given(network=networks(max_inputs=200, max_width=60, max_layers=5, max_classes=40))
def test_no_sample_costs_more_than_the_bound(engine: Engine, network: Network) -> None:
    """Also not the last one of the largest batch, which is the most there is to copy."""
    model, bound = encode(network), encoding.cost(network)
    sample_bytes = network.widths[0] * network.input_bits // 8
    assert engine.validate(network) == bound
    count = min(256, (126_976 - len(model)) // sample_bytes)
    full = b"\xff" * (count * sample_bytes)
    assert engine.call("predict", model + full, len(model), 1 << (count - 1), gas=bound).reason is None


@pytest.mark.parametrize(
    ("widths", "bits"),
    [((64, 32, 10), 4), ((784, 32, 10), 4), ((196, 64, 10), 8), ((3600, 40, 10), 8), ((48, 48, 48, 48, 5), 2)],
)
def test_the_bound_is_near_the_gas(engine: Engine, widths: tuple[int, ...], bits: int) -> None:
    network = random_network(widths, input_bits=bits, activation_bits=bits)
    bound = encoding.cost(network)
    model = encode(network)
    packed = pack_samples(random_group(network, 2), bits)
    measured = engine.call("predict", model + packed, len(model), 2).gas
    assert measured <= bound <= 2.5 * measured


def test_the_largest_models_cost_less_than_an_audit_may(engine: Engine) -> None:
    """Many short rows cost the most gas for their bytes."""
    network = random_network((8, 3500, 2), input_bits=8, activation_bits=8, weight_bits=2)
    assert 110_000 < len(encode(network)) <= 126_976
    bound = engine.validate(network)
    assert bound <= MAX_COST
    packed = pack_samples(random_group(network, 1), 8)
    model = encode(network)
    assert engine.call("predict", model + packed, len(model), 1, gas=bound).reason is None
