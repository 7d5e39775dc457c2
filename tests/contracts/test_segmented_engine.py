"""The engine of networks in segments: what it registers, which steps it remembers, and that it never makes one up."""

from typing import Any

import boa
import numpy as np
import pytest
from eth_hash.auto import keccak

from tests.convolution_strategies import build, images, trunk_of
from tests.strategies import random_network
from trainer import networks
from trainer.chain import TRANSACTION_CAP, Chain, compile_contract, deploy_segmented_engine
from trainer.convolution import ConvolutionalNetwork, Trunk
from trainer.encode import encode as encode_dense
from trainer.encode import pack_samples
from trainer.encode_convolution import MAX_TRUNK_COST, cost, encode
from trainer.encode_segments import files_of, model_of
from trainer.errors import EncodingError
from trainer.header import MAX_MODEL_BYTES
from trainer.integer import Network
from trainer.segments import SegmentedNetwork, cut, has_encoding, outputs, predict
from trainer.steps import Steps

PLAIN = build((2, 4, 4), [{"outputs": 2}, {"outputs": 3}, {"outputs": 2, "size": 1}], classes=4, seed=20)
SAMPLES = images(PLAIN, 3, seed=2)
SIZE = PLAIN.inputs * PLAIN.input_bits // 8


def one_layer(segment: Trunk) -> bool:
    return len(segment.convolutions) <= 1


LAST = {
    "convolutional": cut(PLAIN, fits=one_layer),
    "dense": cut(PLAIN, fits=lambda s: len(s.convolutions) <= 2 and not isinstance(s, ConvolutionalNetwork)),
}


