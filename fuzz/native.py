"""Contracts on revm: the bytecode that titanoboa deploys, run hundreds of times as fast, with gas to the unit.

titanoboa deploys (`image`), this machine calls. It is for contracts that keep no storage: what is taken over is their
code, immutables included, at their addresses.

Every call gets a fresh machine. That costs 0.03 ms and leaves nothing to go wrong: in a machine that is used again
addresses stay warm, transient storage lives on and the journal grows. The machine follows the rules of Cancun, the last
whose gas of a transaction has no floor for calldata (EIP-7623) in it: take the intrinsic gas off and the execution's
is left.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import boa
import pyrevm
from boa.util.abi import Address
from eth.exceptions import Revert
from eth_abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

CALLER = "0x" + "c0" * 20
ERROR = bytes.fromhex("08c379a0")
MUCH_GAS = 4_000_000_000


@dataclass(frozen=True)
class Answer:
    """What a call did.

    output: return data, or revert data.
    reason: None if it succeeded; else the reason it reverted with, "" without one.
    gas:    execution gas; the transaction's 21,000 and its calldata are not in it.
    halted: the machine's word for an end that is neither return nor revert, such as "OutOfGas".
    """

    output: bytes
    reason: str | None
    gas: int
    halted: str = ""


@dataclass(frozen=True)
class Image:
    """Contracts without storage, taken from titanoboa: the code at each address, and the one that is called."""

    address: str
    codes: dict[str, bytes] = field(repr=False)


class _Recorder(boa.Env):
    """An environment that remembers where code was put."""

    def __init__(self) -> None:
        super().__init__()
        self.deployed: list[Any] = []

    def deploy(self, *args: Any, **kwargs: Any) -> Any:
        address, computation = super().deploy(*args, **kwargs)
        self.deployed.append(address)
        return address, computation


def image(deploy: Callable[[], Any]) -> Image:
    """All that `deploy` puts into an environment of its own; it returns the contract that will be called."""
    env = _Recorder()
    with boa.swap_env(env):
        contract = deploy()
    codes = {str(address): bytes(env.get_code(address)) for address in env.deployed}
    return Image(address=str(Address(contract.address)), codes=codes)


def intrinsic_gas(calldata: bytes) -> int:
    """What a transaction pays before its first step."""
    zeros = calldata.count(0)
    return 21_000 + 4 * zeros + 16 * (len(calldata) - zeros)


class Machine(Protocol):
    """Answers static calls of one contract."""

    def call(self, data: bytes, *, gas: int = MUCH_GAS) -> Answer: ...


class Interpreted:
    """titanoboa's machine, below its contract objects: slow, and seen by `--contract-coverage`."""

    def __init__(self, deploy: Callable[[], Any]) -> None:
        # of its own: what makes addresses cold again would take the checkpoints of anchors with it
        self.env = boa.Env()
        with boa.swap_env(self.env):
            self.address = deploy().address

    def call(self, data: bytes, *, gas: int = MUCH_GAS) -> Answer:
        """A static call as the only call of a transaction; `gas` is what the execution itself may take."""
        self.env._reset_access_counters()
        self.env.evm.vm.state.mark_address_warm(self.address.canonical_address)
        done = self.env.execute_code(to_address=self.address, data=data, gas=gas, is_modifying=False, ir_executor=None)
        output, used = bytes(done.output), int(done.get_gas_used())
        if not done.is_error:
            return Answer(output, None, used)
        if not isinstance(done.error, Revert):
            return Answer(b"", "", used, type(done.error).__name__)
        return Answer(output, reason_of(output), used)


class Native:
    """A machine that holds an image and answers calls."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._accounts = [(address, pyrevm.AccountInfo(code=code)) for address, code in image.codes.items()]

    def call(self, data: bytes, *, gas: int = MUCH_GAS, to: str | None = None) -> Answer:
        """A static call as the only call of a transaction: all addresses but `to` are cold.

        gas: what the execution itself may take.
        """
        machine = pyrevm.EVM(gas_limit=2**62, spec_id="CANCUN")
        for address, account in self._accounts:
            machine.insert_account_info(address, account)
        before = intrinsic_gas(data)
        # pyrevm raises on every end but success, and `result` says which; anything else it raises passes through
        try:
            output = machine.message_call(CALLER, to or self.image.address, data, gas=gas + before, is_static=True)
        except RuntimeError as error:
            done = machine.result
            if done is None or done.is_success:
                raise
            used = done.gas_used - before
            if done.is_halt:
                return Answer(b"", "", used, str(done.reason))
            output = bytes.fromhex(str(error).partition("output: 0x")[2].partition(" ")[0])
            return Answer(output, reason_of(output), used)
        return Answer(bytes(output), None, machine.result.gas_used - before)


def reason_of(output: bytes) -> str:
    """The text of revert data, "" where there is none."""
    if output[:4] != ERROR:
        return ""
    try:
        return str(abi_decode(["string"], output[4:])[0])
    except DecodingError:
        return ""
