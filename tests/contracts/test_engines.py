"""What all engines have in common: size, purity, masks, payloads, and calls from another contract."""

from dataclasses import dataclass
from pathlib import Path

import boa
import pytest

from contracts import generate, generate_binary, generate_convolution
from fuzz.engine.subject import SUBJECTS, Engine, engine_for_tests
from tests.binary_strategies import binary_network
from tests.strategies import random_group, random_network
from trainer.chain import CONTRACTS, compile_contract
from trainer.encode import classes_of, encode, pack_samples
from trainer.integer import Network, predict

NETWORKS = {
    "dense, 4 bits": random_network((10, 5, 3), input_bits=4, activation_bits=4, weight_bits=4),
    "dense, 8 bits": random_network((9, 5, 3), input_bits=8, activation_bits=8, weight_bits=8),
    "binary": binary_network((24, 11, 3)),
}
"""One for each kernel contract, by the name of its engine."""
PURE = ("DenseWideKernel", "DenseValidator", "BinaryValidator", "ConvolutionValidator", "ConvolutionTrunk")
"""Contracts that call nothing; the others call these."""
CALLING = ("DenseEngine", "BinaryEngine", "ConvolutionEngine")
REMEMBERING = ("SegmentedEngine",)
"""Contracts that besides remember what came out."""


@dataclass(frozen=True)
class Case:
    """An engine with a model of its own."""

    engine: Engine
    network: Network
    model: bytes
    sample_bytes: int

    def refusal(self, method: str, *args: bytes | int) -> str | None:
        return self.engine.call(method, *args).reason


def engine_of(name: str) -> str:
    return name.partition(",")[0]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> Case:
    network = NETWORKS[request.param]
    sample_bytes = network.widths[0] * network.input_bits // 8
    return Case(engine_for_tests(engine_of(request.param)), network, encode(network), sample_bytes)


def sources(kind: str) -> list[Path]:
    return [*sorted(CONTRACTS.glob(f"{kind}*.vy")), CONTRACTS / "modules" / f"{kind.lower()}_layout.vy"]


def test_the_committed_sources_are_what_the_generators_write() -> None:
    assert set(generate.TARGETS) == {"DenseEngine", "DenseWideKernel"}
    for name in generate.TARGETS:
        assert (CONTRACTS / f"{name}.vy").read_text() == generate.generate(name)
    assert Path(generate_binary.TARGET).read_text() == generate_binary.generate()
    assert set(generate_convolution.TARGETS) == {"ConvolutionEngine", "ConvolutionTrunk"}
    for name in generate_convolution.TARGETS:
        assert (CONTRACTS / f"{name}.vy").read_text() == generate_convolution.generate(name)


@pytest.mark.parametrize("name", [*PURE, *CALLING, *REMEMBERING])
def test_it_fits_into_a_contract(name: str) -> None:
    compiled = compile_contract(CONTRACTS / f"{name}.vy").compiler_data
    assert len(compiled.bytecode_runtime) <= 24_576
    assert len(compiled.bytecode) <= 49_152


@pytest.mark.parametrize("name", [*PURE, *CALLING, *REMEMBERING])
def test_it_has_no_storage_and_makes_no_calls(name: str) -> None:
    """But for an engine's to its validator and its wide kernel, which change nothing, and what one remembers."""
    assembly = compile_contract(CONTRACTS / f"{name}.vy").compiler_data.assembly_runtime
    opcodes = {item for item in assembly if isinstance(item, str)}
    assert "MSTORE" in opcodes
    state = {"SLOAD", "SSTORE", "TLOAD", "TSTORE"}
    calls = {"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2", "SELFDESTRUCT"}
    world = {"CALLER", "ORIGIN", "TIMESTAMP", "NUMBER", "GAS", "COINBASE", "BALANCE", "SELFBALANCE", "LOG0", "LOG1"}
    allowed = {"STATICCALL", "GAS"} if name in CALLING + REMEMBERING else set()
    if name in REMEMBERING:
        allowed |= {"SLOAD", "SSTORE"}
    assert not opcodes & ((state | calls | world) - allowed)


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
def test_a_mask_must_fit_the_samples(case: Case, count: int, mask: int, reason: str) -> None:
    samples = bytes(case.sample_bytes * count)
    assert case.refusal("predict", case.model + samples, len(case.model), mask) == reason


