"""Processes of the system: started in a session of their own, found again wherever they went, and signalled.

What a job starts is known by four traits, as no one of them is certain: it was seen among the children of the job, its
parent is one of them, it is in the job's session, or its environment carries the job's mark.
"""

import os
import signal
import subprocess
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from trainer.errors import DataError
from trainer.rig.jobs import Job

RIG_MARK, DEVICE_MARK, JOB_MARK = "ASSAY_RIG", "ASSAY_RIG_DEVICE", "ASSAY_RIG_JOB"
"""Variables that every process of a job inherits: whose it is, on which device, and a word for this start of it."""
UNKNOWN = 255
"""Exit code of a command that somebody else has collected."""
CLOCK_SECONDS = 2.0
"""By which two readings of when a process began may differ: the system's clock is corrected now and then."""


class Trace(NamedTuple):
    """What is known of a job that an earlier runner started: process id, and when it began in unix seconds."""

    pid: int
    started: float


class Processes(ABC):
    """Processes that belong together: a target of `trainer.rig.stop`."""

    def __init__(self) -> None:
        """None of them was asked to end."""
        self._asked: set[psutil.Process] = set()

    @abstractmethod
    def alive(self) -> list[psutil.Process]:
        """All that is left; what only waits to be collected does not count."""

    def survivors(self) -> list[int]:
        """Process ids of all that is left."""
        return sorted(process.pid for process in self.alive())

    def signal(self, number: int) -> None:
        """Send a signal to all that is left, a request to end to none of them twice."""
        for process in self.alive():
            if number != signal.SIGTERM or process not in self._asked:
                self._send(process, number)

    def _send(self, process: psutil.Process, number: int) -> None:
        self._asked.add(process)
        # gone already, or another user's: who asks for the survivors will see
        with suppress(psutil.Error):
            process.send_signal(number)
            if number == signal.SIGTERM:
                # what was stopped cannot tidy up
                process.send_signal(signal.SIGCONT)


class Group(Processes):
    """A job that runs, and everything that it started."""

    def __init__(self, popen: "subprocess.Popen[bytes]", word: str) -> None:
        """Nothing is asked yet; `word` is the job's mark."""
        super().__init__()
        self._popen, self._word, self._closed = popen, word, False
        leader = psutil.Process(popen.pid)
        self._seen = {leader}
        self.trace = Trace(popen.pid, leader.create_time())

    @property
    def pid(self) -> int:
        """Process id of the command, which is that of its group and of its session."""
        return self._popen.pid

    def code(self) -> int | None:
        """Exit code of the command, negative for a signal; None while it runs.

        It is not collected by that: its number, which is that of its session, cannot go to another process.
        """
        if self._closed:
            return self._popen.returncode
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            # somebody else has collected it, and its code with it: it counts as none of success
            return UNKNOWN
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def look(self) -> None:
        """Remember the children of now: nothing else tells of one that leaves the session later, and hides its mark."""
        self.alive()

    def alive(self) -> list[psutil.Process]:
        """All that is left."""
        if self._closed:
            return []
        found = _alive(self._seen, lambda process: _session(process) == self.pid or _mark(process) == self._word)
        self._seen = set(found)
        return found

    def signal(self, number: int) -> None:
        """Send a signal to all that is left: to the whole group at once, so that none is forked in between."""
        inside = [process for process in self.alive() if _group(process) == self.pid]
        if inside and (number != signal.SIGTERM or not self._asked):
            with suppress(OSError):
                os.killpg(self.pid, number)
                if number == signal.SIGTERM:
                    os.killpg(self.pid, signal.SIGCONT)
            self._asked.update(inside)
        super().signal(number)

    def close(self) -> None:
        """Collect the command, once nothing is left."""
        self._popen.wait()
        self._closed = True


class Orphans(Processes):
    """What an earlier runner left on one device."""

    def __init__(self, rig: str, device: str, traces: Iterable[Trace]) -> None:
        """Nothing is asked yet; `rig` is the mark of the rig."""
        super().__init__()
        self._rig, self._device, self._traces = rig, device, tuple(traces)
        self._seen: set[psutil.Process] = set()

    def alive(self) -> list[psutil.Process]:
        """All that is left."""
        self._seen = set(_alive(self._seen, self._ours))
        return list(self._seen)

    def _ours(self, process: psutil.Process) -> bool:
        if any(_left(process, trace) for trace in self._traces):
            return True
        marks = _environment(process)
        return marks.get(RIG_MARK) == self._rig and marks.get(DEVICE_MARK) == self._device


