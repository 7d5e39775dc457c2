"""Writes `abi/`, the interfaces of the deployed contracts for who does not compile: `python -m contracts.write_abi`.

A test holds each file equal to the compiler's output.
"""

import json
from pathlib import Path

from vyper.compiler.output import build_abi_output

from trainer.chain import CONTRACTS, compile_contract

TARGET = Path(__file__).parent / "abi"
DEPLOYED = ("Market", "DenseEngine", "BinaryEngine", "ConvolutionEngine", "SegmentedEngine", "Declarations")


def generate(contract: str) -> str:
    """The file of a contract: one line for each function, event and the constructor, in the compiler's order."""
    entries = build_abi_output(compile_contract(CONTRACTS / f"{contract}.vy").compiler_data)
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for name in DEPLOYED:
        (TARGET / f"{name}.json").write_text(generate(name))
