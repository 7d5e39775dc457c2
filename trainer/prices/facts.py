"""One payment after another: what the market says of it, and what its winner declared.

Which declaration counts: the last one that the winner's address made from the block of the post until seven days
after the settlement. The last, so that a slip can be mended; until seven days, so that after that nobody can write the
past of a price anew; the winner's alone, since nobody else knows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer.index import Challenge, Index
from trainer.prices.declarations import Declared
from trainer.protocol import Outcome, Terms

DECLARE_WITHIN = 7 * 86_400
"""Seconds after a settlement in which its winner may declare."""
CEILING = 2 * 10**16
"""Operations a second of one device beyond which nothing is believed: twenty times an H200 in bfloat16, and more than
any single accelerator of 2025 states for numbers of 4 bits."""

GAS = {
    "post": 590_000,
    "commit": 155_000,
    "reveal": 190_000,
    "claim": 72_000,
    "unseal": 330_000,
    "audit": 290_000,
}
"""Gas of a transaction, a little below what the smallest challenge pays (`tests/golden/market_gas.json`). Draws and
settlements are missing: strangers send them for nothing, so they may have cost neither poster nor winner anything."""
SLOTS = 8
"""Groups in one audit."""


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A reward that was paid.

    reward:    what the winner got, in the token's smallest unit.
    score:     right answers, of `samples`, that the market counted.
    threshold: right answers that were asked for.
    rivals:    accounts other than the poster's and the winner's that sealed a model.
    seal_fee:  what the winner's own seal burned, in the token's smallest unit.
    gas:       least gas of what poster and winner have to send before anything is paid.
    timestamp: of the settlement, in seconds.
    declared:  what the winner says it took; None if he says nothing that counts.
    ignored:   why what he said does not count; empty if it does, or if he said nothing.
    """

    challenge: int
    token: str
    reward: int
    score: int
    samples: int
    threshold: int
    poster: str
    winner: str
    rivals: int
    seal_fee: int
    gas: int
    timestamp: int
    declared: Declared | None = None
    ignored: str = ""

    @property
    def accuracy(self) -> float:
        """Part of the hold-out that was right."""
        return self.score / self.samples

    @property
    def per_exaflop(self) -> float | None:
        """Reward, in the token's smallest unit, for 10**18 operations; None where nothing was declared."""
        return None if self.declared is None else self.reward * 10**18 / self.declared.flops

    @property
    def per_hour(self) -> float | None:
        """Reward, in the token's smallest unit, for an hour of one device; None where nothing was declared."""
        return None if self.declared is None else self.reward * 3600 / self.declared.seconds


def history(
    index: Index, lives: Sequence[Challenge], declared: Iterable[Declared] = (), *, ceiling: float = CEILING
) -> list[Payment]:
    """Every reward paid to a winner, in the order of the settlements.

    lives:    of the index, by id.
    declared: in the order of the chain.
    ceiling:  operations a second of one device beyond which a declaration is ignored.
    """
    found = {life.id: life for life in lives}
    said: defaultdict[int, list[Declared]] = defaultdict(list)
    for one in declared:
        said[one.challenge].append(one)
    # a later candidate's score takes the place of one who fell
    scores = {event.values["id"]: event.values["score"] for event in index.everywhere("Unsealed")}
    payments = []
    for event in index.everywhere("Settled"):
        id = event.values["id"]
        if event.values["outcome"] != Outcome.WON or id not in found or id not in scores:
            continue
        life, winner = found[id], event.values["winner"]
        work, ignored = counting(said[id], life, winner, event.timestamp, ceiling)
        payments.append(
            Payment(
                challenge=id,
                token=life.terms.token,
                reward=event.values["reward"],
                score=scores[id],
                samples=life.terms.holdout * life.terms.samples,
                threshold=life.terms.threshold,
                poster=life.poster,
                winner=winner,
                rivals=len({seal.trainer for seal in life.seals} - {life.poster, winner}),
                seal_fee=life.terms.seal_fee,
                gas=least_gas(life.terms),
                timestamp=event.timestamp,
                declared=work,
                ignored=ignored,
            )
        )
    return payments


def counting(
    said: Sequence[Declared], life: Challenge, winner: str, settled: int, ceiling: float = CEILING
) -> tuple[Declared | None, str]:
    """The declaration of a challenge that counts, or why what its winner said does not.

    settled: when it was settled, in seconds.
    """
    own = [one for one in said if one.trainer == winner and one.block >= life.posted.number]
    timely = [one for one in own if one.timestamp <= settled + DECLARE_WITHIN]
    if not timely:
        return None, f"declared more than {DECLARE_WITHIN // 86_400} days after the settlement" if own else ""
    last = timely[-1]
    if last.flops > ceiling * last.seconds:
        rate = last.flops / last.seconds
        return None, f"{rate:.3g} operations a second of one device, and nothing above {ceiling:.3g} is believed"
    return last, ""


def least_gas(terms: Terms) -> int:
    """Gas that a challenge takes its poster and its winner at least until it pays: nobody late, and no fraud."""
    calls = Counter(dict.fromkeys(GAS, 1))
    calls["reveal"] = terms.holdout
    calls["audit"] = -(-terms.holdout // SLOTS) if terms.full_audit else 0
    return sum(GAS[call] * count for call, count in calls.items())