class World:
    """A chain with the engine, and the segments of `LAST` registered."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.sender = self.chain.account("somebody", 10**18)
        with self.chain.active():
            self.engine = deploy_segmented_engine()
            self.steps = Steps(self.chain, self.engine.address)
            for network in LAST.values():
                self.registered = list(self.steps.register(files_of(network), sender=self.sender))

    def predict(self, network: SegmentedNetwork, samples: Any, mask: int) -> bytes:
        model = networks.model_of(network)
        return b"".join(self.engine.predict(model + pack_samples(samples, 4), len(model), mask))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def stepped() -> World:
    """Where every step of two samples was taken."""
    world = World()
    with world.chain.active():
        for network in LAST.values():
            for sample in SAMPLES[:2]:
                list(world.steps.run(network, sample, sender=world.sender))
    return world


@pytest.mark.parametrize("last", LAST)
def test_classes_are_those_of_the_specification(stepped: World, last: str) -> None:
    network = LAST[last]
    expected = predict(network, SAMPLES[:2])
    assert len(set(expected.tolist())) == 2, "the same class twice would prove little"
    with stepped.chain.active():
        assert stepped.predict(network, SAMPLES[:2], 0b11) == bytes(expected) + bytes(30)
        assert stepped.predict(network, SAMPLES, 0b10) == bytes([0, expected[1]]) + bytes(30)
        assert stepped.predict(network, np.repeat(SAMPLES[:1], 34, axis=0), 1 << 33) == bytes(33) + bytes(
            [expected[0]]
        ) + bytes(30)
        assert stepped.predict(network, SAMPLES, 0) == bytes(32)


def test_an_answer_is_not_made_up(stepped: World, world: World) -> None:
    with stepped.chain.active(), boa.reverts("engine: step not taken"):
        stepped.predict(LAST["dense"], SAMPLES, 0b100)
    with world.chain.active(), boa.reverts("engine: step not taken"):
        world.predict(LAST["dense"], SAMPLES, 1)


def test_the_last_step_alone_is_not_enough(stepped: World) -> None:
    """Every step counts: those of another network that ends alike do not."""
    network = LAST["convolutional"]
    other = build((2, 4, 4), [{"outputs": 2}], classes=4, seed=6)
    first = trunk_of(other)
    with stepped.chain.active(), stepped.chain.env.anchor():
        stepped.engine.register(encode(first))
        mixed = model_of((encode(first), *files_of(network)[1:]))
        with boa.reverts("engine: step not taken"):
            stepped.engine.predict(mixed + pack_samples(SAMPLES[:1], 4), len(mixed), 1)


def test_every_step_is_remembered_and_logged(stepped: World) -> None:
    network = LAST["convolutional"]
    found = SAMPLES[:1]
    with stepped.chain.active():
        for trunk, file in zip(network.trunks, files_of(network), strict=False):
            made = pack_samples(outputs(trunk, found), 4)
            assert stepped.engine.output_of(keccak(file), keccak(pack_samples(found, 4))) == keccak(made)
            found = outputs(trunk, found)
        assert list(stepped.steps.run(network, SAMPLES[0], sender=stepped.sender)) == []
        file, packed = files_of(network)[0], pack_samples(SAMPLES[:1], 4)
        stepped.engine.step(file + packed, len(file))
        (event,) = stepped.engine.get_logs()
        output = keccak(pack_samples(outputs(network.trunks[0], SAMPLES[:1]), 4))
        assert (event.segment, event.input, event.output) == (keccak(file), keccak(packed), output)


def test_what_a_segment_takes_and_gives(world: World) -> None:
    first, *_, last = files_of(LAST["convolutional"])
    with world.chain.active():
        s = world.engine.segment_of(keccak(first))
        assert (s.input_bits, s.input_bytes, s.output_bits, s.output_bytes, s.classes) == (4, 16, 4, 16, 0)
        s = world.engine.segment_of(keccak(last))
        assert (s.input_bits, s.input_bytes, s.output_bytes, s.classes) == (4, 24, 0, 4)
        s = world.engine.segment_of(keccak(files_of(LAST["dense"])[-1]))
        assert (s.input_bits, s.input_bytes, s.output_bytes, s.classes) == (4, 16, 0, 4)


def test_a_dense_network_of_eight_layers_is_none(world: World) -> None:
    """Of its header more widths would be read than there are."""
    model = bytearray(encode_dense(random_network((4, 3, 2), input_bits=4, activation_bits=4, weight_bits=4)))
    for layers in (0, 8, 255):
        model[5] = layers
        with world.chain.active(), boa.reverts("engine: bad number of layers"):
            world.engine.register(bytes(model))


def test_a_dense_network_of_many_layers_is_registered(world: World) -> None:
    network = random_network((4, 3, 5, 3, 5, 3, 5, 7), input_bits=4, activation_bits=4, weight_bits=4)
    with world.chain.active(), world.chain.env.anchor():
        digest = world.engine.register(encode_dense(network))
        assert world.engine.segment_of(digest).classes == 7


def test_registering_again_does_nothing(world: World) -> None:
    first = files_of(LAST["dense"])[0]
    with world.chain.active():
        assert world.engine.register(first) == keccak(first)
        assert world.engine.get_logs() == []


def test_a_segment_is_logged_so_that_everyone_has_it() -> None:
    world = World()
    files = {keccak(file): file for file in files_of(LAST["dense"])}
    assert {e.segment: e.data for receipt in world.registered for e in receipt.events} == files


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        (b"", "engine: segment too short"),
        (bytes(31), "engine: segment too short"),
        (bytes(32), "engine: bad magic or version"),
        (b"ASAY\x05".ljust(64, b"\0"), "engine: bad magic or version"),
        (files_of(LAST["dense"])[0] + bytes(1), "engine: wrong length"),
        (files_of(LAST["convolutional"])[-1][:-1], "engine: wrong length"),
        (files_of(LAST["dense"])[-1][:-1], "engine: wrong length"),
    ],
)
def test_what_is_no_segment_is_refused(world: World, segment: bytes, reason: str) -> None:
    with world.chain.active(), boa.reverts(reason):
        world.engine.register(segment)


def test_a_step_takes_one_input_of_a_registered_segment(world: World) -> None:
    file, packed = files_of(LAST["dense"])[0], pack_samples(SAMPLES[:1], 4)
    with world.chain.active():
        for payload, size, reason in (
            (file + packed, len(file) + 1, "engine: segment unknown"),
            (file + packed, len(file) + len(packed) + 1, "engine: segment too short"),
            (file + packed, 2**256 - 1, "engine: segment too short"),
            (file + packed + packed, len(file), "engine: not one input"),
            (file + packed[:-1], len(file), "engine: not one input"),
            (file, len(file), "engine: not one input"),
            (packed, 0, "engine: segment unknown"),
        ):
            with boa.reverts(reason):
                world.engine.step(payload, size)


@pytest.mark.parametrize("last", LAST)
def test_a_model_is_accepted_with_its_cost(stepped: World, last: str) -> None:
    network = LAST[last]
    model = networks.model_of(network)
    with stepped.chain.active():
        bound = stepped.engine.validate(model, SIZE, 4, 4)
        full = pack_samples(np.repeat(SAMPLES[:1], 256, axis=0), 4)
        receipt = stepped.chain.send(stepped.engine.predict, model + full, len(model), 1 << 255, sender=stepped.sender)
    assert receipt.execution_gas <= bound <= 2.5 * receipt.execution_gas


def words(*files: bytes) -> bytes:
    return b"".join(keccak(file) for file in files)


FILES = files_of(LAST["convolutional"])
HEADER = b"ASAY\x05\x03".ljust(32, b"\0")


@pytest.mark.parametrize(
    ("model", "asked", "reason"),
    [
        (b"", (SIZE, 4, 4), "engine: model too short"),
        (HEADER[:31], (SIZE, 4, 4), "engine: model too short"),
        (FILES[0], (SIZE, 4, 4), "engine: bad magic or version"),
        (b"ASAY\x05\x00".ljust(32, b"\0"), (SIZE, 4, 4), "engine: bad number of segments"),
        (b"ASAY\x05\x11".ljust(32, b"\0") + bytes(17 * 32), (SIZE, 4, 4), "engine: bad number of segments"),
        (HEADER[:31] + b"\1" + words(*FILES), (SIZE, 4, 4), "engine: header not canonical"),
        (HEADER[:6] + b"\1" + HEADER[7:] + words(*FILES), (SIZE, 4, 4), "engine: header not canonical"),
        (HEADER + words(*FILES) + b"\0", (SIZE, 4, 4), "engine: wrong length"),
        (HEADER + words(*FILES)[:-1], (SIZE, 4, 4), "engine: wrong length"),
        (HEADER + words(*FILES[:2], b"unknown"), (SIZE, 4, 4), "engine: segment unknown"),
        (HEADER + words(*FILES), (SIZE, 8, 4), "engine: other input bits"),
        (HEADER + words(*FILES), (SIZE + 1, 4, 4), "engine: other sample size"),
        (HEADER + words(*FILES), (SIZE, 4, 5), "engine: other number of classes"),
        (HEADER + words(FILES[0], FILES[0], FILES[2]), (SIZE, 4, 4), "engine: other sample size"),
        (HEADER + words(FILES[0], FILES[1], FILES[0]), (SIZE, 4, 4), "engine: other sample size"),
        (HEADER + words(FILES[2], FILES[2], FILES[2]), (24, 4, 4), "engine: segment behind the last"),
        (b"ASAY\x05\x01".ljust(32, b"\0") + words(FILES[0]), (SIZE, 4, 0), "engine: no classes behind the last"),
    ],
)
def test_a_model_is_a_list_of_segments_that_fit(
    world: World, model: bytes, asked: tuple[int, int, int], reason: str
) -> None:
    with world.chain.active(), boa.reverts(reason):
        world.engine.validate(model, *asked)


def test_what_is_no_payload_is_refused(stepped: World) -> None:
    model, sample = networks.model_of(LAST["convolutional"]), pack_samples(SAMPLES[:1], 4)
    other = model_of((b"unknown",))
    with stepped.chain.active():
        for payload, size, mask, reason in (
            (model[:32], 32, 0, "engine: model too short"),
            (model + sample, len(model) - 32, 1, "engine: not the model's length"),
            (b"ASAY\x05\x11".ljust(576, b"\0") + sample, 576, 1, "engine: not the model's length"),
            (model[:-1], len(model), 0, "engine: not whole samples"),
            (model + sample[:-1], len(model), 1, "engine: not whole samples"),
            (other + sample, len(other), 1, "engine: not whole samples"),
            (model + sample, len(model), 2, "engine: mask beyond samples"),
            (model, len(model), 1, "engine: mask beyond samples"),
            (model + sample * 257, len(model), 1, "engine: too many samples"),
        ):
            with boa.reverts(reason):
                stepped.engine.predict(payload, size, mask)


@pytest.mark.parametrize("missing", range(4))
def test_its_parts_must_be_contracts(missing: int) -> None:
    chain = Chain()
    with chain.active():
        engine = deploy_segmented_engine()
        parts = [engine.address] * 4
        parts[missing] = chain.account("nobody")
        with boa.reverts("engine: no such contract"):
            compile_contract(engine.compiler_data.file_input.path).deploy(*parts)


def test_sixteen_segments_make_a_model_and_one_may_come_again(world: World) -> None:
    again = trunk_of(build((2, 4, 4), [{"outputs": 2}], seed=7))
    last = LAST["dense"].last
    assert isinstance(last, Network)
    network = SegmentedNetwork(trunks=(again,) * 15, last=last)
    files = files_of(network)
    model = networks.model_of(network)
    with world.chain.active(), world.chain.env.anchor():
        world.engine.register(files[0])
        bound = world.engine.validate(model, SIZE, 4, 4)
        assert bound == world.engine.validate(networks.model_of(LAST["dense"]), SIZE, 4, 4) + 13 * 5_000
        found = SAMPLES[:1]
        for trunk, file in zip(network.trunks, files, strict=False):
            world.engine.step(file + pack_samples(found, 4), len(file))
            found = outputs(trunk, found)
        world.engine.step(files[-1] + pack_samples(found, 4), len(files[-1]))
        assert world.predict(network, SAMPLES[:1], 1)[0] == predict(network, SAMPLES[:1])[0]


def test_each_segment_has_its_own_bits(world: World) -> None:
    network = cut(build((1, 4, 4), [{"outputs": 2}, {"outputs": 4}], bits=(8, 2, 4), classes=3), fits=one_layer)
    with world.chain.active(), world.chain.env.anchor():
        first, last = (world.engine.segment_of(world.engine.register(file)) for file in files_of(network))
        assert (first.input_bits, first.input_bytes, first.output_bits, first.output_bytes) == (8, 16, 2, 8)
        assert (last.input_bits, last.input_bytes, last.classes) == (2, 8, 3)
        assert world.engine.validate(networks.model_of(network), 16, 8, 3)
        wide = cut(build((1, 4, 4), [{"outputs": 1}, {"outputs": 4}], bits=(8, 4, 4), classes=3), fits=one_layer)
        mixed = (files_of(wide)[0], files_of(network)[1])
        world.engine.register(mixed[0])
        with boa.reverts("engine: other input bits"):
            # 16 numbers of 4 bits, where 32 of 2 bits are wanted
            world.engine.validate(model_of(mixed), 16, 8, 3)


def test_what_leaves_no_room_for_its_input_is_no_segment(world: World) -> None:
    """No step of it could ever be run, so that nobody could disprove what its model is said to predict."""
    dense = random_network((784, 153, 10), input_bits=8, activation_bits=8, weight_bits=8)
    assert len(encode_dense(dense)) <= MAX_MODEL_BYTES < len(encode_dense(dense)) + 784
    with world.chain.active(), boa.reverts("engine: no room for an input"):
        world.engine.register(encode_dense(dense))
    with pytest.raises(EncodingError, match="the segment and its input take 126998 bytes"):
        files_of(SegmentedNetwork(trunks=(), last=dense))


Shape = tuple[int, int, int]


@pytest.mark.parametrize(
    ("shape", "halve", "bits", "outputs_"),
    # much of it is unpacking a sample of 97,280 bytes; kernels and products
    [((190, 32, 16), 1, (8, 1, 4), range(1, 16)), ((64, 8, 8), 0, (4, 4, 4), range(150, 170))],
)
def test_the_dearest_step_fits_a_transaction(shape: Shape, halve: int, bits: Shape, outputs_: range) -> None:
    """With its calldata; what could not be run could not be disproven."""
    found = [trunk_of(build(shape, [{"outputs": n, "halve": halve}], bits=bits, bound=2**13)) for n in outputs_]
    trunk = [one for one in found if has_encoding(one)][-1]
    file, sample = encode(trunk), images(trunk, 2)[1:]
    packed = pack_samples(sample, bits[0])
    assert cost(trunk) + 16 * (len(file) + len(packed)) > 0.94 * MAX_TRUNK_COST
    chain = Chain()
    sender = chain.account("somebody", 10**18)
    with chain.active():
        steps = Steps(chain, deploy_segmented_engine().address, gas_limit=TRANSACTION_CAP)
        (registered,) = steps.register([file], sender=sender)
        done = chain.send(steps.engine.step, file + packed, len(file), sender=sender, gas_limit=TRANSACTION_CAP)
        assert done.result == keccak(pack_samples(outputs(trunk, sample), bits[1]))
        assert max(registered.transaction_gas, done.transaction_gas) < TRANSACTION_CAP
        if bits[1] == 1:
            # a first segment of so large a sample
            last = random_network((len(outputs(trunk, sample)[0]), 2), input_bits=1, activation_bits=1, weight_bits=4)
            end = encode_dense(last)
            list(steps.register([end], sender=sender))
            made = pack_samples(outputs(trunk, sample), 1)
            chain.send(steps.engine.step, end + made, len(end), sender=sender)
            model = model_of((file, end))
            bound = steps.engine.validate(model, len(packed), bits[0], 2)
            answered = chain.send(steps.engine.predict, model + packed, len(model), 1, sender=sender)
            assert answered.execution_gas <= bound <= 2.5 * answered.execution_gas


def test_with_too_little_gas_nothing_is_remembered(world: World) -> None:
    """What runs out of gas inside must not look like an answer."""
    file, packed = files_of(LAST["dense"])[0], pack_samples(SAMPLES[2:], 4)
    with world.chain.active():
        with world.chain.env.anchor():
            world.engine.step(file + packed, len(file))
            used = world.engine._computation.get_gas_used()
        for share in range(1, 50):
            with boa.reverts():
                world.engine.step(file + packed, len(file), gas=used * share // 50)
        assert world.engine.output_of(keccak(file), keccak(packed)) == bytes(32)
