"""Prove every property, and show that each can fail: `make prove`. Any answer but the right one is a failure."""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from fuzz.prove.claims import CLAIMS, clock, happens, locked, prove
from fuzz.prove.faults import FAULTS, Fault
from fuzz.prove.feistel import injective
from fuzz.prove.machine import End, Market, Unproven
from fuzz.prove.steps import STEPS, Step

GROUPS = (2, 3, 5, 6)
JOBS = 2


@dataclass
class Row:
    """A line of the table: what was asked, the answer, and what it took."""

    name: str
    place: str
    answer: str
    seconds: float
    paths: int = 0


def asked(name: str, place: str, market: Market, question: Callable[[], bool]) -> Row:
    """Ask one question, and time it."""
    start, paths = time.monotonic(), market.paths
    try:
        answer = "proven" if question() else "refuted"
    except Unproven as unknown:
        answer = f"unknown: {unknown}"
    return Row(name, place, answer, time.monotonic() - start, market.paths - paths)


def named(method: str) -> Step:
    """The step of a call; by name, for what a solver holds does not travel between processes."""
    (step,) = [step for step in STEPS if step.method == method]
    return step


def every(market: Market, step: Step, ends: Sequence[End], name: str) -> bool:
    """Whether a claim holds at all ends of a call."""
    return all(prove(market, step, end, name) for end in ends)


def whole_step(method: str) -> list[Row]:
    """All claims about one call."""
    market, step = Market(), named(method)
    ends: list[End] = []

    def run() -> bool:
        ends.extend(step.ends(market))
        return happens(ends)

    rows = [asked("happens", step.method, market, run)]
    for name in CLAIMS:
        question = partial(every, market, step, ends, name)
        rows += [asked(name, step.method, market, question)]
    return rows


def alone(name: str, place: str, bytecode: str = "market") -> list[Row]:
    """A property that needs no more than one kind of call."""
    market = Market(bytecode)
    if name == "clock":
        return [asked(name, place, market, lambda: clock(market))]
    if name == "locked":
        steps = [step for step in STEPS if place in ("every call", step.method)]
        return [asked(name, place, market, lambda: locked(market, steps))]
    if name == "injective":
        return [asked(name, place, market, lambda: injective(market, int(place)))]
    step = named(place)
    return [asked(name, place, market, lambda: every(market, step, step.ends(market), name))]


def control(fault: Fault) -> list[Row]:
    """A property that must fail."""
    (row,) = alone(fault.claim, fault.call, fault.name)
    return [Row(f"fault {fault.name}", f"{fault.claim}, {fault.call}", row.answer, row.seconds, row.paths)]


def main() -> int:
    """Print the table as it grows; 1 if any answer is wrong."""
    wrong, total = 0, time.monotonic()
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        tasks = {}
        for step in STEPS:
            tasks[pool.submit(whole_step, step.method)] = "proven"
        tasks[pool.submit(alone, "clock", "clock_of")] = "proven"
        tasks[pool.submit(alone, "locked", "every call")] = "proven"
        for groups in GROUPS:
            tasks[pool.submit(alone, "injective", str(groups))] = "proven"
        for fault in FAULTS:
            tasks[pool.submit(control, fault)] = "refuted"
        print(f"{'property':28}{'where':24}{'seconds':>8}{'paths':>7}  answer", flush=True)
        for done in as_completed(tasks):
            for row in done.result():
                good = row.answer == tasks[done]
                wrong += not good
                sign = "" if good else "  WRONG"
                print(f"{row.name:28}{row.place:24}{row.seconds:8.1f}{row.paths:7}  {row.answer}{sign}", flush=True)
    print(f"{wrong} wrong, {time.monotonic() - total:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
