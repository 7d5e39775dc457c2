"""The pages' content for programs. Amounts are texts, as JSON's numbers lose digits."""

from dataclasses import asdict
from typing import Any

from trainer.dashboard import words
from trainer.dashboard.life import Span
from trainer.dashboard.money import Flow
from trainer.dashboard.reading import Story
from trainer.dashboard.watch import Moment, Picture
from trainer.index import FOREVER, Challenge, Clock, Event
from trainer.prices.facts import Payment

LARGEST = 2**53
"""From here on JSON's readers round numbers."""


def plain(value: Any) -> Any:
    """A value as JSON: bytes as hexadecimal text, large numbers as text."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if abs(value) < LARGEST else str(int(value))
    return value


def summary(life: Challenge, clock: Clock, now: int) -> dict[str, Any]:
    """A challenge in a list; `now` is in seconds."""
    best = life.best_claim(now)
    return {
        "challenge": life.id,
        "phase": words.phase(clock.phase),
        "ends": None if clock.ends >= FOREVER else plain(clock.ends),
        "outcome": str(clock.outcome.name).lower() if clock.outcome else None,
        "poster": life.poster,
        "winner": life.winner,
        "token": life.terms.token,
        "reward": str(life.terms.reward),
        "threshold": life.terms.threshold,
        "samples": life.terms.holdout * life.terms.samples,
        "seals": clock.seals,
        "best_claim": None if best is None else best.claim,
        "posted": life.posted.timestamp,
    }


def whole(story: Story, now: int, clock: Clock, spans: list[Span], flow: Flow) -> dict[str, Any]:
    """Everything about one challenge but samples, models and predictions."""
    life = story.life
    terms = asdict(life.terms)
    for name in ("reward", "opening", "poster_bond", "trainer_bond", "seal_fee"):
        terms[name] = str(terms[name])
    terms["rule"] = str(life.terms.rule.name).lower()
    return {
        **summary(life, clock, now),
        "terms": plain(terms),
        "key": plain(life.key),
        "seed_block": life.seed_block,
        "revealed": life.shown,
        "candidate": clock.candidate - 1 if clock.candidate else None,
        "unaudited": clock.unaudited,
        "phases": [
            {"phase": words.phase(s.phase), "start": plain(s.start), "end": plain(s.end), "state": s.state}
            for s in spans
        ],
        "trainers": [plain(asdict(seal)) | {"bond": str(seal.bond)} for seal in life.seals],
        "executed": [
            {"seal": seal, "slot": slot, "mask": str(mask)} for (seal, slot), mask in life.details.executed.items()
        ],
        "paid_in": {owner: str(amount) for owner, amount in flow.paid_in.items()},
        "paid_out": {owner: str(amount) for owner, amount in flow.paid_out.items()},
        "events": [event_facts(event) for event in story.events],
    }


def event_facts(event: Event) -> dict[str, Any]:
    """One event; the terms of a post are told elsewhere."""
    values = {name: value for name, value in event.values.items() if name not in ("terms", "id")}
    for name in ("amount", "reward", "bounty"):
        if name in values:
            values[name] = str(values[name])
    if "outcome" in values:
        values["outcome"] = str(values["outcome"].name).lower()
    return {
        "event": event.name,
        "block": event.block,
        "timestamp": event.timestamp,
        "transaction": plain(event.transaction),
        **plain(values),
    }


def price(paid: Payment) -> dict[str, Any]:
    """One payment; `per_exaflop` and `per_hour` are in the token's smallest unit."""
    found = asdict(paid) | {"accuracy": paid.accuracy, "per_exaflop": paid.per_exaflop, "per_hour": paid.per_hour}
    for name in ("reward", "seal_fee"):
        found[name] = str(found[name])
    return dict(plain(found))


def state(picture: Picture | None, moment: Moment, trouble: str, progress: tuple[int, int] | None) -> dict[str, Any]:
    """Up to where all of it is known."""
    return {
        "block": None if picture is None else picture.block.number,
        "block_hash": None if picture is None else plain(picture.block.hash),
        "timestamp": None if picture is None else picture.block.timestamp,
        "now": None if picture is None else moment.now,
        "reading": None if progress is None else {"block": progress[0], "head": progress[1]},
        "trouble": trouble or None,
    }
