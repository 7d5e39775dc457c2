"""What is fuzzed: an engine behind its public interface, and the Python that it must agree with.

A second engine is a second `Subject`. Nothing else in this folder knows which one it is looking at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from eth_abi import decode as abi_decode
from eth_hash.auto import keccak

from fuzz.native import MUCH_GAS, Answer, Image, Native, image
from trainer import encode as encoding
from trainer.chain import deploy_engine
from trainer.encode import encode, pack_samples
from trainer.errors import EncodingError
from trainer.integer import INPUT_BITS, WEIGHT_BITS, Int64, Network, Uint8, quantum

SIGNATURES = {
    "validate": "validate(bytes,uint256,uint256,uint256)",
    "predict": "predict(bytes,uint256,uint256)",
    "logits": "logits(bytes,bytes,uint256)",
    "cost": "cost(bytes)",
}
SELECTORS = {name: keccak(text.encode())[:4] for name, text in SIGNATURES.items()}

ANY_MODEL_GAS = 80_000_000
"""More than `predict` takes for one set of 16 samples, whatever it is given: it ends, as models or not."""


def calldata(method: str, *args: bytes | int) -> bytes:
    """ABI encoding of a call of the engine."""
    head, tail = b"", b""
    for arg in args:
        if isinstance(arg, bytes):
            head += (32 * len(args) + len(tail)).to_bytes(32)
            tail += len(arg).to_bytes(32) + arg + bytes(-len(arg) % 32)
        else:
            head += arg.to_bytes(32)
    return SELECTORS[method] + head + tail


class Engine:
    """A deployed engine on revm; every method but `call` expects success."""

    def __init__(self, image: Image) -> None:
        self.machine = Native(image)

    def call(self, method: str, *args: bytes | int, gas: int = MUCH_GAS) -> Answer:
        return self.machine.call(calldata(method, *args), gas=gas)

    def answer(self, method: str, *args: bytes | int) -> bytes:
        done = self.call(method, *args)
        assert done.reason is None, f"{method}: {done.reason!r} {done.halted}"
        return done.output

    def validate(self, network: Network) -> int:
        """The bound of gas that the engine promises for one sample."""
        sample_bytes = network.widths[0] * network.input_bits // 8
        return int.from_bytes(
            self.answer("validate", encode(network), sample_bytes, network.input_bits, network.classes)
        )

    def predict(self, network: Network, samples: Uint8, mask: int | None = None) -> bytes:
        """The words that `predict` returns, joined: byte j is the class of sample j."""
        mask = (1 << len(samples)) - 1 if mask is None else mask
        model = encode(network)
        return words_of(self.answer("predict", model + pack_samples(samples, network.input_bits), len(model), mask))

    def logits(self, network: Network, samples: Uint8, index: int) -> list[int]:
        output = self.answer("logits", encode(network), pack_samples(samples, network.input_bits), index)
        return list(abi_decode(["int256[]"], output)[0])


def words_of(output: bytes) -> bytes:
    """The words of `predict`'s return data, joined; the data is exactly that."""
    count = int.from_bytes(output[32:64])
    assert int.from_bytes(output[:32]) == 32, "return data does not begin with its offset"
    assert len(output) == 64 + 32 * count, f"{len(output)} bytes of return data for {count} words"
    return output[64:]


@dataclass(frozen=True)
class Subject:
    """An engine and its rules.

    triples: bits of inputs, activations, weights that a network may have.
    levels:  the weights there are at a number of bits, ascending.
    reasons: every reason that the engine gives.
    deploy:  puts the engine into titanoboa's environment.
    never:   events of `reached.py` that its networks cannot bring about.
    """

    name: str
    triples: tuple[tuple[int, int, int], ...]
    levels: Callable[[int], Int64]
    reasons: frozenset[str]
    deploy: Callable[[], Any]
    never: frozenset[str] = frozenset()

    # what the engine is compared with; all engines share it as long as the header says which one is meant
    def encode(self, network: Network) -> bytes:
        return encoding.encode(network)

    def decode(self, model: bytes) -> Network:
        """Raises `EncodingError` for another engine's networks, too."""
        network = encoding.decode(model)
        if (network.input_bits, network.activation_bits, network.weight_bits) not in self.triples:
            raise EncodingError(f"{network.weight_bits} weight bits are not for the {self.name} engine")
        return network

    def cost(self, network: Network) -> int:
        return encoding.cost(network)


REASONS = frozenset(
    "engine: " + text
    for text in (
        "model too short",
        "bad magic or version",
        "bad number of layers",
        "bad input bits",
        "bad activation bits",
        "bad weight bits",
        "bad width",
        "unused width not zero",
        "bad shift",
        "unused shift not zero",
        "last byte not zero",
        "bad number of classes",
        "input not whole bytes",
        "other input bits",
        "other sample size",
        "other number of classes",
        "sample costs too much",
        "wrong length",
        "lanes not canonical",
        "accumulator too large",
        "not whole samples",
        "too many samples",
        "mask beyond samples",
        "no such sample",
    )
)


def _symmetric(bits: int) -> Int64:
    return np.arange(-quantum(bits), quantum(bits) + 1)


DENSE = Subject(
    name="dense",
    triples=tuple(product(INPUT_BITS, INPUT_BITS, WEIGHT_BITS)),
    levels=_symmetric,
    reasons=REASONS,
    deploy=deploy_engine,
)
SUBJECTS = {subject.name: subject for subject in (DENSE,)}


@cache
def image_of(subject_name: str) -> Image:
    """The subject's code, compiled once a process."""
    return image(SUBJECTS[subject_name].deploy)
