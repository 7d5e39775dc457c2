"""Which of the project's contracts stands at an address: by its code, whoever deployed it.

A market is worth nothing if its code, or that of an engine it knows, is another's. `contracts/fingerprints.json` has
the hashes.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

FILE = Path(__file__).resolve().parent.parent / "contracts" / "fingerprints.json"
ENGINES = ("DenseEngine", "BinaryEngine", "ConvolutionEngine", "SegmentedEngine")
MARKET = "Market"
DECLARATIONS = "Declarations"

CodeOf = Callable[[str], bytes]


@cache
def _known() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
    return found


def identify(address: str, code_of: CodeOf) -> str | None:
    """The name of the contract at an address, whose parts are what they should be, too; None for a stranger.

    code_of: the code at an address, empty where there is none.
    """
    code = code_of(address)
    for name, entry in _known().items():
        if _is(entry, code, code_of):
            return name
    return None


def _is(entry: dict[str, Any], code: bytes, code_of: CodeOf) -> bool:
    size, parts = entry["bytes"], entry["immutables"]
    if len(code) != size + 32 * len(parts) or keccak(code[:size]).hex() != entry["hash"]:
        return False
    for number, part in enumerate(parts):
        word = code[size + 32 * number :][:32]
        if part in _known() and not _is(_known()[part], code_of(str(to_checksum_address(word[-20:]))), code_of):
            return False
    return True
