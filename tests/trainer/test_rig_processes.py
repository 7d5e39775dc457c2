"""Real processes, well and badly behaved: everything that a job has started is found, and is gone in the end."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.rig_world import eventually, lives, pids, stand_in
from trainer.allocation.plan import Do
from trainer.errors import DataError
from trainer.rig.jobs import Job
from trainer.rig.processes import Group, Orphans, Trace, launch, left_on
from trainer.rig.stop import Stage, Stop

RIG = f"test-{os.getpid()}"


def job(*modes: str, **more: object) -> Job:
    """A job that a stand-in does."""
    given = {
        "do": Do.MINE,
        "what": "mine KAS",
        "identity": ("mine",),
        "command": stand_in(*modes),
        "environment": {},
        "cores": None,
        "grace": 1.0,
    }
    return Job(**{**given, **more})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """A log; whoever has said a process id in it does not outlive the test."""
    path = tmp_path / "job.log"
    yield path
    for pid in pids(path).values():
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def started(log: Path, *modes: str, names: tuple[str, ...] = ("ready",), **more: object) -> Group:
    """A job that has said all it has to say."""
    group = launch(job(*modes, **more), rig=RIG, device="gpu0", log=log)
    eventually(lambda: set(names) <= set(pids(log)), f"{names} in {log.read_text()!r}")
    return group


def end(group: Group, *, grace: float = 300.0) -> Stage:
    """Stop it, to whatever end, with grace in real seconds."""
    stop = Stop(group, time.monotonic(), grace)
    eventually(lambda: stop.step(time.monotonic()) in (Stage.GONE, Stage.STUCK), "an end")
    if stop.stage is Stage.GONE:
        group.close()
    return stop.stage


@pytest.mark.parametrize(
    ("modes", "names"),
    [
        (("obey",), ("ready",)),
        (("fork",), ("ready", "child", "grandchild")),
        (("leak",), ("ready", "leaked")),
        (("hide", "fork"), ("ready", "child", "grandchild")),
        (("bare",), ("ready",)),
    ],
)
@pytest.mark.parametrize("deaf", [False, True])
def test_everything_that_a_job_has_started_is_ended(
    modes: tuple[str, ...], names: tuple[str, ...], deaf: bool, log: Path
) -> None:
    group = started(log, *modes, *(["deaf"] if deaf else []), names=names)
    # what has no environment is a stand-in, too
    wait = 1 + len({"hide", "bare"} & set(modes))
    eventually(lambda: log.read_text().count("ready") == wait, "both are ready")
    there = group.survivors()
    assert set(pids(log).values()) <= set(there)
    assert len(there) == len(names) + wait - 1
    assert end(group, grace=0.2 if deaf else 300.0) is Stage.GONE
    assert not any(map(lives, there))
    # nobody was asked twice; children say so if they are deaf
    assert log.read_text().count("asked") == (len(there) if deaf else wait)
    assert group.code() == (-signal.SIGKILL if deaf else 0)


def test_what_hides_is_remembered_when_its_parent_is_gone(log: Path) -> None:
    group = started(log, "hide", "deaf")
    eventually(lambda: log.read_text().count("ready") == 2, "both are ready")
    group.look()
    hidden = set(group.survivors()) - {group.pid}
    os.kill(group.pid, signal.SIGKILL)
    eventually(lambda: group.code() is not None, "the parent's end")
    assert set(group.survivors()) == hidden
    assert end(group, grace=0.1) is Stage.GONE
    assert not any(map(lives, hidden))


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_code_is_read_again_and_again(code: int, log: Path) -> None:
    group = started(log, f"code={code}")
    eventually(lambda: group.code() is not None, "its end")
    assert group.code() == group.code() == code
    # it is not collected before it is closed, so that its number is nobody else's
    assert psutil.Process(group.pid).status() == psutil.STATUS_ZOMBIE
    assert group.survivors() == []
    group.close()
    assert not psutil.pid_exists(group.pid)
    assert group.code() == code
    assert group.survivors() == []


def test_a_code_that_somebody_else_has_taken_is_no_success(log: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        group = started(log, "code=0")
        eventually(lambda: group.code() is not None, "its end")
        assert group.code() == 255
        assert end(group) is Stage.GONE
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_what_a_crash_leaves_behind_is_found(log: Path) -> None:
    group = started(log, "fork", "leak", "code=1", names=("ready", "child", "grandchild", "leaked"))
    eventually(lambda: group.code() == 1, "its end")
    left = {pids(log)[name] for name in ("child", "grandchild", "leaked")}
    assert set(group.survivors()) == left
    assert end(group) is Stage.GONE
    assert not any(map(lives, left))


def test_what_is_stopped_can_tidy_up(log: Path, tmp_path: Path) -> None:
    group = started(log, "save", "leak", names=("ready", "leaked"), environment={"SAVE": str(tmp_path / "saved")})
    for pid in pids(log).values():
        os.kill(pid, signal.SIGSTOP)
    # sooner than they would be killed
    assert end(group, grace=300) is Stage.GONE
    assert (tmp_path / "saved").read_text() == "saved\n"
    assert group.code() == 143


def test_a_job_is_bound_and_has_its_environment(log: Path) -> None:
    before = psutil.Process().cpu_affinity()
    core = before[-1]
    group = started(log, "obey", environment={"CUDA_VISIBLE_DEVICES": "7"}, cores=(core,))
    assert f"7 [{core}]" in log.read_text()
    # what a terminal sends to its processes is not for it
    assert os.getsid(group.pid) == os.getpgid(group.pid) == group.pid
    assert psutil.Process().cpu_affinity() == before
    assert end(group) is Stage.GONE


def test_a_job_without_a_core_that_is_there_is_refused(log: Path) -> None:
    before = psutil.Process().cpu_affinity()
    with pytest.raises(DataError, match=r"there is no core 4095 for this process, only .*; change `cores`"):
        launch(job("obey", cores=(before[0], 4095)), rig=RIG, device="gpu0", log=log)
    assert psutil.Process().cpu_affinity() == before


@pytest.mark.parametrize("command", ["/no/such/program", "/etc"])
def test_a_command_that_is_none_is_refused(command: str, log: Path) -> None:
    with pytest.raises(DataError, match=rf"{command} cannot be started \(.*\); check the command"):
        launch(job(command=(command,)), rig=RIG, device="gpu0", log=log)


def test_other_processes_are_left_alone(log: Path, tmp_path: Path) -> None:
    with subprocess.Popen(stand_in("obey"), stdout=subprocess.DEVNULL, start_new_session=True) as other:
        group = started(log, "obey")
        twin = tmp_path / "twin.log"
        second = started(twin, "obey")
        assert group.survivors() == [group.pid]
        assert os.getpid() not in group.survivors()
        assert end(group) is Stage.GONE
        assert lives(other.pid)
        assert lives(second.pid)
        assert end(second) is Stage.GONE
        other.terminate()


def test_orphans_are_known_by_their_mark(log: Path) -> None:
    group = started(log, "leak", "fork", names=("ready", "child", "grandchild", "leaked"))
    orphans = Orphans(RIG, "gpu0", [])
    assert orphans.survivors() == group.survivors()
    assert left_on(RIG) == {"gpu0"}
    assert Orphans(RIG, "gpu1", []).survivors() == Orphans("other", "gpu0", []).survivors() == []
    assert left_on("other") == set()
    stop = Stop(orphans, time.monotonic(), 300)
    eventually(lambda: stop.step(time.monotonic()) is Stage.GONE, "their end")
    assert group.survivors() == []
    group.close()


def test_orphans_without_their_mark_are_known_by_number_and_time(log: Path) -> None:
    with log.open("wb") as out, subprocess.Popen(stand_in("fork"), stdout=out, start_new_session=True) as other:
        eventually(lambda: len(pids(log)) == 3, "three processes")
        began = psutil.Process(other.pid).create_time()
        # the number alone says nothing: it may be another's by now
        assert Orphans(RIG, "gpu0", [Trace(other.pid, began - 60)]).survivors() == []
        orphans = Orphans(RIG, "gpu0", [Trace(other.pid, began)])
        assert orphans.survivors() == sorted(pids(log).values())
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        # its session is known without it
        assert orphans.survivors() == sorted({pids(log)["child"], pids(log)["grandchild"]})
        stop = Stop(orphans, time.monotonic(), 300)
        eventually(lambda: stop.step(time.monotonic()) is Stage.GONE, "their end")
    assert not any(map(lives, pids(log).values()))


def test_a_session_of_the_same_number_after_a_restart_is_anothers(log: Path) -> None:
    first = psutil.Process(1).create_time()
    with log.open("wb") as out, subprocess.Popen(stand_in("fork"), stdout=out, start_new_session=True) as other:
        eventually(lambda: len(pids(log)) == 3, "three processes")
        began = psutil.Process(other.pid).create_time()
        # a daemon's session has lost its leader, whose age would tell
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert Orphans(RIG, "gpu0", [Trace(other.pid, began)]).survivors()
        assert Orphans(RIG, "gpu0", [Trace(other.pid, first - 60)]).survivors() == []


def test_a_job_is_known_though_the_runner_cannot_be_bound_back(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().cpu_affinity()
    bind, asked = psutil.Process.cpu_affinity, []

    def affinity(self: psutil.Process, cores: list[int] | None = None) -> list[int] | None:
        if cores is not None:
            asked.append(cores)
            if len(asked) == 2:
                raise OSError(22, "Invalid argument")
        return bind(self, cores)

    monkeypatch.setattr(psutil.Process, "cpu_affinity", affinity)
    try:
        group = started(log, "obey", cores=(before[0],))
    finally:
        bind(psutil.Process(), before)
    assert asked == [[before[0]], before]
    assert end(group) is Stage.GONE
