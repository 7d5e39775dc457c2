"""The dense engine as a contract: what it refuses and why, its size, its masks, and the gas bound it promises."""

from dataclasses import replace
from pathlib import Path

import boa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.engine_fixtures import Engine, deployer
from tests.strategies import networks, random_group, random_network
from trainer import encode as encoding
from trainer.encode import MAX_COST, classes_of, encode, pack_samples
from trainer.errors import EncodingError
from trainer.integer import Layer, Network, predict

NETWORK = random_network((9, 5, 3), input_bits=8, activation_bits=8, weight_bits=8)
MODEL = encode(NETWORK)
# what NETWORK is validated for
ASKED = (9, 8, 3)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def patched(at: int, value: int) -> bytes:
    return MODEL[:at] + bytes([value]) + MODEL[at + 1 :]


def header(layers: int, bits: int, widths: tuple[int, ...], *, weight_bits: int = 8) -> bytes:
    fields = b"".join(w.to_bytes(2) for w in widths).ljust(16, b"\0")
    return b"ASAY" + bytes([1, layers, bits, bits, weight_bits]) + fields + bytes(7)


def test_it_fits_into_a_contract() -> None:
    compiled = deployer().compiler_data
    assert len(compiled.bytecode_runtime) <= 24_576
    assert len(compiled.bytecode) <= 49_152


def test_it_has_no_storage_and_makes_no_calls() -> None:
    opcodes = {item for item in deployer().compiler_data.assembly_runtime if isinstance(item, str)}
    assert "MSTORE" in opcodes
    state = {"SLOAD", "SSTORE", "TLOAD", "TSTORE"}
    calls = {"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2", "SELFDESTRUCT"}
    world = {"CALLER", "ORIGIN", "TIMESTAMP", "NUMBER", "GAS", "COINBASE", "BALANCE", "SELFBALANCE", "LOG0", "LOG1"}
    assert not opcodes & (state | calls | world)


def test_a_model_is_accepted_with_its_cost(engine: Engine) -> None:
    assert engine.validate(NETWORK) == encoding.cost(NETWORK)
    assert int.from_bytes(engine.answer("cost", MODEL)) == encoding.cost(NETWORK)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"", "engine: model too short"),
        (MODEL[:31], "engine: model too short"),
        (b"ASAX" + MODEL[4:], "engine: bad magic or version"),
        (patched(4, 2), "engine: bad magic or version"),
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
        # the first row: nine inputs in its last nine bytes, then the bias
        (patched(61, 0), "engine: lanes not canonical"),
        (patched(53, 0), "engine: lanes not canonical"),
        (patched(52, 1), "engine: lanes not canonical"),
        (patched(32, 0x80), "engine: lanes not canonical"),
        (patched(62, 0x7F), "engine: accumulator too large"),
        (patched(62, 0x80), "engine: accumulator too large"),
        (patched(len(MODEL) - 4, 0x01), "engine: accumulator too large"),
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
    row = (len(model) - 32) // 2
    for end in (32 + row, 32 + 2 * row):
        bias = int.from_bytes(model[end - 4 : end], signed=True) + sign
        above = model[: end - 4] + bias.to_bytes(4, signed=True) + model[end:]
        answer = engine.call("validate", above, 10 * input_bits, input_bits, 2)
        assert answer.reason == "engine: accumulator too large"


@given(data=st.data(), network=networks(max_inputs=64, max_width=6, max_layers=2))
def test_exactly_the_masked_samples_are_answered(engine: Engine, data: st.DataObject, network: Network) -> None:
    count = data.draw(st.integers(1, 32))
    samples = random_group(network, count)
    mask = data.draw(st.integers(0, (1 << count) - 1)) & data.draw(st.integers(0, (1 << count) - 1))
    word = engine.predict(network, samples, mask)
    expected = predict(network, samples)
    chosen = np.array([mask >> i & 1 for i in range(count)], np.uint8)
    assert classes_of(word, count).tolist() == (expected * chosen).tolist()


def test_samples_outside_the_mask_cost_little(engine: Engine) -> None:
    network = random_network((64, 32, 10))
    model, packed = encode(network), pack_samples(random_group(network, 32), 4)
    one, two, all_ = (engine.call("predict", model, packed, mask).gas for mask in (1, 3, 2**32 - 1))
    assert 25 * (two - one) < all_ - one < 40 * (two - one)


@pytest.mark.parametrize(
    ("count", "mask", "reason"),
    [
        (3, 0b1000, "engine: mask beyond samples"),
        (3, 2**255, "engine: mask beyond samples"),
        (32, 2**32, "engine: mask beyond samples"),
        (0, 1, "engine: mask beyond samples"),
        (33, 1, "engine: too many samples"),
    ],
)
def test_a_mask_must_fit_the_samples(engine: Engine, count: int, mask: int, reason: str) -> None:
    assert engine.call("predict", MODEL, bytes(9 * count), mask).reason == reason


def test_an_empty_mask_has_an_empty_answer(engine: Engine) -> None:
    assert engine.answer("predict", MODEL, bytes(27), 0) == bytes(32)
    assert engine.answer("predict", MODEL, b"", 0) == bytes(32)


def test_samples_must_be_whole(engine: Engine) -> None:
    assert engine.call("predict", MODEL, bytes(10), 1).reason == "engine: not whole samples"
    assert engine.call("logits", MODEL, bytes(10), 0).reason == "engine: not whole samples"
    assert engine.call("logits", MODEL, bytes(9), 1).reason == "engine: no such sample"


