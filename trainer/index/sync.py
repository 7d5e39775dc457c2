"""Follows the chain: reads logs in ranges that fit, finds forks by block hashes, and goes back to where they began.

What is read is kept only if the chain was the same before and after the reading, and it is written in one transaction
with the block it goes up to. So a process can be killed at any point: the next one goes on behind the last range that
was written whole.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from trainer.errors import NodeError
from trainer.index import record
from trainer.index.source import TOO_LARGE, Block, Log, Source
from trainer.index.store import Store

FIRST_RANGE = 2_000
"""Blocks asked for at first."""
LARGEST_RANGE = 1 << 20
PLENTY = 4 << 20
"""Bytes in an answer after which the next range is shorter."""
CALM = 8
"""Answers after a refusal before a longer range is tried again."""
PATIENCE = 10
"""How often the chain may change while it is read."""
PAUSE = 0.01
"""Seconds before the first new attempt after that, and twice as many before each further one."""
DOUBTED = 128
"""Blocks that are read again when their logs do not go together."""
KEPT = 1024
"""Blocks below the last in which ends of readings are kept as places to go back to."""

Progress = Callable[[int, int], None]
"""Is told the block up to which everything is known, and the head."""


class Moved(Exception):
    """The chain changed while it was read."""


class Overtaken(Exception):
    """Another process has written into the cache."""


class Contradiction(Exception):
    """Logs that do not go together."""


@dataclass
class Span:
    """How many blocks to ask for."""

    size: int = field(default_factory=lambda: FIRST_RANGE)
    calm: int = 0

    def refused(self, asked: int) -> bool:
        """Ask for fewer; False if there are none fewer."""
        self.size, self.calm = max(1, asked // 2), CALM
        return asked > 1

    def answered(self, asked: int, got: int) -> None:
        """Ask for more, or for fewer if `got` bytes were plenty."""
        if got > PLENTY:
            self.size = max(1, asked // 2)
        elif self.calm:
            self.calm -= 1
        elif asked == self.size and got < PLENTY // 4:
            self.size = min(LARGEST_RANGE, 2 * self.size)


def follow(store: Store, source: Source, progress: Progress | None = None) -> Block:
    """Bring the cache up to the head; returns the block it is complete up to.

    Raises `NodeError` if the node cannot be reached, contradicts itself, or leaves out logs.
    """
    store.check_place()
    span, moved, doubts = Span(), 0, iter((DOUBTED, None))
    while True:
        try:
            return _catch_up(store, source, span, progress)
        except Overtaken:
            # it got further, and so will this one
            continue
        except Moved as error:
            moved += 1
            if moved == PATIENCE:
                raise NodeError(
                    f"the node's chain changed {moved} times while it was read ({error}); try again, or another node"
                ) from error
            time.sleep(PAUSE * 2 ** (moved - 1))
        except Contradiction as error:
            # what is missing may be in blocks that were read before: read them again, then everything
            depth = next(doubts, 0)
            if depth == 0:
                raise NodeError(str(error)) from error
            _go_back(store, depth)


def _catch_up(store: Store, source: Source, span: Span, progress: Progress | None) -> Block:
    base = common(store, source)
    head = source.head()
    first = store.start if base is None else base.number + 1
    while first <= head.number:
        last = min(first + span.size - 1, head.number)
        reading = _read(store, source, span, base, first, last)
        if reading is None:
            continue
        end, blocks, logs = reading
        if not _keep(store, base, end, blocks, logs):
            raise Overtaken
        base, first = end, end.number + 1
        if progress is not None:
            progress(end.number, head.number)
    return head if base is None else base


def common(store: Store, source: Source) -> Block | None:
    """The newest block that the cache and the node's chain have in common; what is above it is forgotten.

    A chain that agrees on a block agrees on all below, so the block is searched by halving.
    """
    while True:
        last = store.last()
        if last is None or source.block(last.number) == last:
            return last
        numbers = store.numbers()
        low, high = 0, 1
        # numbers[low] is known to differ
        while high < len(numbers) and not _agrees(store, source, numbers[high]):
            low, high = high, 2 * high
        high = min(high, len(numbers))
        while high - low > 1:
            middle = (low + high) // 2
            if _agrees(store, source, numbers[middle]):
                high = middle
            else:
                low = middle
        place = numbers[high] if high < len(numbers) else store.start - 1
        with store.writing(last) as alone:
            if alone:
                record.take_back(store, place)


def _agrees(store: Store, source: Source, number: int) -> bool:
    known = store.known(number)
    return known is not None and source.block(number) == known


def _go_back(store: Store, depth: int | None) -> None:
    """Forget that many of the newest blocks, or all."""
    last = store.last()
    if last is None:
        return
    wanted = store.start - 1 if depth is None else last.number - depth
    place = next((number for number in store.numbers() if number <= wanted), store.start - 1)
    with store.writing(last) as alone:
        if alone:
            record.take_back(store, place)


def _read(
    store: Store, source: Source, span: Span, base: Block | None, first: int, last: int
) -> tuple[Block, dict[int, Block], list[Log]] | None:
    """The last block, the blocks with logs, and the logs of a range; None if the range is too large."""
    before = _header(source, last)
    try:
        logs = source.logs(store.market, first, last)
    except NodeError as error:
        if TOO_LARGE in str(error) and span.refused(last - first + 1):
            return None
        raise
    places = [(log.block, log.index) for log in logs]
    if places != sorted(set(places)) or (places and not first <= places[0][0] <= places[-1][0] <= last):
        raise NodeError(f"logs of blocks {first} to {last} are not in order, or of other blocks; ask another node")
    blocks = _blocks(source, logs)
    if _header(source, last) != before:
        raise Moved(f"block {last} has another hash than before")
    if base is not None and source.block(base.number) != base:
        raise Moved(f"block {base.number} has another hash than before")
    span.answered(last - first + 1, sum(len(log.data) for log in logs))
    return before, blocks, logs


def _blocks(source: Source, logs: list[Log]) -> dict[int, Block]:
    """The blocks of logs, which are in order; raises `Moved` where a log's block is not on the node's chain.

    An answer is of one chain: where it tells all times, the newest block alone is asked for, and speaks for the others.
    """
    told: dict[int, Block] = {}
    for log in logs:
        block = Block(log.block, log.block_hash, log.timestamp or 0)
        if told.setdefault(log.block, block).hash != block.hash:
            raise Moved(f"block {log.block} has another hash than its logs")
    if not told:
        return told
    newest = _of_chain(source, told[logs[-1].block])
    times = [block.timestamp for block in told.values()]
    if newest == told[newest.number] and times[0] and times == sorted(times):
        return told
    return {number: newest if number == newest.number else _of_chain(source, told[number]) for number in told}


def _of_chain(source: Source, told: Block) -> Block:
    found = _header(source, told.number)
    if found.hash != told.hash:
        raise Moved(f"block {told.number} has another hash than its logs")
    return found


def _header(source: Source, number: int) -> Block:
    block = source.block(number)
    if block is None:
        raise Moved(f"block {number} is gone")
    return block


def _keep(store: Store, base: Block | None, end: Block, blocks: dict[int, Block], logs: list[Log]) -> bool:
    """Write a range; False if it does not follow on what is there any more."""
    found = record.entries(logs)
    with store.writing(base) as alone:
        if alone:
            store.add_blocks([*(block for block in _ascending(blocks) if block.number < end.number), end])
            try:
                record.add(store, found, blocks)
            except NodeError as error:
                raise Contradiction(str(error)) from error
            store.forget_blocks((store.start if base is None else base.number) - KEPT, end.number - KEPT)
    return alone


def _ascending(blocks: dict[int, Block]) -> Iterator[Block]:
    return (blocks[number] for number in sorted(blocks))
