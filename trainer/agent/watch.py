"""A watcher: executes every model that is unsealed on this machine, and proves on the chain what is false.

It has no state: what it knows of the chain is the index, and what it worked out can be worked out again.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial

from trainer.agent.loop import Loop, Tell, Turn
from trainer.index import Challenge, Clock
from trainer.protocol import ETHER, Phase
from trainer.roles import auditor
from trainer.roles.auditor import Finding
from trainer.roles.desk import Desk


class Duty(StrEnum):
    """What a watcher does for a challenge."""

    NOTHING = "nothing"
    CHECK = "check"
    PROVE = "prove"
    DRAW = "draw"
    NOMINATE = "nominate"
    SETTLE = "settle"


def duty(
    challenge: Challenge,
    clock: Clock,
    *,
    head: int,
    me: str | None,
    false: int | None,
    dear: bool = False,
    keep_house: bool,
    now: int,
) -> Duty:
    """What to do for a challenge now.

    me:         the watcher's account; None for one without.
    false:      false predictions of the candidate, once worked out.
    dear:       whether a proof takes more than a transaction, and costs more than its bounty.
    keep_house: whether it also calls what anyone may and nobody is paid for.
    now:        seconds; who was late by then fell, though no event says it yet.
    """
    if clock.phase == Phase.AUDIT:
        # one's own lie can be proven, but half of the bond is burned: that is no service
        if challenge.seals[clock.candidate - 1].trainer == me:
            return Duty.NOTHING
        if false is None:
            return Duty.CHECK
        return Duty.PROVE if false and not dear else Duty.NOTHING
    if not keep_house:
        return Duty.NOTHING
    if clock.phase == Phase.DRAW and head >= challenge.seed_block:
        return Duty.DRAW
    if clock.phase == Phase.NOMINATE:
        best = challenge.best_claim(now)
        return Duty.NOTHING if best is None or clock.leader == best.index + 1 else Duty.NOMINATE
    return Duty.SETTLE if clock.phase == Phase.SETTLE else Duty.NOTHING


class Watcher(Loop):
    """Looks at every challenge of a market; with an account it acts, without one it only tells."""

    def __init__(self, desk: Desk, tell: Tell, *, poll: float, keep_house: bool = False, dry: bool = False) -> None:
        """Nothing is looked at yet.

        dry: only tell what is false.
        """
        super().__init__(desk, tell, poll=poll)
        self.keep_house, self.dry = keep_house, dry
        self.me = None if dry else desk.me
        self._findings: dict[tuple[int, bytes | None, bytes | None], tuple[Finding, int]] = {}
        self._retry: dict[int, float] = {}

    def turn(self) -> Turn:
        """Look at every challenge once."""
        waiting = self.tend()
        self.desk.index.sync()
        if waiting:
            return Turn(False, True, True)
        acted = part = False
        for challenge in self.desk.index.challenges():
            if challenge.stored.phase == Phase.CLOSED:
                continue
            part = True
            chosen = self.apart(challenge.id, None, partial(self._duty, challenge)) or Duty.NOTHING
            if chosen != Duty.NOTHING and self._retry.get(challenge.id, 0.0) <= time.monotonic():
                clock = self.desk.clock(challenge)
                done = self.attempt(challenge.id, chosen.value, clock.ends, self._work(challenge, chosen))
                acted |= done and not (self.dry and chosen != Duty.CHECK)
                if not done:
                    # what was refused once is asked about again, but not at once
                    self._retry[challenge.id] = time.monotonic() + self.poll
                    if not self.dry and self.pending():
                        # it was sent, and does not count yet: nothing else is sent before
                        return Turn(acted, True, True)
        return Turn(acted, False, part)

    def _duty(self, challenge: Challenge) -> Duty:
        finding, gas = self._findings.get((challenge.id, challenge.model, challenge.predictions), (None, 0))
        return duty(
            challenge,
            self.desk.clock(challenge),
            head=self.desk.chain.block,
            me=self.me,
            false=None if finding is None else finding.false,
            dear=self._dear(challenge, gas),
            keep_house=self.keep_house and not self.dry,
            now=self.desk.chain.now,
        )

    def _dear(self, challenge: Challenge, gas: int) -> bool:
        """Whether a proof takes more gas than one transaction may, and the bounty does not pay for it.

        What fits one transaction is proven whatever it pays: a lie costs the liar more than that.
        """
        if gas <= self.desk.settings.gas_cap:
            return False
        rpc, terms = self.desk.chain.rpc, challenge.terms
        bounty = terms.trainer_bond // 2 if terms.token == ETHER else 0
        return bounty <= gas * (rpc.base_fee() + rpc.tip())

    def _work(self, challenge: Challenge, chosen: Duty) -> Callable[[], None]:
        return lambda: self._do(challenge, chosen)

    def _do(self, challenge: Challenge, chosen: Duty) -> None:
        number, client = challenge.id, self.desk.client
        if chosen == Duty.CHECK:
            self._check(challenge)
            return
        if self.dry:
            return
        assert self.me is not None, "it is not dry"
        if chosen == Duty.PROVE:
            finding, _ = self._findings[(number, challenge.model, challenge.predictions)]
            receipt = auditor.prove(self.desk, number, finding)
        elif chosen == Duty.DRAW:
            receipt = client.draw(number, sender=self.me)
        elif chosen == Duty.NOMINATE:
            best = challenge.best_claim(self.desk.chain.now)
            assert best is not None, "only then it is a duty"
            receipt = client.nominate(number, best.index, sender=self.me)
        else:
            receipt = client.settle(number, sender=self.me)
        self.tell(
            "transaction",
            f"{number}: {chosen.value}: {receipt.transaction_gas:,} gas, {receipt.transaction}",
            challenge=number,
            what=chosen.value,
            gas=receipt.transaction_gas,
            transaction=receipt.transaction,
        )

    def _check(self, challenge: Challenge) -> None:
        number = challenge.id
        finding = auditor.check(self.desk, number)
        now = self.desk.index.challenge(number)
        gas = auditor.proof_gas(self.desk, number, finding.network)
        self._findings[(number, now.model, now.predictions)] = finding, gas
        candidate = now.seals[self.desk.clock(now).candidate - 1].trainer
        verdict = "honest" if not finding.lies else "fraud"
        self.tell(
            "checked",
            f"{number}: {candidate}: {finding.false} of {finding.samples} predictions are false"
            + (f"; a proof takes {gas:,} gas, more than its bounty" if finding.lies and self._dear(now, gas) else ""),
            challenge=number,
            candidate=candidate,
            compared=finding.samples,
            false=finding.false,
            slots=sorted(finding.lies),
            verdict=verdict,
        )
