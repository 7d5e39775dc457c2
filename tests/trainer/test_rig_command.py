"""`trainer run` as people have it: real processes, signals, a runner that is killed, and what it says of itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig_world import eventually, lives, pids, stand_in
from tests.trainer.test_cli import refused, run
from trainer.allocation import plan as plans
from trainer.allocation.plan import DevicePlan, Do, Entry, Plan, Slot
from trainer.rig.processes import DEVICE_MARK, RIG_MARK, left_on
from trainer.rig.state import Home, folder_for

ROOT = Path(__file__).resolve().parents[2]


def toml(folder: Path, miner: tuple[str, ...], training: tuple[str, ...], *devices: str) -> Path:
    """A rig's file."""
    lines = ['currency = "USD"', "[training]", f"command = {json.dumps(training)}", "grace_seconds = 300"]
    for name in devices:
        lines += ["[[device]]", f'name = "{name}"', "idle_watts = 1", "most_celsius = 80", "[[device.mining]]"]
        lines += ['algorithm = "heavy"', "hash_rate = 1", "watts = 1", f"command = {json.dumps(miner)}"]
        lines += ["grace_seconds = 0.3"]
    path = folder / "rig.toml"
    path.write_text("\n".join(lines))
    return path


def plan_now(folder: Path, **activities: list[Do]) -> Path:
    """A plan of hours from now on, by device."""
    now = int(time.time())

    def slot(number: int, do: Do) -> Slot:
        more: dict[str, Any] = {Do.MINE: {"coin": "KAS", "algorithm": "heavy"}, Do.TRAIN: {"challenge": 3}}.get(do, {})
        return Slot(start=now + 3600 * number, end=now + 3600 * (number + 1), do=do, why=f"hour {number}", **more)

    devices = tuple(
        DevicePlan(name=name, slots=tuple(slot(number, do) for number, do in enumerate(each)))
        for name, each in activities.items()
    )
    entry = Entry(challenge=3, preset=None, hours=1, chance=0.5, reward=2, commit_by=now + 9000, expected=1)
    path = folder / "plan.json"
    plans.save(
        path,
        Plan(made=now, start=now, step=3600, currency="USD", expected=1, devices=devices, entries=(entry,)),
    )
    return path


