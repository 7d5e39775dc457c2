"""What must hold: of a network and samples, and of any byte string."""

from random import Random

import numpy as np
from eth_abi import decode as abi_decode

from fuzz.engine.networks import Case
from fuzz.engine.reached import Reached
from fuzz.engine.subject import ANY_MODEL_GAS, Engine, Subject, words_of
from trainer import integer
from trainer.encode import MAX_GROUP, pack_samples
from trainer.errors import EncodingError
from trainer.integer import Network, Uint8

MAX_BATCH = 256


def same(name: str, engine: object, spec: object) -> None:
    """Fails with both sides."""
    assert engine == spec, f"{name}: engine {engine}, specification {spec}"


def masked(classes: Uint8, mask: int) -> bytes:
    """What `predict` returns of these classes: whole words, zero outside the mask."""
    chosen = bytes(int(c) if mask >> j & 1 else 0 for j, c in enumerate(classes))
    return chosen + bytes(-len(chosen) % MAX_GROUP)


def agree(subject: Subject, engine: Engine, case: Case) -> None:
    """Engine and specification say the same of this network and these samples, within the gas that was promised."""
    network, samples, mask = case.network, case.samples, case.mask
    model = subject.encode(network)
    same("decoded network", _arrays(subject.decode(model)), _arrays(network))
    sample_bytes = network.widths[0] * network.input_bits // 8
    done = engine.call("validate", model, sample_bytes, network.input_bits, network.classes)
    same("reason of validate", done.reason, None)
    bound = int.from_bytes(done.output)
    same("bound of gas", bound, subject.cost(network))
    same("answer of cost", int.from_bytes(engine.answer("cost", model)), bound)

    packed, classes = pack_samples(samples, network.input_bits), integer.predict(network, samples)
    done = engine.call("predict", model + packed, len(model), mask)
    same("reason of predict", (done.reason, done.halted), (None, ""))
    same("classes", words_of(done.output).hex(), masked(classes, mask).hex())
    # one sample by itself: where it stands is part of the price, so the last one and another
    for j in {len(samples) - 1, mask.bit_length() // 2}:
        done = engine.call("predict", model + packed, len(model), 1 << j, gas=bound)
        same(f"reason of predict for sample {j}, with {bound} gas", (done.reason, done.halted), (None, ""))
        same(f"class of sample {j}", words_of(done.output).hex(), masked(classes, 1 << j).hex())
    j = mask.bit_length() % len(samples)
    output = engine.answer("logits", model, packed, j)
    same(
        f"logits of sample {j}", list(abi_decode(["int256[]"], output)[0]), integer.logits(network, samples)[j].tolist()
    )


def _arrays(network: Network) -> tuple[object, ...]:
    layers = [(layer.weights.tolist(), layer.bias.tolist(), layer.shift) for layer in network.layers]
    return layers, network.input_bits, network.activation_bits, network.weight_bits


def asked_by(model: bytes) -> tuple[int, int, int]:
    """Bytes of a sample, bits and classes that a header speaks of: then only the encoding can be at fault."""
    header = model[:32].ljust(32, b"\0")
    layers, bits = min(header[5], 7), header[6]
    at = 9 + 2 * layers
    return int.from_bytes(header[9:11]) * bits // 8, bits, int.from_bytes(header[at : at + 2])


def judge(subject: Subject, engine: Engine, model: bytes, rng: Random, reached: Reached) -> str:
    """Engine and decoder accept these bytes both, and agree about what they compute, or refuse them both.

    Returns "accepted" or "refused". `predict` gets the bytes in either case: it must end.
    """
    asked = asked_by(model)
    done = engine.call("validate", model, *asked)
    network, fault = None, ""
    try:
        network = subject.decode(model)
    except EncodingError as error:
        fault = str(error)
    if network is None:
        assert done.reason is not None, f"the engine accepts what the decoder refuses: {fault}"
        assert done.reason in subject.reasons, f"unknown reason {done.reason!r} {done.halted}, decoder: {fault}"
        reached["refusal", done.reason] += 1
        reached["decoder's fault", _kind(subject, fault)] += 1
        # the first width stands in bytes 9 and 10
        width, bits = int.from_bytes(model[9:11].ljust(2, b"\0")), asked[1]
        survive(engine, model, subject.layout.sample_bytes(width, bits), rng, reached)
        return "refused"
    assert done.reason is None, f"the engine refuses what the decoder accepts: {done.reason!r} {done.halted}"
    assert subject.encode(network) == model, "decoded and encoded again, the bytes are others"
    bulk = np.random.default_rng(rng.getrandbits(32))
    count = rng.choice((1, 2, 3, 17))
    samples = bulk.integers(0, 2**network.input_bits, (count, network.widths[0]), dtype=np.uint8)
    samples[0] = rng.choice((0, 2**network.input_bits - 1))
    agree(subject, engine, Case(network, samples, rng.getrandbits(count)))
    return "accepted"


def _kind(subject: Subject, fault: str) -> str:
    return next((text for text in (*subject.faults, "unused field") if text in fault), "another")


def survive(engine: Engine, model: bytes, sample_bytes: int, rng: Random, reached: Reached) -> None:
    """`predict` on what is no model: it ends within its bound, and returns no more words than samples allow."""
    count = rng.choice((0, 1, 2, 16))
    samples = rng.randbytes(min(sample_bytes, 200) * count).ljust(sample_bytes * count, b"\0")[: 126_976 - len(model)]
    mask = rng.getrandbits(count) if count else 0
    done = engine.call("predict", model + samples, len(model), mask, gas=ANY_MODEL_GAS)
    assert not done.halted.startswith("OutOfGas"), f"predict takes more than {ANY_MODEL_GAS} gas"
    assert not done.halted or done.halted in ("OpcodeNotFound", "InvalidFEOpcode"), done.halted
    reached["predict without a model", "returns" if done.reason is None else "reverts"] += 1
    reached["predict without a model", "most gas"] = max(reached["predict without a model", "most gas"], done.gas)
    if done.reason is None:
        most = -(-(len(samples) // sample_bytes) // MAX_GROUP) if sample_bytes else 0
        assert len(words_of(done.output)) <= 32 * most, "more words than samples allow"
    else:
        assert done.reason == "" or done.reason.startswith("engine: "), done.reason


def misuse(subject: Subject, engine: Engine, case: Case, rng: Random, reached: Reached) -> None:
    """A valid model in wrong company: other data for `validate`; wrong lengths, masks and samples for `predict`."""
    network = case.network
    model, packed = subject.encode(network), pack_samples(case.samples, network.input_bits)
    size, asked = len(packed) // len(case.samples), list(asked_by(model))
    at = rng.randrange(3)
    asked[at] = rng.choice(
        [v for v in (0, asked[at] - 1, asked[at] + 1, 2**256 - 1, 2**253 + asked[at]) if v != asked[at]]
    )
    done = engine.call("validate", model, *asked)
    same("reason of validate", done.reason, "engine: other " + ("sample size", "input bits", "number of classes")[at])
    reached["refusal", str(done.reason)] += 1

    kind = rng.choice(("length", "mask", "samples", "short", "many", "index"))
    length, mask, data = len(model), case.mask, model + packed
    match kind:
        case "length":
            lengths = (0, length - 1, length + 1, length - size, length + size, len(data) + 1, 2**256 - 1)
            length = rng.choice([n for n in lengths if n >= 0])
        case "mask":
            mask |= 1 << rng.choice((min(len(case.samples), 255), 255))
        case "samples":
            cut = rng.randrange(1, size + 1)
            data = data[:-cut] + rng.randbytes(rng.randrange(cut))
        case "short":
            data = data[: rng.randrange(32)]
            length = rng.choice((0, len(data)))
        case "many":
            data = model + bytes(size * 257)
            if len(data) > 126_976:
                return
            mask = rng.choice((0, 1))
        case "index":
            done = engine.call("logits", model, packed, len(case.samples) + rng.choice((0, 1, 2**255)))
            same("reason of logits", done.reason, "engine: no such sample")
            reached["refusal", str(done.reason)] += 1
            return
    reached["misuse", kind] += 1
    left = len(data) - length
    if len(data) < 32:
        expected = "engine: model too short"
    elif left < 0 or left % size:
        expected = "engine: not whole samples"
    elif left // size > MAX_BATCH:
        expected = "engine: too many samples"
    elif mask >> left // size:
        expected = "engine: mask beyond samples"
    else:
        # another number of samples, or bytes of the model as samples: any answer will do, but it has its length
        done = engine.call("predict", data, length, mask)
        if done.reason is None:
            same("bytes of the answer", len(words_of(done.output)), 32 * -(-(left // size) // MAX_GROUP))
        assert done.reason in (None, ""), done.reason
        return
    done = engine.call("predict", data, length, mask)
    same("reason of predict", done.reason, expected)
    reached["refusal", expected] += 1
