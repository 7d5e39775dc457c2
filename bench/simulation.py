"""The rules of the market in a simulated economy: `python -m bench.simulation [part …]` writes its results file.

How long a large year takes; what the rising reward clears at among more and more entrants, alone and in the economy;
what bonds, windows and the opening reward do to posters and trainers; and what a second seal of one trainer is worth.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from trainer.simulation import economy, population, report
from trainer.simulation.auction import Clock, ask, clear
from trainer.simulation.costs import Costs
from trainer.simulation.run import simulate
from trainer.simulation.settings import Settings
from trainer.simulation.splitting import best, least_fee

RESULTS = Path(__file__).parent / "results" / "simulation.json"
LARGE = Settings(miners=10_000, challenges=1000)
COSTS = {
    "uniform from 1 to 2": Costs(),
    "1 + exponential of mean 1": Costs(kind="exponential"),
    "Pareto from 1, exponent 2": Costs(kind="pareto", spread=0.5),
    "1 + log-normal, spread 0.5": Costs(kind="lognormal", spread=0.5),
    "uniform from 0 to 1": Costs(lowest=0.0),
}
MYOPIC = "uniform from 1 to 2"
"""Of the myopic one distribution is enough: they leave the lowest cost itself."""
ENTRANTS = (2, 5, 10, 30, 100, 1000)
SEEDS = (0, 1, 2)
SLOTS = 40
# half a year of a market in which 200 rigs look at 400 challenges
MARKET = Settings(miners=200, challenges=400, hours=4380)
WATCHERS = (1, 3, 10, 30, 100, 200)
OPENINGS = (0.0, 0.25, 0.5, 1.0)
WINDOWS = (48, 168, 400)
BONDS = (0.1, 0.5, 2.0, 5.0)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@cache
def year(settings: Settings) -> report.Run:
    """A simulation, once."""
    return simulate(settings, slots=SLOTS)


def speed() -> dict[str, Any]:
    """Seconds of a year of 10,000 rigs and 1,000 challenges: with compilation, and again."""
    world = population.draw(LARGE)
    seconds, processor, digests = [], [], []
    for _ in range(2):
        started, before = time.monotonic(), time.process_time()
        state, hours = economy.run(world)
        seconds.append(round(time.monotonic() - started, 1))
        processor.append(round(time.process_time() - before, 1))
        digests.append(report.digest(report.Run(settings=LARGE, world=world, state=state, hours=hours)))
        say(f"{LARGE.miners:,} rigs, {LARGE.challenges:,} challenges: {seconds[-1]} s, {processor[-1]} s of processors")
    assert digests[0] == digests[1], "the same world came out otherwise"
    return {
        "miners": LARGE.miners,
        "challenges": LARGE.challenges,
        "hours": LARGE.hours,
        "seconds_with_compilation": seconds[0],
        "seconds": seconds[1],
        "processor_seconds": processor[1],
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "digest": digests[0],
    }


def alone() -> list[dict[str, Any]]:
    """What the rising reward clears at over the lowest cost, by distribution, patience and entrants."""
    rows = []
    for name, costs in COSTS.items():
        for waits in (True, False):
            if not waits and name != MYOPIC:
                continue
            found = [clear(costs, count, waits=waits, trials=1000) for count in ENTRANTS]
            rows.append(
                {
                    "costs": name,
                    "waits": waits,
                    "ratio": {str(count): round(one.ratio, 4) for count, one in zip(ENTRANTS, found, strict=True)},
                    "within_5_percent": {str(count): one.within for count, one in zip(ENTRANTS, found, strict=True)},
                }
            )
            say(f"auction: {name}, {'waiting' if waits else 'myopic'}: {rows[-1]['ratio']}")
    return rows


def over_seeds(settings: Settings, of: Callable[[dict[str, Any]], float | None]) -> float | None:
    """Mean over `SEEDS` of something in the summary; None where any has none."""
    found = [of(report.summary(year(replace(settings, seed=seed)))) for seed in SEEDS]
    return None if None in found else round(statistics.fmean(one for one in found if one is not None), 4)


def line(settings: Settings, **changed: Any) -> dict[str, Any]:
    """What posters and trainers get from some rules, means over `SEEDS`; money in USD."""
    here = replace(settings, **changed)

    def spread(name: str) -> Callable[[dict[str, Any]], float | None]:
        return lambda found: None if found[name] is None else found[name]["median"]

    def part(name: str, key: str) -> Callable[[dict[str, Any]], float | None]:
        return lambda found: found[name][key]

    row = {
        **changed,
        "rule": here.rule,
        "won": over_seeds(here, lambda found: found["challenges"]["won"] / found["challenges"]["number"]),
        "price": over_seeds(here, spread("price")),
        "winner_cost": over_seeds(here, spread("winner_cost")),
        "price_over_least_cost": over_seeds(here, spread("price_over_least_cost")),
        "part_of_reward_paid": over_seeds(here, spread("part_of_reward_paid")),
        "hours_to_the_winning_seal": over_seeds(here, spread("hours_to_the_winning_seal")),
        "seals": over_seeds(here, part("challenges", "seals")),
        "winning_score": over_seeds(here, spread("winning_score")),
        "paid": over_seeds(here, part("poster", "paid")),
        "profit": over_seeds(here, part("trainers", "profit")),
        "for_nothing": over_seeds(
            here, lambda found: found["trainers"]["of_that_for_nothing"] / found["trainers"]["opportunity_cost"]
        ),
        "interest": over_seeds(here, part("trainers", "interest")),
    }
    say(f"economy: {changed}: price {row['price']}, won {row['won']}")
    return row


def rules() -> dict[str, Any]:
    """One table a rule."""
    best_wins = replace(MARKET, rule="best", opening=1.0)
    return {
        "opening": [line(MARKET, opening=opening) for opening in OPENINGS],
        "window": [line(MARKET, window=window) for window in WINDOWS],
        "bond_first": [line(MARKET, bond=bond) for bond in BONDS],
        "bond_best": [line(best_wins, bond=bond) for bond in BONDS],
    }


def watchers() -> list[dict[str, Any]]:
    """The price of training as more rigs look at challenges, with nothing to pay but training."""
    plain = replace(
        MARKET, reach=1.0, mishap=0.0, fee=0.0, seal_gas=0.0, win_gas=0.0, capital=0.0, window=500, window_spread=0.0,
        cards=400, work=5e20, day_swing=0.0, price=1.0, price_spread=0.1, work_spread=0.2,
        hash_spread=0.1, train_spread=0.1, challenges=100, coin_volatility=0.1,
    )  # fmt: skip
    return [line(plain, watching=count / plain.miners) | {"watchers": count} for count in WATCHERS]


def splitting() -> list[dict[str, Any]]:
    """What a second seal is worth to the trainer with the median lowest cost, and which fee ends it."""
    rows, clock = [], Clock(reward=3.0)
    for name in ("uniform from 1 to 2", "1 + exponential of mean 1"):
        costs = COSTS[name]
        for count in (2, 5, 10, 30, 100):
            with jax.enable_x64(True):
                cost = float(costs.upper(jnp.float64(0.5 ** (1 / count))))
                asked = float(ask(costs, jnp.float64(cost), count, clock.reward))
            row: dict[str, Any] = {"costs": name, "entrants": count, "reward": clock.reward, "cost": cost, "ask": asked}
            for word, deterred in (("undeterred", False), ("deterred", True)):
                found = best(costs, cost, count, 0.005 * clock.reward, clock=clock, deterred=deterred)
                row[word] = {
                    "honest": round(found.honest, 4),
                    "gain_at_half_a_percent": round(found.gain, 4),
                    "least_fee": round(least_fee(costs, cost, count, clock=clock, deterred=deterred), 4),
                    "least_fee_part_of_reward": round(
                        least_fee(costs, cost, count, clock=clock, deterred=deterred) / clock.reward, 4
                    ),
                }
            rows.append(row)
    return rows


PARTS: dict[str, Callable[[], Any]] = {
    "speed": speed,
    "alone": alone,
    "splitting": splitting,
    "watchers": watchers,
    "rules": rules,
}


def main(names: Sequence[str]) -> None:
    """Run these parts, or all, and keep what the file has of the others."""
    for name in names:
        if name not in PARTS:
            raise SystemExit(f"{name} is no part; there are {', '.join(PARTS)}")
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = {"version": 1, "command": "python -m bench.simulation", "seeds": len(SEEDS)}
    for name, make in PARTS.items():
        if not names or name in names:
            found[name] = make()
        elif name in before:
            found[name] = before[name]
    RESULTS.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    print(f"written: {RESULTS.name}, with {', '.join(name for name in PARTS if name in found)}")


if __name__ == "__main__":
    main(sys.argv[1:])
