"""Where the market is called: titanoboa, or revm with the bytecode and the state that titanoboa deployed.

The game, the model and the witness know only `Backend`. What actors draw depends on the model alone, so an example is
the same calls on both: find it on `native`, replay it from `.hypothesis/examples` on `boa`, which has the tracebacks.

Block hashes are the one thing that revm does not let us choose: the hash of block n is keccak256 of n in decimal. So
titanoboa is given the same ones.
"""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import pyrevm
from boa.util.abi import Address
from eth_hash.auto import keccak

from fuzz.native import intrinsic_gas
from tests.world import Site
from trainer.chain import BLOCKHASH_REACH

CHOICE = "ASSAY_FUZZ_BACKEND"
"""Environment variable that names the backend; `pytest --backend` sets it."""
HISTORY = "0x0000f90827f1c53a10cb7a02335b175320002935"
HISTORY_REACH = 8191
HISTORY_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257"
    "611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
"""The runtime code that EIP-2935 fixes."""
GAS = 100_000_000
"""What a call may take if nobody says otherwise."""
ANYONE = "0x" + "c0" * 20


@dataclass(frozen=True, slots=True)
class Done:
    """What a call did. `output` is return or revert data; a log is address, topics and data."""

    failed: bool
    output: bytes
    logs: Sequence[tuple[bytes, list[bytes], bytes]] = ()
    gas: int = 0


class Backend(Protocol):
    """A chain with a site on it. Everything happens in an `example`, which leaves no trace."""

    name: str

    def example(self) -> AbstractContextManager[None]:
        """An example: the state of the site as it was deployed, undone afterwards."""

    def undone(self) -> AbstractContextManager[None]:
        """What is called inside never happened. Do not nest."""

    def call(self, to: str, data: bytes, sender: str, value: int = 0, gas: int | None = None) -> Done:
        """A transaction; `gas` is what the execution itself may take."""

    def view(self, to: str, data: bytes) -> bytes | None:
        """The output of a static call; None if it reverts."""

    def mine(self, block: int, now: int) -> None:
        """Let a block begin."""

    def remember(self, number: int) -> None:
        """Have a block's hash in EIP-2935's history, as far back as that reaches."""

    def set_balance(self, owner: str, amount: int) -> None: ...

    def balance(self, owner: str) -> int: ...

    def force(self, victim: str, amount: int) -> None:
        """Ether for an address, whether it wants any or not."""

    def words(self, owner: str) -> bytes:
        """Every word of storage that was written, one after another."""


@cache
def block_hash(number: int) -> bytes:
    """Hash of a block: what revm's empty database answers."""
    return keccak(str(number).encode())


def remembered(block: int, number: int) -> bool:
    """Whether a block's hash is to be had only from the history."""
    return BLOCKHASH_REACH < block - number <= HISTORY_REACH


class Boa:
    """titanoboa. The calls bypass its contract objects, whose traceback of a revert would dominate a run.

    Views are kept until anything may have changed: a call succeeded, a block began.
    """

    name = "boa"

    def __init__(self, site: Site, forcer: Any) -> None:
        self.chain, self.env, self.forcer = site.chain, site.chain.env, forcer
        self.seen: dict[tuple[str, bytes], bytes | None] = {}

    @contextmanager
    def example(self) -> Iterator[None]:
        # both only grow, anchors or not; diagnostics of a revert search them
        self.env.sstore_trace.clear()
        self.env.sha3_trace.clear()
        self.seen.clear()
        with self.chain.active(), self.env.anchor():
            yield

    @contextmanager
    def undone(self) -> Iterator[None]:
        with self.env.anchor():
            yield
        self.seen.clear()

    def call(self, to: str, data: bytes, sender: str, value: int = 0, gas: int | None = None) -> Done:
        done = self.env.execute_code(to_address=to, sender=sender, data=data, value=value, gas=gas)
        if done.is_error:
            return Done(True, bytes(done.output))
        self.seen.clear()
        logs = [(at, [topic.to_bytes(32) for topic in topics], data) for at, topics, data in done.get_log_entries()]
        return Done(False, bytes(done.output), logs, int(done.get_gas_used()))

    def view(self, to: str, data: bytes) -> bytes | None:
        if (to, data) not in self.seen:
            done = self.env.execute_code(to_address=to, data=data, is_modifying=False)
            self.seen[to, data] = None if done.is_error else bytes(done.output)
        return self.seen[to, data]

    def mine(self, block: int, now: int) -> None:
        self.seen.clear()
        patch = self.env.evm.patch
        patch.block_number, patch.timestamp = block, now
        patch.prev_hashes = [block_hash(n) for n in range(block - 1, max(0, block - BLOCKHASH_REACH) - 1, -1)]

    def remember(self, number: int) -> None:
        self.env.set_storage(HISTORY, number % HISTORY_REACH, int.from_bytes(block_hash(number)))

    def set_balance(self, owner: str, amount: int) -> None:
        self.env.set_balance(owner, amount)

    def balance(self, owner: str) -> int:
        return int(self.env.get_balance(owner))

    def force(self, victim: str, amount: int) -> None:
        self.seen.clear()
        self.env.set_balance(self.env.eoa, self.env.get_balance(self.env.eoa) + amount)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # selfdestruct is deprecated, and the point
            self.forcer.deploy(victim, value=amount)

    def words(self, owner: str) -> bytes:
        address = Address(owner)
        slots = self.env.sstore_trace.get(address, ())
        return b"".join(self.env.evm.get_storage_slot(address, slot) for slot in slots)


