"""Whole lives of challenges, misbehaviour and sudden ends among them, and the game that they are part of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

from fuzz.acts import (
    ACTS,
    AUDIT_FLAWS,
    BAD_MODELS,
    BAD_TERMS,
    GOOD_EDGES,
    HUGE,
    REVEAL_FLAWS,
    UNSEAL_FLAWS,
    Acts,
    act,
    bad_model,
    fitted,
)
from fuzz.driver import PROXY, REACHED, Data, backend
from fuzz.model import BLOCKS, CALLS_BACK, FLAWS, PAYEE_CALLS, PAYEE_REFUSES, PAYEE_TAKES, PAYEE_TRIES, Life, Refused
from tests.world import TRAINERS
from trainer.protocol import ETHER, SEED_DELAY, Phase, Rule, Terms


class Lives(Acts):
    """Actors who carry a challenge through its phases."""

    @act
    def lead(self, rng: Random) -> None:
        """One life from post to payout, cut off anywhere, with any misbehaviour on the way."""
        life = self.post(rng, replace(self.good_terms(rng), threshold=rng.choice((1, 1, 2))))
        if life is None:
            return  # a token that does not pay
        if rng.random() < 0.06:
            self.call("cancel", life.id, sender=life.poster)
            return
        wait = rng.choice((1, 1, 1, 1, 1, 1, 255, 256, 257, 300, 8191, 8192))
        self.mine(SEED_DELAY + (0 if rng.random() < 0.1 else wait))
        self.call("draw", life.id, sender=self.anyone(rng))
        if life.phase != Phase.COMMIT:
            return
        trainers = rng.sample([self.who[t] for t in (*TRAINERS, PROXY)], rng.choice((0, 1, 2, 3, 3, 4, 4)))
        for trainer in trainers:
            good, bad = fitted(life.terms, rng.randrange(7)), bad_model(life.terms, rng.choice(BAD_MODELS))
            self.seal(rng, life.id, trainer, model=good if rng.random() < 0.8 else bad)
            if rng.random() < 0.2:
                self.meddle(rng, life)
            self.pause(rng)
        self.noise(rng)
        self.to_edge(life, rng.choice((-1, 0, 0, 0, 0, 0, 0, 0, 0, 1)))
        if not self._reveal_all(rng, life):
            return
        self._claim_all(rng, life)
        self.noise(rng)
        self.to_edge(life, rng.choice((-1, 0, 0, 0, 0, 0, 0, 0, 0, 1)))
        for _ in range(6):
            if life.phase not in (Phase.UNSEAL, Phase.AUDIT, Phase.NOMINATE):
                break
            self._turn(rng, life)
        if rng.random() < 0.9:
            self.call("settle", life.id, sender=self.anyone(rng))
        for index in range(len(life.seals)):
            if rng.random() < 0.6:
                self.call("release", life.id, index, sender=self.anyone(rng))
        for token, owner in [key for key, amount in self.model.credit.items() if amount]:
            if rng.random() < 0.5:
                self.call("withdraw", token, owner, sender=owner)

    def plain_terms(self, rng: Random, data: Data | None = None) -> Terms:
        """Terms that one right answer satisfies, and that have the classes of the engine."""
        terms = self.good_terms(rng, data)
        return replace(terms, threshold=1, classes=self.table.data[terms.root].steps.base + 4)

    @act
    def compete(self, rng: Random, lie: bool = False) -> None:
        """A life in which all are on time, up to anywhere: honest, or with bad models passed off as perfect ones."""
        life = self.post(rng, self.plain_terms(rng))
        if life is None:
            return
        anyone, left = self.anyone(rng), rng.randrange(1, 12)
        self.mine(SEED_DELAY + 1)
        self.call("draw", life.id, sender=anyone)
        for trainer in rng.sample([self.who[t] for t in (*TRAINERS, PROXY)], rng.choice((1, 2, 3))):
            self.seal(rng, life.id, trainer, model=fitted(life.terms, 7 if lie else rng.randrange(4)))
            self.pause(rng)
        while left and life.phase not in (Phase.SETTLE, Phase.CLOSED):
            left, phase = left - 1, life.phase
            if phase == Phase.REVEAL:
                for index in self.held_out(life):
                    self.show(rng, life, index)
            elif life.phase == Phase.CLAIM:
                for seal in life.seals:
                    score = life.terms.holdout * life.terms.samples if lie else self.score(life, seal.trainer)
                    score = 1 if life.terms.rule == Rule.FIRST else score
                    self.call("claim", life.id, score, sender=seal.trainer)
            elif life.phase == Phase.UNSEAL and life.candidate is not None:
                self.open(rng, life, life.seals[life.candidate].trainer, "labels" if lie else "")
            elif life.phase == Phase.AUDIT and (lie or life.terms.full_audit):
                for slot in range(life.terms.holdout):
                    if life.phase == Phase.AUDIT:
                        self.execute(rng, life, slot, (1 << life.terms.samples) - 1)
            if life.phase == phase:
                self.to_edge(life, 0)
        if life.phase == Phase.SETTLE:
            self.call("settle", life.id, sender=anyone)

    def pause(self, rng: Random) -> None:
        """Time between two seals, in which a reward rises; four of them are shorter than any window."""
        if rng.random() < 0.7:
            self.mine(1, rng.choice((1, 59, 600)))

    @act
    def dispute(self, rng: Random) -> None:
        self.compete(rng, lie=True)

    @act
    def no_show(self, rng: Random) -> None:
        """A challenge whose turn it is to be served by nobody."""
        lives = [life for life in self.model.lives if life.ends is not None]
        if not lives:
            return
        life = max(lives, key=lambda life: life.phase) if rng.random() < 0.5 else rng.choice(lives)
        for _ in range(rng.randrange(1, 4)):
            self.to_edge(life, 0)
        if life.phase == Phase.NOMINATE:
            self.call("nominate", life.id, rng.randrange(len(life.seals)), sender=self.anyone(rng))
        elif life.phase == Phase.SETTLE and rng.random() < 0.8:
            self.call("settle", life.id, sender=self.anyone(rng))

    @act
    def meet(self, rng: Random) -> None:
        """Challenges in ether and in every token, posted in one block, drawn in another, competed for by the same."""
        lives = [self.post(rng, replace(self.good_terms(rng), token=token)) for token in self.tokens]
        self.mine(SEED_DELAY + 1)
        for life in lives:
            if life is not None:
                self.call("draw", life.id, sender=life.poster)
        for name in TRAINERS[: rng.randrange(1, 4)]:
            for life in lives:
                if life is not None:
                    self.seal(rng, life.id, self.who[name])

    @act
    def overreach(self, rng: Random) -> None:
        """The only trainer claims the threshold, shows honestly that he is below it, and nobody stands in his way."""
        plain = self.plain_terms(rng)
        life = self.post(rng, replace(plain, threshold=rng.randrange(1, plain.holdout * plain.samples + 1)))
        if life is None:
            return
        self.mine(SEED_DELAY + 1)
        self.call("draw", life.id, sender=life.poster)
        models = [fitted(life.terms, q) for q in range(9)]
        model = max(
            (m for m in models if self.right(life, m) < life.terms.threshold), key=lambda m: self.right(life, m)
        )
        trainer = self.anyone(rng)
        if isinstance(self.seal(rng, life.id, trainer, model=model), Refused):
            return  # a token that does not pay
        self.to_edge(life, 0)
        for index in self.held_out(life):
            self.show(rng, life, index)
        self.call("claim", life.id, life.terms.threshold, sender=trainer)
        self.to_edge(life, 0)
        if life.phase == Phase.UNSEAL and isinstance(self.open(rng, life, trainer), Refused):
            REACHED.situations["an honest model below the threshold"] += 1
        self.audit_all(rng, life)
        while life.ends is not None:
            self.to_edge(life, 0)
        self.call("settle", life.id, sender=self.anyone(rng))

    @act
    def crowd(self, rng: Random) -> None:
        """A life with more seals, slots and right answers than small numbers count."""
        life = self.post(rng, replace(self.plain_terms(rng, self.table.large), token=ETHER))
        assert life is not None
        self.mine(SEED_DELAY + 1)
        self.call("draw", life.id, sender=life.poster)
        trainers = [self.enroll(f"trainer {i}") for i in range(rng.choice((17, 18, 20)))]
        for trainer in trainers:
            # the last is the best, and leads where the best wins
            quality = 0 if trainer == trainers[-1] else rng.randrange(1, 4)
            self.seal(rng, life.id, trainer, model=fitted(life.terms, quality))
        self.to_edge(life, 0)
        for index in self.held_out(life):
            self.show(rng, life, index)
        for trainer in trainers:
            score = 1 if life.terms.rule == Rule.FIRST else self.score(life, trainer)
            self.call("claim", life.id, score, sender=trainer)
        self.to_edge(life, 0)
        assert life.candidate is not None
        self.open(rng, life, life.seals[life.candidate].trainer)
        self.audit_all(rng, life)
        self.to_edge(life, 0)
        self.call("settle", life.id, sender=trainers[0])
        for index in rng.sample(range(len(trainers)), 3):
            self.call("release", life.id, index, sender=trainers[0])

    def audit_all(self, rng: Random, life: Life) -> None:
        """Execute every sample of every group, as long as there is somebody to audit."""
        for slot in range(life.terms.holdout):
            if life.phase == Phase.AUDIT:
                self.execute(rng, life, slot, (1 << life.terms.samples) - 1, alone=True)

    def every_edge(self) -> None:
        """What chance should not decide: each refusal of terms and each bound, bad models and tokens, stray ether."""
        for change in BAD_TERMS:
            rng = Random(repr(change))
            assert self.post(rng, self.changed_terms(rng, change)) is None, f"edges: accepted {change}"
        for change in GOOD_EDGES:
            assert self.edge(Random(repr(change)), change) is not None, f"edges: refused {change}"
        self.broken_models(Random(1))
        self.broken_tokens(Random(2))
        self.refuse_ether()

    def broken_tokens(self, rng: Random) -> None:
        """Each flaw of a token at each of its transfers, and each sort of payee."""
        token, poster, anyone = self.coins[0], self.who["poster"], self.anyone(rng)
        good = replace(self.good_terms(rng), token=token)
        for flaw in FLAWS:
            blocked = poster if flaw == BLOCKS else ETHER
            life, other = self.post(rng, good), self.post(rng, good)
            assert life is not None
            assert other is not None
            self.call("cancel", other.id, sender=poster)
            self.mine(SEED_DELAY + 1)
            self.call("draw", life.id, sender=anyone)
            self.misbehave(token, flaw, blocked, self.callback(rng))
            self.post(rng, good)
            self.seal(rng, life.id, poster)
            for to in (self.market, poster):
                self.call("withdraw", token, to, sender=poster)
            self.misbehave(token, 0)
        for name in self.table.market.selectors:
            if name != "MIN_WINDOW":  # a constant, which needs no lock
                self.misbehave(token, CALLS_BACK, data=self.callback(rng, name))
                assert self.post(rng, good) is None, f"{name} called back"
        self.misbehave(token, 0)
        for mode in (PAYEE_REFUSES, PAYEE_CALLS, PAYEE_TRIES):
            life = self.post(rng, replace(good, token=ETHER), self.proxy)
            assert life is not None
            self.call("cancel", life.id, sender=self.proxy)
            self.behave(mode, self.callback(rng))
            self.call("withdraw", ETHER, self.proxy, sender=self.proxy)
        self.behave(PAYEE_TAKES)

    def broken_models(self, rng: Random) -> None:
        """Each sort of bad model becomes candidate alone and is shown."""
        for what in BAD_MODELS:
            life = self.post(rng, self.plain_terms(rng))
            assert life is not None
            self.mine(SEED_DELAY + 1)
            self.call("draw", life.id, sender=life.poster)
            trainer = self.anyone(rng)
            self.seal(rng, life.id, trainer, model=bad_model(life.terms, what))
            self.to_edge(life, 0)
            for index in self.held_out(life):
                self.show(rng, life, index)
            self.call("claim", life.id, 1, sender=trainer)
            self.to_edge(life, 0)
            self.open(rng, life, trainer, "labels")
            if life.phase == Phase.AUDIT:
                self.execute(rng, life, 0, 1)

    def noise(self, rng: Random) -> None:
        """Now and then somebody tries what the phase allows, mostly wrongly."""
        for _ in range(rng.choice((0, 0, 1, 3))):
            getattr(self, rng.choice(ACTS[:12]))(rng)

    def meddle(self, rng: Random, life: Life) -> None:
        """Somebody bends the call that this life waits for."""
        candidate = None if life.candidate is None else life.seals[life.candidate].trainer
        if life.phase == Phase.REVEAL:
            self.show(rng, life, rng.randrange(life.terms.groups), rng.choice(("", *REVEAL_FLAWS)))
        elif life.phase == Phase.CLAIM:
            total = life.terms.holdout * life.terms.samples
            score = rng.choice((0, life.terms.threshold - 1, total + 1, HUGE))
            self.call("claim", life.id, score, sender=self.anyone(rng))
        elif life.phase == Phase.UNSEAL and candidate is not None:
            self.open(rng, life, candidate, rng.choice(UNSEAL_FLAWS))
        elif life.phase == Phase.AUDIT:
            self.execute(rng, life, rng.randrange(life.terms.holdout), 1, rng.choice(AUDIT_FLAWS))
        elif life.phase == Phase.COMMIT:
            self.seal(rng, life.id, self.anyone(rng), rng.choice(("empty", "more", "less", "none")))

    def _reveal_all(self, rng: Random, life: Life) -> bool:
        missing = rng.random() < 0.1
        for n, index in enumerate(self.held_out(life) if life.phase == Phase.REVEAL else []):
            if rng.random() < 0.3:
                self.meddle(rng, life)
            if not (missing and n == 0):
                self.show(rng, life, index)
                if rng.random() < 0.1:
                    self.show(rng, life, index)
        if life.phase in (Phase.REVEAL, Phase.SETTLE) and rng.random() < 0.8:
            self.to_edge(life, 0)
            self.call("settle", life.id, sender=self.anyone(rng))
        return life.phase == Phase.CLAIM

    def _claim_all(self, rng: Random, life: Life) -> None:
        for seal in life.seals:
            honest, total = self.score(life, seal.trainer), life.terms.holdout * life.terms.samples
            claim = life.terms.threshold if life.terms.rule == Rule.FIRST else honest
            what = rng.random()
            if what < 0.2:
                claim = min(total, honest + 1)
            if rng.random() < 0.3:
                self.meddle(rng, life)
            if what < 0.9:
                self.call("claim", life.id, claim, sender=seal.trainer)
            if rng.random() < 0.1:
                self.call("claim", life.id, claim, sender=seal.trainer)

    def _turn(self, rng: Random, life: Life) -> None:
        """The candidate's turn, or the search for the next one."""
        if life.phase == Phase.NOMINATE:
            for index in rng.sample(range(len(life.seals)), rng.randrange(len(life.seals) + 1)):
                self.call("nominate", life.id, index, sender=self.anyone(rng))
            self.to_edge(life, rng.choice((-1, 0, 0, 0)))
            return
        if life.phase == Phase.UNSEAL:
            assert life.candidate is not None
            trainer = life.seals[life.candidate].trainer
            honest = self.score(life, trainer) >= life.seals[life.candidate].claim
            if rng.random() < 0.4:
                self.meddle(rng, life)
            flaw = rng.choice(("", "", "", "lie")) if honest else rng.choice(("lie", "labels"))
            if rng.random() < 0.85:
                self.open(rng, life, trainer, flaw)
            if life.phase == Phase.UNSEAL:
                self.to_edge(life, 0)
            return
        full = (1 << life.terms.samples) - 1
        thorough = rng.random() < 0.75
        for slot in range(life.terms.holdout):
            if life.phase == Phase.AUDIT and (thorough or rng.random() < 0.5):
                if rng.random() < 0.4:
                    self.meddle(rng, life)
                part = rng.randrange(full + 1)
                for mask in (part, rng.choice((full, full & ~part))) if rng.random() < 0.5 else (full,):
                    if mask and life.phase == Phase.AUDIT:
                        self.execute(rng, life, slot, mask)
        if life.phase == Phase.AUDIT:
            self.to_edge(life, rng.choice((-1, 0, 0)))


@contextmanager
def played(note: Callable[[str], None], on: str | None = None) -> Iterator[Lives]:
    """A game on an empty market, undone afterwards; `on` names a backend other than the one asked for."""
    chain = backend(on)
    with chain.example():
        REACHED.examples += 1
        yield Lives(chain, note)
