"""The engine and the decoder accept the same byte strings, and agree about what those compute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.engine.subject import Engine, engine_for_tests
from tests.strategies import networks
from trainer import integer
from trainer.encode import classes_of, decode, encode, pack_samples
from trainer.errors import EncodingError
from trainer.integer import Network

MUTATIONS = (
    "flip a bit",
    "set a byte",
    "set a header byte",
    "truncate",
    "extend",
    "swap",
    "zero a span",
    "copy a span",
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_for_tests("dense")


def mutate(data: st.DataObject, model: bytes) -> bytes:
    out = bytearray(model)
    at = data.draw(st.integers(0, len(model) - 1), label="at")
    match data.draw(st.sampled_from(MUTATIONS), label="mutation"):
        case "flip a bit":
            out[at] ^= 1 << data.draw(st.integers(0, 7))
        case "set a byte":
            out[at] = data.draw(st.integers(0, 255))
        case "set a header byte":
            out[at % 32] = data.draw(st.one_of(st.integers(0, 9), st.integers(0, 255)))
        case "truncate":
            del out[at:]
        case "extend":
            out += data.draw(st.binary(min_size=1, max_size=40))
        case "swap":
            other = data.draw(st.integers(0, len(model) - 1))
            out[at], out[other] = out[other], out[at]
        case "zero a span":
            for i in range(at, min(at + data.draw(st.integers(1, 32)), len(model))):
                out[i] = 0
        case "copy a span":
            size = data.draw(st.integers(1, 64))
            out[at:at] = out[at : at + size]
    return bytes(out)


def check(engine: Engine, model: bytes, original: Network) -> bool:
    """Whether both halves accept the model; fails where they differ."""
    # asked for what the header itself says, so that only the encoding can be at fault
    sample_bytes = original.widths[0] * original.input_bits // 8
    bits, classes = original.input_bits, original.classes
    if len(model) >= 32:
        layers = min(model[5], 7)
        bits = model[6]
        sample_bytes = int.from_bytes(model[9:11]) * bits // 8
        classes = int.from_bytes(model[9 + 2 * layers : 11 + 2 * layers])
    answer = engine.call("validate", model, sample_bytes, bits, classes)
    network, fault = None, ""
    try:
        network = decode(model)
    except EncodingError as error:
        fault = str(error)
    if network is None:
        assert answer.reason is not None, f"the engine accepts what the decoder refuses: {fault}"
        assert answer.reason.startswith("engine: ")
        return False
    assert answer.reason is None, f"the engine refuses what the decoder accepts: {answer.reason}"
    assert encode(network) == model
    samples = np.random.default_rng(0).integers(0, 2**network.input_bits, (2, network.widths[0]), dtype=np.uint8)
    word = engine.words(model, pack_samples(samples, network.input_bits), 3)
    assert classes_of(word, 2).tolist() == integer.predict(network, samples).tolist()
    return True


@given(data=st.data(), network=networks(max_layers=3, max_inputs=40, max_width=8, max_classes=4))
def test_mutated_models_are_refused_or_agreed_on(engine: Engine, data: st.DataObject, network: Network) -> None:
    model = encode(network)
    for _ in range(3):
        check(engine, mutate(data, model), network)


@given(data=st.data(), network=networks(max_layers=2, max_inputs=30, max_width=5, max_classes=3))
def test_every_lane_of_a_row_counts(engine: Engine, data: st.DataObject, network: Network) -> None:
    """A field set to zero or, behind the inputs, to anything else is refused."""
    model = bytearray(encode(network))
    at = data.draw(st.integers(32, len(model) - 1))
    model[at] = data.draw(st.sampled_from([0, 1, 0x80, 0x88, 0xAA, 0xFF, model[at] ^ 1]))
    check(engine, bytes(model), network)


@given(garbage=st.binary(max_size=200), network=networks(max_layers=1, max_inputs=8, max_classes=2))
def test_garbage_is_refused(engine: Engine, garbage: bytes, network: Network) -> None:
    assert not check(engine, b"ASAY\x02" + garbage, network)
    assert not check(engine, garbage, network)
