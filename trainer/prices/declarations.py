"""What winners say their training took: the logs of `contracts/Declarations.vy` about one market.

Read apart from the market's own logs and kept in a file of its own, so that nothing a stranger writes into that log can
slow down or spoil what decides about money. The file holds what lies deep enough in the chain; what is above is read
anew each time, and a file that the chain has left behind is replaced.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eth_utils.address import to_checksum_address

from trainer import abi
from trainer.errors import ChainError, DataError, NodeError
from trainer.files import write_file
from trainer.fingerprints import DECLARATIONS, CodeOf, identify
from trainer.index.source import Block, Log
from trainer.prices.strict import Reader
from trainer.prices.work import MAX_DEVICE

VERSION = 1
DEPTH = 64
"""Blocks above what is kept: two epochs."""
PATIENCE = 3
"""How often the chain may change while it is read."""
REMEDY = "delete it"
LARGEST_ID = 2**63


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One declaration.

    trainer:   who declared, whoever he is; with checksum.
    flops:     operations.
    seconds:   of all devices together.
    device:    what is printable of its name.
    timestamp: of its block, in seconds.
    """

    challenge: int
    trainer: str
    flops: int
    seconds: int
    device: str
    block: int
    timestamp: int


class LogSource(Protocol):
    """One node, as `trainer.node.rpc.Rpc`."""

    def chain_id(self) -> int: ...

    def head(self) -> Block: ...

    def block(self, number: int) -> Block | None: ...

    def every_log(self, address: str, first: int, last: int, topics: Sequence[bytes] = ()) -> list[Log]: ...


def opened(
    contract: str | None,
    source: LogSource,
    code_of: CodeOf,
    directory: Path,
    market: str,
    start: int = 0,
) -> "Declarations | None":
    """The declarations of a market, with their cache in a directory; None where no contract is named.

    Raises `ChainError` where the contract is another.
    """
    if contract is None:
        return None
    if identify(contract, code_of) != DECLARATIONS:
        raise ChainError(f"{contract} is no log of declarations of this version of Assay; check `declarations`")
    return Declarations(directory / f"declarations-{contract}.json", source, contract, market, start)


class Declarations:
    """All that was ever declared about a market, in the order of the chain."""

    def __init__(self, path: Path, source: LogSource, contract: str, market: str, start: int = 0) -> None:
        """Nothing is asked yet.

        path:     of the cache.
        contract: where `Declarations` is.
        start:    a block not after the market's deployment.
        """
        self.path, self.source, self.contract, self.market, self.start = path, source, contract, market, start
        (self.topic,) = (topic for topic, event in abi.load("Declarations").events.items() if event.name == "Declared")

    def read(self) -> list[Declared]:
        """Raises `NodeError` if the node cannot be reached or answers wrongly, `DataError` if no file can be there."""
        for _ in range(PATIENCE):
            found = self._read()
            if found is not None:
                return found
        raise NodeError(f"the node's chain changed {PATIENCE} times while declarations were read; try again")

    def _read(self) -> list[Declared] | None:
        head = self.source.head()
        kept, upto = self._kept()
        if upto is not None and self.source.block(upto.number) != upto:
            kept, upto = [], None
        first = self.start if upto is None else upto.number + 1
        topics = [self.topic, bytes(12) + bytes.fromhex(self.market[2:])]
        logs = self.source.every_log(self.contract, first, head.number, topics) if first <= head.number else []
        blocks: dict[int, Block] = {}
        for log in logs:
            block = blocks.get(log.block) or self.source.block(log.block)
            if block is None or block.hash != log.block_hash:
                return None
            blocks[log.block] = block
        if self.source.block(head.number) != head:
            return None
        fresh = [one for log in logs if (one := _declared(log, blocks[log.block], self.topic)) is not None]
        self._keep([*kept, *fresh], head.number - DEPTH, upto)
        return [*kept, *fresh]

    # ── the file ──

    def _place(self) -> dict[str, Any]:
        return {"contract": self.contract, "market": self.market, "chain_id": self.source.chain_id()}

    def _kept(self) -> tuple[list[Declared], Block | None]:
        """What the file holds, and the block up to which that is all; nothing of a spoilt file, or of another's."""
        if not self.path.exists():
            return [], None
        with suppress(DataError):
            found = Reader.file(self.path, REMEDY)
            found.version(VERSION)
            place = {"contract": found.text("contract"), "market": found.text("market")}
            if {**place, "chain_id": found.whole("chain_id")} == self._place() and found.whole("first") <= self.start:
                number, hash, time = found.whole("number"), found.word("hash"), found.whole("timestamp")
                return [_one(entry) for entry in found.objects("declared")], Block(number, hash, time)
        return [], None

    def _keep(self, found: list[Declared], last: int, before: Block | None) -> None:
        """Write what is deep enough, where that is more than before."""
        if last < self.start or (before is not None and last <= before.number):
            return
        block = self.source.block(last)
        if block is None:
            return
        entries = {
            "version": VERSION,
            **self._place(),
            "first": self.start,
            "number": block.number,
            "hash": "0x" + block.hash.hex(),
            "timestamp": block.timestamp,
            "declared": [vars(one) for one in found if one.block <= last],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_file(self.path, json.dumps(entries).encode())


def _one(entry: Reader) -> Declared:
    return Declared(
        challenge=entry.whole("challenge"),
        trainer=entry.text("trainer"),
        flops=entry.whole("flops", 1),
        seconds=entry.whole("seconds", 1),
        device=entry.text("device"),
        block=entry.whole("block"),
        timestamp=entry.whole("timestamp"),
    )


def _declared(log: Log, block: Block, topic: bytes) -> Declared | None:
    """What a log says; None for a challenge that no market has.

    The name of the device is any bytes, so that the ABI's decoder, which wants text, must not see it. Raises
    `NodeError` if the contract cannot have written this.
    """
    words = [log.data[i : i + 32] for i in range(0, 128, 32)]
    if len(log.topics) != 4 or log.topics[0] != topic or len(log.data) < 128:
        raise NodeError(f"a log of block {log.block} is no declaration; ask another node")
    flops, seconds, place, length = map(int.from_bytes, words)
    if place != 96 or length > MAX_DEVICE or len(log.data) < 128 + length or not (flops and seconds):
        raise NodeError(f"a declaration of block {log.block} cannot be read; ask another node")
    challenge = int.from_bytes(log.topics[2])
    if challenge >= LARGEST_ID:
        return None
    name = log.data[128 : 128 + length].decode(errors="replace")
    return Declared(
        challenge=challenge,
        trainer=str(to_checksum_address(log.topics[3][12:])),
        flops=flops,
        seconds=seconds,
        # what a terminal or a page would take for a command is shown as what it is: nothing
        device="".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name),
        block=block.number,
        timestamp=block.timestamp,
    )
