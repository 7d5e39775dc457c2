"""What of the contracts a run of tests has executed: `pytest --contract-coverage` prints lines and branches a file.

titanoboa keeps the program counters of every call. They are collected at the bottom, where all calls pass, and
contracts are known by their code: so calls count that go around titanoboa's contract objects, as those of the fuzzers,
and those made in workers of xdist.

A line is executed when an instruction of it is. A branch is a conditional jump of an `if`, an `elif` or an `assert`:
one for the condition being true, one for it being false. What the compiler adds (overflow, bounds, calldata) is no
branch. Contracts on revm are not seen, nor what a constructor executes but once: see README.md.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "contracts"
JUMPI, PUSH1, PUSH32 = 0x57, 0x60, 0x7F
Branch = tuple[str, int, int, int]
"""File, line, column, and which of the jumps that its condition takes."""


@dataclass(frozen=True)
class Row:
    """Of one file: lines executed and lines there are, the same of branches, and where something is missing."""

    file: str
    executed: int
    lines: int
    taken: int
    branches: int
    missing: list[str]


@dataclass
class Report:
    """Lines and branches of each file: those there are, those executed."""

    lines: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    executed: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    branches: set[Branch] = field(default_factory=set)
    taken: dict[Branch, set[bool]] = field(default_factory=lambda: defaultdict(set))

    def rows(self) -> Iterator[Row]:
        """A file each, in the order of their names."""
        for file in sorted(self.lines):
            lines, done = self.lines[file], self.executed[file] & self.lines[file]
            branches = [branch for branch in self.branches if branch[0] == file]
            both = sum(len(self.taken[branch]) for branch in branches)
            half = sorted({branch[1] for branch in branches if len(self.taken[branch]) < 2})
            missing = [str(line) for line in sorted(lines - done)] + [f"{line}?" for line in half if line in done]
            yield Row(file, len(done), len(lines), both, 2 * len(branches), missing)

    def table(self) -> Iterator[str]:
        """A line a file, and what is missing at its end."""
        rows = list(self.rows())
        yield f"{'contract':<36} {'lines':>11} {'branches':>13}  missing"
        for row in rows:
            yield f"{row.file:<36} {share(row.executed, row.lines)} {share(row.taken, row.branches)}  " + " ".join(
                row.missing
            )
        executed, lines, taken, branches = (
            sum(getattr(row, name) for row in rows) for name in ("executed", "lines", "taken", "branches")
        )
        yield f"{'all':<36} {share(executed, lines)} {share(taken, branches)}"
        yield "17 was not executed; the condition of 18? was always true or always false"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 100:5.1f} % {part}/{whole}"


class Collector:
    """Pairs of program counters that followed each other, by the code they ran in."""

    def __init__(self) -> None:
        self.steps: dict[bytes, set[tuple[int, int]]] = defaultdict(set)
        self.compiled: dict[bytes, Any] = {}

    def see(self, computation: Any) -> None:
        """A computation and all it called."""
        trace = computation.code._trace
        if trace:
            code = bytes(computation.code._raw_code_bytes)
            # the last has no follower
            self.steps[code].update(zip(trace, [*trace[1:], -1], strict=True))
        for child in computation.children:
            self.see(child)

    def know(self, contract: Any) -> None:
        """A contract that was deployed: whose code is whose."""
        data = getattr(contract, "compiler_data", None)
        if data is not None and hasattr(data, "bytecode_runtime"):
            self.compiled[data.bytecode_runtime] = data

    def report(self) -> Report:
        report = Report()
        for runtime, data in self.compiled.items():
            steps: set[tuple[int, int]] = set()
            for code, seen in self.steps.items():
                # immutables stand behind the code
                if code[: len(runtime)] == runtime:
                    steps |= seen
            _attribute(report, data, runtime, steps)
        return report


def _file(node: Any) -> str | None:
    path = Path(str(node.module_node.resolved_path))
    return path.relative_to(SOURCES).as_posix() if path.is_relative_to(SOURCES) else None


def _attribute(report: Report, data: Any, runtime: bytes, steps: set[tuple[int, int]]) -> None:
    """Carry a contract's steps over to its sources; what has no instruction is no line."""
    nodes = data.source_map["pc_raw_ast_map"]
    ran = {here for here, _ in steps}
    followers = defaultdict(set)
    for here, there in steps:
        followers[here].add(there)
    jumps: dict[tuple[str, int, int], int] = defaultdict(int)
    pc = 0
    while pc < len(runtime):
        op, node = runtime[pc], nodes.get(pc)
        file = None if node is None else _file(node)
        kind = type(node).__name__
        if node is not None and file is not None and kind not in ("FunctionDef", "VariableDecl", "Module"):
            report.lines[file].add(node.lineno)
            if pc in ran:
                report.executed[file].add(node.lineno)
            if op == JUMPI and kind in ("If", "Assert"):
                place = file, node.lineno, node.col_offset
                branch = *place, jumps[place]
                jumps[place] += 1
                report.branches.add(branch)
                report.taken[branch] |= {there == pc + 1 for there in followers[pc]}
        pc += 1 + (op - PUSH1 + 1 if PUSH1 <= op <= PUSH32 else 0)


