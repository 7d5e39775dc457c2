"""The rules of the market as a reader of the protocol would write them down: dicts, deadlines, one `if` a rule.

Independent of the contract in method: the contract stores a clock and works out the phase when somebody calls; here
time itself moves every challenge on, deadline by deadline. Money is a table of credits. The only thing the chain sees
later than this model is the fall of a candidate who was late: it is booked by the next call that succeeds.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eth_abi import encode
from eth_hash.auto import keccak

from trainer import split
from trainer.protocol import (
    ETHER,
    SEED_DELAY,
    SEED_REACH,
    Outcome,
    Phase,
    Rule,
    Terms,
    predictions_hash,
    seal_hash,
)

PAYLOAD = 124 * 1024
YEAR = 365 * 24 * 3600
NOBODY = ETHER
UNDECIDED = Outcome(0)
FLAWS = FEE, SILENT, REFUSES, BLOCKS, CALLS_BACK, DELIVERS_MORE, TRIES, TAKES_MORE = tuple(range(1, 9))
"""Of a token: see `Coin`. One that returns nothing, or calls back in vain, is as good as any."""
PAYEE_TAKES, PAYEE_REFUSES, PAYEE_CALLS, PAYEE_TRIES = range(4)
"""What a contract does that is sent ether, as `tests/mocks/Actor.vy` numbers it."""


holdout = lru_cache(1024)(split.holdout)
"""The held-out groups in the order of their slots; a draw is asked for at every reveal of its life."""


class Refused(Exception):
    """A call the rules forbid; `reason` is what the market must answer, empty for a revert without a reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Seal:
    """One trainer's seal."""

    trainer: str
    hash: bytes
    bond: int
    reward: int
    claim: int = 0


@dataclass
class Life:
    """One challenge. `ends` is None in phases that no deadline ends."""

    id: int
    poster: str
    terms: Terms
    seed_block: int
    phase: Phase = Phase.POSTED
    ends: int | None = None
    outcome: Outcome = UNDECIDED
    key: bytes = bytes(32)
    seals: list[Seal] = field(default_factory=list)
    leader: int | None = None
    candidate: int | None = None
    revealed: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    model: bytes | None = None
    predictions: list[bytes] = field(default_factory=list)
    executed: Counter[tuple[int, int]] = field(default_factory=Counter)
    late: tuple[int, int, int] | None = None
    """A candidate who was late and whom no call has booked yet: seal index, claim, bond."""

    @property
    def unaudited(self) -> int:
        """Samples of the candidate's predictions that were not executed."""
        if self.candidate is None or not (self.phase == Phase.AUDIT or self.outcome == Outcome.WON):
            return 0
        done = sum(self.executed[self.candidate, slot].bit_count() for slot in range(self.terms.holdout))
        return self.terms.holdout * self.terms.samples - done


