"""What actors do, well and badly: every public call with its valid and invalid variants, and time.

Each act takes a `random.Random`. Hypothesis passes one it controls, so failures shrink; fixed seeds pass a plain one.
"""

from dataclasses import replace
from functools import wraps
from random import Random
from typing import Any

from eth_hash.auto import keccak

from fuzz.driver import ACTORS, REACHED, Data, Game
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
from tests.world import HOUR, marks, predicted
from trainer.protocol import ETHER, Phase, Rule, Terms, Windows, seal_hash

HUGE = 2**256 - 1
BAD_TERMS: tuple[dict[str, Any], ...] = (
    {"token": "0x" + "11" * 20},
    {"reward": 0, "opening": 0},
    {"reward": 7, "opening": 8},
    {"opening": HUGE},
    {"poster_bond": 0},
    {"trainer_bond": 0},
    {"reward": 2**128, "opening": 1},
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
    {"over": 1},
    {"threshold": 10_000},
    {"threshold": HUGE},
    {"input_bits": 0},
    {"input_bits": 3},
    {"input_bits": 16},
    {"classes": 1},
    {"classes": 257},
    {"sample_bytes": 0},
    {"sample_bytes": 126_977},
    {"sample_bytes": HUGE},
    {"model_bytes": 0},
    {"model_bytes": 126_977},
    {"samples": 1, "sample_bytes": 1, "threshold": 1, "model_bytes": 126_976},
    {"groups": 1000, "holdout": 256, "samples": 1, "sample_bytes": 1, "threshold": 1, "model_bytes": 121_856},
    {"engine": "0x" + "22" * 20},
    *({name: HOUR - 1} for name in ("commit", "reveal", "claim", "unseal", "audit", "nominate")),
    *({name: 365 * 24 * HOUR + 1} for name in ("commit", "reveal", "claim", "unseal", "audit", "nominate")),
    {"nominate": HUGE},
    {"reveal": HOUR + 59},
    {"groups": 1000, "holdout": 60, "reveal": 2 * HOUR - 1},
    {"groups": 3, "holdout": 4},
)
"""Changes of good terms, each against one bound; `over` is a threshold that many above all there are."""
WIDEST = {"groups": 257, "holdout": 256, "reveal": HOUR + HOUR * 256 // 60}
GOOD_EDGES: tuple[dict[str, Any], ...] = (
    *({name: amount} for name in ("poster_bond", "trainer_bond") for amount in (1, 2**128 - 1)),
    *({"reward": amount, "opening": amount} for amount in (1, 2**128 - 1)),
    *({"seal_fee": fee} for fee in (0, 2**128 - 1)),
    *({"opening": opening} for opening in (0, 1)),
    {"reward": 2**128 - 1, "opening": 0, "commit": 365 * 24 * HOUR},
    {"rule": Rule.BEST},
    {"rule": Rule.FIRST, "over": 0},
    {"groups": 2**20},
    {"groups": 2, "holdout": 1, "over": 0},
    WIDEST,
    WIDEST | {"samples": 32, "over": 0},
    {"samples": 1, "over": 0},
    {"samples": 32, "over": 0},
    {"threshold": 1},
    {"over": 0},
    *({"input_bits": bits} for bits in (1, 2, 4, 8)),
    *({"classes": classes} for classes in (2, 128, 129, 255, 256)),
    {"samples": 1, "threshold": 1, "sample_bytes": 1, "model_bytes": 126_975},
    {"samples": 1, "threshold": 1, "sample_bytes": 126_975, "model_bytes": 1},
    {"samples": 32, "sample_bytes": 3967, "model_bytes": 32},
    WIDEST | {"samples": 1, "threshold": 1, "sample_bytes": 1, "model_bytes": 121_855},
    *({name: HOUR} for name in ("commit", "claim", "unseal", "audit", "nominate")),
    *({name: 365 * 24 * HOUR} for name in ("commit", "reveal", "claim", "unseal", "audit", "nominate")),
    {"groups": 100, "holdout": 60, "reveal": 2 * HOUR},
    {"groups": 100, "holdout": 61, "reveal": 2 * HOUR + HOUR // 60},
    {"full_audit": False},
    {"full_audit": True},
)
"""Changes that leave good terms good, each at a bound."""

BAD_MODELS = ("reverts", "burns all gas", "kind", "short", "long", "sample bytes", "input bits")
"""Ways for a model to be bad, see `bad_model`."""
REVEAL_FLAWS = ("salt", "labels", "lane", "class", "samples", "length", "index", "proof", "short")
UNSEAL_FLAWS = ("salt", "model", "few", "many", "lane", "class", "low", "thief")
AUDIT_FLAWS = ("slot", "group", "mask", "nothing", "predictions", "model", "length", "samples", "gas")


def word(classes: list[int] | bytes) -> bytes:
    return bytes(classes).ljust(32, b"\0")


def truth(data: Data, model: bytes, held_out: list[int]) -> list[bytes]:
    """What the engine will find, a word a slot."""
    groups = [marks(data.groups[i].samples, data.width) for i in held_out]
    return [word([predicted(model, b, data.steps) for b in group]) for group in groups]


def fitted(terms: Terms, quality: int, kind: bytes = b"M") -> bytes:
    """A model that `StepEngine` takes under these terms, wrong on samples whose three bits are below 0 to 8."""
    bits = (8, 4, 2, 1).index(terms.input_bits)
    return kind + bytes([quality | (terms.sample_bytes - 1) % 4 << 4 | bits << 6])


def bad_model(terms: Terms, what: str) -> bytes:
    """A model that the engine refuses, or that breaks it."""
    good = fitted(terms, 0)
    return {
        "reverts": b"R" + good[1:],
        "burns all gas": b"G" + good[1:],
        "kind": b"X" + good[1:],
        "short": b"M",
        "long": b"M" * 65,
        "sample bytes": bytes([good[0], good[1] ^ 16]),
        "input bits": bytes([good[0], good[1] ^ 64]),
    }[what]


def stray(rng: Random) -> int:
    """A wei that a call was not asked for, now and then."""
    return int(rng.random() < 0.05)


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

    def good_terms(self, rng: Random, data: Data | None = None) -> Terms:
        if data is None:
            data = rng.choice([data for data in self.table.data.values() if data is not self.table.large])
        samples, classes = data.samples, data.steps.base + 4
        total = samples * data.holdout
        return Terms(
            token=rng.choice((ETHER, ETHER, *self.coins)),
            reward=(reward := rng.choice((1, 2, 10**18, 2**128 - 1))),
            opening=rng.choice((reward, reward, 0, 1, reward // 2)),
            poster_bond=rng.choice((1, 2, 3, 10**18 + 1, 2**128 - 1)),
            trainer_bond=rng.choice((1, 2, 3, 10**18 + 1, 2**128 - 1)),
            seal_fee=rng.choice((0, 0, 7, 2**128 - 1)),
            rule=rng.choice((Rule.BEST, Rule.FIRST)),
            threshold=rng.choice((1, max(1, total // 2), max(1, total // 3), total)),
            root=data.root,
            groups=len(data.groups),
            holdout=data.holdout,
            samples=samples,
            sample_bytes=data.width,
            input_bits=rng.choice((1, 2, 4, 8)),
            classes=rng.choice((classes,) * 6 + (classes + 1,)),
            model_bytes=rng.choice((2, 64)),
            engine=self.table.engines[data.steps],
            full_audit=rng.random() < 0.5,
            windows=Windows(
                reveal=rng.choice((HOUR + HOUR * data.holdout // 60, 3 * HOUR)),
                **{
                    name: rng.choice((HOUR, HOUR + 1, 3 * HOUR))
                    for name in ("commit", "claim", "unseal", "audit", "nominate")
                },
            ),
        )

    def changed_terms(self, rng: Random, change: dict[str, Any]) -> Terms:
        """Good terms with a change from the lists above."""
        terms, changes = self.good_terms(rng), dict(change)
        windows = {name: changes.pop(name) for name in list(changes) if hasattr(terms.windows, name)}
        over = changes.pop("over", None)
        terms = replace(terms, windows=replace(terms.windows, **windows), **changes)
        return terms if over is None else replace(terms, threshold=terms.holdout * terms.samples + over)

    @act
    def post(self, rng: Random, terms: Terms | None = None, poster: str | None = None) -> Life | None:
        exact = terms is not None
        if terms is None:
            terms = self.changed_terms(rng, rng.choice(BAD_TERMS)) if rng.random() < 0.5 else self.good_terms(rng)
        value = terms.reward + terms.poster_bond if terms.token == ETHER else 0
        if not exact and rng.random() < 0.1:
            value = max(0, value + rng.choice((-1, 1)))
        if value > 2**130:
            value = 0
        answer = self.call("post", terms, sender=poster or self.who["poster"], value=value)
        return None if isinstance(answer, Refused) else self.model.lives[answer]

    @act
    def edge(self, rng: Random, change: dict[str, Any] | None = None) -> Life | None:
        """Terms at a bound, taken and taken back: there is no data set to go on with."""
        terms = self.changed_terms(rng, rng.choice(GOOD_EDGES) if change is None else change)
        life = self.post(rng, terms)
        if life is not None:
            self.call("cancel", life.id, sender=life.poster)
        return life

    @act
    def cancel(self, rng: Random) -> None:
        id = self.pick(rng, Phase.POSTED)
        life = self.life(id)
        sender = life.poster if life and rng.random() < 0.6 else self.anyone(rng)
        self.call("cancel", id, sender=sender, value=stray(rng))

    @act
    def draw(self, rng: Random) -> None:
        self.call("draw", self.pick(rng, Phase.DRAW), sender=self.anyone(rng), value=stray(rng))

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
        self.show(rng, life, index, flaw, value=stray(rng))

    def show(
        self, rng: Random, life: Life, index: int, flaw: str = "", sender: str | None = None, value: int = 0
    ) -> Any:
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
        return self.call("reveal", *args, sender=sender or self.anyone(rng), value=value)

    # ── trainer ──

    @act
    def commit(self, rng: Random) -> None:
        id = self.pick(rng, Phase.COMMIT)
        self.seal(rng, id, self.anyone(rng), rng.choice(("",) * 8 + ("empty", "copy", "more", "less", "none")))

    def seal(self, rng: Random, id: int, trainer: str, flaw: str = "", model: bytes | None = None) -> Any:
        """Commit a model, or something that is none."""
        life = self.life(id)
        if model is None:
            model = b"M\0" if life is None else self.some_model(rng, life.terms)
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

    def some_model(self, rng: Random, terms: Terms) -> bytes:
        """A good model or a bad one."""
        if rng.random() < 0.5:
            return fitted(terms, rng.choice((0, 1, 4, rng.randrange(9))))
        return bad_model(terms, rng.choice(BAD_MODELS))

    def score(self, life: Life, trainer: str) -> int:
        """Right answers of a trainer's model on the hold-out."""
        model, _ = self.secrets[life.id, trainer]
        if len(model) != 2:
            return 0
        return self.right(life, model)

    def right(self, life: Life, model: bytes) -> int:
        """Right answers of a model on the hold-out."""
        data, held_out = self.data(life), self.held_out(life)
        labels = [data.groups[i].labels for i in held_out]
        words = truth(data, model, held_out)
        return sum(w[i] == of[i] for w, of in zip(words, labels, strict=True) for i in range(data.samples))

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
        self.call("claim", id, rng.choice(scores), sender=sender, value=stray(rng))

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
        flaw = rng.choice(("", "", "", "lie", "labels", *UNSEAL_FLAWS))
        self.open(rng, life, trainer, flaw, value=stray(rng))

    def open(self, rng: Random, life: Life, trainer: str, flaw: str = "", value: int = 0) -> Any:
        """Unseal a trainer's model, with a flaw or a lie."""
        model, salt = self.secrets[life.id, trainer]
        data, held_out = self.data(life), self.held_out(life)
        words = truth(data, model if len(model) == 2 else b"M\0", held_out)
        labels = [data.groups[i].labels for i in held_out]
        sender, samples, base = trainer, life.terms.samples, data.steps.base
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
            words = [word([base + (c - base + 1) % 4 for c in w[:samples]]) for w in labels]
        elif flaw == "labels":
            words = labels
        elif flaw == "lie":
            # one wrong answer made right, or a right one made wrong
            wrong = [(s, j) for s, w in enumerate(words) for j in range(samples) if w[j] != labels[s][j]]
            slot, i = rng.choice(wrong) if wrong else (slot, i)
            words[slot] = words[slot][:i] + bytes([base + (words[slot][i] - base - 1) % 4]) + words[slot][i + 1 :]
        elif flaw == "thief":
            sender = self.anyone(rng)
        return self.call("unseal", life.id, salt, words, model, sender=sender, value=value)

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
        self.execute(rng, life, rng.randrange(life.terms.holdout), mask, flaw, value=stray(rng))

    def execute(
        self,
        rng: Random,
        life: Life,
        slot: int,
        mask: int,
        flaw: str = "",
        sender: str | None = None,
        value: int = 0,
        alone: bool = False,
    ) -> Any:
        """Audit some samples of a group, perhaps of more groups with it unless `alone`, with a flaw."""
        assert life.model is not None
        count, predictions, model, gas = life.terms.samples, list(life.predictions), life.model, None
        slots = [slot]
        if not alone and rng.random() < 0.3:
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
        return self.call("audit", *args, sender=sender or self.anyone(rng), value=value, gas=gas)

    @act
    def nominate(self, rng: Random) -> None:
        id = self.pick(rng, Phase.NOMINATE)
        life = self.life(id)
        seals = [HUGE, len(life.seals) if life else 0, *(range(len(life.seals)) if life else ())]
        self.call("nominate", id, rng.choice(seals), sender=self.anyone(rng), value=stray(rng))

    @act
    def settle(self, rng: Random) -> None:
        self.call("settle", self.pick(rng, Phase.SETTLE), sender=self.anyone(rng), value=stray(rng))

    @act
    def release(self, rng: Random) -> None:
        late = (Phase.UNSEAL, Phase.AUDIT, Phase.NOMINATE, Phase.SETTLE, Phase.CLOSED)
        id = self.pick(rng, *late)
        life = self.life(id)
        seals = [HUGE, *(range(len(life.seals) + 1) if life else ())]
        self.call("release", id, rng.choice(seals), sender=self.anyone(rng), value=stray(rng))

    @act
    def withdraw(self, rng: Random) -> None:
        rich = [key for key, amount in self.model.credit.items() if amount]
        token, owner = rng.choice(rich) if rich and rng.random() < 0.8 else (ETHER, self.anyone(rng))
        to = rng.choice((owner, owner, self.anyone(rng), self.proxy, ETHER, self.market))
        self.call("withdraw", token, to, sender=owner, value=stray(rng))

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

    def callback(self, rng: Random, name: str = "") -> bytes:
        """A call of the market that may well be due, or a look at it: no function is left out."""
        id, empty, token = self.pick(rng, Phase.POSTED, Phase.DRAW, Phase.SETTLE), bytes(32), rng.choice(self.tokens)
        calls: dict[str, tuple[Any, ...]] = {
            "post": (self.good_terms(rng).as_tuple(),),
            "cancel": (id,),
            "draw": (id,),
            "commit": (id, b"\1" * 32),
            "reveal": (id, 0, empty, empty, [], b""),
            "claim": (id, 1),
            "unseal": (id, empty, [], b""),
            "audit": (id, [0], 1, [], 0, b""),
            "nominate": (id, 0),
            "settle": (id,),
            "release": (id, 0),
            "withdraw": (token, self.proxy),
            **dict.fromkeys(("escrowed", "credited", "burned"), (token,)),
            **dict.fromkeys(("terms_of", "challenge", "clock_of"), (id,)),
            **dict.fromkeys(("seals", "holdout", "slot_of", "is_holdout"), (id, 0)),
            "seal_of": (id, self.proxy),
            "credit": (token, self.proxy),
            "challenges": (),
            "is_engine": (self.proxy,),
            "executed": (id, 0, 0),
        }
        assert {*calls, "MIN_WINDOW"} == set(self.table.market.selectors), "a function nobody calls back"
        name = name or rng.choice(list(calls))
        return self.table.market.call(name, calls[name])

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


ACTS = (
    "post", "cancel", "draw", "commit", "reveal", "claim", "unseal", "audit",
    "nominate", "settle", "release", "withdraw", "give", "wait", "spoil", "arm",
)  # fmt: skip
