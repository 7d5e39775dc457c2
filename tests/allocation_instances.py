"""Small things to plan, drawn at random, and every schedule of the smallest ones."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from hypothesis import strategies as st

from trainer.allocation.instance import OFF, Activity, Instance, Job, Machine, Network, Schedule, Speed
from trainer.allocation.plan import Do

MINE, TRAIN = Do.MINE, Do.TRAIN
NEVER = -np.inf


@st.composite
def instances(
    draw: st.DrawFn, *, slots: tuple[int, int], machines: int, networks: int = 2, jobs: int = 2, holds: int = 3
) -> Instance:
    """Machines, coins, jobs and prices of any kind: dear and paid-for electricity, own networks, limits that bind."""
    count = draw(st.integers(*slots))
    money = st.floats(0, 4).map(lambda value: round(value, 3))
    series = st.lists(money, min_size=count, max_size=count)
    coins = tuple(
        Network(
            coin=f"C{number}",
            algorithm=f"a{number}",
            # from a network of one's own to one in which nobody is noticed
            rate=np.full(count, draw(st.sampled_from([0.5, 3.0, 1e3, 1e9]))),
            pays=np.array(draw(series)),
        )
        for number in range(draw(st.integers(0, networks)))
    )
    coins = tuple(
        # so that what a machine earns is of the same order whatever the network
        Network(coin=c.coin, algorithm=c.algorithm, rate=c.rate, pays=c.pays * (1 + c.rate))
        for c in coins
    )
    work = tuple(_job(draw, count, number) for number in range(draw(st.integers(0, jobs))))
    hold = draw(st.integers(1, holds))
    rigs = tuple(_machine(draw, number, coins, work, hold) for number in range(draw(st.integers(0, machines))))
    least = sum(machine.idle_watts for machine in rigs)
    most = draw(st.sampled_from([np.inf, 400.0, 900.0]))
    # what is forced must fit
    forced = sum(
        max(machine.watts(each) for each in machine.doing if each == OFF or each in machine.ways)
        if machine.forced(hold)
        else machine.idle_watts
        for machine in rigs
    )
    return Instance(
        start=0,
        step=3600,
        kwh=np.array(draw(st.lists(st.sampled_from([-1.0, 0.0, 0.3, 2.0, 6.0]), min_size=count, max_size=count))),
        machines=rigs,
        networks=coins,
        jobs=work,
        hold=hold,
        most_at_risk=draw(st.sampled_from([0.0, 1.0, 3.0, np.inf])),
        most_watts=max(most, least, forced),
    )


def _job(draw: st.DrawFn, slots: int, number: int) -> Job:
    gains = np.sort(draw(st.lists(st.floats(-2, 12), min_size=slots, max_size=slots)))[::-1].round(3)
    closes = draw(st.integers(0, slots))
    gains[closes:] = NEVER
    return Job(
        challenge=draw(st.integers(0, 1)) if number else 0,
        preset="p",
        opens=draw(st.integers(0, slots - 1)),
        gains=gains,
        at_risk=draw(st.sampled_from([0.5, 1.0, 2.0])),
        done=draw(st.sampled_from([0.0, 0.0, 0.4, 1.0])),
    )


def _machine(draw: st.DrawFn, number: int, coins: tuple[Network, ...], jobs: tuple[Job, ...], hold: int) -> Machine:
    ways = {
        **{
            Activity(MINE, each): Speed(rate=draw(st.sampled_from([0.5, 1.0, 2.0])), watts=draw(_watts))
            for each in range(len(coins))
            if draw(st.booleans())
        },
        **{
            Activity(TRAIN, each): Speed(rate=draw(st.sampled_from([0.2, 1 / 3, 0.5, 1.0, 1.5])), watts=draw(_watts))
            for each in range(len(jobs))
            if draw(st.booleans())
        },
    }
    return Machine(
        name=f"m{number}",
        idle_watts=draw(st.sampled_from([0.0, 20.0, 60.0])),
        lost=draw(st.sampled_from([0.0, 0.0, 0.25, 1.0])),
        ways=ways,
        doing=frozenset({draw(st.sampled_from([OFF, *ways]))}),
        held=draw(st.integers(0, hold)),
    )


_watts = st.sampled_from([0.0, 100.0, 250.0])


def schedules(instance: Instance) -> Iterator[Schedule]:
    """Every one, with what it trains entered, and any jobs that are done already besides."""
    choices = [[OFF, *machine.ways] for machine in instance.machines for _ in range(instance.slots)]
    ready = [number for number, job in enumerate(instance.jobs) if job.done >= 1]
    for chosen in product(*choices):
        rows = tuple(
            tuple(chosen[each * instance.slots : (each + 1) * instance.slots]) for each in range(len(instance.machines))
        )
        trained = frozenset(activity.which for activity in chosen if activity.do is TRAIN)
        for extra in product(*([False, True] for _ in ready)):
            more = {number for number, wanted in zip(ready, extra, strict=True) if wanted}
            yield Schedule(rows, trained | more)
