"""What actors do, well and badly: every public call with its valid and invalid variants, and whole lives.

Each act takes a `random.Random`. Hypothesis passes one it controls, so failures shrink; fixed seeds pass a plain one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from random import Random
from typing import Any

from eth_hash.auto import keccak

from fuzz.driver import ACTORS, PROXY, REACHED, Data, Game, backend
from fuzz.model import (
    BLOCKS,
    FLAWS,
    PAYEE_CALLS,
    PAYEE_REFUSES,
    PAYEE_TAKES,
    PAYEE_TRIES,
    Life,
    Refused,
    holdout,
)
from tests.world import HOUR, TRAINERS, predicted
from trainer.protocol import ETHER, SEED_DELAY, Outcome, Phase, Rule, Terms, Windows, seal_hash

HUGE = 2**256 - 1
BAD_TERMS: tuple[dict[str, Any], ...] = (
    {"token": "0x" + "11" * 20},
    {"reward": 0},
    {"poster_bond": 0},
    {"trainer_bond": 0},
    {"reward": 2**128},
    {"poster_bond": HUGE},
    {"trainer_bond": 2**128},
    {"seal_fee": HUGE},
    {"rule": 0},
    {"rule": 3},
    {"rule": 4},
    {"root": bytes(32)},
    {"groups": 2**20 + 1},
    {"holdout": 0},
    {"holdout": 257, "groups": 1000},
    {"groups": 4, "holdout": 4},
    {"groups": HUGE},
    {"samples": 0},
    {"samples": 33},
    {"threshold": 0},
    {"threshold": 10_000},
    {"threshold": HUGE},
    {"input_bits": 3},
    {"input_bits": 16},
    {"classes": 1},
    {"classes": 257},
    {"sample_bytes": 0},
    {"sample_bytes": 126_977},
    {"sample_bytes": HUGE},
    {"model_bytes": 0},
    {"model_bytes": 126_977},
    {"model_bytes": 126_976},
    {"groups": 1000, "holdout": 256, "model_bytes": 122_700},
    {"engine": "0x" + "22" * 20},
    *({name: HOUR - 1} for name in ("commit", "reveal", "claim", "unseal", "audit", "nominate")),
    *({name: 365 * 24 * HOUR + 1} for name in ("commit", "reveal", "claim", "unseal", "audit", "nominate")),
    {"nominate": HUGE},
    {"reveal": HOUR + 59},
    {"groups": 1000, "holdout": 60, "reveal": 2 * HOUR - 1},
    {"groups": 3, "holdout": 4},
)
"""Changes of good terms, each against one bound."""

BAD_MODELS = (b"R\0", b"X\0", b"X\3", b"M", b"M" * 65)
REVEAL_FLAWS = ("salt", "labels", "lane", "class", "samples", "length", "index", "proof", "short")
UNSEAL_FLAWS = ("salt", "model", "few", "many", "lane", "class", "low", "thief")
AUDIT_FLAWS = ("slot", "group", "mask", "nothing", "predictions", "model", "length", "samples", "gas")


def word(classes: list[int] | bytes) -> bytes:
    return bytes(classes).ljust(32, b"\0")


def truth(data: Data, life: Life, model: bytes, held_out: list[int]) -> list[bytes]:
    """What the engine will find, a word a slot."""
    return [word([predicted(model, b) for b in data.groups[i].samples]) for i in held_out]


def act(method: Any) -> Any:
    """Count a rule."""

    @wraps(method)
    def counted(self: Any, *args: Any, **options: Any) -> Any:
        REACHED.rules[method.__name__] += 1
        return method(self, *args, **options)

    return counted


class Acts(Game):
    """A game with actors in it."""

    # ── drawing ──

    def anyone(self, rng: Random) -> str:
        return self.who[rng.choice(ACTORS)]

    def pick(self, rng: Random, *phases: Phase) -> int:
        """A challenge: mostly one in these phases, sometimes any, sometimes none."""
        lives = self.model.lives
        if not lives or rng.random() < 0.04:
            return rng.choice((len(lives), HUGE))
        fitting = [life.id for life in lives if life.phase in phases]
        if fitting and rng.random() < 0.8:
            return rng.choice(fitting)
        return rng.randrange(len(lives))

    def life(self, id: int) -> Life | None:
        return self.model.lives[id] if id < len(self.model.lives) else None

    def data(self, life: Life) -> Data:
        return self.table.data[life.terms.root]

    def held_out(self, life: Life) -> list[int]:
        """Held-out groups in the order of their slots."""
        return holdout(life.key, life.terms.groups, life.terms.holdout)

    # ── poster ──

    def good_terms(self, rng: Random) -> Terms:
        data = rng.choice(list(self.table.data.values()))
        samples = len(data.groups[0].samples)
        total = samples * data.holdout
        return Terms(
            token=rng.choice((ETHER, ETHER, *self.coins)),
            reward=rng.choice((1, 2, 10**18, 2**128 - 1)),
            poster_bond=rng.choice((1, 2, 3, 10**18 + 1, 2**128 - 1)),
            trainer_bond=rng.choice((1, 2, 3, 10**18 + 1, 2**128 - 1)),
            seal_fee=rng.choice((0, 0, 7, 2**128 - 1)),
            rule=rng.choice((Rule.BEST, Rule.FIRST)),
            threshold=rng.choice((1, max(1, total // 2), max(1, total // 3), total)),
            root=data.root,
            groups=len(data.groups),
            holdout=data.holdout,
            samples=samples,
            sample_bytes=1,
            input_bits=rng.choice((1, 2, 4, 8)),
            classes=rng.choice((4, 4, 4, 4, 4, 4, 5)),
            model_bytes=rng.choice((2, 64)),
            engine=self.engine,
            full_audit=rng.random() < 0.5,
            windows=Windows(
                reveal=rng.choice((HOUR + HOUR * data.holdout // 60, 3 * HOUR)),
                **{
                    name: rng.choice((HOUR, HOUR + 1, 3 * HOUR))
                    for name in ("commit", "claim", "unseal", "audit", "nominate")
                },
            ),
        )

    def bad_terms(self, rng: Random, change: dict[str, Any] | None = None) -> Terms:
        terms, changes = self.good_terms(rng), dict(rng.choice(BAD_TERMS) if change is None else change)
        windows = {name: changes.pop(name) for name in list(changes) if hasattr(terms.windows, name)}
        return replace(terms, windows=replace(terms.windows, **windows), **changes)

    @act
    def post(self, rng: Random, terms: Terms | None = None, poster: str | None = None) -> Life | None:
        exact = terms is not None
        if terms is None:
            terms = self.bad_terms(rng) if rng.random() < 0.5 else self.good_terms(rng)
        value = terms.reward + terms.poster_bond if terms.token == ETHER else 0
        if not exact and rng.random() < 0.1:
            value = max(0, value + rng.choice((-1, 1)))
        if value > 2**130:
            value = 0
        answer = self.call("post", terms, sender=poster or self.who["poster"], value=value)
        return None if isinstance(answer, Refused) else self.model.lives[answer]

    @act
    def cancel(self, rng: Random) -> None:
        id = self.pick(rng, Phase.POSTED)
        life = self.life(id)
        sender = life.poster if life and rng.random() < 0.6 else self.anyone(rng)
        self.call("cancel", id, sender=sender, value=rng.choice((0,) * 9 + (1,)))

    @act
    def draw(self, rng: Random) -> None:
        self.call("draw", self.pick(rng, Phase.DRAW), sender=self.anyone(rng))

    @act
    def reveal(self, rng: Random) -> None:
        id = self.pick(rng, Phase.REVEAL)
        life = self.life(id)
        if life is None or life.key == bytes(32):
            self.call("reveal", id, 0, bytes(32), bytes(32), [], b"", sender=self.anyone(rng))
            return
        left = [g for slot, g in enumerate(self.held_out(life)) if slot not in life.revealed]
        index = rng.choice(left) if left and rng.random() < 0.6 else rng.randrange(life.terms.groups)
        flaw = rng.choice(
            ("",) * 6 + ("salt", "labels", "lane", "class", "samples", "length", "index", "proof", "short")
        )
        self.show(rng, life, index, flaw)

    def show(self, rng: Random, life: Life, index: int, flaw: str = "", sender: str | None = None) -> Any:
        """Reveal a group, with a flaw."""
        data = self.data(life)
        group = data.groups[index]
        salt, labels, samples, proof = group.salt, group.labels, group.samples, list(data.proof(index))
        if flaw == "salt":
            salt = keccak(salt)
        elif flaw == "labels":
            labels = bytes([labels[0] ^ 1]) + labels[1:]
        elif flaw == "lane":
            labels = labels[:-1] + b"\1"
            if life.terms.samples < 32:
                labels = labels[: life.terms.samples] + b"\1" + bytes(31 - life.terms.samples)
        elif flaw == "class":
            labels = bytes([rng.choice((life.terms.classes, 255))]) + labels[1:]
        elif flaw == "samples":
            samples = samples[:-1] + bytes([samples[-1] ^ 1])
        elif flaw == "length":
            samples = rng.choice((samples + b"\0", samples[:-1]))
        elif flaw == "index":
            index = rng.choice((index + 1, index ^ 1, life.terms.groups, HUGE, index + 2 ** len(proof)))
        elif flaw == "proof":
            proof[0] = keccak(proof[0])
        elif flaw == "short":
            proof = rng.choice((proof[:-1], [*proof, proof[0]], []))
        args = (life.id, index, salt, labels, proof, samples)
        return self.call("reveal", *args, sender=sender or self.anyone(rng))

    # ── trainer ──

    @act
    def commit(self, rng: Random) -> None:
        id = self.pick(rng, Phase.COMMIT)
        self.seal(rng, id, self.anyone(rng), rng.choice(("",) * 8 + ("empty", "copy", "more", "less", "none")))

    def seal(self, rng: Random, id: int, trainer: str, flaw: str = "", model: bytes | None = None) -> Any:
        """Commit a model, or something that is none."""
        life = self.life(id)
        if model is None:
            model = rng.choice((b"M\0", b"M\1", b"M\4", bytes([77, rng.randrange(9)]), *BAD_MODELS))
        salt = keccak(b"%d %s" % (id % 2**64, trainer.encode()))
        seal = seal_hash(
            chain_id=self.chain.chain_id, market=self.market, challenge=id, trainer=trainer, model=model, salt=salt
        )
        value = 0
        if life is not None and life.terms.token == ETHER:
            value = life.terms.trainer_bond + life.terms.seal_fee
        if flaw == "empty":
            seal = bytes(32)
        elif flaw == "copy" and life and life.seals:
            seal = rng.choice(life.seals).hash
        elif flaw == "more":
            value += 1
        elif flaw == "less":
            value = max(0, value - 1)
        elif flaw == "none":
            value = 0
        answer = self.call("commit", id, seal, sender=trainer, value=value)
        if not isinstance(answer, Refused):
            self.secrets[id, trainer] = model, salt
            self.witness.secrets[salt] = id, trainer
        return answer

    def score(self, life: Life, trainer: str) -> int:
        """Right answers of a trainer's model on the hold-out."""
        model, _ = self.secrets[life.id, trainer]
        if len(model) != 2:
            return 0
        groups = [self.data(life).groups[i] for i in self.held_out(life)]
        return sum(predicted(model, b) == b & 3 for g in groups for b in g.samples)

    @act
    def claim(self, rng: Random) -> None:
        id = self.pick(rng, Phase.CLAIM)
        life = self.life(id)
        sender = self.anyone(rng)
        if life and life.seals and rng.random() < 0.85:
            sender = rng.choice(life.seals).trainer
        if life is None:
            self.call("claim", id, 1, sender=sender)
            return
        total = life.terms.holdout * life.terms.samples
        scores = [life.terms.threshold, life.terms.threshold - 1, total, total + 1, 0, HUGE]
        if (id, sender) in self.secrets and life.key != bytes(32):
            honest = self.score(life, sender)
            scores += [honest, honest, honest, honest + 1]
        self.call("claim", id, rng.choice(scores), sender=sender)

    @act
    def unseal(self, rng: Random) -> None:
        id = self.pick(rng, Phase.UNSEAL)
        life = self.life(id)
        sealed = [t for (i, t) in self.secrets if i == id]
        if life is None or not sealed or life.key == bytes(32):
            self.call("unseal", id, bytes(32), [], b"", sender=self.anyone(rng))
            return
        trainer = rng.choice(sealed)
        if life.candidate is not None and rng.random() < 0.9:
            trainer = life.seals[life.candidate].trainer
        self.open(rng, life, trainer, rng.choice(("", "", "", "lie", "labels", *UNSEAL_FLAWS)))

    def open(self, rng: Random, life: Life, trainer: str, flaw: str = "") -> Any:
        """Unseal a trainer's model, with a flaw or a lie."""
        model, salt = self.secrets[life.id, trainer]
        data, held_out = self.data(life), self.held_out(life)
        words = truth(data, life, model if len(model) == 2 else b"M\0", held_out)
        labels = [data.groups[i].labels for i in held_out]
        sender, samples = trainer, life.terms.samples
        slot, i = rng.randrange(len(words)), rng.randrange(samples)
        if flaw == "salt":
            salt = keccak(salt)
        elif flaw == "model":
            model += b"\0"
        elif flaw == "few":
            words = words[:-1]
        elif flaw == "many":
            words = [*words, words[0]]
        elif flaw == "lane" and samples < 32:
            words[slot] = words[slot][:samples] + b"\1" + words[slot][samples + 1 :]
        elif flaw == "class":
            words[slot] = words[slot][:i] + bytes([life.terms.classes]) + words[slot][i + 1 :]
        elif flaw == "low":
            words = [word([(c + 1) % 4 for c in w[:samples]]) for w in labels]
        elif flaw == "labels":
            words = labels
        elif flaw == "lie":
            # one wrong answer made right, or a right one made wrong
            wrong = [(s, j) for s, w in enumerate(words) for j in range(samples) if w[j] != labels[s][j]]
            slot, i = rng.choice(wrong) if wrong else (slot, i)
            words[slot] = words[slot][:i] + bytes([(words[slot][i] - 1) % 4]) + words[slot][i + 1 :]
        elif flaw == "thief":
            sender = self.anyone(rng)
        return self.call("unseal", life.id, salt, words, model, sender=sender)

    # ── anyone ──

    @act
    def audit(self, rng: Random) -> None:
        id = self.pick(rng, Phase.AUDIT)
        life = self.life(id)
        if life is None or life.model is None:
            self.call("audit", id, [0], 1, [], 0, b"", sender=self.anyone(rng))
            return
        flaw = rng.choice(("",) * 6 + AUDIT_FLAWS)
        full = (1 << life.terms.samples) - 1
        mask = rng.choice((full, full, 1 << rng.randrange(life.terms.samples), rng.randrange(full + 1)))
        self.execute(rng, life, rng.randrange(life.terms.holdout), mask, flaw)

    def execute(self, rng: Random, life: Life, slot: int, mask: int, flaw: str = "", sender: str | None = None) -> Any:
        """Audit some samples of a group, perhaps of more groups with it, with a flaw."""
        assert life.model is not None
        count, predictions, model, gas = life.terms.samples, list(life.predictions), life.model, None
        slots = [slot]
        if rng.random() < 0.3:
            slots += rng.choices(range(life.terms.holdout), k=rng.randrange(1, 8))
            for k in range(1, len(slots)):
                mask |= rng.randrange(1, 1 << count) << k * count
        data = [life.revealed[s][1] for s in slots]
        if flaw == "slot":
            slots[rng.randrange(len(slots))] = rng.choice((life.terms.holdout, HUGE))
        elif flaw == "group":
            slots, data, mask = [], [], 0
        elif flaw == "mask":
            mask = rng.choice((mask | 1 << len(slots) * count, HUGE)) if len(slots) * count < 256 else 0
        elif flaw == "nothing":
            mask = 0 if life.candidate is None else rng.choice((0, life.executed[life.candidate, slot]))
        elif flaw == "predictions":
            predictions[0] = bytes([predictions[0][0] ^ 1]) + predictions[0][1:]
        elif flaw == "model":
            model = model[:1] + bytes([model[1] ^ 1]) if len(model) == 2 else b"M\0"
        elif flaw == "samples":
            data[-1] = rng.choice((bytes([data[-1][0] ^ 4]) + data[-1][1:], data[-1][:-1], data[-1] + b"\0"))
        elif flaw == "gas":
            gas = rng.choice((5_000, 20_000, 50_000, 60_000, 80_000, 100_000, 150_000))
        payload = model + b"".join(data)
        length = rng.choice((len(payload) + 1, HUGE)) if flaw == "length" else len(model)
        args = (life.id, slots, mask, predictions, length, payload)
        return self.call("audit", *args, sender=sender or self.anyone(rng), gas=gas)

    @act
    def nominate(self, rng: Random) -> None:
        id = self.pick(rng, Phase.NOMINATE)
        life = self.life(id)
        seals = [HUGE, len(life.seals) if life else 0, *(range(len(life.seals)) if life else ())]
        self.call("nominate", id, rng.choice(seals), sender=self.anyone(rng))

    @act
    def settle(self, rng: Random) -> None:
        self.call("settle", self.pick(rng, Phase.SETTLE), sender=self.anyone(rng), value=rng.choice((0,) * 9 + (1,)))

    @act
    def release(self, rng: Random) -> None:
        late = (Phase.UNSEAL, Phase.AUDIT, Phase.NOMINATE, Phase.SETTLE, Phase.CLOSED)
        id = self.pick(rng, *late)
        life = self.life(id)
        seals = [HUGE, *(range(len(life.seals) + 1) if life else ())]
        self.call("release", id, rng.choice(seals), sender=self.anyone(rng))

    @act
    def withdraw(self, rng: Random) -> None:
        rich = [key for key, amount in self.model.credit.items() if amount]
        token, owner = rng.choice(rich) if rich and rng.random() < 0.8 else (ETHER, self.anyone(rng))
        to = rng.choice((owner, owner, self.anyone(rng), self.proxy, ETHER, self.market))
        self.call("withdraw", token, to, sender=owner)

    @act
    def give(self, rng: Random) -> None:
        self.force(rng.choice(self.tokens), rng.choice((1, 10**18)))

    @act
    def spoil(self, rng: Random) -> None:
        """A token changes its manners, mostly for the better."""
        flaw = rng.choice((0,) * len(FLAWS) + FLAWS)
        blocked = self.anyone(rng) if flaw == BLOCKS else ETHER
        self.misbehave(rng.choice(self.coins), flaw, blocked, self.callback(rng))

    @act
    def arm(self, rng: Random) -> None:
        """The account that is a contract decides what to do with ether."""
        self.behave(rng.choice((PAYEE_TAKES, PAYEE_REFUSES, PAYEE_CALLS, PAYEE_TRIES)), self.callback(rng))

    def callback(self, rng: Random) -> bytes:
        """A call of the market that may well be due."""
        id = self.pick(rng, Phase.DRAW, Phase.SETTLE)
        name, args = rng.choice(
            (
                ("draw", (id,)),
                ("settle", (id,)),
                ("release", (id, 0)),
                ("withdraw", (rng.choice(self.tokens), self.proxy)),
                ("credit", (ETHER, self.proxy)),
            )
        )
        return self.table.market.call(name, args)

    # ── time ──

    @act
    def wait(self, rng: Random) -> None:
        """A little time, or right to an edge."""
        lives = [life for life in self.model.lives if life.phase != Phase.CLOSED]
        if not lives or rng.random() < 0.2:
            self.mine(rng.choice((1, 2, 5)), rng.choice((1, 12, 60, 600)))
            return
        self.to_edge(rng.choice(lives), rng.choice((-1, 0, 0, 0, 1)), far=rng.random() < 0.05)

    def to_edge(self, life: Life, off: int, *, far: bool = False) -> None:
        """To a challenge's next deadline or seed block, or the edge of its reach, give or take one."""
        if life.ends is not None:
            seconds = life.ends + off - self.model.now
            if seconds > 0:
                self.mine(1, seconds)
        elif life.phase in (Phase.POSTED, Phase.DRAW):
            edges = (life.seed_block, life.seed_block + 8192 if far else life.seed_block + 1, life.seed_block + 300)
            blocks = edges[1 if far or off else 0] + off - self.model.block
            if blocks > 0:
                self.mine(blocks)

    # ── whole lives ──

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
            good = bytes([77, rng.randrange(7)])
            self.seal(rng, life.id, trainer, model=good if rng.random() < 0.8 else rng.choice(BAD_MODELS))
            if rng.random() < 0.2:
                self.meddle(rng, life)
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

    @act
    def compete(self, rng: Random, lie: bool = False) -> None:
        """A life in which all are on time, up to anywhere: honest, or with bad models passed off as perfect ones."""
        life = self.post(rng, replace(self.good_terms(rng), threshold=1, classes=4))
        if life is None:
            return
        anyone, left = self.anyone(rng), rng.randrange(1, 12)
        self.mine(SEED_DELAY + 1)
        self.call("draw", life.id, sender=anyone)
        for trainer in rng.sample([self.who[t] for t in (*TRAINERS, PROXY)], rng.choice((1, 2, 3))):
            self.seal(rng, life.id, trainer, model=bytes([77, 7 if lie else rng.randrange(4)]))
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
        for mode in (PAYEE_REFUSES, PAYEE_CALLS, PAYEE_TRIES):
            life = self.post(rng, replace(good, token=ETHER), self.proxy)
            assert life is not None
            self.call("cancel", life.id, sender=self.proxy)
            self.behave(mode, self.callback(rng))
            self.call("withdraw", ETHER, self.proxy, sender=self.proxy)
        self.behave(PAYEE_TAKES)

    def broken_models(self, rng: Random) -> None:
        """Each sort of bad model becomes candidate alone and is shown."""
        for model in BAD_MODELS:
            terms = replace(self.good_terms(rng), threshold=1, classes=4)
            life = self.post(rng, terms)
            assert life is not None
            self.mine(SEED_DELAY + 1)
            self.call("draw", life.id, sender=life.poster)
            trainer = self.anyone(rng)
            self.seal(rng, life.id, trainer, model=model)
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


