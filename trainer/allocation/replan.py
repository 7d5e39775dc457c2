"""The best plan, weighed against the one that runs: a little better is not worth a change.

It has to be better by a part (`least_gain`) of what is at stake: of what the running plan is worth but for challenges
that both enter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.allocation import running
from trainer.allocation.baselines import BASELINES
from trainer.allocation.build import Planning, activities
from trainer.allocation.instance import OFF, Activity, Instance, Schedule
from trainer.allocation.model import Impossible, solve
from trainer.allocation.plan import Plan
from trainer.allocation.value import finish, violations, worth


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to be done.

    schedule:  the best one; or the running plan's, and the best from its end on, where `kept`.
    profit:    of it, risk aversion included.
    gap:       how much better another may be, relative to the profit; 0 for the best; of a kept one that of the best.
    kept:      whether the running plan goes on.
    best:      profit of the best schedule.
    baselines: profits of plans made by hand.
    """

    schedule: Schedule
    profit: float
    gap: float
    kept: bool
    best: float
    baselines: Mapping[str, float]

    @property
    def gain(self) -> float:
        """What the best schedule is worth more than what is to be done, relative to that."""
        return (self.best - self.profit) / max(abs(self.profit), 1e-9)


def choose(planning: Planning, old: Plan | None = None, *, seconds: float | None = None, gap: float = 0.0) -> Choice:
    """What is to be done, given the plan that runs.

    seconds: for each of the two programs to be solved: the best plan, and the running one's best continuation.
    gap:     relative to the best profit, that is good enough.

    Raises `Impossible` where no plan keeps the limits of power.
    """
    instance = planning.instance
    by_hand = {name: make(instance) for name, make in BASELINES.items()}
    found = solve(instance, seconds=seconds, gap=gap)
    tried = [each for each in by_hand.values() if not violations(instance, each)]
    if found is not None:
        tried.insert(0, found.schedule)
    if not tried:
        raise Impossible("no plan was found in time, and none made by hand keeps the limits; raise --time-limit")
    schedule = max(tried, key=lambda each: worth(instance, each).profit)
    best = worth(instance, schedule).profit
    left = float("inf") if found is None else max(0.0, found.bound - best) / max(abs(best), 1e-9)
    baselines = {name: worth(instance, each).profit for name, each in by_hand.items()}
    going_on = _continued(planning, old, schedule, seconds, gap)
    if going_on is not None:
        profit = worth(instance, going_on).profit
        # of two that are worth the same, the one that runs
        stake = abs(profit - _common(planning, going_on, schedule))
        if best <= profit + max(planning.rig.switch.least_gain * stake, 1e-9):
            return Choice(schedule=going_on, profit=profit, gap=left, kept=True, best=best, baselines=baselines)
    return Choice(schedule=schedule, profit=best, gap=left, kept=False, best=best, baselines=baselines)


def _common(planning: Planning, one: Schedule, other: Schedule) -> float:
    """What the first expects of challenges that both enter: beside it mining would never be worth a change."""
    instance = planning.instance
    shared = {instance.jobs[number].challenge for number in other.entered}
    ends = {n: finish(instance, one, n) for n in one.entered if instance.jobs[n].challenge in shared}
    return sum(float(instance.jobs[n].gains[end]) for n, end in ends.items() if end is not None)


def _continued(
    planning: Planning, old: Plan | None, best: Schedule, seconds: float | None, gap: float
) -> Schedule | None:
    """The running plan to its end, and the best thereafter; None where it cannot go on.

    best: of all; it is the answer where it begins as the running plan goes on.
    """
    instance = planning.instance
    if old is None or old.end <= instance.start:
        return None
    fixed = {}
    for each, machine in enumerate(instance.machines):
        device = old.device(machine.name)
        for slot in range(instance.slots):
            middle = instance.start + (slot + 0.5) * instance.step
            wanted = None if device is None else running.later(device, middle)
            if wanted is None:
                continue
            allowed = _able(instance, each, slot, activities(wanted, instance.networks, planning.works))
            # what has gone since leaves its slots free
            if allowed:
                fixed[each, slot] = allowed
    if all(best.activities[each][slot] in allowed for (each, slot), allowed in fixed.items()):
        return best
    try:
        found = solve(instance, fixed=fixed, seconds=seconds, gap=gap)
    except Impossible:
        return None
    return None if found is None else found.schedule


def _able(instance: Instance, each: int, slot: int, wanted: frozenset[Activity]) -> frozenset[Activity]:
    machine = instance.machines[each]
    return frozenset(
        activity
        for activity in wanted
        if activity == OFF or (activity in machine.ways and instance.open(activity, slot))
    )
