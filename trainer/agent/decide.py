"""What to do next in one challenge: a function of what is known, and of nothing else.

    COMMIT    study, then seal where it pays          AUDIT      execute one's own samples, look at those of others
    CLAIM     claim what the sealed model reaches     NOMINATE   put one's own claim up
    UNSEAL    show the model, as the candidate        after      free the bond

The poster of a challenge draws it, publishes its training groups, and reveals its hold-out.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from trainer.agent.odds import MISHAP, Odds
from trainer.amounts import ether, show_duration
from trainer.index import Challenge, Clock, SealView
from trainer.protocol import Phase, Rule

MARGIN = 60
"""Seconds before the end of a window after which nothing new is begun in it."""
AFTER_CLAIMS = Phase.UNSEAL | Phase.AUDIT | Phase.NOMINATE | Phase.SETTLE


class Act(StrEnum):
    """What there is to do; from `draw` on it is a transaction."""

    WAIT = "wait"
    IGNORE = "ignore"
    FINISHED = "finished"
    STUDY = "study"
    GIVE_UP = "give up"
    SCORE = "score"
    CHECK = "check"
    PUBLISH = "publish"
    DRAW = "draw"
    REVEAL = "reveal"
    COMMIT = "commit"
    CLAIM = "claim"
    UNSEAL = "unseal"
    EXECUTE = "execute"
    PROVE = "prove"
    NOMINATE = "nominate"
    SETTLE = "settle"
    RELEASE = "release"


IDLE = (Act.WAIT, Act.IGNORE, Act.FINISHED)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do, and why.

    why:    a sentence.
    code:   the kind of reason, by which it is told once.
    number: a score or a seal, where one belongs to it.
    by:     second of the chain at which it is too late; None for no such second.
    part:   whether the account has a stake in the challenge, or is about to.
    """

    act: Act
    why: str
    code: str = ""
    number: int = 0
    by: int | None = None
    part: bool = True


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known of one challenge at one moment.

    clock:       where it stands.
    now:         second of the chain.
    head:        newest block.
    home:        whether this account posted it from here, and has its package.
    publishable: whether its training groups are yet to be published, and there is a place to.
    drawn:       block of the draw; None before.
    sealed:      whether a seal is saved here.
    signed:      whether its commit was signed: it goes on, whatever it is worth by now.
    barrier:     why it cannot be entered; empty if nothing is in the way.
    unready:     why its training groups are not here yet, to be tried again; empty if nothing is known to be wrong.
    studying:    what its study is at, as a sentence; empty for none under way.
    odds:        what to expect, once a model was trained.
    risen:       the same, had the reward risen to the whole.
    least:       wei of profit below which it is not entered.
    left:        wei of the budget that are not used.
    reached:     right answers of the sealed model, once worked out.
    false:       false predictions of the candidate, once worked out.
    proof:       wei that the gas of proving one costs.
    bounty:      wei that a proof is worth.
    """

    me: str
    challenge: Challenge
    clock: Clock
    now: int
    head: int
    depth: int
    study_seconds: int
    home: bool = False
    publishable: bool = False
    drawn: int | None = None
    sealed: bool = False
    signed: bool = False
    barrier: str = ""
    unready: str = ""
    studying: str = ""
    odds: Odds | None = None
    risen: Odds | None = None
    least: int = 0
    left: int = 0
    reached: int | None = None
    false: int | None = None
    proof: int = 0
    bounty: int = 0

    @property
    def seals(self) -> list[SealView]:
        """Seals on the chain; a candidate who was late has fallen, whether or not a call has written that down."""
        late = self.challenge.fallen(self.now)
        return [
            replace(seal, claim=None, bond=0, fell="late") if seal.index + 1 == late else seal
            for seal in self.challenge.seals
        ]

    @property
    def seal(self) -> SealView | None:
        """The account's seal."""
        return next((seal for seal in self.seals if seal.trainer == self.me), None)


def decide(known: Situation) -> Decision:
    """The one next thing to do in a challenge."""
    seal = known.seal
    if known.studying and not _open(known):
        return Decision(act=Act.GIVE_UP, why=f"it is too late to commit, and {known.studying}", code="late", part=False)
    if seal is not None and seal.bond and not seal.claim and known.clock.phase & AFTER_CLAIMS:
        # there is nothing to wait for
        return Decision(act=Act.RELEASE, number=seal.index, why="it made no claim, and its bond is free", code="own")
    return _PHASES[known.clock.phase](known, seal)


def _posted(known: Situation, seal: SealView | None) -> Decision:
    return _wait(known, f"block {known.challenge.seed_block} will draw the hold-out", "posted", part=known.home)


