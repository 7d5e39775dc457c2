"""Who and what there is in a simulation: rigs, challenges, and the coin's price, drawn on the host from one seed.

All numbers that decisions rest on are whole: money in millionths of a USD, work in 1e15 FLOPs, time in hours, chances
in parts of 2**20. Whole numbers have no rounding that depends on how a program is compiled.
"""

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.errors import DataError
from trainer.simulation.settings import HOURS_A_YEAR, Settings

Ints = npt.NDArray[np.int64]
Whole = Any
"""An array of 64-bit whole numbers: NumPy's on the host, JAX's inside the economy."""

USD = 1_000_000
"""Units of money of a USD."""
WORK = 10**15
"""FLOPs of a unit of work."""
ONE = 1 << 20
"""A chance of 1, and a part of 1 in everything else that is a part."""
ENTRANTS = 16
"""Most who ever begin to train for one challenge; whoever comes later finds no room, and is counted."""
SLOTS = 4
"""Slots come in such numbers, so that worlds of one size are one program."""
LONGEST = 1 << 29
"""A time that is never reached."""


@dataclass(frozen=True, kw_only=True)
class Rigs:
    """One entry a rig.

    hash:        what it adds to the hash rate.
    speed:       units of work an hour.
    mine_power, train_power: money that electricity for an hour costs at the average price of the day.
    watches:     1 where it looks at challenges.
    """

    hash: Whole
    speed: Whole
    mine_power: Whole
    train_power: Whole
    watches: Whole


@dataclass(frozen=True, kw_only=True)
class Challenges:
    """One entry a challenge, in the order of their opening.

    work:      units of work.
    opens, closes: hours; commits happen in the hours opens to closes - 1.
    reward:    most that it pays; rise: what it rises each hour towards that. At hour t it stands at
               reward - rise * (closes - t).
    best:      1 where the highest claim wins, 0 where the lowest seal does.
    waits:     1 where the reward rises.
    bond, fee: of a seal; the fee is burned.
    seal_cost: fee, gas and what to expect of a mishap, for a seal.
    interest:  what a bond's owner forgoes in an hour; hold: in all hours after the close.
    first, shared: parts of `ONE`, shape (challenges, ENTRANTS + 1): chance to win behind so many others under FIRST,
               and among so many others under BEST.
    reaches, fails: 1 where the model of the n-th entrant reaches the threshold, and where its claim meets a mishap.
    score:     of the n-th entrant; a standard Gumbel number in millionths.
    """

    work: Whole
    opens: Whole
    closes: Whole
    reward: Whole
    rise: Whole
    best: Whole
    waits: Whole
    bond: Whole
    fee: Whole
    seal_cost: Whole
    interest: Whole
    hold: Whole
    first: Whole
    shared: Whole
    reaches: Whole
    fails: Whole
    score: Whole


@dataclass(frozen=True, kw_only=True)
class World:
    """All that is given.

    subsidy:  money that the coin pays in each hour at the difficulty that fits the hash rate, shape (hours,).
    swing:    price of electricity of each hour over its average, in parts of `ONE`, shape (hours,).
    slots:    number of the challenge in each slot at each hour, or -1, shape (hours, slots): from its opening to its
              close, both included.
    seal_gas, win_gas: money.
    """

    rigs: Rigs
    challenges: Challenges
    subsidy: Whole
    swing: Whole
    slots: npt.NDArray[np.int32]
    seal_gas: int
    win_gas: int
    lag: int


def draw(settings: Settings) -> World:
    """The world of these settings: the same for the same settings, everywhere NumPy draws the same.

    Raises `DataError` where money would not fit 64 bits, or a window is longer than the time simulated.
    """
    # streams of their own: more challenges do not change the rigs
    rigs, challenges, coin = np.random.SeedSequence(settings.seed).spawn(3)
    drawn = _rigs(settings, np.random.default_rng(rigs))
    asked = _challenges(settings, np.random.default_rng(challenges))
    subsidy = _subsidy(settings, np.random.default_rng(coin), cards=settings.miners * settings.cards)
    if int(subsidy.max()) >= 1 << 38:
        raise DataError("coin_income: the coin would pay more than 270,000 USD an hour; use less, or fewer miners")
    if len(asked.work) and int(asked.reward.max()) >= 1 << 41:
        raise DataError("price: a reward would exceed two million USD; use a lower price, or less work")
    return World(
        rigs=drawn,
        challenges=asked,
        subsidy=subsidy,
        swing=_whole(ONE * (1 + settings.day_swing * np.sin(np.arange(settings.hours) * 2 * np.pi / 24))),
        slots=slots_of(asked.opens, asked.closes, settings.hours),
        seal_gas=round(settings.seal_gas * USD),
        win_gas=round(settings.win_gas * USD),
        lag=settings.difficulty_lag,
    )


def _whole(values: npt.ArrayLike) -> Ints:
    return np.rint(values).astype(np.int64)


def _spread(rng: np.random.Generator, median: float, spread: float, count: int) -> npt.NDArray[np.float64]:
    return np.asarray(median * np.exp(spread * rng.standard_normal(count)))


