"""Mutants of the contracts: universalmutator's rules for Vyper, applied to statements only.

A mutant is one changed line of one file (or one inserted line). Comments, docstrings and blank lines are left alone.
"""

import hashlib
import io
import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from universalmutator import mutator

from trainer.chain import CONTRACTS

RULES = ["universal.rules", "python.rules", "vyper.rules"]

TARGETS: dict[str, tuple[str, ...]] = {
    "market": (
        "Market.vy",
        *(f"modules/{name}.vy" for name in ("groups", "lanes", "ledger", "phases", "split", "terms")),
    ),
    "dense": ("DenseValidator.vy", "modules/dense_layout.vy", "DenseEngine.vy", "DenseWideKernel.vy"),
    "binary": ("BinaryValidator.vy", "modules/binary_layout.vy", "BinaryEngine.vy"),
    "convolution": ("ConvolutionValidator.vy", "modules/convolution_layout.vy", "ConvolutionEngine.vy"),
    "segmented": ("SegmentedEngine.vy", "ConvolutionTrunk.vy"),
}
"""What is mutated, and which judge looks at it."""


@dataclass(frozen=True)
class Mutant:
    """One change.

    file: relative to `contracts/`.
    line: of the original, from 1.
    old, new: the line, and what stands in its place (two lines where one was inserted).
    """

    file: str
    line: int
    old: str
    new: str

    @property
    def key(self) -> str:
        """Name of the mutant: the same as long as the line and its change are, wherever the line stands."""
        text = "\0".join((self.file, self.old.strip(), self.new.strip(), str(self.line)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n  - {self.old.strip()}\n  + {' ⏎ '.join(self.new.split(chr(10))).strip(' ⏎')}"


def statements(text: str) -> set[int]:
    """Numbers of the lines that are neither blank nor comment nor part of a docstring."""
    inside, numbers = False, set()
    for number, line in enumerate(text.splitlines(), 1):
        quotes = line.count('"""')
        if not (inside or quotes) and line.strip() and not line.lstrip().startswith("#"):
            numbers.add(number)
        inside ^= quotes % 2 == 1
    return numbers


def in_a_name(old: str, new: str) -> bool:
    """Whether the change is to the digits of a name, such as uint256: never a program."""
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    before = old[:same].rstrip("0123456789")
    return same < len(old) and old[len(before) : len(before) + 1].isdigit() and before[-1:].isidentifier()


def code(line: str) -> str:
    """A line without its comment and without space at its ends."""
    return line.split("#")[0].strip()


def mutants_of(file: str) -> list[Mutant]:
    """Every mutant of one contract or module, in the order of its lines."""
    text = (CONTRACTS / file).read_text()
    lines, wanted = text.splitlines(keepends=True), statements(text)
    with redirect_stdout(io.StringIO()):
        raw = mutator.mutants_regexp(lines, ruleFiles=RULES, ignorePatterns=[])
    found: dict[Mutant, None] = {}
    for number, new, *_ in raw:
        old = lines[number - 1].rstrip("\n")
        # the rules end statements in semicolons, which Vyper does not
        new = new.rstrip("\n").removesuffix(";")
        if number in wanted and code(new) != code(old) and not in_a_name(old, new):
            found[Mutant(file, number, old, new)] = None
    return list(found)


def written(mutant: Mutant, into: Path) -> Path:
    """A copy of the contracts with the mutant in it."""
    shutil.copytree(CONTRACTS, into, dirs_exist_ok=True)
    path = into / mutant.file
    lines = path.read_text().splitlines()
    assert lines[mutant.line - 1] == mutant.old, f"{mutant.file} is not what the mutant was made of"
    lines[mutant.line - 1] = mutant.new
    path.write_text("\n".join(lines) + "\n")
    return into
