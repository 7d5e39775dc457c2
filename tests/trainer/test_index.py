"""The index follows a chain that forks, a node that refuses, a cache that breaks: what it shows is always the same."""

import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.histories import History, Mined, Node
from tests.recorded import history
from trainer.abi import load
from trainer.errors import ChainError, DataError, NodeError
from trainer.index import Block, Index, Log, store, sync
from trainer.protocol import Phase

MIDDLE = 60
"""The step of a walk from which its variants differ."""


@cache
def chain(other: int | None = None) -> History:
    """A few dozen challenges; `other` is the seed of another continuation from the middle on."""
    return history(3, 120, [] if other is None else [(MIDDLE, other)])


def fork(one: History, other: History) -> int:
    """The last block that two histories share."""
    numbers = range(min(one.head().number, other.head().number) + 1)
    return max(number for number in numbers if one.block(number) == other.block(number))


def shown(index: Index) -> dict[str, Any]:
    """All that an index says."""
    lives = index.challenges()
    tokens = sorted({life.terms.token for life in lives})
    return {
        "last": index.last(),
        "lives": [(life, life.details, index.challenge(life.id)) for life in lives],
        "events": [index.events(life.id, whole=True) for life in lives],
        "holdouts": [index.holdout(life.id) for life in lives],
        "unsealed": [index.unsealed(life.id) for life in lives if life.model is not None],
        "credits": [(token, index.credits(token), index.books(token)) for token in tokens],
    }


def fresh(path: Path, history: History) -> dict[str, Any]:
    """What an index says that never saw anything else."""
    path.unlink(missing_ok=True)
    index = Index(path, history, history.address)
    index.sync()
    said = shown(index)
    index.close()
    return said


def tables(path: Path) -> dict[str, list[Any]]:
    """The cache to the byte, but for hashes of blocks without logs."""
    connection = sqlite3.connect(path)
    said = {
        name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
        for name in ("events", "tails", "challenges", "credits", "books")
    }
    connection.close()
    return said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "index.sqlite"


@pytest.fixture
def node() -> Node:
    return Node(chain())


@pytest.fixture
def index(path: Path, node: Node) -> Index:
    return Index(path, node, node.chain.address)


