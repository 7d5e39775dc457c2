"""Amounts as Brownie's users write them: 10**18, 1e18, "1 ether"."""

from decimal import Decimal, InvalidOperation
from typing import Any

UNITS = {"wei": 0, "kwei": 3, "mwei": 6, "gwei": 9, "szabo": 12, "finney": 15, "ether": 18}
"""Powers of ten."""


def wei(amount: Any) -> int:
    """An amount as a whole number: an int, a float without a fraction, hex, or a number and a unit.

    Raises ValueError for anything else.
    """
    if isinstance(amount, int):
        return int(amount)
    if isinstance(amount, str) and amount.startswith("0x"):
        return int(amount, 16)
    number, _, unit = str(amount).replace("_", "").partition(" ")
    if unit not in ("", *UNITS):
        raise ValueError(f"no such unit as {unit!r} in {amount!r}; there are {', '.join(UNITS)}")
    try:
        value = Decimal(number).scaleb(UNITS[unit] if unit else 0)
    except InvalidOperation:
        raise ValueError(f"not an amount: {amount!r}; write 10**18, 1e18 or '1 ether'") from None
    if not value.is_finite() or value != int(value):
        raise ValueError(f"{amount!r} is no whole number of wei; give it in a smaller unit")
    return int(value)
