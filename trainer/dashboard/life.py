"""The phases that a challenge went through, when each began and ended, and which may come."""

from dataclasses import dataclass
from itertools import pairwise

from trainer.dashboard.watch import Moment
from trainer.index import FOREVER, Challenge, Event
from trainer.index.challenge import apply
from trainer.index.clock import at
from trainer.index.events import LEDGER
from trainer.index.source import Block
from trainer.protocol import Phase

PLANNED = (Phase.COMMIT, Phase.REVEAL, Phase.CLAIM, Phase.UNSEAL, Phase.AUDIT)
"""Phases in their usual order, each of which has a window."""
TIMED = Phase.COMMIT | Phase.REVEAL | Phase.CLAIM | Phase.UNSEAL | Phase.AUDIT | Phase.NOMINATE


@dataclass(frozen=True)
class Span:
    """A phase in time.

    start, end: in seconds; `end` is None where no second ends it.
    state:      "past", "now", or "later" for one that may come: then the times are the latest possible.
    """

    phase: Phase
    start: int
    end: int | None
    state: str


def spans(events: list[Event], moment: Moment) -> list[Span]:
    """Phases in order. The draw is one phase from the post on; that of a closed challenge is the last, without end."""
    found: list[tuple[Phase, int]] = []
    life: Challenge | None = None
    seen = 0
    for event in events:
        if event.name in LEDGER:
            continue
        if life is not None:
            _carry(found, life, seen, event.timestamp)
        # the model itself decides about no phase, and was left out
        values = {"model": b"", "predictions": (), **event.values}
        life = apply(life, event.name, values, Block(event.block, b"", event.timestamp))
        _enter(found, life.clock(event.timestamp, event.block).phase, event.timestamp)
        seen = event.timestamp
    assert life is not None, "a challenge has been posted"
    _carry(found, life, seen, moment.now)
    clock = moment.clock(life)
    _enter(found, clock.phase, max(seen, moment.now))
    past = [Span(phase, start, end, "past") for (phase, start), (_, end) in pairwise(found)]
    phase, start = found[-1]
    present = Span(phase, start, None if clock.ends == FOREVER else clock.ends, "now")
    return [*past, present, *_planned(life, present)]


def _enter(found: list[tuple[Phase, int]], phase: Phase, start: int) -> None:
    phase = Phase.DRAW if phase == Phase.POSTED else phase
    if not found or found[-1][0] != phase:
        found.append((phase, start))


def _carry(found: list[tuple[Phase, int]], life: Challenge, seen: int, until: int) -> None:
    """What time alone did after `seen`."""
    clock = life.stored
    while clock.phase & TIMED and clock.ends <= until:
        start = clock.ends
        # at that very second only one phase ends, as every window has seconds
        clock = at(clock, life.terms.windows, life.terms.full_audit, start)[0]
        if start > seen:
            _enter(found, clock.phase, start)


def _planned(life: Challenge, present: Span) -> list[Span]:
    """What may follow, each as late as can be; nothing where the next step has no latest time."""
    if present.end is None:
        return []
    coming = PLANNED[3:] if present.phase == Phase.NOMINATE else PLANNED[PLANNED.index(present.phase) + 1 :]
    found: list[Span] = []
    start = present.end
    for phase in coming:
        window: int = getattr(life.terms.windows, str(phase.name).lower())
        found.append(Span(phase, start, start + window, "later"))
        start += window
    return found
