"""A plan out of a schedule: runs of slots, each with a sentence that says why."""

import time
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from trainer.allocation import running
from trainer.allocation.build import Planning
from trainer.allocation.instance import OFF, Activity
from trainer.allocation.plan import DevicePlan, Do, Entry, Plan, Slot
from trainer.allocation.replan import Choice
from trainer.allocation.value import finish, worth

DAY = 86_400


def plan_of(planning: Planning, choice: Choice, old: Plan | None = None) -> Plan:
    """The plan that carries out a choice; what it keeps of the running one stands before it."""
    instance, schedule = planning.instance, choice.schedule
    entries = tuple(_entry(planning, choice, number) for number in sorted(schedule.entered))
    entered = [entry.challenge for entry in entries]
    devices = []
    for each, machine in enumerate(instance.machines):
        before = running.past(old, machine.name, instance.start, planning.now, entered)
        runs = [_slot(planning, choice, each, *run) for run in _runs(schedule.activities[each])]
        devices.append(DevicePlan(name=machine.name, slots=(*before, *runs)))
    sums = worth(instance, schedule)
    # what an aversion to risk takes off is no money
    expected = sums.mined - sums.energy + sum(entry.expected for entry in entries)
    return Plan(
        made=planning.now,
        start=instance.start,
        step=instance.step,
        currency=planning.rig.currency,
        expected=expected,
        devices=tuple(devices),
        entries=entries,
    )


def _runs(row: tuple[Activity, ...]) -> Iterator[tuple[Activity, int, int]]:
    """Activities with their first slot, and the first after them."""
    slot = 0
    for activity, run in groupby(row):
        first, slot = slot, slot + len(list(run))
        yield activity, first, slot


def _entry(planning: Planning, choice: Choice, number: int) -> Entry:
    instance, work = planning.instance, planning.works[number]
    ends = finish(instance, choice.schedule, number)
    assert ends is not None, "what is entered is complete"
    slots = sum(row.count(Activity(Do.TRAIN, number)) for row in choice.schedule.activities)
    moment, seal = work.best[ends]
    return Entry(
        challenge=work.offer.id,
        preset=work.preset,
        hours=slots * instance.hours,
        chance=seal.chance,
        reward=seal.reward,
        commit_by=moment,
        expected=seal.expected,
    )


def _slot(planning: Planning, choice: Choice, each: int, activity: Activity, first: int, last: int) -> Slot:
    instance = planning.instance
    start = instance.start + first * instance.step
    end = instance.start + last * instance.step
    why = _why(planning, choice, each, activity, first, last)
    if activity.do is Do.MINE:
        network = instance.networks[activity.which]
        return Slot(start=start, end=end, do=Do.MINE, coin=network.coin, algorithm=network.algorithm, why=why)
    if activity.do is Do.TRAIN:
        work = planning.works[activity.which]
        return Slot(start=start, end=end, do=Do.TRAIN, challenge=work.offer.id, preset=work.preset, why=why)
    return Slot(start=start, end=end, do=Do.OFF, why=why)


def _why(planning: Planning, choice: Choice, each: int, activity: Activity, first: int, last: int) -> str:
    instance, machine = planning.instance, planning.instance.machines[each]
    unit = f"{planning.rig.currency}/h"
    hours = span(instance.start + first * instance.step, instance.start + last * instance.step)
    own = rate(planning, choice, each, activity, first, last)
    said = f"{machine.name} {_does(planning, activity)} {hours}: {_sum(own)} {unit}"
    if activity.do is Do.TRAIN:
        ends = finish(instance, choice.schedule, activity.which)
        seal = planning.works[activity.which].best[ends or 0].seal
        said += f" (a chance of {seal.chance:.0%} of {_sum(seal.reward)} {planning.rig.currency})"
    others = _others(planning, choice, each, activity, first, last)
    if not others:
        return f"{said}, and there is nothing else."
    best, other = max(others, key=lambda found: found[0])
    if best <= own:
        return f"{said} against {_sum(best)} for {_name(planning, other)}."
    hindrance = _hindrance(planning, choice, each, other, first, last)
    return f"{said}; {_name(planning, other)} would pay {_sum(best)}, but {hindrance}."


