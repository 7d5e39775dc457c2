"""The feed: prices of coins, of electricity and of ether, and the networks' hash rates; JSON from a file or the web.

Electricity and forecasts are step functions of time: a value holds from its `from` until the next one's.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from trainer.errors import DataError
from trainer.strict import Value, from_json, read_json

VERSION = 1
HOURS_A_DAY = 24


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What is known, or forecast, of a coin: its price, and its network's hashes a second; both above 0."""

    price: float
    network_hash_rate: float


@dataclass(frozen=True, kw_only=True)
class Coin:
    """A coin.

    algorithm:      that is mined.
    quote:          at the feed's time.
    block_reward:   coins a block, above 0.
    blocks_per_day: above 0.
    pool_fee:       part of the income that a pool keeps, in [0, 1].
    forecast:       moments in unix seconds, ascending, and what holds from then on.
    """

    algorithm: str
    quote: Quote
    block_reward: float
    blocks_per_day: float
    pool_fee: float = 0.0
    forecast: tuple[tuple[int, Quote], ...] = ()

    def at(self, now: float) -> Quote:
        """What is expected for a moment in unix seconds."""
        place = bisect_right([start for start, _ in self.forecast], now)
        return self.forecast[place - 1][1] if place else self.quote

    def income(self, hash_rate: float, now: float, *, beside: float = 0.0) -> float:
        """Currency an hour that a hash rate earns at a moment.

        beside: hashes a second that one's other devices put into the same network.
        """
        quote = self.at(now)
        part = hash_rate / (quote.network_hash_rate + beside + hash_rate)
        day = part * self.block_reward * self.blocks_per_day * quote.price * (1 - self.pool_fee)
        return day / HOURS_A_DAY


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Everything in a feed; prices in `currency`.

    time:        unix second at which it was made.
    ether:       price of one ether.
    electricity: moments in unix seconds, ascending, and the price of a kWh from then on, which may be below 0.
    coins:       by name.
    tokens:      price of one unit of a token, by its address in small letters.
    """

    time: int
    currency: str
    ether: float
    electricity: tuple[tuple[int, float], ...]
    coins: Mapping[str, Coin] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)

    def kwh(self, now: float) -> float:
        """Price of a kWh at a moment in unix seconds.

        Raises `DataError` for a moment before the first price.
        """
        place = bisect_right([start for start, _ in self.electricity], now)
        if not place:
            raise DataError(
                f"feed: electricity begins at {self.electricity[0][0]}, after {now:.0f}; add a price that holds by then"
            )
        return self.electricity[place - 1][1]


def load(path: Path) -> Feed:
    """The feed in a file; raises `DataError` that names file, value and remedy."""
    return parse(read_json(path))


def loads(text: str | bytes, where: str = "feed") -> Feed:
    """The feed that a text is; raises `DataError` that names `where`, value and remedy."""
    return parse(from_json(text, where))


def parse(value: Value) -> Feed:
    """The feed that a value is; raises `DataError` that names what is wrong. Names it does not know are refused."""
    table = value.table(["version", "time", "currency", "ether", "electricity", "coins"], ["tokens"])
    if table["version"].whole(0) != VERSION:
        raise table["version"].wrong(f"only version {VERSION} is known; ask for that")
    electricity = tuple(_electricity(each) for each in table["electricity"].items(1))
    _ascending([start for start, _ in electricity], f"{value.where}: electricity")
    coins = table["coins"].entries()
    return Feed(
        time=table["time"].time(),
        currency=table["currency"].text(),
        ether=table["ether"].number(most=1e15, above=0),
        electricity=electricity,
        # a miner's command is filled with the name, and whoever makes a feed is a stranger
        coins={Value(name, f"{table['coins'].where}: name").word(): _coin(each) for name, each in coins.items()},
        tokens={
            address.lower(): each.number(0, 1e15)
            for address, each in (table["tokens"].entries().items() if "tokens" in table else ())
        },
    )


def _electricity(value: Value) -> tuple[int, float]:
    table = value.table(["from", "price"])
    return table["from"].time(), table["price"].number(-1e6, 1e6)


def _coin(value: Value) -> Coin:
    table = value.table(
        ["algorithm", "price", "network_hash_rate", "block_reward", "blocks_per_day"], ["pool_fee", "forecast"]
    )
    forecast = tuple(_forecast(each) for each in table["forecast"].items()) if "forecast" in table else ()
    _ascending([start for start, _ in forecast], f"{value.where}: forecast")
    return Coin(
        algorithm=table["algorithm"].text(),
        quote=_quote(table),
        block_reward=table["block_reward"].number(most=1e15, above=0),
        blocks_per_day=table["blocks_per_day"].number(most=1e9, above=0),
        pool_fee=table["pool_fee"].number(0, 1) if "pool_fee" in table else 0.0,
        forecast=forecast,
    )


def _forecast(value: Value) -> tuple[int, Quote]:
    table = value.table(["from", "price", "network_hash_rate"])
    return table["from"].time(), _quote(table)


def _quote(table: Mapping[str, Value]) -> Quote:
    return Quote(
        price=table["price"].number(most=1e15, above=0),
        network_hash_rate=table["network_hash_rate"].number(most=1e30, above=0),
    )


def _ascending(times: Sequence[int], where: str) -> None:
    for number, (one, other) in enumerate(pairwise(times), start=1):
        if other <= one:
            raise DataError(f"{where} {number}: from is {other}, not after {one}; put them in ascending order")
