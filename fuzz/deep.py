"""An hour of fuzzing on revm: `make fuzz-deep`, or `python -m fuzz.deep --minutes 5`.

Each process plays every bound of terms once, then walks from a seed of its own, which is printed, and in between
examples of the state machine, whose failures hypothesis shrinks and keeps in `.hypothesis/examples`. At the end the
processes' counts are added up; the run fails if a phase, a rule, a step from phase to phase or a refusal was never
reached, or if a process died. A failure prints the line that replays it on titanoboa.
"""

import argparse
import json
import os
import sys
import time
import traceback
from multiprocessing import get_context
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from unittest import SkipTest

from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from fuzz.backends import CHOICE, Boa, Revm
from fuzz.demands import REFUSALS
from fuzz.driver import REACHED, Reached
from fuzz.ladder import MarketMachine
from fuzz.walks import every_edge, missing, walk

ROOT = Path(__file__).parent.parent
STORE = ROOT / ".hypothesis"
RESULT = ROOT / "bench" / "results" / "fuzz_deep.json"
WALKS = 100
"""Walks between two turns of the machine."""
REPLAY_MACHINE = ".venv/bin/python -m fuzz.deep --stored --backend boa"
"""Not pytest, whose plugin wraps the test and so files examples under another key."""
TURN = settings(
    max_examples=20,
    stateful_step_count=50,
    deadline=None,
    database=DirectoryBasedExampleDatabase(STORE / "examples"),
    suppress_health_check=list(HealthCheck),
)


def replay_seed(seed: int) -> str:
    return f".venv/bin/python -m fuzz.deep --processes 1 --seed {seed}"


def replay_walk(seed: int) -> str:
    return f".venv/bin/python -m fuzz.deep --walk {seed} --backend boa"


REPLAY_EDGES = ".venv/bin/python -m fuzz.deep --edges --backend boa"


def silent(text: str) -> None:
    """Notes go nowhere: the replay shows them."""


def work(seed: int, until: float, report: Any) -> None:
    """One process. Sends what it reached, what it took, and its failure."""
    failure = None
    try:
        every_edge(note=silent)
    except Exception:  # whatever it is, it is the finding
        failure = REPLAY_EDGES, traceback.format_exc()
    rng, walks, turns = Random(seed), 0, 0
    start = time.process_time()
    while failure is None and time.time() < until:
        for number in (rng.randrange(2**62) for _ in range(WALKS)):
            if time.time() >= until:
                break
            try:
                walk(number, note=silent)
                walks += 1
            except Exception:  # whatever it is, it is the finding: kept, reported, and the run ends
                STORE.mkdir(exist_ok=True)
                with (STORE / "walks").open("a") as kept:
                    kept.write(f"{number}\n")
                failure = replay_walk(number), traceback.format_exc()
                break
        else:
            try:
                run_state_machine_as_test(MarketMachine, settings=TURN)
                turns += 1
            except Exception:  # as above
                failure = REPLAY_MACHINE, traceback.format_exc()
    cpu = time.process_time() - start
    report.send({"seed": seed, "walks": walks, "turns": turns, "cpu": cpu, "reached": REACHED, "failure": failure})


def run(minutes: float, seeds: list[int]) -> tuple[Reached, list[dict[str, Any]]]:
    """A process a seed, each with a pipe of its own: that ends when its process does, however it ends."""
    context = get_context("spawn")
    until = time.time() + 60 * minutes
    crew, rows = [], []
    for seed in seeds:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(seed, until, there))
        process.start()
        there.close()
        crew.append((seed, process, here))
    for seed, process, here in crew:
        try:
            row = here.recv()
        except EOFError:
            row = {"seed": seed, "walks": 0, "turns": 0, "cpu": 0.0, "reached": Reached()}
        process.join()
        if process.exitcode:
            row["failure"] = replay_seed(seed), f"the process of seed {seed} died with exit code {process.exitcode}"
        rows.append(row)
    total = Reached()
    for row in rows:
        total.add(row.pop("reached"))
    return total, rows


def show(total: Reached) -> None:
    """Counts, one kind a paragraph."""
    for what in ("rules", "calls", "phases", "transitions", "situations", "manners", "outcomes", "events", "refusals"):
        counts = getattr(total, what)
        print(f"\n{what}: {sum(counts.values()):,}")
        for name, count in counts.most_common():
            print(f"{count:12,}  {name or '(no reason)'}")


def record(total: Reached, rows: list[dict[str, Any]], minutes: float, backend: str) -> None:
    counts = {k: dict(v.most_common()) for k, v in vars(total).items() if k not in ("gas", "examples")}
    head = {
        "backend": backend,
        "minutes": minutes,
        "processes": len(rows),
        "market_calls": total.market_calls,
        "examples": total.examples,
        "cpu_seconds": round(sum(row["cpu"] for row in rows), 1),
        "seeds": [row["seed"] for row in rows],
    }
    RESULT.write_text(json.dumps({**head, **counts}, indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="of the first process; the next takes the next number")
    parser.add_argument("--backend", choices=(Boa.name, Revm.name), default=Revm.name)
    parser.add_argument("--record", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    parser.add_argument("--walk", type=int, help="play one walk, aloud")
    parser.add_argument(
        "--edges", action="store_true", help="play every bound of terms, bad model and bad token, and stop"
    )
    parser.add_argument("--stored", action="store_true", help="play the machine's stored examples, and nothing new")
    options = parser.parse_args()
    os.environ[CHOICE] = options.backend
    if options.walk is not None:
        walk(options.walk)
        return 0
    if options.edges:
        every_edge()
        return 0
    if options.stored:
        try:
            run_state_machine_as_test(MarketMachine, settings=settings(TURN, phases=[Phase.explicit, Phase.reuse]))
        except SkipTest:
            print(f"nothing to replay: no example of the machine is stored in {STORE / 'examples'}")
            return 1
        return 0
    first = SystemRandom().randrange(2**32) if options.seed is None else options.seed
    seeds = list(range(first, first + options.processes))
    print(f"{options.minutes:g} minutes on {options.backend}, seeds {seeds}", flush=True)
    total, rows = run(options.minutes, seeds)
    show(total)
    cpu = sum(row["cpu"] for row in rows)
    calls = total.market_calls
    print(f"\n{calls:,} market calls in {total.examples:,} examples, {calls / max(cpu, 1e-9):,.0f} a CPU second")
    failures = [row["failure"] for row in rows if row["failure"]]
    for replay, text in failures:
        print(f"\n{text}\nreplay: {replay}")
    left = missing(total)
    for what, names in left.items():
        print(f"never reached, {what}: {', '.join(sorted(names))}")
    unknown = set(total.refusals) - REFUSALS
    if unknown:
        print(f"refusals nobody has listed: {unknown}")
    if options.record and not failures:
        record(total, rows, options.minutes, options.backend)
    return bool(failures or left or unknown)


if __name__ == "__main__":
    sys.exit(main())
