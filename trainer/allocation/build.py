"""An instance from the rig, the profile, the feed, the challenges and the running plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from trainer.agent.decide import MARGIN
from trainer.allocation import running
from trainer.allocation.chances import PoissonRivals, Rivals, Run, Seal, runs, seal
from trainer.allocation.feed import Feed
from trainer.allocation.instance import HOUR, OFF, Activity, Floats, Instance, Job, Machine, Network, Speed
from trainer.allocation.offers import Market, Offer
from trainer.allocation.plan import Do, Plan, Slot
from trainer.allocation.rig import Device, Rig
from trainer.calibration.profile import Profile
from trainer.errors import DataError

MOST_RUNS = 3
"""Lengths of a training run that are tried for one preset and challenge."""
FAR = 10**6
"""Slots that count as forever."""
DONE = 1 - 1e-9
CARE = 1e-4
"""Part of a seal's worth that an hour between now and the end of its training counts as: what is done cannot fail any
more. It is there to have training done early where nothing else speaks for a time."""


class Chosen(NamedTuple):
    """The best moment for a seal, if training ends with a slot: unix second, and what it is worth."""

    moment: int
    seal: Seal


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a job of the instance is.

    reach: chance that its model reaches the threshold.
    hours: that all of it takes on each device that can, by name.
    best:  by slot with which training ends; as long as the job's gains are finite.
    """

    offer: Offer
    preset: str
    run: Run
    reach: float
    hours: Mapping[str, float]
    best: tuple[Chosen, ...]


@dataclass(frozen=True, kw_only=True)
class Planning:
    """What is to be planned, and what stands behind its numbers.

    works: of the instance's jobs, in their order.
    notes: what was left out, and why; a sentence each.
    """

    instance: Instance
    works: tuple[Work, ...]
    rig: Rig
    now: int
    notes: tuple[str, ...] = ()


