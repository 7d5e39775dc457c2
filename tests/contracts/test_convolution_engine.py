"""The convolution engine as a contract: what it refuses and why, what it is asked with, and odd payloads."""

import pytest

from fuzz.engine.subject import calldata, words_of
from fuzz.native import Machine
from tests.contracts.convolution_fixtures import convolution_engine, slow_convolution_engine
from tests.convolution_strategies import build
from trainer.encode_convolution import MAX_BLOCKS, cost, decode, encode, start
from trainer.errors import EncodingError
from trainer.header import MAX_COST

LAYERS = [{"outputs": 3, "size": 5}, {"outputs": 3, "skip": 1, "lift": 2, "halve": 2}, {"size": 1, "outputs": 5}]
NETWORK = build((2, 4, 6), LAYERS, classes=4)
MODEL = encode(NETWORK)
# what NETWORK is validated for
ASKED = (24, 4, 4)
FIRST, SECOND = 32, 40
BODY = start(3)
# rows of the first convolution: 4 chunks of two patches, 9 bytes each
ROWS = BODY + 4 * 3


@pytest.fixture(scope="module")
def machine() -> Machine:
    return convolution_engine()


@pytest.fixture(scope="module")
def slow() -> Machine:
    """titanoboa's machine, which is the one that coverage sees."""
    return slow_convolution_engine()


def patched(at: int, value: int) -> bytes:
    return MODEL[:at] + bytes([value]) + MODEL[at + 1 :]


def refusal(machine: Machine, method: str, *args: bytes | int) -> str | None:
    return machine.call(calldata(method, *args)).reason


def test_a_model_is_accepted_with_its_cost(machine: Machine) -> None:
    for call in (calldata("validate", MODEL, *ASKED), calldata("cost", MODEL)):
        assert int.from_bytes(machine.call(call).output) == cost(NETWORK)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"", "engine: model too short"),
        (MODEL[:31], "engine: model too short"),
        (MODEL[: BODY - 1], "engine: model too short"),
        (b"ASAX" + MODEL[4:], "engine: bad magic or version"),
        (patched(4, 2), "engine: bad magic or version"),
        (patched(5, 0), "engine: bad number of layers"),
        (patched(5, 24), "engine: bad number of layers"),
        (patched(6, 3), "engine: bad input bits"),
        (patched(6, 16), "engine: bad input bits"),
        (patched(7, 0), "engine: bad activation bits"),
        (patched(8, 2), "engine: bad weight bits"),
        (patched(10, 0), "engine: bad channels"),
        (patched(9, 2), "engine: bad channels"),
        (patched(11, 0), "engine: bad size of an image"),
        (patched(11, 33), "engine: bad size of an image"),
        (patched(12, 0), "engine: bad size of an image"),
        (patched(12, 33), "engine: bad size of an image"),
        (patched(13, 2), "engine: bad number of classes"),
        (patched(14, 1), "engine: bad number of classes"),
        (patched(15, 1), "engine: header not canonical"),
        (patched(31, 1), "engine: header not canonical"),
        (patched(BODY - 1, 1), "engine: header not canonical"),
        (patched(FIRST + 1, 0), "engine: bad channels"),
        (patched(FIRST, 2), "engine: bad channels"),
        (patched(FIRST + 2, 2), "engine: bad kernel"),
        (patched(FIRST + 2, 7), "engine: bad kernel"),
        (patched(FIRST + 3, 1), "engine: bad channels"),
        (patched(FIRST + 3, 2), "engine: bad layer"),
        (patched(FIRST + 4, 32), "engine: bad shift"),
        (patched(FIRST + 5, 4), "engine: bad halving"),
        (patched(FIRST + 6, 1), "engine: bad skip"),
        (patched(FIRST + 6, 2), "engine: bad skip"),
        (patched(SECOND + 6, 0), "engine: bad skip"),
        (patched(SECOND + 6, 1), "engine: bad skip"),
        (patched(SECOND + 6, 3), "engine: bad skip"),
        (patched(FIRST + 7, 0x01), "engine: bad skip"),
        (patched(FIRST + 7, 0), "engine: split not canonical"),
        (patched(FIRST + 7, 0x20), "engine: split not canonical"),
        (patched(FIRST + 7, 0x50), "engine: split not canonical"),
        # behind the last halving, too
        (patched(SECOND + 7, MODEL[SECOND + 7] + 0x10), "engine: split not canonical"),
        (MODEL[:-1], "engine: wrong length"),
        (MODEL + b"\0", "engine: wrong length"),
        # biases of 2**30 and more than 2**24 - 1 away from it
        (patched(BODY, 0), "engine: accumulator too large"),
        (patched(BODY, 0x42), "engine: accumulator too large"),
        (patched(len(MODEL) - 4 * 64 - 16, 0), "engine: accumulator too large"),
        # a weight of -8; one in the last field of the second patch of a kernel of 5 x 5
        (patched(ROWS + 8, MODEL[ROWS + 8] & 0xF0), "engine: field not canonical"),
        (patched(ROWS, MODEL[ROWS] & 0x0F | 0x90), "engine: field not canonical"),
    ],
)
def test_what_is_not_a_model_is_refused(machine: Machine, slow: Machine, model: bytes, reason: str) -> None:
    asked = ASKED
    if len(model) >= 32:
        # as many classes as the header says
        asked = (24, model[6], int.from_bytes(model[13:15]))
    assert refusal(machine, "validate", model, *asked) == reason
    assert refusal(slow, "validate", model, *asked) == reason
    with pytest.raises(EncodingError):
        decode(model)


