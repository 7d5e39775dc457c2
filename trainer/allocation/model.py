"""The mixed-integer linear program, and its solution by HiGHS.

Variables, for machine d, activity a, slot t, job j, network c:

    x[d,a,t]  1 where d does a in t                             binary
    s[d,a,t]  1 where d changes to a with t                     in [0, 1]; at the least value, which is 0 or 1
    f[j,t]    1 where the training of j ends with t             binary
    z[c,t]    income of all that mine c in t                    only where own hash rate dilutes the network noticeably

    max  sum income - electricity + sum gains[j,t] f[j,t]
    one      sum_a x[d,a,t] = 1
    change   s[d,a,t] >= x[d,a,t] - x[d,a,t-1]
    hold     sum of s[d,a,·] in the last `hold` slots <= x[d,a,t] (+ what of f[a,·] is before t, for a job)
    trained  sum_d x[d,j,t] <= sum of f[j,·] from t on          so that one machine trains, for what is entered only
    complete done[j] + sum rate (x - lost s) up to t >= sum of f[j,·] up to t
    limits   on watts in each slot, bonds and fees of all entries, and one entry a challenge

Hold is the minimum up time of unit commitment in the form of Rajan and Takriti (IBM research report RC23628, 2005).

Income of a hash rate y is concave: pays * y / (rate + y). Where all own machines together have no more than
`LINEAR_SHARE` of a network, each is paid as if it were alone: that overstates income by less than that part. Elsewhere
z is below tangents at every total that occurs, so that it is exact there; with more than `MOST_TANGENTS` totals the
tangents are spread evenly, and between two of them, y apart, z is too high by less than pays * (y / rate)**2 / 4.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import product

import numpy as np

from trainer.allocation.instance import OFF, Activity, Floats, Instance, Machine, Schedule
from trainer.allocation.plan import Do
from trainer.errors import AssayError

LINEAR_SHARE = 1e-5
MOST_TANGENTS = 81
ROUNDING = 1e-6
"""Of a number that is whole but for rounding."""
BIG_SECONDS = 1e7
"""A time limit where none is wanted."""

Fixed = Mapping[tuple[int, int], Set[Activity]]
"""What a machine, by number, may do in a slot, where that is not everything."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A schedule and how good it is known to be.

    objective: what the program says it is worth; `value.worth` is what it is.
    bound:     nothing is worth more.
    gap:       (bound - objective) / |objective|; 0 for the best.
    """

    schedule: Schedule
    objective: float
    bound: float

    @property
    def gap(self) -> float:
        """How much better another may be, relative to this one."""
        return max(0.0, self.bound - self.objective) / max(abs(self.objective), 1e-9)


class Impossible(AssayError):
    """Limits that no schedule keeps."""


def solve(
    instance: Instance, *, fixed: Fixed | None = None, seconds: float | None = None, gap: float = 0.0
) -> Solution | None:
    """The best schedule; None where the time was over before there was any.

    fixed:   what machines may do in some slots.
    seconds: after which the best one so far has to do.
    gap:     that is good enough.

    Raises `Impossible` where no schedule keeps limits and what is fixed.
    """
    program = _Program(instance, fixed or {})
    program.build()
    if not program.costs:
        return Solution(schedule=program.schedule(np.zeros(0)), objective=0.0, bound=0.0)
    from scipy.optimize import Bounds, LinearConstraint, milp

    matrix, low, high = program.rows.matrix(len(program.costs))
    found = milp(
        program.costs,
        integrality=program.integrality,
        bounds=Bounds(program.least, program.most),
        constraints=LinearConstraint(matrix, low, high),
        options={"mip_rel_gap": gap, "time_limit": BIG_SECONDS if seconds is None else seconds},
    )
    if found.status == 2:
        raise Impossible("no plan keeps the limits of power; raise most_watts, or leave a device out of the rig")
    if found.x is None:
        return None
    bound = -found.fun if found.mip_dual_bound is None else -found.mip_dual_bound
    return Solution(schedule=program.schedule(found.x), objective=-found.fun, bound=bound)


class _Rows:
    """A sparse matrix of constraints, row by row."""

    def __init__(self) -> None:
        self.columns: list[int] = []
        self.values: list[float] = []
        self.starts: list[int] = [0]
        self.low: list[float] = []
        self.high: list[float] = []

    def add(self, terms: Sequence[tuple[int, float]], low: float = -np.inf, high: float = np.inf) -> None:
        self.columns += [column for column, _ in terms]
        self.values += [value for _, value in terms]
        self.starts.append(len(self.columns))
        self.low.append(low)
        self.high.append(high)

    def matrix(self, width: int) -> tuple[object, Floats, Floats]:
        from scipy.sparse import csr_array

        shape = (len(self.low), width)
        matrix = csr_array((np.array(self.values), np.array(self.columns), np.array(self.starts)), shape=shape)
        return matrix, np.array(self.low), np.array(self.high)


class _Program:
    """Columns and rows for one instance."""

    def __init__(self, instance: Instance, fixed: Fixed) -> None:
        self.instance, self.fixed, self.rows = instance, fixed, _Rows()
        self.costs: list[float] = []
        self.least: list[float] = []
        self.most: list[float] = []
        self.integrality: list[int] = []
        self.x: dict[tuple[int, Activity, int], int] = {}
        self.s: dict[tuple[int, Activity, int], int] = {}
        self.f: dict[tuple[int, int], int] = {}
        self.diluted = {number for number in range(len(instance.networks)) if self._dilutes(number)}

    def _column(self, cost: float, *, whole: bool, most: float = 1.0) -> int:
        self.costs.append(cost)
        self.least.append(0.0)
        self.most.append(most)
        self.integrality.append(int(whole))
        return len(self.costs) - 1

    def build(self) -> None:
        instance = self.instance
        for number, machine in enumerate(instance.machines):
            self._machine(number, machine)
        for number in range(len(instance.jobs)):
            self._job(number)
        for number in sorted(self.diluted):
            self._network(number)
        self._limits()

    # ── machines ──

    def _machine(self, number: int, machine: Machine) -> None:
        instance = self.instance
        forced = machine.forced(instance.hold)
        for slot in range(instance.slots):
            terms = []
            for activity in (OFF, *machine.ways):
                if not instance.open(activity, slot):
                    continue
                income, lost = self._income(machine, activity, slot)
                cost = instance.energy(slot, machine.watts(activity)) - income
                column = self.x[number, activity, slot] = self._column(cost, whole=True)
                terms.append((column, 1.0))
                wanted = self.fixed.get((number, slot))
                if wanted is not None and activity not in wanted:
                    self.most[column] = 0.0
                if slot < forced and activity not in machine.doing:
                    self.most[column] = 0.0
                self._change(number, machine, activity, slot, lost)
            self.rows.add(terms, 1.0, 1.0)

    def _income(self, machine: Machine, activity: Activity, slot: int) -> tuple[float, float]:
        """What a slot of mining adds to the objective through x itself, and what a change takes of it, through s."""
        if activity.do is not Do.MINE or activity.which in self.diluted:
            return 0.0, 0.0
        network, rate = self.instance.networks[activity.which], machine.ways[activity].rate
        income = network.income(slot, rate)
        return income, income - network.income(slot, rate * (1 - machine.lost))

    def _change(self, number: int, machine: Machine, activity: Activity, slot: int, lost: float) -> None:
        hold = self.instance.hold
        if hold == 1 and (activity == OFF or machine.lost == 0):
            return
        column = self.s[number, activity, slot] = self._column(lost, whole=False)
        if slot == 0 and activity in machine.doing:
            self.most[column] = 0.0
            return
        terms = [(column, 1.0), (self.x[number, activity, slot], -1.0)]
        if (number, activity, slot - 1) in self.x:
            terms.append((self.x[number, activity, slot - 1], 1.0))
        self.rows.add(terms, low=0.0)

    # ── jobs ──

    def _job(self, number: int) -> None:
        instance, job = self.instance, self.instance.jobs[number]
        activity = Activity(Do.TRAIN, number)
        able = [each for each, machine in enumerate(instance.machines) if activity in machine.ways]
        first, last = job.opens, job.closes
        for slot in range(first, last):
            self.f[number, slot] = self._column(-float(job.gains[slot]), whole=True)
        ends = {slot: (self.f[number, slot], 1.0) for slot in range(first, last)}
        work: list[tuple[int, float]] = []
        turns: list[tuple[int, int]] = []
        for slot in range(first, last):
            for each in able:
                machine = instance.machines[each]
                rate = machine.ways[activity].rate
                work.append((self.x[each, activity, slot], rate))
                if (each, activity, slot) in self.s and machine.lost:
                    work.append((self.s[each, activity, slot], -rate * machine.lost))
            # what is done by the end of this slot is the whole, if it ends here or before
            self.rows.add([*work, *((ends[t][0], -1.0) for t in range(first, slot + 1))], low=-job.done)
            here = [(self.x[each, activity, slot], 1.0) for each in able]
            if here:
                self.rows.add([*here, *((ends[t][0], -1.0) for t in range(slot, last))], high=0.0)
            turns += [(self.x[each, activity, slot], each) for each in able]
            self._rounded(number, turns, [ends[t][0] for t in range(first, slot + 1)])

    def _rounded(self, number: int, turns: Sequence[tuple[int, int]], ends: Sequence[int]) -> None:
        """Slots are whole, and so is what they have to be: Chvatal and Gomory's cuts of the row on what is complete.

        They follow from the rest, and spare the solver most of its search.
        """
        job, machines = self.instance.jobs[number], self.instance.machines
        activity = Activity(Do.TRAIN, number)
        rates = {each: machines[each].ways[activity].rate for _, each in turns}
        if not rates:
            return
        need = 1 - job.done
        if not any(activity in machines[each].doing for each in rates):
            # whoever does it has to turn to it first
            need += min(machines[each].lost * rate for each, rate in rates.items())
        for unit in set(rates.values()):
            least = np.ceil(need / unit - ROUNDING)
            if least > 1:
                terms = [(column, float(np.ceil(rates[each] / unit - ROUNDING))) for column, each in turns]
                self.rows.add([*terms, *((column, -least) for column in ends)], low=0.0)

    # ── networks ──

    def _dilutes(self, number: int) -> bool:
        rates = [machine.ways[way].rate for machine, way in self._miners(number)]
        least = float(self.instance.networks[number].rate.min()) if self.instance.slots else np.inf
        return len(rates) > 1 and sum(rates) > LINEAR_SHARE * least

    def _miners(self, number: int) -> list[tuple[Machine, Activity]]:
        way = Activity(Do.MINE, number)
        return [(machine, way) for machine in self.instance.machines if way in machine.ways]

    def _network(self, number: int) -> None:
        instance, network = self.instance, self.instance.networks[number]
        way = Activity(Do.MINE, number)
        miners = [each for each, machine in enumerate(instance.machines) if way in machine.ways]
        points = _totals([(instance.machines[each].ways[way].rate, instance.machines[each].lost) for each in miners])
        for slot in range(instance.slots):
            pays, others = float(network.pays[slot]), float(network.rate[slot])
            column = self._column(-1.0, whole=False, most=np.inf)
            for point in points:
                # z <= f(p) + f'(p) (y - p), all in units of the others' rate
                share = point / others
                slope = pays / (1 + share) ** 2
                terms = [(column, 1.0)]
                for each in miners:
                    machine = instance.machines[each]
                    rate = machine.ways[way].rate / others
                    terms.append((self.x[each, way, slot], -slope * rate))
                    if (each, way, slot) in self.s and machine.lost:
                        terms.append((self.s[each, way, slot], slope * rate * machine.lost))
                self.rows.add(terms, high=pays * share / (1 + share) - slope * share)

    # ── limits ──

    def _limits(self) -> None:
        instance, hold = self.instance, self.instance.hold
        if hold > 1:
            for (each, activity, slot), here in self.x.items():
                recent = [
                    self.s[each, activity, t]
                    for t in range(max(0, slot - hold + 1), slot + 1)
                    if (each, activity, t) in self.s
                ]
                terms = [(column, 1.0) for column in recent] + [(here, -1.0)]
                if activity.do is Do.TRAIN:
                    first = instance.jobs[activity.which].opens
                    terms += [(self.f[activity.which, t], -1.0) for t in range(first, slot)]
                self.rows.add(terms, high=0.0)
        watts = [
            max([machine.idle_watts, *(speed.watts for speed in machine.ways.values())])
            for machine in instance.machines
        ]
        if sum(watts) > instance.most_watts:
            for slot in range(instance.slots):
                terms = [
                    (self.x[each, activity, slot], machine.watts(activity))
                    for each, machine in enumerate(instance.machines)
                    for activity in (OFF, *machine.ways)
                    if (each, activity, slot) in self.x
                ]
                self.rows.add(terms, high=instance.most_watts)
        at_risk: list[tuple[int, float]] = []
        entries: dict[int, list[tuple[int, float]]] = {}
        for (number, _), column in self.f.items():
            job = instance.jobs[number]
            at_risk.append((column, job.at_risk))
            entries.setdefault(job.challenge, []).append((column, 1.0))
        for terms in entries.values():
            self.rows.add(terms, high=1.0)
        if sum(max((job.at_risk for job in instance.jobs if job.challenge == c), default=0.0) for c in entries) > (
            instance.most_at_risk
        ):
            self.rows.add(at_risk, high=instance.most_at_risk)

    # ── back ──

    def schedule(self, values: Floats) -> Schedule:
        """The schedule that a solution is."""
        instance = self.instance
        rows = [[OFF] * instance.slots for _ in instance.machines]
        for (each, activity, slot), column in self.x.items():
            if values[column] > 0.5:
                rows[each][slot] = activity
        entered = frozenset(number for (number, _), column in self.f.items() if values[column] > 0.5)
        return Schedule(tuple(map(tuple, rows)), entered)


def _totals(miners: Sequence[tuple[float, float]]) -> list[float]:
    """Hash rates that machines, each with a rate and the part lost by a change, can have together, 0 among them."""
    each = [sorted({0.0, rate * (1 - lost), rate}) for rate, lost in miners]
    if np.prod([len(rates) for rates in each]) <= MOST_TANGENTS:
        return sorted({sum(chosen) for chosen in product(*each)})
    return [float(total) for total in np.linspace(0.0, sum(rate for rate, _ in miners), MOST_TANGENTS)]