def build(
    rig: Rig,
    profile: Profile | None,
    feed: Feed,
    market: Market,
    *,
    now: int,
    hours: int,
    step: int = HOUR,
    old: Plan | None = None,
    rivals: Rivals | None = None,
) -> Planning:
    """What is to be planned from `now` on, for so many hours, in slots of `step` seconds.

    old: the plan that runs.

    Raises `DataError` where rig, profile and feed do not go together.
    """
    if feed.currency != rig.currency:
        raise DataError(f"the feed is in {feed.currency}, the rig in {rig.currency}; use one currency for both")
    if old is not None and old.currency != rig.currency:
        raise DataError(f"the running plan is in {old.currency}, the rig in {rig.currency}; put it away")
    start = running.next_start(old, now, step)
    slots = hours * HOUR // step
    grid = _Grid(start, step, slots)
    notes: list[str] = []
    networks = _networks(rig, feed, grid)
    works = []
    for offer in market.offers:
        found, why = _works(rig, profile, offer, grid, rivals or PoissonRivals(), now)
        works += found
        if not found:
            notes.append(f"challenge {offer.id} is left out: {why}")
    jobs = tuple(_job(work, rig, grid, old) for work in works)
    for device in rig.devices:
        if device.switch_seconds > step:
            raise DataError(
                f"device {device.name}: switch_seconds is {device.switch_seconds:g}; use up to a step, {step} s"
            )
    machines = tuple(_machine(device, profile, networks, works, grid, rig, old, notes) for device in rig.devices)
    instance = Instance(
        start=start,
        step=step,
        kwh=np.array([_mean(feed, *grid.span(slot)) for slot in range(slots)]),
        machines=machines,
        networks=networks,
        jobs=jobs,
        hold=max(1, -(-rig.switch.hold_hours * HOUR // step)),
        most_at_risk=max(0.0, rig.risk.most_at_risk - market.at_risk),
        most_watts=np.inf if rig.most_watts is None else rig.most_watts,
    )
    return Planning(instance=instance, works=tuple(works), rig=rig, now=now, notes=(*market.notes, *notes))


class _Grid(NamedTuple):
    start: int
    step: int
    slots: int

    def span(self, slot: int) -> tuple[int, int]:
        return self.start + slot * self.step, self.start + (slot + 1) * self.step


def _mean(feed: Feed, begin: int, end: int) -> float:
    """Mean price of a kWh over a time."""
    cuts = [begin, *(moment for moment, _ in feed.electricity if begin < moment < end), end]
    return sum(feed.kwh(a) * (b - a) for a, b in pairwise(cuts)) / (end - begin)


def _networks(rig: Rig, feed: Feed, grid: _Grid) -> tuple[Network, ...]:
    """Networks of the coins that some device mines."""
    found = []
    for name, coin in feed.coins.items():
        if not any(device.miner(name, coin.algorithm) for device in rig.devices):
            continue
        # a forecast is taken in the middle of a slot
        quotes = [coin.at(sum(grid.span(slot)) / 2) for slot in range(grid.slots)]
        blocks = coin.block_reward * coin.blocks_per_day / 24 * (1 - coin.pool_fee) * grid.step / HOUR
        found.append(
            Network(
                coin=name,
                algorithm=coin.algorithm,
                rate=np.array([quote.network_hash_rate for quote in quotes]),
                pays=np.array([quote.price * blocks for quote in quotes]),
            )
        )
    return tuple(found)


def _works(
    rig: Rig, profile: Profile | None, offer: Offer, grid: _Grid, rivals: Rivals, now: int
) -> tuple[list[Work], str]:
    """Jobs for a challenge, and why there are none."""
    if rig.training is None:
        return [], "the rig names no [training] command"
    if profile is None:
        return [], "there is no profile; make one with `trainer calibrate`"
    found: list[Work] = []
    why = "no device has a profile of its presets with known accuracies"
    for preset in offer.presets:
        tried = _runs(rig, profile, preset)
        kept: list[Work] = []
        for run, hours in tried:
            reach = run.belief.reach(offer.threshold, offer.samples)
            best = _best(rig, offer, reach, rivals, grid, now)
            if not best:
                chance = seal(offer, reach, rivals, now=now, at=max(now, offer.opens)).chance
                why = (
                    f"a chance of {chance:.0%} of winning with {preset}, or too late"
                    if rig.risk.least_chance
                    else "its commits end too soon"
                )
                continue
            if _value(rig, best[0].seal) <= 0:
                why = f"a seal of {preset} is worth {best[0].seal.expected:.2f} {rig.currency}"
                continue
            if min(hours.values()) * HOUR > len(best) * grid.step:
                why = f"{preset} takes {min(hours.values()):.1f} h, and {len(best) * grid.step / HOUR:.0f} h are left"
                continue
            kept.append(Work(offer=offer, preset=preset, run=run, reach=reach, hours=hours, best=tuple(best)))
        found += _worthwhile(kept)
    return found, why


def _runs(rig: Rig, profile: Profile, preset: str) -> list[tuple[Run, dict[str, float]]]:
    """Lengths of a run of a preset, each with its hours by device; beliefs are the device's that is least sure."""
    by_target: dict[float, list[tuple[str, Run]]] = {}
    for device in rig.devices:
        if device.profile is None:
            continue
        presets = profile.device(device.profile).presets
        for run in runs(presets[preset]) if preset in presets else ():
            by_target.setdefault(run.target, []).append((device.name, run))
    found = []
    for _, able in sorted(by_target.items()):
        least = min((run for _, run in able), key=lambda run: sum(chance for _, chance in run.belief.parts))
        found.append((least, {name: run.seconds / HOUR for name, run in able}))
    return found


def _worthwhile(works: list[Work]) -> list[Work]:
    """Without runs that take no less and reach no more than another; the likeliest ones of the rest."""
    kept: list[Work] = []
    for work in sorted(works, key=lambda each: (min(each.hours.values()), -each.reach)):
        if not kept or work.reach > max(each.reach for each in kept) + 1e-3:
            kept.append(work)
    return kept[-MOST_RUNS:]


def _value(rig: Rig, found: Seal) -> float:
    return found.expected - rig.risk.aversion * found.spread


def _best(rig: Rig, offer: Offer, reach: float, rivals: Rivals, grid: _Grid, now: int) -> list[Chosen]:
    """For each slot with which training may end, the best moment for the seal from then on."""
    last = offer.closes - MARGIN
    moments = list(range(grid.start + grid.step, last, grid.step))
    moments.append(last)
    seals = [Chosen(moment, seal(offer, reach, rivals, now=now, at=moment)) for moment in moments]
    best: list[Chosen | None] = [None] * len(seals)
    for number in reversed(range(len(seals))):
        this, then = seals[number], best[number + 1] if number + 1 < len(seals) else None
        allowed = this.seal.chance >= rig.risk.least_chance and this.moment > max(offer.opens, now)
        if allowed and (then is None or _value(rig, this.seal) >= _value(rig, then.seal)):
            best[number] = this
        else:
            best[number] = then
    # the last moment is within a slot: no training ends with it
    found = []
    for slot in range(min(grid.slots, len(seals) - 1)):
        chosen = best[slot]
        if chosen is None:
            break
        found.append(chosen)
    return found


def _job(work: Work, rig: Rig, grid: _Grid, old: Plan | None) -> Job:
    gains: Floats = np.full(grid.slots, -np.inf)
    for slot, chosen in enumerate(work.best):
        value = _value(rig, chosen.seal)
        gains[slot] = value - abs(value) * min(1.0, CARE * (slot + 1) * grid.step / HOUR)
    trained = running.trained(old, work.offer.id, work.preset, grid.start)
    done = sum(
        # what each change took of it is not training
        max(0.0, seconds - times * rig.device(name).switch_seconds) / HOUR / work.hours[name]
        for name, (seconds, times) in trained.items()
        if name in work.hours
    )
    return Job(
        challenge=work.offer.id,
        preset=work.preset,
        opens=max(0, -(-(work.offer.opens - grid.start) // grid.step)),
        gains=gains,
        at_risk=work.offer.bond + work.offer.fee,
        done=1.0 if done > DONE else done,
        label=f"{work.run.target:g}",
    )


def _machine(
    device: Device,
    profile: Profile | None,
    networks: tuple[Network, ...],
    works: list[Work],
    grid: _Grid,
    rig: Rig,
    old: Plan | None,
    notes: list[str],
) -> Machine:
    ways: dict[Activity, Speed] = {}
    for number, network in enumerate(networks):
        way = device.miner(network.coin, network.algorithm)
        if way is not None:
            ways[Activity(Do.MINE, number)] = Speed(rate=way.hash_rate, watts=way.watts)
    watts = device.train_watts
    if watts is None and profile is not None and device.profile is not None:
        watts = profile.device(device.profile).power.train_watts
    for number, work in enumerate(works):
        if device.name in work.hours and watts is not None:
            rate = grid.step / HOUR / work.hours[device.name]
            ways[Activity(Do.TRAIN, number)] = Speed(rate=rate, watts=watts)
    if device.most_watts is not None:
        dear = {way for way, speed in ways.items() if speed.watts > device.most_watts}
        if dear:
            notes.append(f"{device.name}: {len(dear)} activities draw more than its {device.most_watts:g} W: left out")
        ways = {way: speed for way, speed in ways.items() if way not in dear}
    now = running.at(old, device.name, grid.start)
    doing = activities(now.slot, networks, works)
    return Machine(
        name=device.name,
        idle_watts=device.idle_watts,
        lost=device.switch_seconds / grid.step,
        ways=ways,
        # what it does and cannot do any more, it need not go on with
        doing=doing or frozenset({OFF}),
        held=FAR if not doing or now.held > FAR * grid.step else int(now.held // grid.step),
    )


def activities(slot: Slot | None, networks: Sequence[Network], works: Sequence[Work]) -> frozenset[Activity]:
    """What a slot of a plan is in an instance: several jobs where they are lengths of one run; none if it is gone."""
    if slot is None or slot.do is Do.OFF:
        return frozenset({OFF})
    if slot.do is Do.MINE:
        return frozenset(
            Activity(Do.MINE, number)
            for number, network in enumerate(networks)
            if (network.coin, network.algorithm) == (slot.coin, slot.algorithm)
        )
    return frozenset(
        Activity(Do.TRAIN, number)
        for number, work in enumerate(works)
        if (work.offer.id, work.preset) == (slot.challenge, slot.preset)
    )
