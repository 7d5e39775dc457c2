"""Where a challenge stands at a moment: `contracts/modules/phases.vy` in Python, line for line.

    post ─► DRAW ─► COMMIT ─► REVEAL ─► CLAIM ─► UNSEAL ─► AUDIT ─► SETTLE ─► CLOSED

Time alone moves a challenge along this graph: `at` is a function of what the last event left and of now.
"""

from typing import NamedTuple

from trainer.protocol import SEED_REACH, Outcome, Phase, Windows

FOREVER = 2**256 - 1
OPEN = Outcome(0)
"""The outcome while it is open."""


class Clock(NamedTuple):
    """Field for field `phases.Clock`.

    ends:      first second after the phase; `FOREVER` where no second ends it.
    seals:     how many.
    leader:    1 + seal index of the best claim or nomination, 0 for none.
    candidate: 1 + seal index of whose turn it is, 0 for none.
    unaudited: samples of the candidate's predictions not yet executed.
    """

    phase: Phase
    ends: int = 0
    seals: int = 0
    leader: int = 0
    candidate: int = 0
    unaudited: int = 0
    outcome: Outcome = OPEN


def current(stored: Clock, seed_block: int, windows: Windows, full_audit: bool, now: int, block: int) -> Clock:
    """The clock at a moment: what `Market.clock_of` answers in a block with this timestamp and number.

    stored: as the last event left it.
    """
    if stored.phase == Phase.DRAW:
        return drawing(stored, seed_block, block)
    if stored.phase == Phase.CLOSED:
        return stored._replace(ends=FOREVER)
    return at(stored, windows, full_audit, now)[0]


def drawing(clock: Clock, seed_block: int, block: int) -> Clock:
    """The clock of a challenge that was not drawn yet: the only part of its life that blocks measure."""
    if block > seed_block + SEED_REACH:
        return decided(clock, Outcome.VOID)
    return clock._replace(ends=FOREVER, phase=Phase.POSTED if block < seed_block else clock.phase)


def at(clock: Clock, windows: Windows, full_audit: bool, now: int) -> tuple[Clock, int]:
    """A clock in a phase from COMMIT to SETTLE, carried on to the present.

    Returns the clock now, and 1 + the seal index of a candidate who fell by being late, or 0. One pass suffices: each
    branch hands on to a later one, and the only way back (NOMINATE to UNSEAL) needs a nomination, which is a call.
    """
    late = 0
    if clock.phase == Phase.COMMIT and now >= clock.ends:
        if clock.seals == 0:
            return decided(clock, Outcome.DESERTED), 0
        clock = clock._replace(phase=Phase.REVEAL, ends=clock.ends + windows.reveal)
    if clock.phase == Phase.REVEAL and now >= clock.ends:
        return decided(clock, Outcome.WITHHELD), 0
    if clock.phase == Phase.CLAIM and now >= clock.ends and clock.leader == 0:
        return decided(clock, Outcome.UNCLAIMED), 0
    if clock.phase in (Phase.CLAIM, Phase.NOMINATE) and now >= clock.ends and clock.leader != 0:
        ends = clock.ends + windows.unseal
        clock = clock._replace(phase=Phase.UNSEAL, ends=ends, candidate=clock.leader, leader=0)
    if clock.phase == Phase.AUDIT and now >= clock.ends and not full_audit:
        return decided(clock, Outcome.WON), 0
    if clock.phase in (Phase.UNSEAL, Phase.AUDIT) and now >= clock.ends:
        late = clock.candidate
        clock = nomination(clock, clock.ends + windows.nominate)
    if clock.phase == Phase.NOMINATE and now >= clock.ends:
        return decided(clock, Outcome.UNNOMINATED), late
    return clock, late


def nomination(clock: Clock, ends: int) -> Clock:
    """The clock after a candidate fell."""
    return clock._replace(phase=Phase.NOMINATE, ends=ends, leader=0, candidate=0, unaudited=0)


def decided(clock: Clock, outcome: Outcome) -> Clock:
    """The clock of a challenge whose outcome is certain."""
    return clock._replace(phase=Phase.SETTLE, ends=FOREVER, outcome=outcome)
