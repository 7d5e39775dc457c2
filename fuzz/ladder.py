"""The state machine, as a ladder: each rung does what the one below does, and more. Time passes on every rung.

A fault shows on the lowest rung that can reach it, in the shortest example. `goal` is what a rung is there to reach.
"""

from contextlib import ExitStack
from random import Random
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fuzz.lives import Lives, played

randoms = st.randoms(use_true_random=False)


def some_life(machine: "PostingMachine") -> bool:
    return bool(machine.game.model.lives)


class PostingMachine(RuleBasedStateMachine):
    """Challenges are posted, cancelled, drawn, left to lapse."""

    goal: ClassVar[str] = "VOID"
    game: Lives

    def __init__(self) -> None:
        super().__init__()
        self._example = ExitStack()
        self.game = self._example.enter_context(played(note))

    def teardown(self) -> None:
        with self._example:
            if not self.game.broken:
                self.game.leave()

    @rule(rng=randoms)
    def post(self, rng: Random) -> None:
        self.game.post(rng)

    @rule(rng=randoms)
    def wait(self, rng: Random) -> None:
        self.game.wait(rng)

    @rule(rng=randoms)
    def force(self, rng: Random) -> None:
        self.game.give(rng)

    @rule(rng=randoms)
    def edge(self, rng: Random) -> None:
        self.game.edge(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def probe(self, rng: Random) -> None:
        self.game.probe(rng.choice(self.game.model.lives))

    @precondition(some_life)
    @rule(rng=randoms)
    def cancel(self, rng: Random) -> None:
        self.game.cancel(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def draw(self, rng: Random) -> None:
        self.game.draw(rng)

    @invariant()
    def solvency(self) -> None:
        for token in self.game.tokens:
            self.game.check_money(token)


class CompetingMachine(PostingMachine):
    """Trainers seal, claim and unseal; somebody wins and is paid."""

    goal = "WON"

    @rule(rng=randoms)
    def compete(self, rng: Random) -> None:
        self.game.compete(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def commit(self, rng: Random) -> None:
        self.game.commit(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def reveal(self, rng: Random) -> None:
        self.game.reveal(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def claim(self, rng: Random) -> None:
        self.game.claim(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def unseal(self, rng: Random) -> None:
        self.game.unseal(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def settle(self, rng: Random) -> None:
        self.game.settle(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def release(self, rng: Random) -> None:
        self.game.release(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def withdraw(self, rng: Random) -> None:
        self.game.withdraw(rng)


class NoShowMachine(CompetingMachine):
    """Whoever should act does not."""

    goal = "Defaulted"

    @precondition(some_life)
    @rule(rng=randoms)
    def no_show(self, rng: Random) -> None:
        self.game.no_show(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def nominate(self, rng: Random) -> None:
        self.game.nominate(rng)


class DisputingMachine(NoShowMachine):
    """Candidates lie, and are found out."""

    goal = "Fraud"

    @rule(rng=randoms)
    def dispute(self, rng: Random) -> None:
        self.game.dispute(rng)

    @rule(rng=randoms)
    def overreach(self, rng: Random) -> None:
        self.game.overreach(rng)

    @rule(rng=randoms)
    def lead_a_life(self, rng: Random) -> None:
        self.game.lead(rng)

    @precondition(some_life)
    @rule(rng=randoms)
    def audit(self, rng: Random) -> None:
        self.game.audit(rng)


class MarketMachine(DisputingMachine):
    """Everything: challenges in several tokens at once, tokens and payees that misbehave."""

    goal = "two tokens at once"

    @rule(rng=randoms)
    def meet(self, rng: Random) -> None:
        self.game.meet(rng)

    @rule(rng=randoms)
    def spoil(self, rng: Random) -> None:
        self.game.spoil(rng)

    @rule(rng=randoms)
    def arm(self, rng: Random) -> None:
        self.game.arm(rng)


LADDER = PostingMachine, CompetingMachine, NoShowMachine, DisputingMachine, MarketMachine
