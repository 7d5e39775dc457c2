"""Nodes that tell a block's time with each log are asked for fewer blocks, and what is known is the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.histories import History, Node
from tests.recorded import history
from trainer.errors import NodeError
from trainer.index import Block, Index, Log, sync
from trainer.node.rpc import _log


@dataclass
class Telling(Node):
    """A node whose logs have times, after `told` changed what it tells."""

    told: Callable[[Log], Log] = lambda log: log

    def logs(self, address: str, first: int, last: int) -> list[Log]:
        found = super().logs(address, first, last)
        return [self.told(replace(log, timestamp=self.time(log.block))) for log in found]

    def time(self, number: int) -> int:
        block = self.chain.block(number)
        assert block is not None, "it has a log"
        return block.timestamp


@pytest.fixture(scope="module")
def chain() -> History:
    """A few dozen challenges."""
    return history(2, 60, [])


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges that hold many blocks with logs, and no pauses."""
    monkeypatch.setattr(sync, "FIRST_RANGE", 5_000)
    monkeypatch.setattr(sync, "PAUSE", 0.0001)


def blocks(index: Index) -> list[Block]:
    """Every block that it remembers: those with logs, and ends of readings."""
    found = (index.store.known(number) for number in index.store.numbers())
    return [block for block in found if block is not None]


def read(path: Path, node: Node) -> tuple[list[Block], int]:
    """Blocks that an index remembers after one reading, and what it asked."""
    index = Index(path, node, node.chain.address)
    index.sync()
    found = blocks(index)
    index.close()
    return found, node.calls


def test_a_range_takes_as_many_requests_as_one_block_does(chain: History, tmp_path: Path) -> None:
    silent, telling = Node(chain), Telling(chain)

    slow, many = read(tmp_path / "silent", silent)
    fast, few = read(tmp_path / "telling", telling)

    assert fast == slow
    assert telling.answered == silent.answered
    # id, head; of each range its end before and after, its logs, its newest log's block, and the end of the last range
    assert few <= 2 + 5 * len(telling.answered)
    assert many > few + len(chain.mined) // 2


@pytest.mark.parametrize("which", ["none of the first", "none of some", "zero", "the future", "back", "the first late"])
def test_times_that_cannot_be_are_looked_up(chain: History, tmp_path: Path, which: str) -> None:
    first = next(mined.number for mined in chain.mined if mined.logs)

    def told(log: Log) -> Log:
        time = log.timestamp or 0
        times: dict[str, int | None] = {
            "none of the first": None if log.block == first else time,
            "none of some": None if log.block % 2 else time,
            "zero": 0,
            "the future": time + 1,
            "back": 10**10 - log.block,
            "the first late": 10**10 if log.block == first else time,
        }
        return replace(log, timestamp=times[which])

    assert read(tmp_path / "wrong", Telling(chain, told=told))[0] == read(tmp_path / "silent", Node(chain))[0]


@pytest.mark.parametrize("which", ["the newest", "all", "one of two"])
def test_logs_of_another_chain_are_never_kept(chain: History, tmp_path: Path, which: str) -> None:
    newest = next(mined for mined in reversed(chain.mined) if mined.logs)
    shared = next(mined for mined in chain.mined if len(mined.logs) > 1)
    place = shared.number, shared.logs[1].index
    wrong: dict[str, Callable[[Log], bool]] = {
        "the newest": lambda log: log.block == newest.number,
        "all": lambda log: True,
        "one of two": lambda log: (log.block, log.index) == place,
    }

    def told(log: Log) -> Log:
        return replace(log, block_hash=b"\1" * 32) if wrong[which](log) else log

    index = Index(tmp_path / "cache", Telling(chain, told=told), chain.address)
    with pytest.raises(NodeError, match="has another hash than its logs"):
        index.sync()
    index.close()


def test_a_log_of_a_node_has_a_time_or_none() -> None:
    entry = {"blockNumber": "0x1", "blockHash": "0x02", "logIndex": "0x0", "transactionHash": "0x03"}
    entry |= {"topics": [], "data": "0x"}  # type: ignore[dict-item]
    assert [
        _log({**entry, **more}).timestamp for more in ({"blockTimestamp": "0x65"}, {"blockTimestamp": None}, {})
    ] == [
        101,
        None,
        None,
    ]
