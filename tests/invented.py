"""Histories of a market written as logs, without a chain: whole lives of challenges of sizes that people would use."""

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak

from tests.histories import History, Mined
from trainer.abi import FILES, _kind
from trainer.index import Log
from trainer.protocol import ETHER, Outcome, Rule, Terms, Windows

MARKET = "0x" + "5e" * 20
HOUR, DAY = 3600, 86_400
START = 1_790_000_000
"""Timestamp of the first block."""


def person(name: str) -> str:
    """An account's address."""
    return "0x" + keccak(name.encode())[:20].hex()


def _entries() -> dict[str, Any]:
    return {e["name"]: e for e in json.loads((FILES / "Market.json").read_text()) if e["type"] == "event"}


ENTRIES = _entries()
TERMS = Terms(
    token=ETHER,
    reward=2 * 10**18,
    opening=2 * 10**18,
    poster_bond=10**17,
    trainer_bond=5 * 10**17,
    seal_fee=10**16,
    rule=Rule.BEST,
    threshold=218,
    root=keccak(b"root"),
    groups=64,
    holdout=8,
    samples=32,
    sample_bytes=98,
    input_bits=4,
    classes=10,
    model_bytes=20_000,
    engine=person("engine"),
    full_audit=True,
    windows=Windows(commit=3 * DAY, reveal=DAY, claim=12 * HOUR, unseal=6 * HOUR, audit=DAY, nominate=6 * HOUR),
)


def paying(reward: int, *, opening: int | None = None, **changes: Any) -> Terms:
    """Terms with another reward, which does not rise unless it opens lower."""
    return replace(TERMS, reward=reward, opening=reward if opening is None else opening, **changes)


