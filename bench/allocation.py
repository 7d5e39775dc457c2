"""A year of planning with past prices alone, beside the best plan in hindsight: `python -m bench.allocation`.

    make bench-allocation                                    # writes results/allocation.json
    python -m bench.allocation --days 30                     # prints, and writes nothing
    python -m bench.allocation --prices prices.csv --record  # prices of one's own: see `bench.allocation_series`

Every day a policy sees the prices and seals of that moment and the day-ahead prices of electricity, and plans two
days with them: coins are taken to stay what they are, electricity after tomorrow to be as it was a day before. What it
planned is carried out until it plans again. A seal pays its expectation over the model's accuracy; the rivals are those
that really come, and ether is worth what it is at the commit.

The best plan in hindsight knows all prices and rivals, and keeps all rules but the limit of what is at risk. The time
is cut where no challenge is open, into blocks of some days, and one program is solved for each, in which devices come
into the block with whatever they like. The sum of the programs' bounds no plan can exceed: the regret stated is against
that, and the true one is smaller.
"""

import argparse
import json
import time as clock
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.allocation_series import HOUR, YEAR_HOURS, Posted, Series, challenges, drawn, load
from trainer.agent.decide import MARGIN
from trainer.agent.odds import Gas
from trainer.allocation.baselines import BASELINES
from trainer.allocation.build import Planning, build
from trainer.allocation.chances import PoissonRivals, runs, seal
from trainer.allocation.feed import Coin, Feed, Quote
from trainer.allocation.instance import OFF, Activity, Instance, Job, Machine, Network, Schedule, Speed
from trainer.allocation.model import solve
from trainer.allocation.offers import Market, Offer
from trainer.allocation.plan import Do, Plan
from trainer.allocation.replan import Choice, choose
from trainer.allocation.rig import Device, Mining, Rig, Risk, Switch, Training
from trainer.allocation.value import violations, worth
from trainer.allocation.words import plan_of
from trainer.calibration import profile as profiles
from trainer.calibration.profile import PresetProfile, Profile, Target
from trainer.protocol import Rule

RESULTS = Path(__file__).parent / "results" / "allocation.json"
PRESET = "fashion-196-64"
EVERY, HORIZON = 24, 48
"""Hours between two plans, and that a plan has."""
SAMPLES = 256
GAS = Gas(always=200_000, claim=100_000, won=2_000_000, lost=125_000)
GAS_GWEI = 0.02
COINS = {"ALPHA": ("a", 4.0, 864_000.0), "BETA": ("b", 2.0, 6_500.0)}
"""Algorithm, coins a block, blocks a day."""
LONG_AGO = 10**6
BLOCK = 3 * 24
"""Hours of a block in hindsight, at least."""
SLOWER = 2.0
"""How much the second card is slower in training."""
GAP = 1e-3
"""Part by which a plan, and the one in hindsight, may fall short of the best: proving the last of it takes longest."""


def rig(least_gain: float) -> Rig:
    """Two graphics cards, the first of which is better at mining ALPHA and at training."""

    def device(name: str, alpha: float, beta: float, watts: float) -> Device:
        ways = (
            Mining(algorithm="a", hash_rate=alpha, watts=watts, command=("miner",)),
            Mining(algorithm="b", hash_rate=beta, watts=0.8 * watts, command=("miner",)),
        )
        return Device(name=name, idle_watts=15.0, profile=name, switch_seconds=120.0, mining=ways)

    return Rig(
        currency="USD",
        devices=(device("gpu0", 2.2e9, 9e7, 190.0), device("gpu1", 0.9e9, 6e7, 120.0)),
        risk=Risk(most_at_risk=1000.0, least_chance=0.05),
        switch=Switch(least_gain=least_gain, hold_hours=2),
        training=Training(command=("trainer",)),
    )


def profile() -> Profile:
    """What both cards reach, and when; the second is half as fast."""

    def device(name: str, factor: float, watts: float) -> profiles.Device:
        steps = ((0.86, 1.0, 0.99), (0.875, 4.0, 0.9), (0.885, 12.0, 0.5))
        targets = tuple(
            Target(
                accuracy=accuracy,
                seconds=hours * HOUR * factor,
                low=0.7 * hours * HOUR * factor,
                high=1.3 * hours * HOUR * factor,
                chance=chance,
            )
            for accuracy, hours, chance in steps
        )
        preset = PresetProfile(
            samples_per_second=1e5 / factor,
            samples_per_second_sd=0.0,
            flops_per_sample=8e4,
            runs=1,
            targets=targets,
            curve=None,
        )
        power = profiles.Power(train_watts=watts, idle_watts=15.0, source="stated")
        return profiles.Device(name=name, kind="gpu", model="made up", power=power, presets={PRESET: preset})

    return Profile(made=0, machine="made up", devices=(device("gpu0", 1.0, 230.0), device("gpu1", SLOWER, 150.0)))


