"""A real node for tests: anvil as a process of its own, and every fault that a network has, on demand."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from eth_utils import to_checksum_address

from tests.node.command import CHAIN_ID, binary, command, head_timestamp
from tests.node.jsonrpc import TIMEOUT, Refusal, call

GENESIS_TIME = 1_750_000_000
SECONDS_PER_BLOCK = 12
START_SECONDS = 20.0
RECEIPT_SECONDS = 20.0


class Account(NamedTuple):
    """One of the ten accounts that hold 10,000 ether at genesis.

    address: with checksum.
    key:     private, 32 bytes.
    """

    address: str
    key: bytes


class Head(NamedTuple):
    """A block.

    hash:      32 bytes.
    timestamp: seconds.
    base_fee:  wei per gas.
    """

    number: int
    hash: bytes
    timestamp: int
    base_fee: int


class Anvil:
    """A node at one address for the length of a `with` block, whatever happens to its process.

    Its clock is the chain's: the genesis is at GENESIS_TIME, and a block 12 seconds after the one before, unless said
    otherwise; how long a test takes does not show. A new chain begins with block 1. A transaction is mined at once, in
    a block of its own, but after the answer to whoever sent it: wait for its `receipt`.

    What a state holds (`save`, `stop`): blocks with their hashes and timestamps, transactions, receipts, logs, accounts
    and storage, also those at old blocks. It holds no pending transaction, and BLOCKHASH of a block from before the
    restart is not that block's hash (the contract of EIP-2935 knows it): draw before a restart, or 257 blocks later.
    """

    def __init__(self, directory: Path, *, executable: Path | None = None) -> None:
        """Keep log and states in `directory`; nothing runs yet."""
        found = executable or binary()
        assert found is not None, "ask tests.node.command.binary first"
        self._executable, self._directory, self._state = found, directory, directory / "state.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.accounts: list[Account] = []

    def __enter__(self) -> "Anvil":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        # a file a block, each with the whole state
        shutil.rmtree(self._directory / "cache", ignore_errors=True)

    # ── the process ──

    @property
    def url(self) -> str:
        """Where it listens, once it was started; the same after every restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def process_id(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None, "not running"
        return self._process.pid

    def start(self) -> None:
        """Start the process: from the last saved state if there is one, else with a new chain."""
        assert self._process is None, "already running"
        saved = self._state.exists()
        log, accounts = self._directory / "anvil.log", self._directory / "accounts.json"
        words = command(
            self._executable,
            port=self._port,
            timestamp=head_timestamp(self._state) if saved else GENESIS_TIME,
            cache=self._directory / "cache",
        )
        words += ["--config-out", str(accounts)]
        if saved:
            words += ["--load-state", str(self._state)]
        guard = shutil.which("setpriv")
        if guard is not None:
            # dies with this process, however that ends
            words = [guard, "--pdeathsig", "KILL", *words]
        # not a pipe: anvil writes refused transactions whole, and stands still once nobody reads them
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._port = self._wait_for_port(log)
        entries = json.loads(accounts.read_bytes())
        keys = zip(entries["available_accounts"], entries["private_keys"], strict=True)
        self.accounts = [
            Account(to_checksum_address(address), bytes.fromhex(key.removeprefix("0x"))) for address, key in keys
        ]
        self.rpc("anvil_setBlockTimestampInterval", SECONDS_PER_BLOCK)
        if not saved:
            # at the genesis anvil tells contracts that it is the second 1
            self.rpc("evm_mine")

    def _wait_for_port(self, log: Path) -> int:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while (said := re.search(r"^Listening on 127\.0\.0\.1:(\d+)$", log.read_text(), re.MULTILINE)) is None:
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"anvil does not start: {log.read_text()[-2000:]}")
            time.sleep(0.005)
        return int(said[1])

    def save(self) -> None:
        """Write the state that the next start begins with."""
        # states of old blocks too
        packed = bytes.fromhex(self.rpc("anvil_dumpState", True).removeprefix("0x"))
        self._state.write_bytes(gzip.decompress(packed))

    def stop(self) -> None:
        """End the process in order: what it knows is saved, apart from pending transactions."""
        self.save()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once (kill -9), as in a power cut: blocks since the last `save` are lost."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None, "not running"
        self._process.send_signal(number)
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Inside, the node takes connections and answers nothing; afterwards it answers what it was asked."""
        assert self._process is not None, "not running"
        self._process.send_signal(signal.SIGSTOP)
        # until every thread of it stands still
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    # ── asking ──

    def rpc(self, method: str, *params: Any, timeout: float = TIMEOUT) -> Any:
        """Result of one call; raises `tests.node.jsonrpc.Refusal`, or OSError where nothing answers."""
        return call(self.url, method, *params, timeout=timeout)

    def block(self, number: int | None = None) -> Head:
        """A block; the last if none is given. Raises LookupError where there is no such block."""
        found = self.rpc("eth_getBlockByNumber", "latest" if number is None else hex(number), False)
        if found is None:
            raise LookupError(f"there is no block {number}")
        return Head(
            int(found["number"], 16),
            bytes.fromhex(found["hash"][2:]),
            int(found["timestamp"], 16),
            int(found["baseFeePerGas"], 16),
        )

    def send(self, **transaction: Any) -> str:
        """Send from an account that the node has the key of; returns the transaction's hash."""
        words = {name: hex(value) if isinstance(value, int) else value for name, value in transaction.items()}
        return str(self.rpc("eth_sendTransaction", words))

    def receipt(self, transaction: str, seconds: float = RECEIPT_SECONDS) -> dict[str, Any]:
        """A transaction's receipt, waited for; raises TimeoutError."""
        end = time.monotonic() + seconds
        while (found := self.rpc("eth_getTransactionReceipt", transaction)) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"{transaction} is not mined after {seconds} seconds")
            time.sleep(0.005)
        return dict(found)

    def fund(self, address: str, wei: int) -> None:
        """Set an address's balance."""
        self.rpc("anvil_setBalance", address, hex(wei))

    # ── blocks and time ──

    def mine(self, blocks: int = 1, seconds: int | None = None) -> Head:
        """Mine blocks, the last of them `seconds` after the head (12 a block if not given); returns it.

        Pending transactions go into the first. A thousand blocks take seconds, several thousand minutes. Raises
        ValueError where the clock would not rise with every block.
        """
        if seconds is None:
            self.rpc("anvil_mine", hex(blocks))
        else:
            if blocks < 1 or seconds < blocks:
                raise ValueError(f"{blocks} blocks in {seconds} seconds: timestamps rise by a second a block at least")
            end = self.block().timestamp + seconds
            if blocks > 1:
                # while an interval is set, anvil_mine overlooks the one that it is given
                self.rpc("anvil_setBlockTimestampInterval", seconds // blocks)
                self.rpc("anvil_mine", hex(blocks - 1))
                self.rpc("anvil_setBlockTimestampInterval", SECONDS_PER_BLOCK)
            self.set_next_timestamp(end)
            self.rpc("evm_mine")
        return self.block()

    def mine_until(self, timestamp: int) -> Head:
        """Mine one block at a timestamp; the head as it is where that is past."""
        head = self.block()
        return head if timestamp <= head.timestamp else self.mine(seconds=timestamp - head.timestamp)

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the timestamp of the next block.

        Until it is mined, calls at `latest` see the old one. Mine it before a client asks for the time.
        """
        self.rpc("evm_setNextBlockTimestamp", hex(timestamp))

    def set_base_fee(self, wei: int) -> None:
        """Fix the base fee of the next block, in wei per gas; later ones follow from it."""
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def automine(self, on: bool) -> None:
        """Whether a transaction is mined at once (the default), or waits for `mine`."""
        self.rpc("anvil_setAutomine", on)

    def mine_every(self, seconds: int) -> None:
        """Mine a block so many seconds of real time apart, and no longer one a transaction; 0 ends it.

        On the chain's clock the blocks are 12 seconds apart all the same.
        """
        self.rpc("evm_setIntervalMining", seconds)
        if not seconds:
            self.automine(True)

    # ── faults ──

    def drop(self, transaction: str) -> None:
        """Forget a pending transaction, as a full mempool does; raises LookupError where none is pending."""
        if self.rpc("anvil_dropTransaction", transaction) is None:
            raise LookupError(f"{transaction} is not pending")

    def reorganise(self, depth: int, transactions: Literal["lost", "kept", "pending"] = "lost") -> Head:
        """Replace the last blocks by as many others; returns the new head.

        transactions: what becomes of theirs: "lost", and forgotten; "kept", all in the last of the new blocks, in their
                      old order; or "pending", back in the mempool, for which automining is switched off.
        """
        top = self.block().number
        raw = [
            self.rpc("eth_getRawTransactionByHash", transaction)
            for number in range(top - depth + 1, top + 1)
            for transaction in self.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
        ]
        if transactions == "pending":
            self.automine(False)
        self.rpc("anvil_reorg", depth, [[each, depth - 1] for each in raw] if transactions == "kept" else [])
        if transactions == "pending":
            for each in raw:
                self.rpc("eth_sendRawTransaction", each)
        return self.block()

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What happens inside is undone afterwards: blocks, balances and all."""
        snapshot = self.rpc("evm_snapshot")
        try:
            yield
        finally:
            assert self.rpc("evm_revert", snapshot), "the snapshot is gone"


__all__ = ["CHAIN_ID", "Account", "Anvil", "Head", "Refusal"]
