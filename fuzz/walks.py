"""Walks: the acts without hypothesis, from one number, and what all examples of a process must have reached."""

from collections.abc import Callable
from random import Random

from fuzz.acts import ACTS
from fuzz.demands import CALLS, EVENTS, MANNERS, OUTCOMES, PHASES, REFUSALS, RULES, SITUATIONS, TRANSITIONS
from fuzz.driver import REACHED, Reached
from fuzz.lives import Lives, played

STEPS = 60


def play(game: Lives, rng: Random, steps: int) -> None:
    """Acts without hypothesis, from one source of chance; lives overlap with single calls."""
    for _ in range(steps):
        what = rng.random()
        if what < 0.12:
            game.lead(rng)
        elif what > 0.94:
            getattr(game, rng.choice(("compete", "dispute", "no_show", "meet", "overreach", "edge")))(rng)
        elif what > 0.937:
            game.crowd(rng)
        elif what < 0.14 and game.model.lives:
            game.probe(rng.choice(game.model.lives))
        else:
            getattr(game, rng.choice(ACTS))(rng)
    game.leave()


def walk(seed: int, steps: int = STEPS, on: str | None = None, note: Callable[[str], None] = print) -> None:
    """What follows from one number."""
    with played(note, on) as game:
        play(game, Random(seed), steps)


def every_edge(on: str | None = None, note: Callable[[str], None] = print) -> None:
    """What is too rare or too dear to be left to a walk."""
    with played(note, on) as game:
        game.every_edge()
        game.leave()


def missing(reached: Reached = REACHED) -> dict[str, set[str]]:
    """What no example has reached."""
    everything = {
        "calls": CALLS,
        "rules": RULES,
        "phases": PHASES,
        "transitions": TRANSITIONS,
        "situations": SITUATIONS,
        "manners": MANNERS,
        "outcomes": OUTCOMES,
        "events": EVENTS,
        "refusals": REFUSALS,
    }
    left = {what: expected - set(getattr(reached, what)) for what, expected in everything.items()}
    return {what: names for what, names in left.items() if names}
