"""How fast the market's fuzzing is: `python -m bench.fuzz` writes `bench/results/fuzz.json`.

Three ways of playing the same walks, each in a process of its own, taking turns in one run:

- plain: titanoboa as it comes. Calls and views go through its contract objects, nothing is cleared in between;
- boa:   the fuzzer's backend on titanoboa;
- native: the fuzzer's backend on revm.

A call is one transaction to the market that is compared with the rules, together with all that is compared after it.
"""

import argparse
import json
import os
import platform
import time
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import boa

from bench.tables import speed
from fuzz.backends import Done
from fuzz.driver import REACHED, backend, flat, table
from fuzz.lives import Lives
from fuzz.walks import STEPS, play
from tests.world import MOCKS
from trainer.chain import compile_contract

RESULT = Path(__file__).parent / "results" / "fuzz.json"
KINDS = ("plain", "boa", "native")
FIRST = 1_000_000
"""Seed of the first walk that is timed."""


class Plain(Lives):
    """The same game through titanoboa's contract objects."""

    def send(self, name: str, args: tuple[Any, ...], sender: str, value: int = 0, gas: int | None = None) -> Done:
        site = self.table.site
        encoded = (args[0].as_tuple(),) if name == "post" else args
        contract, method, options = site.market, name, {"sender": sender, "value": value, "gas": gas}
        if sender == self.proxy:
            data = getattr(site.market, name).prepare_calldata(*encoded)
            contract, method, encoded = site.actor, "act", (self.market, data, value)
            options = {"sender": self.who["stranger"], "gas": gas}
        failed = False
        try:
            getattr(contract, method)(*encoded, **options)
        except boa.BoaError:
            failed = True
        done = contract._computation
        logs = [] if failed else [(at, [t.to_bytes(32) for t in topics], data) for at, topics, data in raw(done)]
        return Done(failed, bytes(done.output), logs, int(done.get_gas_used()))

    def read(self, name: str, *args: Any) -> list[int]:
        return flat(getattr(self.table.site.market, name)(*args))

    def holds(self, token: str, owner: str) -> int:
        if token in self.coins:
            return int(token_at(token).balanceOf(owner))
        return self.backend.balance(owner)


@cache
def token_at(address: str) -> Any:
    """titanoboa's object for a token, which it then knows at every revert."""
    return compile_contract(MOCKS / "Token.vy").at(address)


def raw(computation: Any) -> Any:
    """Logs as py-evm has them."""
    return computation.get_log_entries()


def silent(text: str) -> None:
    """Notes go nowhere."""


def walk(kind: str, seed: int) -> None:
    """One walk."""
    if kind != "plain":
        chain = backend(kind)
        with chain.example():
            play(Lives(chain, silent), Random(seed), STEPS)
        return
    site = table().site
    with site.chain.active(), site.chain.env.anchor():
        chain = backend("boa")
        chain.seen.clear()
        play(Plain(chain, silent), Random(seed), STEPS)


def serve(kind: str, orders: Connection) -> None:
    """A worker: for each list of seeds, how many calls it made and what they took of this process's time."""
    site = table().site
    if kind == "plain":
        for contract in (site.market, site.engine, site.actor):
            site.chain.env.register_contract(contract.address, contract)
    walk(kind, 0)
    orders.send(None)
    while seeds := orders.recv():
        REACHED.calls.clear()
        REACHED.refusals.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        for seed in seeds:
            walk(kind, seed)
        spent = time.process_time() - cpu, time.perf_counter() - wall
        calls = REACHED.market_calls
        orders.send({"calls": calls, "cpu_seconds": spent[0], "wall_seconds": spent[1]})


def measure(rounds: int, walks: int, workers: int) -> dict[str, Any]:
    """Every kind in turn, `rounds` times; with one process, then with more at once, each on walks of its own."""
    context = get_context("spawn")
    crews: dict[str, list[Connection]] = {}
    for kind in KINDS:
        crews[kind] = []
        for _ in range(workers):
            here, there = context.Pipe()
            context.Process(target=serve, args=(kind, there), daemon=True).start()
            crews[kind].append(here)
    for crew in crews.values():
        for worker in crew:
            worker.recv()
    rows = []
    for size in range(1, workers + 1):
        for number in range(rounds):
            for kind, crew in crews.items():
                # native is so much faster that it plays ten times as many
                many = 10 * walks if kind == "native" else walks
                for i, worker in enumerate(crew[:size]):
                    first = FIRST + 100_000 * i + 1000 * number
                    worker.send(list(range(first, first + many)))
                for i, worker in enumerate(crew[:size]):
                    rows.append({"kind": kind, "processes": size, "round": number, "worker": i, **worker.recv()})
    for crew in crews.values():
        for worker in crew:
            worker.send(None)
    return {"processor": processor(), "python": platform.python_version(), "walks_a_round": walks, "rows": rows}


def processor() -> str:
    """Model of the processor, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--walks", type=int, default=4, help="of plain and boa in a round; native plays ten times these"
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    result = measure(options.rounds, options.walks, options.workers)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for processes in range(1, options.workers + 1):
        plain = speed(result, "plain", processes)
        for kind in KINDS:
            rate = speed(result, kind, processes)
            print(f"{processes} processes, {kind:6}: {rate:7.0f} calls a CPU second, {rate / plain:5.1f} times plain")


if __name__ == "__main__":
    main()