def test_predict_and_cost_refuse_what_has_no_header(engine: Engine) -> None:
    assert engine.call("predict", MODEL[:31], bytes(9), 1).reason == "engine: model too short"
    assert engine.call("logits", MODEL[:31], bytes(9), 0).reason == "engine: model too short"
    assert engine.call("cost", MODEL[:31]).reason == "engine: model too short"
    wide = header(7, 8, (4096,) * 7 + (256,))
    assert engine.call("predict", wide, bytes(4096), 1).reason is not None


@given(network=networks(max_inputs=200, max_width=60, max_layers=5, max_classes=40))
def test_no_sample_costs_more_than_the_bound(engine: Engine, network: Network) -> None:
    """Also not the last one of the largest group, which is the most there is to copy."""
    model, bound = encode(network), encoding.cost(network)
    sample_bytes = network.widths[0] * network.input_bits // 8
    assert engine.validate(network) == bound
    full = np.full(32 * sample_bytes, 255, np.uint8).tobytes()
    assert engine.call("predict", model, full, 1 << 31, gas=bound).reason is None


@pytest.mark.parametrize(
    ("widths", "bits"),
    [((64, 32, 10), 4), ((784, 32, 10), 4), ((196, 64, 10), 8), ((3600, 40, 10), 8), ((48, 48, 48, 48, 5), 2)],
)
def test_the_bound_is_at_most_twice_the_gas(engine: Engine, widths: tuple[int, ...], bits: int) -> None:
    network = random_network(widths, input_bits=bits, activation_bits=bits)
    bound = encoding.cost(network)
    samples = random_group(network, 32)
    packed = pack_samples(samples, bits)
    assert len(packed) <= 122_880
    measured = engine.call("predict", encode(network), packed, 1 << 31).gas
    assert measured <= bound <= 2 * measured


def test_the_largest_models_cost_less_than_an_audit_may(engine: Engine) -> None:
    """Many short rows cost the most gas for their bytes."""
    network = random_network((8, 3300, 2), input_bits=8, activation_bits=8, weight_bits=2)
    assert 110_000 < len(encode(network)) <= 122_880
    bound = engine.validate(network)
    assert bound <= MAX_COST
    packed = pack_samples(random_group(network, 1), 8)
    assert engine.call("predict", encode(network), packed, 1, gas=bound).reason is None


CALLER = """
# pragma version 0.4.3
interface IEngine:
    def validate(model: Bytes[122880], sample_bytes: uint256, bits: uint256, classes: uint256) -> uint256: view
    def predict(model: Bytes[122880], samples: Bytes[122880], mask: uint256) -> bytes32: view

@external
def run(engine: IEngine, model: Bytes[122880], samples: Bytes[122880], size: uint256, classes: uint256) -> bytes32:
    cost: uint256 = staticcall engine.validate(model, size, 4, classes)
    return staticcall engine.predict(model, samples, 3)
"""


def test_another_contract_can_call_it(engine: Engine) -> None:
    network = random_network((16, 6, 4))
    samples = random_group(network, 2)
    caller = boa.loads(CALLER)
    word = caller.run(engine.contract.address, encode(network), pack_samples(samples, 4), 8, 4)
    assert classes_of(word, 2).tolist() == predict(network, samples).tolist()
    with boa.reverts("engine: wrong length"):
        caller.run(engine.contract.address, encode(network) + b"\0", pack_samples(samples, 4), 8, 4)


def test_every_reason_of_the_source_is_short_and_named() -> None:
    root = Path(__file__).parents[2] / "contracts"
    sources = [root / "DenseEngine.vy", *sorted((root / "modules").glob("dense_*.vy"))]
    asserts = [
        line.strip() for s in sources for line in s.read_text().splitlines() if line.strip().startswith("assert")
    ]
    assert len(asserts) > 20
    for line in asserts:
        reason = line.rsplit('"', 2)[1]
        assert reason.startswith("engine: ")
        assert len(reason) <= 32


def test_a_changed_weight_changes_the_answer(engine: Engine) -> None:
    """The answer comes from the bytes of the model: every bias of the last layer can decide the class."""
    samples = random_group(NETWORK, 1)
    first, last = NETWORK.layers
    for winner in range(3):
        bias = np.full(3, -(10**6), np.int64)
        bias[winner] = 10**6
        changed = replace(NETWORK, layers=(first, replace(last, bias=bias)))
        assert engine.predict(changed, samples)[0] == winner


@pytest.mark.parametrize("input_bits", [1, 2, 4, 8])
@pytest.mark.parametrize("weight_bits", [2, 4, 8])
def test_models_of_every_sample_size_are_accepted(engine: Engine, input_bits: int, weight_bits: int) -> None:
    """No sample size is special: a last chunk of any length, whole bytes and whole words."""
    for sample_bytes in (*range(1, 34), 62, 63, 64, 65, 95, 96):
        inputs = 8 * sample_bytes // input_bits
        network = Network(
            layers=(Layer(weights=np.ones((inputs, 2), np.int64), bias=np.array([0, 1], np.int64), shift=None),),
            input_bits=input_bits,
            activation_bits=input_bits,
            weight_bits=weight_bits,
        )
        assert engine.validate(network) > 0
