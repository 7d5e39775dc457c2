"""Writes `fingerprints.json`, by which deployed contracts are known: `python -m contracts.fingerprints`.

The code of a Vyper contract on a chain is its runtime bytecode and behind it one word for each immutable, in the order
of their declaration. The bytecode is known by its hash; an immutable that is an address must hold the contract named.
"""

import json
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from trainer.chain import CONTRACTS, compile_contract

TARGET = Path(__file__).resolve().parent / "fingerprints.json"
IMMUTABLES: dict[str, tuple[str, ...]] = {
    "Market": ("uint256",),
    "DenseEngine": ("DenseValidator", "DenseWideKernel"),
    "DenseValidator": (),
    "DenseWideKernel": (),
    "BinaryEngine": ("BinaryValidator",),
    "BinaryValidator": (),
    "ConvolutionEngine": ("ConvolutionValidator",),
    "ConvolutionValidator": (),
    "ConvolutionTrunk": (),
    "SegmentedEngine": ("ConvolutionValidator", "ConvolutionTrunk", "ConvolutionEngine", "DenseEngine"),
    "Declarations": (),
}
"""Of each deployed contract: what each immutable is, a contract's name for its address."""


def fingerprints() -> dict[str, Any]:
    """Bytes, hash and immutables of each contract as the compiler gives it."""
    found = {}
    for name, immutables in IMMUTABLES.items():
        code = compile_contract(CONTRACTS / f"{name}.vy").compiler_data.bytecode_runtime
        found[name] = {"bytes": len(code), "hash": keccak(code).hex(), "immutables": list(immutables)}
    return found


if __name__ == "__main__":
    TARGET.write_text(json.dumps(fingerprints(), indent=1) + "\n")
