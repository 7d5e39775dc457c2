"""`make planted`: every bug of this folder, planted alone, must be caught by the walks of the market's fuzzing.

A patch says in its first line what it breaks. Each is applied to a copy of the contracts and played on revm until
something fails: up to 200 walks, their numbers the seeds, and after the third every bound of terms and every bad model
and token. What failed is printed beside it.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tests.world
import trainer.chain

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WALKS = 200
"""More than three times what `test_market.py` plays: a bug should be met far sooner."""
EDGES_AFTER = 3
"""Walks before the bounds are played."""


@dataclass(frozen=True)
class Catch:
    """What caught a bug: the first failure's message, None if nothing did, after so many walks and seconds."""

    bug: str
    breaks: str
    caught_by: str | None
    walks: int
    seconds: float


def patches() -> list[Path]:
    """All planted bugs."""
    return sorted(HERE.glob("*.patch"))


def planted(patch: Path, folder: Path) -> Path:
    """A copy of the contracts with the bug in it. Raises `CalledProcessError` if the patch does not fit any more."""
    shutil.copytree(ROOT / "contracts", folder / "contracts")
    # outside a repository git applies a patch to the folder it is called in
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    subprocess.run(
        ["git", "apply", str(patch.resolve())], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return folder / "contracts"


def catch(patch: Path) -> Catch:
    """Plant a bug and play until it shows. In a process of its own: it changes where contracts are read from."""
    from fuzz.backends import Revm
    from fuzz.walks import every_edge, walk

    breaks, start = patch.read_text().splitlines()[0], time.monotonic()
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.chain.CONTRACTS = tests.world.CONTRACTS = contracts = planted(patch, Path(folder))
        # one that does not compile is no bug that was caught
        assert trainer.chain.compile_contract(contracts / "Market.vy").compiler_data.bytecode_runtime
        for seed in range(WALKS):
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    walk(seed, on=Revm.name)
                    if seed + 1 == EDGES_AFTER:
                        every_edge(Revm.name)
            except Exception as error:  # any failure is the bug being noticed
                kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                message = kind + str(error).partition("\n")[0].partition(": market [")[0][:110]
                return Catch(patch.stem, breaks, message, seed + 1, round(time.monotonic() - start, 1))
    return Catch(patch.stem, breaks, None, WALKS, round(time.monotonic() - start, 1))


def main() -> int:
    """Exit status 1 if a bug was not caught."""
    parser = argparse.ArgumentParser(description="Plant bugs in the market and see what catches them.")
    parser.add_argument("bugs", nargs="*", help="names of patches; all if none is given")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--record", type=Path, help="write the catches to this JSON file")
    args = parser.parse_args()
    chosen = [patch for patch in patches() if not args.bugs or patch.stem in args.bugs]
    if unknown := set(args.bugs) - {patch.stem for patch in chosen}:
        parser.error(f"no such bug: {', '.join(sorted(unknown))}; there are {', '.join(p.stem for p in patches())}")
    with multiprocessing.get_context("fork").Pool(args.processes, maxtasksperchild=1) as pool:
        catches = []
        for found in pool.imap(catch, chosen):
            catches.append(found)
            how = f"walk {found.walks}: {found.caught_by}" if found.caught_by else "NOT CAUGHT"
            print(f"{found.bug:28} {how}", flush=True)
    missed = [found.bug for found in catches if found.caught_by is None]
    print(f"\n{len(catches) - len(missed)} of {len(catches)} caught")
    if args.record:
        args.record.write_text(json.dumps({"walks": WALKS, "bugs": [asdict(c) for c in catches]}, indent=1) + "\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
