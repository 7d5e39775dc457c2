"""What is fuzzed: an engine behind its public interface, and the Python that it must agree with.

An engine is a `Subject`. Nothing else in this folder knows which one it is looking at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from eth_abi import decode as abi_decode
from eth_hash.auto import keccak

from fuzz.backends import Boa, Revm, chosen
from fuzz.engine.layouts import Binary, Dense, Layout
from fuzz.native import MUCH_GAS, Answer, Image, Interpreted, Machine, Native, image
from trainer import encode as encoding
from trainer.chain import deploy_binary_engine, deploy_engine
from trainer.encode import encode, pack_samples
from trainer.errors import EncodingError
from trainer.integer import BINARY, INPUT_BITS, MAX_LAYERS, MAX_WIDTH, WEIGHT_BITS, Int64, Network, Uint8, quantum

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
    """A deployed engine; every method but `call` expects success."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

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

    def words(self, model: bytes, samples: bytes, mask: int) -> bytes:
        """The words that `predict` returns, joined: byte j is the class of sample j."""
        return words_of(self.answer("predict", model + samples, len(model), mask))

    def predict(self, network: Network, samples: Uint8, mask: int | None = None) -> bytes:
        mask = (1 << len(samples)) - 1 if mask is None else mask
        return self.words(encode(network), pack_samples(samples, network.input_bits), mask)

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
    stored:  at a number of bits, the fields that are weights.
    layout:  how its files lie, and the edges of its kernels.
    shifts:  kinds of shifts; the first is that of fitted networks.
    reasons: every reason that the engine gives.
    faults:  parts of what the decoder says of files, all of which must occur.
    deploy:  puts the engine into titanoboa's environment.
    wide_inputs, wide_layers: widths that few networks can have.
    layers_behind_wide_inputs: so few that what the first one gets wrong still shows.
    wide_samples: what every other sample is where a network has the most inputs.
    never:   events of `reached.py` that its networks cannot bring about.
    """

    name: str
    triples: tuple[tuple[int, int, int], ...]
    levels: Callable[[int], Int64]
    stored: Callable[[int], range]
    layout: Layout
    shifts: tuple[str, ...]
    reasons: frozenset[str]
    faults: tuple[str, ...]
    deploy: Callable[[], Any]
    wide_inputs: tuple[int, ...]
    wide_layers: tuple[int, ...]
    layers_behind_wide_inputs: int = MAX_LAYERS
    wide_samples: str | None = None
    never: frozenset[str] = frozenset()

    @property
    def bits(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of bits that inputs, activations and weights may have."""
        return tuple(tuple(sorted(set(values))) for values in zip(*self.triples, strict=True))

    @property
    def blank(self) -> int:
        """The plainest weight."""
        return int(min(self.levels(self.triples[0][2]).tolist(), key=lambda level: (abs(level), -level)))

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


SHARED_REASONS = frozenset(
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
        "accumulator too large",
        "not whole samples",
        "too many samples",
        "mask beyond samples",
        "no such sample",
    )
)
SHARED_FAULTS = ("can reach", "the header asks for")


def _symmetric(bits: int) -> Int64:
    return np.arange(-quantum(bits), quantum(bits) + 1)


def _signs(bits: int) -> Int64:
    return np.array([-1, 1])


DENSE = Subject(
    name="dense",
    triples=tuple(product(INPUT_BITS, INPUT_BITS, WEIGHT_BITS)),
    levels=_symmetric,
    stored=lambda bits: range(1, 1 << bits),
    layout=Dense(),
    shifts=("fitted", "0", "31", "any"),
    reasons=SHARED_REASONS | {"engine: lanes not canonical"},
    faults=("without input is not zero", "with input is zero", *SHARED_FAULTS),
    deploy=deploy_engine,
    wide_inputs=(4096, 4088, 3584, 2048, 1030),
    wide_layers=(3000, 2800, 2500, 2049, 1025),
)
BINARY_ENGINE = Subject(
    name="binary",
    triples=((1, 1, BINARY),),
    levels=_signs,
    stored=lambda _: range(2),
    layout=Binary(),
    shifts=("0",),
    reasons=SHARED_REASONS | {"engine: unused bits not zero"},
    faults=("behind the last weight is not zero", *SHARED_FAULTS),
    deploy=deploy_binary_engine,
    wide_inputs=(MAX_WIDTH, MAX_WIDTH, MAX_WIDTH, MAX_WIDTH, 3904, 3073),
    wide_layers=(MAX_WIDTH, 3841, 3840, 3073, 3072, 2305, 1601),
    layers_behind_wide_inputs=2,
    # where they are all different from a row, its count is 4096, and its threshold near
    wide_samples="aligned against",
    # nothing is between 0 and 1; that many weights take too long, one by one
    never=frozenset({"activation is between", "file above 100 KiB"}),
)
SUBJECTS = {subject.name: subject for subject in (DENSE, BINARY_ENGINE)}


@cache
def image_of(subject_name: str) -> Image:
    """The subject's code, compiled once a process."""
    return image(SUBJECTS[subject_name].deploy)


def engine_on(backend: str, subject_name: str) -> Engine:
    """An engine on one of the two machines."""
    assert backend in (Boa.name, Revm.name), f"no backend {backend!r}"
    native = backend == Revm.name
    return Engine(Native(image_of(subject_name)) if native else Interpreted(SUBJECTS[subject_name].deploy))


def engine_for_tests(subject_name: str) -> Engine:
    """An engine where `pytest --backend` wants it."""
    return engine_on(chosen(), subject_name)
