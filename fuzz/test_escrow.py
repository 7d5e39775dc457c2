"""The escrow of a challenge as a class in Brownie's style: open this first if you know Brownie.

One challenge an example. Trainers seal good models and bad ones, claim truly or too much, come late or never; anyone
audits. Whatever they do, the market holds what it owes, pays the reward once, for a true score that reaches the
threshold, and gives it back where time ran out. `test_market.py` compares every answer with a model; this only looks.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from fuzz.brownie import reverts, state_machine, strategy
from tests.world import ALL, HOLDOUT, World, build_site, quality
from trainer.protocol import Outcome, Phase

LIVES = ("", "c", "cwr", "cwrt", "cwrtpw", "cwrtwua", "cwrlwu", "cwrlwuanw")
"""How far a life is led before chance takes over, a letter a step; `initialize_life` says what each is."""


def during(phase):
    """The rule runs in this phase only: others would be refused, and reach nothing."""
    return precondition(lambda self: self.world.phase(self.id) == phase)


class Escrow:
    st_who = strategy("uint8", max_value=2)
    st_quality = strategy("uint8", max_value=8)
    st_slot = strategy("uint8", max_value=HOLDOUT - 1)
    st_flag = strategy("bool")
    st_life = st.sampled_from(LIVES)
    st_seconds = st.sampled_from([-1, 0, 1])

    def __init__(cls, world):
        cls.world, cls.market, cls.reached = world, world.market, Counter()

    def setup(self):
        self.world.models.clear()
        self.id = self.world.open()
        self.terms = self.world.stored(self.id)
        self.taken, self.withdrawn, self.settled = self.terms.reward + self.terms.poster_bond, 0, 0
        self.lies, self.tried = {}, set()

    def initialize_life(self, st_life):
        """A part of a life: left to chance alone, rules rarely get beyond the reveal."""
        moves = {
            "c": lambda: [self.rule_commit(who, value) for who, value in enumerate((8, 3, 0))],
            "w": lambda: self.rule_wait(0),
            "r": lambda: [self.rule_reveal(slot) for slot in range(HOLDOUT)],
            "t": lambda: [self.rule_claim(who, True) for who in range(3)],
            "l": lambda: [self.rule_claim(who, who != 0) for who in range(3)],
            "u": self.rule_unseal,
            "a": self.rule_audit,
            "n": lambda: self.rule_nominate(2),
            "p": lambda: self.rule_withdraw(0),
        }
        for move in st_life:
            moves[move]()

    def rule_commit(self, st_who, st_quality):
        trainer = self.world.trainers[st_who]
        if self.world.phase(self.id) != Phase.COMMIT:
            with reverts("market: wrong phase"):
                self.market.commit(self.id, b"\1" * 32, sender=trainer)
        elif (self.id, trainer) not in self.world.models:
            self.world.commit(self.id, trainer, quality(st_quality))
            self.taken += self.terms.trainer_bond + self.terms.seal_fee
            self.reached["commit"] += 1

    @during(Phase.REVEAL)
    def rule_reveal(self, st_slot):
        group = self.world.held_out(self.id)[st_slot]
        if self.market.holdout(self.id, st_slot).samples == bytes(32):
            self.world.reveal(self.id, group)
        else:
            with reverts("reveal: already revealed"):
                self.world.reveal(self.id, group)

    @during(Phase.CLAIM)
    def rule_claim(self, st_who, honest="st_flag"):
        trainer = self.world.trainers[st_who]
        if (self.id, trainer) in self.world.models and trainer not in self.lies:
            score = self.world.honest_score(self.id, trainer) if honest else ALL
            if score >= self.terms.threshold:
                self.lies[trainer] = score > self.world.honest_score(self.id, trainer)
                self.world.claim(self.id, trainer, score)
                self.reached["claim"] += 1

    def _shown(self, candidate):
        """What a candidate says his model predicts: a liar is right everywhere."""
        model, _ = self.world.models[self.id, candidate]
        return self.world.lie(self.id, candidate) if self.lies[candidate] else self.world.predictions(self.id, model)

    @during(Phase.UNSEAL)
    def rule_unseal(self):
        candidate = self.world.candidate(self.id)
        self.world.unseal(self.id, candidate, predictions=self._shown(candidate))
        self.reached["unseal"] += 1

    @during(Phase.AUDIT)
    def rule_audit(self):
        candidate = self.world.candidate(self.id)
        for slot in range(HOLDOUT):
            if self.world.phase(self.id) == Phase.AUDIT and not self.market.executed(
                self.id, self._seal(candidate), slot
            ):
                right = self.world.audit(self.id, candidate, slot, predictions=self._shown(candidate))
                assert right or self.lies[candidate]
                self.reached["audit" if right else "fraud"] += 1

    def _seal(self, trainer):
        return self.market.seal_of(self.id, trainer) - 1

    @during(Phase.NOMINATE)
    def rule_nominate(self, st_who):
        trainer = self.world.trainers[st_who]
        if trainer not in self.lies or trainer in self.tried:
            with reverts("nominate: no standing claim"):
                self.market.nominate(self.id, self._seal(trainer) if trainer in self.tried else 9)
        elif self.world.clock(self.id).leader == 0:
            self.market.nominate(self.id, self._seal(trainer))
            self.reached["nominate"] += 1

    def rule_settle(self):
        if self.world.phase(self.id) != Phase.SETTLE:
            with reverts("market: wrong phase"):
                self.market.settle(self.id)
        else:
            self._settle()

    def _settle(self):
        before = {who: self.world.credit(who) for who in (self.world.poster, *self.world.trainers)}
        bond, winner = self.terms.trainer_bond, self.world.candidate(self.id)
        outcome = self.world.settle(self.id)
        paid = {who: self.world.credit(who) - amount for who, amount in before.items()}
        if outcome == Outcome.WON:
            assert self.world.honest_score(self.id, winner) >= self.terms.threshold
            assert {who: amount for who, amount in paid.items() if amount} == {winner: self.terms.reward + bond}
        else:
            # a poster who withheld loses his bond, one nobody joined gets it back
            back = self.terms.reward + (self.terms.poster_bond if outcome == Outcome.DESERTED else 0)
            assert {who: amount for who, amount in paid.items() if amount} == {self.world.poster: back}
        self.settled += 1
        self.reached[outcome.name] += 1

    def rule_withdraw(self, st_who):
        who = (self.world.poster, *self.world.trainers)[st_who]
        if self.world.credit(who):
            self.withdrawn += self.market.withdraw(self.terms.token, who, sender=who)
            self.reached["withdraw"] += 1
        else:
            with reverts("ledger: nothing to withdraw"):
                self.market.withdraw(self.terms.token, who, sender=who)

    def rule_wait(self, st_seconds):
        """To the last second of a phase, to the end of it, or past it."""
        if self.world.phase(self.id) not in (Phase.SETTLE, Phase.CLOSED):
            self.world.near_end(self.id, st_seconds)
            self.tried.add(self.world.candidate(self.id))

    def invariant_every_wei_is_somewhere(self):
        self.world.assert_solvent()
        assert self.world.holdings() == self.taken - self.withdrawn

    def invariant_paid_at_most_once(self):
        assert self.settled == (self.world.phase(self.id) == Phase.CLOSED)

    def teardown(self):
        """Time and strangers alone bring the escrow to zero."""
        while self.world.phase(self.id) not in (Phase.SETTLE, Phase.CLOSED):
            self.world.pass_phase(self.id)
        if not self.settled:
            self._settle()
        self.world.release_all(self.id)
        self.world.assert_over()


def test_escrow():
    site, reached = build_site(), Counter()
    # a share of the profile's examples for each life: drawn as well, some would be missed in a quick run
    few = {"stateful_step_count": 12, "max_examples": 1 + settings.default.max_examples // len(LIVES)}
    with site.chain.active():
        for life in LIVES:
            machine = type("Escrow", (Escrow,), {"st_life": st.just(life)})
            reached += state_machine(machine, World(site), settings=few).reached
    # green is worth nothing where nothing happened
    outcomes = {"DESERTED", "WITHHELD", "UNCLAIMED", "UNNOMINATED", "WON"}
    wanted = {"commit", "claim", "unseal", "audit", "fraud", "nominate", "withdraw", *outcomes}
    assert wanted - set(reached) == set(), reached
