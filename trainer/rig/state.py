"""The directory of a rig: a lock, so that it has one runner, and a file that says what runs, also to the next one."""

import fcntl
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainer.errors import AssayError, DataError
from trainer.files import check_directory, write_file
from trainer.rig.totals import ACTIVITIES, Totals
from trainer.strict import Value, read_json

VERSION = 1
STATES = ("off", "running", "stopping", "stuck")
MOST = 2**53
TRIES = 5


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job under way.

    pid, started: process id of its command, and when that began, unix seconds.
    grace:        seconds between being asked to end and being killed.
    log:          the file with its output.
    """

    what: str
    pid: int
    started: float
    grace: float
    log: str


@dataclass(frozen=True, kw_only=True)
class DeviceState:
    """A device: what it is, why, what its sensors said last, and what it has come to."""

    name: str
    state: str
    why: str
    job: JobState | None
    celsius: float | None
    watts: float | None
    totals: Totals


@dataclass(frozen=True, kw_only=True)
class RigState:
    """All that a runner writes.

    pid:                     the runner's process id.
    since, started, written: unix seconds at which the first runner of this rig began, this one, and of the writing.
    plan:                    the file that is followed.
    ended:                   by challenge, when it ended before its slots, in unix seconds.
    """

    pid: int
    since: float
    started: float
    written: float
    plan: str
    ended: Mapping[int, float] = field(default_factory=dict)
    devices: tuple[DeviceState, ...] = ()


class Home:
    """The directory of one rig."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made yet."""
        self.folder = folder

    @property
    def mark(self) -> str:
        """By which the processes of this rig are known."""
        return hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:24]

    @property
    def logs(self) -> Path:
        """Where logs lie."""
        return self.folder / "logs"

    @property
    def path(self) -> Path:
        """The state file."""
        return self.folder / "state.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock, which the system frees when the process ends, however it ends; raises `AssayError`."""
        check_directory(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            for left in reversed(range(TRIES)):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if not left:
                        raise AssayError(f"another runner of this rig works ({self._lock}); end it first") from error
                    # somebody who looks whether it is held holds it for a moment
                    time.sleep(0.05)
            yield

    def held(self) -> bool:
        """Whether a runner works."""
        if not self._lock.is_file():
            return False
        with self._lock.open("r") as file:
            try:
                # shared, so that two who only look do not take each other for a runner
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def read(self) -> RigState | None:
        """What the last runner wrote; None if there was none. Raises `DataError` that names the wrong value."""
        return parse(read_json(self.path)) if self.path.exists() else None

    def write(self, state: RigState) -> None:
        """Write it, whole or not at all; raises `DataError`."""
        write_file(self.path, dumps(state).encode())

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"


def folder_for(home: Path, rig: Path) -> Path:
    """The directory of a rig among those of its owner: another file is another rig."""
    name = hashlib.sha256(str(rig.resolve()).encode()).hexdigest()[:8]
    return home / "rig" / f"{rig.stem}-{name}"


def as_dict(state: RigState) -> dict[str, Any]:
    """A state as the values of its JSON."""
    entries = asdict(state)
    ended = [{"challenge": number, "time": time} for number, time in state.ended.items()]
    return {"version": VERSION, **entries, "ended": ended}


def dumps(state: RigState) -> str:
    """A state as JSON."""
    return json.dumps(as_dict(state), indent=1, allow_nan=False) + "\n"


def parse(value: Value) -> RigState:
    """The state that a value is; raises `DataError` that names what is wrong."""
    table = value.table(["version", "pid", "since", "started", "written", "plan", "ended", "devices"])
    if table["version"].whole(0) != VERSION:
        raise table["version"].wrong(f"only version {VERSION} is known; end what the rig runs, and delete the file")
    ended = {}
    for each in table["ended"].items():
        entry = each.table(["challenge", "time"])
        ended[entry["challenge"].whole(0)] = entry["time"].number(0)
    devices = tuple(_device(each) for each in table["devices"].items())
    names = [device.name for device in devices]
    if len(set(names)) < len(names):
        raise DataError(f"{value.where}: devices: two have one name; end what the rig runs, and delete the file")
    return RigState(
        pid=table["pid"].whole(1, MOST),
        since=table["since"].number(0),
        started=table["started"].number(0),
        written=table["written"].number(0),
        plan=table["plan"].text(),
        ended=ended,
        devices=devices,
    )


def _device(value: Value) -> DeviceState:
    table = value.table(["name", "state", "why", "job", "celsius", "watts", "totals"])
    return DeviceState(
        name=table["name"].text(),
        state=table["state"].one_of(STATES),
        why=table["why"].text(),
        job=None if table["job"].value is None else _job(table["job"]),
        celsius=_maybe(table["celsius"]),
        watts=_maybe(table["watts"]),
        totals=_totals(table["totals"]),
    )


def _job(value: Value) -> JobState:
    table = value.table(["what", "pid", "started", "grace", "log"])
    return JobState(
        what=table["what"].text(),
        pid=table["pid"].whole(1, MOST),
        started=table["started"].number(0),
        grace=table["grace"].number(0),
        log=table["log"].text(),
    )


def _totals(value: Value) -> Totals:
    table = value.table(["seconds", "joules", "measured", "starts", "crashes", "hot"])
    return Totals(
        seconds=_by_activity(table["seconds"]),
        joules=_by_activity(table["joules"]),
        measured=_by_activity(table["measured"]),
        starts=table["starts"].whole(0),
        crashes=table["crashes"].whole(0),
        hot=table["hot"].whole(0),
    )


def _by_activity(value: Value) -> dict[str, float]:
    return {activity: each.number() for activity, each in value.table(ACTIVITIES).items()}


def _maybe(value: Value) -> float | None:
    return None if value.value is None else value.number()
