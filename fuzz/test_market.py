"""The whole market against its rules: a hypothesis state machine, a walk of fixed seeds, and what both reached.

See README.md for how to read, replay and shrink a failure.
"""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from fuzz.demands import REFUSALS
from fuzz.driver import REACHED, table
from fuzz.ladder import LADDER, PostingMachine
from fuzz.lives import Lives, played
from fuzz.model import Refused
from fuzz.walks import every_edge, missing, walk
from tests.world import HOUR
from trainer.protocol import ETHER, Phase, Rule

SEEDS = 60
SEEDS_OF_A_RUNG = 5


def gas_of_a_life(game: Lives, crowd: int) -> dict[str, int]:
    """Gas of each kind of call in a life with this many seals, all of which claim; the first candidate lies."""
    rng, gas = Random(0), {}

    def spend(kind: str, name: str, *args: Any, sender: str, value: int = 0) -> None:
        answer = game.call(name, *args, sender=sender, value=value)
        assert not isinstance(answer, Refused), f"{kind}: {answer.reason}"
        gas[kind] = game.gas

    anyone = game.who["stranger"]
    root = next(iter(table().data))
    shape = {"root": root, "groups": 6, "holdout": 2, "samples": 5, "classes": 4, "model_bytes": 2}
    money = {"token": ETHER, "reward": 1, "opening": 1, "poster_bond": 2, "trainer_bond": 3, "seal_fee": 1}
    terms = game.good_terms(rng, table().data[root])
    terms = replace(terms, full_audit=True, rule=Rule.BEST, input_bits=8, threshold=1, **shape, **money)
    terms = replace(terms, windows=replace(terms.windows, reveal=3 * HOUR))
    spend("post", "post", terms, sender=game.who["poster"], value=3)
    life = game.model.lives[-1]
    game.mine(5)
    spend("draw", "draw", life.id, sender=anyone)
    for i in range(crowd):
        game.seal(rng, life.id, game.enroll(f"trainer {i}"), model=b"M\0" if i else b"M\7")
        gas["commit"] = game.gas
    game.to_edge(life, 0)
    for index in game.held_out(life):
        game.show(rng, life, index)
        gas["reveal"] = game.gas
    for i, seal in enumerate(life.seals):
        spend("claim", "claim", life.id, 5 if i else 10, sender=seal.trainer)
    game.to_edge(life, 0)
    game.open(rng, life, life.seals[0].trainer, "labels")
    gas["unseal"] = game.gas
    for slot in range(2):
        if life.phase == Phase.AUDIT:
            game.execute(rng, life, slot, 31)
            gas["audit"] = game.gas
    assert life.phase == Phase.NOMINATE
    spend("nominate", "nominate", life.id, crowd - 1, sender=anyone)
    game.to_edge(life, 0)
    game.open(rng, life, life.seals[-1].trainer)
    for slot in range(2):
        game.execute(rng, life, slot, 31)
        gas["last audit"] = game.gas
    spend("settle", "settle", life.id, sender=anyone)
    spend("release", "release", life.id, 1, sender=anyone)
    spend("withdraw", "withdraw", ETHER, anyone, sender=life.seals[-1].trainer)
    return gas


def test_gas_does_not_grow() -> None:
    """Cost: no call is dearer for more seals, or for more challenges. On boa, whose gas is that of the protocol."""
    with played(print, "boa") as game:
        gas_of_a_life(game, 3)
        few = gas_of_a_life(game, 3)
        for _ in range(25):
            assert game.post(Random(0), game.good_terms(Random(0))) is not None
        many = gas_of_a_life(game, 30)
        # the tolerance is for the cycle walk of a split and for a slot that is cold in one life only
        assert {kind: gas for kind, gas in many.items() if gas > few[kind] + 3000} == {}, few


@pytest.mark.parametrize("machine", LADDER)
def test_market_follows_its_rules(machine: type[PostingMachine]) -> None:
    """And comes to its goal.

    What hypothesis draws depends on constants of all modules that are loaded, hence on the tests before. A rung that
    does not come to its goal with one seed gets others.
    """
    before = REACHED.goals[machine.goal]
    for number in range(SEEDS_OF_A_RUNG):
        run_state_machine_as_test(seed(number)(type(machine.__name__, (machine,), {})))
        if REACHED.goals[machine.goal] > before:
            return
    raise AssertionError(f"no example of {machine.__name__} ever came to {machine.goal!r}")


def test_every_call_phase_and_refusal_was_reached() -> None:
    """A green run that reached nothing proves nothing."""
    for number in range(SEEDS):
        walk(number)
    every_edge()
    assert missing() == {}
    unknown = set(REACHED.refusals) - REFUSALS
    assert not unknown, f"refusals nobody has listed: {unknown}"
