"""Payments without a chain, for what is computed from them."""

from typing import Any

from trainer.prices.declarations import Declared
from trainer.prices.facts import Payment
from trainer.protocol import ETHER

MILLI = 10**15
"""Wei."""


def payment(**changes: Any) -> Payment:
    """A payment in ether, with changes; a poster and a winner of its own unless they are named."""
    id = changes.get("challenge", 0)
    known: dict[str, Any] = {
        "challenge": id,
        "token": ETHER,
        "reward": 10**18,
        "score": 230,
        "samples": 256,
        "threshold": 218,
        "poster": f"poster {id}",
        "winner": f"winner {id}",
        "rivals": 1,
        "seal_fee": MILLI,
        "gas": 0,
        "timestamp": 1_790_000_000,
    }
    return Payment(**{**known, **changes})


def declared(flops: int, seconds: int = 3600, **changes: Any) -> Declared:
    """A declaration, with changes."""
    known: dict[str, Any] = {"challenge": 0, "trainer": "winner 0", "device": "NVIDIA H200", "block": 9, "timestamp": 9}
    return Declared(**{**known, "flops": flops, "seconds": seconds, **changes})
