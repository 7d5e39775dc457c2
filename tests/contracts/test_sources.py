"""What every source of a contract must keep to."""

import re
from pathlib import Path

import pytest

from trainer.chain import CONTRACTS

SOURCES = sorted(CONTRACTS.rglob("*.vy"))
REFUSAL = re.compile(r"^\s*(assert|raise)\b")
REASON = re.compile(r'"[a-z_-]+: [^"]+"$')
# a comment that states a bound, and how many statements of the same function away it may stand
BOUND = re.compile(r"#.*(\d|overflow|at most|below|above)")
ABOVE, BELOW = 60, 6


def statements(source: str) -> list[str]:
    """Lines joined while brackets are open, each with its comments."""
    joined: list[str] = []
    depth = 0
    for line in source.splitlines():
        joined = [*joined[:-1], joined[-1] + " " + line.strip()] if depth else [*joined, line.rstrip()]
        bare = re.sub(r'"[^"]*"', '""', line).split("#")[0]
        depth += sum(bare.count(c) for c in "([{") - sum(bare.count(c) for c in ")]}")
    return joined


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_assertion_gives_a_reason(path: Path) -> None:
    bad = [
        line.strip()
        for line in statements(path.read_text())
        if REFUSAL.match(line) and not REASON.search(line) and "# dev:" not in line
    ]
    assert not bad, bad


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_external_function_has_a_notice(path: Path) -> None:
    functions = re.split(r"^@external$", path.read_text(), flags=re.M)[1:]
    bare = [
        re.search(r"def (\w+)", function)[1]
        for function in functions
        if "@notice" not in function.split('"""')[1]
        or not re.match(r"[^\"]*def [^\"]*:\n    $", function.split('"""')[0])
    ]
    assert not bare, bare


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_unchecked_operation_has_its_bound_near(path: Path) -> None:
    bare = []
    for function in re.split(r"^(?=@internal$|@external$)", path.read_text(), flags=re.M):
        lines = statements(function)
        bounded = [number for number, line in enumerate(lines) if BOUND.search(line)]
        bare += [
            line.strip()
            for number, line in enumerate(lines)
            if "unsafe_" in line.split("#")[0]
            and not any(number - ABOVE <= comment <= number + BELOW for comment in bounded)
        ]
    assert not bare, bare


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_compiler_version_and_licence_are_stated(path: Path) -> None:
    source = path.read_text()
    assert re.match(r"# ?pragma version 0\.4\.3\n", source)
    assert "@license MIT" in source
    assert "@title" in source


def test_no_contract_hands_its_storage_to_another() -> None:
    for path in SOURCES:
        code = "\n".join(line.split("#")[0] for line in path.read_text().splitlines())
        for word in ("is_delegate_call", "selfdestruct", "create_", "tx.origin", "self.balance"):
            assert word not in code, f"{path.name} uses {word}"
