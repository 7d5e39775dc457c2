"""What is planned: machines, networks, jobs and prices in slots of equal length; no files, no units but these.

Slots are numbered from 0; slot t lasts from `start + t * step` to `start + (t + 1) * step`. Amounts have one currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trainer.allocation.plan import Do

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR = 3600


class Activity(NamedTuple):
    """What a machine does: `which` is the network that it mines or the job that it trains, by number, else -1."""

    do: Do
    which: int = -1


OFF = Activity(Do.OFF)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A coin's network.

    rate: hashes a second of all others, shape (slots,), above 0.
    pays: currency that all its blocks of a slot are worth to miners, shape (slots,), 0 or more.
    """

    coin: str
    algorithm: str
    rate: Floats
    pays: Floats

    def income(self, slot: int, hash_rate: float) -> float:
        """Currency that `hash_rate` hashes a second, on average over the slot, earn together."""
        return float(self.pays[slot] * hash_rate / (self.rate[slot] + hash_rate))


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How a machine mines or trains.

    rate:  hashes a second, or part of the job that is done in a slot; above 0.
    watts: drawn meanwhile.
    """

    rate: float
    watts: float


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A device.

    lost:   part of a slot that a change to mining or training costs, in [0, 1]; its power is drawn all the same.
    ways:   what it can do besides being off; nothing here draws more than the device may.
    doing:  before the first slot, any of these: several jobs where it trains what several of them would go on with.
    held:   slots that it has been doing so.
    """

    name: str
    idle_watts: float
    lost: float = 0.0
    ways: Mapping[Activity, Speed] = field(default_factory=dict)
    doing: frozenset[Activity] = frozenset({OFF})
    held: int = 10**6

    def watts(self, activity: Activity) -> float:
        """Drawn while it does that."""
        return self.idle_watts if activity == OFF else self.ways[activity].watts

    def forced(self, hold: int) -> int:
        """First slots in which it goes on mining, or being off, as it has not held that for `hold` slots.

        Training is not held so: whether to go on with it is weighed with what is done of it already.
        """
        possible = all(each == OFF or (each.do is Do.MINE and each in self.ways) for each in self.doing)
        return max(0, hold - self.held) if possible else 0


@dataclass(frozen=True, kw_only=True)
class Job:
    """Training one preset for one challenge until an accuracy is likely: all of it, or nothing is gained.

    At most one machine works on it at a time; it can be interrupted, and go on elsewhere.

    opens:   first slot in which it can be trained.
    gains:   what its seal is worth, in expectation, if its training ends in a slot, the commit being made at the best
             moment from then on; shape (slots,), -inf where that is too late or must not be; never rising.
    at_risk: bond and seal fee.
    done:    part that is done already, in [0, 1].
    """

    challenge: int
    preset: str | None
    opens: int
    gains: Floats
    at_risk: float
    done: float = 0.0
    label: str = ""

    @property
    def closes(self) -> int:
        """Slots in which it can be trained end before this one."""
        there = np.flatnonzero(np.isfinite(self.gains))
        return int(there[-1]) + 1 if len(there) else 0


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One thing to plan.

    start, step:  unix second of the first slot, seconds of each.
    kwh:          price of a kWh, shape (slots,).
    hold:         slots that an activity lasts at least, unless its job or the plan ends.
    most_at_risk: of all jobs that are entered, together.
    most_watts:   of all machines together.
    """

    start: int
    step: int
    kwh: Floats
    machines: tuple[Machine, ...] = ()
    networks: tuple[Network, ...] = ()
    jobs: tuple[Job, ...] = ()
    hold: int = 1
    most_at_risk: float = np.inf
    most_watts: float = np.inf

    @property
    def slots(self) -> int:
        """How many."""
        return len(self.kwh)

    @property
    def hours(self) -> float:
        """Of a slot."""
        return self.step / HOUR

    def energy(self, slot: int, watts: float) -> float:
        """What drawing `watts` through a slot costs; below 0 where one is paid for it."""
        return watts / 1000 * self.hours * float(self.kwh[slot])

    def open(self, activity: Activity, slot: int) -> bool:
        """Whether a machine that has a way to do that may do it in a slot."""
        if activity.do is not Do.TRAIN:
            return True
        job = self.jobs[activity.which]
        return job.opens <= slot < job.closes


@dataclass(frozen=True)
class Schedule:
    """What each machine does in each slot, and the jobs that are entered, by number."""

    activities: tuple[tuple[Activity, ...], ...]
    entered: frozenset[int] = frozenset()
