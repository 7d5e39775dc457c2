"""What the index reads from: a node, or in tests something that pretends to be one."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

TOO_LARGE = "range too large"
"""Words in the `NodeError` of a source that refuses to look through so many blocks, or to send so much, at once."""


class Block(NamedTuple):
    """A block's header.

    hash:      32 bytes.
    timestamp: in seconds.
    """

    number: int
    hash: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class Log:
    """A log of the market.

    index:       its place among all logs of the block.
    transaction: hash, 32 bytes.
    topics:      32 bytes each.
    timestamp:   of its block, in seconds; None where the node does not tell it with a log.
    """

    block: int
    block_hash: bytes
    index: int
    transaction: bytes
    topics: tuple[bytes, ...]
    data: bytes
    timestamp: int | None = None


class Source(Protocol):
    """One node. Every method raises `trainer.errors.NodeError` if it cannot be reached or answers nonsense."""

    def chain_id(self) -> int: ...

    def head(self) -> Block:
        """The newest block."""

    def block(self, number: int) -> Block | None:
        """The block of that number on the node's present chain; None if there is none (yet)."""

    def logs(self, address: str, first: int, last: int) -> list[Log]:
        """Logs of a contract in these blocks, both ends included, in order.

        Raises `NodeError` with `TOO_LARGE` in it where fewer blocks may do.
        """
