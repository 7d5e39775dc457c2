"""What was asked of the best network below each price, and which one that is."""

import math
from typing import Any

RUNGS = (
    (15_000, 0.862),
    (30_000, 0.877),
    (50_000, 0.888),
    (150_000, 0.896),
    (500_000, 0.908),
    (2_000_000, 0.92),
    (None, 0.93),
)
"""Gas of a sample, and the accuracy that was asked of the best network below it."""


def best(rows: dict[str, Any]) -> list[str | None]:
    """Of each rung the most accurate preset that is within it."""
    found = []
    for most, _ in RUNGS:
        within = [name for name, row in rows.items() if row["gas_per_sample"] <= (most or math.inf)]
        found.append(max(within, key=lambda name: float(rows[name]["mean"]), default=None))
    return found
