"""What must hold whatever the rules are: the invariants of the protocol, checked on what the chain was seen to do.

The witness knows neither the model nor the contract. It reads events and balances, and what the actors know themselves:
the data set, the sealed models, who lied.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.world import Steps, marks, predicted
from trainer.protocol import Outcome, Terms


@dataclass(frozen=True)
class Call:
    """One call that succeeded."""

    name: str
    sender: str
    value: int
    args: tuple[Any, ...]
    events: list[tuple[Any, ...]]
    raw: bytes
    """All topics and data of the events."""


@dataclass
class Record:
    """What was seen of one challenge."""

    terms: Terms
    poster: str
    inside: int = 0
    rewards: int = 0
    labels: dict[int, bytes] = field(default_factory=dict)
    samples: dict[int, bytes] = field(default_factory=dict)
    trainers: dict[int, str] = field(default_factory=dict)
    promised: list[int] = field(default_factory=list)
    """What each seal would win, as it was told when it was committed."""
    unsealed: dict[int, tuple[bytes, list[bytes]]] = field(default_factory=dict)
    fallen: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)


class Witness:
    """Sees every successful call."""

    def __init__(self, engines: dict[str, Steps]) -> None:
        self.engines = engines
        self.records: dict[int, Record] = {}
        self.withdrawn: Counter[tuple[str, str]] = Counter()
        self.credited: Counter[tuple[str, str]] = Counter()
        self.secrets: dict[bytes, tuple[int, str]] = {}
        """Salt to challenge and trainer: what no event may show before its owner unseals."""
        self.shown: set[tuple[int, str]] = set()

    def see(self, call: Call) -> None:
        """Check one call against every invariant a single call can break."""
        events = defaultdict(list)
        for name, *values in call.events:
            events[name].append(values)
        if call.name == "withdraw":
            self._withdrawal(call, events)
            return
        id = events["Posted"][0][0] if call.name == "post" else call.args[0]
        if call.name == "post":
            self.records[id] = Record(call.args[0], call.sender)
        self._paid_once(id, call, events)
        self._timeouts(id, events)
        self._record(id, call, events)
        self._truth(id, events)
        self._threshold(id, events)
        self._payments(id, call, events)
        self.privacy(call.raw)

    # ── paid once ──

    def _withdrawal(self, call: Call, events: Any) -> None:
        ((token, owner, _, amount),) = events["Withdrawn"]
        self.withdrawn[token, owner] += amount
        assert owner == call.sender, "paid once: a withdrawal of another's credit"
        assert self.withdrawn[token, owner] <= self.credited[token, owner], "paid once: more withdrawn than credited"

    def _paid_once(self, id: int, call: Call, events: Any) -> None:
        record = self.records[id]
        terms = record.terms
        came = {"post": terms.reward + terms.poster_bond, "commit": terms.trainer_bond + terms.seal_fee}.get(
            call.name, 0
        )
        for token, owner, amount in events["Credited"]:
            assert token == terms.token, "paid once: paid in another token"
            self.credited[token, owner] += amount
        went = sum(amount for *_, amount in events["Credited"] + events["Burned"])
        record.inside += came - went
        assert record.inside >= 0, "paid once: a challenge paid more than it took"
        for closed in events["Cancelled"] + events["Settled"]:
            record.rewards += 1
            assert record.rewards == 1, "paid once: a second end"
            winner = closed[2] if len(closed) > 1 else None
            payee = winner if winner and int(winner, 16) else record.poster
            paid = sum(amount for _, owner, amount in events["Credited"] if owner == payee)
            due = terms.reward
            if winner and int(winner, 16):
                assert winner in record.trainers.values(), "paid once: the winner sealed nothing"
                due = record.promised[list(record.trainers.values()).index(winner)]
            assert paid >= due, "paid once: the reward did not arrive"
            if len(closed) > 1:
                assert (int(winner, 16) != 0) == (closed[1] == Outcome.WON), "paid once: a winner without a win"
                assert closed[3] == due, "paid once: another reward"

    # ── timeouts never pay the late one or the reporter ──

    def _timeouts(self, id: int, events: Any) -> None:
        record = self.records[id]
        terms = record.terms
        for _, seal in events["Defaulted"]:
            record.late.add(seal)
            owner = record.trainers[seal]
            assert events["Burned"][:1] == [[terms.token, terms.trainer_bond]], "timeouts: the bond did not burn whole"
            allowed = {record.poster} | {record.trainers[i] for _, i in events["Released"]}
            if owner not in allowed:
                assert not [c for c in events["Credited"] if c[1] == owner], "timeouts: the late one was paid"
            assert seal not in [i for _, i in events["Released"]], "timeouts: the late one's bond was released"
            for _, to, _ in events["Credited"]:
                assert to in allowed, "timeouts: the reporter was paid"
        for _, outcome, winner, reward in events["Settled"]:
            if outcome == Outcome.WON:
                assert winner not in {record.trainers[i] for i in record.late}, "timeouts: the late one won"
            paid = sum(amount for _, _, amount in events["Credited"])
            if outcome == Outcome.WITHHELD:
                assert paid == reward, "timeouts: withholding paid something besides the reward"
            if outcome == Outcome.VOID:
                assert paid == reward + terms.poster_bond // 2, "timeouts: half a bond is what a look costs"
        for _, seal in events["Released"]:
            assert seal not in record.fallen | record.late, "timeouts: a forfeited bond was released"

    # ── truth ──

    def _record(self, id: int, call: Call, events: Any) -> None:
        record = self.records[id]
        for _, index, trainer, _, reward in events["Committed"]:
            record.trainers[index] = trainer
            risen = [record.terms.opening, *record.promised, reward, record.terms.reward]
            assert risen == sorted(risen), "schedule: a reward fell, or left its bounds"
            record.promised.append(reward)
        for _, slot, _, _, labels, samples in events["Revealed"]:
            record.labels[slot], record.samples[slot] = labels, samples
        for _, index, _, _, predictions, model, _, _ in events["Unsealed"]:
            assert call.sender == record.trainers[index], "truth: unsealed by another"
            record.unsealed[index] = model, list(predictions)
            self.shown.add((id, call.sender))

    def honest(self, id: int, index: int) -> bool:
        """Whether a candidate's predictions are what its model says."""
        record = self.records[id]
        model, predictions = record.unsealed[index]
        return all(
            self.found(record, model, slot) == word[: record.terms.samples] for slot, word in enumerate(predictions)
        )

    def found(self, record: Record, model: bytes, slot: int) -> bytes:
        """The classes of a group, according to a model."""
        steps = self.engines[record.terms.engine.lower()]
        return bytes(predicted(model, b, steps) for b in marks(record.samples[slot], record.terms.sample_bytes))

    def _truth(self, id: int, events: Any) -> None:
        record = self.records[id]
        for _, index, slot, wrong, _, bounty, _ in events["Fraud"]:
            record.fallen.add(index)
            assert not self.honest(id, index), "truth: an honest candidate was slashed"
            model, predictions = record.unsealed[index]
            found = self.found(record, model, slot)
            lies = sum(1 << i for i, class_ in enumerate(found) if class_ != predictions[slot][i])
            assert wrong, "truth: fraud without a lie"
            assert wrong & ~lies == 0, "truth: fraud where none is"
            assert bounty == record.terms.trainer_bond // 2, "truth: another bounty"
        for _, index, slot, mask, _, _ in events["Audited"]:
            model, predictions = record.unsealed[index]
            for i, class_ in enumerate(self.found(record, model, slot)):
                if mask >> i & 1:
                    assert class_ == predictions[slot][i], "truth: a lie survived its audit"
        for _, outcome, winner, _ in events["Settled"]:
            if outcome == Outcome.WON:
                index = next(i for i, trainer in record.trainers.items() if trainer == winner)
                assert index not in record.fallen | record.late, "truth: the fallen won"
                if record.terms.full_audit:
                    assert self.honest(id, index), "truth: a lie settled under full audit"

    # ── threshold ──

    def _threshold(self, id: int, events: Any) -> None:
        record = self.records[id]
        for _, outcome, winner, _ in events["Settled"]:
            if outcome == Outcome.WON:
                index = next(i for i, trainer in record.trainers.items() if trainer == winner)
                _, predictions = record.unsealed[index]
                right = sum(
                    predictions[slot][i] == labels[i]
                    for slot, labels in record.labels.items()
                    for i in range(record.terms.samples)
                )
                assert len(record.labels) == record.terms.holdout, "threshold: won without the hold-out"
                assert right >= record.terms.threshold, "threshold: the winner is below it"

    # ── payments ──

    def _payments(self, id: int, call: Call, events: Any) -> None:
        """Each event pays one sum to one owner, or burns one; nothing else is paid or burned."""
        record = self.records[id]
        terms, poster, bond = record.terms, record.poster, record.terms.trainer_bond
        credits = [(record.trainers[index], bond) for _, index in events["Released"]]
        credits += [(poster, terms.poster_bond) for _ in events["HoldoutComplete"]]
        credits += [(poster, terms.reward + terms.poster_bond) for _ in events["Cancelled"]]
        credits += [(auditor, bond // 2) for _, _, _, _, auditor, _, _ in events["Fraud"]]
        burns = [terms.seal_fee for _ in events["Committed"] if terms.seal_fee]
        burns += [bond for _ in events["Defaulted"]]
        burns += [bond - bond // 2 for _ in events["Fraud"]]
        for _, outcome, winner, _ in events["Settled"]:
            if outcome == Outcome.WON:
                won = record.promised[next(i for i, trainer in record.trainers.items() if trainer == winner)]
                credits.append((winner, won))
                if won < terms.reward:
                    credits.append((poster, terms.reward - won))
            else:
                credits.append((poster, terms.reward))
            back = {Outcome.DESERTED: terms.poster_bond, Outcome.VOID: terms.poster_bond // 2}
            if outcome in back:
                credits.append((poster, back[outcome]))
            if outcome in (Outcome.VOID, Outcome.WITHHELD):
                burns.append(terms.poster_bond - back.get(outcome, 0))
            if outcome == Outcome.WON:
                released = [record.trainers[index] for _, index in events["Released"]]
                assert released == [winner], "payments: the winner's bond stayed"
        paid = [(owner, amount) for _, owner, amount in events["Credited"]]
        burned = [amount for _, amount in events["Burned"]]
        assert sorted(paid) == sorted(credits), f"payments: {call.name} paid others, or other sums"
        assert sorted(burned) == sorted(burns), f"payments: {call.name} burned other sums"

    # ── privacy ──

    def privacy(self, seen: bytes) -> None:
        """No salt of a seal that was not unsealed occurs in what anybody can see."""
        for salt, owner in self.secrets.items():
            assert owner in self.shown or salt not in seen, "privacy: a sealed model's salt is in the open"

    # ── exit ──

    def exited(self) -> None:
        """At the end of everything, each challenge ended once and holds nothing."""
        for id, record in self.records.items():
            assert record.rewards == 1, f"exit: challenge {id} never ended"
            assert record.inside == 0, f"exit: challenge {id} still holds {record.inside}"
