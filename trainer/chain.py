"""A chain inside this process, through titanoboa: blocks, clock, deployments, and what a real transaction would pay."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import boa
from boa.util.abi import Address
from eth_abi.abi import decode
from eth_hash.auto import keccak

CONTRACTS = Path(__file__).resolve().parent.parent / "contracts"
CODE_LIMIT = 24_576
"""Bytes of code a contract may have (EIP-170)."""
GENESIS_TIME = 1_750_000_000
SECONDS_PER_BLOCK = 12
BLOCKHASH_REACH = 256
TRANSACTION_CAP = 2**24
"""Gas a transaction may ask for (EIP-7825)."""


@cache
def compile_contract(path: Path) -> Any:
    """A deployer for the Vyper file at `path`, compiled once a process; its own pragma says how it is optimised."""
    return boa.load_partial(str(path))


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One transaction.

    result:          what the call returned.
    execution_gas:   gas inside the call, all slots cold at its start.
    transaction_gas: what a real transaction would pay: intrinsic and calldata gas, refunds, the EIP-7623 floor.
    calldata:        what it carries.
    events:          decoded logs, in order.
    transaction:     its hash, 0x and 64 digits, where there is a node.
    """

    result: Any
    execution_gas: int
    transaction_gas: int
    calldata: bytes
    events: Sequence[Any]
    transaction: str = ""