def terms_fault(terms: Terms, *, min_window: int, has_code: Callable[[str], bool], engines: set[str]) -> str | None:
    """Why a market refuses these terms, or None."""
    amounts = (terms.reward, terms.poster_bond, terms.trainer_bond, terms.seal_fee)
    w = terms.windows
    windows = (w.commit, w.reveal, w.claim, w.unseal, w.audit, w.nominate)
    sides = {
        "token has no code": terms.token != ETHER and not has_code(terms.token),
        "reward is zero": terms.reward == 0,
        "opening over the reward": terms.opening > terms.reward,
        "poster bond is zero": terms.poster_bond == 0,
        "trainer bond is zero": terms.trainer_bond == 0,
        "amount over 2**128 - 1": any(amount >= 2**128 for amount in amounts),
        "rule unknown": terms.rule not in (Rule.BEST, Rule.FIRST),
        "root is empty": terms.root == bytes(32),
        "too many groups": terms.groups > 2**20,
        "hold-out is empty": terms.holdout == 0,
        "hold-out too large": terms.holdout > 256,
        "nothing left to train on": terms.holdout >= terms.groups,
        "group is empty": terms.samples == 0,
        "group too large": terms.samples > 32,
        "threshold is zero": terms.threshold == 0,
        "threshold impossible": terms.threshold > terms.holdout * terms.samples,
        "input bits": terms.input_bits not in (1, 2, 4, 8),
        "too few classes": terms.classes < 2,
        "too many classes": terms.classes > 256,
        "sample is empty": terms.sample_bytes == 0,
        "sample too large": terms.sample_bytes > PAYLOAD,
        "model is empty": terms.model_bytes == 0,
        "model too large": terms.model_bytes > PAYLOAD,
        "group and model too large": terms.samples * terms.sample_bytes + terms.model_bytes > PAYLOAD,
        "audit too large": terms.samples * terms.sample_bytes + terms.model_bytes + 32 * terms.holdout > 127 * 1024,
    }
    for cause, broken in sides.items():
        if broken:
            return f"terms: {cause}"
    for window in windows:
        if window < min_window:
            return "terms: window too short"
        if window > YEAR:
            return "terms: window too long"
    # a minimal window, and one more for every 60 groups
    if w.reveal < min_window + -(-min_window * terms.holdout // 60):
        return "terms: reveal window too short"
    return None if terms.engine.lower() in engines else "terms: engine unknown"


@dataclass
class Coin:
    """A token's manners, as `tests/mocks/Token.vy` numbers them: `flaw`, and whom it refuses to serve."""

    flaw: int = 0
    blocked: str = NOBODY

    def move(self, sender: str, to: str, amount: int, holds: int | None = None) -> tuple[int, int]:
        """What a transfer takes from one and gives to the other; `holds` is all that the sender has."""
        if self.flaw == REFUSES:
            raise Refused("ledger: token refused")
        if self.blocked in (sender, to):
            raise Refused("token: blocked")
        if self.flaw == TAKES_MORE and holds == amount and sender != to:
            raise Refused("")  # the token itself runs out
        if self.flaw == CALLS_BACK:
            raise Refused("")  # the market is locked
        return amount + (self.flaw == TAKES_MORE), amount + {FEE: -1, DELIVERS_MORE: 1}.get(self.flaw, 0)


@dataclass
class Surroundings:
    """What the rules need to know about the chain around the market; addresses in lower case."""

    market: str
    chain_id: int
    min_window: int
    engines: set[str]
    tokens: set[str]
    block_hash: Callable[[int], bytes]
    data: dict[bytes, Any]
    """Root to a committed data set: `groups` with index, salt, labels and samples, and `proof(index)`."""
    fault: Callable[[bytes, Terms], str | None]
    """Why the engine does not validate a model."""
    classify: Callable[[bytes, bytes, Terms], int | str]
    """The class a model gives a sample; the reason if the engine breaks."""


class Market:
    """The whole market. `call` returns what the market must, or raises `Refused` and changes nothing."""

    def __init__(self, around: Surroundings, now: int, block: int) -> None:
        self.around, self.now, self.block = around, now, block
        self.lives: list[Life] = []
        self.credit: Counter[tuple[str, str]] = Counter()
        self.escrowed: Counter[str] = Counter()
        self.burned: Counter[str] = Counter()
        self.events: list[tuple[Any, ...]] = []
        self.coins = {token: Coin() for token in around.tokens}
        self.manners: dict[str, int] = {}
        """What accounts that are contracts do when they are sent ether."""
        self.forced: Counter[str] = Counter()
        """What the market was given unasked."""
        self.moved = 0, 0
        """What the last call took from its sender, and what the receiver of a withdrawal got."""

    # ── time ──

    def pass_time(self, blocks: int, seconds: int) -> None:
        """Let time pass; every deadline on the way takes effect."""
        self.block += blocks
        self.now += seconds
        for life in self.lives:
            if life.phase in (Phase.POSTED, Phase.DRAW):
                if self.block > life.seed_block + SEED_REACH:
                    self._decide(life, Outcome.VOID)
                elif self.block >= life.seed_block:
                    life.phase = Phase.DRAW
            while life.ends is not None and life.ends <= self.now:
                self._deadline(life, life.ends)

    def _deadline(self, life: Life, when: int) -> None:
        windows = life.terms.windows
        if life.phase == Phase.COMMIT:
            if life.seals:
                life.phase, life.ends = Phase.REVEAL, when + windows.reveal
            else:
                self._decide(life, Outcome.DESERTED)
        elif life.phase == Phase.REVEAL:
            self._decide(life, Outcome.WITHHELD)
        elif life.phase in (Phase.CLAIM, Phase.NOMINATE):
            if life.leader is None:
                self._decide(life, Outcome.UNCLAIMED if life.phase == Phase.CLAIM else Outcome.UNNOMINATED)
            else:
                life.candidate, life.leader = life.leader, None
                life.phase, life.ends = Phase.UNSEAL, when + windows.unseal
        elif life.phase == Phase.AUDIT and not life.terms.full_audit:
            self._decide(life, Outcome.WON)
        else:
            assert life.late is None
            assert life.candidate is not None
            life.late = (life.candidate, *self._fall(life, when))

    def _decide(self, life: Life, outcome: Outcome) -> None:
        life.phase, life.ends, life.outcome = Phase.SETTLE, None, outcome

    def _fall(self, life: Life, when: int) -> tuple[int, int]:
        """The candidate loses turn, claim and bond; claim and bond as they were."""
        assert life.candidate is not None
        seal = life.seals[life.candidate]
        lost = seal.claim, seal.bond
        seal.claim = seal.bond = 0
        life.candidate = life.leader = None
        life.phase, life.ends = Phase.NOMINATE, when + life.terms.windows.nominate
        return lost

    # ── money ──

    def _pay(self, token: str, owner: str, amount: int) -> None:
        self.escrowed[token] -= amount
        self.credit[token, owner] += amount
        self.events.append(("Credited", token, owner, amount))

    def _burn(self, token: str, amount: int) -> None:
        self.escrowed[token] -= amount
        self.burned[token] += amount
        self.events.append(("Burned", token, amount))

    def _book(self, life: Life) -> None:
        """A call succeeded: the chain takes note of a candidate who was late."""
        if life.late is not None:
            seal, _, bond = life.late
            life.late = None
            self._burn(life.terms.token, bond)
            self.events.append(("Defaulted", life.id, seal))

    # ── calls ──

    def call(self, name: str, args: tuple[Any, ...], sender: str, value: int = 0) -> Any:
        """One call of the market, as the rules have it; its events are in `events`."""
        self.events = []
        if value and name not in ("post", "commit"):
            raise Refused("")
        return getattr(self, name)(sender, value, *args)

    def _in(self, id: int, phase: Phase) -> Life:
        if id >= len(self.lives):
            raise Refused("market: no such challenge")
        if self.lives[id].phase != phase:
            raise Refused("market: wrong phase")
        return self.lives[id]

    def _take(self, token: str, sender: str, amount: int, value: int) -> None:
        if token == ETHER and value != amount:
            raise Refused("ledger: wrong amount of ether")
        if token != ETHER and value:
            raise Refused("ledger: ether beside a token")
        self.moved = amount, amount
        if token != ETHER:
            self.moved = self.coins[token].move(sender, self.around.market, amount)
            if self.moved[1] != amount:
                raise Refused("ledger: wrong amount arrived")
        self.escrowed[token] += amount

    def post(self, sender: str, value: int, terms: Terms) -> int:
        if int(terms.rule) > 3:
            raise Refused("")  # no value of the type
        fault = terms_fault(
            terms,
            min_window=self.around.min_window,
            has_code=lambda token: token in self.around.tokens,
            engines=self.around.engines,
        )
        if fault:
            raise Refused(fault)
        self._take(terms.token, sender, terms.reward + terms.poster_bond, value)
        life = Life(len(self.lives), sender, terms, self.block + SEED_DELAY)
        self.lives.append(life)
        self.events.append(("Posted", life.id, sender, terms.as_tuple(), life.seed_block))
        return life.id

    def cancel(self, sender: str, value: int, id: int) -> None:
        life = self._in(id, Phase.POSTED)
        if sender != life.poster:
            raise Refused("market: not the poster")
        life.phase, life.outcome = Phase.CLOSED, Outcome.CANCELLED
        self._pay(life.terms.token, sender, life.terms.reward + life.terms.poster_bond)
        self.events.append(("Cancelled", id))

    def draw(self, sender: str, value: int, id: int) -> None:
        life = self._in(id, Phase.DRAW)
        if self.block == life.seed_block:
            raise Refused("draw: no hash of the seed block")
        seed = self.around.block_hash(life.seed_block)
        life.key = keccak(
            encode(
                ["bytes32", "uint256", "address", "uint256"], [seed, self.around.chain_id, self.around.market, life.id]
            )
        )
        life.phase, life.ends = Phase.COMMIT, self.now + life.terms.windows.commit
        self.events.append(("Drawn", id, life.key, life.ends))

    def commit(self, sender: str, value: int, id: int, hash: bytes) -> int:
        life = self._in(id, Phase.COMMIT)
        if hash == bytes(32):
            raise Refused("commit: seal is empty")
        if sender in [seal.trainer for seal in life.seals]:
            raise Refused("commit: one seal per address")
        self._take(life.terms.token, sender, life.terms.trainer_bond + life.terms.seal_fee, value)
        assert life.ends is not None
        reward = self._risen(life.terms, self.now - (life.ends - life.terms.windows.commit))
        life.seals.append(Seal(sender, hash, life.terms.trainer_bond, reward))
        if life.terms.seal_fee:
            self._burn(life.terms.token, life.terms.seal_fee)
        index = len(life.seals) - 1
        self.events.append(("Committed", id, index, sender, hash, reward))
        return index

    def _risen(self, terms: Terms, passed: int) -> int:
        """The reward so many seconds after the commits opened: on the line from `opening`, rounded up."""
        return terms.opening + math.ceil(Fraction((terms.reward - terms.opening) * passed, terms.windows.commit))

    def reveal(
        self, sender: str, value: int, id: int, index: int, salt: bytes, labels: bytes, proof: Any, samples: bytes
    ) -> None:
        life = self._in(id, Phase.REVEAL)
        terms = life.terms
        if len(samples) != terms.samples * terms.sample_bytes:
            raise Refused("reveal: wrong length of samples")
        if not well_formed(labels, terms):
            raise Refused("reveal: bad label word")
        data = self.around.data.get(terms.root)
        if (
            data is None
            or index >= terms.groups
            or (salt, labels, samples)
            != (data.groups[index].salt, data.groups[index].labels, data.groups[index].samples)
            or tuple(proof) != data.proof(index)
        ):
            raise Refused("reveal: not the committed group")
        held_out = holdout(life.key, terms.groups, terms.holdout)
        if index not in held_out:
            raise Refused("reveal: group is not held out")
        slot = held_out.index(index)
        if slot in life.revealed:
            raise Refused("reveal: already revealed")
        life.revealed[slot] = labels, samples
        self.events.append(("Revealed", id, slot, index, salt, labels, samples))
        if len(life.revealed) == terms.holdout:
            life.phase, life.ends = Phase.CLAIM, self.now + terms.windows.claim
            self._pay(terms.token, life.poster, terms.poster_bond)
            self.events.append(("HoldoutComplete", id, life.ends))

    def claim(self, sender: str, value: int, id: int, score: int) -> None:
        life = self._in(id, Phase.CLAIM)
        mine = [i for i, seal in enumerate(life.seals) if seal.trainer == sender]
        if not mine:
            raise Refused("claim: caller has no seal")
        if life.seals[mine[0]].claim:
            raise Refused("claim: already made")
        if score < life.terms.threshold:
            raise Refused("claim: below the threshold")
        if life.terms.rule == Rule.FIRST and score > life.terms.threshold:
            raise Refused("claim: not the threshold")
        if score > life.terms.holdout * life.terms.samples:
            raise Refused("claim: more than all")
        life.seals[mine[0]].claim = score
        life.leader = max((i for i, s in enumerate(life.seals) if s.claim), key=lambda i: (life.seals[i].claim, -i))
        self.events.append(("Claimed", id, mine[0], score))

    def unseal(self, sender: str, value: int, id: int, salt: bytes, predictions: list[bytes], model: bytes) -> None:
        life = self._in(id, Phase.UNSEAL)
        terms = life.terms
        assert life.candidate is not None
        seal = life.seals[life.candidate]
        if sender != seal.trainer:
            raise Refused("unseal: not the candidate")
        here = {"chain_id": self.around.chain_id, "market": self.around.market, "challenge": id, "trainer": sender}
        if seal_hash(model=model, salt=salt, **here) != seal.hash:
            raise Refused("unseal: not the sealed model")
        if len(model) > terms.model_bytes:
            raise Refused("unseal: model too long")
        if len(predictions) != terms.holdout:
            raise Refused("unseal: wrong number of words")
        if not all(well_formed(word, terms) for word in predictions):
            raise Refused("unseal: bad prediction word")
        score = sum(
            word[i] == life.revealed[slot][0][i] for slot, word in enumerate(predictions) for i in range(terms.samples)
        )
        if score < seal.claim:
            raise Refused("unseal: fewer right than claimed")
        fault = self.around.fault(model, terms)
        if fault is not None:
            raise Refused(fault)
        life.model, life.predictions = model, predictions
        life.phase, life.ends = Phase.AUDIT, self.now + terms.windows.audit
        self.events.append(("Unsealed", id, life.candidate, score, salt, tuple(predictions), model, 30_000, life.ends))

    def audit(
        self,
        sender: str,
        value: int,
        id: int,
        slots: list[int],
        mask: int,
        predictions: list[bytes],
        model_bytes: int,
        payload: bytes,
    ) -> bool:
        life = self._in(id, Phase.AUDIT)
        candidate, terms = life.candidate, life.terms
        assert candidate is not None
        count, width = terms.samples, terms.sample_bytes
        size = count * width
        if not slots:
            raise Refused("audit: no group")
        if mask.bit_length() > len(slots) * count:
            raise Refused("audit: no such sample")
        if predictions != life.predictions:
            raise Refused("audit: not the predictions")
        model = payload[:model_bytes]
        if model_bytes > len(payload) or model != life.model:
            raise Refused("audit: not the model")
        samples = [payload[model_bytes + k * size :][:size] for k in range(len(slots))]
        if len(payload) != model_bytes + len(slots) * size:
            raise Refused("audit: not the samples")
        masks = [mask >> k * count & (1 << count) - 1 for k in range(len(slots))]
        for slot, data, chosen in zip(slots, samples, masks, strict=True):
            if slot >= terms.holdout:
                raise Refused("audit: no such slot")
            if data != life.revealed[slot][1]:
                raise Refused("audit: not the samples")
            if chosen | life.executed[candidate, slot] == life.executed[candidate, slot]:
                raise Refused("audit: nothing new to execute")
        truths = [
            {i: self.around.classify(model, data[i * width :][:width], terms) for i in range(count) if chosen >> i & 1}
            for data, chosen in zip(samples, masks, strict=True)
        ]
        for broken in (found for truth in truths for found in truth.values() if isinstance(found, str)):
            raise Refused(broken)
        for slot, chosen, truth in zip(slots, masks, truths, strict=True):
            wrong = sum(1 << i for i, found in truth.items() if found != predictions[slot][i])
            if wrong:
                _, bond = self._fall(life, self.now)
                bounty = bond // 2
                self._pay(terms.token, sender, bounty)
                self._burn(terms.token, bond - bounty)
                self.events.append(("Fraud", id, candidate, slot, wrong, sender, bounty, life.ends))
                return False
            life.executed[candidate, slot] |= chosen
            self.events.append(("Audited", id, candidate, slot, chosen, sender, life.unaudited))
        if life.unaudited == 0 and terms.full_audit:
            self._decide(life, Outcome.WON)
        return True

    def nominate(self, sender: str, value: int, id: int, seal: int) -> None:
        life = self._in(id, Phase.NOMINATE)
        if seal >= len(life.seals) or not life.seals[seal].claim:
            raise Refused("nominate: no standing claim")
        if life.leader is not None:
            best = life.seals[life.leader].claim
            if (life.seals[seal].claim, -seal) <= (best, -life.leader):
                raise Refused("nominate: not better")
        self._book(life)
        life.leader = seal
        self.events.append(("Nominated", id, seal))

    def settle(self, sender: str, value: int, id: int) -> None:
        life = self._in(id, Phase.SETTLE)
        terms = life.terms
        self._book(life)
        life.phase = Phase.CLOSED
        winner, reward = NOBODY, terms.reward
        if life.outcome == Outcome.WON:
            assert life.candidate is not None
            winner, reward = life.seals[life.candidate].trainer, life.seals[life.candidate].reward
            if reward < terms.reward:
                self._pay(terms.token, life.poster, terms.reward - reward)
            self._free(life, life.candidate)
        self._pay(terms.token, life.poster if winner == NOBODY else winner, reward)
        if life.outcome == Outcome.DESERTED:
            self._pay(terms.token, life.poster, terms.poster_bond)
        elif life.outcome == Outcome.VOID:
            half = terms.poster_bond // 2
            self._pay(terms.token, life.poster, half)
            self._burn(terms.token, terms.poster_bond - half)
        elif life.outcome == Outcome.WITHHELD:
            self._burn(terms.token, terms.poster_bond)
        self.events.append(("Settled", id, int(life.outcome), winner, reward))

    def release(self, sender: str, value: int, id: int, seal: int) -> None:
        if id >= len(self.lives):
            raise Refused("market: no such challenge")
        life = self.lives[id]
        if seal >= len(life.seals) or not life.seals[seal].bond:
            raise Refused("release: no bond")
        if life.phase in (Phase.COMMIT, Phase.REVEAL, Phase.CLAIM):
            raise Refused("release: too early")
        if life.phase != Phase.CLOSED and life.seals[seal].claim:
            raise Refused("release: the claim stands")
        self._book(life)
        self._free(life, seal)

    def _free(self, life: Life, index: int) -> None:
        seal = life.seals[index]
        bond, seal.bond = seal.bond, 0
        self._pay(life.terms.token, seal.trainer, bond)
        self.events.append(("Released", life.id, index))

    def withdraw(self, sender: str, value: int, token: str, to: str) -> int:
        amount = self.credit[token, sender]
        if not amount:
            raise Refused("ledger: nothing to withdraw")
        if to == NOBODY:
            raise Refused("ledger: no receiver")
        self.moved = self._send(token, to, amount)
        del self.credit[token, sender]
        self.events.append(("Withdrawn", token, sender, to, amount))
        return amount

    def _send(self, token: str, to: str, amount: int) -> tuple[int, int]:
        """What leaves the market, and what arrives."""
        market = self.around.market
        if token == ETHER:
            if to == market:
                raise Refused("")  # takes no plain ether
            if self.manners.get(to) == PAYEE_REFUSES:
                raise Refused("actor: refused")
            if self.manners.get(to) == PAYEE_CALLS:
                raise Refused("")  # the market is locked
            return amount, amount
        lost, got = self.coins[token].move(market, to, amount, sum(self.sums(token)) + self.forced[token])
        # what the market sends to itself does not leave
        if lost - (got if to == market else 0) != amount:
            raise Refused("ledger: wrong amount left")
        return lost, got

    # ── what anybody can read ──

    def seal_view(self, life: Life, index: int) -> tuple[Any, ...]:
        """A seal as the chain shows it: a late candidate keeps claim and bond until a call books his fall."""
        if index >= len(life.seals):
            return NOBODY, bytes(32), 0, 0, 0
        seal = life.seals[index]
        if life.late is not None and life.late[0] == index:
            return seal.trainer, seal.hash, life.late[1], life.late[2], life.terms.reward - seal.reward
        return seal.trainer, seal.hash, seal.claim, seal.bond, life.terms.reward - seal.reward

    def challenge_view(self, life: Life) -> tuple[Any, ...]:
        """A challenge as the chain shows it."""
        model = bytes(32) if life.model is None else keccak(life.model)
        predictions = bytes(32) if life.model is None else predictions_hash(life.predictions)
        return life.poster, life.seed_block, life.key, len(life.revealed), model, predictions

    def sums(self, token: str) -> tuple[int, int, int]:
        """Escrowed, credited and burned."""
        credited = sum(amount for (of, _), amount in self.credit.items() if of == token)
        return self.escrowed[token], credited, self.burned[token]


def well_formed(word: bytes, terms: Terms) -> bool:
    """Whether a word holds one class for each sample and nothing else."""
    return all(c < terms.classes for c in word) and word[terms.samples :] == bytes(32 - terms.samples)