@dataclass(frozen=True)
class Account:
    """What titanoboa deployed at an address: `info` holds the code, already analysed."""

    address: str
    info: Any
    balance: int
    storage: dict[int, int] = field(repr=False)


class Revm:
    """revm. Each example gets a machine of its own, which costs microseconds and leaves nothing behind.

    Inside an example the machine is used again: slots stay warm, so `gas` is less than a transaction's. Outcomes do
    not depend on it: transient storage is emptied after every call, and a call that is short of gas is only ever
    compared with itself.
    """

    name = "native"
    _OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")
    _VALUE = re.compile(r"present_value: (\d+)")

    def __init__(self, accounts: Sequence[Account], block: int, now: int) -> None:
        self.accounts, self.start = accounts, (block, now)
        self.evm: Any = None

    @contextmanager
    def example(self) -> Iterator[None]:
        self.evm = pyrevm.EVM(gas_limit=2**62, spec_id="CANCUN")
        for account in self.accounts:
            self.evm.insert_account_info(account.address, account.info)
            for slot, value in account.storage.items():
                self.evm.insert_account_storage(account.address, slot, value)
            self.evm.set_balance(account.address, account.balance)
        self.mine(*self.start)
        yield

    @contextmanager
    def undone(self) -> Iterator[None]:
        before = self.evm.snapshot()
        try:
            yield
        finally:
            self.evm.revert(before)

    def call(self, to: str, data: bytes, sender: str, value: int = 0, gas: int | None = None) -> Done:
        evm, before = self.evm, intrinsic_gas(data)
        try:
            output = evm.message_call(sender, to, data, value, (GAS if gas is None else gas) + before)
        except RuntimeError as error:
            return self._failure(error)
        finally:
            evm.reset_transient_storage()
        logs = []
        for log in evm.result.logs:
            topics, data = log.data
            logs.append((bytes.fromhex(log.address[2:]), topics, data))
        return Done(False, output, logs, evm.result.gas_used - before)

    def _failure(self, error: RuntimeError) -> Done:
        """pyrevm raises on every end but success, and `result` says which; anything else it raises passes through."""
        done = self.evm.result
        if done is None or done.is_success:
            raise error
        found = None if done.is_halt else self._OUTPUT.search(str(error))
        return Done(True, bytes.fromhex(found[1]) if found else b"")

    def view(self, to: str, data: bytes) -> bytes | None:
        try:
            return bytes(self.evm.message_call(ANYONE, to, data, is_static=True))
        except RuntimeError as error:
            self._failure(error)
            return None

    def mine(self, block: int, now: int) -> None:
        self.evm.set_block_env(pyrevm.BlockEnv(number=block, timestamp=now, gas_limit=GAS))

    def remember(self, number: int) -> None:
        self.evm.insert_account_storage(HISTORY, number % HISTORY_REACH, int.from_bytes(block_hash(number)))

    def set_balance(self, owner: str, amount: int) -> None:
        self.evm.set_balance(owner, amount)

    def balance(self, owner: str) -> int:
        return int(self.evm.get_balance(owner))

    def force(self, victim: str, amount: int) -> None:
        self.evm.set_balance(victim, self.balance(victim) + amount)

    def words(self, owner: str) -> bytes:
        # pyrevm lists no slots; what it prints of the journal does: {address: Account { …, storage: {slot: …}, …}, …}
        state = self.evm.journal_str.partition(", transient_storage: ")[0]
        account = state.partition(f"{owner.lower()}: Account")[2].partition(", status: AccountStatus")[0]
        return b"".join(int(value).to_bytes(32) for value in self._VALUE.findall(account.partition("storage: {")[2]))


def revm(site: Site, slots: dict[str, Sequence[int]]) -> Revm:
    """What titanoboa holds at these addresses and in these slots of theirs, on revm.

    The code is deployed once on a scratch machine, because revm analyses what it deploys, and would otherwise do so
    again at every call: 16 of 20 microseconds.
    """
    env = site.chain.env
    accounts = []
    for address, written in slots.items():
        code = bytes(env.get_code(address))
        info = pyrevm.AccountInfo()
        if code:
            scratch = pyrevm.EVM(gas_limit=2**62, spec_id="CANCUN")
            # PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
            init = b"\x61" + len(code).to_bytes(2) + bytes.fromhex("80600a5f395ff3")
            info = scratch.basic(scratch.deploy(ANYONE, init + code))
            assert info.code[: len(code)] == code, "revm deployed something else"
        storage = {slot: env.get_storage(address, slot) for slot in written}
        accounts.append(Account(address, info, env.get_balance(address), storage))
    return Revm(accounts, site.chain.block, site.chain.now)


def chosen() -> str:
    """The backend's name that option or environment ask for."""
    name = os.environ.get(CHOICE, Boa.name)
    assert name in (Boa.name, Revm.name), f"{CHOICE} is {name!r}, not {Boa.name!r} or {Revm.name!r}"
    return name
