"""What a challenge's storage means: which states it can be in, what it holds in escrow, and where time has led it.

`phase_at` is written from the protocol's picture, as intervals of time, not from `modules/phases.vy`.
"""

from z3 import ULE, ULT, And, BitVecRef, BoolRef, If, Implies, Or

from fuzz.prove.machine import Slots, con

POSTED, DRAW, COMMIT, REVEAL, CLAIM, UNSEAL, AUDIT, NOMINATE, SETTLE, CLOSED = (1 << i for i in range(10))
CANCELLED, VOID, DESERTED, WITHHELD, UNCLAIMED, UNNOMINATED, WON = (1 << i for i in range(7))
TIMED = (COMMIT, REVEAL, CLAIM, UNSEAL, AUDIT, NOMINATE)
REACH = 8191
YEAR = 365 * 24 * 3600

# words of the structs in storage
PHASE, ENDS, SEALS, LEADER, CANDIDATE, UNAUDITED, OUTCOME = range(7)
POSTER, SEED_BLOCK, KEY = range(3)
TRAINER, HASH, CLAIMED, BOND, REBATE = range(5)
TOKEN, REWARD, OPENING, POSTER_BOND, TRAINER_BOND, SEAL_FEE = range(6)
GROUPS, HOLDOUT, SAMPLES, SAMPLE_BYTES, INPUT_BITS, CLASSES, MODEL_BYTES, ENGINE, FULL_AUDIT = range(9, 18)
WINDOWS = range(18, 24)  # commit, reveal, claim, unseal, audit, nominate


def one_of(word: BitVecRef, *values: int) -> BoolRef:
    """Whether a word is one of some constants."""
    return Or(*[word == value for value in values])


def valid(state: Slots, id: BitVecRef, seal: BitVecRef) -> BoolRef:
    """The inductive invariant of a challenge, for any one seal index: every call keeps it, and posting begins it."""
    phase, outcome = state("clock", id, word=PHASE), state("clock", id, word=OUTCOME)
    seals = state("clock", id, word=SEALS)
    amounts = [state("terms_of", id, word=word) for word in (REWARD, POSTER_BOND, TRAINER_BOND, SEAL_FEE)]
    windows = [state("terms_of", id, word=word) for word in WINDOWS]
    bond, rebate = (state("seals", id, seal, word=word) for word in (BOND, REBATE))
    reward, opening = (state("terms_of", id, word=word) for word in (REWARD, OPENING))
    return And(
        Or(phase == 0, phase == DRAW, one_of(phase, *TIMED), phase == SETTLE, phase == CLOSED),
        # what has an end has one that no sum of windows carries out of 256 bits
        Implies(one_of(phase, *TIMED), ULT(state("clock", id, word=ENDS), 2**64 + 2**26)),
        # a decision is stored only after the hold-out was complete
        Implies(phase == SETTLE, one_of(outcome, UNCLAIMED, UNNOMINATED, WON)),
        Implies(phase == 0, seals == 0),
        Implies(ULE(seals, seal), And(bond == 0, rebate == 0)),
        # what goes back to the poster is a part of what he gave
        ULE(opening, reward),
        # a commit window began when its challenge was drawn, and time only goes on
        Implies(phase == COMMIT, ULE(state("clock", id, word=ENDS), state.market.now + windows[0])),
        ULE(rebate, reward - opening),
        ULT(bond, 2**128),
        *[ULT(amount, 2**128) for amount in amounts],
        *[ULE(window, YEAR) for window in windows],
        Implies(phase == 0, And(*[amount == 0 for amount in amounts])),
        Implies(phase != 0, ULT(id, state("challenges"))),
    )


def stake(state: Slots, id: BitVecRef) -> BitVecRef:
    """What a challenge holds in escrow beside the bonds of its seals."""
    phase = state("clock", id, word=PHASE)
    reward = If(Or(phase == 0, phase == CLOSED), con(0), state("terms_of", id, word=REWARD))
    bond = If(one_of(phase, DRAW, COMMIT, REVEAL), state("terms_of", id, word=POSTER_BOND), con(0))
    return reward + bond


def phase_at(state: Slots, id: BitVecRef, now: BitVecRef, height: BitVecRef) -> BitVecRef:
    """The phase of a challenge at a time and a block; 0 if there is no such challenge."""
    _commit, reveal, _claim, unseal, _audit, nominate = (state("terms_of", id, word=word) for word in WINDOWS)
    stored, ends = state("clock", id, word=PHASE), state("clock", id, word=ENDS)
    seed = state("challenge", id, word=SEED_BLOCK)

    def line(*steps: tuple[int, BitVecRef]) -> BitVecRef:
        """Phases one after another, each until a moment, and SETTLE behind them."""
        result = con(SETTLE)
        for phase, until in reversed(steps):
            result = If(ULT(now, until), con(phase), result)
        return result

    led = state("clock", id, word=LEADER) != 0
    turn = ((UNSEAL, ends + unseal), (NOMINATE, ends + unseal + nominate))
    cases = {
        DRAW: If(ULT(height, seed), con(POSTED), If(ULT(seed + REACH, height), con(SETTLE), con(DRAW))),
        COMMIT: If(
            state("clock", id, word=SEALS) == 0, line((COMMIT, ends)), line((COMMIT, ends), (REVEAL, ends + reveal))
        ),
        REVEAL: line((REVEAL, ends)),
        CLAIM: If(led, line((CLAIM, ends), *turn), line((CLAIM, ends))),
        UNSEAL: line((UNSEAL, ends), (NOMINATE, ends + nominate)),
        AUDIT: If(
            state("terms_of", id, word=FULL_AUDIT) == 0,
            line((AUDIT, ends)),
            line((AUDIT, ends), (NOMINATE, ends + nominate)),
        ),
        NOMINATE: If(led, line((NOMINATE, ends), *turn), line((NOMINATE, ends))),
        SETTLE: con(SETTLE),
        CLOSED: con(CLOSED),
    }
    result = con(0)
    for phase, value in cases.items():
        result = If(stored == phase, value, result)
    return result
