"""The parts of a rig that decide: slots, back-off, limits, endings, logs, sensors, state."""

import json
import os
import random
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rig_world import NOW, FakeJob, device, learn, mine, off, plan_of, rig_of
from trainer.allocation.plan import DevicePlan
from trainer.allocation.rig import Rig, Training
from trainer.errors import AssayError, DataError
from trainer.rig import jobs, probes, schedule, state
from trainer.rig.backoff import Backoff, Patience
from trainer.rig.limits import Reading, Watch
from trainer.rig.logs import Logs
from trainer.rig.state import DeviceState, Home, JobState, RigState, folder_for
from trainer.rig.stop import KILL_SECONDS, Stage, Stop
from trainer.rig.totals import Totals
from trainer.strict import from_json

PLAN = DevicePlan(name="gpu0", slots=(mine(0, 10), learn(10, 20), learn(20, 30, 4), mine(30, 40), learn(50, 60)))


@pytest.mark.parametrize(
    ("second", "ended", "start"),
    [
        (-1, [], None),
        (0, [], 0),
        (9.9, [], 0),
        (10, [], 10),
        # what has ended gives its time to what follows
        (10, [3], 20),
        (15, [3, 4], 30),
        (25, [3], 20),
        (45, [], None),
        # nothing begins early over a gap
        (45, [3], None),
        (50, [3], None),
        (60, [], None),
    ],
)
def test_the_slot_of_a_moment(second: float, ended: list[int], start: int | None) -> None:
    found = schedule.current(PLAN, NOW + second, set(ended))
    assert (None if found is None else found.start - NOW) == start


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 4)), max_size=8), st.data())
def test_a_slot_is_the_plans_own_unless_its_challenge_has_ended(
    parts: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    slots, end = [], 0
    for gap, length, kind in parts:
        begin = end + gap
        end = begin + length
        slots.append(mine(begin, end) if kind == 0 else off(begin, end) if kind == 1 else learn(begin, end, kind))
    plan, now = DevicePlan(name="a", slots=tuple(slots)), NOW + data.draw(st.integers(0, 40))
    ended = data.draw(st.sets(st.integers(2, 4)))
    found = schedule.current(plan, now, ended)
    own = plan.at(now)
    assert schedule.current(plan, now, set()) == own
    assert found is None or found.challenge not in ended
    if own is None:
        assert found is None
    elif own.challenge not in ended:
        assert found == own
    elif found is not None:
        # everything from now until there has ended, without a gap
        between = [slot for slot in slots if own.start <= slot.start < found.start]
        assert all(slot.challenge in ended for slot in between)
        assert sum(slot.end - slot.start for slot in between) == found.start - own.start
    if found is not None:
        assert schedule.ahead(plan, now, ended)


def test_each_pause_is_twice_as_long_until_a_run_has_proven_itself() -> None:
    backoff = Backoff(Patience(first=5, most=30, proven=100, crashes=9, within=1000, rest=5000))
    pauses = []
    for _ in range(5):
        backoff.failed(0, 1)
        pauses.append(backoff.until)
    assert pauses == [5, 10, 20, 30, 30]
    backoff.failed(0, 100)
    assert backoff.until == 5
    assert not backoff.ready(4.9)
    assert backoff.ready(5)


def test_the_breaker_opens_after_so_many_crashes_in_so_long_and_gives_one_try_after_its_rest() -> None:
    backoff = Backoff(Patience(first=1, most=1, proven=100, crashes=3, within=10, rest=500))
    for now in (0, 5, 10, 15, 20):
        backoff.failed(now, 0)
        # the one ten seconds ago does not count any more
        assert not backoff.broken
    backoff.failed(21, 0)
    assert backoff.broken
    assert backoff.until == 521
    backoff.failed(521, 1)
    assert (backoff.broken, backoff.until) == (True, 1021)
    backoff.failed(1200, 150)
    assert (backoff.broken, backoff.until) == (False, 1201)


def job(**more: object) -> FakeJob:
    plan = plan_of(gpu0=[mine(0, 10)])
    found = jobs.job_for(rig_of(device()), device(), plan, plan.devices[0].slots[0])
    assert found is not None
    return FakeJob(found, 1, **more)


def test_what_ends_when_asked_is_not_killed() -> None:
    target = job(obeys=set())
    stop = Stop(target, 0, 20)
    assert stop.step(19.9) is Stage.ASKED
    target.exit = 0
    assert stop.step(100) is Stage.GONE
    assert signal.SIGKILL not in target.signals
    before = list(target.signals)
    assert stop.step(200) is Stage.GONE
    assert target.signals == before


def test_what_does_not_end_is_killed_after_its_grace_and_is_stuck_if_that_does_not_help() -> None:
    target = job(obeys=set())
    stop = Stop(target, 0, 20)
    assert [stop.step(now) for now in (10, 20)] == [Stage.ASKED, Stage.KILLED]
    assert stop.step(20 + KILL_SECONDS - 0.1) is Stage.KILLED
    assert stop.step(20 + KILL_SECONDS) is Stage.STUCK
    assert target.signals[-1] == signal.SIGKILL
    target.obeys = {signal.SIGKILL}
    # it is killed on and on
    stop.step(1000)
    assert stop.step(1001) is Stage.GONE


def test_a_hurried_ending_has_no_grace() -> None:
    target = job(obeys={signal.SIGKILL})
    stop = Stop(target, 0, 300)
    assert stop.step(1) is Stage.ASKED
    stop.hurry(2)
    assert stop.step(2) is Stage.KILLED
    assert stop.step(3) is Stage.GONE


def test_too_hot_is_above_the_limit_and_cool_is_well_below_it() -> None:
    watch = Watch(80, None)
    assert watch.look(0, Reading(celsius=80), 0) == []
    assert watch.hot == ""
    watch.look(1, Reading(celsius=80.5), 50)
    assert watch.hot == "80.5 °C, above its limit of 80 °C"
    # cool, and too early
    watch.look(60, Reading(celsius=60), 0)
    assert watch.hot
    # late enough, and not cool
    watch.look(61, Reading(celsius=70.5), 0)
    # a sensor that says nothing does not say that it is cool
    assert watch.look(61, Reading(no_celsius="gone"), 0) == [
        "its temperature cannot be read (gone): its limit of 80 °C is not watched"
    ]
    assert watch.hot
    assert watch.look(62, Reading(celsius=70), 0) == ["its temperature can be read again", "cool enough again: 70 °C"]
    assert watch.hot == ""
    # the second rest is longer
    watch.look(70, Reading(celsius=90), 8)
    watch.look(189.9, Reading(celsius=20), 0)
    assert watch.hot
    watch.look(190, Reading(celsius=20), 0)
    assert not watch.hot


def test_a_peak_of_power_is_no_reason_and_a_plateau_is() -> None:
    watch = Watch(None, 250)
    for now in (0, 5, 9):
        watch.look(now, Reading(watts=300), now)
    watch.look(9.5, Reading(watts=250), 9)
    watch.look(10, Reading(watts=300), 10)
    watch.look(19.9, Reading(watts=300), 19)
    assert watch.hot == ""
    watch.look(20, Reading(watts=301), 20)
    assert watch.hot == "301 W, above its limit of 250 W for 10 s"
    watch.look(79, Reading(watts=10), 0)
    assert watch.hot
    watch.look(80, Reading(watts=10), 0)
    assert not watch.hot


def test_a_reading_without_a_limit_is_not_missed() -> None:
    assert Watch(None, None).look(0, Reading(no_celsius="x", no_watts="y"), 0) == []
    watch = Watch(80, 250)
    said = watch.look(0, Reading(no_celsius="x", no_watts="y"), 0)
    assert [text.split(":")[0] for text in said] == [
        "its power cannot be read (y)",
        "its temperature cannot be read (x)",
    ]
    assert watch.look(1, Reading(no_celsius="x", no_watts="y"), 0) == []


def test_a_job_is_bound_to_its_device_and_its_words_are_filled_in() -> None:
    gpu, cpu = device(visible="1"), device("cpu", cores=(0, 1))
    rig = rig_of(gpu, cpu)
    plan = plan_of(gpu0=[mine(0, 9), mine(9, 10, "B"), learn(10, 20)], cpu=[mine(0, 10, "C", "light"), off(10, 20)])
    heavy, other, train = (jobs.job_for(rig, gpu, plan, slot) for slot in plan.devices[0].slots)
    light, nothing = (jobs.job_for(rig, cpu, plan, slot) for slot in plan.devices[1].slots)
    assert nothing is None
    assert heavy.command == ("heavy", "gpu0")
    # a command that names no coin mines whatever it mines: changing the coin changes nothing
    assert heavy.identity == other.identity
    assert light.command == ("light", "C")
    assert train.command == ("train", "3", "p", str(NOW + 9003), "gpu0")
    assert (train.grace, heavy.grace) == (300, 20)
    # the numbers of NVML are those of the bus
    assert heavy.environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}
    assert light.environment == {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    assert (heavy.cores, light.cores) == (None, (0, 1))
    free = device("free")
    assert jobs.job_for(rig_of(free), free, plan, plan.devices[0].slots[0]).environment == {}


@pytest.mark.parametrize(
    ("slot", "rig", "reason"),
    [
        (mine(0, 1, "X", "odd"), rig_of(device()), r"'gpu0' has no command to mine X with odd; add a \[\[device.mini"),
        (learn(0, 1), Rig(currency="USD", devices=(device(),)), r"and the rig has no \[training\]; add its command"),
        (mine(0, 1), rig_of(device("cpu")), r"no device 'gpu0'; the rig has cpu"),
    ],
)
def test_a_plan_that_the_rig_cannot_do_is_refused(slot: object, rig: Rig, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        jobs.check(rig, plan_of(gpu0=[slot]))


def test_a_preset_that_nobody_chose_is_asked_for() -> None:
    plan = plan_of(gpu0=[learn(0, 1)])
    plan = plan.__class__(**{**vars(plan), "entries": ()})
    slot = plan.devices[0].slots[0].__class__(**{**vars(plan.devices[0].slots[0]), "preset": None})
    with pytest.raises(DataError, match=r"without a preset, which the command of \[training\] asks for"):
        jobs.job_for(rig_of(device()), device(), plan, slot)
    rig = Rig(currency="USD", devices=(device(),), training=Training(command=("t", "{challenge}", "{deadline}")))
    assert jobs.job_for(rig, device(), plan, slot).command == ("t", "3", str(NOW + 1))


def test_a_log_keeps_the_newest_up_to_its_cap(tmp_path: Path) -> None:
    logs = Logs(tmp_path / "logs", most_bytes=100)
    path = logs.path("gpu 0", "mine KAS/USD")
    assert path.name == "gpu_0-mine_KAS_USD.log"
    with path.open("ab") as held:
        held.write(b"a" * 80)
        held.flush()
        assert not logs.trim(path)
        held.write(b"b" * 80)
        held.flush()
        assert logs.trim(path)
        # the job writes on, at the beginning of the emptied file
        held.write(b"c" * 10)
    assert path.read_bytes() == b"c" * 10
    assert path.with_suffix(".log.1").read_bytes() == b"a" * 20 + b"b" * 80
    assert sum(each.stat().st_size for each in logs.folder.iterdir()) <= 200


def test_the_oldest_of_many_logs_go(tmp_path: Path) -> None:
    logs = Logs(tmp_path, most_files=3)
    for number in range(5):
        path = logs.path("gpu0", f"train {number}")
        path.write_text("x")
        os.utime(path, (number, number))
    (tmp_path / "other.txt").write_text("x")
    logs.tidy()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"gpu0-train_{number}.log" for number in (2, 3, 4)),
        "other.txt",
    ]


