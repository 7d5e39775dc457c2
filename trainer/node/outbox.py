"""Transactions that survive their process: saved before they are sent, with one nonce for good, until they count.

Every transaction has a *key*, a name for what it means, such as `commit/7`. The key is written down together with the
signed bytes before anything is sent; whoever asks for the same key again, in this process or a later one, is given the
same transaction. A nonce belongs to one key until it is used up, so nothing happens twice, whatever is lost: the
answer, the process, the node, or the block.

A key goes `OPEN` → `DONE`, or `FAILED` where the transaction was mined and reverted. A block that is undone makes it
`OPEN` again. What is stuck is sent again, dearer, with the same nonce.
"""

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from trainer.amounts import ether
from trainer.errors import ChainError, NodeError, Reverted, RpcError
from trainer.files import in_turn
from trainer.node.keys import Signer
from trainer.node.rpc import Rpc, number, octets

OPEN, DONE, FAILED = "open", "done", "failed"
FINAL = (
    "insufficient funds",
    "intrinsic gas",
    "gas limit",
    "floor data gas",
    "initcode",
    "oversized",
    "chain id",
    "invalid sender",
    "priority fee per gas higher",
)
"""What nodes say to a transaction that they will never hold. After any other answer they may hold it all the same."""
BUMP = 1.125
"""A replacement pays at least so many times what it replaces: what nodes ask is a tenth more."""
STUCK_SECONDS = 45.0
"""A transaction that was not mined for so long is made dearer."""
LAG_SECONDS = 2.0
"""A receipt may be missing for so long after its block is there."""
MAX_BYTES = 2**17 - 512
"""Bytes of calldata that nodes take: 128 KiB signed, of which the rest of a transaction is less than 512."""
DEEP = 64
"""Blocks after which an undone block is not looked for any more: two epochs."""
GWEI = 10**9
FILLER = "filler"
TOLERATED = (
    "already known",
    "already imported",
    "already exists",
    "nonce too low",
    "underpriced",
    "less than block base fee",
)
"""What nodes say to a transaction that they hold, or would take with other fees."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS transactions (
    sender TEXT NOT NULL, key TEXT NOT NULL, nonce INTEGER NOT NULL, target TEXT, data BLOB NOT NULL,
    value TEXT NOT NULL, gas INTEGER NOT NULL, state TEXT NOT NULL, block INTEGER, receipt TEXT,
    PRIMARY KEY (sender, key)
);
CREATE TABLE IF NOT EXISTS attempts (
    hash BLOB PRIMARY KEY, sender TEXT NOT NULL, key TEXT NOT NULL, raw BLOB NOT NULL, max_fee TEXT NOT NULL,
    tip TEXT NOT NULL, sent REAL NOT NULL
);
"""


class FeeTooHigh(ChainError):
    """Gas costs more than the settings allow; nothing was sent."""