@dataclass(frozen=True)
class World:
    """What happens, and what is known of it at a moment."""

    series: Series
    posted: list[Posted]

    def hour(self, moment: float) -> int:
        return min(max(int((moment - self.series.time[0]) // HOUR), 0), self.series.hours - 1)

    def feed(self, hour: int) -> Feed:
        """What is known at the beginning of an hour: its prices, and electricity until the end of tomorrow."""
        series, now = self.series, int(self.series.time[hour])
        ahead = min(series.hours, hour + 48 - hour % 24)
        known = [(int(series.time[at]), float(series.electricity[at])) for at in range(hour, ahead)]
        while len(known) < HORIZON + 24:
            # as a day before
            before = known[-24][1] if len(known) >= 24 else known[-1][1]
            known.append((known[-1][0] + HOUR, before))
        coins = {
            name: Coin(
                algorithm=COINS[name][0],
                quote=Quote(
                    price=float(series.price[name][hour]), network_hash_rate=float(series.hash_rate[name][hour])
                ),
                block_reward=COINS[name][1],
                blocks_per_day=COINS[name][2],
                pool_fee=0.01,
            )
            for name in series.price
        }
        return Feed(time=now, currency="USD", ether=float(series.ether[hour]), electricity=tuple(known), coins=coins)

    def offer(self, found: Posted, ether: float, now: float) -> Offer:
        """A challenge, with the seals that are there."""
        return Offer(
            id=found.id,
            rule=Rule.FIRST if found.first else Rule.BEST,
            opening=found.opening * ether,
            reward=found.reward * ether,
            bond=found.bond * ether,
            fee=0.00002 * ether,
            opens=found.opens,
            closes=found.closes,
            threshold=found.threshold,
            samples=SAMPLES,
            seals=bisect_right(found.rivals, now),
            presets=(PRESET,),
            gas=GAS,
            gas_price=GAS_GWEI * 1e-9 * ether,
        )

    def paid(self, found: Posted, reach: float, moment: int) -> float:
        """What a seal of some second pays, given the rivals that come."""
        ether = float(self.series.ether[self.hour(moment)])
        return seal(self.offer(found, ether, moment), reach, _Came(found), now=moment, at=moment).expected


@dataclass(frozen=True)
class _Came:
    """The rivals that really come."""

    found: Posted

    def spared(self, offer: Offer, reach: float, now: float, at: float) -> float:
        if offer.rule == Rule.FIRST:
            return (1 - reach) ** bisect_right(self.found.rivals, at)
        return 1 / (1 + len(self.found.rivals))


@dataclass
class Run:
    """A policy through the year.

    gains:   by challenge, what its seal paid.
    changes: of activity, over all devices.
    """

    rows: list[list[Activity]] = field(default_factory=lambda: [[], []])
    gains: dict[int, float] = field(default_factory=dict)
    replaced: int = 0
    plans: int = 0
    largest_gap: float = 0.0

    @property
    def changes(self) -> int:
        return sum(len(list(groupby(row))) - 1 for row in self.rows)


Policy = Callable[[Planning, Plan | None], Choice]


def by_program(known: Planning, old: Plan | None) -> Choice:
    return choose(known, old, seconds=20.0, gap=GAP)


def by_hand(make: Callable[[Instance], Schedule]) -> Policy:
    def policy(known: Planning, old: Plan | None) -> Choice:
        schedule = make(known.instance)
        profit = worth(known.instance, schedule).profit
        return Choice(schedule=schedule, profit=profit, gap=0.0, kept=False, best=profit, baselines={})

    return policy


def play(world: World, chosen: Rig, policy: Policy) -> Run:
    """A policy through all hours."""
    run, machine = Run(), profile()
    plan: Plan | None = None
    sealed: dict[int, int] = {}
    names = list(world.series.price)
    for hour in range(0, world.series.hours, EVERY):
        now = int(world.series.time[hour])
        feed = world.feed(hour)
        open_ = [p for p in world.posted if p.opens <= now < p.closes and p.id not in sealed]
        # a bond is back some days after the commits
        at_risk = sum(p.bond * feed.ether for p in world.posted if p.id in sealed and now < p.closes + 3 * 24 * HOUR)
        market = Market(offers=tuple(world.offer(p, feed.ether, now) for p in open_), at_risk=at_risk)
        known = build(chosen, machine, feed, market, now=now, hours=HORIZON, old=plan, rivals=PoissonRivals())
        choice = policy(known, plan)
        plan = plan_of(known, choice, plan)
        run.plans += 1
        run.replaced += not choice.kept
        run.largest_gap = max(run.largest_gap, choice.gap)
        until = min(now + EVERY * HOUR, int(world.series.time[-1]) + HOUR)
        for row, device in zip(run.rows, plan.devices, strict=True):
            for at in range(now, until, HOUR):
                slot = device.at(at)
                assert slot is not None, "a plan covers its horizon"
                row.append(
                    Activity(Do.MINE, names.index(slot.coin))
                    if slot.coin is not None
                    else OFF
                    if slot.challenge is None
                    else Activity(Do.TRAIN, slot.challenge)
                )
        for entry, number in zip(plan.entries, sorted(choice.schedule.entered), strict=True):
            if entry.commit_by < until:
                sealed[entry.challenge] = entry.commit_by
                found = next(p for p in open_ if p.id == entry.challenge)
                run.gains[entry.challenge] = world.paid(found, known.works[number].reach, entry.commit_by)
    return run


def hindsight(world: World, chosen: Rig) -> Instance:
    """The whole time as one instance, with everything known."""
    series = world.series
    machine = profile()
    networks = tuple(
        Network(
            coin=name,
            algorithm=COINS[name][0],
            rate=series.hash_rate[name],
            pays=series.price[name] * COINS[name][1] * COINS[name][2] / 24 * 0.99,
        )
        for name in series.price
    )
    jobs: list[Job] = []
    speeds: list[dict[str, float]] = []
    for found in world.posted:
        for run in runs(machine.devices[0].presets[PRESET]):
            reach = run.belief.reach(found.threshold, SAMPLES)
            jobs.append(_job(world, found, reach, f"{run.target:g}"))
            speeds.append(
                {
                    device.name: HOUR / run.seconds / factor
                    for device, factor in zip(machine.devices, (1, 2), strict=True)
                }
            )
    ways = [
        {
            **{
                Activity(Do.MINE, number): Speed(rate=way.hash_rate, watts=way.watts)
                for number, network in enumerate(networks)
                if (way := device.miner(network.coin, network.algorithm)) is not None
            },
            **{
                Activity(Do.TRAIN, number): Speed(
                    rate=speed[device.name], watts=machine.device(device.name).power.train_watts
                )
                for number, speed in enumerate(speeds)
                if jobs[number].closes > jobs[number].opens
            },
        }
        for device in chosen.devices
    ]
    return Instance(
        start=int(series.time[0]),
        step=HOUR,
        kwh=series.electricity,
        machines=tuple(
            Machine(
                name=device.name,
                idle_watts=device.idle_watts,
                lost=device.switch_seconds / HOUR,
                ways=way,
                held=LONG_AGO,
            )
            for device, way in zip(chosen.devices, ways, strict=True)
        ),
        networks=networks,
        jobs=tuple(jobs),
        hold=chosen.switch.hold_hours,
    )


def _job(world: World, found: Posted, reach: float, label: str) -> Job:
    """What a seal pays if training ends with an hour, the commit being made at the best moment from then on."""
    gains = np.full(world.series.hours, -np.inf)
    first, last = world.hour(found.opens), world.hour(found.closes - 1)
    best = world.paid(found, reach, found.closes - MARGIN)
    for hour in range(last, first, -1):
        best = max(best, world.paid(found, reach, int(world.series.time[hour])))
        # training that ends with the hour before
        gains[hour - 1] = best
    gains[:first] = gains[first]
    if gains[first] <= 0:
        gains[:] = -np.inf
    return Job(challenge=found.id, preset=PRESET, opens=first, gains=gains, at_risk=found.bond, label=label)


def blocks(world: World) -> list[tuple[int, int]]:
    """First hours, and the first after them, of blocks that no challenge reaches over."""
    cuts = [0]
    for hour in range(world.series.hours):
        moment = int(world.series.time[hour])
        if hour - cuts[-1] >= BLOCK and not any(p.opens < moment < p.closes for p in world.posted):
            cuts.append(hour)
    return list(pairwise([*cuts, world.series.hours]))


def part(instance: Instance, first: int, last: int) -> Instance:
    """Some hours of the whole, into which a device comes with anything but training, and may leave it at once."""
    inside = {
        number: place
        for place, number in enumerate(
            number for number, job in enumerate(instance.jobs) if first <= job.opens < job.closes <= last
        )
    }
    jobs = tuple(
        replace(job, opens=job.opens - first, gains=job.gains[first:last])
        for job in (instance.jobs[number] for number in inside)
    )

    def cut(machine: Machine) -> Machine:
        ways = {
            Activity(way.do, inside[way.which]) if way.do is Do.TRAIN else way: speed
            for way, speed in machine.ways.items()
            if way.do is not Do.TRAIN or way.which in inside
        }
        return replace(machine, ways=ways, doing=frozenset({OFF, *(way for way in ways if way.do is Do.MINE)}))

    return replace(
        instance,
        start=instance.start + first * HOUR,
        kwh=instance.kwh[first:last],
        machines=tuple(map(cut, instance.machines)),
        networks=tuple(
            replace(each, rate=each.rate[first:last], pays=each.pays[first:last]) for each in instance.networks
        ),
        jobs=jobs,
    )


def in_hindsight(world: World, instance: Instance, limit: float) -> dict[str, Any]:
    """The best of each block, and what no plan exceeds."""
    began, profit, bound, seals = clock.process_time(), 0.0, 0.0, 0
    spans = blocks(world)
    for first, last in spans:
        here = part(instance, first, last)
        found = solve(here, seconds=limit, gap=GAP)
        if found is None:
            raise SystemExit(f"hours {first} to {last}: nothing was found in {limit:g} s; raise --limit")
        profit += worth(here, found.schedule).profit
        bound += found.bound
        seals += len(found.schedule.entered)
    return {
        "profit": round(profit, 2),
        "bound": round(bound, 2),
        "seals": seals,
        "blocks": len(spans),
        "processor_seconds": round(clock.process_time() - began, 1),
    }


def account(world: World, instance: Instance, run: Run) -> dict[str, Any]:
    """What a policy earned, counted on the instance in hindsight; raises where it broke a rule."""
    rows = tuple(tuple(row) for row in run.rows)
    # training is counted by its electricity here, whatever it was for; what it paid is in `gains`
    counted = tuple(
        tuple(_as_any_job(instance, activity) if activity.do is Do.TRAIN else activity for activity in row)
        for row in rows
    )
    sums = worth(instance, Schedule(counted))
    mining = Schedule(tuple(tuple(OFF if a.do is Do.TRAIN else a for a in row) for row in rows))
    broken = [each for each in violations(instance, mining) if " does " not in each]
    assert not broken, broken
    gained = sum(run.gains.values())
    return {
        "profit": round(sums.mined - sums.energy + gained, 2),
        "mined": round(sums.mined, 2),
        "energy": round(sums.energy, 2),
        "gained": round(gained, 2),
        "seals": len(run.gains),
        "changes": run.changes,
        "plans": run.plans,
        "replaced": run.replaced,
        "largest_gap": round(run.largest_gap, 6),
        "hours": {kind.value: sum(activity.do is kind for row in rows for activity in row) for kind in Do},
    }


def _as_any_job(instance: Instance, activity: Activity) -> Activity:
    """A job of that challenge: all of them draw the same."""
    for number, job in enumerate(instance.jobs):
        if job.challenge == activity.which:
            way = Activity(Do.TRAIN, number)
            if way in instance.machines[0].ways:
                return way
    # of no use in hindsight, and drawing as much as any other
    return next(way for way in instance.machines[0].ways if way.do is Do.TRAIN)


def main() -> None:
    """Play all policies, solve the year in hindsight, and say so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=YEAR_HOURS // 24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prices", type=Path, help="CSV of hourly prices in place of drawn ones")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each block in hindsight")
    parser.add_argument("--eager", action="store_true", help="also plan without hysteresis")
    parser.add_argument("--record", action="store_true", help="write the results file")
    options = parser.parse_args()
    series = drawn(options.seed, options.days * 24) if options.prices is None else load(options.prices)
    world = World(series, challenges(options.seed, series.hours))
    careful = rig(0.02)
    instance = hindsight(world, careful)
    policies: dict[str, tuple[Rig, Policy]] = {
        "plan": (careful, by_program),
        **({"plan without hysteresis": (rig(0.0), by_program)} if options.eager else {}),
        **{name: (careful, by_hand(make)) for name, make in BASELINES.items()},
    }
    results = {}
    for name, (chosen, policy) in policies.items():
        began_here = clock.process_time()
        results[name] = account(world, instance, play(world, chosen, policy))
        results[name]["processor_seconds"] = round(clock.process_time() - began_here, 1)
        print(f"{name}: {json.dumps(results[name])}", flush=True)
    best = in_hindsight(world, instance, options.limit)
    bound = best["bound"]
    facts = {
        "command": "python -m bench.allocation --record" + (f" --days {options.days}" if options.days != 365 else ""),
        "prices": "drawn" if options.prices is None else "a file",
        "seed": options.seed,
        "series": series.statistics(),
        "challenges": len(world.posted),
        "plan_every_hours": EVERY,
        "horizon_hours": HORIZON,
        "policies": results,
        "hindsight": best,
        "regret_at_most": {name: round(bound - found["profit"], 2) for name, found in results.items()},
        "regret_at_most_part": {name: round(1 - found["profit"] / bound, 4) for name, found in results.items()},
        "processor_seconds": round(sum(part["processor_seconds"] for part in (*results.values(), best)), 1),
    }
    print(json.dumps(facts, indent=1))
    if options.record:
        RESULTS.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
