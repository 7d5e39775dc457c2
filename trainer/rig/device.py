"""One device: off, running a job, stopping one, or stuck with what cannot be stopped; each turn moves it on."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from trainer.allocation.plan import Do
from trainer.errors import AssayError
from trainer.rig.backoff import Backoff, Patience
from trainer.rig.jobs import Job
from trainer.rig.limits import Probe, Reading, Watch
from trainer.rig.processes import Trace
from trainer.rig.stop import Stage, Stop, Target
from trainer.rig.totals import Totals

LOOK_SECONDS = 10.0
"""Between two looks at what a job has started."""
NOTHING = "the plan has nothing for it now"


class State(StrEnum):
    """What a device is."""

    OFF = "off"
    RUNNING = "running"
    STOPPING = "stopping"
    STUCK = "stuck"


class Running(Target, Protocol):
    """A job under way: `trainer.rig.processes.Group`, or what a test puts in its place."""

    @property
    def trace(self) -> Trace:
        """By which it is found again."""
        ...

    def code(self) -> int | None:
        """Exit code of its command; None while it runs."""
        ...

    def look(self) -> None:
        """Remember what it has started."""
        ...

    def close(self) -> None:
        """It is over."""
        ...


Launch = Callable[[Job], Running]
"""Starts a job; raises `AssayError`."""
Say = Callable[..., None]
"""Is told of an event: its name, a line for people, and named values for programs."""


class Device:
    """A device and the job on it; times are those of a clock that never goes back."""

    def __init__(
        self,
        name: str,
        *,
        launch: Launch,
        probe: Probe,
        watch: Watch,
        say: Say,
        patience: Patience,
        totals: Totals,
        now: float,
        orphans: Target | None = None,
        grace: float = 0.0,
    ) -> None:
        """Nothing runs on it, unless there are `orphans`, which are asked to end, with so many seconds of grace."""
        self.name, self.totals, self.watch = name, totals, watch
        self._launch, self._probe, self._say, self._patience = launch, probe, say, patience
        self.job: Job | None = None
        self.running: Running | None = None
        self.why = NOTHING
        self.reading = Reading()
        self.done: set[int] = set()
        """Challenges whose training ended by itself in order, until the runner takes them out."""
        self._stop: Stop | None = None
        self._failures: dict[tuple[str, ...], Backoff] = {}
        self._began = self._looked = self._last = now
        if orphans is not None and orphans.survivors():
            self._stop_target(orphans, now, grace, "an earlier runner left it")
            self._tell("orphans", "stops what an earlier runner left running")

    @property
    def state(self) -> State:
        """What it is."""
        if self._stop is not None:
            return State.STUCK if self._stop.stage is Stage.STUCK else State.STOPPING
        return State.OFF if self.running is None else State.RUNNING

    @property
    def activity(self) -> str:
        """What its time is spent on, one of `trainer.rig.totals.ACTIVITIES`."""
        if self.state is State.RUNNING:
            assert self.job is not None, "a job runs"
            return self.job.do.value
        return "off" if self.state is State.OFF else "stop"

    @property
    def changed(self) -> tuple[object, ...]:
        """What a state file should be written for."""
        return self.state, self.why, self.running and self.running.trace, self.totals.starts, self.totals.crashes

    def turn(self, now: float, wanted: Job | None, why: str) -> None:
        """Look at everything once, and do what there is to do.

        wanted: what is to run now; None for nothing.
        why:    in words.
        """
        self._read(now)
        if self._stop is not None:
            self._go_on_stopping(now)
        elif self.running is not None:
            self._look_after(now, wanted, why)
        if self.state is State.OFF:
            self._begin(now, wanted, why)

    def end(self, now: float, why: str) -> None:
        """Stop what runs, for good; `ends` goes on with it."""
        if self._stop is None:
            self.why = why
            if self.running is not None:
                self._halt(now, why)

    def ends(self, now: float) -> bool:
        """Go on stopping, whatever sensors say; whether that is over, with nothing left or with something stuck."""
        self.totals.spent(self.activity, now - self._last, None)
        self._last = now
        if self._stop is not None:
            self._go_on_stopping(now)
        return self.state in (State.OFF, State.STUCK)

    def hurry(self, now: float) -> None:
        """Without grace, if it is stopping."""
        if self._stop is not None:
            self._stop.hurry(now)

    def _read(self, now: float) -> None:
        self.reading = self._probe()
        self.totals.spent(self.activity, now - self._last, self.reading.watts)
        self._last = now
        before = self.watch.hot
        ran = now - self._began if self.state is State.RUNNING else 0.0
        for text in self.watch.look(now, self.reading, ran):
            self._tell("sensor", text)
        if self.watch.hot and not before:
            self.totals.hot += 1
            self._tell("hot", f"TOO HOT: {self.watch.hot}" if "°C" in self.watch.hot else f"TOO MUCH: {self.watch.hot}")

    def _look_after(self, now: float, wanted: Job | None, why: str) -> None:
        assert self.running is not None, "it runs"
        assert self.job is not None, "a job"
        code = self.running.code()
        if code is not None:
            self._over(now, code)
        elif self.watch.hot:
            self._halt(now, self.watch.hot)
        elif wanted is None:
            self._halt(now, why)
        elif wanted.identity != self.job.identity:
            self._halt(now, f"now it is to {wanted.what}")
        else:
            self.why = why
            if now - self._looked >= LOOK_SECONDS:
                self._looked = now
                self.running.look()

    def _halt(self, now: float, why: str) -> None:
        """Ask the job to end."""
        assert self.running is not None, "it runs"
        assert self.job is not None, "a job"
        self._tell("stopping", f"ceases to {self.job.what}: {why}", job=self.job.what, why=why)
        self._stop_target(self.running, now, self.job.grace, why)

    def _over(self, now: float, code: int) -> None:
        """The command ended by itself; what it left is ended, too."""
        assert self.running is not None, "it ran"
        assert self.job is not None, "a job"
        job, ran = self.job, now - self._began
        if job.do is Do.TRAIN and code == 0:
            assert job.challenge is not None, "training is for one"
            self.done.add(job.challenge)
            self._tell("done", f"has done what there was to {job.what}", job=job.what, challenge=job.challenge)
            self._stop_target(self.running, now, job.grace, "it is done")
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if job.do is Do.MINE and code == 0:
            how += ": a command that mines has to stay in the foreground"
        self._failed(now, job, how, ran)
        self._stop_target(self.running, now, job.grace, self.why)

    def _failed(self, now: float, job: Job, how: str, ran: float) -> None:
        failures = self._failures.setdefault(job.identity, Backoff(self._patience))
        failures.failed(now, ran)
        self.totals.crashes += 1
        pause = failures.until - now
        if failures.broken:
            text = f"GIVES UP to {job.what} for {pause:g} s: it failed too often, the last time with {how}"
        else:
            text = f"failed to {job.what} after {ran:.0f} s with {how}; tries again in {pause:g} s"
        self.why = text
        self._tell("crash", text, job=job.what, how=how, ran=ran, pause=pause, broken=failures.broken)

    def _stop_target(self, target: Target, now: float, grace: float, why: str) -> None:
        self.why = why
        self._stop = Stop(target, now, grace)

    def _go_on_stopping(self, now: float) -> None:
        assert self._stop is not None, "something is to end"
        before = self._stop.stage
        stage = self._stop.step(now)
        if stage is not before and stage is Stage.KILLED:
            self._tell("killed", f"did not end in time, and was killed: {self._pids()}")
        elif stage is not before and stage is Stage.STUCK:
            self._tell(
                "stuck",
                f"STUCK: {self._pids()} cannot be killed; nothing else is started here until that is gone: end it by "
                "hand, or restart the machine",
            )
        elif stage is Stage.GONE:
            if before is Stage.STUCK:
                self._tell("gone", "what was stuck is gone")
            if self.running is not None:
                self.running.close()
            self._stop = self.running = self.job = None

    def _pids(self) -> str:
        assert self._stop is not None, "something is to end"
        return "process " + ", ".join(map(str, self._stop.left))

    def _begin(self, now: float, wanted: Job | None, why: str) -> None:
        if wanted is None:
            self.why = why
            return
        if self.watch.hot:
            self.why = self.watch.hot
            return
        failures = self._failures.get(wanted.identity)
        if failures is not None and not failures.ready(now):
            # it was said when it failed
            return
        self._began = self._looked = now
        self.totals.starts += 1
        try:
            self.running = self._launch(wanted)
        except (AssayError, OSError) as error:
            self._failed(now, wanted, str(error), 0.0)
            return
        self.job, self.why = wanted, why
        self._tell("started", f"begins to {wanted.what}: {why}", job=wanted.what, pid=self.running.trace.pid)

    def _tell(self, event: str, text: str, **values: object) -> None:
        self._say(event, f"{self.name}: {text}", device=self.name, **values)