ACTS = (
    "post", "cancel", "draw", "commit", "reveal", "claim", "unseal", "audit",
    "nominate", "settle", "release", "withdraw", "give", "wait", "spoil", "arm",
)  # fmt: skip


@contextmanager
def played(note: Callable[[str], None], on: str | None = None) -> Iterator[Acts]:
    """A game on an empty market, undone afterwards; `on` names a backend other than the one asked for."""
    chain = backend(on)
    with chain.example():
        REACHED.examples += 1
        yield Acts(chain, note)


OUTCOMES = {o.name for o in Outcome} - {"CANCELLED"}
PHASES = {p.name for p in Phase}
CALLS = {*ACTS[:12], "force"}
MANNERS = {*(f"token {flaw}" for flaw in (0, *FLAWS)), *(f"payee {mode}" for mode in range(4))}
RULES = {*ACTS, "lead", "compete", "dispute", "no_show", "meet", "probe"}
TRANSITIONS = {
    "→ POSTED",
    *("POSTED → DRAW", "POSTED → CLOSED", "DRAW → COMMIT", "DRAW → SETTLE", "COMMIT → REVEAL", "COMMIT → SETTLE"),
    *("REVEAL → CLAIM", "REVEAL → SETTLE", "CLAIM → UNSEAL", "CLAIM → SETTLE", "UNSEAL → AUDIT", "UNSEAL → NOMINATE"),
    *("AUDIT → NOMINATE", "AUDIT → SETTLE", "NOMINATE → UNSEAL", "NOMINATE → SETTLE", "SETTLE → CLOSED"),
}
"""Every step from phase to phase that one call or one deadline makes; several deadlines at once make others."""
EVENTS = {
    "Posted", "Cancelled", "Drawn", "Committed", "Revealed", "HoldoutComplete", "Claimed", "Unsealed", "Audited",
    "Fraud", "Defaulted", "Nominated", "Released", "Settled", "Credited", "Burned", "Withdrawn",
}  # fmt: skip
REFUSALS = {
    *(f"terms: {cause}" for cause in (
        "token has no code", "reward is zero", "poster bond is zero", "trainer bond is zero", "amount over 2**128 - 1",
        "rule unknown", "root is empty", "too many groups", "hold-out is empty", "hold-out too large",
        "nothing left to train on", "group is empty", "group too large", "threshold is zero", "threshold impossible",
        "input bits", "too few classes", "too many classes", "sample is empty", "sample too large", "model is empty",
        "model too large", "group and model too large", "audit too large", "window too short", "window too long",
        "reveal window too short", "engine unknown",
    )),
    *(f"market: {cause}" for cause in ("no such challenge", "wrong phase", "not the poster")),
    "draw: no hash of the seed block",
    "commit: seal is empty", "commit: one seal per address",
    *(f"reveal: {cause}" for cause in (
        "wrong length of samples", "bad label word", "not the committed group", "group is not held out",
        "already revealed",
    )),
    *(f"claim: {cause}" for cause in (
        "caller has no seal", "already made", "below the threshold", "not the threshold", "more than all",
    )),
    *(f"unseal: {cause}" for cause in (
        "not the candidate", "not the sealed model", "model too long", "wrong number of words", "bad prediction word",
        "fewer right than claimed",
    )),
    *(f"audit: {cause}" for cause in (
        "no group", "no such slot", "no such sample", "nothing new to execute", "not the predictions", "not the model",
        "not the samples",
    )),
    *(f"engine: {cause}" for cause in ("wrong length", "not a model", "classes", "broken")),
    "nominate: no standing claim", "nominate: not better",
    "release: no bond", "release: too early", "release: the claim stands",
    *(f"ledger: {cause}" for cause in (
        "wrong amount of ether", "ether beside a token", "nothing to withdraw", "no receiver", "wrong amount left",
        "token refused", "wrong amount arrived",
    )),
    "token: blocked", "actor: refused",
    "", "(out of gas)",
}  # fmt: skip
"""Every refusal the actors above can meet."""
