"""The dense engine for tests: compiled once a process, and called below boa's tracebacks, which are slow."""

import functools
from dataclasses import dataclass
from typing import Any

from eth_abi import decode as abi_decode

from trainer.chain import CONTRACTS, compile_contract
from trainer.encode import encode, pack_samples
from trainer.integer import Network, Uint8

ERROR = bytes.fromhex("08c379a0")


@functools.cache
def deployer(name: str = "DenseEngine") -> Any:
    return compile_contract(CONTRACTS / f"{name}.vy")


@dataclass(frozen=True)
class Answer:
    """What a call returned, or the reason it was refused with ("" without one), and its execution gas."""

    output: bytes
    reason: str | None
    gas: int


class Engine:
    """A deployed engine; every method but `call` expects success."""

    def __init__(self) -> None:
        self.validator = deployer("DenseValidator").deploy()
        self.contract = deployer().deploy(self.validator.address, deployer("DenseWideKernel").deploy().address)

    def call(self, method: str, *args: Any, gas: int = 200_000_000) -> Answer:
        data = getattr(self.contract, method).prepare_calldata(*args)
        done = self.contract.env.execute_code(
            to_address=self.contract.address, data=data, gas=gas, is_modifying=False, ir_executor=None
        )
        reason = None
        if done.is_error:
            reason = abi_decode(["string"], done.output[4:])[0] if done.output[:4] == ERROR else ""
        return Answer(output=done.output, reason=reason, gas=done.get_gas_used())

    def answer(self, method: str, *args: Any) -> bytes:
        done = self.call(method, *args)
        assert done.reason is None, f"{method}: {done.reason!r}"
        return done.output

    def validate(self, network: Network) -> int:
        sample_bytes = network.widths[0] * network.input_bits // 8
        return int.from_bytes(
            self.answer("validate", encode(network), sample_bytes, network.input_bits, network.classes)
        )

    def words(self, model: bytes, samples: bytes, mask: int) -> bytes:
        """The words that `predict` returns, joined: byte j is the class of sample j."""
        words = abi_decode(["bytes32[]"], self.answer("predict", model + samples, len(model), mask))[0]
        return b"".join(words)

    def predict(self, network: Network, samples: Uint8, mask: int | None = None) -> bytes:
        mask = (1 << len(samples)) - 1 if mask is None else mask
        return self.words(encode(network), pack_samples(samples, network.input_bits), mask)

    def logits(self, network: Network, samples: Uint8, index: int) -> list[int]:
        output = self.answer("logits", encode(network), pack_samples(samples, network.input_bits), index)
        return list(abi_decode(["int256[]"], output)[0])