@pytest.fixture(autouse=True)
def short_ranges_and_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a walk of some tens of thousands of blocks takes several readings."""
    monkeypatch.setattr(sync, "FIRST_RANGE", 50)
    monkeypatch.setattr(sync, "PAUSE", 0.0001)


# ── reading ──


def test_the_walks_have_what_it_takes() -> None:
    """Lives in most phases, models, samples, credits, and blocks on both sides of the fork."""
    one, other = chain(), chain(1)
    assert len(one.mined) > 100
    at = fork(one, other)
    assert 50 < len([mined for mined in one.mined if mined.number <= at]) < len(one.mined) - 30
    names = {log.topics[0] for mined in one.mined for log in mined.logs}
    assert names == set(load("Market").events)


def test_all_is_read_once_in_ranges_without_a_gap(index: Index, node: Node, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    assert index.sync(lambda done, head: told.append((done, head))) == node.chain.head()
    assert node.answered[0][0] == 0
    assert [first for first, _ in node.answered[1:]] == [last + 1 for _, last in node.answered[:-1]]
    assert [done for done, _ in told] == [last for _, last in node.answered]
    assert {head for _, head in told} == {node.chain.head().number}
    assert len(told) > 3
    assert shown(index) == fresh(tmp_path / "other", node.chain)


def test_nothing_is_read_again(index: Index, node: Node) -> None:
    index.sync()
    node.asked.clear()
    node.calls = 0
    index.sync()
    assert node.asked == []
    # the chain's id, the last block, the head
    assert node.calls == 3


@pytest.mark.parametrize("most", [{"most_blocks": 7}, {"most_logs": 40}])
def test_ranges_shrink_to_what_the_node_answers(path: Path, tmp_path: Path, most: dict[str, int]) -> None:
    whole = chain().until(3000)
    node = Node(whole, **most)
    index = Index(path, node, whole.address)
    index.sync()
    assert len(node.answered) < len(node.asked)
    assert shown(index) == fresh(tmp_path / "other", whole)


def test_ranges_grow_where_little_is_logged(index: Index, node: Node) -> None:
    index.sync()
    assert max(last - first for first, last in node.answered) > 8 * 50


def test_a_block_that_is_too_large_is_an_error(path: Path) -> None:
    node = Node(chain(), most_logs=0)
    with pytest.raises(NodeError, match="range too large"):
        Index(path, node, node.chain.address).sync()


def test_a_later_start_reads_only_from_there(path: Path, node: Node) -> None:
    posts = [mined.number for mined in node.chain.mined if mined.logs]
    index = Index(path, node, node.chain.address, start=posts[0])
    index.sync()
    assert node.asked[0][0] == posts[0]
    late = Index(path.with_name("late"), node, node.chain.address, start=posts[len(posts) // 2])
    with pytest.raises(NodeError, match="the index starts too late"):
        late.sync()


def test_a_start_beyond_the_head_waits(path: Path, node: Node) -> None:
    index = Index(path, node, node.chain.address, start=node.chain.head().number + 5)
    assert index.sync() == node.chain.head()
    assert index.challenges() == []
    assert node.asked == []


def test_an_earlier_start_reads_anew(path: Path, node: Node) -> None:
    notes: list[str] = []
    Index(path, node, node.chain.address, start=40).close()
    index = Index(path, node, node.chain.address, start=0, note=notes.append)
    assert notes == [f"{path} is thrown away and built anew: it begins with block 40, not 0"]
    index.sync()
    # a later one is content with what is there
    again = Index(path, node, node.chain.address, start=40, note=notes.append)
    assert again.challenges() == index.challenges() != []
    assert len(notes) == 1


def test_long_values_are_left_out_unless_asked_for(index: Index) -> None:
    index.sync()
    id = next(life.id for life in index.challenges() if life.model is not None)
    short, whole = ({e.name: e.values for e in index.events(id, whole=whole)} for whole in (False, True))
    assert {*whole["Unsealed"]} - {*short["Unsealed"]} == {"model", "predictions"}
    assert {*whole["Revealed"]} - {*short["Revealed"]} == {"samples"}
    assert short["Posted"] == whole["Posted"]


# ── forks ──


@pytest.mark.parametrize("back", [1, 2, 7, 40, 1000, 20000])
def test_the_last_blocks_are_taken_back(path: Path, tmp_path: Path, back: int) -> None:
    """A node that went back to an older state, and on again."""
    whole = chain()
    node = Node(whole)
    index = Index(path, node, whole.address)
    index.sync()
    before = tables(path)
    node.chain = whole.until(whole.head().number - back)
    assert index.sync() == node.chain.head()
    assert shown(index) == fresh(tmp_path / "other", node.chain)
    assert tables(path) == tables(tmp_path / "other")
    assert (tables(path) != before) == any(
        mined.logs for mined in whole.mined if mined.number > node.chain.head().number
    )
    node.chain = whole
    index.sync()
    assert tables(path) == before


@pytest.mark.parametrize("seed", range(6))
def test_forks_at_random_leave_no_trace(path: Path, tmp_path: Path, seed: int) -> None:
    """Synchronised at any heads of histories that fork, the cache is that of the last one alone."""
    rng, chains = Random(seed), [chain(), chain(1), chain(2)]
    node = Node(chains[0])
    index = Index(path, node, node.chain.address)
    for _ in range(8):
        whole = rng.choice(chains)
        node.chain = whole.until(rng.choice(whole.mined).number)
        node.asked.clear()
        before = index.last()
        index.sync()
        if before is not None and node.asked:
            # nothing that both share is read again, but for what was read with the first block that they do not
            assert node.asked[0][0] > 0
        assert shown(index) == fresh(tmp_path / "other", node.chain)
        assert tables(path) == tables(tmp_path / "other")


def test_a_fork_is_found_in_few_questions(path: Path) -> None:
    class Counting(Node):
        def logs(self, address: str, first: int, last: int) -> list[Log]:
            calls.append(self.calls)
            return super().logs(address, first, last)

    calls: list[int] = []
    node = Counting(chain())
    index = Index(path, node, node.chain.address)
    index.sync()
    numbers = index.store.numbers()
    at = fork(chain(), chain(1))
    node.chain, node.calls, node.asked = chain(1), 0, []
    calls.clear()
    index.sync()
    # from the newest shared block that was remembered on: one with logs, or the end of a reading
    assert node.asked[0][0] - 1 == max(number for number in numbers if number <= at)
    # by doubling and by halving, and a few for the id and the heads
    assert calls[0] <= 2 * len(numbers).bit_length() + 6 < sum(number > at for number in numbers)


def test_another_chain_from_its_first_block_on(path: Path, tmp_path: Path) -> None:
    """A test chain that was started again."""
    node = Node(chain())
    index = Index(path, node, node.chain.address)
    index.sync()
    first, *rest = history(9, 30).mined
    other = History(node.chain.address, [replace(first, timestamp=77), *rest])
    node.chain = other
    index.sync()
    assert tables(path) == (fresh(tmp_path / "other", other), tables(tmp_path / "other"))[1]


class Shifting(Node):
    """A node whose chain changes to another one after some calls."""

    def __init__(self, chain: History, then: History, after: int) -> None:
        super().__init__(chain)
        self.then, self.after = then, after

    def _call(self) -> None:
        super()._call()
        if self.calls == self.after:
            self.chain = self.then


def cut(whole: History, number: int) -> History:
    """A history whose head is this block, even if nothing happened in it."""
    mined = whole.until(number).mined
    if mined[-1].number < number:
        mined.append(Mined(number, mined[-1].timestamp))
    return History(whole.address, mined)


def resent(mined: Mined) -> Mined:
    """A block in which other transactions did the same."""
    return replace(mined, logs=[replace(log, transaction=log.transaction[::-1]) for log in mined.logs])


@pytest.mark.parametrize("most", [3, 50])
def test_the_chain_may_fork_between_any_two_questions(path: Path, tmp_path: Path, most: int) -> None:
    """Each time the cache is that of one of the two chains, and soon that of the new one.

    The same happens on both, in other transactions: no log of one contradicts those of the other.
    """
    at = fork(chain(), chain(1))
    # short enough to try every call
    whole = chain().until(at + 20)
    other = History(whole.address, [resent(mined) if mined.number > at else mined for mined in whole.mined])
    assert fork(whole, other) == at
    before = Index(path, whole.until(at - 2), whole.address)
    before.sync()
    before.close()

    @cache
    def expected(end: Block) -> dict[str, list[Any]]:
        """What is known up to a block of either chain."""
        holder = next(one for one in (whole, other) if one.block(end.number) == end)
        still = Index(Path(shutil.copy(path, tmp_path / "still")), cut(holder, end.number), holder.address)
        still.sync()
        still.close()
        return tables(tmp_path / "still")

    ends = []
    for after in range(1, 500):
        node = Shifting(whole, other, after)
        # either some readings end behind the fork, with logs in more than one, or all is one reading
        node.most_blocks = most
        copy = tmp_path / f"copy {after}"
        shutil.copy(path, copy)
        index = Index(copy, node, whole.address)
        ends.append(index.sync())
        assert index.last() == ends[-1]
        assert tables(copy) == expected(ends[-1])
        stood_still = node.calls < after
        if not stood_still:
            assert index.sync() == other.head()
            assert tables(copy) == expected(other.head())
        index.close()
        if stood_still:
            break
    else:
        raise AssertionError("the chain never stood still")
    assert {whole.head(), other.head()} <= {*ends}
    assert 10 < len(ends) < 100


def test_a_chain_that_never_stands_still_is_an_error(path: Path) -> None:
    class Restless(Node):
        def block(self, number: int) -> Block | None:
            found = super().block(number)
            return found and found._replace(hash=self.calls.to_bytes(32))

    with pytest.raises(NodeError, match="changed 10 times"):
        Index(path, Restless(chain()), chain().address).sync()


# ── wrong answers ──


def spoilt(change: Any) -> Node:
    class Spoilt(Node):
        def logs(self, address: str, first: int, last: int) -> list[Log]:
            return list(change(super().logs(address, first, last)))

    return Spoilt(chain())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda logs: logs[::-1], "not in order"),
        (lambda logs: logs + logs[-1:], "not in order"),
        (lambda logs: [replace(log, block=log.block + 10**6) for log in logs], "of other blocks"),
        (lambda logs: [replace(log, topics=()) for log in logs], "no topic"),
        (lambda logs: [replace(log, topics=(bytes(32), *log.topics[1:])) for log in logs], "does not know"),
        (lambda logs: [replace(log, topics=log.topics[:-1]) for log in logs], "topics, not"),
        (lambda logs: [replace(log, data=log.data[:-1]) for log in logs], "data of"),
        (lambda logs: [replace(log, block_hash=bytes(32)) for log in logs], "another hash than its logs"),
        (lambda logs: [log for log in logs if len(log.data) != 64], "left out logs"),
        (lambda logs: logs[1:], "left out logs|starts too late"),
    ],
)
def test_wrong_answers_are_refused(path: Path, change: Any, says: str) -> None:
    """In one line that names the remedy, and nothing of them is kept."""
    node = spoilt(change)
    index = Index(path, node, node.chain.address)
    with pytest.raises(NodeError, match=says) as failure:
        index.sync()
    assert "\n" not in str(failure.value)
    # what was read before the first wrong answer may stay, and a node that is right goes on from there
    index.source = Node(chain())
    index.sync()
    assert [life.id for life in index.challenges()] == list(range(len(index.challenges())))
    assert tables(path) == (fresh(path.with_name("other"), chain()), tables(path.with_name("other")))[1]


@pytest.mark.parametrize("behind", [20, 5000])
def test_logs_that_were_left_out_once_are_read_again(path: Path, tmp_path: Path, behind: int) -> None:
    """A node whose logs lag behind its blocks says nothing of the newest; what comes next gives it away."""
    whole = chain()
    middle = whole.mined[len(whole.mined) // 2].number

    class Lagging(Node):
        def logs(self, address: str, first: int, last: int) -> list[Log]:
            return [log for log in super().logs(address, first, last) if log.block <= middle - behind]

    node = Lagging(whole.until(middle))
    index = Index(path, node, whole.address)
    index.sync()
    assert shown(index) != fresh(tmp_path / "other", node.chain)
    index.source = again = Node(whole)
    index.sync()
    assert shown(index) == fresh(tmp_path / "other", whole)
    # not everything: from the last log on that it had told, or from some blocks before
    assert 0 < min(again.answered)[0] <= middle - behind + 1


# ── the file ──


def test_a_killed_reading_goes_on_where_it_was(path: Path, tmp_path: Path) -> None:
    """The node fails after every number of calls: each time nothing is lost, and nothing is read twice."""
    whole = chain()
    answered: list[tuple[int, int]] = []
    for _ in range(1000):
        node = Node(whole, fails=60)
        index = Index(path, node, whole.address)
        before = index.last()
        try:
            index.sync()
        except NodeError:
            last = index.last()
            index.close()
            done = [(first, end) for first, end in node.answered if last is not None and end <= last.number]
            assert done or last == before
            answered += done
        else:
            answered += node.answered
            break
    assert len(answered) > 5
    assert answered[0][0] == 0
    assert [first for first, _ in answered[1:]] == [end + 1 for _, end in answered[:-1]]
    assert shown(index) == fresh(tmp_path / "other", whole)


ALONE = """
import os, pickle, signal, sys
from pathlib import Path
from tests.histories import Node
from trainer.index import Index, record, sync

