"""What tests of `trainer.rig` share: plans and rigs, a clock that they move, jobs that are no processes."""

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from trainer.allocation import plan as plans
from trainer.allocation.plan import DevicePlan, Do, Entry, Plan, Slot
from trainer.allocation.rig import Device, Mining, Rig, Training
from trainer.errors import DataError
from trainer.rig.backoff import Patience
from trainer.rig.clock import Clock
from trainer.rig.jobs import Job
from trainer.rig.limits import Reading
from trainer.rig.processes import Trace
from trainer.rig.runner import Runner, Setting
from trainer.rig.state import Home

NOW = 2_000_000_000
STAND_IN = Path(__file__).with_name("stand_in.py")
PATIENCE = Patience(first=5, most=40, proven=100, crashes=4, within=300, rest=1000)


def stand_in(*modes: str) -> tuple[str, ...]:
    """The command of a stand-in."""
    return (sys.executable, "-S", "-E", str(STAND_IN), *modes)


def mine(start: int, end: int, coin: str = "KAS", algorithm: str = "heavy") -> Slot:
    """A slot to mine; seconds from `NOW`."""
    return Slot(start=NOW + start, end=NOW + end, do=Do.MINE, why=f"{coin} pays", coin=coin, algorithm=algorithm)


def learn(start: int, end: int, challenge: int = 3) -> Slot:
    """A slot to train; seconds from `NOW`."""
    return Slot(start=NOW + start, end=NOW + end, do=Do.TRAIN, why="it pays more", challenge=challenge, preset="p")


def off(start: int, end: int) -> Slot:
    """A slot to do nothing; seconds from `NOW`."""
    return Slot(start=NOW + start, end=NOW + end, do=Do.OFF, why="nothing pays")


def plan_of(*, made: int = 0, **slots: list[Slot]) -> Plan:
    """A plan for devices by name, with the entries it needs."""
    numbers = sorted({slot.challenge for each in slots.values() for slot in each if slot.challenge is not None})
    return Plan(
        made=NOW + made,
        start=NOW,
        step=60,
        currency="USD",
        expected=1.0,
        devices=tuple(DevicePlan(name=name, slots=tuple(each)) for name, each in slots.items()),
        entries=tuple(
            Entry(
                challenge=number, preset="p", hours=1, chance=0.5, reward=2, commit_by=NOW + 9000 + number, expected=1
            )
            for number in numbers
        ),
    )


def device(name: str = "gpu0", **more: object) -> Device:
    """A device that mines two algorithms."""
    ways = (
        Mining(algorithm="heavy", hash_rate=1, watts=9, command=("heavy", "{device}"), grace_seconds=20),
        Mining(algorithm="light", hash_rate=1, watts=9, command=("light", "{coin}"), grace_seconds=20),
    )
    return Device(**{"name": name, "idle_watts": 1, "mining": ways, **more})


def rig_of(*devices: Device) -> Rig:
    """A rig that trains, too."""
    training = Training(command=("train", "{challenge}", "{preset}", "{deadline}", "{device}"), grace_seconds=300)
    return Rig(currency="USD", devices=devices, training=training)


@dataclass
class HandClock(Clock):
    """A clock that moves when it is told to."""

    time: float = 0.0

    def now(self) -> float:
        return NOW + self.time

    def elapsed(self) -> float:
        return 1000 + self.time

    def rest(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeJob:
    """A job that is no process: how it takes signals is for the test to say.

    obeys: the signals that it ends at.
    """

    job: Job
    number: int
    obeys: set[int] = field(default_factory=lambda: {signal.SIGTERM, signal.SIGKILL})
    exit: int | None = None
    rest: list[int] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)
    closed: bool = False
    looks: int = 0

    @property
    def trace(self) -> Trace:
        # no process has the number of one that may be alive
        return Trace(2**40 + self.number, NOW)

    def code(self) -> int | None:
        return self.exit

    def look(self) -> None:
        self.looks += 1

    def survivors(self) -> list[int]:
        return [] if self.closed else ([self.number] if self.exit is None else []) + self.rest

    def signal(self, number: int) -> None:
        self.signals.append(number)
        if number in self.obeys and self.survivors():
            self.exit = -number if self.exit is None else self.exit
            self.rest.clear()

    def close(self) -> None:
        assert not self.survivors(), "something is left of it"
        self.closed = True


class World:
    """A runner on a clock of its own, with jobs that are none."""

    def __init__(self, folder: Path, rig: Rig, plan: Plan, **more: object) -> None:
        self.clock, self.rig, self.path = HandClock(), rig, folder / "plan.json"
        self.home = Home(folder / "home")
        self.home.folder.mkdir(parents=True, exist_ok=True)
        self.jobs: list[tuple[str, FakeJob]] = []
        self.make: Callable[[FakeJob], None] = lambda _: None
        self.fail = ""
        self.readings: dict[str, Reading] = {}
        self.said: list[tuple[str, str]] = []
        self.over: dict[int, str] = {}
        self.more = more
        self.write(plan)
        self.runner = self.again()

    def again(self) -> Runner:
        """A runner as after a restart."""
        setting = Setting(
            rig=self.rig,
            home=self.home,
            probes={one.name: lambda name=one.name: self.readings.get(name, Reading()) for one in self.rig.devices},
            ended=lambda: self.over,
            **{"patience": PATIENCE, **self.more},
        )
        self.runner = Runner(setting, self.path, self.say, self.clock, self.start)
        return self.runner

    def write(self, plan: Plan) -> None:
        """Put a plan where it is looked for."""
        plans.save(self.path, plan)

    def say(self, event: str, text: str, **values: object) -> None:
        self.said.append((event, text))

    def start(self, name: str, job: Job, log: Path) -> FakeJob:
        if self.fail:
            raise DataError(self.fail)
        fake = FakeJob(job, len(self.jobs) + 1)
        self.make(fake)
        self.jobs.append((name, fake))
        # never two on one device, and what is over was collected
        assert all(one.closed for where, one in self.jobs[:-1] if where == name)
        return fake

    def until(self, second: float) -> None:
        """Turns, a second apart, up to a second from `NOW`, which is the last."""
        while self.clock.time < second:
            self.clock.time += 1
            self.runner.turn()

    def events(self, *names: str) -> list[str]:
        """The lines told of such events."""
        return [text for event, text in self.said if event in names]

    @property
    def what(self) -> list[str]:
        """What was started, in order."""
        return [job.job.what for _, job in self.jobs]

    @property
    def last(self) -> FakeJob:
        """The job that was started last."""
        return self.jobs[-1][1]


def eventually(found: Callable[[], object], what: str) -> None:
    """Wait until something is so; a test that waits for two minutes has failed."""
    end = time.monotonic() + 120
    while not found():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


def pids(log: Path) -> dict[str, int]:
    """Process ids that a stand-in has said, by name."""
    found = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        words = line.lstrip("x").split()
        if len(words) > 1 and words[0] in ("ready", "child", "grandchild", "leaked") and words[1].isdigit():
            found[words[0]] = int(words[1])
    return found


def lives(pid: int) -> bool:
    """Whether a process is there, and is not merely to be collected."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