WIDE = encode(build((1, 5, 4), [{"outputs": 2}, {"outputs": 1}, {"outputs": 2}], bits=(8, 8, 8), classes=3))


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        # weights of -128; one that is none and has a value; height 5 halved; a skip to planes of another height
        (len(WIDE) - 1, 0, "engine: field not canonical"),
        (start(3) + 4 * 2 + 17, 0, "engine: field not canonical"),
        (start(3) + 4 * 2, 1, "engine: field not canonical"),
        (len(WIDE) - 32, 1, "engine: field not canonical"),
        (FIRST + 5, 1, "engine: bad halving"),
    ],
)
def test_what_is_not_a_model_of_eight_bits_is_refused(slow: Machine, at: int, value: int, reason: str) -> None:
    model = WIDE[:at] + bytes([value]) + WIDE[at + 1 :]
    assert refusal(slow, "validate", model, 20, 8, 3) == reason
    with pytest.raises(EncodingError):
        decode(model)


def test_a_skip_to_planes_of_another_size_is_refused(slow: Machine) -> None:
    model = encode(build((2, 4, 6), [{"outputs": 2, "halve": 1}, {"outputs": 2}]))
    bad = model[: SECOND + 6] + b"\1" + model[SECOND + 7 :]
    assert refusal(slow, "validate", bad, 24, 4, 3) == "engine: bad skip"
    with pytest.raises(EncodingError):
        decode(bad)


@pytest.mark.parametrize("at", range(len(MODEL) - 4 * 64, len(MODEL)))
def test_every_byte_of_the_head_counts(machine: Machine, at: int) -> None:
    """A field without a weight is zero, one with a weight is not."""
    for value in (0, MODEL[at] ^ 0x10, MODEL[at] ^ 0x01):
        model = patched(at, value)
        if model == MODEL:
            continue
        try:
            read = encode(decode(model))
        except EncodingError:
            read = None
        reason = refusal(machine, "validate", model, *ASKED)
        assert (reason is None) == (read == model)
        assert reason in (None, "engine: field not canonical")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ((24, 2, 4), "engine: other input bits"),
        ((23, 4, 4), "engine: other sample size"),
        ((2**253 + 24, 4, 4), "engine: other sample size"),
        ((24, 4, 3), "engine: other number of classes"),
        ((24, 4, 2**256 - 1), "engine: other number of classes"),
    ],
)
def test_a_model_for_other_data_is_refused(slow: Machine, asked: tuple[int, ...], reason: str) -> None:
    assert refusal(slow, "validate", MODEL, *asked) == reason


