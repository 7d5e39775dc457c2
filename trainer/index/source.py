"""What the index reads from: blocks and logs of one chain."""

from typing import NamedTuple, Protocol


class Block(NamedTuple):
    """A block: number, hash (32 bytes), timestamp in seconds."""

    number: int
    hash: bytes
    timestamp: int


class Log(NamedTuple):
    """One log; `position` counts the logs of its block, `transaction` is a hash."""

    block: int
    block_hash: bytes
    position: int
    transaction: bytes
    topics: tuple[bytes, ...]
    data: bytes


class Source(Protocol):
    """A chain that can be read: a node, or a stand-in."""

    def chain_id(self) -> int:
        """Its id."""
        ...

    def head(self) -> Block:
        """Its newest block."""
        ...

    def block(self, number: int) -> Block | None:
        """A block by its number; None if there is none, or not yet."""
        ...

    def logs(self, address: str, first: int, last: int) -> list[Log]:
        """Logs of a contract in blocks `first` to `last`, both included, in order; `NodeError` for too many blocks."""
        ...
