"""The plan that is followed: its file is read again when it changes, and a bad one leaves the old one in force."""

from pathlib import Path

from trainer.allocation import plan as plans
from trainer.allocation.plan import Plan
from trainer.allocation.rig import Rig
from trainer.errors import AssayError
from trainer.rig import jobs

Sight = tuple[int, int, int] | None


class PlanFile:
    """A plan in a file, and the rig that has to be able to do it."""

    def __init__(self, path: Path, rig: Rig) -> None:
        """Read it; raises `DataError` that names what is wrong."""
        self.path, self._rig = path, rig
        self._sight = _sight(path)
        self.plan = self._load()

    def again(self) -> str:
        """Read it again if it has changed; returns what there is to say, or nothing."""
        sight = _sight(self.path)
        if sight == self._sight:
            return ""
        self._sight = sight
        if sight is None:
            return f"{self.path} is gone; the plan that was read goes on"
        try:
            self.plan = self._load()
        except AssayError as error:
            return f"the new plan is refused, and the old one goes on: {error}"
        return f"follows the new plan in {self.path}"

    def _load(self) -> Plan:
        found = plans.load(self.path)
        jobs.check(self._rig, found)
        return found


def _sight(path: Path) -> Sight:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
