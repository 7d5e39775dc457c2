"""Declarations are read whole and once, through forks, spoilt caches and whatever bytes strangers log."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from trainer.chain import Chain, deploy_declarations
from trainer.errors import ChainError, NodeError
from trainer.index import Block, Log
from trainer.prices.declarations import DEPTH, PATIENCE, Declarations, Declared, opened

CONTRACT, MARKET, OTHER = ("0x" + digits * 20 for digits in ("de", "5e", "6f"))
WINNER = "0x" + "ad" * 20


def reader(path: Path, node: "Node", start: int = 1) -> Declarations:
    return Declarations(path / "d.json", node, CONTRACT, MARKET, start)


@dataclass
class Node:
    """A chain of blocks, each of which a seed makes, and what was logged in them."""

    height: int = 10
    forked: dict[int, int] = field(default_factory=dict)
    logged: dict[int, list[Log]] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)
    id: int = 1
    moves: int = 0

    def chain_id(self) -> int:
        return self.id

    def head(self) -> Block:
        found = self.block(self.height)
        assert found is not None
        return found

    def block(self, number: int) -> Block | None:
        if not 0 <= number <= self.height:
            return None
        # a block is another where it, or one below it, was forked
        seed = max((fork for first, fork in self.forked.items() if first <= number), default=0)
        return Block(number, sha256(b"%d %d" % (number, seed)).digest(), 1000 + 12 * number)

    def every_log(self, address: str, first: int, last: int, topics: Sequence[bytes] = ()) -> list[Log]:
        assert (address, topics[1][12:].hex()) == (CONTRACT, MARKET[2:])
        self.asked.append((first, last))
        if self.moves:
            self.moves -= 1
            self.forked[last] = self.forked.get(last, 0) + 1
        return [
            replace(log, block_hash=block.hash)
            for number in range(first, last + 1)
            for log in self.logged.get(number, [])
            if (block := self.block(number)) is not None and log.topics[1] == topics[1]
        ]

    def declare(self, number: int, flops: int = 5, device: bytes = b"GPU", challenge: int = 0, **changes: Any) -> None:
        """Log a declaration in a block."""
        market = changes.get("market", MARKET)
        data = [flops.to_bytes(32), (7).to_bytes(32), (96).to_bytes(32), len(device).to_bytes(32)]
        padded = device + bytes(-len(device) % 32)
        log = Log(
            number,
            b"",
            len(self.logged.get(number, [])),
            bytes(32),
            (topic(), word(market), challenge.to_bytes(32), word(WINNER)),
            b"".join(data) + padded,
        )
        self.logged.setdefault(number, []).append(replace(log, **changes.get("log", {})))


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def topic() -> bytes:
    found: bytes = Declarations(Path("x"), Node(), CONTRACT, MARKET).topic
    return found


def flops(found: list[Declared]) -> list[int]:
    return [one.flops for one in found]


def test_a_declaration_is_read_with_its_block(tmp_path: Path) -> None:
    node = Node()
    node.declare(3, 8, b"NVIDIA H200", challenge=4)
    node.declare(3, 9, market=OTHER)
    (found,) = reader(tmp_path, node).read()
    assert (found.challenge, found.trainer.lower(), found.flops, found.seconds) == (4, WINNER, 8, 7)
    assert (found.device, found.block, found.timestamp) == ("NVIDIA H200", 3, 1036)
    assert found.trainer != WINNER, "with checksum"


def test_what_is_deep_is_read_once_and_the_rest_each_time(tmp_path: Path) -> None:
    node = Node(height=200)
    for number in (5, 100, 199):
        node.declare(number, number)
    for _ in range(2):
        assert flops(reader(tmp_path, node).read()) == [5, 100, 199]
    assert node.asked == [(1, 200), (200 - DEPTH + 1, 200)]
    inode = (tmp_path / "d.json").stat().st_ino
    reader(tmp_path, node).read()
    assert (tmp_path / "d.json").stat().st_ino == inode, "nothing new, and nothing written"
    del node.asked[2:]
    node.height = 300
    node.declare(250, 250)
    assert flops(reader(tmp_path, node).read()) == [5, 100, 199, 250]
    assert flops(reader(tmp_path, node).read()) == [5, 100, 199, 250]
    assert node.asked[2:] == [(200 - DEPTH + 1, 300), (300 - DEPTH + 1, 300)]


@pytest.mark.parametrize("fork", [1, 100, 136, 137, 190])
def test_a_fork_takes_back_what_it_took_back(tmp_path: Path, fork: int) -> None:
    """Above what is kept it is only read anew; where that is forked, everything is."""
    node = Node(height=200)
    for number in (1, 100, 136, 137, 190):
        node.declare(number, number)
    assert flops(reader(tmp_path, node).read()) == [1, 100, 136, 137, 190]
    node.forked[fork] = 1
    for number in [number for number in node.logged if number >= fork]:
        del node.logged[number]
    node.declare(195, 195)
    expected = [*(number for number in (1, 100, 136, 137, 190) if number < fork), 195]
    assert flops(reader(tmp_path, node).read()) == expected
    assert node.asked[1] == ((1, 200) if fork <= 136 else (137, 200))
    assert flops(reader(tmp_path, node).read()) == expected


def test_a_shorter_chain_is_read_anew(tmp_path: Path) -> None:
    node = Node(height=200)
    node.declare(50, 1)
    reader(tmp_path, node).read()
    node.height = 100
    assert flops(reader(tmp_path, node).read()) == [1]
    assert node.asked[-1] == (1, 100)


@pytest.mark.parametrize("moves", [1, PATIENCE - 1])
def test_a_chain_that_moves_while_it_is_read_is_read_again(tmp_path: Path, moves: int) -> None:
    node = Node(moves=moves)
    node.declare(10, 1)
    assert flops(reader(tmp_path, node).read()) == [1]
    assert len(node.asked) == moves + 1


@pytest.mark.parametrize("stale", [1, PATIENCE - 1, PATIENCE])
def test_a_log_of_a_block_that_is_gone_is_read_again(tmp_path: Path, stale: int) -> None:
    node = Node()
    node.declare(3)
    logs, left = node.every_log, [True] * stale

    def old(*asked: Any) -> list[Log]:
        found = logs(*asked)
        return [replace(log, block_hash=bytes(32)) for log in found] if left and left.pop() else found

    node.every_log = old  # type: ignore[method-assign,assignment]
    if stale == PATIENCE:
        with pytest.raises(NodeError, match="changed 3 times"):
            reader(tmp_path, node).read()
    else:
        assert flops(reader(tmp_path, node).read()) == [5]
    assert left == []


def test_a_chain_that_never_stands_still_is_said(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="chain changed 3 times while declarations were read; try again"):
        reader(tmp_path, Node(moves=99)).read()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.update(version=2),
        lambda found: found.update(chain_id=7),
        lambda found: found.update(market=OTHER),
        lambda found: found.update(contract=OTHER),
        lambda found: found.update(first=50),
        lambda found: found.update(hash="0x12"),
        lambda found: found.pop("number"),
        lambda found: found["declared"][0].pop("flops"),
        lambda found: found["declared"][0].update(flops="5"),
        lambda found: found.update(declared=5),
    ],
)
def test_a_spoilt_cache_or_one_of_another_is_replaced(tmp_path: Path, spoil: Any) -> None:
    node = Node(height=200)
    node.declare(60, 60)
    reader(tmp_path, node).read()
    path = tmp_path / "d.json"
    whole = path.read_text()
    found = json.loads(whole)
    spoil(found)
    path.write_text(json.dumps(found))
    assert flops(reader(tmp_path, node).read()) == [60]
    assert node.asked[-1] == (1, 200)
    assert path.read_text() == whole
    path.write_bytes(b"\xff\xfe")
    assert flops(reader(tmp_path, node).read()) == [60]
    assert path.read_text() == whole


def test_a_cache_from_a_later_block_on_is_not_enough(tmp_path: Path) -> None:
    node = Node(height=200)
    node.declare(10, 10)
    assert flops(reader(tmp_path, node, start=50).read()) == []
    assert flops(reader(tmp_path, node, start=5).read()) == [10]


@pytest.mark.parametrize(
    ("device", "shown"),
    [
        (b"\xff\xfe", "��"),
        (b"a\x1b[2Jb", "a�[2Jb"),
        ("é".encode() * 32, "é" * 32),
        ("é".encode()[:1], "�"),
        ("a\u202eb".encode(), "a�b"),
        (b"a\nb", "a�b"),
    ],
)
def test_a_device_of_any_bytes_is_shown_as_text(tmp_path: Path, device: bytes, shown: str) -> None:
    node = Node()
    node.declare(3, device=device)
    assert [one.device for one in reader(tmp_path, node).read()] == [shown]


def test_a_challenge_that_no_market_has_is_left_out(tmp_path: Path) -> None:
    node = Node()
    for challenge in (2**63, 2**256 - 1, 2**63 - 1):
        node.declare(3, challenge=challenge)
    assert [one.challenge for one in reader(tmp_path, node).read()] == [2**63 - 1]


@pytest.mark.parametrize(
    "change",
    [
        {"topics": (bytes(32),)},
        {"topics": (bytes(32), word(MARKET), bytes(32), word(WINNER))},
        {"data": bytes(96)},
        {"data": (1).to_bytes(32) * 2 + (96).to_bytes(32) + (65).to_bytes(32) + b"x" * 96},
        {"data": (1).to_bytes(32) * 2 + (64).to_bytes(32) + (1).to_bytes(32) + b"x" * 32},
        {"data": (1).to_bytes(32) * 2 + (96).to_bytes(32) + (33).to_bytes(32) + b"x" * 32},
        {"data": bytes(32) + (1).to_bytes(32) + (96).to_bytes(32) + (1).to_bytes(32) + b"x" * 32},
    ],
)
def test_a_log_that_the_contract_cannot_write_is_the_nodes_fault(tmp_path: Path, change: dict[str, Any]) -> None:
    node = Node()
    node.declare(3)
    (log,) = node.logged[3]
    topics = change.get("topics", log.topics)
    broken = replace(log, **{**change, "topics": topics})
    node.every_log = lambda *_: [replace(broken, block_hash=node.head().hash, block=10)]  # type: ignore[method-assign]
    with pytest.raises(NodeError, match="ask another node"):
        reader(tmp_path, node).read()


def test_the_contract_is_known_by_its_code(tmp_path: Path) -> None:
    chain = Chain(seed=5)
    with chain.active():
        address = str(deploy_declarations().address)
    code_of = chain.env.get_code
    assert opened(None, Node(), code_of, tmp_path, MARKET) is None
    found = opened(address, Node(), code_of, tmp_path, MARKET)
    assert found is not None
    assert found.path.parent == tmp_path
    with pytest.raises(ChainError, match=f"{OTHER} is no log of declarations"):
        opened(OTHER, Node(), code_of, tmp_path, MARKET)