@dataclass(frozen=True, kw_only=True)
class Fees:
    """What a gas may cost, in wei: `max_fee` in all, of which `tip` goes to the block's builder."""

    base: int
    max_fee: int
    tip: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a transaction would take: gas, its limit, and wei, at the present fee and at most."""

    gas: int
    gas_limit: int
    fees: Fees
    value: int

    @property
    def cost(self) -> int:
        """Wei for gas at the present fee."""
        return self.gas * (self.fees.base + self.fees.tip)

    @property
    def at_most(self) -> int:
        """Wei that the account must hold: value, and the whole limit at the highest fee."""
        return self.value + self.gas_limit * self.fees.max_fee


@dataclass(frozen=True, kw_only=True)
class Record:
    """One saved transaction."""

    sender: str
    key: str
    nonce: int
    target: str | None
    data: bytes
    value: int
    gas: int
    state: str
    block: int | None
    receipt: Mapping[str, Any] | None


class Outbox:
    """The transactions of one account on one chain."""

    def __init__(
        self,
        path: Path,
        rpc: Rpc,
        signer: Signer,
        *,
        confirmations: int = 1,
        max_fee: int = 100 * GWEI,
        gas_cap: int = 2**24,
    ) -> None:
        """Open or create the file; every process of an account must use the same.

        confirmations: blocks from the transaction's own on that must be there before it is `DONE`, at least 1.
        max_fee:       most wei that a gas may cost.
        gas_cap:       most gas a transaction may ask for.
        """
        self.rpc, self.signer, self.confirmations, self.max_fee, self.gas_cap = (
            rpc,
            signer,
            confirmations,
            max_fee,
            gas_cap,
        )
        self.before: Callable[[str, Preview], None] | None = None
        """Told of each new transaction before it is signed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        # a new file's journal is changed at once or not at all: SQLite does not wait for another process that does it
        with in_turn(path.with_name(path.name + ".lock")):
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(SCHEMA)
        # what is sent must be on the disk before
        self._db.execute("PRAGMA synchronous = FULL")

    # ── one transaction ──

    def preview(self, target: str | None, data: bytes, *, value: int = 0) -> Preview:
        """What it would take now. Raises `Reverted`, or `ChainError` where it needs more gas than one may ask for."""
        if len(data) > MAX_BYTES:
            raise ChainError(
                f"the transaction carries {len(data):,} bytes, and nodes take {MAX_BYTES:,}; do less in one"
            )
        gas = self.rpc.estimate(target, data, sender=self.signer.address, value=value, cap=self.gas_cap)
        # the state may change before it is mined
        return Preview(gas=gas, gas_limit=min(gas + gas // 4, self.gas_cap), fees=self._fees(), value=value)

    def send(
        self, key: str, target: str | None, data: bytes, *, value: int = 0, wait: float = 600.0
    ) -> Mapping[str, Any]:
        """Submit, and wait until it counts; returns the receipt.

        Raises what `submit` and `tend` raise, and `NodeError` after `wait` seconds: it stays saved, and asking for the
        same key again goes on waiting.
        """
        until, pause = time.monotonic() + wait, 0.05
        while True:
            try:
                receipt = self.submit(key, target, data, value=value)
            except NodeError as error:
                record = self.record(key)
                if isinstance(error, RpcError) or record is None or record.state != OPEN:
                    raise
                raise NodeError(f"{error}; {key} is saved, and the same command goes on with it") from error
            if receipt is not None:
                return receipt
            if time.monotonic() > until:
                raise NodeError(f"{key} was sent and is not mined yet; the same command goes on waiting for it")
            time.sleep(pause)
            pause = min(1.5 * pause, 2.0)

    def submit(self, key: str, target: str | None, data: bytes, *, value: int = 0) -> Mapping[str, Any] | None:
        """See to one transaction without waiting; returns its receipt once it counts.

        A key that is not there, or has failed, is estimated, signed, saved and sent; another is looked after, whatever
        `target` and `data` are. Raises `Reverted` where the contract refuses, `ChainError` for too little ether,
        `FeeTooHigh`, and `NodeError`.
        """
        record = self.record(key)
        if record is None or record.state == FAILED:
            self._create(key, target, data, value)
        elif record.state == DONE and self._canonical(record):
            return record.receipt
        self._look_after(key)
        record = self.record(key)
        return record.receipt if record is not None and record.state == DONE else None

    def tend(self) -> None:
        """Look after everything that is open or may be undone. Raises `Reverted` for one that failed meanwhile."""
        newest = self.rpc.head().number
        for record in self.records():
            if record.state == OPEN or (
                record.state == DONE and record.block is not None and newest - record.block < DEEP
            ):
                self._look_after(record.key)

    def record(self, key: str) -> Record | None:
        """What is saved under a key."""
        row = self._db.execute(
            "SELECT * FROM transactions WHERE sender = ? AND key = ?", (self.signer.address, key)
        ).fetchone()
        return None if row is None else _record(row)

    def records(self) -> list[Record]:
        """All of the account's, by nonce."""
        rows = self._db.execute("SELECT * FROM transactions WHERE sender = ? ORDER BY nonce", (self.signer.address,))
        return list(map(_record, rows))

    # ── how ──

    def _fees(self) -> Fees:
        """Twice the base fee, so that six full blocks do not overtake it, within what the settings allow."""
        base, tip = self.rpc.base_fee(), self.rpc.tip()
        if base + 1 > self.max_fee:
            raise FeeTooHigh(
                f"a gas costs {base / GWEI:.3g} gwei, and max_fee_gwei is {self.max_fee / GWEI:.3g}; "
                "wait, or allow more with --max-fee-gwei"
            )
        tip = min(tip, self.max_fee - base)
        return Fees(base=base, max_fee=min(2 * base + tip, self.max_fee), tip=tip)

    def _create(self, key: str, target: str | None, data: bytes, value: int) -> None:
        sender = self.signer.address
        if target is not None and data and not self.rpc.code(target):
            raise ChainError(f"there is no contract at {target} on this chain; check --market and --node")
        held = self.rpc.balance(sender)
        if held < value:
            raise ChainError(
                f"{sender} holds {ether(held)} ether, and {key} takes {ether(value)} and gas; send it more first"
            )
        preview = self.preview(target, data, value=value)
        if held < preview.at_most:
            raise ChainError(
                f"{sender} holds {ether(held)} ether, and {key} takes up to {ether(preview.at_most)} with its gas; "
                "send it more first"
            )
        if self.before is not None:
            self.before(key, preview)
        # nonces, too, are looked up under the lock: two processes of an account never choose the same
        with self._transaction():
            if (found := self.record(key)) is not None and found.state != FAILED:
                return
            gas = preview.gas_limit
            record = _new(sender, key, self._next_nonce(), target=target, data=data, value=value, gas=gas)
            self._save(record)
            raw = self._sign(record, preview.fees)
        self._broadcast(record, raw)

    def _next_nonce(self) -> int:
        """The first nonce that neither the chain, nor the node, nor an open key here uses."""
        mined = self.rpc.nonce(self.signer.address)
        used = [record.nonce for record in self.records() if record.state != FAILED and record.nonce >= mined]
        return max(self.rpc.nonce(self.signer.address, pending=True), mined, *(nonce + 1 for nonce in used))

    def _sign(self, record: Record, fees: Fees) -> bytes:
        transaction = {
            "chainId": self.rpc.chain_id(),
            "nonce": record.nonce,
            "value": record.value,
            "data": record.data,
            "gas": record.gas,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.tip,
            "type": 2,
        }
        if record.target is not None:
            transaction["to"] = to_checksum_address(record.target)
        raw = self.signer.sign(transaction)
        entries = (keccak(raw), record.sender, record.key, raw, str(fees.max_fee), str(fees.tip), time.time())
        self._db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)", entries)
        return raw

    def _broadcast(self, record: Record, raw: bytes) -> None:
        """Give it to the node. An error that is about this transaction alone, and final, frees its key."""
        try:
            self.rpc.send(raw)
        except RpcError as error:
            said = error.said.lower()
            if any(words in said for words in TOLERATED):
                # it is there, or another of its attempts is, or it will be made dearer: the next look will tell
                return
            if not self._first_attempt(record):
                return
            if any(words in said for words in FINAL) and not self.rpc.known(keccak(raw)):
                self._set(record.key, FAILED)
                if "insufficient funds" in said:
                    raise ChainError(
                        f"{record.sender} holds too little ether for {record.key}; send it more"
                    ) from error
            raise

    def _first_attempt(self, record: Record) -> bool:
        count = self._db.execute(
            "SELECT count(*) FROM attempts WHERE sender = ? AND key = ?", (record.sender, record.key)
        ).fetchone()[0]
        return bool(count == 1)

    def _look_after(self, key: str) -> None:
        record = self.record(key)
        assert record is not None, "the key was just saved, or listed"
        receipt = self._receipt(record)
        if receipt is not None:
            self._mined(record, receipt)
            return
        if record.state != OPEN:
            self._set(key, OPEN)
        mined = self.rpc.nonce(record.sender)
        if mined > record.nonce:
            # receipts of a block can lag behind its nonces
            if (receipt := self._receipt(record)) is not None:
                self._mined(record, receipt)
            elif self._overtaken(record):
                self._set(key, FAILED)
                raise ChainError(
                    f"another program used nonce {record.nonce} of {record.sender}, so {key} was not sent; try again"
                )
            return
        self._clear_way(mined, record.nonce)
        self._resend(record)

    def _overtaken(self, record: Record) -> bool:
        """Whether the nonce was used for something else, and the node had a block's time to show a receipt."""
        last = self._attempts(record)[-1]
        return time.time() - last[3] > LAG_SECONDS and not any(
            self.rpc.known(entry[0]) for entry in self._attempts(record)
        )

    def _clear_way(self, mined: int, nonce: int) -> None:
        """See to the nonces below, for which a transaction waits: those saved here are sent again.

        One that nobody holds is used up with a transaction of nothing to oneself.
        """
        if mined >= nonce:
            return
        held = {record.nonce: record for record in self.records() if record.state != FAILED}
        pending = self.rpc.nonce(self.signer.address, pending=True)
        for below in range(mined, nonce):
            if below in held:
                if self._receipt(held[below]) is None:
                    self._set(held[below].key, OPEN)
                    self._resend(held[below])
            elif below >= pending:
                self._fill(below)

    def _fill(self, nonce: int) -> None:
        address = self.signer.address
        with self._transaction():
            record = _new(address, f"{FILLER}/{nonce}", nonce, target=address, gas=21_000)
            self._save(record)
            raw = self._sign(record, self._fees())
        self._broadcast(record, raw)

    def _resend(self, record: Record) -> None:
        """Send it again if the node has lost it, and dearer if it is stuck."""
        attempts = self._attempts(record)
        digest, raw, max_fee, sent, tip = attempts[-1]
        base = self.rpc.base_fee()
        stuck = time.time() - sent > STUCK_SECONDS
        outbid = max_fee < base + 1
        if (stuck or outbid) and max_fee < self.max_fee:
            fees = self._dearer(max_fee, tip)
            if fees is not None:
                with self._transaction():
                    raw = self._sign(record, fees)
                self._broadcast(record, raw)
                return
        if not self.rpc.known(digest):
            self._broadcast(record, raw)

    def _dearer(self, max_fee: int, tip: int) -> Fees | None:
        """Fees that replace these; None where the settings do not allow them."""
        try:
            now = self._fees()
        except FeeTooHigh:
            return None
        wanted = max(now.max_fee, math.ceil(max_fee * BUMP))
        if wanted > self.max_fee:
            return None
        return Fees(base=now.base, max_fee=wanted, tip=min(max(now.tip, math.ceil(tip * BUMP)), wanted))

    def _attempts(self, record: Record) -> list[tuple[bytes, bytes, int, float, int]]:
        """Hash, raw bytes, highest fee, time and tip of each, the latest last."""
        rows = self._db.execute(
            "SELECT hash, raw, max_fee, sent, tip FROM attempts WHERE sender = ? AND key = ? ORDER BY sent",
            (record.sender, record.key),
        )
        return [(row[0], row[1], int(row[2]), row[3], int(row[4])) for row in rows]

    def _receipt(self, record: Record) -> Mapping[str, Any] | None:
        for digest, *_ in reversed(self._attempts(record)):
            receipt = self.rpc.receipt(digest)
            if receipt is not None and receipt.get("blockNumber") is not None:
                return receipt
        return None

    def _mined(self, record: Record, receipt: Mapping[str, Any]) -> None:
        block = number(receipt["blockNumber"])
        deep = self.rpc.head().number - block + 1 >= self.confirmations
        if number(receipt["status"]) != 1:
            self._set(record.key, FAILED, block, receipt)
            raise Reverted(*self._why(record, block))
        self._set(record.key, DONE if deep else OPEN, block, receipt)

    def _why(self, record: Record, block: int) -> tuple[str, str]:
        """What the contract says to the same call now, and a sentence."""
        reason = ""
        if record.target is not None:
            try:
                self.rpc.view(record.target, record.data, sender=record.sender, value=record.value)
            except Reverted as error:
                reason = error.reason
            except NodeError:
                pass
        told = f"{record.key} was mined in block {block} and reverted ({reason or 'no reason given'}); its gas is spent"
        return reason, told

    def _canonical(self, record: Record) -> bool:
        """Whether the block of a receipt is still on the chain; deep ones are not asked for."""
        if record.block is None or record.receipt is None:
            return False
        if self.rpc.head().number - record.block >= DEEP:
            return True
        there = self.rpc.block(record.block)
        return there is not None and there.hash == octets(record.receipt["blockHash"])

    # ── the file ──

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _save(self, record: Record) -> None:
        # attempts of a failed transaction under the same key are of no use any more
        self._db.execute("DELETE FROM attempts WHERE sender = ? AND key = ?", (record.sender, record.key))
        self._db.execute(
            "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.sender,
                record.key,
                record.nonce,
                record.target,
                record.data,
                str(record.value),
                record.gas,
                record.state,
                record.block,
                None,
            ),
        )

    def _set(self, key: str, state: str, block: int | None = None, receipt: Mapping[str, Any] | None = None) -> None:
        self._db.execute(
            "UPDATE transactions SET state = ?, block = ?, receipt = ? WHERE sender = ? AND key = ?",
            (state, block, None if receipt is None else json.dumps(receipt), self.signer.address, key),
        )


def _new(
    sender: str, key: str, nonce: int, *, target: str | None, gas: int, data: bytes = b"", value: int = 0
) -> Record:
    return Record(
        sender=sender,
        key=key,
        nonce=nonce,
        target=target,
        data=data,
        value=value,
        gas=gas,
        state=OPEN,
        block=None,
        receipt=None,
    )


def _record(row: tuple[Any, ...]) -> Record:
    sender, key, nonce, target, data, value, gas, state, block, receipt = row
    return Record(
        sender=sender,
        key=key,
        nonce=nonce,
        target=target,
        data=data,
        value=int(value),
        gas=gas,
        state=state,
        block=block,
        receipt=None if receipt is None else json.loads(receipt),
    )
