# pragma version 0.4.3
"""
@title Phases of a challenge
@license MIT
@notice
    post ─► DRAW ─► COMMIT ─► REVEAL ─► CLAIM ─► UNSEAL ─► AUDIT ─► SETTLE ─► CLOSED
    │         │        │         │        │       │ ▲        │
    POSTED    VOID     DESERTED  WITHHELD UNCLAIMED│ │        │ fraud, or a full audit not complete
    (cancel)                                       ▼ │        │
                                  UNNOMINATED ◄─ NOMINATE ◄───┘

    Time alone moves a challenge along this graph: `_at` is a function of what was stored by the last call and of
    now, so at every instant there is exactly one phase. A phase holds while start <= now < end.
"""

from . import terms

# The seed's hash can be read for this many blocks after its block (EIP-2935).
REACH: constant(uint256) = 8191
FOREVER: constant(uint256) = max_value(uint256)


# Until the seed's block a challenge is POSTED and may be cancelled; in SETTLE its outcome is certain.
flag Phase:
    POSTED
    DRAW
    COMMIT
    REVEAL
    CLAIM
    UNSEAL
    AUDIT
    NOMINATE
    SETTLE
    CLOSED
# VOID: not drawn in reach. DESERTED: nobody committed. WITHHELD: the hold-out was not revealed.
flag Outcome:
    CANCELLED
    VOID
    DESERTED
    WITHHELD
    UNCLAIMED
    UNNOMINATED
    WON


struct Clock:
    phase: Phase
    ends: uint256  # first second after the phase; 2**256 - 1 where no second ends it
    seals: uint256  # how many
    leader: uint256  # 1 + seal index of the best claim or nomination, 0 for none
    candidate: uint256  # 1 + seal index of whose turn it is, 0 for none
    unaudited: uint256  # samples of the candidate's predictions not yet executed
    outcome: Outcome


@internal
@view
def _drawing(clock: Clock, seed_block: uint256) -> Clock:
    """
    @dev The clock of a challenge that was not drawn yet: the only part of its life that blocks measure.
    @param clock As stored, in phase DRAW.
    @param seed_block The block whose hash is the seed.
    """
    if block.number > seed_block + REACH:
        return self._decided(clock, Outcome.VOID)
    now: Clock = clock
    now.ends = FOREVER
    if block.number < seed_block:
        now.phase = Phase.POSTED
    return now


@internal
@view
def _at(clock: Clock, windows: terms.Windows, full_audit: bool) -> (Clock, uint256):
    """
    @dev Carries a clock whose phase has ended on to the present. One pass suffices: each branch hands on to a later
         one, and the only way back (NOMINATE to UNSEAL) needs a nomination, which is a call.
    @param clock As stored, in a phase from COMMIT to NOMINATE.
    @param windows The challenge's windows.
    @param full_audit Whether every sample must be executed.
    @return The clock now, and 1 + the seal index of a candidate who fell by being late, or 0.
    """
    now: Clock = clock
    late: uint256 = 0
    if now.phase == Phase.COMMIT and block.timestamp >= now.ends:
        if now.seals == 0:
            return self._decided(now, Outcome.DESERTED), 0
        now.phase = Phase.REVEAL
        now.ends += windows.reveal
    if now.phase == Phase.REVEAL and block.timestamp >= now.ends:
        return self._decided(now, Outcome.WITHHELD), 0
    if now.phase == Phase.CLAIM and block.timestamp >= now.ends and now.leader == 0:
        return self._decided(now, Outcome.UNCLAIMED), 0
    if now.phase in (Phase.CLAIM | Phase.NOMINATE) and block.timestamp >= now.ends and now.leader != 0:
        now.candidate = now.leader
        now.leader = 0
        now.phase = Phase.UNSEAL
        now.ends += windows.unseal
    if now.phase == Phase.AUDIT and block.timestamp >= now.ends and not full_audit:
        return self._decided(now, Outcome.WON), 0
    if now.phase in (Phase.UNSEAL | Phase.AUDIT) and block.timestamp >= now.ends:
        late = now.candidate
        now = self._nomination(now, now.ends, windows.nominate)
    if now.phase == Phase.NOMINATE and block.timestamp >= now.ends:
        return self._decided(now, Outcome.UNNOMINATED), late
    return now, late


@internal
@view
def _nomination(clock: Clock, start: uint256, window: uint256) -> Clock:
    """
    @dev The clock after a candidate fell.
    @param clock Before.
    @param start When the candidate fell.
    @param window Length of the nomination window.
    """
    now: Clock = clock
    now.phase = Phase.NOMINATE
    now.ends = start + window
    now.leader = 0
    now.candidate = 0
    now.unaudited = 0
    return now


@internal
@view
def _decided(clock: Clock, outcome: Outcome) -> Clock:
    """
    @dev The clock of a challenge whose outcome is certain.
    @param clock Before.
    @param outcome How it ends.
    """
    now: Clock = clock
    now.phase = Phase.SETTLE
    now.ends = FOREVER
    now.outcome = outcome
    return now
