"""The counted run: `python -m fuzz.engine.run --seed 1 --models 1000 --mutants 10000`.

Every case follows from the seed and its number alone, so one line repeats a failure: the command it prints. Cases come
from `random.Random` rather than from hypothesis: a run is 1,000 and 10,000 distinct cases, dealt so that every class
occurs, in any number of processes, and a failure is shrunk by `shrink.py`, which knows networks. `test_engine.py` draws
the same cases through hypothesis too.
"""

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random

import numpy as np

from fuzz.backends import Revm
from fuzz.engine.check import agree, judge, misuse
from fuzz.engine.mutants import ACCEPTABLE, MUTATIONS, Base
from fuzz.engine.networks import Case, make_case
from fuzz.engine.reached import Reached, wanted_of_models
from fuzz.engine.shrink import describe, shrink
from fuzz.engine.subject import SUBJECTS, Engine, Subject, engine_on, image_of
from fuzz.native import Image, Native

CHUNK = 50
MUTANTS_OF_A_MODEL = 10
ENOUGH_FAILURES = 5


@dataclass
class Found:
    """What some cases showed."""

    reached: Reached = field(default_factory=Reached)
    failures: list[str] = field(default_factory=list)


def model_case(subject: Subject, seed: int, number: int) -> Case:
    return make_case(subject, Random(f"{seed}/{subject.name}/model/{number}"), number)


def one_model(subject: Subject, engine: Engine, seed: int, number: int, reached: Reached) -> None:
    """Compare model `number`; a failure comes with the smallest case that still fails."""
    case = model_case(subject, seed, number)
    try:
        agree(subject, engine, case)
        misuse(subject, engine, case, Random(f"{seed}/{subject.name}/misuse/{number}"), reached)
    except AssertionError as error:
        if failure_of(subject, engine, case) is None:
            raise
        small = shrink(case, lambda c: failure_of(subject, engine, c) is not None, blank=subject.blank)
        raise AssertionError(f"{error}\n{story(subject, engine, small)}") from error
    reached.model(subject, case)


def one_mutant(subject: Subject, engine: Engine, seed: int, number: int, reached: Reached) -> None:
    """Judge mutant `number`: mutations in turn, of a model that ten of them share."""
    of, kind = number // MUTANTS_OF_A_MODEL, list(MUTATIONS)[number % len(MUTATIONS)]
    first, second = (
        make_case(subject, Random(f"{seed}/{subject.name}/base/{n}"), n, small=n % 8 > 0).network for n in (of, of + 1)
    )
    rng = Random(f"{seed}/{subject.name}/mutant/{number}")
    model = MUTATIONS[kind](Base(subject.encode(first), first, second, subject, rng))
    try:
        verdict = judge(subject, engine, model, rng, reached)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{kind} of {describe(first)}, {len(model)} bytes: {_hex(model)}") from error
    reached[f"mutations {verdict}", kind] += 1


def failure_of(subject: Subject, engine: Engine, case: Case) -> str | None:
    """What is wrong with a case."""
    try:
        agree(subject, engine, case)
    except AssertionError as error:
        return str(error)
    return None


def story(subject: Subject, engine: Engine, case: Case) -> str:
    """A case in full, if it is small."""
    lines = [f"smallest case: {describe(case.network)}, {len(case.samples)} samples, mask {case.mask:#x}"]
    lines.append(f"  {failure_of(subject, engine, case)}"[:500])
    lines.append(f"  model {_hex(subject.encode(case.network))}")
    lines.append(f"  samples {np.array2string(case.samples, threshold=200)}")
    return "\n".join(lines)


def _hex(data: bytes) -> str:
    return data.hex() if len(data) <= 1000 else f"{data[:200].hex()}…"


