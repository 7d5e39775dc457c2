"""Plans that need no solver, under the same rules: all mining, all training, and the best of each hour.

Each is what a person might do by hand; what the solver finds is weighed against them.
"""

from collections.abc import Callable

import numpy as np

from trainer.allocation.instance import OFF, Activity, Instance, Machine, Schedule
from trainer.allocation.plan import Do

Step = Callable[["Hand", int, int], Activity]
"""What a machine turns to in a slot, both by number."""


def all_mining(instance: Instance) -> Schedule:
    """Every device mines one coin all the time: the one that earns it most over the whole plan, be it a loss."""

    def choose(hand: "Hand", machine: int, slot: int) -> Activity:
        ways = [way for way in instance.machines[machine].ways if way.do is Do.MINE]
        return max(
            ways, key=lambda way: sum(hand.mining(machine, way, t) for t in range(slot, instance.slots)), default=OFF
        )

    return Hand(instance).play(choose)


def all_training(instance: Instance) -> Schedule:
    """Every device trains what is worth most an hour, one job after another, and is off between them."""

    def choose(hand: "Hand", machine: int, slot: int) -> Activity:
        found = hand.best_job(machine, slot)
        return OFF if found is None else found[0]

    return Hand(instance).play(choose)


def hourly(instance: Instance) -> Schedule:
    """In each slot what is worth most in it, without a thought of changes: a job counts as what an hour of it is."""

    def choose(hand: "Hand", machine: int, slot: int) -> Activity:
        ways = [OFF, *(way for way in instance.machines[machine].ways if way.do is Do.MINE)]
        best = max(ways, key=lambda way: hand.mining(machine, way, slot))
        found = hand.best_job(machine, slot)
        if found is not None and found[1] > hand.mining(machine, best, slot):
            return found[0]
        return best

    return Hand(instance).play(choose)


BASELINES: dict[str, Callable[[Instance], Schedule]] = {
    "all mining": all_mining,
    "all training": all_training,
    "hourly": hourly,
}


class Hand:
    """A schedule made slot by slot, without going back; it keeps every rule."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is planned yet."""
        self.instance = instance
        self.rows = [[OFF] * instance.slots for _ in instance.machines]
        self.entered: set[int] = set()
        self.begun: dict[int, tuple[int, int]] = {}
        """By job: machine and slot of its end."""

    def mining(self, machine: int, way: Activity, slot: int) -> float:
        """What a whole slot of mining, alone in its network, or of being off brings."""
        device = self.instance.machines[machine]
        cost = self.instance.energy(slot, device.watts(way))
        if way == OFF:
            return -cost
        return self.instance.networks[way.which].income(slot, device.ways[way].rate) - cost

    def best_job(self, machine: int, slot: int) -> tuple[Activity, float] | None:
        """The job that is worth most a slot of those that this machine can begin now and complete, and its worth."""
        found: list[tuple[float, int]] = []
        for way in self.instance.machines[machine].ways:
            if way.do is Do.TRAIN and self._may_enter(way.which):
                end = self._end(machine, way.which, slot)
                if end is not None:
                    cost = sum(
                        self.instance.energy(t, self.instance.machines[machine].watts(way))
                        for t in range(slot, end + 1)
                    )
                    gain = float(self.instance.jobs[way.which].gains[end]) - cost
                    found.append((gain / (end + 1 - slot), -way.which))
        if not found:
            return None
        worth, job = max(found)
        # less than nothing is not begun
        return (Activity(Do.TRAIN, -job), worth) if worth > self.mining(machine, OFF, slot) else None

    def _may_enter(self, number: int) -> bool:
        job = self.instance.jobs[number]
        if number in self.entered:
            return False
        others = [self.instance.jobs[each] for each in self.entered]
        at_risk = sum(other.at_risk for other in others) + job.at_risk
        return all(other.challenge != job.challenge for other in others) and at_risk <= self.instance.most_at_risk

    def _end(self, machine: int, number: int, slot: int) -> int | None:
        """The slot with which a job is complete, if this machine does nothing else from now on; None for too late."""
        job, device = self.instance.jobs[number], self.instance.machines[machine]
        way = Activity(Do.TRAIN, number)
        if slot < job.opens:
            return None
        same = way in device.doing if slot == 0 else self.rows[machine][slot - 1] == way
        done = job.done - (0.0 if same else device.lost * device.ways[way].rate)
        need = int(np.ceil((1 - done) / device.ways[way].rate - 1e-9))
        end = slot + max(need, 1) - 1
        return end if end < job.closes else None

    def play(self, choose: Step) -> Schedule:
        """Go through all slots, asking what to turn to where a machine is free to choose."""
        for slot in range(self.instance.slots):
            spare = self.instance.most_watts - sum(machine.idle_watts for machine in self.instance.machines)
            for each, machine in enumerate(self.instance.machines):
                bound = self._bound(each, machine, slot)
                if bound is not None:
                    spare -= machine.watts(bound) - machine.idle_watts
            for each, machine in enumerate(self.instance.machines):
                bound = self._bound(each, machine, slot)
                if bound is None:
                    bound = self._turn(each, machine, slot, choose(self, each, slot), spare)
                    spare -= machine.watts(bound) - machine.idle_watts
                self.rows[each][slot] = bound
        return Schedule(tuple(map(tuple, self.rows)), frozenset(self.entered))

    def _turn(self, each: int, machine: Machine, slot: int, wanted: Activity, spare: float) -> Activity:
        if not self._fits(machine, wanted, spare):
            wanted = OFF
        if wanted.do is Do.TRAIN:
            end = self._end(each, wanted.which, slot)
            assert end is not None, "what is chosen can be completed"
            self.entered.add(wanted.which)
            self.begun[wanted.which] = (each, end)
        return wanted

    def _fits(self, machine: Machine, wanted: Activity, spare: float) -> bool:
        return machine.watts(wanted) - machine.idle_watts <= spare

    def _bound(self, each: int, machine: Machine, slot: int) -> Activity | None:
        """What a machine has to go on with; None where it is free to choose."""
        hold, row = self.instance.hold, self.rows[each]
        if slot < machine.forced(hold):
            return next(iter(machine.doing))
        for job, (owner, end) in self.begun.items():
            if owner == each and slot <= end:
                return Activity(Do.TRAIN, job)
        if slot == 0:
            return None
        last = row[slot - 1]
        if last.do is Do.TRAIN:
            return None
        run = 0
        while run < slot and row[slot - 1 - run] == last:
            run += 1
        if run == slot and last in machine.doing:
            run += machine.held
        return last if run < hold else None
