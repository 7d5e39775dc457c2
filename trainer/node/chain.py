"""A chain behind a node, with the surface of `trainer.chain.Chain`: what plays on one plays on the other.

Contracts are titanoboa's, in its network mode. Unlike titanoboa's own environment this one executes nothing locally (a
full audit of 12 million gas would take longer than its block), prints nothing, and sends through the outbox.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boa
from boa.contracts.event_decoder import RawLogEntry
from boa.network import NetworkEnv
from boa.rpc import RPC
from boa.util.abi import Address
from eth_hash.auto import keccak

from trainer.chain import CONTRACTS, Receipt, intrinsic_gas
from trainer.errors import ChainError, NodeError
from trainer.node.keys import NO_KEY, Signer
from trainer.node.outbox import GWEI, Outbox
from trainer.node.rpc import Rpc, logs_of, number
from trainer.node.settings import Settings


class NodeChain:
    """The chain of one node, as one account, or none that only looks, uses it."""

    def __init__(self, rpc: Rpc, directory: Path, outbox: Outbox | None = None) -> None:
        """Read through `rpc`, send through `outbox`.

        directory: where everything of this chain is kept.
        """
        self.rpc, self.directory, self.outbox = rpc, directory, outbox
        self.dry = False
        """Whether transactions are only estimated: then receipts have no events."""
        self.wait = 600.0
        """Seconds for which a transaction is waited for; it stays saved after that."""
        self.env = NodeEnv(self)

    @contextmanager
    def active(self) -> Iterator["NodeChain"]:
        """Make this chain titanoboa's environment inside a `with` block."""
        with boa.swap_env(self.env):
            yield self

    @property
    def now(self) -> int:
        """Time of a transaction that is sent now, in seconds; the newest block may be old where none is mined."""
        return max(self.rpc.head().timestamp, self.rpc.pending_timestamp())

    @property
    def block(self) -> int:
        """Number of the newest block."""
        return self.rpc.head().number

    @property
    def chain_id(self) -> int:
        """Chain id, as contracts see it."""
        return self.rpc.chain_id()

    def balance(self, address: str) -> int:
        """Wei of an account."""
        return self.rpc.balance(address)

    def contract(self, name: str, address: str) -> Any:
        """titanoboa's object for one of the project's contracts at an address; nothing is compiled for it."""
        with self.active():
            return boa.load_abi(str(CONTRACTS / "abi" / f"{name}.json"), name=name).at(address, nowarn=True)

    def refusal(self, calls: Sequence[tuple[str, bytes]], *, sender: str) -> str | None:
        """Why one of the calls, each after those before it, would revert; None if none does. Nothing of them stays."""
        return self.rpc.simulate(calls, sender=sender)

    def send(
        self,
        function: Any,
        *args: Any,
        sender: str,
        value: int = 0,
        gas_limit: int | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Send one transaction, and wait until it counts; `result` stays None, as transactions return nothing.

        key: its name in the outbox: what was sent under it before is not sent again. None for a new one.

        Raises `Reverted` where the contract refuses, and what `Outbox.send` raises.
        """
        contract, data = function.contract, bytes(function.prepare_calldata(*args))
        if self.dry:
            return self._estimated(key or "", str(contract.address), data, sender, value)
        receipt = self.transact(str(contract.address), data, sender=sender, value=value, key=key)
        used = number(receipt["gasUsed"])
        with self.active():
            events = tuple(_decode(contract, receipt))
        return Receipt(
            result=None,
            execution_gas=max(used - intrinsic_gas(data), 0),
            transaction_gas=used,
            calldata=data,
            events=events,
            transaction=str(receipt["transactionHash"]),
        )

    def _estimated(self, key: str, target: str, data: bytes, sender: str, value: int) -> Receipt:
        outbox = self.outbox_of(sender)
        found = outbox.preview(target, data, value=value)
        if outbox.before is not None:
            outbox.before(key, found)
        inside = max(found.gas - intrinsic_gas(data), 0)
        return Receipt(result=None, execution_gas=inside, transaction_gas=found.gas, calldata=data, events=())

    def transact(
        self, target: str | None, data: bytes, *, sender: str, value: int = 0, key: str | None = None
    ) -> Mapping[str, Any]:
        """Send to an address, or create a contract; returns the node's receipt."""
        name = key or f"once/{secrets.token_hex(8)}"
        return self.outbox_of(sender).send(name, target, data, value=value, wait=self.wait)

    @property
    def me(self) -> str:
        """The account; raises `ChainError` where there is none."""
        if self.outbox is None:
            raise ChainError(NO_KEY)
        return self.outbox.signer.address

    def outbox_of(self, sender: str) -> Outbox:
        """The outbox of an account; raises `ChainError` where there is no key for it."""
        if self.outbox is None:
            raise ChainError(NO_KEY)
        if self.outbox.signer.address != sender:
            raise ChainError(f"the key is that of {self.outbox.signer.address}, not of {sender}; name the other's")
        return self.outbox


class NodeEnv(NetworkEnv):  # type: ignore[misc]  # titanoboa has no types
    """titanoboa's network mode over a `NodeChain`."""

    def __init__(self, chain: NodeChain) -> None:
        """Ask the node for nothing yet."""
        self.chain = chain
        # a name under which contracts are created once: a deployment that was cut off goes on
        self.deployment: str | None = None
        super().__init__(_Requests(chain.rpc))
        if chain.outbox is not None:
            self.eoa = Address(chain.outbox.signer.address)

    def _reset_fork(self, block_identifier: Any = "latest") -> None:
        """Nothing is executed here, so no state is needed."""

    def get_code(self, address: Any) -> bytes:
        """Code of a contract, from the node."""
        return self.chain.rpc.code(str(address))

    def get_balance(self, address: Any) -> int:
        """Wei of an account, from the node."""
        return self.chain.balance(str(address))

    def register_contract(self, address: Any, obj: Any) -> None:
        """Remember whose logs an address writes."""
        self._contracts[Address(address).canonical_address] = obj

    def execute_code(
        self,
        to_address: Any,
        sender: Any = None,
        gas: int | None = None,
        value: int = 0,
        data: bytes = b"",
        is_modifying: bool = True,
        simulate: bool = False,
        **_: Any,
    ) -> "_Done":
        """A view is asked of the node; everything else is a transaction. Raises `Reverted` where a contract refuses."""
        caller = None if sender is None and self.eoa is None else str(self._get_sender(sender))
        if simulate or not is_modifying:
            return _Done(self.chain.rpc.view(str(to_address), bytes(data), sender=caller, value=value or 0))
        caller = caller or self.chain.me
        # transactions return nothing: what the call would return now is what titanoboa's contracts give back
        said = self.chain.rpc.view(str(to_address), bytes(data), sender=caller, value=value or 0)
        return _Done(said, self.chain.transact(str(to_address), bytes(data), sender=caller, value=value or 0))

    def deploy(
        self, sender: Any = None, gas: int | None = None, value: int = 0, bytecode: bytes = b"", **_: Any
    ) -> tuple[Any, "_Done"]:
        """Create a contract."""
        caller, initcode = str(self._get_sender(sender)), bytes(bytecode)
        key = None if self.deployment is None else f"deploy/{self.deployment}/{keccak(initcode)[:8].hex()}"
        receipt = self.chain.transact(None, initcode, sender=caller, value=value or 0, key=key)
        address = Address(receipt["contractAddress"])
        return address, _Done(self.chain.rpc.code(str(address)), receipt)


class _Done:
    """What titanoboa's contracts want to know of a call that succeeded."""

    is_error, error, beneficiaries = False, None, ()

    def __init__(self, output: bytes, receipt: Mapping[str, Any] | None = None) -> None:
        self.output, self.receipt = output, receipt

    def get_raw_log_entries(self) -> list[tuple[int, bytes, list[int], bytes]]:
        return [] if self.receipt is None else _entries(self.receipt)

    def get_gas_used(self) -> int:
        return 0 if self.receipt is None else number(self.receipt["gasUsed"])


class _Requests(RPC):  # type: ignore[misc]  # titanoboa has no types
    """An `Rpc` as titanoboa asks it."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    @property
    def identifier(self) -> str:
        return self.rpc.url

    @property
    def name(self) -> str:
        return self.rpc.name

    def fetch(self, method: str, params: Any) -> Any:
        return self.rpc.call(method, *params)

    def fetch_multi(self, payloads: Sequence[tuple[str, Any]]) -> list[Any]:
        return [self.rpc.call(method, *params) for method, params in payloads]


def _entries(receipt: Mapping[str, Any]) -> list[tuple[int, bytes, list[int], bytes]]:
    """Logs as py-evm has them: position, address, topics, data."""
    return [
        (log.index, Address(address).canonical_address, [int.from_bytes(topic) for topic in log.topics], log.data)
        for address, log in logs_of(receipt)
    ]


def _decode(contract: Any, receipt: Mapping[str, Any]) -> Iterator[Any]:
    """The events of the contract itself; those of others, such as a token's, are left out."""
    for entry in _entries(receipt):
        if entry[1] == contract.address.canonical_address:
            yield contract.decode_log(RawLogEntry(*entry))


def connect(settings: Settings, signer: Signer | None = None) -> NodeChain:
    """The chain that the settings name.

    Raises `NodeError` where the node cannot be reached or is on another chain.
    """
    if settings.node is None:
        raise NodeError("no node is named; start one with `make node`, then use --node http://127.0.0.1:8545")
    rpc = Rpc(settings.node, patience=settings.patience)
    found = rpc.chain_id()
    if settings.chain_id not in (None, found):
        raise NodeError(
            f"the node {rpc.name} is on chain {found}, and the settings want {settings.chain_id}; check --node"
        )
    # chains of developers share an id, and begin anew: what was saved for one must never be sent to another
    first = rpc.block(0)
    if first is None:
        raise NodeError(f"the node {rpc.name} has no block 0; check --node")
    # models and salts of one account are no business of others on this machine
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = settings.home / f"{found}-{first.hash[:4].hex()}"
    if signer is None:
        return NodeChain(rpc, directory)
    outbox = Outbox(
        directory / "outbox.sqlite",
        rpc,
        signer,
        confirmations=settings.confirmations,
        max_fee=int(settings.max_fee_gwei * GWEI),
        gas_cap=settings.gas_cap,
    )
    return NodeChain(rpc, directory, outbox)