sync.FIRST_RANGE = 50
node = Node(pickle.loads(Path(sys.argv[2]).read_bytes()))
index = Index(Path(sys.argv[1]), node, node.chain.address, note=sys.exit)
"""
KILLED = """
left, whole = int(sys.argv[3]), record.pack

def pack(life):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(life)

# in the middle of writing a range
record.pack = pack
index.sync()
"""
TOGETHER = """
print("ready", flush=True)
sys.stdin.readline()
index.sync()
print(len(index.challenges()))
"""


@pytest.fixture
def history_file(tmp_path: Path) -> str:
    """The history for another process."""
    file = tmp_path / "history"
    file.write_bytes(pickle.dumps(chain()))
    return str(file)


def test_a_process_killed_while_it_writes_leaves_a_whole_cache(
    path: Path, node: Node, history_file: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ALONE + KILLED, str(path), history_file, "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    index = Index(path, node, node.chain.address)
    last = index.last()
    assert last is not None
    assert 0 < last.number < node.chain.head().number
    index.sync()
    assert node.answered[0][0] == last.number + 1
    assert shown(index) == fresh(tmp_path / "other", node.chain)


def test_two_indexes_share_a_file(path: Path, tmp_path: Path) -> None:
    """They write in turns, each at another head and sometimes on another fork; both always show what was written."""
    chains, rng = [chain(), chain(1)], Random(5)
    nodes = [Node(chains[0]), Node(chains[0])]
    indexes = [Index(path, node, chains[0].address) for node in nodes]
    for _ in range(12):
        turn, whole = rng.randrange(2), rng.choice(chains)
        nodes[turn].chain = whole.until(rng.choice(whole.mined).number)
        indexes[turn].sync()
        assert shown(indexes[0]) == shown(indexes[1])
        assert tables(path) == (fresh(tmp_path / "other", nodes[turn].chain), tables(tmp_path / "other"))[1]


def test_a_writer_who_is_overtaken_writes_nothing(path: Path, tmp_path: Path) -> None:
    """Between his questions another one writes the same and more."""
    whole = chain()

    class Slow(Node):
        def logs(self, address: str, first: int, last: int) -> list[Log]:
            found = super().logs(address, first, last)
            if len(self.asked) % 2:
                other.source = Node(whole.until(min(whole.head().number, last + 20)))
                other.sync()
            return found

    node = Slow(whole)
    other, index = (Index(path, node, whole.address) for _ in range(2))
    index.sync()
    assert len(node.asked) > 5
    assert shown(index) == fresh(tmp_path / "other", whole)


def test_two_processes_begin_one_file_together(path: Path, history_file: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ALONE + TOGETHER, str(path), history_file]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("go\n")[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    node = Node(chain())
    index = Index(path, node, node.chain.address)
    assert said == [f"{len(index.challenges())}\n"] * 2
    index.sync()
    assert node.asked == []
    assert shown(index) == fresh(tmp_path / "other", node.chain)


def test_reading_goes_on_while_another_writes(index: Index, path: Path, node: Node) -> None:
    node.chain = chain().until(2000)
    index.sync()
    reader = Index(path, node, node.chain.address)
    before = shown(reader)
    with index.store.writing(index.last()) as alone:
        assert alone
        index.store.clear()
        assert shown(reader) == before
        raise_later = index.store.last()
    assert raise_later is None
    assert reader.challenges() == []


def test_a_file_that_stays_locked_is_an_error(index: Index, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.sync()
    monkeypatch.setattr(store, "WAIT", 0)
    impatient = Index(path, Node(chain(1)), index.market)
    with index.store.writing(index.last()), pytest.raises(DataError, match="another process has been writing"):
        impatient.sync()
    assert impatient.sync() == chain(1).head()


@pytest.mark.parametrize("found", ["garbage", "empty", "short", "version", "table", "page", "state"])
def test_a_file_that_cannot_be_read_is_built_anew(path: Path, node: Node, tmp_path: Path, found: str) -> None:
    """With a note that says why; whether that shows when it is opened or when it is read."""
    notes: list[str] = []
    first = Index(path, node, node.chain.address)
    first.sync()
    assert first.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    first.close()
    content = path.read_bytes()
    if found == "garbage":
        path.write_bytes(b"not a database at all" * 1000)
    elif found == "empty":
        path.write_bytes(b"")
    elif found == "short":
        path.write_bytes(content[: len(content) // 2 // 4096 * 4096])
    elif found == "page":
        path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    else:
        connection = sqlite3.connect(path)
        statement = {
            "version": f"PRAGMA user_version = {store.VERSION + 1}",
            "table": "DROP TABLE credits",
            "state": "UPDATE challenges SET state = '[1, 2]' WHERE id = 3",
        }[found]
        connection.execute(statement)
        connection.commit()
        connection.close()
    index = Index(path, node, node.chain.address, note=notes.append)
    index.sync()
    assert shown(index) == fresh(tmp_path / "other", node.chain)
    if found == "empty":
        assert notes == []
    else:
        assert len(notes) == 1
        assert notes[0].startswith(f"{path} is thrown away and built anew: ")


def test_a_cache_that_breaks_while_two_use_it(path: Path, node: Node, tmp_path: Path) -> None:
    """One replaces it, the other notices, and no good cache is thrown away."""
    notes: list[str] = []
    indexes = [Index(path, node, node.chain.address, note=notes.append) for _ in range(2)]
    indexes[0].sync()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE credits")
    connection.commit()
    connection.close()
    expected = fresh(tmp_path / "other", node.chain)
    assert shown(indexes[0]) == expected
    assert shown(indexes[1]) == expected
    assert len(notes) == 1


def test_a_cache_that_was_deleted_is_built_anew_at_the_next_writing(index: Index, path: Path, node: Node) -> None:
    node.chain = chain().until(2000)
    index.sync()
    path.unlink()
    node.chain = chain()
    index.sync()
    other = Index(path, node, node.chain.address)
    assert other.last() == chain().head()
    assert shown(other) == shown(index)


def test_a_cache_that_is_deleted_while_it_is_filled_is_built_anew(path: Path) -> None:
    class Deleting(Node):
        def logs(self, address: str, first: int, last: int) -> list[Log]:
            if len(self.asked) == 2:
                path.unlink()
            return super().logs(address, first, last)

    node = Deleting(chain())
    index = Index(path, node, node.chain.address)
    index.sync()
    other = Index(path, Node(chain()), node.chain.address)
    assert other.last() == chain().head()
    assert shown(other) == shown(index)


def test_a_cache_of_another_market_or_chain_is_left_alone(path: Path, node: Node) -> None:
    index = Index(path, node, node.chain.address)
    index.sync()
    before = tables(path)
    with pytest.raises(ChainError, match=r"is the cache of market 0x.*; choose another file"):
        Index(path, node, "0x" + "11" * 20)
    node.chain_id = lambda: 5  # type: ignore[method-assign]
    with pytest.raises(ChainError, match="is the cache of chain 1, the node is on 5"):
        index.sync()
    assert tables(path) == before


def test_a_directory_is_no_cache(tmp_path: Path, node: Node) -> None:
    with pytest.raises(DataError, match="choose another"):
        Index(tmp_path, node, node.chain.address)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataError, match="no cache can be kept there"):
        Index(file / "index", node, node.chain.address)


def test_the_index_needs_no_compiler(path: Path) -> None:
    """And no titanoboa and no JAX: it starts in a fraction of a second."""
    code = "import sys, trainer.index; print([m for m in ('boa', 'vyper', 'jax', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_undrawn_challenge_is_void_in_time(index: Index) -> None:
    """The clock runs without another log."""
    index.sync()
    life = index.challenges()[0]
    life.stored = life.stored._replace(phase=Phase.DRAW)
    assert [life.clock(0, life.seed_block + n).phase for n in (-1, 0, 8191, 8192)] == [
        Phase.POSTED,
        Phase.DRAW,
        Phase.DRAW,
        Phase.SETTLE,
    ]
