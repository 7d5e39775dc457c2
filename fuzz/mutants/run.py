"""`make mutants`: how many of the contracts' mutants the suite kills, and which survive.

    python -m fuzz.mutants.run                      # every mutant: a night
    python -m fuzz.mutants.run --sample 0.02        # the same two of a hundred every time
    python -m fuzz.mutants.run --minutes 30         # stops, and goes on where it stopped

Verdicts are kept in `build/mutants`, one line a mutant, as long as contracts and suite stay as they are.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

from rich.progress import track

from fuzz.mutants.judge import ROOT, fingerprint, judge
from fuzz.mutants.sources import TARGETS, Mutant, mutants_of
from tests.world import MOCKS
from trainer.chain import CONTRACTS, compile_contract

BUILD = ROOT / "build" / "mutants"
EQUIVALENT = Path(__file__).parent / "equivalent.json"
DEMANDED = {"market": 0.95, "dense": 0.90, "binary": 0.90, "convolution": 0.90, "segmented": 0.90}
SECONDS = 900
"""A mutant that takes longer is killed: it hangs."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant; `verdict` is invalid, same code, duplicate, killed, survived or equivalent."""

    target: str
    mutant: Mutant
    verdict: str
    why: str
    seconds: float


def suite() -> str:
    """Digest of all that a verdict depends on."""
    files = sorted(
        path
        for folder in ("contracts", "fuzz", "tests", "trainer")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".vy", ".vyi") and "mutants" not in path.parts
    )
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


