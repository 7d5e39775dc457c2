"""Whether the suite sees a mutant: compile it, then show it to the fuzzing that fits it, then to the tests.

Everything here runs in a process of its own, forked for one mutant: it may hang, and it changes where the contracts are
read from.
"""

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import tests.world
import trainer.chain
from fuzz.engine.subject import SUBJECTS
from fuzz.mutants.sources import Mutant, written

ROOT = Path(__file__).resolve().parents[2]

DEPLOYED = {
    "Market.vy": ("Market",),
    "DenseValidator.vy": ("DenseValidator",),
    "DenseEngine.vy": ("DenseEngine",),
    "DenseWideKernel.vy": ("DenseWideKernel",),
    "modules/dense_layout.vy": ("DenseValidator", "DenseEngine", "DenseWideKernel"),
    "BinaryValidator.vy": ("BinaryValidator",),
    "BinaryEngine.vy": ("BinaryEngine",),
    "modules/binary_layout.vy": ("BinaryValidator", "BinaryEngine"),
    "ConvolutionValidator.vy": ("ConvolutionValidator",),
    "ConvolutionEngine.vy": ("ConvolutionEngine",),
    "modules/convolution_layout.vy": ("ConvolutionValidator", "ConvolutionEngine", "ConvolutionTrunk"),
    "SegmentedEngine.vy": ("SegmentedEngine",),
    "ConvolutionTrunk.vy": ("ConvolutionTrunk",),
}
"""Contracts that a file is part of; a module that is not named is part of the market."""

WALKS = 40
"""Walks of the market that a mutant must survive."""
MODELS, FILES = 150, 1500
"""Networks and mutated files that a mutant of an engine of dense layers must survive."""
CONVOLUTIONS = 60
"""Convolutional networks that a mutant of their engine must survive."""
TESTS = {
    "market": ("tests/contracts", "tests/attacks"),
    "dense": (
        "tests/agreement/test_every_product.py",
        "tests/contracts/test_dense_engine.py",
        "tests/contracts/test_engines.py",
    ),
    "binary": (
        "tests/agreement/test_binary_agreement.py",
        "tests/contracts/test_binary_engine.py",
        "tests/contracts/test_engines.py",
    ),
    "convolution": (
        "tests/contracts/test_convolution_engine.py",
        "tests/agreement/test_convolution.py",
        "tests/agreement/test_trunks.py",
    ),
    "segmented": ("tests/agreement/test_trunks.py", "tests/contracts/test_segmented_engine.py"),
}
"""Tests that the survivors of the fuzzing meet, behind the tests of their module."""
# what a contract does counts, not how its source reads, what it costs or how long it is
UNASKED = ("test_sources.py", "test_market_gas.py", "test_market_size.py", "test_*_engine*.py", "test_danku.py")
NOT_BEHAVIOUR = "not committed_source and not fits_into_a_contract and not reason_of_the_source"


class Invalid(Exception):
    """The mutant does not compile."""


def bytecode(contracts: Path, name: str) -> bytes:
    """Runtime code of a contract, compiled as it is deployed. Raises `Invalid`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bytes(trainer.chain.compile_contract(contracts / f"{name}.vy").compiler_data.bytecode_runtime)
    except Exception as error:
        # the compiler ends on a bad program in many ways, not all of them its own exceptions
        raise Invalid(f"{type(error).__name__}: {error}"[:200]) from error


def fingerprint(contracts: Path, file: str) -> str:
    """Digest of the code of all contracts that a file is part of."""
    names = DEPLOYED.get(file, ("Market",))
    return hashlib.sha256(b"\0".join(bytecode(contracts, name) for name in names)).hexdigest()


def judge(mutant: Mutant, target: str, seen: Path, *, tests: bool) -> tuple[str, str]:
    """A verdict and what brought it about.

    seen: a folder with one file for each bytecode that was met, the original's among them.
    """
    with TemporaryDirectory() as folder:
        contracts = written(mutant, Path(folder) / "contracts")
        try:
            mark = seen / fingerprint(contracts, mutant.file)
        except Invalid as error:
            return "invalid", str(error)
        with contextlib.suppress(FileExistsError), mark.open("x") as file:
            file.write(mutant.key)
        if (first := mark.read_text()) != mutant.key:
            return ("same code" if first == "original" else "duplicate"), first
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            killer = by_fuzzing(contracts, target)
        if killer is None and tests:
            killer = by_tests(contracts, mutant, target)
        return ("survived", "") if killer is None else ("killed", killer)


def by_fuzzing(contracts: Path, target: str) -> str | None:
    """The first failure that fuzzing meets; what is in segments has tests alone."""
    trainer.chain.CONTRACTS = tests.world.CONTRACTS = contracts
    try:
        if target == "market":
            walk_the_market()
        elif target == "convolution":
            run_convolutions()
        elif target in SUBJECTS:
            run_the_engine(target)
    except Exception as error:  # any failure is the mutant being noticed
        return f"fuzz: {type(error).__name__}: {error}"[:160].splitlines()[0]
    return None


def walk_the_market() -> None:
    """Walks of fixed seeds, and every bound of terms, bad model and bad token."""
    from fuzz.backends import Revm
    from fuzz.walks import every_edge, walk

    for seed in range(WALKS):
        walk(seed, on=Revm.name)
        if seed == 2:
            every_edge(Revm.name)


def run_the_engine(name: str) -> None:
    """Networks and mutated files, the small ones of both kinds in turn."""
    from fuzz.backends import Revm
    from fuzz.engine.check import agree, misuse
    from fuzz.engine.reached import Reached
    from fuzz.engine.run import model_case, one_mutant
    from fuzz.engine.subject import engine_on

    subject, reached = SUBJECTS[name], Reached()
    engine = engine_on(Revm.name, subject.name)
    for number in range(MODELS):
        case = model_case(subject, 1, number)
        agree(subject, engine, case)
        misuse(subject, engine, case, Random(number), reached)
        for file in range(number * FILES // MODELS, (number + 1) * FILES // MODELS):
            one_mutant(subject, engine, 1, file, reached)


def run_convolutions() -> None:
    """Small networks that take every branch, then random ones."""
    import numpy as np

    from tests.agreement.test_convolution import BOTH, check
    from tests.contracts.convolution_fixtures import convolution_engine
    from tests.convolution_strategies import images
    from tests.random_convolutions import random_convolutional_network, random_samples
    from trainer.encode_convolution import encode
    from trainer.errors import EncodingError

    engine = convolution_engine()
    for network in BOTH:
        check(engine, network, images(network, 2))
    for number in range(CONVOLUTIONS):
        rng = np.random.default_rng(number)
        network = random_convolutional_network(rng)
        try:
            encode(network)
        except EncodingError:
            continue  # ends inside a byte, or is too large
        check(engine, network, random_samples(network, rng))


def by_tests(contracts: Path, mutant: Mutant, target: str) -> str | None:
    """The first test that fails."""
    module = ROOT / "tests" / "modules" / f"test_{Path(mutant.file).stem}.py"
    chosen = [str(module)] if module.exists() else []
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-k", NOT_BEHAVIOUR]
    command += ["-p", "fuzz.mutants.elsewhere", "-p", "no:cacheprovider", "--backend", "native"]
    if target == "market":
        command += [f"--ignore-glob=*/{name}" for name in UNASKED]
    done = subprocess.run(
        [*command, *chosen, *TESTS[target]],
        cwd=ROOT,
        env=os.environ | {"ASSAY_CONTRACTS": str(contracts)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "test: " + (failed[0] if failed else done.stdout[-200:])[:160]
