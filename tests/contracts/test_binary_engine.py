"""The binary engine as a contract: what it refuses and why, its size, its masks, and the gas bound it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.engine.subject import Engine, engine_for_tests
from tests.binary_strategies import binary_network, binary_networks
from tests.strategies import random_group, random_network
from trainer import encode as encoding
from trainer.encode import encode, pack_samples
from trainer.encode_binary import MAX_COST
from trainer.errors import EncodingError
from trainer.integer import BINARY, Layer, Network, predict

NETWORK = binary_network((24, 11, 3))
MODEL = encode(NETWORK)
# what NETWORK is validated for
ASKED = (3, 1, 3)
# thresholds of the last layer, behind 11 rows of 3 bytes
LAST = 32 + 11 * (4 + 3)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("binary")


def patched(at: int, value: int) -> bytes:
    return MODEL[:at] + bytes([value]) + MODEL[at + 1 :]


def header(widths: tuple[int, ...]) -> bytes:
    fields = b"".join(w.to_bytes(2) for w in widths).ljust(16, b"\0")
    return b"ASAY" + bytes([2, len(widths) - 1, 1, 1, 1]) + fields + bytes(7)


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
        (patched(6, 2), "engine: bad input bits"),
        (patched(7, 0), "engine: bad activation bits"),
        (patched(7, 8), "engine: bad activation bits"),
        (patched(8, 0), "engine: bad weight bits"),
        (patched(8, 2), "engine: bad weight bits"),
        (patched(8, 3), "engine: bad weight bits"),
        (patched(8, 8), "engine: bad weight bits"),
        (patched(10, 0), "engine: bad width"),
        (patched(10, 23), "engine: input not whole bytes"),
        (patched(11, 0x10), "engine: bad width"),
        (patched(13, 1), "engine: bad number of classes"),
        (patched(14, 1), "engine: bad number of classes"),
        (patched(16, 1), "engine: unused width not zero"),
        (patched(24, 1), "engine: unused width not zero"),
        (patched(25, 1), "engine: bad shift"),
        (patched(25, 32), "engine: bad shift"),
        (patched(26, 1), "engine: unused shift not zero"),
        (patched(30, 1), "engine: unused shift not zero"),
        (patched(31, 1), "engine: last byte not zero"),
        (MODEL[:-1], "engine: wrong length"),
        (MODEL[:32], "engine: wrong length"),
        (MODEL + b"\0", "engine: wrong length"),
        (MODEL + MODEL[-6:], "engine: wrong length"),
        # 11 inputs leave 5 bits of the second byte of a row
        (patched(len(MODEL) - 1, MODEL[-1] | 1), "engine: unused bits not zero"),
        (patched(LAST + 12 + 1, MODEL[LAST + 12 + 1] | 0x10), "engine: unused bits not zero"),
        (patched(32, 0x3E), "engine: accumulator too large"),
        (patched(32, 0xC0), "engine: accumulator too large"),
        (patched(32, 0), "engine: accumulator too large"),
        (patched(LAST, 0x42), "engine: accumulator too large"),
        (patched(LAST + 8, 0xFF), "engine: accumulator too large"),
        (
            encode(random_network((24, 11, 3), input_bits=1, activation_bits=1, weight_bits=2)),
            "engine: bad weight bits",
        ),
    ],
)
def test_what_is_not_a_model_is_refused(engine: Engine, model: bytes, reason: str) -> None:
    asked = ASKED
    if model[13:15] == b"\0\1":
        # as many classes as the header says
        asked = (3, 1, 1)
    assert engine.call("validate", model, *asked).reason == reason
    if reason != "engine: bad weight bits" or model[8] != 2:
        with pytest.raises(EncodingError):
            encoding.decode(model)


@pytest.mark.parametrize(
    ("sample_bytes", "bits", "classes", "reason"),
    [
        (3, 2, 3, "engine: other input bits"),
        (4, 1, 3, "engine: other sample size"),
        (0, 1, 3, "engine: other sample size"),
        (2**253 + 3, 1, 3, "engine: other sample size"),
        (3, 1, 4, "engine: other number of classes"),
        (3, 1, 2**256 - 1, "engine: other number of classes"),
    ],
)
def test_a_model_for_other_data_is_refused(
    engine: Engine, sample_bytes: int, bits: int, classes: int, reason: str
) -> None:
    assert engine.call("validate", MODEL, sample_bytes, bits, classes).reason == reason


def test_a_model_that_costs_too_much_is_refused(engine: Engine) -> None:
    model = header((4096, 4096, 4096, 3))
    assert int.from_bytes(engine.answer("cost", model)) > MAX_COST
    assert engine.call("validate", model, 512, 1, 3).reason == "engine: sample costs too much"


@pytest.mark.parametrize("inputs", [8, 72, 256, 1000, 4096])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_accumulator_bound_is_exact(engine: Engine, inputs: int, sign: int) -> None:
    """Inputs + |b| may be 2**24 - 1 and no more: the ones of every row are counted right."""
    weights = np.random.default_rng(inputs).choice(np.array([-1, 1], np.int64), (inputs, 3))
    weights[:, 2] = 1
    layer = Layer(weights=weights, bias=np.full(3, sign * (2**24 - 1 - inputs), np.int64), shift=None)
    network = Network(layers=(layer,), input_bits=1, activation_bits=1, weight_bits=BINARY)
    engine.validate(network)
    model = encode(network)
    for at in (32, 36, 40):
        threshold = int.from_bytes(model[at : at + 4]) + sign
        above = model[:at] + threshold.to_bytes(4) + model[at + 4 :]
        assert engine.call("validate", above, inputs // 8, 1, 3).reason == "engine: accumulator too large"
        with pytest.raises(EncodingError, match="can reach"):
            encoding.decode(above)


@settings(max_examples=40)
@given(data=st.data(), network=binary_networks(max_bytes=40, max_width=20, max_layers=3))
def test_exactly_the_masked_samples_are_answered(engine: Engine, data: st.DataObject, network: Network) -> None:
    count = data.draw(st.one_of(st.integers(1, 40), st.sampled_from([16, 17, 31, 32, 33, 64, 100, 255, 256])))
    samples = random_group(network, count)
    mask = data.draw(st.integers(0, (1 << count) - 1)) & data.draw(st.integers(0, (1 << count) - 1))
    chosen = np.array([mask >> i & 1 for i in range(count)], np.uint8)
    answer = np.frombuffer(engine.predict(network, samples, mask), np.uint8)
    assert len(answer) == -(-count // 32) * 32
    assert answer[:count].tolist() == (predict(network, samples) * chosen).tolist()
    assert not answer[count:].any()


def test_one_sample_costs_a_fraction_of_a_set(engine: Engine) -> None:
    network = binary_network((784, 64, 10))
    model, packed = encode(network), pack_samples(random_group(network, 256), 1)
    nothing, one, set_ = (
        engine.call("predict", model + packed, len(model), mask).gas for mask in (0, 1 << 255, 0xFFFF << 240)
    )
    assert nothing < 90_000
    assert 3 * (one - nothing) < set_ - nothing


def test_a_multiply_add_is_as_cheap_as_promised(engine: Engine) -> None:
    """What a second set of 16 samples adds, as most of `bench/gas.py` measures."""
    network = binary_network((784, 128, 10))
    model, packed = encode(network), pack_samples(random_group(network, 32), 1)
    one, two = (engine.call("predict", model + packed, len(model), mask).gas for mask in (2**16 - 1, 2**32 - 1))
    assert (two - one) / 16 / network.multiply_adds < 0.455


@settings(max_examples=20)
@given(network=binary_networks(max_bytes=250, max_width=100, max_layers=5, max_classes=40))
def test_no_sample_costs_more_than_the_bound(engine: Engine, network: Network) -> None:
    """Also not the last one of the largest batch, which is the most there is to copy."""
    model, bound = encode(network), encoding.cost(network)
    sample_bytes = network.widths[0] // 8
    assert engine.validate(network) == bound
    count = min(256, (126_976 - len(model)) // sample_bytes)
    full = b"\xff" * (count * sample_bytes)
    assert engine.call("predict", model + full, len(model), 1 << (count - 1), gas=bound).reason is None


@pytest.mark.parametrize("inputs", [8, 832, 1600, 3832, 3904, 4056, 4096])
def test_the_bound_holds_in_the_longest_payload(engine: Engine, inputs: int) -> None:
    """The smallest network in the largest batch: the payload that the engine copies is most of the gas."""
    network = binary_network((inputs, 2))
    model, bound = encode(network), encoding.cost(network)
    count = min(256, (126_976 - len(model)) // (inputs // 8))
    for place in (count - 1, count - 2, count // 2):
        done = engine.call("predict", model + bytes(count * inputs // 8), len(model), 1 << place, gas=bound)
        assert (done.reason, done.halted) == (None, "")


@pytest.mark.parametrize(
    "widths",
    [(64, 32, 10), (784, 32, 10), (784, 128, 10), (4096, 40, 10), (8, 48, 48, 48, 48, 5), (8, 2), (848, 300, 9)],
)
def test_the_bound_is_near_the_gas(engine: Engine, widths: tuple[int, ...]) -> None:
    network = binary_network(widths)
    bound, model = encoding.cost(network), encode(network)
    packed = pack_samples(random_group(network, 2), 1)
    measured = engine.call("predict", model + packed, len(model), 2).gas
    assert measured <= bound <= 1.5 * measured


def test_many_short_rows_cost_less_than_an_audit_may(engine: Engine) -> None:
    """They cost the most gas for their bytes."""
    most = header((8, 4096, 2, 4096, 2, 1500, 2, 2))
    assert 0.9 * MAX_COST <= int.from_bytes(engine.answer("cost", most)) <= MAX_COST
    network = binary_network((8, 1500, 2))
    bound, model = engine.validate(network), encode(network)
    packed = pack_samples(random_group(network, 1), 1)
    measured = engine.call("predict", model + packed, len(model), 1).gas
    assert measured <= bound <= 1.5 * measured


def test_whoever_unseals_the_dearest_model_has_gas_left(engine: Engine) -> None:
    """`validate` leaves room in a transaction of 2**24 gas for the model, 256 words of predictions and the market."""
    network = binary_network((256, 2400, 1, 4096, 1, 3200, 1, 2))
    model = encode(network)
    assert encoding.cost(network) > 0.95 * MAX_COST
    taken = engine.call("validate", model, 32, 1, 2).gas
    # every byte of the calldata, and a million for the market
    assert taken + 21_000 + 16 * (len(model) + 256 * 32) + 1_000_000 < 2**24
