"""The market's interface, word for word: what clients, watchers and their filters rely on.

A function's payability and an event's indexed values are part of it: they change no behaviour that a call shows.
"""

import json
from pathlib import Path
from typing import Any

from tests.world import World

GOLDEN = Path(__file__).parent.parent / "golden" / "market_abi.json"


def shown(part: dict[str, Any]) -> str:
    """A value's type and name, and whether a filter finds it."""
    kind = part["type"]
    if kind.startswith("tuple"):
        kind = "(" + ", ".join(shown(inner) for inner in part["components"]) + ")" + kind[5:]
    return " ".join(filter(None, (kind, "indexed" * part.get("indexed", False), part["name"])))


def surface(abi: list[dict[str, Any]]) -> list[str]:
    """One line for each function, event and the constructor."""
    lines = []
    for entry in abi:
        line = f"{entry['type']} {entry.get('name', '')}({', '.join(map(shown, entry['inputs']))})"
        if entry["type"] != "event":
            line += f" {entry['stateMutability']} -> ({', '.join(map(shown, entry.get('outputs', [])))})"
        lines.append(line)
    return sorted(lines)


def test_the_interface_is_the_recorded_one(world: World) -> None:
    """A change of it is a decision: it breaks who reads the market, and this file shows how."""
    assert surface(world.market.abi) == json.loads(GOLDEN.read_text())
