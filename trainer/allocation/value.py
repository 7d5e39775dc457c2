"""What a schedule is worth, and which rules it breaks: counted slot by slot, without the solver and its variables."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from trainer.allocation.instance import OFF, Activity, Instance, Machine, Schedule
from trainer.allocation.plan import Do

TOLERANCE = 1e-6
"""Of parts and amounts, relative to 1 or to the limit: that of the solver."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Sums over a schedule, in currency.

    mined:  income of mining.
    energy: paid for electricity.
    gained: expected of the challenges, without electricity.
    """

    mined: float
    energy: float
    gained: float

    @property
    def profit(self) -> float:
        """All together."""
        return self.mined + self.gained - self.energy


def productive(machine: Machine, row: tuple[Activity, ...], slot: int) -> float:
    """Part of a slot in which a machine does what it is for: less where it has just changed to that."""
    activity = row[slot]
    same = activity in machine.doing if slot == 0 else activity == row[slot - 1]
    return 1.0 if same or activity == OFF else 1.0 - machine.lost


def worth(instance: Instance, schedule: Schedule) -> Worth:
    """What a schedule earns; an entered job that is not complete gains nothing."""
    mined = energy = 0.0
    for slot in range(instance.slots):
        rates: dict[int, float] = {}
        for machine, row in zip(instance.machines, schedule.activities, strict=True):
            activity = row[slot]
            energy += instance.energy(slot, machine.watts(activity))
            if activity.do is Do.MINE:
                rate = machine.ways[activity].rate * productive(machine, row, slot)
                rates[activity.which] = rates.get(activity.which, 0.0) + rate
        for which, rate in rates.items():
            mined += instance.networks[which].income(slot, rate)
    gained = 0.0
    for number in sorted(schedule.entered):
        ends = finish(instance, schedule, number)
        if ends is not None:
            gained += float(instance.jobs[number].gains[ends])
    return Worth(mined=mined, energy=energy, gained=gained)


def progress(instance: Instance, schedule: Schedule, number: int) -> float:
    """Part of a job that is done at the end; may be above 1."""
    total = instance.jobs[number].done
    for machine, row in zip(instance.machines, schedule.activities, strict=True):
        for slot, activity in enumerate(row):
            if activity == Activity(Do.TRAIN, number):
                total += machine.ways[activity].rate * productive(machine, row, slot)
    return total


def finish(instance: Instance, schedule: Schedule, number: int) -> int | None:
    """The slot with which a job's training ends; None if it is not complete then."""
    if progress(instance, schedule, number) < 1 - TOLERANCE:
        return None
    trained = (
        slot
        for row in schedule.activities
        for slot, activity in enumerate(row)
        if activity == Activity(Do.TRAIN, number)
    )
    return max(trained, default=instance.jobs[number].opens)


def violations(instance: Instance, schedule: Schedule) -> list[str]:
    """What a schedule breaks, in a sentence each; empty for one that can be carried out."""
    if len(schedule.activities) != len(instance.machines) or any(
        len(row) != instance.slots for row in schedule.activities
    ):
        return ["it is for other machines or slots"]
    return [*_impossible(instance, schedule), *_limits(instance, schedule), *_entries(instance, schedule)] or list(
        _short(instance, schedule)
    )


def _impossible(instance: Instance, schedule: Schedule) -> Iterator[str]:
    for machine, row in zip(instance.machines, schedule.activities, strict=True):
        for slot, activity in enumerate(row):
            if activity != OFF and activity not in machine.ways:
                yield f"{machine.name} cannot {activity.do.value} {activity.which}"
            elif not instance.open(activity, slot):
                yield f"job {activity.which} cannot be trained in slot {slot}"
            elif activity.do is Do.TRAIN and activity.which not in schedule.entered:
                yield f"job {activity.which} is trained and not entered"


def _limits(instance: Instance, schedule: Schedule) -> Iterator[str]:
    for slot in range(instance.slots):
        there = [row[slot] for row in schedule.activities]
        known = all(
            activity == OFF or activity in machine.ways
            for machine, activity in zip(instance.machines, there, strict=True)
        )
        if known:
            watts = sum(machine.watts(activity) for machine, activity in zip(instance.machines, there, strict=True))
            if watts > instance.most_watts * (1 + TOLERANCE):
                yield f"slot {slot} draws {watts:g} W of {instance.most_watts:g}"
        for activity in set(there):
            if activity.do is Do.TRAIN and there.count(activity) > 1:
                yield f"two machines train job {activity.which} in slot {slot}"
    at_risk = sum(instance.jobs[number].at_risk for number in schedule.entered)
    if at_risk > instance.most_at_risk + TOLERANCE * max(1.0, instance.most_at_risk):
        yield f"{at_risk:g} is at risk, of {instance.most_at_risk:g}"


def _entries(instance: Instance, schedule: Schedule) -> Iterator[str]:
    challenges = [instance.jobs[number].challenge for number in sorted(schedule.entered)]
    if len(set(challenges)) < len(challenges):
        yield "a challenge is entered twice"
    for number in sorted(schedule.entered):
        known = all(
            row[slot] == OFF or row[slot] in machine.ways
            for machine, row in zip(instance.machines, schedule.activities, strict=True)
            for slot in range(instance.slots)
        )
        if not known:
            continue
        ends = finish(instance, schedule, number)
        if ends is None:
            yield f"job {number} is entered and not complete"
        elif not ends < instance.jobs[number].closes:
            yield f"job {number} ends too late"


def _short(instance: Instance, schedule: Schedule) -> Iterator[str]:
    """Activities that end before they were held long enough."""
    for machine, row in zip(instance.machines, schedule.activities, strict=True):
        slot = 0
        forced = machine.forced(instance.hold)
        for activity, run in groupby(row):
            first, slot = slot, slot + len(list(run))
            begun = first == 0 and activity in machine.doing
            if first == 0 and forced and not begun:
                yield f"{machine.name} leaves what it does before its time"
                continue
            held = slot - first + (machine.held if begun else 0)
            if held >= instance.hold or slot == instance.slots:
                continue
            if activity.do is Do.TRAIN:
                job = instance.jobs[activity.which]
                if begun or finish(instance, schedule, activity.which) == slot - 1 or slot >= job.closes:
                    continue
            yield f"{machine.name} does {activity.do.value} {activity.which} for {held} slots from {first} on"
