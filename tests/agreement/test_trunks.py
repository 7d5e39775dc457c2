"""The trunk engine and `trainer.segments.outputs` compute the same bytes, and accept the same byte strings."""

from typing import Any

import numpy as np
import pytest
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fuzz.native import Interpreted, Machine, Native, image
from tests.agreement.test_convolution import BOTH
from tests.agreement.test_mutated_encodings import mutate
from tests.convolution_strategies import BOUNDS, build, convolutional_networks, images, trunk_of
from trainer.chain import CONTRACTS, compile_contract
from trainer.convolution import ConvolutionalNetwork, Trunk
from trainer.encode import pack_samples
from trainer.encode_convolution import cost, decode_trunk, encode, planes_bytes
from trainer.errors import EncodingError
from trainer.integer import Uint8
from trainer.segments import has_encoding, outputs

RUN, VALIDATE = (keccak(text)[:4] for text in (b"run(bytes,uint256)", b"validate_trunk(bytes)"))


def deploy_trunk() -> Any:
    return compile_contract(CONTRACTS / "ConvolutionTrunk.vy").deploy()


def deploy_validator() -> Any:
    return compile_contract(CONTRACTS / "ConvolutionValidator.vy").deploy()


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Native(image(deploy_trunk))


@pytest.fixture(scope="module")
def validator() -> Machine:
    return Native(image(deploy_validator))


def run(trunk: Trunk, samples: Uint8) -> bytes:
    """Calldata for one sample."""
    file = encode(trunk)
    return RUN + abi_encode(["bytes", "uint256"], [file + pack_samples(samples, trunk.input_bits), len(file)])


def check(machine: Machine, validator: Machine, trunk: Trunk, samples: Uint8) -> None:
    done = validator.call(VALIDATE + abi_encode(["bytes"], [encode(trunk)]))
    assert done.reason is None, done
    assert abi_decode(["uint256", "uint256"], done.output) == (cost(trunk), planes_bytes(trunk))
    assert encode(decode_trunk(encode(trunk))) == encode(trunk)
    for number in range(len(samples)):
        one = samples[number : number + 1]
        done = machine.call(run(trunk, one))
        assert done.reason is None, done
        (found,) = abi_decode(["bytes"], done.output)
        assert found == pack_samples(outputs(trunk, one), trunk.activation_bits)
        assert done.gas <= cost(trunk) <= 2.5 * done.gas


@settings(max_examples=60, deadline=None)
@given(network=convolutional_networks(), seed=st.integers(0, 2**32))
def test_every_byte_of_the_planes(
    machine: Machine, validator: Machine, network: ConvolutionalNetwork, seed: int
) -> None:
    trunk = trunk_of(network)
    assume(np.prod(trunk.shapes[-1]) * trunk.activation_bits % 8 == 0)
    try:
        encode(trunk)
    except EncodingError:
        assume(False)  # its file costs more than the same with a head may
    check(machine, validator, trunk, images(trunk, 4, seed))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(("width", "halve"), [(32, 0), (27, 0), (28, 2), (10, 1), (1, 0), (16, 3)])
def test_every_way_that_rows_lie(
    machine: Machine, validator: Machine, width: int, halve: int, bound: int, bits: int
) -> None:
    """Rows of 1 to 4 words become bytes, at every number of bits, in words that they do not fill."""
    layers = [{"outputs": 3}, {"outputs": 8, "size": 1, "halve": halve}]
    network = build((2, 4, width), layers, bits=(4, bits, 4), bound=bound, seed=width)
    check(machine, validator, trunk_of(network), images(network, 3))


@pytest.mark.parametrize("channels", [60, 90, 120])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_bound_holds_for_many_channels(machine: Machine, validator: Machine, channels: int, size: int) -> None:
    network = build((channels, 9, 16), [{"outputs": 2, "size": size}], bits=(8, 4, 4), bound=2**13)
    check(machine, validator, trunk_of(network), images(network, 2))


def test_planes_of_more_blocks_than_a_network_may_have(machine: Machine, validator: Machine) -> None:
    network = build((3, 32, 32), [{"outputs": 16}, {"outputs": 16}, {"outputs": 16, "skip": 1, "lift": 2}], bound=2**13)
    with pytest.raises(EncodingError, match="planes take"):
        encode(network)
    check(machine, validator, trunk_of(network), images(network, 2))


