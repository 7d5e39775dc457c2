"""Chains of blocks with a market's logs, and a node that shows them: what the index reads in tests.

A block's hash follows from all that happened up to it, so two histories agree on exactly the blocks that they share.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from trainer.errors import NodeError
from trainer.index import TOO_LARGE, Block, Log

CHAIN_ID = 1


@dataclass
class Mined:
    """A block that a game played in, and what it logged; blocks between two of these are empty."""

    number: int
    timestamp: int
    logs: list[Log] = field(default_factory=list)


class History:
    """Blocks up to a head, as a source. `address` is the market's."""

    def __init__(self, address: str, mined: Sequence[Mined]) -> None:
        self.address, self.mined = address, list(mined)
        self.hashes: list[bytes] = []

    def chain_id(self) -> int:
        return CHAIN_ID

    def head(self) -> Block:
        last = self.block(self.mined[-1].number)
        assert last is not None
        return last

    def block(self, number: int) -> Block | None:
        """A block is what happened in it and before; its timestamp is that of the last one that was played in."""
        if not 0 <= number <= self.mined[-1].number:
            return None
        place = bisect_right(self.mined, number, key=lambda mined: mined.number) - 1
        if place < 0:
            return Block(number, sha256(b"%d" % number).digest(), self.mined[0].timestamp)
        before, now = self._hash(place), self.mined[place]
        between = sha256(before + number.to_bytes(32)).digest()
        return Block(number, before if now.number == number else between, now.timestamp)

    def _hash(self, place: int) -> bytes:
        """Hash of a block that was played in; the last one may still get logs, so its hash is not kept."""
        while len(self.hashes) < place:
            self.hashes.append(self._next(len(self.hashes)))
        return self.hashes[place] if place < len(self.hashes) else self._next(place)

    def _next(self, place: int) -> bytes:
        mined = self.mined[place]
        whole = sha256(self.hashes[place - 1] if place else b"")
        whole.update(repr((mined.number, mined.timestamp, mined.logs)).encode())
        return whole.digest()

    def logs(self, address: str, first: int, last: int) -> list[Log]:
        """Logs of the market, each with the hash of its block."""
        assert address.lower() == self.address
        low = bisect_right(self.mined, first - 1, key=lambda mined: mined.number)
        high = bisect_right(self.mined, last, key=lambda mined: mined.number)
        hashes = [self._hash(place) for place in range(low, high)]
        return [
            replace(log, block_hash=hash)
            for mined, hash in zip(self.mined[low:high], hashes, strict=True)
            for log in mined.logs
        ]

    def until(self, number: int) -> "History":
        """The same history up to a block."""
        return History(self.address, [mined for mined in self.mined if mined.number <= number])


@dataclass
class Node:
    """A source that can change its mind, refuse and fail, and remembers what it was asked for.

    most:  logs it sends at once; blocks it looks through at once.
    fails: calls after which it cannot be reached, None for never.
    """

    chain: History
    most_logs: int = 10**9
    most_blocks: int = 10**9
    fails: int | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)
    answered: list[tuple[int, int]] = field(default_factory=list)
    calls: int = 0

    def _call(self) -> None:
        self.calls += 1
        if self.fails is not None and self.calls > self.fails:
            raise NodeError("the node cannot be reached; start it")

    def chain_id(self) -> int:
        self._call()
        return self.chain.chain_id()

    def head(self) -> Block:
        self._call()
        return self.chain.head()

    def block(self, number: int) -> Block | None:
        self._call()
        return self.chain.block(number)

    def logs(self, address: str, first: int, last: int) -> list[Log]:
        self._call()
        self.asked.append((first, last))
        found = self.chain.logs(address, first, last)
        if last - first + 1 > self.most_blocks or len(found) > self.most_logs:
            raise NodeError(f"{TOO_LARGE}: {first} to {last}")
        self.answered.append((first, last))
        return found