class Place:
    """A folder with a rig, and runners in processes of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.runners: list[subprocess.Popen[str]] = []
        monkeypatch.chdir(folder)
        # the user's own settings are none of this
        for name in ("ASSAY_NODE", "ASSAY_MARKET", "ASSAY_CONFIG"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ASSAY_HOME", str(folder / "home"))
        monkeypatch.setenv("SAVE", str(folder / "saved"))
        # tables are not to be broken
        monkeypatch.setenv("COLUMNS", "200")

    @property
    def home(self) -> Home:
        return Home(folder_for(self.folder / "home", self.folder / "rig.toml"))

    def log(self, device: str, what: str) -> Path:
        return self.home.logs / f"{device}-{what}.log"

    def start(self, **more: str) -> "subprocess.Popen[str]":
        """A runner, with more in its environment."""
        words = [sys.executable, "-m", "trainer", "run", "--poll", "0.05", "--json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
        self.runners.append(
            subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return self.runners[-1]

    def clear(self) -> None:
        """Leave nothing behind, whatever failed."""
        for runner in self.runners:
            if runner.poll() is None:
                runner.kill()
                runner.communicate()
        for log in self.home.logs.glob("*.log"):
            for pid in pids(log).values():
                if lives(pid):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found = Place(tmp_path, monkeypatch)
    yield found
    found.clear()


def events(text: str) -> list[str]:
    """What a runner has told, as its JSON names it."""
    return [json.loads(line)["event"] for line in text.splitlines()]


def test_a_killed_runners_jobs_are_stopped_by_the_next_which_stops_all_its_own(place: Place) -> None:
    toml(place.folder, stand_in("deaf", "leak", "fork"), stand_in("save"), "a", "b")
    plan_now(place.folder, a=[Do.MINE], b=[Do.TRAIN, Do.MINE])
    first, home = place.start(), place.home
    miner, trainer = place.log("a", "mine_KAS"), place.log("b", "train_for_challenge_3")
    names = {"ready", "child", "grandchild", "leaked"}
    eventually(lambda: set(pids(miner)) == names and "ready" in pids(trainer), "both jobs")
    eventually(lambda: home.path.exists() and all(one.job for one in home.read().devices), "both in the state")
    old = {*pids(miner).values(), *pids(trainer).values()}
    # a rig has one runner
    said = refused("run")
    assert "another runner of this rig works" in said
    shown = run("run", "--status")
    assert shown.exit_code == 0, shown.output
    assert f"A runner (process {first.pid}) follows plan.json" in shown.stdout
    assert "a: mine KAS: hour 0" in shown.stdout
    assert "b: train for challenge 3: hour 0" in shown.stdout

    first.kill()
    first.communicate()
    assert all(map(lives, old))
    shown = run("run", "--status")
    assert "Its runner is gone, and something runs on still: a, b. Next: trainer run" in shown.stdout

    # by hand in the shell of a job, which it takes for no orphan
    second = place.start(**{RIG_MARK: home.mark, DEVICE_MARK: "a"})
    eventually(lambda: not any(map(lives, old)), "the end of what the killed one left")
    # the job that saves was asked, and had its time
    assert (place.folder / "saved").read_text() == "saved\n"
    eventually(lambda: not old & {*pids(miner).values(), *pids(trainer).values()}, "new jobs, with all that they start")
    new = {*pids(miner).values(), *pids(trainer).values()}

    second.send_signal(signal.SIGTERM)
    out, complaint = second.communicate(timeout=120)
    assert second.returncode == 0, complaint
    assert not any(map(lives, new))
    assert left_on(home.mark) == set()
    told = events(out)
    assert told[0] == "orphans"
    assert told[-1] == "ends"
    assert told.count("started") == 2
    assert "crash" not in told
    assert (place.folder / "saved").read_text() == "saved\n" * 2
    status = json.loads(run("run", "--status", "--json").stdout)
    assert (status["running"], status["version"]) == (False, 1)
    assert [one["state"] for one in status["devices"]] == ["off", "off"]
    assert [one["job"] for one in status["devices"]] == [None, None]
    # of both runners
    assert [one["totals"]["starts"] for one in status["devices"]] == [2, 2]
    assert all(one["why"] == "the runner ends (SIGTERM)" for one in status["devices"])
    shown = run("run", "--status")
    assert "No runner works." in shown.stdout
    assert "runs on still" not in shown.stdout


def test_what_runs_on_a_device_that_was_taken_out_of_the_rig_is_stopped(place: Place) -> None:
    miner = stand_in("obey")
    toml(place.folder, miner, ("true",), "a", "b")
    plan_now(place.folder, a=[Do.MINE], b=[Do.MINE])
    first = place.start()
    logs = [place.log(name, "mine_KAS") for name in "ab"]
    eventually(lambda: all("ready" in pids(log) for log in logs), "two miners")
    old = [pids(log)["ready"] for log in logs]
    first.kill()
    first.communicate()
    # and though nobody knows what was started
    place.home.path.unlink()
    toml(place.folder, miner, ("true",), "a")
    plan_now(place.folder, a=[Do.OFF])
    done = run("run", "--until-end", "--poll", "0.05", "--plan", str(ended(place)))
    assert done.exit_code == 0, done.output
    assert not any(map(lives, old))
    assert "b: stops what an earlier runner left running" in done.stderr


def ended(place: Place) -> Path:
    """A plan that is over."""
    plan = plans.load(place.folder / "plan.json")
    path = place.folder / "over.json"
    plans.save(path, plan.__class__(**{**vars(plan), "devices": ()}))
    return path


def test_a_whole_plan_to_its_end(place: Place) -> None:
    toml(place.folder, stand_in("obey"), stand_in("flood=100", "code=0"), "a")
    plan_now(place.folder, a=[Do.TRAIN])
    done = run("run", "--until-end", "--poll", "0.05", "--json")
    assert done.exit_code == 0, done.output
    assert events(done.stdout) == ["begins", "sensor", "started", "done", "over", "ends"]
    assert "its temperature cannot be read (the rig names neither" in done.stderr
    text = place.log("a", "train_for_challenge_3").read_text()
    assert "a begins to train for challenge 3: " in text.splitlines()[0]
    assert "x" * 100 in text
    status = run("run", "--status")
    assert "challenge 3: its training has ended" in status.stdout


@pytest.mark.usefixtures("hangups")
def test_a_runner_that_hears_nothing_of_its_terminal_still_stops_everything(place: Place) -> None:
    """Its stdout and stderr are closed while it runs, then it is asked to end."""
    toml(place.folder, stand_in("deaf"), ("true",), "a")
    plan_now(place.folder, a=[Do.MINE])
    runner = place.start()
    log = place.log("a", "mine_KAS")
    eventually(lambda: "ready" in pids(log), "the miner")
    runner.stdout.close()
    runner.stderr.close()
    runner.send_signal(signal.SIGHUP)
    runner.wait(120)
    assert not lives(pids(log)["ready"])


@pytest.mark.parametrize(
    ("rig", "plan", "reason"),
    [
        (None, "{}", "rig.toml: cannot be read"),
        ('currency = "USD"', "{}", "rig.toml names no [[device]], so there is nothing to run on; add one"),
        ("a = 1", "{}", "rig.toml"),
        ("rig", None, "plan.json: cannot be read"),
        ("rig", "{}", "plan.json: version is missing"),
    ],
)
def test_what_is_wrong_is_one_line(place: Place, rig: str | None, plan: str | None, reason: str) -> None:
    if rig == "rig":
        toml(place.folder, ("true",), ("true",), "a")
    elif rig is not None:
        (place.folder / "rig.toml").write_text(rig)
    if plan is not None:
        (place.folder / "plan.json").write_text(plan)
    assert reason in refused("run")


def test_a_rig_that_never_ran_has_no_status(place: Place) -> None:
    toml(place.folder, ("true",), ("true",), "a")
    assert "nothing was run yet for rig.toml; begin with trainer run" in refused("run", "--status")
    assert not (place.folder / "home").exists()
