"""Ending processes for certain: ask, wait, kill, wait, and say so where even that does not help."""

import signal
from enum import StrEnum
from typing import Protocol

KILL_SECONDS = 15.0
"""After a kill, until what is still there counts as stuck: the kernel frees what a process held, a GPU's memory too."""


class Target(Protocol):
    """What is to end."""

    def survivors(self) -> list[int]:
        """Process ids of all that is left of it."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to all that is left; a request to end reaches no process twice."""
        ...


class Stage(StrEnum):
    """How far it is."""

    ASKED = "asked"
    KILLED = "killed"
    STUCK = "stuck"
    GONE = "gone"


class Stop:
    """One ending, moved on by `step`, which never waits."""

    def __init__(self, target: Target, now: float, grace: float) -> None:
        """Ask for it; `now` in seconds of a clock that never goes back, `grace` in seconds."""
        self.target, self.stage = target, Stage.ASKED
        self.left = target.survivors()
        """What was left at the last look."""
        self._until = now + grace
        target.signal(signal.SIGTERM)

    def hurry(self, now: float) -> None:
        """No grace any more."""
        self._until = min(self._until, now)

    def step(self, now: float) -> Stage:
        """Look again, and do what is due."""
        if self.stage is Stage.GONE:
            return self.stage
        self.left = self.target.survivors()
        if not self.left:
            self.stage = Stage.GONE
        elif self.stage is Stage.ASKED and now < self._until:
            # what came to be since is asked, too
            self.target.signal(signal.SIGTERM)
        elif self.stage is Stage.ASKED:
            self.target.signal(signal.SIGKILL)
            self.stage, self._until = Stage.KILLED, now + KILL_SECONDS
        else:
            # whatever it forked meanwhile
            self.target.signal(signal.SIGKILL)
            if now >= self._until:
                self.stage = Stage.STUCK
        return self.stage