def test_an_empty_mask_has_an_empty_answer(case: Case) -> None:
    for count in (0, 1, 32, 33, 256):
        samples = bytes(case.sample_bytes * count)
        assert case.engine.words(case.model, samples, 0) == bytes(-(-count // 32) * 32)


def test_samples_must_be_whole(case: Case) -> None:
    model, size = case.model, case.sample_bytes
    for other in (size + 1, size - 1, 1):
        assert case.refusal("predict", model + bytes(other), len(model), 1) == "engine: not whole samples"
    for length in (len(model) + 1, len(model) - 1, len(model) + size + 1, 2**256 - 1):
        assert case.refusal("predict", model + bytes(size), length, 1) == "engine: not whole samples"
    assert case.refusal("logits", model, bytes(size + 1), 0) == "engine: not whole samples"
    assert case.refusal("logits", model, bytes(size), 1) == "engine: no such sample"


def test_what_has_no_header_is_refused(case: Case) -> None:
    short, sample = case.model[:31], bytes(case.sample_bytes)
    assert case.refusal("predict", short, 31, 0) == "engine: model too short"
    assert case.refusal("logits", short, sample, 0) == "engine: model too short"
    assert case.refusal("cost", short) == "engine: model too short"


def test_widths_that_are_nothing_or_too_much_do_not_answer(case: Case) -> None:
    start = case.model[:5] + bytes([7]) + case.model[6:9]
    nothing, wide = (start + b"".join(w.to_bytes(2) for w in widths) + bytes(7) for widths in ((0, *[3] * 7), WIDE))
    assert case.refusal("predict", nothing + bytes(9), 32, 1) == "engine: not whole samples"
    # rows that are not there are read to the end of the payload, and no further
    sample = bytes(4096 * case.network.input_bits // 8)
    assert case.refusal("predict", wide + sample, 32, 1) is not None


def test_the_wide_kernel_refuses_what_has_no_header_by_itself() -> None:
    kernel = compile_contract(CONTRACTS / "DenseWideKernel.vy").deploy()
    with boa.reverts("engine: model too short"):
        kernel.predict(bytes(31), 31, 0)


WIDE = (*[4096] * 7, 256)

CALLER = """
# pragma version 0.4.3
interface IEngine:
    def validate(model: Bytes[126976], size: uint256, bits: uint256, classes: uint256) -> uint256: view
    def predict(payload: Bytes[126976], size: uint256, mask: uint256) -> DynArray[bytes32, 8]: view

@external
def run(
    engine: IEngine, model: Bytes[61440], samples: Bytes[61440], size: uint256, bits: uint256, classes: uint256
) -> bytes32:
    cost: uint256 = staticcall engine.validate(model, size, bits, classes)
    words: DynArray[bytes32, 8] = staticcall engine.predict(concat(model, samples), len(model), 3)
    return words[0]
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_another_contract_can_call_it(name: str) -> None:
    """As the market does, with the reasons of refusals passed on."""
    network, engine = NETWORKS[name], SUBJECTS[engine_of(name)].deploy()
    samples = random_group(network, 2)
    caller = boa.loads(CALLER)
    bits = network.input_bits
    asked = (pack_samples(samples, bits), network.widths[0] * bits // 8, bits, network.classes)
    word = caller.run(engine.address, encode(network), *asked)
    assert classes_of(word, 2).tolist() == predict(network, samples).tolist()
    with boa.reverts("engine: wrong length"):
        caller.run(engine.address, encode(network) + b"\0", *asked)


@pytest.mark.parametrize("kind", ["Dense", "Binary", "Convolution"])
def test_every_reason_of_the_source_is_short_and_named(kind: str) -> None:
    lines = [line.strip() for source in sources(kind) for line in source.read_text().splitlines()]
    asserts = [line for line in lines if line.startswith("assert")]
    assert len(asserts) > 15
    for line in asserts:
        reason = line.rsplit('"', 2)[1]
        assert reason.startswith("engine: ")
        assert len(reason) <= 32
