"""What is proven: the market's bytecode as titanoboa deploys it, and copies of it that each have one planted fault.

Runs in the project's own environment, which has the compiler; the prover's has none and reads what this writes into
build/prove. A source that did not change is not compiled again.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import boa
from vyper.compiler.output import build_method_identifiers_output

from fuzz.prove.faults import FAULTS, planted

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "prove"
# an hour, as tests and demonstration use it; the bytecode holds it as an immutable
MIN_WINDOW = 3600
ENGINE = "# pragma version 0.4.3\n"


def digest(sources: Path) -> str:
    """One hash over all contract sources."""
    files = sorted(path for path in sources.rglob("*.vy*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def compiled(sources: Path) -> dict[str, Any]:
    """Deploy the market of `sources`, and say what a call needs: code, selectors and the slots of its storage."""
    with boa.swap_env(boa.Env()):
        engine = boa.loads(ENGINE)
        market = boa.load(str(sources / "Market.vy"), MIN_WINDOW, [engine.address])
        code = boa.env.get_code(market.address).hex()
    data = market.compiler_data
    layout = data.storage_layout["storage_layout"]
    ledger = layout.pop("ledger")
    lock = data.storage_layout["transient_storage_layout"]["$.nonreentrant_key"]["slot"]
    methods = {name: int(value, 16) for name, value in build_method_identifiers_output(data).items()}
    return {
        "code": code,
        "slots": {name: entry["slot"] for name, entry in (layout | ledger).items()},
        "lock": lock,
        "selectors": {name.split("(")[0]: value for name, value in methods.items()},
    }


def write(name: str, sources: Path) -> None:
    """Write build/prove/NAME.json unless it holds these sources already."""
    file, sign = BUILD / f"{name}.json", digest(sources)
    if file.exists() and json.loads(file.read_text())["sources"] == sign:
        return
    print(f"compiling {name}", flush=True)
    file.write_text(json.dumps({"sources": sign, **compiled(sources)}, indent=1))


def main(names: list[str]) -> None:
    """Write the market, and each copy with a fault."""
    BUILD.mkdir(parents=True, exist_ok=True)
    contracts = ROOT / "contracts"
    write("market", contracts)
    for fault in FAULTS:
        if names and fault.name not in names:
            continue
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "contracts"
            shutil.copytree(contracts, copy, ignore=shutil.ignore_patterns("__pycache__"))
            planted(copy, fault)
            write(fault.name, copy)


if __name__ == "__main__":
    main(sys.argv[1:])
