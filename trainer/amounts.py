"""Amounts, durations and thresholds as people write them."""

import math
import re
from decimal import Decimal, InvalidOperation

from trainer.errors import DataError

ETHER = 10**18
"""Wei of one."""
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_amount(text: str, what: str, decimals: int = 18) -> int:
    """An amount such as 1.5 in the smallest unit, exactly; raises `DataError` that names `what`."""
    try:
        # nothing is rounded: 2**128 has 39 digits
        number = Decimal(text)
        if not number.is_finite() or number < 0 or len(text) > 80:
            raise InvalidOperation
        scaled = int(number.scaleb(decimals).to_integral_value()) if abs(number.adjusted()) < 60 else -1
        if scaled < 0 or Decimal(scaled).scaleb(-decimals) != number:
            raise InvalidOperation
    except InvalidOperation as error:
        raise DataError(f"{what}: {text!r} is no amount; use such as 1.5, with at most {decimals} decimals") from error
    return scaled


def parse_duration(text: str, what: str) -> int:
    """Seconds of such as 90, 45s, 30m, 24h or 7d; raises `DataError` that names `what`."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if found is None:
        raise DataError(f"{what}: {text!r} is no duration; use such as 45s, 30m, 24h or 7d")
    return int(found[1]) * SECONDS[found[2] or "s"]


def show_duration(seconds: int) -> str:
    """A duration in its two largest units: 1 d 2 h, 3 h 5 m, 45 s."""
    parts: list[str] = []
    for name in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, SECONDS[name])
        if count or (name == "s" and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def parse_threshold(text: str, samples: int) -> int:
    """Right answers of such as 192, or 75 % of all samples, rounded up; raises `DataError`."""
    found = re.fullmatch(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?) ?%", text)
    if found is None:
        raise DataError(f"--threshold: {text!r} is no threshold; use a number of right answers, or such as 75%")
    count = int(found[1]) if found[1] else math.ceil(Decimal(found[2]) * samples / 100)
    if not 1 <= count <= samples:
        raise DataError(f"--threshold: {text} is {count} right answers, and the hold-out has {samples} samples")
    return count


def ether(wei: int, decimals: int = 18) -> str:
    """An amount of wei in ether, or of a token's smallest unit in the token, exactly."""
    sign, wei = ("-", -wei) if wei < 0 else ("", wei)
    whole, rest = divmod(wei, 10**decimals)
    fraction = f"{rest:0{decimals}d}".rstrip("0") if rest else ""
    return f"{sign}{whole}" + (f".{fraction}" if fraction else "")