def wanted(subject: Subject) -> dict[str, tuple[str, ...]]:
    """Every class that a full run must reach."""
    never_refused = ("change a weight", "swap rows")
    return wanted_of_models(subject) | {
        "mutations refused": tuple(kind for kind in MUTATIONS if kind not in never_refused),
        "mutations accepted": ACCEPTABLE,
        "refusal": tuple(sorted(subject.reasons)),
        "decoder's fault": subject.faults,
        "misuse": ("length", "mask", "samples", "short", "many"),
        "predict without a model": ("returns", "reverts"),
    }


def cases(subject: Subject, engine: Engine, kind: str, seed: int, numbers: range) -> Found:
    """Run these cases, and stop at a few failures."""
    found = Found()
    one: Callable[..., None] = {"model": one_model, "mutant": one_mutant}[kind]
    for number in numbers:
        try:
            one(subject, engine, seed, number, found.reached)
        except Exception as error:  # whatever it is, it is a finding, and the other cases go on
            again = f"python -m fuzz.engine.run --engine {subject.name} --seed {seed} --{kind} {number}"
            found.failures.append(f"{kind} {number}: {type(error).__name__}: {error}\n  again: {again}")
            if len(found.failures) >= ENOUGH_FAILURES:
                break
    return found


def _work(job: tuple[str, Image, str, int, range]) -> Found:
    name, image, kind, seed, numbers = job
    return cases(SUBJECTS[name], Engine(Native(image)), kind, seed, numbers)


def run(subject: Subject, seed: int, models: int, mutants: int, *, processes: int = 1) -> Found:
    """All of the cases, in the order of their numbers whatever the number of processes."""
    image = image_of(subject.name)
    jobs = [
        (subject.name, image, kind, seed, range(start, min(start + CHUNK * scale, count)))
        for kind, count, scale in (("model", models, 1), ("mutant", mutants, 10))
        for start in range(0, count, CHUNK * scale)
    ]
    found = Found()
    if processes == 1:
        results = map(_work, jobs)
    else:
        pool = ProcessPoolExecutor(processes)
        results = pool.map(_work, jobs)
    for part in results:
        most = "predict without a model", "most gas"
        highest = max(found.reached[most], part.reached[most])
        found.reached.update(part.reached)
        found.reached[most] = highest
        found.failures += part.failures
        if len(found.failures) >= ENOUGH_FAILURES:
            break
    if processes > 1:
        pool.shutdown(cancel_futures=True)
    return found


def main() -> int:
    """Exit status 1 after a failure, or if something was never reached."""
    parser = argparse.ArgumentParser(description="Compare an engine with its specification, and count.")
    parser.add_argument("--engine", choices=SUBJECTS, default="dense")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--model", type=int, help="only this model")
    parser.add_argument("--mutant", type=int, help="only this mutant")
    args = parser.parse_args()
    subject = SUBJECTS[args.engine]
    single = {kind: number for kind in ("model", "mutant") if (number := getattr(args, kind)) is not None}
    if single:
        found = Found()
        for kind, number in single.items():
            part = cases(subject, engine_on(Revm.name, subject.name), kind, args.seed, range(number, number + 1))
            found.failures += part.failures
        print("\n".join(found.failures) or f"{single} with seed {args.seed}: no failure")
        return bool(found.failures)

    start = time.monotonic()
    found = run(subject, args.seed, args.models, args.mutants, processes=args.processes)
    print(found.reached.table())
    missing = found.reached.missing(wanted(subject))
    unknown = {value for name, value in found.reached if name == "refusal"} - subject.reasons
    seconds = time.monotonic() - start
    print(f"\n{subject.name}, seed {args.seed}: {args.models:,} models, {args.mutants:,} mutants, {seconds:.0f} s")
    for failure in found.failures:
        print(f"\nFAILED {failure}")
    for name in missing:
        print(f"NEVER REACHED {name}")
    for name in sorted(unknown):
        print(f"UNKNOWN REASON {name!r}")
    return bool(found.failures or missing or unknown)


if __name__ == "__main__":
    sys.exit(main())