def _does(planning: Planning, activity: Activity) -> str:
    if activity.do is Do.MINE:
        return f"mines {planning.instance.networks[activity.which].coin}"
    if activity.do is Do.TRAIN:
        work = planning.works[activity.which]
        return f"trains {work.preset} for challenge {work.offer.id}"
    return "is off"


def _name(planning: Planning, activity: Activity) -> str:
    if activity.do is Do.MINE:
        return str(planning.instance.networks[activity.which].coin)
    if activity.do is Do.TRAIN:
        return f"challenge {planning.works[activity.which].offer.id}"
    return "being off"


def _others(
    planning: Planning, choice: Choice, each: int, activity: Activity, first: int, last: int
) -> list[tuple[float, Activity]]:
    """What else the machine could do all that time, and what an hour of it is worth."""
    instance = planning.instance
    # that these are trained is settled, be it at another time or elsewhere
    entered = {planning.works[number].offer.id for number in choice.schedule.entered}
    found = []
    for other in (OFF, *instance.machines[each].ways):
        if other == activity or not all(instance.open(other, slot) for slot in range(first, last)):
            continue
        if other.do is Do.TRAIN and planning.works[other.which].offer.id in entered:
            continue
        found.append((rate(planning, choice, each, other, first, last), other))
    return found


def rate(planning: Planning, choice: Choice, each: int, activity: Activity, first: int, last: int) -> float:
    """Currency an hour that an activity brings a machine in some slots, without changes.

    Training counts as what the seal is worth by the hours of all the training, or of what is left of it.
    """
    instance, machine = planning.instance, planning.instance.machines[each]
    slots = range(first, last)
    energy = sum(instance.energy(slot, machine.watts(activity)) for slot in slots) / len(slots)
    if activity == OFF:
        return -energy / instance.hours
    speed = machine.ways[activity].rate
    if activity.do is Do.MINE:
        mined = sum(instance.networks[activity.which].income(slot, speed) for slot in slots) / len(slots)
        return (mined - energy) / instance.hours
    job = instance.jobs[activity.which]
    left = max(1.0, float(np.ceil((1 - job.done) / speed - 1e-9)))
    ends = finish(instance, choice.schedule, activity.which) if activity.which in choice.schedule.entered else None
    if ends is None:
        ends = min(first + int(left) - 1, job.closes - 1)
    return (float(job.gains[ends]) / left - energy) / instance.hours


def _hindrance(planning: Planning, choice: Choice, each: int, other: Activity, first: int, last: int) -> str:
    """Why what looks better is not done."""
    instance = planning.instance
    if choice.kept:
        return f"the running plan goes on, as the best one is better by {choice.gain:.1%} only"
    if first == 0 and last <= instance.machines[each].forced(instance.hold):
        return f"what is begun is held for {planning.rig.switch.hold_hours} h"
    if other.do is not Do.TRAIN:
        return "a change costs more than it brings"
    job = instance.jobs[other.which]
    at_risk = sum(instance.jobs[number].at_risk for number in choice.schedule.entered)
    if at_risk + job.at_risk > instance.most_at_risk:
        return f"its bond and fee of {job.at_risk:.4g} would exceed what may be at risk"
    return "all of it does not fit in, or not so well"


def _sum(amount: float) -> str:
    """An amount, which may be a part of a cent or thousands."""
    return f"{amount:.3g}" if abs(amount) < 999 else f"{amount:,.0f}"


def clock(moment: int) -> str:
    """Day and time of a unix second, in UTC."""
    return time.strftime("%a %H:%M", time.gmtime(moment))


def span(start: int, end: int) -> str:
    """A time between two unix seconds, in UTC; the day stands there once where it is one."""
    first, last = clock(start), clock(end)
    return f"{first}-{last[4:] if last[:3] == first[:3] and end - start < DAY else last}"
