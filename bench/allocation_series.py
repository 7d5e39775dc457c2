"""A year of hourly prices and challenges for `bench.allocation`: drawn at random, or from a file.

Drawn: prices of coins and ether follow Merton's jump diffusion, with common moves; a network's hash rate follows its
coin's price with a lag of a week, as miners come and go; electricity has a day and a week in it, an
Ornstein-Uhlenbeck deviation, and spikes. Challenges come as a Poisson process; their rivals too, each with a rate of
its own that nobody is told.

A file is CSV, a row an hour: time (unix seconds), ether, electricity (per kWh), and for each coin NAME.price and
NAME.network_hash_rate.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError

Floats = npt.NDArray[np.float64]
HOUR = 3600
START = 1_735_689_600
"""The first of January 2025, UTC."""
YEAR_HOURS = 8760

VOLATILITY = {"ether": 0.7, "ALPHA": 0.9, "BETA": 0.8}
"""Standard deviation of a year's logarithm, without jumps."""
COMMON = 0.6
"""Correlation of what moves prices, between any two."""
JUMPS_A_YEAR, JUMP_SIZE = 12.0, 0.12
LAG_HOURS = 7 * 24.0
HASH_NOISE = 0.004
PRICE = {"ether": 3000.0, "ALPHA": 0.11, "BETA": 20.0}
HASH_RATE = {"ALPHA": 1.0e15, "BETA": 3.2e13}
ELECTRICITY, DAY_SWING, WEEKEND, SPIKES_A_YEAR = 0.12, 0.06, -0.02, 40
CHALLENGES_A_YEAR = 60