class Invented(History):
    """A history that grows; calls of one block are one transaction each."""

    def __init__(self) -> None:
        super().__init__(MARKET, [Mined(1, START)])
        self.count, self.calls = 0, 0
        self.terms: dict[int, Terms] = {}
        self.posters: dict[int, str] = {}
        self.ends: dict[int, int] = {}
        self.sealed: dict[int, list[int]] = {}
        self.credit: dict[str, int] = {}

    @property
    def now(self) -> int:
        """Timestamp of the newest block."""
        return self.mined[-1].timestamp

    def wait(self, seconds: int) -> None:
        """A block so much later."""
        last = self.mined[-1]
        self.mined.append(Mined(last.number + max(1, seconds // 12), last.timestamp + seconds))

    def call(self, *said: tuple[str, dict[str, Any]]) -> None:
        """A transaction with these events."""
        self.calls += 1
        block = self.mined[-1]
        for name, values in said:
            topics, kinds, plain = [], [], []
            for part in ENTRIES[name]["inputs"]:
                value = values[part["name"]]
                if part["indexed"]:
                    topics.append(encode([part["type"]], [value]))
                else:
                    kinds.append(_kind(part))
                    plain.append(value)
            signature = f"{name}({','.join(map(_kind, ENTRIES[name]['inputs']))})"
            log = Log(
                block.number,
                b"",
                len(block.logs),
                keccak(b"transaction %d" % self.calls),
                (keccak(signature.encode()), *topics),
                encode(kinds, plain),
            )
            block.logs.append(log)

    # ── the steps of a life ──

    def post(self, poster: str, terms: Terms = TERMS) -> int:
        id, self.count = self.count, self.count + 1
        self.terms[id], self.posters[id] = terms, poster
        seed = self.mined[-1].number + 4
        self.call(("Posted", {"id": id, "poster": poster, "terms": terms.as_tuple(), "seed_block": seed}))
        return id

    def draw(self, id: int) -> None:
        self.wait(120)
        self.ends[id], self.sealed[id] = self.now + self.terms[id].windows.commit, []
        self.call(("Drawn", {"id": id, "key": keccak(b"key %d" % id), "ends": self.ends[id]}))

    def commit(self, id: int, trainers: Sequence[str], pause: int = 600) -> None:
        for seal, trainer in enumerate(trainers):
            self.wait(pause)
            burned = [("Burned", {"token": self.terms[id].token, "amount": self.terms[id].seal_fee})]
            sealed = {"id": id, "seal": seal, "trainer": trainer, "hash": keccak(b"seal %d" % seal)}
            reward = self.terms[id].reward_at(self.now, self.ends[id])
            self.sealed[id].append(reward)
            self.call(*burned, ("Committed", {**sealed, "reward": reward}))

    def until(self, time: int) -> None:  # type: ignore[override]
        self.wait(time - self.now)

    def pay(self, id: int, owner: str, amount: int) -> tuple[str, dict[str, Any]]:
        return "Credited", {"token": self.terms[id].token, "owner": owner, "amount": amount}

    def burn(self, id: int, amount: int) -> tuple[str, dict[str, Any]]:
        return "Burned", {"token": self.terms[id].token, "amount": amount}

    def reveal(self, id: int, poster: str, count: int | None = None, samples: bytes = b"sample") -> None:
        terms = self.terms[id]
        for slot in range(terms.holdout if count is None else count):
            self.wait(24)
            shown = {"id": id, "slot": slot, "group": 7 * slot, "salt": keccak(b"%d" % slot), "labels": bytes(32)}
            last = slot == terms.holdout - 1
            done = [self.pay(id, poster, terms.poster_bond)] if last else []
            ends = self.now + terms.windows.claim
            complete: list[tuple[str, dict[str, Any]]] = [("HoldoutComplete", {"id": id, "ends": ends})] if last else []
            # as the market does: the group, then the bond
            self.call(("Revealed", {**shown, "samples": samples}), *done, *complete)

    def claim(self, id: int, scores: dict[int, int]) -> None:
        for seal, score in scores.items():
            self.wait(300)
            self.call(("Claimed", {"id": id, "seal": seal, "score": score}))

    def unseal(self, id: int, seal: int, score: int, model: bytes = b"model") -> None:
        said = {"id": id, "seal": seal, "score": score, "salt": bytes(32), "model": model, "cost": 40_000}
        ends = self.now + self.terms[id].windows.audit
        self.call(("Unsealed", {**said, "predictions": [bytes(32)] * self.terms[id].holdout, "ends": ends}))

    def audit(self, id: int, seal: int, slots: Sequence[int], auditor: str, done: int = 0) -> None:
        terms = self.terms[id]
        left = (terms.holdout - done) * terms.samples
        for slot in slots:
            self.wait(60)
            left -= terms.samples
            mask = (1 << terms.samples) - 1
            said = {"id": id, "seal": seal, "slot": slot, "mask": mask, "auditor": auditor, "unaudited": left}
            self.call(("Audited", said))

    def fraud(self, id: int, seal: int, slot: int, auditor: str, wrong: int = 1) -> None:
        terms = self.terms[id]
        half = terms.trainer_bond // 2
        said = {"id": id, "seal": seal, "slot": slot, "wrong": wrong, "auditor": auditor, "bounty": half}
        ends = self.now + terms.windows.nominate
        self.call(
            self.pay(id, auditor, half), self.burn(id, terms.trainer_bond - half), ("Fraud", {**said, "ends": ends})
        )

    def nominate(self, id: int, seal: int) -> None:
        self.call(("Nominated", {"id": id, "seal": seal}))

    def win(self, id: int, seal: int, winner: str) -> None:
        terms, poster, reward = self.terms[id], self.posters[id], self.sealed[id][seal]
        rest = terms.reward - reward
        self.call(
            *([self.pay(id, poster, rest)] if rest else []),
            self.pay(id, winner, terms.trainer_bond),
            ("Released", {"id": id, "seal": seal}),
            self.pay(id, winner, reward),
            ("Settled", {"id": id, "outcome": int(Outcome.WON), "winner": winner, "reward": reward}),
        )

    def release(self, id: int, seal: int, trainer: str) -> None:
        self.call(self.pay(id, trainer, self.terms[id].trainer_bond), ("Released", {"id": id, "seal": seal}))

    def life(
        self, poster: str, trainers: Sequence[str], scores: dict[int, int], *, liar: int | None = None, **changes: Any
    ) -> int:
        """A challenge that is won by the best claim but for the liar's, which is disproven first."""
        id = self.post(poster, paying(**{"reward": TERMS.reward} | changes))
        terms = self.terms[id]
        self.draw(id)
        ends = self.now + terms.windows.commit
        self.commit(id, trainers)
        self.until(ends + 60)
        self.reveal(id, poster)
        ends = self.now + terms.windows.claim
        self.claim(id, scores)
        self.until(ends + 600)
        if liar is not None:
            self.unseal(id, liar, scores[liar])
            self.audit(id, liar, [0, 1, 2], person("auditor"))
            self.wait(900)
            self.fraud(id, liar, 3, person("auditor"), wrong=0b1000100)
            ends = self.now + terms.windows.nominate
            honest = {seal: score for seal, score in scores.items() if seal != liar}
            self.wait(1800)
            self.nominate(id, max(honest, key=lambda seal: (honest[seal], -seal)))
            self.until(ends + 60)
        best = max((seal for seal in scores if seal != liar), key=lambda seal: (scores[seal], -seal))
        self.unseal(id, best, scores[best])
        self.audit(id, best, range(terms.holdout), trainers[best])
        self.wait(600)
        self.win(id, best, trainers[best])
        self.wait(600)
        for seal, trainer in enumerate(trainers):
            if seal not in (best, liar):
                self.release(id, seal, trainer)
        return id


def many(count: int) -> Invented:
    """So many posts, one a block; every third drawn."""
    made = Invented()
    rng = Random(count)
    for _ in range(count):
        id = made.post(person(f"poster {rng.randrange(9)}"), paying(10**15 * rng.randrange(1, 9000)))
        if id % 3 == 0:
            made.wait(12 * 5)
            made.call(("Drawn", {"id": id, "key": keccak(b"%d" % id), "ends": made.now + 30 * DAY}))
        made.wait(12)
    return made


def showcase() -> Invented:
    """Two dozen challenges in every phase, with prices that fall as accuracies rise."""
    made, rng = Invented(), Random(3)
    names = [person(name) for name in ("ada", "ben", "cleo", "dan", "eve", "finn", "gus", "hana")]
    for i in range(20):
        trainers = rng.sample(names, rng.randrange(2, 6))
        wanted = 196 + i
        scores = {
            seal: wanted + rng.randrange(0, 18) for seal in range(len(trainers)) if seal < 2 or rng.random() < 0.7
        }
        reward = (40 - i + rng.randrange(0, 12)) * 10**17
        poster = person(f"poster {rng.randrange(4)}")
        if i % 6 == 5:
            id = made.post(poster, paying(reward))
            made.draw(id)
            made.wait(4 * DAY)
            made.call(
                made.pay(id, poster, reward),
                made.pay(id, poster, TERMS.poster_bond),
                ("Settled", {"id": id, "outcome": int(Outcome.DESERTED), "winner": ETHER, "reward": reward}),
            )
        else:
            liar = max(scores, key=lambda seal: (scores[seal], -seal)) if i % 4 == 2 else None
            made.life(poster, trainers, scores, liar=liar, reward=reward, threshold=wanted)
        made.wait(rng.randrange(6 * HOUR, 3 * DAY))
    posters = [person(f"poster {i}") for i in range(4)]
    audited = made.post(posters[0], paying(31 * 10**17))
    made.draw(audited)
    made.commit(audited, names[:5], 3 * HOUR)
    made.until(made.now + 2 * DAY + 9 * HOUR + 600)
    made.reveal(audited, posters[0])
    made.claim(audited, {0: 226, 2: 231, 3: 234})
    claiming = made.post(posters[1], paying(12 * 10**17, threshold=230))
    made.until(made.now + 12 * HOUR)
    made.unseal(audited, 3, 234)
    made.audit(audited, 3, [0, 1, 2, 3, 5], names[3])
    made.draw(claiming)
    made.commit(claiming, names[3:6], HOUR)
    drawn = made.post(posters[2], paying(5 * 10**18, full_audit=False))
    made.draw(drawn)
    made.commit(drawn, names[:2], HOUR)
    made.post(posters[3], paying(75 * 10**16))
    made.wait(36)
    return made