class Nvml:
    """A library with two cards, as `pynvml` has it."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.celsius: dict[str, float | None] = {"0": 60, "GPU-b": 70}
        self.driver = True

    def nvmlInit(self) -> None:
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetHandleByIndex(self, number: int) -> str:
        return str(number)

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:
        return name

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        if self.celsius[handle] is None or not self.driver:
            raise self.NVMLError("Not Supported")
        return self.celsius[handle]

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")
        return 100_500


def test_cards_are_asked_and_what_they_cannot_say_is_unknown() -> None:
    library = Nvml()
    probe = probes.Nvml(["0", "GPU-b"], library)
    assert probe() == Reading(celsius=70, watts=201)
    library.celsius["0"] = None
    # the one that says nothing may be the hotter one
    assert probe() == Reading(watts=201, no_celsius="Not Supported")
    library.celsius["0"] = 50
    library.driver = False
    assert probe() == Reading(no_celsius="Not Supported", no_watts="Driver Not Loaded")
    assert probe() == Reading(no_celsius="Driver Not Loaded", no_watts="Driver Not Loaded")
    library.driver = True
    assert probe() == Reading(celsius=70, watts=201)


def test_a_machine_without_a_driver_has_no_readings() -> None:
    class Absent(Nvml):
        def nvmlInit(self) -> None:
            raise OSError("no such library")

    assert probes.Nvml(["0"], Absent())() == Reading(no_celsius="no such library", no_watts="no such library")
    reading = probes.probe_for(device())()
    assert reading.no_celsius == reading.no_watts == "the rig names neither `visible` nor `cores`"
    assert isinstance(probes.probe_for(device(visible="0")), probes.Nvml)
    assert isinstance(probes.probe_for(device(cores=(0,))), probes.Cpu)


def test_a_cpu_is_read_from_its_sensors_and_counters(tmp_path: Path) -> None:
    zones = {name: tmp_path / name / "energy_uj" for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0")}
    clock = iter([0.0, 2.0, 3.0, 4.0])

    def spend(*counts: int) -> None:
        for (_, path), count in zip(zones.items(), counts, strict=True):
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{count}\n")

    sensors = {
        "coretemp": [SimpleNamespace(current=50.0), SimpleNamespace(current=55.5)],
        "nvme": [SimpleNamespace(current=90.0)],
    }
    spend(1_000_000, 5_000_000, 0)
    cpu = probes.Cpu(tmp_path, lambda: sensors, lambda: next(clock))
    spend(21_000_000, 25_000_000, 10**9)
    assert cpu() == Reading(celsius=55.5, watts=20)
    # a counter that began again says nothing once
    spend(0, 26_000_000, 0)
    assert cpu().watts is None
    spend(1_000_000, 27_000_000, 0)
    assert cpu().watts == 2
    nothing = probes.Cpu(tmp_path / "no", lambda: {"nvme": sensors["nvme"]})()
    assert (nothing.celsius, nothing.watts) == (None, None)
    assert "no energy counter" in nothing.no_watts


def full() -> RigState:
    totals = Totals(starts=4, crashes=1, hot=2)
    totals.spent("mine", 10, 200.0)
    totals.spent("off", 5, None)
    # a machine that slept drew nobody knows what
    totals.spent("mine", 1000, 200.0)
    running = JobState(what="mine KAS", pid=77, started=NOW + 0.5, grace=20, log="x.log")
    devices = (
        DeviceState(name="gpu0", state="running", why="it pays", job=running, celsius=61, watts=200, totals=totals),
        DeviceState(name="cpu", state="off", why="nothing", job=None, celsius=None, watts=None, totals=Totals()),
    )
    times = {"since": NOW, "started": NOW + 1, "written": NOW + 2.5}
    return RigState(pid=5, plan="plan.json", ended={3: NOW + 2.0}, devices=devices, **times)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.read() is None
    home.write(full())
    assert home.read() == full()
    assert full().devices[0].totals.joules["mine"] == 2000
    assert full().devices[0].totals.seconds["mine"] == 1010


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (["version"], 2, r"version is 2; only version 1 is known"),
        (["pid"], 0, r"state: pid is 0; use a whole number of 1 or more"),
        (["devices", 0, "state"], "asleep", r"devices 0: state is 'asleep'; use one of off, running, stopping, stuck"),
        (["devices", 0, "job", "pid"], "77", r"devices 0: job: pid is '77'"),
        (["devices", 1, "totals", "seconds", "mine"], None, r"devices 1: totals: seconds: mine is None"),
        (["devices", 1, "name"], "gpu0", r"devices: two have one name"),
        (["ended", 0, "challenge"], -1, r"ended 0: challenge is -1"),
        (["more"], 1, r"no such entry: 'more'"),
    ],
)
def test_a_wrong_state_is_refused_by_name(place: list, value: object, reason: str) -> None:
    entries = json.loads(state.dumps(full()))
    within = entries
    for name in place[:-1]:
        within = within[name]
    within[place[-1]] = value
    with pytest.raises(DataError, match=reason):
        state.parse(from_json(json.dumps(entries), "state"))


def test_a_state_that_is_cut_off_anywhere_is_refused() -> None:
    text, draw = state.dumps(full()).rstrip(), random.Random(1)
    for _ in range(50):
        with pytest.raises(DataError):
            state.parse(from_json(text[: draw.randrange(len(text))], "state"))


def test_one_runner_a_rig(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "a"), Home(tmp_path / "b")
    assert not home.held()
    with home.alone():
        assert home.held()
        assert not other.held()
        with pytest.raises(AssayError, match=r"another runner of this rig works .*; end it first"), home.alone():
            pass
        assert home.held()
    assert not home.held()
    assert home.mark != other.mark


def test_another_file_is_another_rig(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one, other = (folder_for(tmp_path, tmp_path / name / "rig.toml") for name in (".", "a"))
    assert one != other
    assert one == folder_for(tmp_path, tmp_path / "a" / ".." / "rig.toml")