@dataclass(frozen=True, kw_only=True)
class Series:
    """Hourly values, shape (hours,) each; coins by name."""

    time: npt.NDArray[np.int64]
    ether: Floats
    electricity: Floats
    price: Mapping[str, Floats]
    hash_rate: Mapping[str, Floats]

    @property
    def hours(self) -> int:
        """How many."""
        return len(self.time)

    def statistics(self) -> dict[str, object]:
        """What these series are like."""
        found: dict[str, object] = {
            "hours": self.hours,
            "electricity": {
                "mean": round(float(self.electricity.mean()), 4),
                "sd": round(float(self.electricity.std()), 4),
                "least": round(float(self.electricity.min()), 4),
                "most": round(float(self.electricity.max()), 4),
                "hours_below_0": int((self.electricity < 0).sum()),
            },
        }
        for name, values in {"ether": self.ether, **self.price}.items():
            steps = np.diff(np.log(values))
            found[name] = {
                "volatility_a_year": round(float(steps.std() * np.sqrt(YEAR_HOURS)), 3),
                "first": round(float(values[0]), 5),
                "last": round(float(values[-1]), 5),
                "largest_hour": round(float(np.abs(steps).max()), 3),
            }
        return found


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A challenge of the year; times in unix seconds, amounts in ether.

    rivals: seconds at which others seal, ascending; each is as good as oneself.
    """

    id: int
    first: bool
    opening: float
    reward: float
    bond: float
    opens: int
    closes: int
    threshold: int
    rivals: tuple[int, ...]


def drawn(seed: int, hours: int) -> Series:
    """Series of so many hours."""
    rng = np.random.default_rng([seed, 1])
    names = list(PRICE)
    shared, own = rng.normal(size=hours), rng.normal(size=(len(names), hours))
    prices = {}
    for name, noise in zip(names, own, strict=True):
        moves = (np.sqrt(COMMON) * shared + np.sqrt(1 - COMMON) * noise) * VOLATILITY[name] / np.sqrt(YEAR_HOURS)
        jumps = rng.normal(size=hours) * JUMP_SIZE * (rng.random(hours) < JUMPS_A_YEAR / YEAR_HOURS)
        steps = moves + jumps
        steps[0] = 0.0
        prices[name] = PRICE[name] * np.exp(np.cumsum(steps))
    rates = {name: _followed(prices[name] / PRICE[name], HASH_RATE[name], rng) for name in HASH_RATE}
    time = START + HOUR * np.arange(hours, dtype=np.int64)
    return Series(
        time=time,
        ether=prices.pop("ether"),
        electricity=_electricity(time, rng),
        price=prices,
        hash_rate=rates,
    )


def _followed(price: Floats, level: float, rng: np.random.Generator) -> Floats:
    """Hash rates that come near what the price asks for, with a lag."""
    rate = np.empty(len(price))
    here = 0.0
    for hour, wanted in enumerate(np.log(price)):
        here += (wanted - here) / LAG_HOURS + HASH_NOISE * rng.normal()
        rate[hour] = here
    return level * np.exp(rate)


def _electricity(time: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    hour = (time // HOUR) % 24
    # dear in the morning and the evening, cheap at noon and at night
    day = DAY_SWING * (np.cos((hour - 19) / 24 * 2 * np.pi) * 0.6 + np.cos((hour - 8) / 12 * 2 * np.pi) * 0.6)
    week = WEEKEND * (((time // 86_400 + 3) % 7) >= 5)
    deviation, here = np.empty(len(time)), 0.0
    for place in range(len(time)):
        here += -here / 24 + 0.008 * rng.normal()
        deviation[place] = here
    spikes = 0.5 * rng.exponential(size=len(time)) * (rng.random(len(time)) < SPIKES_A_YEAR / YEAR_HOURS)
    found: Floats = ELECTRICITY + day + week + deviation + spikes
    return found


def challenges(seed: int, hours: int) -> list[Posted]:
    """Challenges that open and close within so many hours."""
    rng = np.random.default_rng([seed, 2])
    found = []
    for id in range(rng.poisson(CHALLENGES_A_YEAR * hours / YEAR_HOURS)):
        window = int(rng.integers(24, 97)) * HOUR
        opens = START + int(rng.integers(0, max(1, hours - window // HOUR))) * HOUR
        reward = float(np.round(rng.lognormal(np.log(0.004), 0.8), 5))
        rising = rng.random() < 0.5
        count = rng.poisson(rng.gamma(1.0, 1.5))
        found.append(
            Posted(
                id=id,
                first=bool(rng.random() < 0.5),
                opening=reward * (float(np.round(rng.uniform(0, 0.5), 3)) if rising else 1.0),
                reward=reward,
                bond=round(reward / 2, 6),
                opens=opens,
                closes=opens + window,
                threshold=int(rng.integers(214, 229)),
                rivals=tuple(sorted(int(each) for each in opens + rng.integers(0, window, count))),
            )
        )
    return found


def load(path: Path) -> Series:
    """Series from a file; raises `DataError` that names line and value."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) < 48:
        raise DataError(f"{path}: {len(rows)} rows; two days, 48, are the least")
    names = [name for name in rows[0] if name is not None]
    coins = sorted({name.rpartition(".")[0] for name in names if "." in name})
    wanted = [
        "time",
        "ether",
        "electricity",
        *(f"{c}.{what}" for c in coins for what in ("price", "network_hash_rate")),
    ]
    if sorted(wanted) != sorted(names):
        raise DataError(f"{path}: columns {', '.join(names)}; use {', '.join(wanted)}")
    columns = {name: np.empty(len(rows)) for name in wanted}
    for line, row in enumerate(rows, start=2):
        for name in wanted:
            try:
                value = float(row[name])
            except (TypeError, ValueError):
                value = np.nan
            if not np.isfinite(value) or (name not in ("electricity", "time") and value <= 0):
                raise DataError(f"{path}: line {line}: {name} is {row[name]!r}; use a number above 0")
            columns[name][line - 2] = value
    time = columns["time"].astype(np.int64)
    if np.any(np.diff(time) != HOUR):
        line = int(np.flatnonzero(np.diff(time) != HOUR)[0]) + 3
        raise DataError(f"{path}: line {line}: time is {time[line - 2]}; use a row an hour, in order")
    return Series(
        time=time,
        ether=columns["ether"],
        electricity=columns["electricity"],
        price={coin: columns[f"{coin}.price"] for coin in coins},
        hash_rate={coin: columns[f"{coin}.network_hash_rate"] for coin in coins},
    )
