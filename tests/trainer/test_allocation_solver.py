"""The program's plan against every other, against plans made by hand, and against what the rules say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from tests.allocation_instances import MINE, NEVER, TRAIN, instances, schedules
from trainer.allocation.baselines import BASELINES
from trainer.allocation.instance import OFF, Activity, Instance, Job, Machine, Network, Schedule, Speed
from trainer.allocation.model import LINEAR_SHARE, Impossible, solve
from trainer.allocation.value import finish, violations, worth

C0, C1, J0, J1 = Activity(MINE, 0), Activity(MINE, 1), Activity(TRAIN, 0), Activity(TRAIN, 1)
SMALLEST = 5_000
"""Schedules that are tried one by one, at most."""


def slack(instance: Instance, profit: float) -> float:
    """What rounding, and paying small shares as if each were alone, can make of a profit."""
    mined = sum(
        max((network.income(slot, 10.0) for network in instance.networks), default=0.0)
        for slot in range(instance.slots)
    )
    return LINEAR_SHARE * (1 + abs(profit) + mined)


def alone(
    *, pays: tuple[float, ...] = (), kwh: tuple[float, ...] = (), jobs: tuple[Job, ...] = (), **changes: object
) -> Instance:
    """One machine that mines one coin by itself, at 1000 W where it works."""
    slots = len(pays) or len(kwh) or len(jobs[0].gains)
    network = Network(coin="C", algorithm="a", rate=np.full(slots, 1e12), pays=np.array(pays or (0.0,) * slots) * 1e12)
    ways = {C0: Speed(rate=1.0, watts=1000.0)} | {
        Activity(TRAIN, number): Speed(rate=0.5, watts=1000.0) for number in range(len(jobs))
    }
    machine = Machine(name="m", idle_watts=0.0, ways=ways)
    machine = replace(machine, **{name: changes.pop(name) for name in ("lost", "doing", "held") if name in changes})  # type: ignore[arg-type]
    return replace(
        Instance(
            start=0,
            step=3600,
            kwh=np.array(kwh or (0.0,) * slots),
            machines=(machine,),
            networks=(network,),
            jobs=jobs,
        ),
        **changes,  # type: ignore[arg-type]
    )


def job(*gains: float, challenge: int = 0, at_risk: float = 1.0, done: float = 0.0, opens: int = 0) -> Job:
    return Job(challenge=challenge, preset="p", opens=opens, gains=np.array(gains), at_risk=at_risk, done=done)


def best(instance: Instance) -> Schedule:
    found = solve(instance)
    assert found is not None
    assert violations(instance, found.schedule) == []
    return found.schedule


def row(instance: Instance) -> list[Activity]:
    return list(best(instance).activities[0])


@settings(max_examples=200)
@given(instance=instances(slots=(1, 8), machines=3))
def test_no_plan_by_hand_is_better(instance: Instance) -> None:
    found = solve(instance)
    assert found is not None
    assert violations(instance, found.schedule) == []
    profit = worth(instance, found.schedule).profit
    allowed = slack(instance, profit)
    assert profit == pytest.approx(found.objective, abs=allowed)
    assert found.gap <= allowed
    for name, make in BASELINES.items():
        other = make(instance)
        assert violations(instance, other) == [], name
        assert worth(instance, other).profit <= profit + allowed, name


@settings(max_examples=100)
@given(instance=instances(slots=(1, 4), machines=2))
def test_no_plan_at_all_is_better(instance: Instance) -> None:
    count = np.prod([(1 + len(machine.ways)) ** instance.slots for machine in instance.machines])
    while count > SMALLEST:
        instance = _shorter(instance)
        count = np.prod([(1 + len(machine.ways)) ** instance.slots for machine in instance.machines])
    profits = [worth(instance, each).profit for each in schedules(instance) if not violations(instance, each)]
    profit = worth(instance, best(instance)).profit
    assert profit == pytest.approx(max(profits), abs=slack(instance, profit))


def _shorter(instance: Instance) -> Instance:
    """Without the last slot."""
    end = instance.slots - 1
    return replace(
        instance,
        kwh=instance.kwh[:end],
        networks=tuple(replace(each, rate=each.rate[:end], pays=each.pays[:end]) for each in instance.networks),
        jobs=tuple(replace(each, gains=each.gains[:end], opens=min(each.opens, end)) for each in instance.jobs),
    )


def test_it_mines_where_that_pays_the_electricity() -> None:
    assert row(alone(pays=(1.0, 1.0, 1.0), kwh=(0.5, 1.5, 0.5))) == [C0, OFF, C0]


def test_paid_for_electricity_is_used_up() -> None:
    # a coin that is worth nothing, and 1 kWh an hour that is paid for
    assert row(alone(pays=(0.0, 0.0), kwh=(-0.1, 0.1))) == [C0, OFF]
    paid = alone(pays=(0.0,), kwh=(-0.1,))
    assert worth(paid, best(paid)).profit == pytest.approx(0.1)


def test_a_change_costs_what_is_lost_in_it() -> None:
    # an hour off saves 0.5, and coming back loses 0.6 of the next hour
    prices = (0.0, 1.5, 0.0)
    assert row(alone(pays=(1.0,) * 3, kwh=prices, doing=frozenset({C0}))) == [C0, OFF, C0]
    assert row(alone(pays=(1.0,) * 3, kwh=prices, doing=frozenset({C0}), lost=0.6)) == [C0] * 3
    # who does not mine yet loses it at the start, who does not
    short = alone(pays=(1.0,), kwh=(0.5,), lost=0.6)
    assert row(short) == [OFF]
    assert row(replace(short, machines=(replace(short.machines[0], doing=frozenset({C0})),))) == [C0]


def test_what_is_begun_is_held() -> None:
    prices = (1.5, 0.9, 1.2, 0.9, 1.2)
    held = alone(pays=(1.0,) * 5, kwh=prices, hold=2)
    assert row(alone(pays=(1.0,) * 5, kwh=prices)) == [OFF, C0, OFF, C0, OFF]
    # an hour at a time loses more in the next than it gains, but the last one ends with the plan
    assert row(replace(held, kwh=np.array((1.5, 0.9, 1.2, 1.2, 0.9)))) == [OFF, OFF, OFF, OFF, C0]
    now = replace(held, machines=(replace(held.machines[0], doing=frozenset({C0}), held=0),))
    assert row(now)[:2] == [C0, C0]
    assert row(replace(held, machines=(replace(held.machines[0], doing=frozenset({C0}), held=1),)))[:1] == [C0]
    assert row(replace(held, machines=(replace(held.machines[0], doing=frozenset({C0}), held=2),)))[:1] == [OFF]


def test_a_job_is_done_whole_or_not_at_all() -> None:
    # two hours are needed, each costs 1
    assert row(alone(kwh=(1.0,) * 3, jobs=(job(3.0, 3.0, 3.0),))).count(J0) == 2
    assert row(alone(kwh=(1.0,) * 3, jobs=(job(1.9, 1.9, 1.9),))) == [OFF] * 3
    # too late after the first hour
    assert row(alone(kwh=(1.0,) * 3, jobs=(job(30.0, NEVER, NEVER),))) == [OFF] * 3
    # half of it is done already
    assert row(alone(kwh=(1.0,) * 3, jobs=(job(30.0, NEVER, NEVER, done=0.5),))) == [J0, OFF, OFF]
    # and one that is done needs no hour
    ready = alone(kwh=(1.0,) * 3, jobs=(job(3.0, 2.0, 1.0, done=1.0),))
    assert row(ready) == [OFF] * 3
    assert best(ready).entered == {0}
    assert worth(ready, best(ready)).profit == 3


def test_training_gives_way_to_an_hour_that_pays_more() -> None:
    # mining pays 9 in the second hour; the job can wait, and is worth 4 an hour
    instance = alone(pays=(1.0, 9.0, 1.0), jobs=(job(8.0, 8.0, 8.0),))
    assert row(instance) == [J0, C0, J0]
    # coming back to it would lose most of the last hour, and the job would not be done
    instance = alone(pays=(1.0, 9.0, 1.0), jobs=(job(80.0, 80.0, 80.0),), lost=0.9, doing=frozenset({J0}))
    assert row(instance) == [J0, J0, C0]


def test_an_earlier_end_is_worth_what_it_gains() -> None:
    early = alone(pays=(1.0, 1.0, 3.0, 1.0), jobs=(job(9.0, 9.0, 9.0, 9.0),))
    assert row(early) == [J0, J0, C0, C0] or row(early).count(J0) == 2
    # rivals come: each hour that the commit is later costs 3
    assert row(alone(pays=(2.0, 3.0, 0.0, 0.0), jobs=(job(12.0, 12.0, 8.0, 4.0),)))[:2] == [J0, J0]
    assert row(alone(pays=(2.0, 3.0, 0.0, 0.0), jobs=(job(12.0, 12.0, 12.0, 12.0),))) == [C0, C0, J0, J0]


def test_bonds_are_limited_and_a_challenge_is_entered_once() -> None:
    ready = (job(5.0, done=1.0, at_risk=2.0), job(4.0, challenge=1, done=1.0), job(3.0, challenge=2, done=1.0))
    assert best(alone(jobs=ready)).entered == {0, 1, 2}
    assert best(alone(jobs=ready, most_at_risk=3.0)).entered == {0, 1}
    assert best(alone(jobs=ready, most_at_risk=2.0)).entered == {1, 2}
    assert best(alone(jobs=ready, most_at_risk=0.5)).entered == set()
    twice = (job(5.0, done=1.0), job(6.0, done=1.0))
    assert best(alone(jobs=twice)).entered == {1}


def test_power_is_limited_over_all_machines() -> None:
    network = Network(coin="C", algorithm="a", rate=np.full(2, 1e12), pays=np.full(2, 1e12))
    machines = tuple(
        Machine(name=f"m{n}", idle_watts=10.0, ways={C0: Speed(rate=1.0 + n, watts=200.0)}) for n in range(3)
    )
    limited = Instance(start=0, step=3600, kwh=np.zeros(2), machines=machines, networks=(network,), most_watts=420.0)
    # the two that earn most, beside one that is off
    assert best(limited).activities == ((OFF, OFF), (C0, C0), (C0, C0))
    with pytest.raises(Impossible, match="limits of power"):
        solve(replace(limited, most_watts=29.0))


def test_devices_share_a_network_that_they_dilute() -> None:
    # alone each would earn half of all blocks, 1, and pay 0.4 for power: together each earns a third, 0.67 less 0.4
    small = Network(coin="C", algorithm="a", rate=np.ones(1), pays=np.full(1, 2.0))
    machines = tuple(Machine(name=f"m{n}", idle_watts=0.0, ways={C0: Speed(rate=1.0, watts=400.0)}) for n in range(2))
    shared = Instance(start=0, step=3600, kwh=np.ones(1), machines=machines, networks=(small,))
    # the second adds 2/3 * 2 - 1 = 0.33 of income, and takes 0.4
    assert [each[0] for each in best(shared).activities].count(C0) == 1
    cheaper = replace(shared, kwh=np.full(1, 0.8))
    assert [each[0] for each in best(cheaper).activities].count(C0) == 2
    assert worth(cheaper, best(cheaper)).mined == pytest.approx(4 / 3)


def test_one_job_moves_between_machines_of_different_speed() -> None:
    slow = Machine(name="slow", idle_watts=0.0, ways={J0: Speed(rate=0.25, watts=0.0)})
    fast = Machine(name="fast", idle_watts=0.0, ways={J0: Speed(rate=0.5, watts=0.0), C0: Speed(rate=1.0, watts=0.0)})
    network = Network(coin="C", algorithm="a", rate=np.full(3, 1e12), pays=np.array((0.0, 9.0, 0.0)) * 1e12)
    instance = Instance(
        start=0, step=3600, kwh=np.zeros(3), machines=(slow, fast), networks=(network,), jobs=(job(5.0, 5.0, 5.0),)
    )
    # the fast one mines in the good hour; the slow one alone would need four
    chosen = best(instance)
    assert chosen.activities[1] == (J0, C0, J0)
    assert finish(instance, chosen, 0) == 2


def test_nothing_is_planned_for_no_devices_or_no_time() -> None:
    for empty in (alone(pays=(1.0,), machines=()), replace(alone(pays=(1.0,)), kwh=np.zeros(0))):
        found = solve(empty)
        assert found is not None
        assert (found.objective, found.gap) == (0, 0)


def test_what_is_fixed_stays() -> None:
    instance = alone(pays=(1.0, 1.0, 1.0))
    found = solve(instance, fixed={(0, 1): {OFF}})
    assert found is not None
    assert found.schedule.activities[0] == (C0, OFF, C0)


RULES = alone(pays=(1.0,) * 3, jobs=(job(5.0, 5.0, NEVER), job(5.0, 5.0, 5.0)), hold=2, most_watts=900.0)


@pytest.mark.parametrize(
    ("activities", "entered", "changes", "said"),
    [
        (((C1, C1, C1),), (), {}, "m cannot mine 1"),
        (((OFF, OFF, J0),), (0,), {}, "job 0 cannot be trained in slot 2"),
        (((J0, J0, OFF),), (), {}, "job 0 is trained and not entered"),
        (((C0, C0, C0),), (), {}, "slot 0 draws 1000 W of 900"),
        (((J1, J1, OFF),), (1,), {"most_at_risk": 0.5}, "1 is at risk, of 0.5"),
        (((OFF, OFF, J1),), (1,), {}, "job 1 is entered and not complete"),
        (((J1, J1, OFF),), (0, 1), {}, "a challenge is entered twice"),
        (((C0, OFF, OFF),), (), {"most_watts": np.inf}, "m does mine 0 for 1 slots from 0 on"),
        (((OFF, OFF),), (), {}, "it is for other machines or slots"),
        ((), (), {}, "it is for other machines or slots"),
    ],
)
def test_a_broken_rule_is_named(
    activities: tuple[tuple[Activity, ...], ...], entered: tuple[int, ...], changes: dict[str, float], said: str
) -> None:
    instance = replace(RULES, **changes)  # type: ignore[arg-type]
    assert said in violations(instance, Schedule(activities, frozenset(entered)))


def test_two_machines_do_not_train_one_job_at_once() -> None:
    twins = replace(RULES, machines=RULES.machines * 2, most_watts=np.inf)
    both = Schedule(((J1, OFF, OFF),) * 2, frozenset({1}))
    assert "two machines train job 1 in slot 0" in violations(twins, both)


def test_leaving_before_the_time_is_named() -> None:
    begun = replace(RULES, machines=(replace(RULES.machines[0], doing=frozenset({C0}), held=0),), most_watts=np.inf)
    assert violations(begun, Schedule(((OFF, OFF, OFF),))) == ["m leaves what it does before its time"]
    assert violations(begun, Schedule(((C0, C0, OFF),))) == []
