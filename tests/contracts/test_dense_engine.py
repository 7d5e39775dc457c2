"""The dense engine as a contract: what it refuses and why, its size, its masks, and the gas bound it promises."""

import importlib.util
from dataclasses import replace

import boa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.engine_fixtures import CONTRACTS, Engine, deployer
from tests.strategies import networks, random_group, random_network
from trainer import encode as encoding
from trainer.encode import MAX_COST, classes_of, encode, pack_samples
from trainer.errors import EncodingError
from trainer.integer import Layer, Network, Uint8, predict

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
    return b"ASAY" + bytes([2, layers, bits, bits, weight_bits]) + fields + bytes(7)


@pytest.mark.parametrize("name", ["DenseEngine", "DenseWideKernel", "DenseValidator"])
def test_it_fits_into_a_contract(name: str) -> None:
    compiled = deployer(name).compiler_data
    assert len(compiled.bytecode_runtime) <= 24_576
    assert len(compiled.bytecode) <= 49_152


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("DenseEngine", {"STATICCALL", "GAS"}), ("DenseWideKernel", set()), ("DenseValidator", set())],
)
def test_it_has_no_storage_and_makes_no_calls(name: str, allowed: set[str]) -> None:
    """But for the engine's to its validator and its wide kernel, which change nothing."""
    opcodes = {item for item in deployer(name).compiler_data.assembly_runtime if isinstance(item, str)}
    assert "MSTORE" in opcodes
    state = {"SLOAD", "SSTORE", "TLOAD", "TSTORE"}
    calls = {"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2", "SELFDESTRUCT"} - allowed
    world = {"CALLER", "ORIGIN", "TIMESTAMP", "NUMBER", "GAS", "COINBASE", "BALANCE", "SELFBALANCE", "LOG0", "LOG1"}
    assert not opcodes & (state | calls | world - allowed)


def check(engine: Engine, network: Network, samples: Uint8, mask: int) -> None:
    """Exactly the masked samples have their class, in as many words as there are."""
    count = len(samples)
    chosen = np.array([mask >> i & 1 for i in range(count)], np.uint8)
    answer = np.frombuffer(engine.predict(network, samples, mask), np.uint8)
    assert len(answer) == -(-count // 32) * 32
    assert answer[:count].tolist() == (predict(network, samples) * chosen).tolist()
    assert not answer[count:].any()


def test_the_committed_source_is_what_the_generator_writes() -> None:
    spec = importlib.util.spec_from_file_location("generate", CONTRACTS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert set(generate.TARGETS) == {"DenseEngine", "DenseWideKernel"}
    for name in generate.TARGETS:
        assert (CONTRACTS / f"{name}.vy").read_text() == generate.generate(name)


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


@pytest.mark.parametrize(
    ("count", "mask", "reason"),
    [
        (3, 0b1000, "engine: mask beyond samples"),
        (3, 2**255, "engine: mask beyond samples"),
        (32, 2**32, "engine: mask beyond samples"),
        (255, 2**255, "engine: mask beyond samples"),
        (0, 1, "engine: mask beyond samples"),
        (257, 1, "engine: too many samples"),
        (257, 0, "engine: too many samples"),
    ],
)
def test_a_mask_must_fit_the_samples(engine: Engine, count: int, mask: int, reason: str) -> None:
    assert engine.call("predict", MODEL + bytes(9 * count), len(MODEL), mask).reason == reason


def test_an_empty_mask_has_an_empty_answer(engine: Engine) -> None:
    for count in (0, 1, 32, 33, 256):
        assert engine.words(MODEL, bytes(9 * count), 0) == bytes(-(-count // 32) * 32)


def test_samples_must_be_whole(engine: Engine) -> None:
    for size in (10, 8, 1):
        assert engine.call("predict", MODEL + bytes(size), len(MODEL), 1).reason == "engine: not whole samples"
    for size in (len(MODEL) + 1, len(MODEL) - 1, len(MODEL) + 10, 2**256 - 1):
        assert engine.call("predict", MODEL + bytes(9), size, 1).reason == "engine: not whole samples"
    assert engine.call("logits", MODEL, bytes(10), 0).reason == "engine: not whole samples"
    assert engine.call("logits", MODEL, bytes(9), 1).reason == "engine: no such sample"


def test_predict_and_cost_refuse_what_has_no_header(engine: Engine) -> None:
    assert engine.call("predict", MODEL[:31], 31, 0).reason == "engine: model too short"
    assert engine.call("logits", MODEL[:31], bytes(9), 0).reason == "engine: model too short"
    assert engine.call("cost", MODEL[:31]).reason == "engine: model too short"
    nothing = header(1, 8, (0, 3))
    assert engine.call("predict", nothing + bytes(9), 32, 1).reason == "engine: not whole samples"
    wide = header(7, 8, (4096,) * 7 + (256,))
    assert engine.call("predict", wide + bytes(4096), 32, 1).reason is not None


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


CALLER = """
# pragma version 0.4.3
interface IEngine:
    def validate(model: Bytes[126976], sample_bytes: uint256, bits: uint256, classes: uint256) -> uint256: view
    def predict(payload: Bytes[126976], size: uint256, mask: uint256) -> DynArray[bytes32, 8]: view

@external
def run(engine: IEngine, model: Bytes[61440], samples: Bytes[61440], size: uint256, classes: uint256) -> bytes32:
    cost: uint256 = staticcall engine.validate(model, size, 4, classes)
    words: DynArray[bytes32, 8] = staticcall engine.predict(concat(model, samples), len(model), 3)
    return words[0]
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
    root = CONTRACTS
    sources = [*sorted(root.glob("Dense*.vy")), *sorted((root / "modules").glob("dense_*.vy"))]
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
