"""The whole market against its rules: a hypothesis state machine, a walk of fixed seeds, and what both reached.

See README.md for how to read, replay and shrink a failure.
"""

from random import Random

import hypothesis.strategies as st
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fuzz.acts import ACTS, BAD_TERMS, CALLS, EVENTS, OUTCOMES, PHASES, REFUSALS, Acts, played
from fuzz.driver import REACHED, table
from trainer.protocol import ETHER

SEEDS = 20
STEPS = 60
randoms = st.randoms(use_true_random=False)


class MarketMachine(RuleBasedStateMachine):
    """Rules act; the game compares; what must always hold is checked again between rules."""

    def __init__(self) -> None:
        super().__init__()
        site = table().site
        self._chain = site.chain.active()
        self._chain.__enter__()
        self._anchor = site.chain.env.anchor()
        self._anchor.__enter__()
        REACHED.examples += 1
        self.game = Acts(note)

    def teardown(self) -> None:
        try:
            self.game.leave()
        finally:
            self._anchor.__exit__(None, None, None)
            self._chain.__exit__(None, None, None)

    @rule(rng=randoms)
    def lead_a_life(self, rng: Random) -> None:
        self.game.lead(rng)

    @rule(rng=randoms)
    def post(self, rng: Random) -> None:
        self.game.post(rng)

    @rule(rng=randoms)
    def wait(self, rng: Random) -> None:
        self.game.wait(rng)

    @rule(rng=randoms)
    def force(self, rng: Random) -> None:
        self.game.give(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def probe(self, rng: Random) -> None:
        self.game.probe(rng.choice(self.game.model.lives))

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def cancel(self, rng: Random) -> None:
        self.game.cancel(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def draw(self, rng: Random) -> None:
        self.game.draw(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def commit(self, rng: Random) -> None:
        self.game.commit(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def reveal(self, rng: Random) -> None:
        self.game.reveal(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def claim(self, rng: Random) -> None:
        self.game.claim(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def unseal(self, rng: Random) -> None:
        self.game.unseal(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def audit(self, rng: Random) -> None:
        self.game.audit(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def nominate(self, rng: Random) -> None:
        self.game.nominate(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def settle(self, rng: Random) -> None:
        self.game.settle(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def release(self, rng: Random) -> None:
        self.game.release(rng)

    @precondition(lambda self: self.game.model.lives)
    @rule(rng=randoms)
    def withdraw(self, rng: Random) -> None:
        self.game.withdraw(rng)

    @invariant()
    def solvency(self) -> None:
        for token in (ETHER, self.game.coin):
            self.game.check_money(token)


def walk(seed: int, steps: int = STEPS) -> None:
    """The same acts without hypothesis, from one number; lives overlap with single calls."""
    rng = Random(seed)
    with played(print) as game:
        for _ in range(steps):
            what = rng.random()
            if what < 0.12:
                game.lead(rng)
            elif what < 0.14 and game.model.lives:
                game.probe(rng.choice(game.model.lives))
            else:
                getattr(game, rng.choice(ACTS))(rng)
        game.leave()


def missing() -> dict[str, set[str]]:
    """What no example of this run has reached."""
    everything = {
        "calls": (CALLS, REACHED.calls),
        "phases": (PHASES, REACHED.phases),
        "outcomes": (OUTCOMES, REACHED.outcomes),
        "events": (EVENTS, REACHED.events),
        "refusals": (REFUSALS, REACHED.refusals),
    }
    return {what: set(expected) - set(got) for what, (expected, got) in everything.items() if set(expected) - set(got)}


def test_market_follows_its_rules() -> None:
    run_state_machine_as_test(MarketMachine)


def test_every_call_phase_and_refusal_was_reached() -> None:
    """A green run that reached nothing proves nothing."""
    for seed in range(SEEDS):
        walk(seed)
    with played(print) as game:
        for change in BAD_TERMS:
            rng = Random(repr(change))
            assert game.post(rng, game.bad_terms(rng, change)) is None
    assert missing() == {}
    unknown = set(REACHED.refusals) - REFUSALS
    assert not unknown, f"refusals nobody has listed: {unknown}"