def launch(job: Job, *, rig: str, device: str, log: Path) -> Group:
    """Start a job, whose output is added to `log`.

    Raises `DataError` where the command cannot be started, or not on those cores.
    """
    word = uuid.uuid4().hex
    marks = {RIG_MARK: rig, DEVICE_MARK: device, JOB_MARK: word}
    try:
        with log.open("ab") as file, bound(job.cores):
            popen = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **job.environment, **marks},
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"{job.command[0]} cannot be started ({reason}); check the command in the rig's file"
        ) from error
    return Group(popen, word)


@contextmanager
def bound(cores: Sequence[int] | None) -> Iterator[None]:
    """Bind this thread to cores, and with it what it starts meanwhile; raises `DataError` for cores that it lacks."""
    if cores is None:
        yield
        return
    me = psutil.Process()
    if not hasattr(me, "cpu_affinity"):
        raise DataError("this system binds nothing to cores; take `cores` out of the rig's file")
    before = me.cpu_affinity()
    missing = sorted(set(cores) - set(before))
    if missing:
        raise DataError(f"there is no core {missing[0]} for this process, only {_shown(before)}; change `cores`")
    me.cpu_affinity(list(cores))
    try:
        yield
    finally:
        # what has started is to be watched, whatever became of these cores meanwhile
        with suppress(psutil.Error, OSError, ValueError):
            me.cpu_affinity(before)


def left_on(rig: str) -> set[str]:
    """Names of the devices on which there are processes with the mark of a rig."""
    marks = [_environment(process) for process in _others()]
    return {found[DEVICE_MARK] for found in marks if found.get(RIG_MARK) == rig and found.get(DEVICE_MARK)}


def _alive(known: set[psutil.Process], ours: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Processes that are known or ours, and their children, which live."""
    everybody = list(_others())
    found = {process for process in everybody if process in known or ours(process)}
    grown = True
    while grown:
        parents = {process.pid for process in found}
        more = {process for process in everybody if process not in found and _parent(process) in parents}
        grown = bool(more)
        found |= more
    return [process for process in found if _lives(process)]


def _others() -> Iterator[psutil.Process]:
    """Every process but this one and those that it comes from."""
    me = psutil.Process()
    mine = {me.pid, *(parent.pid for parent in me.parents())}
    for pid in psutil.pids():
        if pid not in mine:
            with suppress(psutil.Error):
                yield psutil.Process(pid)


def _lives(process: psutil.Process) -> bool:
    try:
        # a command whose first thread has ended looks like what waits to be collected
        return bool(process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1))
    except psutil.Error:
        return False


def _parent(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        return int(process.ppid())
    return None


def _session(process: psutil.Process) -> int | None:
    with suppress(OSError):
        return os.getsid(process.pid)
    return None


def _group(process: psutil.Process) -> int | None:
    with suppress(OSError):
        return os.getpgid(process.pid)
    return None


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        found: dict[str, str] = process.environ()
    except (psutil.Error, OSError):
        # another user's, or gone
        return {}
    return found


def _mark(process: psutil.Process) -> str | None:
    return _environment(process).get(JOB_MARK)


def _left(process: psutil.Process, trace: Trace) -> bool:
    """Whether a process is the command that a trace tells of, or in its session."""
    began = _began(process)
    if began is None or _restarted(trace):
        return False
    if process.pid == trace.pid:
        return abs(began - trace.started) <= CLOCK_SECONDS
    if _session(process) != trace.pid or began < trace.started - CLOCK_SECONDS:
        return False
    # the number of a session goes to nobody else while anyone is in it, but it may have ended, and come again
    try:
        leader = _began(psutil.Process(trace.pid))
    except psutil.Error:
        return True
    return leader is None or abs(leader - trace.started) <= CLOCK_SECONDS


def _restarted(trace: Trace) -> bool:
    """Whether the machine, or the container, was started since: numbers are given anew then, often the same ones."""
    try:
        first = _began(psutil.Process(1))
    except psutil.Error:
        return False
    return first is not None and first > trace.started + CLOCK_SECONDS


def _began(process: psutil.Process) -> float | None:
    with suppress(psutil.Error):
        return float(process.create_time())
    return None


def _shown(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))