def _draw(known: Situation, seal: SealView | None) -> Decision:
    if not known.home:
        return _wait(known, "its poster has not drawn the hold-out", "undrawn", part=False)
    if known.head < known.challenge.seed_block + known.depth:
        return _wait(known, f"its seed is not {known.depth} blocks deep", "young seed")
    return Decision(act=Act.DRAW, why="its seed is there", code="draw")


def _open(known: Situation) -> bool:
    """Whether there is time to commit."""
    return known.clock.phase == Phase.COMMIT and known.now < known.clock.ends - MARGIN


def _commit(known: Situation, seal: SealView | None) -> Decision:
    ends = known.clock.ends
    if known.home and known.publishable:
        if known.drawn is None or known.head < known.drawn + known.depth:
            return _wait(known, f"its draw is not {known.depth} blocks deep", "young draw")
        return Decision(act=Act.PUBLISH, why="the draw is final", code="publish", by=ends)
    if seal is not None:
        return _wait(known, "the model is sealed", "sealed")
    if known.challenge.poster == known.me:
        return _wait(known, "trainers may seal their models", "own post", part=known.home)
    if not _open(known):
        return _ignore("its commits end within a minute", "late")
    if known.signed:
        return Decision(act=Act.COMMIT, why="its commit was signed, and is not on the chain", code="again", by=ends)
    if known.barrier:
        return _ignore(known.barrier, "barrier")
    deep = min(known.head - known.challenge.posted.number, known.head - known.challenge.seed_block)
    if deep < known.depth:
        return _wait(known, f"its draw can still be undone: it is {deep} blocks deep, not {known.depth}", "young")
    if known.studying:
        return _wait(known, known.studying, known.studying)
    if known.unready:
        return _wait(known, f"{known.unready} (it is tried again)", "unready")
    if known.odds is None:
        if known.now + known.study_seconds > ends - MARGIN:
            left = show_duration(ends - known.now)
            return _ignore(f"{left} are left, and training may take {show_duration(known.study_seconds)}", "no time")
        return Decision(act=Act.STUDY, why="its terms can be met: fetch its groups and train", code="study", by=ends)
    return _weigh(known, known.odds)


def _weigh(known: Situation, odds: Odds) -> Decision:
    chance = f"{odds.right} of {odds.rows} right in training, so {odds.reach:.1%} to reach its threshold"
    rivals = len(known.challenge.seals)
    if rivals:
        chance += f" and {odds.win:.1%} to win among {rivals + 1}"
    terms, ends = known.challenge.terms, known.clock.ends
    if odds.profit <= 0 or odds.profit < known.least:
        wanted = f", and {ether(known.least)} wanted" if known.least > 0 else ""
        expected = f"{chance}: {ether(odds.profit)} ether expected{wanted}"
        if known.risen is not None and known.risen.profit > max(odds.profit, known.least - 1, 0):
            return _wait(known, f"{expected}; its reward still rises", "rising")
        return _ignore(expected, "unprofitable")
    gained = known.risen.profit - odds.profit if known.risen is not None else 0
    if terms.rule == Rule.BEST and gained > MISHAP * odds.profit and known.now < ends - _late(known):
        # the best claim wins, and of two alike the earlier: that, and being late, are worth less than such a rise
        return _wait(known, f"{chance}; its reward still rises, and who is first does not matter", "rises")
    if odds.at_risk > known.left:
        return _ignore(
            f"it puts {ether(odds.at_risk)} ether at risk, and {ether(max(known.left, 0))} of the budget are left",
            "budget",
        )
    why = f"{chance}: {ether(odds.profit)} ether expected, {ether(odds.at_risk)} at risk"
    return Decision(act=Act.COMMIT, why=why, code="profitable", by=known.clock.ends)