def chosen(target: str, share: float) -> list[Mutant]:
    """A share of the mutants of a target, always the same; lines weigh alike, however many mutants a line has."""
    picked = []
    for file in TARGETS[target]:
        lines: dict[int, list[Mutant]] = {}
        for mutant in mutants_of(file):
            lines.setdefault(mutant.line, []).append(mutant)
        # a generated line of a thousand products would outvote the rest of its contract
        most = max(4, sorted(len(of) for of in lines.values())[len(lines) // 2] * 2)
        for of in lines.values():
            ranked = sorted(of, key=lambda m: m.key)[:most]
            picked += [m for m in ranked if int(m.key, 16) < share * 16**16]
    return sorted(picked, key=lambda m: m.key)


def work(job: tuple[str, Mutant, Path, bool]) -> Verdict:
    """One mutant, in a process that ends with it."""
    target, mutant, seen, tests = job
    start = time.monotonic()

    def too_long(*_: Any) -> None:
        raise TimeoutError(f"longer than {SECONDS} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        verdict, why = judge(mutant, target, seen, tests=tests)
    except TimeoutError as error:
        verdict, why = "killed", f"time: {error}"
    finally:
        signal.alarm(0)
    return Verdict(target, mutant, verdict, why, round(time.monotonic() - start, 1))


def prepare(target: str, seen: Path) -> None:
    """Note the code of the original, and compile what no mutant changes, before processes are forked."""
    for module in ("fuzz.engine.run", "fuzz.test_market", "tests.agreement.test_convolution"):
        import_module(module)
    for file in TARGETS[target]:
        (seen / fingerprint(CONTRACTS, file)).write_text("original")
    for mock in ("StepEngine", "Token", "Actor", "Forcer"):
        _ = compile_contract(MOCKS / f"{mock}.vy").compiler_data.bytecode


def judged(
    target: str, todo: list[Mutant], seen: Path, *, processes: int, tests: bool, deadline: float
) -> Iterator[Verdict]:
    """Verdicts as they come. After the deadline, by the monotonic clock, nothing starts; what has started ends."""
    left = iter(todo)
    running: list[AsyncResult[Verdict]] = []
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        while True:
            while len(running) < processes and time.monotonic() < deadline and (mutant := next(left, None)) is not None:
                running.append(pool.apply_async(work, [(target, mutant, seen, tests)]))
            if not running:
                return
            running[0].wait(0.1)
            ended = [job for job in running if job.ready()]
            running = [job for job in running if job not in ended]
            for job in ended:
                yield job.get()


def explained() -> dict[tuple[str, str, str], str]:
    """Survivors that behave like the original, with the reason: by file, old line and new line."""
    entries = json.loads(EQUIVALENT.read_text())
    return {(e["file"], e["old"].strip(), e["new"].strip()): e["reason"] for e in entries}


def report(target: str, verdicts: list[Verdict], planned: int) -> dict[str, Any]:
    """Print the score and the survivors; what a table needs of it."""
    reasons = explained()
    counts = Counter(v.verdict for v in verdicts)
    survivors = [v for v in verdicts if v.verdict == "survived"]
    equivalent = [v for v in survivors if (v.mutant.file, v.mutant.old.strip(), v.mutant.new.strip()) in reasons]
    open_ = [v for v in survivors if v not in equivalent]
    valid = counts["killed"] + counts["survived"]
    counted = valid - len(equivalent)
    score = counts["killed"] / counted if counted else None
    print(f"\n{target}: {len(verdicts):,} of {planned:,} mutants judged")
    print(f"  {counts['invalid']:,} do not compile, {counts['same code']:,} compile to the same code,", end=" ")
    print(f"{counts['duplicate']:,} to another mutant's; {valid:,} count")
    print(f"  killed {counts['killed']:,}, survived {len(survivors):,}, of them equivalent {len(equivalent):,}")
    if score is None:
        print("  no score: no mutant that counts was judged")
    else:
        print(f"  score {100 * counts['killed'] / valid:.1f} %, without equivalent ones {100 * score:.1f} %")
    for v in open_:
        print(f"\nSURVIVED {v.mutant}")
    by = Counter(v.why.split(":")[0] for v in verdicts if v.verdict == "killed")
    return {
        "target": target,
        "mutants": len(verdicts),
        "planned": planned,
        "invalid": counts["invalid"],
        "same_code": counts["same code"],
        "duplicate": counts["duplicate"],
        "counted": valid,
        "killed": counts["killed"],
        "killed_by": dict(by),
        "survived": len(survivors),
        "equivalent": len(equivalent),
        "score": round(counts["killed"] / valid, 4) if valid else None,
        "score_without_equivalent": None if score is None else round(score, 4),
        "survivors": [asdict(v.mutant) for v in open_],
    }


def main() -> int:
    """Exit status 1 where the score of a target is below what is demanded of it; no score is no failure."""
    parser = argparse.ArgumentParser(description="Mutate the contracts and see what the suite notices.")
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--sample", type=float, default=1.0, help="share of the mutants, 0 to 1")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no mutant after that long")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-tests", action="store_true", help="fuzzing only: quick, and harsher")
    parser.add_argument("--record", type=Path, help="write the report to this JSON file")
    args = parser.parse_args()
    folder = BUILD / (suite() + ("-fuzz" if args.no_tests else ""))
    for old in BUILD.glob("*") if BUILD.exists() else ():
        if not old.name.startswith(folder.name[:16]):
            shutil.rmtree(old)
    deadline, results, short = time.monotonic() + 60 * args.minutes, [], False
    for target in args.target or TARGETS:
        seen = folder / target
        seen.mkdir(parents=True, exist_ok=True)
        log = folder / f"{target}.jsonl"
        done: dict[str, Verdict] = {}
        for line in log.read_text().splitlines() if log.exists() else ():
            entry = json.loads(line)
            done[Mutant(**entry["mutant"]).key] = Verdict(**entry | {"mutant": Mutant(**entry["mutant"])})
        mutants = chosen(target, args.sample)
        todo = [mutant for mutant in mutants if mutant.key not in done]
        if todo and time.monotonic() < deadline:
            prepare(target, seen)
            tests, processes = not args.no_tests, args.processes
            coming = judged(target, todo, seen, processes=processes, tests=tests, deadline=deadline)
            with log.open("a") as out:
                for verdict in track(coming, total=len(todo), description=target):
                    done[verdict.mutant.key] = verdict
                    out.write(json.dumps(asdict(verdict)) + "\n")
                    out.flush()
        result = report(target, [done[m.key] for m in mutants if m.key in done], len(mutants))
        results.append(result)
        score = result["score_without_equivalent"]
        short |= score is not None and score < DEMANDED[target]
    if args.record:
        args.record.write_text(json.dumps({"sample": args.sample, "targets": results}, indent=1) + "\n")
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