SMALL = trunk_of(build((2, 6, 4), [{"outputs": 2, "size": 1}, {"outputs": 4, "skip": None, "halve": 1}], seed=1))


EVERY_BRANCH = [SMALL, *filter(has_encoding, map(trunk_of, BOTH))]


def test_most_of_those_networks_are_trunks() -> None:
    assert len(EVERY_BRANCH) > len(BOTH) - 2


@pytest.mark.parametrize("trunk", EVERY_BRANCH)
def test_two_machines_give_the_same_bytes_for_the_same_gas(machine: Machine, trunk: Trunk) -> None:
    data = run(trunk, images(trunk, 1))
    assert machine.call(data) == Interpreted(deploy_trunk).call(data)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_trunks_are_refused_or_agreed_on(machine: Machine, validator: Machine, data: st.DataObject) -> None:
    file = mutate(data, encode(SMALL))
    done = validator.call(VALIDATE + abi_encode(["bytes"], [file]))
    try:
        trunk = decode_trunk(file)
    except EncodingError:
        assert done.reason, done
        return
    assert done.reason is None, done
    check(machine, validator, trunk, images(trunk, 1))


@pytest.mark.parametrize(
    ("network", "reason", "fault"),
    [
        (build((1, 3, 3), [{"outputs": 1}], bits=(8, 4, 4)), "engine: planes not whole bytes", "end inside a byte"),
        (build((1, 32, 32), [{"outputs": 17}], bits=(8, 8, 4)), "engine: planes too large", "the last planes take"),
        (
            build((150, 32, 16), [{"outputs": 38}], bits=(8, 1, 8), bound=2**13),
            "engine: no room for a sample",
            "the trunk and a sample take",
        ),
        (
            build((8, 32, 32), [{"outputs": 24, "size": 5}, {"outputs": 24}]),
            "engine: sample costs too much",
            "one sample costs up to",
        ),
        (
            build((1, 32, 32), [{"outputs": 110, "size": 1}, {"outputs": 1, "size": 1}], bits=(4, 4, 8)),
            "engine: planes too large",
            "planes take",
        ),
    ],
)
def test_what_the_engine_has_no_room_for(
    validator: Machine, monkeypatch: pytest.MonkeyPatch, network: ConvolutionalNetwork, reason: str, fault: str
) -> None:
    trunk = trunk_of(network)
    with pytest.raises(EncodingError, match=fault):
        encode(trunk)
    with monkeypatch.context() as patch:
        patch.setattr("trainer.encode_convolution._check_limits", lambda _: None)
        file = encode(trunk)
    data = VALIDATE + abi_encode(["bytes"], [file])
    assert validator.call(data).reason == reason
    assert validator.call(data) == Interpreted(deploy_validator).call(data)
    with pytest.raises(EncodingError, match=fault):
        decode_trunk(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: (data[:20], 20), "engine: model too short"),
        (lambda data: (data, len(data)), "engine: not one sample"),
        (lambda data: (data + bytes(1), len(data) - 24), "engine: not one sample"),
        (lambda data: (data, len(data) + 1), "engine: not one sample"),
        (lambda data: (data, 2**256 - 1), "engine: not one sample"),
    ],
)
def test_what_is_no_payload_is_refused(machine: Machine, change: Any, reason: str) -> None:
    payload, size = change(encode(SMALL) + pack_samples(images(SMALL, 1), 4))
    done = machine.call(RUN + abi_encode(["bytes", "uint256"], [payload, size]))
    assert done.reason == reason


def test_a_header_that_asks_for_much_ends(machine: Machine) -> None:
    """What no validator saw reverts or answers, after a bounded number of steps."""
    header = bytearray(encode(SMALL))
    header[5], header[9:13] = 1, bytes([0, 2, 32, 32])
    for outputs_ in (1, 255):
        header[32:34] = bytes([0, outputs_])
        payload = bytes(header) + bytes(1024)
        done = machine.call(RUN + abi_encode(["bytes", "uint256"], [payload, len(header)]), gas=400_000_000)
        assert done.halted != "OutOfGas", done


def test_a_model_with_a_head_is_no_trunk(validator: Machine) -> None:
    model = encode(build((2, 6, 4), [{"outputs": 2}]))
    done = validator.call(VALIDATE + abi_encode(["bytes"], [model]))
    assert done.reason == "engine: bad magic or version"
    with pytest.raises(EncodingError, match="magic and version"):
        decode_trunk(model)