def _late(known: Situation) -> int:
    """Seconds before the commits' end in which one can no longer wait for a reward to rise: a tenth of the window."""
    return max(known.challenge.terms.windows.commit // 10, 2 * MARGIN)


def _reveal(known: Situation, seal: SealView | None) -> Decision:
    if known.home:
        missing = known.challenge.terms.holdout - known.challenge.shown
        return Decision(
            act=Act.REVEAL, why=f"{missing} groups of the hold-out are not shown", code="reveal", by=known.clock.ends
        )
    return _wait(known, "its poster is to reveal the hold-out", "unrevealed", part=seal is not None)


def _claim(known: Situation, seal: SealView | None) -> Decision:
    if seal is None:
        return _wait(known, "others claim", "others claim", part=known.home)
    if seal.claimed is not None:
        return _wait(known, f"it claims {seal.claimed}", "claimed")
    if not known.sealed:
        return _wait(known, "the seal is not here: without model and salt nothing can be claimed", "lost seal")
    if known.reached is None:
        return Decision(act=Act.SCORE, why="the hold-out is revealed", code="score", by=known.clock.ends)
    terms = known.challenge.terms
    if known.reached < terms.threshold:
        why = f"its model reaches {known.reached}, and the threshold is {terms.threshold}"
        return _wait(known, why, "below")
    score = terms.threshold if terms.rule == Rule.FIRST else known.reached
    return Decision(
        act=Act.CLAIM, number=score, why=f"its model reaches {known.reached}", code="claim", by=known.clock.ends
    )


def _unseal(known: Situation, seal: SealView | None) -> Decision:
    if seal is None or known.clock.candidate != seal.index + 1:
        return _wait(known, "another is to unseal", "other unseals", part=seal is not None or known.home)
    return Decision(act=Act.UNSEAL, why="it leads", code="unseal", by=known.clock.ends)


def _audit(known: Situation, seal: SealView | None) -> Decision:
    part = known.home or _stake(seal)
    if seal is not None and known.clock.candidate == seal.index + 1:
        if known.challenge.terms.full_audit and known.clock.unaudited:
            why = f"{known.clock.unaudited} samples are not executed"
            return Decision(act=Act.EXECUTE, why=why, code="execute", by=known.clock.ends)
        return _wait(known, "anyone may look for a false prediction", "optimistic")
    if known.false is None:
        return Decision(act=Act.CHECK, why="a model was unsealed", code="check", by=known.clock.ends, part=part)
    if known.false == 0:
        return _wait(known, "every prediction is what the model says", "honest", part=part)
    if known.bounty <= known.proof:
        why = f"{known.false} predictions are false, but a proof costs more than its bounty"
        if not (seal is not None and seal.claim):
            return _wait(known, why, "dear proof", part=part)
        # one's own claim comes next: that may be worth it, within the budget
        if known.proof > known.left:
            return _wait(known, f"{why}, and than what is left of the budget", "dear proof", part=part)
    return Decision(act=Act.PROVE, why=f"{known.false} predictions are false", code="prove", by=known.clock.ends)


def _nominate(known: Situation, seal: SealView | None) -> Decision:
    wanted = seal if seal is not None and seal.claim else None
    if wanted is None and known.home:
        wanted = known.challenge.best_claim(known.now)
    if wanted is None:
        return _wait(known, "others nominate", "others nominate", part=_stake(seal) or known.home)
    leader = known.clock.leader
    if leader and not _better(wanted, known.seals[leader - 1]):
        return _wait(known, "as good a claim is nominated", "nominated")
    why = f"the candidate fell, and seal {wanted.index} claims {wanted.claim}"
    return Decision(
        act=Act.NOMINATE, number=wanted.index, why=why, code=f"nominate {wanted.index}", by=known.clock.ends
    )


def _better(one: SealView, other: SealView) -> bool:
    """Whether a claim would replace the one that is nominated: ties go to the lower seal index."""
    return (one.claim or 0, -one.index) > (other.claim or 0, -other.index)


def _settle(known: Situation, seal: SealView | None) -> Decision:
    if _stake(seal) or known.home:
        return Decision(act=Act.SETTLE, why=f"it is decided: {known.clock.outcome.name}", code="settle")
    return Decision(act=Act.FINISHED, why="it is decided, without this account", code="finished", part=False)


def _closed(known: Situation, seal: SealView | None) -> Decision:
    if _stake(seal):
        assert seal is not None, "it has a stake"
        return Decision(act=Act.RELEASE, number=seal.index, why="the challenge is closed", code="release")
    return Decision(act=Act.FINISHED, why="it is closed", code="finished", part=False)


def _stake(seal: SealView | None) -> bool:
    return seal is not None and seal.bond > 0


def _wait(known: Situation, why: str, code: str, *, part: bool = True) -> Decision:
    ends = known.clock.ends
    return Decision(act=Act.WAIT, why=why, code=code, by=ends if ends < 2**63 else None, part=part)


def _ignore(why: str, code: str) -> Decision:
    return Decision(act=Act.IGNORE, why=why, code=code, part=False)


_PHASES = {
    Phase.POSTED: _posted,
    Phase.DRAW: _draw,
    Phase.COMMIT: _commit,
    Phase.REVEAL: _reveal,
    Phase.CLAIM: _claim,
    Phase.UNSEAL: _unseal,
    Phase.AUDIT: _audit,
    Phase.NOMINATE: _nominate,
    Phase.SETTLE: _settle,
    Phase.CLOSED: _closed,
}
