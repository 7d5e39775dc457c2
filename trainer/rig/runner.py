"""The loop over all devices: what the plan wants of each, what became of it, and in the end everything as it was."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trainer.allocation.plan import Slot
from trainer.allocation.rig import Device as Spec
from trainer.allocation.rig import Rig
from trainer.errors import AssayError
from trainer.rig import jobs, schedule
from trainer.rig.backoff import Patience
from trainer.rig.clock import Clock
from trainer.rig.device import NOTHING, Device, Running, Say, State
from trainer.rig.jobs import Job
from trainer.rig.limits import Probe, Reading, Watch
from trainer.rig.logs import Logs
from trainer.rig.planfile import PlanFile
from trainer.rig.processes import Orphans, Trace, launch, left_on
from trainer.rig.state import DeviceState, Home, JobState, RigState
from trainer.rig.totals import Totals

SAVE_SECONDS = 10.0
"""Between two writings of a state in which nothing happened."""
MOST_FAULTS = 20
"""Errors of ours while a device is stopped, after which it is left as it is."""
ORPHAN_GRACE = 60.0
"""Seconds for what an earlier runner left, where it could not write down how many it should have."""

Ended = Callable[[], Mapping[int, str]]
"""Challenges that are over, each with how; asked every turn, so that it must not wait."""
Start = Callable[[str, Job, Path], Running]
"""Starts a job on a device, with its log; raises `AssayError`."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a runner is given.

    probes:    of the devices, by name.
    poll:      seconds between two turns.
    until_end: whether it ends with the plan, instead of waiting for another.
    ended:     what the market says.
    """

    rig: Rig
    home: Home
    probes: Mapping[str, Probe]
    patience: Patience
    poll: float = 1.0
    until_end: bool = False
    ended: Ended = dict


class Runner:
    """Runs a rig, whose `Home.alone` has to be held meanwhile."""

    def __init__(
        self, setting: Setting, plan: Path, say: Say, clock: Clock | None = None, start: Start | None = None
    ) -> None:
        """Ask what an earlier runner left to end.

        Raises `DataError` for a plan that the rig cannot do, and for an earlier state that cannot be read.
        """
        self.setting, self._clock, self._say = setting, clock or Clock(), say
        self._start = start or (lambda device, job, log: launch(job, rig=setting.home.mark, device=device, log=log))
        self.file = PlanFile(plan, setting.rig)
        before = setting.home.read()
        self.logs = Logs(setting.home.logs)
        self._began = self._clock.now()
        self._since = before.since if before else self._began
        self._ended = dict(before.ended) if before else {}
        self._ending, self._asked = "", 0
        self._paths: dict[str, Path] = {}
        self._troubles: dict[str, str] = {}
        self._saved: object = None
        self._saved_at = 0.0
        self._waits = False
        self._told: set[int] = set()
        found = {device.name: device for device in before.devices} if before else {}
        self._before = found
        specs = {spec.name: spec for spec in setting.rig.devices}
        # of a device that was taken out of the rig's file something may run still
        old = {name for name, state in found.items() if state.job is not None} | left_on(setting.home.mark)
        names = [*specs, *sorted(old - set(specs))]
        self.devices = [self._device(name, specs.get(name), found.get(name)) for name in names]
        self._specs = specs

    def _device(self, name: str, spec: Spec | None, before: DeviceState | None) -> Device:
        job = before.job if before else None
        return Device(
            name,
            launch=partial(self._launch, name),
            probe=self.setting.probes[name] if spec else Reading,
            watch=Watch(spec.most_celsius, spec.most_watts) if spec else Watch(None, None),
            say=self._say,
            patience=self.setting.patience,
            totals=before.totals if before else Totals(),
            now=self._clock.elapsed(),
            orphans=Orphans(self.setting.home.mark, name, [Trace(job.pid, job.started)] if job else []),
            grace=job.grace if job else ORPHAN_GRACE,
        )

    def ask_to_end(self, why: str) -> None:
        """End: what runs is stopped with its grace; asked again, without. For signals: it only takes note."""
        self._asked += 1
        self._ending = why

    def run(self) -> None:
        """Take turns until it is asked to end, and leave nothing running."""
        try:
            while not self._ending:
                self.turn()
                if self.setting.until_end and self._waits:
                    self._ending = "the plan is over"
                elif not self._ending:
                    self._clock.rest(self.setting.poll)
        finally:
            self.stop()

    def turn(self) -> None:
        """Look at everything once, and do what is due."""
        now = self._clock.now()
        text = self.file.again()
        if text:
            self._say("plan", text)
        ended = self._over(self.setting.ended())
        for device in self.devices:
            wanted, why = self._wanted(device.name, now, ended)
            device.turn(self._clock.elapsed(), wanted, why)
            # a plan of a clock that is ahead was not made later: what is done under it is done
            self._ended |= dict.fromkeys(device.done, max(now, self.file.plan.made))
            device.done.clear()
        self._look_ahead(now, ended)
        self._trim()
        self._save()

    def stop(self) -> None:
        """Stop whatever runs, and return once it is gone, or is known to be stuck."""
        why = self._ending or "the runner breaks"
        broken: list[Exception] = []
        faults: Counter[str] = Counter()
        left = list(self.devices)
        while left:
            for device in list(left):
                now = self._clock.elapsed()
                try:
                    device.end(now, why)
                    if self._asked > 1:
                        device.hurry(now)
                    if device.ends(now):
                        left.remove(device)
                except Exception as error:
                    # the others are stopped all the same, and this one as soon as what it lacks is there again
                    broken.append(error)
                    faults[device.name] += 1
                    if faults[device.name] == MOST_FAULTS:
                        left.remove(device)
            self._save()
            if left:
                self._clock.rest(min(self.setting.poll, 1.0))
        if broken:
            raise broken[0]
        stuck = [device.name for device in self.devices if device.state is State.STUCK]
        if stuck:
            self._say("left", f"LEFT RUNNING, as it cannot be killed: what is on {', '.join(stuck)}", devices=stuck)

    def state(self) -> RigState:
        """All that is known."""
        return RigState(
            pid=os.getpid(),
            since=self._since,
            started=self._began,
            written=self._clock.now(),
            plan=str(self.file.path),
            ended=dict(self._ended),
            devices=tuple(self._state_of(device) for device in self.devices),
        )

    def _state_of(self, device: Device) -> DeviceState:
        job = None
        if device.running is None and device.state is not State.OFF and device.name in self._before:
            # what an earlier runner left is still ending: the next one has to find it, too
            job = self._before[device.name].job
        elif device.running is not None and device.job is not None:
            trace = device.running.trace
            job = JobState(
                what=device.job.what,
                pid=trace.pid,
                started=trace.started,
                grace=device.job.grace,
                log=str(self._paths[device.name]),
            )
        return DeviceState(
            name=device.name,
            state=device.state.value,
            why=device.why,
            job=job,
            celsius=device.reading.celsius,
            watts=device.reading.watts,
            totals=device.totals,
        )

    def _wanted(self, name: str, now: float, ended: set[int]) -> tuple[Job | None, str]:
        """What is to run on a device now, and why."""
        spec, planned = self._specs.get(name), self.file.plan.device(name)
        if spec is None or planned is None:
            return None, "it is in no plan" if spec else "it is no longer in the rig's file"
        slot = schedule.current(planned, now, ended)
        if slot is None:
            return None, self._nothing(planned.at(now))
        return jobs.job_for(self.setting.rig, spec, self.file.plan, slot), slot.why

    def _nothing(self, slot: Slot | None) -> str:
        return NOTHING if slot is None else f"challenge {slot.challenge} has ended, and nothing follows at once"

    def _over(self, market: Mapping[int, str]) -> set[int]:
        """Challenges that are not trained for any more."""
        for number, how in market.items():
            planned = any(slot.challenge == number for device in self.file.plan.devices for slot in device.slots)
            if planned and number not in self._told:
                self._told.add(number)
                self._say("ended", f"challenge {number} is over ({how}): what follows begins", challenge=number)
        # of what has ended here a plan that was made later knows better
        return {number for number, time in self._ended.items() if time >= self.file.plan.made} | set(market)

    def _look_ahead(self, now: float, ended: set[int]) -> None:
        """Say once that the plan has nothing left."""
        left = any(schedule.ahead(device, now, ended) for device in self.file.plan.devices)
        if not left and not self._waits:
            then = "ends" if self.setting.until_end else "everything is off until there is another"
            self._say("over", f"the plan has nothing left to do: {then}")
        self._waits = not left

    def _launch(self, name: str, job: Job) -> Running:
        path = self.logs.path(name, job.what)
        self.logs.tidy()
        self.logs.head(path, self._clock.now(), f"{name} begins to {job.what}: {' '.join(job.command)}")
        self._paths[name] = path
        return self._start(name, job, path)

    def _trim(self) -> None:
        for path in self._paths.values():
            with self._trouble(str(path)):
                self.logs.trim(path)

    def _save(self) -> None:
        """Write the state, where anything has happened, or it is time again."""
        now, seen = self._clock.elapsed(), [device.changed for device in self.devices]
        if seen == self._saved and now - self._saved_at < SAVE_SECONDS:
            return
        with self._trouble("state"):
            self.setting.home.write(self.state())
            self._saved, self._saved_at = seen, now

    @contextmanager
    def _trouble(self, subject: str) -> Iterator[None]:
        """What goes wrong with a file is said once, and stops nothing."""
        try:
            yield
        except (AssayError, OSError) as error:
            if self._troubles.get(subject) != str(error):
                self._say("trouble", str(error))
            self._troubles[subject] = str(error)
        else:
            self._troubles.pop(subject, None)