def _watch(collector: Collector) -> None:
    """Hook in below titanoboa's environments: every call, every deployment, whatever meters the gas."""
    from boa.environment import Env

    below, deploy, register = Env.execute_code, Env.deploy, Env.register_contract

    def execute_code(self: Any, *args: Any, **kwargs: Any) -> Any:
        computation = below(self, *args, **kwargs)
        collector.see(computation)
        return computation

    def register_contract(self: Any, address: Any, contract: Any) -> Any:
        collector.know(contract)
        return register(self, address, contract)

    def deploy_contract(self: Any, *args: Any, **kwargs: Any) -> Any:
        address, computation = deploy(self, *args, **kwargs)
        for child in computation.children:
            collector.see(child)
        return address, computation

    Env.execute_code, Env.deploy, Env.register_contract = execute_code, deploy_contract, register_contract


def merged(reports: list[Report]) -> Report:
    """Reports of several processes as one."""
    whole = Report()
    for report in reports:
        for mine, theirs in ((whole.lines, report.lines), (whole.executed, report.executed)):
            for file, lines in theirs.items():
                mine[file] |= lines
        whole.branches |= report.branches
        for branch, taken in report.taken.items():
            whole.taken[branch] |= taken
    return whole


def packed(report: Report) -> str:
    """A report as a line of text, for the way from a worker."""
    return json.dumps(
        [
            {file: sorted(lines) for file, lines in report.lines.items()},
            {file: sorted(lines) for file, lines in report.executed.items()},
            [[*branch, sorted(report.taken[branch])] for branch in sorted(report.branches)],
        ]
    )


def unpacked(text: str) -> Report:
    lines, executed, branches = json.loads(text)
    report = Report()
    report.lines.update((file, set(found)) for file, found in lines.items())
    report.executed.update((file, set(found)) for file, found in executed.items())
    for file, line, column, number, taken in branches:
        report.branches.add((file, line, column, number))
        report.taken[file, line, column, number] |= set(taken)
    return report


class Plugin:
    """Of one process: a worker sends what it saw to the controller, which prints."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.collector = Collector()
        self.received: list[Report] = []
        _watch(self.collector)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["contract_coverage"] = packed(self.collector.report())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        with suppress(AttributeError, KeyError):
            self.received.append(unpacked(node.workeroutput["contract_coverage"]))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("contract coverage")
        report = merged([*self.received, self.collector.report()])
        for line in report.table():
            terminalreporter.write_line(line)
        if self.file is not None:
            rows = [asdict(row) for row in report.rows()]
            self.file.write_text(json.dumps({"command": "make coverage RECORD=1", "rows": rows}, indent=1) + "\n")
