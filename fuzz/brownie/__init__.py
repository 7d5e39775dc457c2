"""Brownie's way of testing, on titanoboa and hypothesis: classes of rules, strategies by ABI type, accounts, a chain.

    import brownie
    from brownie.test import given, strategy

becomes

    import fuzz.brownie as brownie
    from fuzz.brownie import given, strategy

or nothing changes, after `stand_in()`. `Depositer = Container(path)` is what Brownie would have made of
`contracts/Depositer.vy`. See README.md.
"""

import sys

from fuzz.brownie.accounts import Account, Accounts, Chain, accounts, chain
from fuzz.brownie.contracts import Container, Contract, Events, Transaction, reverts
from fuzz.brownie.machine import given, isolated, state_machine
from fuzz.brownie.strategies import strategy
from fuzz.brownie.units import wei

Wei = wei


def stand_in() -> None:
    """Let `import brownie` and `from brownie.test import …` mean this package, where Brownie is not installed."""
    for name in ("brownie", "brownie.test"):
        sys.modules.setdefault(name, sys.modules[__name__])


__all__ = [
    "Account",
    "Accounts",
    "Chain",
    "Container",
    "Contract",
    "Events",
    "Transaction",
    "Wei",
    "accounts",
    "chain",
    "given",
    "isolated",
    "reverts",
    "stand_in",
    "state_machine",
    "strategy",
    "wei",
]
