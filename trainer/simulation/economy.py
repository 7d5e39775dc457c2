"""The hours of an economy: who mines, who trains for what, when seals are made, and who is paid.

The rules, all of them on whole numbers (see `trainer.simulation.population`):

1. An hour of mining gives a rig its hash rate's share of what the coin pays at the present difficulty, less
   electricity. Difficulty follows the hash rate with a lag. Who would lose by mining is off.
2. An hour of training costs what mining would have given, if anything, and electricity: the opportunity cost. Rigs
   expect the present prices to last.
3. A model is worth its chance to win times the reward as of its seal, less fee, gas, what a mishap may cost, and what
   the locked bond would earn elsewhere. Beliefs on rivals are rational: they are who really is at work or sealed.
   Under FIRST everyone who will have sealed before counts, under BEST everyone.
4. In each hour each challenge gets at most one more trainer: of those that gain by it, who gains most.
5. Where the reward rises and the lowest seal wins, the cheapest waits until the reward meets the costs of the second
   cheapest, or until no time is left; with costs in view nobody undercuts it. Others wait for their own costs.
6. Who trains looks again every hour, and stops once the hours to come cost more than they are expected to bring;
   likewise before the seal.
7. At the close the lowest seal (FIRST) or the highest score (BEST) that reaches the threshold wins the reward as of its
   seal. A leading claim that meets a mishap loses its bond, and the next one leads. The rest returns to the poster.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trainer.simulation.population import ENTRANTS, LONGEST, Challenges, Ints, Rigs, Whole, World

NONE, WORKS, SEALED, STOPPED = 0, 1, 2, 3
SHIFT = 20
INDEX = 1 << 20
"""More than there are rigs: a number and the rig that it belongs to in one word, so that a minimum finds both."""
CHUNK = 730
"""Hours that one call computes: a month."""
FAR = 1 << 42
"""More money than anything costs."""

Progress = Callable[[int, int], None]


class Slots(NamedTuple):
    """The open challenges: who works for them. Shape (slots, ENTRANTS) unless it says otherwise.

    hours:  each rig would need, shape (slots, rigs).
    rig, done, seals_at: who, when the model is done, when it will be sealed.
    state:  NONE, WORKS (also while it waits with its model), SEALED, STOPPED.
    spent:  opportunity cost so far; trained: hours.
    floors: least and second least cost of a model when it opened, shape (slots, 2).
    """

    hours: Whole
    rig: Whole
    done: Whole
    seals_at: Whole
    state: Whole
    spent: Whole
    trained: Whole
    floors: Whole


ENTRIES = ("rig", "done", "seals_at", "state", "spent", "trained")
"""What `Slots` holds of each entrant."""


class Ledger(NamedTuple):
    """Where money came from and went, in sums over all time.

    issued: by the coin, of which `dust` was too small to share out; posters: paid by posters, net of what returned.
    """

    issued: Whole
    dust: Whole
    posters: Whole
    electricity: Whole
    fees: Whole
    gas: Whole
    bonds: Whole
    interest: Whole


class Purses(NamedTuple):
    """One entry a rig: money gained, of that by challenges; hours of each activity; until when it trains."""

    wealth: Whole
    by_training: Whole
    mined: Whole
    trained: Whole
    off: Whole
    busy: Whole


class Outcomes(NamedTuple):
    """One entry a challenge, as of its close; -1 where there is none.

    winner, paid, sealed: rig, money, and the hour of its seal.
    entrants, seals, stopped, refused: how many began, sealed, gave up, and found no room.
    spent, hours: of all who trained; winner_spent, winner_hours: of the winner.
    least, second: lowest and second lowest cost of a model when it opened.
    score: of the winner; bonds: lost.
    """

    winner: Whole
    paid: Whole
    sealed: Whole
    entrants: Whole
    seals: Whole
    stopped: Whole
    spent: Whole
    hours: Whole
    winner_spent: Whole
    winner_hours: Whole
    least: Whole
    second: Whole
    score: Whole
    bonds: Whole


class State(NamedTuple):
    """Everything that changes from hour to hour; `worst`: least that training was ever expected to bring."""

    difficulty: Whole
    purses: Purses
    slots: Slots
    ledger: Ledger
    outcomes: Outcomes
    worst: Whole


class Hour(NamedTuple):
    """What is noted of each hour: difficulty, hash rate, rigs by activity, and the lowest cost of training.

    cheapest: money for 1000 units of work, of the cheapest rig that watches.
    """

    difficulty: Whole
    hash: Whole
    mining: Whole
    training: Whole
    cheapest: Whole


class Given(NamedTuple):
    """What every hour is computed from."""

    rigs: Rigs
    challenges: Challenges
    seal_gas: int
    win_gas: int
    lag: int


for _kind in (Rigs, Challenges):
    jax.tree_util.register_dataclass(_kind)


def run(
    world: World, *, compiled: bool = True, chunk: int = CHUNK, progress: Progress | None = None
) -> tuple[State, Hour]:
    """Simulate all hours of a world.

    compiled: False computes operation by operation, the same numbers, slowly.
    chunk:    hours a call; any gives the same.
    progress: called with hours done and hours in all.

    Returns the last state, and `Hour` with arrays of shape (hours,); all as NumPy arrays of 64-bit integers.
    """
    hours = len(world.subsidy)
    noted: list[Hour] = []
    # money needs 64 bits; elsewhere in this package JAX has 32
    with jax.enable_x64(True):
        given = Given(world.rigs, world.challenges, world.seal_gas, world.win_gas, world.lag)
        given = jax.tree.map(partial(jnp.asarray, dtype=jnp.int64), given)
        state = _start(world)
        for start in range(0, hours, chunk):
            times = np.arange(start, min(start + chunk, hours))
            part = (times, world.subsidy[times], world.swing[times], world.slots[times], world.slots[times - 1])
            if start == 0:
                part[4][0] = -1
            if compiled:
                state, hour = _chunk(given, state, part)
            else:
                with jax.disable_jit():
                    state, hour = lax.scan(partial(_step, given), state, jax.tree.map(jnp.asarray, part))
            noted.append(jax.tree.map(np.asarray, hour))
            if progress is not None:
                progress(int(times[-1]) + 1, hours)
        return jax.tree.map(np.asarray, state), jax.tree.map(lambda *parts: np.concatenate(parts), *noted)


@jax.jit
def _chunk(given: Given, state: State, part: tuple[Ints, ...]) -> tuple[State, Hour]:
    return lax.scan(partial(_step, given), state, part)


def _start(world: World) -> State:
    rigs, slots, challenges = len(world.rigs.hash), world.slots.shape[1], len(world.challenges.work)

    def whole(*shape: int, value: int = 0) -> Array:
        return jnp.full(shape, value, jnp.int64)

    return State(
        # as if all had mined before
        difficulty=jnp.int64(world.rigs.hash.sum()),
        purses=Purses(*(whole(rigs) for _ in Purses._fields)),
        slots=Slots(
            hours=jnp.full((slots, rigs), LONGEST, jnp.int32),
            floors=whole(slots, 2, value=-1),
            **{name: whole(slots, ENTRANTS) for name in ENTRIES},
        ),
        ledger=Ledger(*(whole() for _ in Ledger._fields)),
        outcomes=Outcomes(*(whole(challenges, value=-1) for _ in Outcomes._fields)),
        worst=jnp.int64(FAR),
    )


class Terms(NamedTuple):
    """Of the challenge in each slot, shape (slots, 1); `number` is -1 where there is none."""

    number: Whole
    open: Whole
    last: Whole
    work: Whole
    reward: Whole
    rise: Whole
    best: Whole
    waits: Whole
    bond: Whole
    fee: Whole
    seal_cost: Whole
    interest: Whole
    hold: Whole


def _terms(given: Given, number: Array, now: Array) -> Terms:
    all_of = given.challenges
    if not all_of.work.shape[0]:
        empty = jnp.zeros((len(number), 1), jnp.int64)
        return Terms(empty - 1, empty > 0, *(empty for _ in Terms._fields[2:]))
    index = jnp.maximum(number, 0)

    def of(values: Array) -> Array:
        return values[index][:, None]

    closes = of(all_of.closes)
    return Terms(
        number=number[:, None].astype(jnp.int64),
        open=(number[:, None] >= 0) & (now < closes),
        last=closes - 1,
        work=of(all_of.work),
        reward=of(all_of.reward),
        rise=of(all_of.rise),
        best=of(all_of.best),
        waits=of(all_of.waits),
        bond=of(all_of.bond),
        fee=of(all_of.fee),
        seal_cost=of(all_of.seal_cost),
        interest=of(all_of.interest),
        hold=of(all_of.hold),
    )


def _reward(terms: Terms, at: Array) -> Whole:
    """What a seal at that hour would win."""
    return terms.reward - terms.rise * (terms.last + 1 - at)


def _seal_cost(terms: Terms, at: Array) -> Whole:
    """What a seal at that hour is expected to cost, interest included."""
    return terms.seal_cost + terms.interest * (terms.last + 1 - at) + terms.hold


def _chances(given: Given, terms: Terms, others: Array) -> Array:
    """Chance to win behind (FIRST) or among (BEST) so many others, in parts of `ONE`; shape of `others`."""
    number = jnp.maximum(terms.number, 0)
    others = jnp.minimum(others, ENTRANTS)
    table = given.challenges
    return jnp.where(terms.best > 0, table.shared[number, others], table.first[number, others])


def _step(given: Given, state: State, part: tuple[Array, ...]) -> tuple[State, Hour]:
    now, subsidy, swing, numbers, before = part
    terms = _terms(given, numbers, now)
    some = given.challenges.work.shape[0] > 0
    if some:
        state = _settle(given, state, terms, now)
        state = state._replace(slots=_open(given, state.slots, terms, numbers != before))

    rigs = given.rigs
    rate = (subsidy << SHIFT) // state.difficulty
    income = (rigs.hash * rate) >> SHIFT
    mine_power, train_power = (rigs.mine_power * swing) >> SHIFT, (rigs.train_power * swing) >> SHIFT
    mining = income - mine_power
    cost = jnp.maximum(mining, 0) + train_power

    if some:
        state = _look_again(given, state, terms, cost, now)
        state = _enter(given, state, terms, cost, now)
    return _work(given, state, now, income, mine_power, train_power, cost, mining > 0, rate)


def _settle(given: Given, state: State, terms: Terms, now: Array) -> State:
    """Close the challenges whose commits ended: pay, burn, and note what came of them."""
    slots, table = state.slots, given.challenges
    closing = (terms.number[:, 0] >= 0) & (now == terms.last[:, 0] + 1)
    number = jnp.maximum(terms.number[:, 0], 0)
    seals = slots.state == SEALED
    reaches = seals & (table.reaches[number] > 0)
    place = jnp.arange(ENTRANTS)
    # the lowest leads: of seals by time and place, of scores by the highest
    score = table.score[number]
    rank = jnp.where(terms.best > 0, -score * ENTRANTS, slots.seals_at * ENTRANTS) + place
    fails = reaches & (table.fails[number] > 0)
    stands = reaches & ~fails
    leads = jnp.where(stands, rank, LONGEST**2).argmin(axis=1)
    won = stands.any(axis=1) & closing
    # who failed in front of the winner had its turn
    bonds = fails & (~stands.any(axis=1, keepdims=True) | (rank < jnp.take_along_axis(rank, leads[:, None], axis=1)))
    bonds &= closing[:, None]

    def winners(values: Array) -> Array:
        return jnp.where(won, jnp.take_along_axis(values, leads[:, None], axis=1)[:, 0], -1)

    winner, sealed = winners(slots.rig), winners(slots.seals_at)
    paid = jnp.where(won, _reward(terms, sealed[:, None])[:, 0], 0)
    gain = jnp.where(won, paid - given.win_gas, 0)
    lost = jnp.where(bonds, terms.bond, 0)
    purses, ledger = state.purses, state.ledger

    def credited(money: Array) -> Array:
        # nobody wins: rig 0 gains nothing
        return money.at[jnp.maximum(winner, 0)].add(gain).at[slots.rig].add(-lost)

    found = Outcomes(
        winner=winner,
        paid=paid,
        sealed=sealed,
        entrants=(slots.state != NONE).sum(axis=1),
        seals=seals.sum(axis=1),
        stopped=(slots.state == STOPPED).sum(axis=1),
        spent=slots.spent.sum(axis=1),
        hours=slots.trained.sum(axis=1),
        winner_spent=winners(slots.spent),
        winner_hours=winners(slots.trained),
        least=slots.floors[:, 0],
        second=slots.floors[:, 1],
        score=winners(score),
        bonds=lost.sum(axis=1),
    )
    place_of = jnp.where(closing, number, len(table.work))
    return state._replace(
        purses=purses._replace(wealth=credited(purses.wealth), by_training=credited(purses.by_training)),
        ledger=ledger._replace(
            posters=ledger.posters + paid.sum(),
            gas=ledger.gas + given.win_gas * won.sum(),
            bonds=ledger.bonds + lost.sum(),
        ),
        outcomes=Outcomes(
            *(old.at[place_of].set(new, mode="drop") for old, new in zip(state.outcomes, found, strict=True))
        ),
    )


def _open(given: Given, slots: Slots, terms: Terms, changed: Array) -> Slots:
    """Empty the slots in which another challenge begins, and work out how long each rig would train for it."""
    changed = changed[:, None]
    needed = lax.cond(
        changed.any(),
        lambda hours: jnp.where(
            changed, jnp.minimum((terms.work + given.rigs.speed - 1) // given.rigs.speed, LONGEST), hours
        ).astype(jnp.int32),
        lambda hours: hours,
        slots.hours,
    )
    empty = {name: jnp.where(changed, 0, getattr(slots, name)) for name in ENTRIES}
    return Slots(hours=needed, floors=jnp.where(changed, -1, slots.floors), **empty)


def _ahead(slots: Slots, terms: Terms) -> Array:
    """How many others each entrant has to reckon with, shape (slots, ENTRANTS)."""
    active = (slots.state == WORKS) | (slots.state == SEALED)
    order = slots.seals_at * ENTRANTS + jnp.arange(ENTRANTS)
    earlier = active[:, None, :] & (order[:, None, :] < order[:, :, None])
    others = active.sum(axis=1, keepdims=True) - active
    return jnp.where(terms.best > 0, others, earlier.sum(axis=2))


def _look_again(given: Given, state: State, terms: Terms, cost: Array, now: Array) -> State:
    """Stop who trains for nothing, and seal the models whose time has come."""
    slots, purses, ledger = state.slots, state.purses, state.ledger
    works = slots.state == WORKS
    chance = _chances(given, terms, _ahead(slots, terms))
    ahead = jnp.maximum(slots.done - now, 0) * cost[slots.rig]
    gain = (chance * (_reward(terms, slots.seals_at) - given.win_gas)) >> SHIFT
    value = gain - _seal_cost(terms, slots.seals_at) - ahead
    stops = works & (value < 0)
    seals = works & ~stops & (slots.seals_at == now)
    kept = works & ~stops

    paid = jnp.where(seals, terms.fee + given.seal_gas, 0)
    forgone = jnp.where(seals, terms.interest * (terms.last + 1 - now) + terms.hold, 0)
    # whose model waits for its seal may be at something else by now
    busy = purses.busy.at[slots.rig].min(jnp.where(stops & (slots.done > now), now, LONGEST))
    return state._replace(
        slots=slots._replace(state=jnp.where(stops, STOPPED, jnp.where(seals, SEALED, slots.state))),
        purses=purses._replace(
            wealth=purses.wealth.at[slots.rig].add(-paid - forgone),
            by_training=purses.by_training.at[slots.rig].add(-paid - forgone),
            busy=busy,
        ),
        ledger=ledger._replace(
            fees=ledger.fees + jnp.where(seals, terms.fee, 0).sum(),
            gas=ledger.gas + given.seal_gas * seals.sum(),
            interest=ledger.interest + forgone.sum(),
        ),
        worst=jnp.minimum(state.worst, jnp.where(kept, value, FAR).min()),
    )


def _enter(given: Given, state: State, terms: Terms, cost: Array, now: Array) -> State:
    """Let one more trainer begin in each challenge where somebody gains by it."""
    slots, purses = state.slots, state.purses
    rigs = jnp.arange(len(cost))
    taken = slots.state != NONE
    active = (slots.state == WORKS) | (slots.state == SEALED)
    earliest = jnp.where(active, slots.seals_at, LONGEST).min(axis=1, keepdims=True)
    count = active.sum(axis=1, keepdims=True)
    chance_alone = jnp.where(terms.best > 0, _chances(given, terms, count), _chances(given, terms, 0 * count))
    chance_behind = _chances(given, terms, count)

    done = now + slots.hours
    at = jnp.where((terms.best & terms.waits) > 0, terms.last, done)
    free = (purses.busy <= now) & (given.rigs.watches > 0)
    can = terms.open & (done <= terms.last) & free
    # one seal each, and who gave up does not come back
    here_before = jnp.where(taken, slots.rig, len(cost))
    can = can.at[jnp.arange(len(can))[:, None], here_before].set(False, mode="drop")
    needed = slots.hours * cost
    to_close = terms.last + 1 - at
    spends = jnp.minimum(needed + terms.seal_cost + terms.hold + terms.interest * to_close, FAR)
    chance = jnp.where(at < earliest, chance_alone, chance_behind)
    gain = (chance * (terms.reward - given.win_gas - terms.rise * to_close)) >> SHIFT
    value = gain - spends

    # FIRST: who can win is known to all. Where the reward rises it is whose costs come first, or whose first possible
    # seal where the reward stands above costs by then (since more than an hour ago: nobody was late until then). Where
    # it is flat it is whose model is done first.
    before = (chance * (terms.reward - given.win_gas - terms.rise * (to_close + 1))) >> SHIFT
    contends = can & ((at < earliest) | (value >= 0))
    reach_of = jnp.where(terms.waits > 0, jnp.maximum(spends, before), jnp.where(value >= 0, done, FAR))
    keys = jnp.where(contends, jnp.minimum(reach_of, FAR) * INDEX + rigs, FAR * INDEX)
    least = keys.min(axis=1, keepdims=True)
    leads = rigs == least % INDEX
    second = jnp.where(leads, FAR * INDEX, keys).min(axis=1, keepdims=True) // INDEX
    last_chance = done >= jnp.minimum(terms.last, earliest - 1)
    ready = leads & ((terms.waits == 0) | (gain >= second) | last_chance)
    bids = can & (value >= 0) & ((terms.best > 0) | ready)
    bids = jnp.where(bids, value * INDEX + (INDEX - 1 - rigs), -1).max(axis=1)
    rig, value_of = INDEX - 1 - bids % INDEX, bids // INDEX

    place = taken.sum(axis=1)
    enters = (bids >= 0) & (place < ENTRANTS)
    # a rig can do one thing: what gains it most, the first of equals
    slot = jnp.arange(len(rig))
    better = (value_of[None, :] > value_of[:, None]) | (
        (value_of[None, :] == value_of[:, None]) & (slot < slot[:, None])
    )
    enters &= ~((rig[None, :] == rig[:, None]) & better & enters[None, :]).any(axis=1)

    here = enters[:, None] & (jnp.arange(ENTRANTS) == place[:, None])
    finishes = now + jnp.take_along_axis(slots.hours, rig[:, None], axis=1).astype(jnp.int64)
    seals_at = jnp.where((terms.best & terms.waits) > 0, terms.last, finishes)
    floors = lax.cond(
        # in most hours no challenge opens
        (terms.open & (slots.floors[:, :1] < 0)).any(),
        _floors,
        lambda known, can, spends: known,
        *(slots.floors, can, spends),
    )
    return state._replace(
        slots=slots._replace(
            rig=jnp.where(here, rig[:, None], slots.rig),
            done=jnp.where(here, finishes, slots.done),
            seals_at=jnp.where(here, seals_at, slots.seals_at),
            state=jnp.where(here, WORKS, slots.state),
            floors=floors,
        ),
        purses=purses._replace(busy=purses.busy.at[jnp.where(enters, rig, len(cost))].set(finishes[:, 0], mode="drop")),
        worst=jnp.minimum(state.worst, jnp.where(enters, value_of, FAR).min()),
    )


def _floors(known: Array, can: Array, spends: Array) -> Array:
    """Least and second least cost of a model for each slot, unless `known`, or nobody can make one."""
    costs = jnp.where(can, spends * INDEX + jnp.arange(can.shape[1]), FAR * INDEX)
    least = costs.min(axis=1, keepdims=True)
    second = jnp.where(costs == least, FAR * INDEX, costs).min(axis=1, keepdims=True)
    found = jnp.concatenate([least, second], axis=1) // INDEX
    return jnp.where((known[:, :1] >= 0) | (found[:, :1] >= FAR), known, found)


def _work(
    given: Given,
    state: State,
    now: Array,
    income: Array,
    mine_power: Array,
    train_power: Array,
    cost: Array,
    pays: Array,
    rate: Array,
) -> tuple[State, Hour]:
    """Spend the hour."""
    slots, purses, ledger, rigs = state.slots, state.purses, state.ledger, given.rigs
    trains = purses.busy > now
    mines = pays & ~trains
    hash_rate = jnp.where(mines, rigs.hash, 0).sum()
    issued = (hash_rate * rate) >> SHIFT
    earned = jnp.where(mines, income, 0)
    power = jnp.where(trains, train_power, jnp.where(mines, mine_power, 0))
    at_work = (slots.state == WORKS) & (slots.done > now)
    least = jnp.where(rigs.watches > 0, cost * 1000 // rigs.speed, FAR).min()
    hour = Hour(state.difficulty, hash_rate, mines.sum(), trains.sum(), least)
    moved = hash_rate - state.difficulty
    return (
        State(
            difficulty=jnp.maximum(state.difficulty + moved // given.lag, (rigs.hash.max() >> 4) + 1),
            purses=Purses(
                wealth=purses.wealth + earned - power,
                by_training=purses.by_training - jnp.where(trains, train_power, 0),
                mined=purses.mined + mines,
                trained=purses.trained + trains,
                off=purses.off + ~(trains | mines),
                busy=purses.busy,
            ),
            slots=slots._replace(
                spent=slots.spent + jnp.where(at_work, cost[slots.rig], 0), trained=slots.trained + at_work
            ),
            ledger=ledger._replace(
                issued=ledger.issued + issued,
                dust=ledger.dust + issued - earned.sum(),
                electricity=ledger.electricity + power.sum(),
            ),
            outcomes=state.outcomes,
            worst=state.worst,
        ),
        hour,
    )
