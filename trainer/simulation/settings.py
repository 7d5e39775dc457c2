"""What is simulated: sizes, prices and rules, with defaults that make sense, and a file of them."""

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trainer.errors import DataError

RULES = ("first", "best", "both")
HOURS_A_YEAR = 8760


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A simulation; money in USD, shares in [0, 1], spreads are standard deviations of logarithms.

    miners, challenges, hours, seed: how many rigs and challenges, for how long, and which draw.
    cards, card_spread:       median number of graphics cards of a rig.
    card_hash:                hashes a second of a card, in thousands of the coin's unit; only ratios matter.
    card_flops:               sustained FLOP/s of a card in training.
    hash_spread, train_spread: how rigs differ in what a card does.
    mine_watts, train_watts:  of a card.
    electricity, electricity_spread: median price of a kWh.
    day_swing:                part by which electricity is dearer at its dearest hour of the day than on average.
    watching:                 part of the rigs that look at challenges at all.
    coin_income:              USD that the coin pays for an hour of a card at the start, if all mine.
    coin_volatility:          of the coin's price, a year; it returns to its level with `coin_return` a year.
    difficulty_lag:           hours in which difficulty makes up for a change of the hash rate, by a factor e.
    work, work_spread:        median FLOPs of a challenge.
    price, price_spread:      median reward for 1e18 FLOPs, in USD.
    opening:                  part of the reward that a challenge opens with; 1 for a flat one.
    window, window_spread:    median hours of the commit window.
    rule:                     first, best, or both: every other challenge.
    bond, fee:                a trainer's bond, and the seal fee that is burned, as parts of the reward.
    reach:                    chance that a trained model reaches the threshold.
    mishap:                   chance that a leading claim loses its bond all the same.
    seal_gas, win_gas:        USD of gas that a seal, and that the winner, pays.
    capital:                  what a bond costs its owner, a year; it is locked until `lock` hours after the close.
    """

    miners: int = 1000
    challenges: int = 1000
    hours: int = HOURS_A_YEAR
    seed: int = 0
    cards: float = 50.0
    card_spread: float = 0.8
    card_hash: float = 1.0
    card_flops: float = 5e13
    hash_spread: float = 0.25
    train_spread: float = 0.35
    mine_watts: float = 250.0
    train_watts: float = 300.0
    electricity: float = 0.09
    electricity_spread: float = 0.35
    day_swing: float = 0.2
    watching: float = 1.0
    coin_income: float = 0.05
    coin_volatility: float = 0.8
    coin_return: float = 2.0
    difficulty_lag: int = 168
    work: float = 1e20
    work_spread: float = 0.7
    price: float = 0.6
    price_spread: float = 0.4
    opening: float = 0.0
    window: int = 168
    window_spread: float = 0.4
    rule: str = "first"
    bond: float = 0.5
    fee: float = 0.005
    reach: float = 0.9
    mishap: float = 0.01
    seal_gas: float = 0.3
    win_gas: float = 2.0
    capital: float = 0.1
    lock: int = 48

    def __post_init__(self) -> None:
        """Raise `DataError` naming the value that makes no sense."""
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "rule":
                if value not in RULES:
                    raise DataError(f"rule: {value!r} is none; use one of {', '.join(RULES)}")
                continue
            low, high = _RANGES.get(name, (0.0, 1e12))
            whole = isinstance(field.default, int)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise DataError(
                    f"{name}: {value!r} is no {'whole number' if whole else 'number'}; use such as {field.default}"
                )
            if not (math.isfinite(value) and low <= value <= high):
                raise DataError(f"{name}: {value} is out of range; use {low:g} to {high:g}")


_SHARE = (0.0, 1.0)
_SPREAD = (0.0, 2.0)
_RANGES: dict[str, tuple[float, float]] = {
    "miners": (1, 1_000_000),
    "challenges": (0, 100_000),
    "hours": (48, 10 * HOURS_A_YEAR),
    "seed": (0, 2**32 - 1),
    "cards": (0.01, 1e5),
    "card_hash": (1e-3, 1e3),
    "card_flops": (1e9, 1e18),
    "mine_watts": (1, 1e5),
    "train_watts": (1, 1e5),
    "electricity": (0, 100),
    "day_swing": _SHARE,
    "watching": _SHARE,
    "coin_income": (0, 1e3),
    "coin_volatility": (0, 5),
    "coin_return": (0, 100),
    "difficulty_lag": (1, 1e5),
    "work": (1e15, 1e27),
    "price": (0, 1e6),
    "opening": _SHARE,
    "window": (2, HOURS_A_YEAR),
    "bond": (0, 100),
    "fee": _SHARE,
    "reach": _SHARE,
    "mishap": _SHARE,
    "capital": (0, 10),
    "lock": (0, HOURS_A_YEAR),
    **{f"{name}_spread": _SPREAD for name in ("card", "hash", "train", "electricity", "work", "price", "window")},
}


def read(path: Path, **changes: Any) -> Settings:
    """The settings in a TOML file, names as in `Settings`, with `changes` on top; raises `DataError`."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: cannot be read as TOML ({said}); see `trainer simulate --help`") from error
    known = [field.name for field in fields(Settings)]
    for name in found:
        if name not in known:
            raise DataError(f"{path}: no setting is named {name!r}; there are {', '.join(known)}")
    return Settings(**{**found, **changes})