class AnyChain(Protocol):
    """What clients need of a chain: this process's own, or one behind a node."""

    env: Any

    def active(self) -> AbstractContextManager[Any]:
        """Make this chain titanoboa's environment inside a `with` block."""
        ...

    @property
    def now(self) -> int:
        """Timestamp of the newest block, in seconds."""
        ...

    @property
    def block(self) -> int:
        """Number of the newest block."""
        ...

    @property
    def chain_id(self) -> int:
        """Chain id, as contracts see it."""
        ...

    def balance(self, address: str) -> int:
        """Wei of an account."""
        ...

    def contract(self, name: str, address: str) -> Any:
        """titanoboa's object for one of the project's contracts at an address."""
        ...

    def refusal(self, calls: Sequence[tuple[str, bytes]], *, sender: str) -> str | None:
        """Why one of the calls, each after those before it, would revert; None if none does. Nothing of them stays."""
        ...

    def send(
        self,
        function: Any,
        *args: Any,
        sender: str,
        value: int = 0,
        gas_limit: int | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Send one transaction."""
        ...


class Chain:
    """An in-process chain whose blocks, hashes and addresses follow from `seed` alone."""

    def __init__(self, seed: int = 0) -> None:
        """Start a fresh environment at a fixed time."""
        self.seed = seed
        self.env = boa.Env()
        # titanoboa draws its deployer from a source that all environments of a process share
        self.env.eoa = Address(self.account("deployer"))
        self.env.evm.patch.timestamp = GENESIS_TIME
        self.env.evm.patch.block_number = 1

    @contextmanager
    def active(self) -> Iterator["Chain"]:
        """Make this chain titanoboa's environment inside a `with` block."""
        with boa.swap_env(self.env):
            yield self

    @property
    def now(self) -> int:
        """Timestamp of the current block, in seconds."""
        return int(self.env.evm.patch.timestamp)

    @property
    def block(self) -> int:
        """Number of the current block."""
        return int(self.env.evm.patch.block_number)

    @property
    def chain_id(self) -> int:
        """Chain id, as contracts see it."""
        return int(self.env.evm.patch.chain_id)

    def account(self, name: str, balance: int = 0) -> str:
        """The address that belongs to a name, with at least this balance in wei."""
        address = str(Address(keccak(text_bytes("account", name))[-20:]))
        self.env.set_balance(address, max(balance, self.env.get_balance(address)))
        self.env.alias(address, name)
        return address

    def block_hash(self, number: int) -> bytes:
        """Hash of a block of this chain, 32 bytes."""
        return keccak(text_bytes("block", str(self.seed), str(number)))

    def mine(self, blocks: int = 1, seconds: int | None = None) -> None:
        """Move `blocks` on, and `seconds` (12 a block if not given)."""
        patch = self.env.evm.patch
        patch.block_number += blocks
        patch.timestamp += SECONDS_PER_BLOCK * blocks if seconds is None else seconds
        first = max(0, self.block - BLOCKHASH_REACH)
        patch.prev_hashes = [self.block_hash(number) for number in range(self.block - 1, first - 1, -1)]

    def mine_until(self, timestamp: int) -> None:
        """Move on to a block at exactly `timestamp`."""
        seconds = timestamp - self.now
        if seconds > 0:
            self.mine(max(1, seconds // SECONDS_PER_BLOCK), seconds)

    def balance(self, address: str) -> int:
        """Wei of an account."""
        return int(self.env.get_balance(address))

    def contract(self, name: str, address: str) -> Any:
        """titanoboa's object for one of the project's contracts at an address, with its source."""
        with self.active():
            return compile_contract(CONTRACTS / f"{name}.vy").at(address)

    def refusal(self, calls: Sequence[tuple[str, bytes]], *, sender: str) -> str | None:
        """Why one of the calls, each after those before it, would revert; None if none does. Nothing of them stays."""
        with self.env.anchor():
            for to, data in calls:
                done = self.env.execute_code(to_address=to, sender=sender, data=data)
                if done.is_error:
                    # Error(string)
                    output = done.output
                    return str(decode(["string"], output[4:])[0]) if len(output) > 4 else "no reason given"
        return None

    def send(
        self,
        function: Any,
        *args: Any,
        sender: str,
        value: int = 0,
        gas_limit: int | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Send one transaction as a node would charge it; raises `boa.BoaError` if it reverts.

        gas_limit: what the transaction asks for; calldata and the 21,000 are paid out of it first. None for plenty.
        key:       what a chain behind a node knows it by; of no use here.

        Not inside `env.anchor()`: what it seals for the next transaction cannot be rolled back.
        """
        contract = function.contract
        state = self.env.evm.vm.state
        # a transaction starts with cold slots, empty transient storage, and its own addresses warm (EIP-2929)
        state.lock_changes()
        self.env._reset_access_counters()
        state.clear_transient_storage()
        for address in (sender, contract.address):
            state.mark_address_warm(Address(address).canonical_address)
        state.mark_address_warm(state.coinbase)
        calldata = bytes(function.prepare_calldata(*args))
        gas = None if gas_limit is None else gas_limit - intrinsic_gas(calldata)
        result = function(*args, sender=sender, value=value, gas=gas)
        computation = contract._computation
        execution = int(computation.get_gas_used())
        return Receipt(
            result=result,
            execution_gas=execution,
            transaction_gas=transaction_gas(calldata, execution, int(computation.get_gas_refund())),
            calldata=calldata,
            events=tuple(contract.get_logs()),
        )


def text_bytes(*words: str) -> bytes:
    """Words joined into one preimage."""
    return "/".join(("assay", *words)).encode()


def tokens(calldata: bytes) -> int:
    """Calldata as EIP-7623 counts it: 1 for a zero byte, 4 for another."""
    zeros = calldata.count(0)
    return zeros + 4 * (len(calldata) - zeros)


def intrinsic_gas(calldata: bytes) -> int:
    """Gas a transaction pays before anything runs: 21,000, and calldata at 4 and 16."""
    return 21_000 + 4 * tokens(calldata)


def floor_gas(calldata: bytes) -> int:
    """Gas a transaction pays at least (EIP-7623): 21,000, and calldata at 10 and 40."""
    return 21_000 + 10 * tokens(calldata)


def transaction_gas(calldata: bytes, execution: int, refund: int) -> int:
    """Gas a transaction pays: 21,000, calldata at 4 and 16, refunds up to a fifth, at least the floor (EIP-7623)."""
    gas = intrinsic_gas(calldata) + execution
    return max(gas - min(refund, gas // 5), floor_gas(calldata))


@dataclass(frozen=True)
class Deployment:
    """A market and its engine."""

    market: Any
    engine: Any


def deploy_engine() -> Any:
    """Deploy the dense engine, with its validator and its wide kernel, in the active environment."""
    validator, wide = (compile_contract(CONTRACTS / f"Dense{part}.vy").deploy() for part in ("Validator", "WideKernel"))
    return compile_contract(CONTRACTS / "DenseEngine.vy").deploy(validator.address, wide.address)


def deploy_binary_engine() -> Any:
    """Deploy the engine for networks of one bit, with its validator, in the active environment."""
    validator = compile_contract(CONTRACTS / "BinaryValidator.vy").deploy()
    return compile_contract(CONTRACTS / "BinaryEngine.vy").deploy(validator.address)


def deploy_convolution_engine() -> Any:
    """Deploy the engine for convolutional networks, with its validator, in the active environment."""
    validator = compile_contract(CONTRACTS / "ConvolutionValidator.vy").deploy()
    return compile_contract(CONTRACTS / "ConvolutionEngine.vy").deploy(validator.address)


def deploy_segmented_engine() -> Any:
    """Deploy the engine for networks in segments, and what it runs them with, in the active environment."""
    validator, trunk = (
        compile_contract(CONTRACTS / f"Convolution{part}.vy").deploy() for part in ("Validator", "Trunk")
    )
    engine = compile_contract(CONTRACTS / "ConvolutionEngine.vy").deploy(validator.address)
    others = (validator.address, trunk.address, engine.address, deploy_engine().address)
    return compile_contract(CONTRACTS / "SegmentedEngine.vy").deploy(*others)


def deploy(*, min_window: int, engine: Any = None) -> Deployment:
    """Deploy a market in the active environment, with the dense engine unless another is given."""
    if engine is None:
        engine = deploy_engine()
    return Deployment(deploy_market(min_window=min_window, engines=[engine]), engine)


def deploy_market(*, min_window: int, engines: Sequence[Any]) -> Any:
    """Deploy a market that knows these engines, in the active environment."""
    return compile_contract(CONTRACTS / "Market.vy").deploy(min_window, [engine.address for engine in engines])


def deploy_declarations() -> Any:
    """Deploy the log of what training took, in the active environment; one serves every market of a chain."""
    return compile_contract(CONTRACTS / "Declarations.vy").deploy()
