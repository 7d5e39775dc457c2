"""The index with thousands of challenges: `python -m bench.index` prints seconds, and with `--record` writes them.

The logs are those of played lives, repeated with other ids and later blocks; samples and models have the length of
those of `fashion-196-64`. No node is asked over a network, so the first reading is the index's own time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from eth_abi.abi import default_codec

from fuzz.acts import ACTS
from tests.histories import History, Mined, Node
from tests.recorded import recorded
from trainer.index import Index, Log
from trainer.index.events import market_abi

RESULTS = Path(__file__).parent / "results" / "index.json"
SAMPLES, MODEL = 32 * 98, 6_600
"""Bytes of a group's samples, and of a model."""
LIVES = 40
SHIFTED = {
    "Posted": {"seed_block": "block"},
    "Drawn": {"ends": "time"},
    "HoldoutComplete": {"ends": "time"},
    "Unsealed": {"ends": "time"},
    "Fraud": {"ends": "time"},
}
"""Values of events that are blocks or times."""
LIST = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from trainer.index import Index
loaded = time.perf_counter()
index = Index(Path(sys.argv[1]), None, sys.argv[2])
lives = index.challenges()
listed = time.perf_counter()
assert len(lives) == int(sys.argv[3])
now = lives[-1].posted
assert all(life.clock(now.timestamp, now.number) for life in lives)
print(loaded - began, listed - loaded, time.perf_counter() - listed)
"""


def played() -> History:
    """Some dozens of lives, all over and paid out."""
    rng = Random(7)
    with recorded(note=lambda text: None) as (game, recorder):
        while len(game.model.lives) < LIVES:
            getattr(game, "lead" if rng.random() < 0.7 else rng.choice(ACTS))(rng)
        game.leave()
    return History(recorder.address, recorder.mined)


def later(log: Log, id: int, block: int, seconds: int) -> Log:
    """A log of a later life: `id` challenges, `block` blocks and so many seconds on, with bytes of real length."""
    kind = market_abi().kind(log.topics)
    topics = log.topics
    if kind.fields[0] == "id":
        topics = (topics[0], (int.from_bytes(topics[1]) + id).to_bytes(32), *topics[2:])
    transaction = (int.from_bytes(log.transaction) ^ id).to_bytes(32)
    moved = replace(log, block=log.block + block, topics=topics, transaction=transaction)
    if kind.name not in SHIFTED and kind.fixed:
        return moved
    _, *values = kind.read(log.topics, log.data)
    named = dict(zip(kind.fields, values, strict=True))
    for name, what in SHIFTED.get(kind.name, {}).items():
        named[name] += block if what == "block" else seconds
    if "samples" in named:
        named["samples"] = named["samples"].ljust(SAMPLES, b"\1")
    if "model" in named:
        named["model"] = named["model"].ljust(MODEL, b"\1")
    plain = [value for value, read in zip(named.values(), kind.readers, strict=True) if read is None]
    return replace(moved, data=default_codec.encode(kind.plain, plain))


def repeated(one: History, times: int) -> History:
    """The same lives again and again."""
    blocks = one.mined[-1].number + 1
    seconds = one.mined[-1].timestamp - one.mined[0].timestamp + 12
    mined = []
    for turn in range(times):
        for block in one.mined:
            logs = [later(log, turn * LIVES, turn * blocks, turn * seconds) for log in block.logs]
            mined.append(Mined(block.number + turn * blocks, block.timestamp + turn * seconds, logs))
    return History(one.address, mined)


def main() -> None:
    """Measure, and say so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--challenges", type=int, default=5000)
    parser.add_argument("--record", action="store_true", help="write the results file")
    options = parser.parse_args()
    one = played()
    lives = len([log for mined in one.mined for log in mined.logs if market_abi().kind(log.topics).name == "Posted"])
    assert lives == LIVES, f"{lives} lives"
    times = -(-options.challenges // LIVES)
    node = Node(repeated(one, times))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "index"
        index = Index(path, node, one.address)
        began = time.perf_counter()
        index.sync()
        first = time.perf_counter() - began
        began = time.perf_counter()
        index.sync()
        again = time.perf_counter() - began
        count = len(index.challenges())
        logs = sum(len(mined.logs) for mined in node.chain.mined)
        index.close()
        command = [sys.executable, "-c", LIST, str(path), one.address, str(count)]
        runs = [
            tuple(map(float, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()))
            for _ in range(5)
        ]
        size = path.stat().st_size
    loaded, listed, clocks = (sorted(column)[len(runs) // 2] for column in zip(*runs, strict=True))
    facts = {
        "challenges": count,
        "logs": logs,
        "first_sync_seconds": round(first, 1),
        "sync_without_news_seconds": round(again, 4),
        "import_seconds": round(loaded, 2),
        "open_and_list_seconds": round(listed, 3),
        "clocks_of_all_seconds": round(clocks, 3),
        "megabytes": round(size / 1e6, 1),
    }
    print(json.dumps(facts, indent=1))
    if options.record:
        RESULTS.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
