"""A runner on a clock of its own, with jobs that are no processes: what is started, stopped and told, and when."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig_world import NOW, FakeJob, World, device, learn, mine, off, plan_of, rig_of
from trainer.errors import DataError
from trainer.rig.limits import Reading
from trainer.rig.stop import KILL_SECONDS


def world(folder: Path, *slots: object, **more: object) -> World:
    """A rig of one device with these slots."""
    return World(folder, rig_of(device(**more)), plan_of(gpu0=list(slots)))


def test_a_plan_is_done_slot_by_slot(tmp_path: Path) -> None:
    here = world(tmp_path, mine(5, 10), learn(10, 20), off(20, 25), mine(25, 30, "B", "light"))
    begun = {}
    for second in range(1, 40):
        here.until(second)
        begun.setdefault(len(here.jobs), second)
    assert here.what == ["mine KAS", "train for challenge 3", "mine B"]
    # a stop takes a look to be seen, and the next job begins in the same turn
    assert begun == {0: 1, 1: 5, 2: 11, 3: 25}
    assert not here.last.survivors()
    assert here.events("over") == ["the plan has nothing left to do: everything is off until there is another"]
    assert here.events("stopping")[0] == "gpu0: ceases to mine KAS: now it is to train for challenge 3"


def test_slots_of_one_job_are_one_job(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10), mine(10, 20, "B"), learn(20, 30), learn(30, 40), mine(40, 50))
    here.until(45)
    assert here.what == ["mine KAS", "train for challenge 3", "mine KAS"]


def test_devices_do_not_wait_for_each_other(tmp_path: Path) -> None:
    here = World(
        tmp_path,
        rig_of(device("a"), device("b"), device("c")),
        plan_of(a=[mine(0, 5), learn(5, 50)], b=[mine(0, 5), learn(5, 50)]),
    )
    here.make = lambda fake: setattr(fake, "obeys", {signal.SIGKILL} if fake.number == 1 else fake.obeys)
    here.until(10)
    assert [name for name, _ in here.jobs] == ["a", "b", "b"]
    here.until(30)
    assert [name for name, _ in here.jobs] == ["a", "b", "b", "a"]
    assert here.runner.devices[2].why == "it is in no plan"


def test_a_miner_that_does_not_die_is_killed(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 5), learn(5, 100))
    here.make = lambda fake: setattr(fake, "obeys", {signal.SIGKILL})
    here.until(24)
    assert here.what == ["mine KAS"]
    assert set(here.last.signals) == {signal.SIGTERM}
    here.until(27)
    assert here.jobs[0][1].signals[-1] == signal.SIGKILL
    assert here.what == ["mine KAS", "train for challenge 3"]
    assert here.events("killed") == ["gpu0: did not end in time, and was killed: process 1"]


def test_what_cannot_be_killed_blocks_its_device_until_it_is_gone(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 5), learn(5, 1000))
    here.make = lambda fake: setattr(fake, "obeys", set())
    here.until(500)
    assert here.what == ["mine KAS"]
    assert here.events("stuck") == [
        "gpu0: STUCK: process 1 cannot be killed; nothing else is started here until that is gone: end it by hand, or "
        "restart the machine"
    ]
    found = here.home.read()
    assert (found.devices[0].state, found.devices[0].job.what) == ("stuck", "mine KAS")
    assert 500 - 5 - 3 <= found.devices[0].totals.seconds["stop"] <= 500 - 5 + 3
    here.last.obeys = {signal.SIGKILL}
    here.until(503)
    assert here.events("gone") == ["gpu0: what was stuck is gone"]
    assert here.what == ["mine KAS", "train for challenge 3"]


def test_the_runner_ends_though_something_is_stuck_and_says_so(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device("a"), device("b")), plan_of(a=[mine(0, 99)], b=[learn(0, 99)]))
    here.make = lambda fake: setattr(fake, "obeys", set() if fake.number == 1 else {signal.SIGTERM})
    here.until(5)
    here.runner.ask_to_end("enough")
    here.runner.run()
    assert here.events("left") == ["LEFT RUNNING, as it cannot be killed: what is on a"]
    assert not here.last.survivors()
    # the miner's grace and what a kill is given, and no more
    assert here.clock.time <= 5 + 20 + KILL_SECONDS + 3
    assert here.home.read().devices[0].job is not None


def test_an_end_gives_each_its_grace_and_a_second_one_none(tmp_path: Path) -> None:
    here = world(tmp_path, learn(0, 1000))
    here.make = lambda fake: setattr(fake, "obeys", {signal.SIGKILL})
    here.until(5)
    here.runner.ask_to_end("enough")
    rest = here.clock.rest

    def again(seconds: float) -> None:
        rest(seconds)
        if here.clock.time == 50:
            assert signal.SIGKILL not in here.last.signals
            here.runner.ask_to_end("now")

    here.clock.rest = again
    here.runner.run()
    assert not here.last.survivors()
    assert 50 <= here.clock.time <= 53


def test_one_who_asks_once_after_the_plans_end_is_in_no_hurry(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device()), plan_of(gpu0=[learn(0, 10)]), until_end=True)
    here.make = lambda fake: setattr(fake, "obeys", {signal.SIGKILL})
    rest = here.clock.rest

    def asked(seconds: float) -> None:
        rest(seconds)
        if here.clock.time == 100:
            here.runner.ask_to_end("enough")

    here.clock.rest = asked
    here.runner.run()
    assert 300 <= here.clock.time <= 320


def test_what_breaks_the_loop_stops_everything_first(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device("a"), device("b")), plan_of(a=[mine(0, 99)], b=[learn(0, 99)]))

    def broken() -> Reading:
        if here.clock.time > 3:
            raise ZeroDivisionError
        return Reading()

    here.runner.devices[1]._probe = broken
    here.make = lambda fake: setattr(fake, "obeys", {signal.SIGKILL})
    with pytest.raises(ZeroDivisionError):
        here.runner.run()
    assert [fake.signals[0] for _, fake in here.jobs] == [signal.SIGTERM] * 2
    assert not any(fake.survivors() for _, fake in here.jobs)


def test_a_device_that_cannot_be_stopped_for_a_fault_of_ours_keeps_no_other_running(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device("a"), device("b")), plan_of(a=[mine(0, 99)], b=[learn(0, 99)]))
    here.until(5)

    def broken() -> list[int]:
        raise ZeroDivisionError

    here.jobs[0][1].survivors = broken
    here.jobs[1][1].obeys = {signal.SIGKILL}
    here.runner.ask_to_end("enough")
    with pytest.raises(ZeroDivisionError):
        here.runner.run()
    assert not here.last.survivors()


def test_a_fault_that_passes_leaves_nothing_running(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 99))
    here.until(5)
    miner, faults = here.last, iter([OSError(24, "too many open files")] * 3)
    honest = miner.survivors

    def look() -> list[int]:
        for fault in faults:
            raise fault
        return honest()

    miner.survivors = look
    here.runner.ask_to_end("enough")
    with pytest.raises(OSError, match="too many open files"):
        here.runner.run()
    assert miner.signals[0] == signal.SIGTERM
    assert miner.closed


def test_a_challenge_that_its_training_has_done_gives_its_slots_away(tmp_path: Path) -> None:
    here = world(tmp_path, learn(0, 100), mine(100, 200), learn(200, 300), mine(310, 400))
    here.until(10)
    here.last.exit = 0
    here.until(13)
    assert here.what == ["train for challenge 3", "mine KAS"]
    assert here.events("done") == ["gpu0: has done what there was to train for challenge 3"]
    here.until(205)
    # nothing begins early over the gap
    assert here.runner.devices[0].why == "challenge 3 has ended, and nothing follows at once"
    assert len(here.jobs) == 2
    here.until(315)
    assert here.what[2:] == ["mine KAS"]
    assert here.runner.devices[0].totals.crashes == 0
    # it is remembered
    here.clock.time = 50
    here.runner.stop()
    here.again()
    here.until(60)
    assert here.what[3:] == ["mine KAS"]
    assert here.home.read().ended == {3: NOW + 11}


def test_a_plan_made_later_knows_better_than_that_a_challenge_was_done(tmp_path: Path) -> None:
    here = world(tmp_path, learn(0, 100))
    here.until(10)
    here.last.exit = 0
    here.until(20)
    assert len(here.jobs) == 1
    here.write(plan_of(made=15, gpu0=[learn(0, 100), mine(100, 200)]))
    here.until(25)
    assert here.what == ["train for challenge 3"] * 2


def test_a_challenge_that_is_over_on_the_chain_gives_its_slots_away(tmp_path: Path) -> None:
    here = world(tmp_path, learn(0, 100), mine(100, 200))
    here.until(10)
    here.over = {3: "void", 4: "won"}
    here.until(15)
    assert here.what == ["train for challenge 3", "mine KAS"]
    assert here.events("ended") == ["challenge 3 is over (void): what follows begins"]
    here.write(plan_of(made=12, gpu0=[learn(0, 100), mine(100, 201)]))
    here.until(30)
    assert len(here.jobs) == 2
    # the chain took it back
    here.over = {}
    here.until(35)
    assert here.what[2:] == ["train for challenge 3"]


@pytest.mark.parametrize("code", [0, 1, -11])
def test_a_miner_that_ends_is_started_again_later_and_later(tmp_path: Path, code: int) -> None:
    here = world(tmp_path, mine(0, 10_000))
    here.make = lambda fake: setattr(fake, "exit", code)
    starts = []
    for second in range(1, 120):
        count = len(here.jobs)
        here.until(second)
        starts += [second] if len(here.jobs) > count else []
    # a turn to see that it ended, and pauses of 5, 10 and 20 s; the fourth crash in five minutes opens the breaker
    assert starts == [1, 7, 18, 39]
    crashes = here.events("crash")
    how = {0: "exit code 0: a command that mines has to stay in the foreground", 1: "exit code 1", -11: "signal 11"}
    assert crashes[0] == f"gpu0: failed to mine KAS after 1 s with {how[code]}; tries again in 5 s"
    assert crashes[3] == (f"gpu0: GIVES UP to mine KAS for 1000 s: it failed too often, the last time with {how[code]}")
    found = here.home.read().devices[0]
    assert (found.state, found.totals.starts, found.totals.crashes) == ("off", 4, 4)
    assert "GIVES UP" in found.why
    # one try after the rest, then another rest
    here.until(39 + 1 + 1000 + 500)
    assert len(here.jobs) == 5
    # another slot is another matter
    here.write(plan_of(gpu0=[learn(0, 10_000)]))
    here.make = lambda fake: None
    here.until(39 + 1 + 1000 + 505)
    assert here.what[5:] == ["train for challenge 3"]


def test_a_run_that_lasted_begins_with_the_first_pause_again(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10_000))
    for until in (2, 20):
        here.until(until)
        here.last.exit = 1
    here.until(200)
    here.last.exit = 1
    here.until(204)
    assert here.events("crash")[-1].endswith("tries again in 5 s")


def test_training_that_crashes_is_no_end_of_its_challenge(tmp_path: Path) -> None:
    here = world(tmp_path, learn(0, 10_000))
    here.until(2)
    here.last.exit = 1
    here.until(10)
    assert here.what == ["train for challenge 3"] * 2
    # an exit code of 0 after it was asked to end says nothing
    here.make = lambda fake: None
    here.write(plan_of(gpu0=[mine(0, 12), learn(12, 100)]))
    here.until(11)
    here.last.exit = 0
    here.until(20)
    assert here.runner.state().ended == {}


def test_a_command_that_is_not_there_is_tried_as_often_as_one_that_crashes(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10_000))
    here.fail = "heavy cannot be started (No such file or directory); check the command in the rig's file"
    here.until(900)
    assert len(here.events("crash")) == 4
    assert here.events("crash")[0] == (f"gpu0: failed to mine KAS after 0 s with {here.fail}; tries again in 5 s")


def test_what_a_crash_left_behind_is_ended_before_anything_is_started(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10_000))

    def leaves(fake: FakeJob) -> None:
        if fake.number == 1:
            fake.exit, fake.rest, fake.obeys = 1, [555], {signal.SIGKILL}

    here.make = leaves
    here.until(15)
    assert len(here.jobs) == 1
    assert here.last.signals[0] == signal.SIGTERM
    here.until(30)
    assert len(here.jobs) == 2
    assert here.jobs[0][1].signals[-1] == signal.SIGKILL


def test_what_gets_too_hot_is_stopped_and_goes_on_when_it_is_cool(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10_000), most_celsius=80.0, most_watts=250.0)
    here.readings["gpu0"] = Reading(celsius=70, watts=200)
    here.until(10)
    here.readings["gpu0"] = Reading(celsius=81, watts=200)
    here.until(12)
    assert not here.last.survivors()
    assert here.events("hot") == ["gpu0: TOO HOT: 81 °C, above its limit of 80 °C"]
    here.readings["gpu0"] = Reading(celsius=75, watts=20)
    here.until(200)
    assert len(here.jobs) == 1
    assert here.runner.state().devices[0].why == "81 °C, above its limit of 80 °C"
    here.readings["gpu0"] = Reading(celsius=69, watts=20)
    here.until(202)
    assert len(here.jobs) == 2
    totals = here.runner.devices[0].totals
    assert (totals.hot, totals.crashes, totals.starts) == (1, 0, 2)


def test_nothing_is_started_on_what_is_too_hot_already(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10_000), most_celsius=80.0)
    here.readings["gpu0"] = Reading(celsius=95)
    here.until(50)
    assert here.jobs == []


def test_sensors_that_cannot_be_read_are_said_once(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 10_000), most_celsius=80.0)
    here.readings["gpu0"] = Reading(no_celsius="no driver")
    here.until(50)
    assert here.events("sensor") == [
        "gpu0: its temperature cannot be read (no driver): its limit of 80 °C is not watched"
    ]
    assert here.last.survivors()


def test_energy_is_summed_where_it_is_measured(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 100), learn(100, 200))
    here.readings["gpu0"] = Reading(watts=100)
    here.until(50)
    here.readings["gpu0"] = Reading()
    here.until(150)
    totals = here.runner.devices[0].totals
    # of the turn in which it began nothing counts as mining
    assert totals.joules["mine"] == pytest.approx(100 * 49)
    assert totals.measured["mine"] == 49
    assert totals.seconds["mine"] == pytest.approx(99, abs=1)
    assert (totals.joules["train"], totals.measured["train"]) == (0, 0)
    assert sum(totals.seconds.values()) == 150


def test_sums_go_on_after_a_restart(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 100))
    here.until(50)
    here.runner.stop()
    since = here.home.read().since
    here.clock.time = 80
    here.again()
    here.until(90)
    found = here.runner.state()
    # what passed between is nobody's
    assert found.devices[0].totals.seconds["mine"] == pytest.approx(49 + 9, abs=1)
    assert (found.since, found.started) == (since, NOW + 80)


def test_what_an_earlier_runner_left_is_known_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world(tmp_path, mine(0, 1000))
    here.until(5)
    left = here.last
    left.obeys = set()
    before = here.home.read().devices[0].job
    monkeypatch.setattr("trainer.rig.runner.Orphans", lambda rig, name, traces: left if traces else here.last)
    # killed, and started again, and again
    for start in (10, 100):
        here.clock.time = start
        here.again()
        here.until(start + 60)
        assert here.events("stuck")
        assert here.home.read().devices[0].job == before
        assert len(here.jobs) == 1
    # whoever its parent is has collected it
    left.closed = True
    here.until(200)
    assert here.what == ["mine KAS"] * 2
    assert here.home.read().devices[0].job.pid == here.last.trace.pid != before.pid


def test_a_plan_that_is_replaced_in_the_middle_of_a_slot(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 100))
    here.until(10)
    here.write(plan_of(gpu0=[mine(0, 30), learn(30, 40)]))
    here.until(12)
    # the same job goes on
    assert len(here.jobs) == 1
    assert here.events("plan") == [f"follows the new plan in {here.path}"]
    here.write(plan_of(gpu0=[mine(0, 30, "B", "light"), learn(30, 40)]))
    here.until(15)
    assert here.what == ["mine KAS", "mine B"]
    here.write(plan_of(gpu0=[]))
    here.until(20)
    assert not here.last.survivors()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        ('{"version": 2}', "version"),
        (None, "no command to mine KAS with odd"),
    ],
)
def test_a_bad_plan_is_refused_once_and_the_old_one_goes_on(tmp_path: Path, text: str | None, reason: str) -> None:
    here = world(tmp_path, mine(0, 100), learn(100, 200))
    here.until(10)
    if text is None:
        here.write(plan_of(gpu0=[mine(0, 100, "KAS", "odd")]))
    else:
        here.path.write_text(text)
    here.until(20)
    (said,) = here.events("plan")
    assert said.startswith("the new plan is refused, and the old one goes on: ")
    assert reason in said
    here.path.unlink()
    here.until(105)
    assert here.what == ["mine KAS", "train for challenge 3"]
    assert here.events("plan")[1:] == [f"{here.path} is gone; the plan that was read goes on"]
    here.write(plan_of(gpu0=[off(0, 200)]))
    here.until(110)
    assert not here.last.survivors()


def test_a_first_plan_that_is_bad_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no command to mine KAS with odd"):
        world(tmp_path, mine(0, 100, "KAS", "odd"))
    with pytest.raises(DataError, match="no device 'gpu0'; the rig has none"):
        World(tmp_path, rig_of(), plan_of(gpu0=[mine(0, 10)]))


def test_a_plan_without_devices_leaves_everything_off(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device()), plan_of(), until_end=True)
    here.runner.run()
    assert here.jobs == []
    assert here.events("over") == ["the plan has nothing left to do: ends"]
    assert here.home.read().devices[0].state == "off"


def test_no_devices_are_no_reason_to_fail(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(), plan_of(), until_end=True)
    here.runner.run()
    assert here.home.read().devices == ()


def test_it_ends_with_the_plan_if_it_is_told_to(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device()), plan_of(gpu0=[mine(0, 10), learn(10, 99)]), until_end=True)
    here.make = lambda fake: setattr(fake, "exit", 0) if fake.number == 2 else None
    here.runner.run()
    # nothing is left once the challenge is done
    assert here.clock.time < 20
    assert not here.last.survivors()


def test_a_disk_that_is_full_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world(tmp_path, mine(0, 50), learn(50, 100))

    def full(*_: object) -> None:
        raise DataError("no space left")

    here.until(5)
    monkeypatch.setattr(here.home.__class__, "write", full)
    monkeypatch.setattr(here.runner.logs.__class__, "trim", full)
    here.until(60)
    assert here.what == ["mine KAS", "train for challenge 3"]
    assert sorted(set(here.events("trouble"))) == ["no space left"]
    # of the state, and of each of two logs
    assert len(here.events("trouble")) == 3
    monkeypatch.undo()
    here.until(70)
    assert here.home.read().devices[0].job.what == "train for challenge 3"


def test_a_state_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 50))
    here.home.path.write_text('{"version": 1}')
    with pytest.raises(DataError, match=r"state.json: pid is missing"):
        here.again()


def test_a_clock_that_is_set_back_is_followed_and_sums_are_not(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 50), learn(50, 100))
    here.until(60)
    elapsed = here.clock.elapsed
    here.clock.elapsed = lambda: elapsed() + 1000
    here.clock.time = 10
    here.runner.turn()
    here.runner.turn()
    assert here.what == ["mine KAS", "train for challenge 3", "mine KAS"]
    assert all(seconds >= 0 for seconds in here.runner.devices[0].totals.seconds.values())


def test_a_job_is_looked_at_now_and_then(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 500))
    here.until(101)
    assert 9 <= here.last.looks <= 10


def test_slots_of_unknown_devices_are_refused_in_a_new_plan_too(tmp_path: Path) -> None:
    here = world(tmp_path, mine(0, 50))
    here.until(5)
    here.write(replace(plan_of(gpu0=[mine(0, 50)], gpu9=[off(0, 1)])))
    here.until(7)
    assert "no device 'gpu9'; the rig has gpu0" in here.events("plan")[0]


def test_what_is_done_under_a_plan_of_a_clock_that_is_ahead_is_done(tmp_path: Path) -> None:
    here = World(tmp_path, rig_of(device("gpu0")), plan_of(made=10**6, gpu0=[learn(0, 100), mine(100, 200)]))
    here.until(10)
    here.last.exit = 0
    here.until(20)
    assert here.what == ["train for challenge 3", "mine KAS"]