@pytest.mark.parametrize(
    ("shape", "layers", "bits", "reason"),
    [
        ((1, 3, 3), [{"size": 1}], (1, 4, 4), "engine: input not whole bytes"),
        ((60, 16, 16), [{"size": 1, "outputs": 70}], (4, 4, 4), "engine: planes too large"),
        ((1, 32, 32), [{"outputs": 36, "halve": 1}, {"outputs": 1, "halve": 1}], (4, 4, 4), "engine: planes too large"),
        ((129, 1, 1), [{"size": 5, "outputs": 1}], (8, 4, 4), "engine: kernels too large"),
        ((1, 32, 32), [{"outputs": 9}], (4, 4, 4), "engine: head too large"),
        ((30, 8, 8), [{"outputs": 30, "size": 5}] * 3, (4, 4, 4), "engine: sample costs too much"),
    ],
)
def test_what_the_engine_has_no_room_for(
    slow: Machine, shape: tuple[int, int, int], layers: list[dict[str, int]], bits: tuple[int, int, int], reason: str
) -> None:
    network = build(shape, layers, bits=bits, classes=2)
    with pytest.raises(EncodingError):
        encode(network)
    # the file's beginning says it already
    model = MODEL[:5] + bytes([len(layers), *bits, 0, *shape]) + (2).to_bytes(2) + bytes(17)
    for conv, place in zip(network.convolutions, [2 if shape[2] == 32 else 1, *[1] * len(layers)], strict=False):
        size = conv.weights.shape[-1]
        model += len(conv.weights).to_bytes(2) + bytes([size, 0, conv.shift, conv.halve, 0, place << 4])
    model += bytes(-len(model) % 32)
    size = network.inputs * bits[0] // 8
    assert refusal(slow, "validate", model, size, bits[0], 2) == reason


def test_what_is_no_payload_is_refused(slow: Machine) -> None:
    sample = bytes(24)
    assert refusal(slow, "predict", MODEL[:31], 31, 0) == "engine: model too short"
    assert refusal(slow, "cost", MODEL[:31]) == "engine: model too short"
    for size in (25, 23, 1):
        assert refusal(slow, "predict", MODEL + bytes(size), len(MODEL), 1) == "engine: not whole samples"
    for length in (len(MODEL) + 1, len(MODEL) - 1, 2**256 - 1):
        assert refusal(slow, "predict", MODEL + sample, length, 1) == "engine: not whole samples"
    for count, mask in ((3, 8), (3, 2**255), (0, 1)):
        assert refusal(slow, "predict", MODEL + count * sample, len(MODEL), mask) == "engine: mask beyond samples"
    assert refusal(slow, "predict", MODEL + 257 * sample, len(MODEL), 0) == "engine: too many samples"


def test_an_empty_mask_has_an_empty_answer(machine: Machine) -> None:
    for count in (0, 1, 32, 33, 256):
        done = machine.call(calldata("predict", MODEL + bytes(24 * count), len(MODEL), 0))
        assert words_of(done.output) == bytes(-(-count // 32) * 32)


def test_a_header_alone_ends(machine: Machine) -> None:
    """`predict` on what is no model reverts or answers anything, within bounded gas."""
    for header in (MODEL[:5] + b"\xff" * 27, MODEL[:5] + bytes(27), MODEL[:32]):
        for filler in (b"\xff", b"\0", b"\x11"):
            machine.call(calldata("predict", header + filler * 4096, 32, 1), gas=80_000_000)


def test_the_limits_are_those_of_the_market() -> None:
    assert cost(NETWORK) < MAX_COST
    assert MAX_BLOCKS == 384