def _rigs(settings: Settings, rng: np.random.Generator) -> Rigs:
    count = settings.miners
    cards = _spread(rng, settings.cards, settings.card_spread, count)
    price = _spread(rng, settings.electricity, settings.electricity_spread, count)
    hash_rate = cards * _spread(rng, 1000 * settings.card_hash, settings.hash_spread, count)
    speed = cards * _spread(rng, settings.card_flops * 3600 / WORK, settings.train_spread, count)
    # the first ones watch when fewer do, so that more watchers are the same and others
    watches = np.arange(count) < round(settings.watching * count)
    if speed.max() >= 2**31 or hash_rate.max() >= 2**31:
        raise DataError("cards, card_flops, card_hash: a rig is too large for this simulation; use smaller ones")
    return Rigs(
        hash=np.maximum(_whole(hash_rate), 1),
        speed=np.maximum(_whole(speed), 1),
        mine_power=_whole(cards * settings.mine_watts / 1000 * price * USD),
        train_power=_whole(cards * settings.train_watts / 1000 * price * USD),
        watches=watches.astype(np.int64),
    )


def _challenges(settings: Settings, rng: np.random.Generator) -> Challenges:
    count = settings.challenges
    work = np.maximum(_whole(_spread(rng, settings.work / WORK, settings.work_spread, count)), 1)
    most = settings.hours - 2
    if settings.window > most:
        raise DataError(f"window: {settings.window} hours do not fit {settings.hours} hours; use at most {most}")
    window = np.clip(_whole(_spread(rng, settings.window, settings.window_spread, count)), 2, most)
    opens = np.floor(rng.random(count) * (settings.hours - 1 - window)).astype(np.int64)
    order = np.argsort(opens, kind="stable")
    work, window, opens = work[order], window[order], opens[order]
    reward = _whole(work * (WORK / 1e18) * USD * _spread(rng, settings.price, settings.price_spread, count))
    rise = _whole((1 - settings.opening) * reward) // window
    best = {"first": np.zeros(count), "best": np.ones(count), "both": np.arange(count) % 2}[settings.rule]
    bond, fee = _whole(settings.bond * reward), _whole(settings.fee * reward)
    interest = _whole(bond * settings.capital / HOURS_A_YEAR)
    fails = settings.mishap * settings.reach
    others = np.arange(ENTRANTS + 1)
    wins = (1 - settings.mishap) * ONE
    first = settings.reach * (1 - settings.reach) ** others
    shared = (1 - (1 - settings.reach) ** (others + 1)) / (others + 1)
    uniform = rng.random((3, count, ENTRANTS))
    return Challenges(
        work=work,
        opens=opens,
        closes=opens + window,
        reward=reward,
        rise=rise,
        best=best.astype(np.int64),
        waits=(rise > 0).astype(np.int64),
        bond=bond,
        fee=fee,
        seal_cost=fee + round(settings.seal_gas * USD) + _whole(fails * bond),
        interest=interest,
        hold=interest * settings.lock,
        first=np.tile(np.floor(wins * first).astype(np.int64), (count, 1)),
        shared=np.tile(np.floor(wins * shared).astype(np.int64), (count, 1)),
        reaches=(uniform[0] < settings.reach).astype(np.int64),
        fails=(uniform[1] < settings.mishap).astype(np.int64),
        score=_whole(-1e6 * np.log(-np.log(np.maximum(uniform[2], 1e-300)))),
    )


def _subsidy(settings: Settings, rng: np.random.Generator, cards: float) -> Ints:
    """Money an hour: the logarithm of the price returns to its level (Ornstein and Uhlenbeck), exactly in hours."""
    hour = 1 / HOURS_A_YEAR
    keep = np.exp(-settings.coin_return * hour)
    variance = hour if settings.coin_return == 0 else (1 - keep**2) / (2 * settings.coin_return)
    steps = settings.coin_volatility * np.sqrt(variance) * rng.standard_normal(settings.hours)
    logs = np.empty(settings.hours)
    now = 0.0
    for hour_number, step in enumerate(steps):
        logs[hour_number] = now
        now = keep * now + step
    return _whole(settings.coin_income * cards * USD * np.exp(logs))


def slots_of(opens: Ints, closes: Ints, hours: int) -> npt.NDArray[np.int32]:
    """Number of the challenge in each slot at each hour, or -1; as many slots as are ever open together, rounded up.

    A challenge stays in one slot from its opening to its close, both included. Shape (hours, slots), a multiple of
    `SLOTS` that is not 0.
    """
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    found: list[int] = []
    for opened, closed in zip(opens.tolist(), closes.tolist(), strict=True):
        while busy and busy[0][0] < opened:
            heapq.heappush(free, heapq.heappop(busy)[1])
        slot = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (closed, slot))
        found.append(slot)
    table = np.full((hours, SLOTS * (max(found, default=0) // SLOTS + 1)), -1, np.int32)
    for number, slot in enumerate(found):
        table[opens[number] : closes[number] + 1, slot] = number
    return table
