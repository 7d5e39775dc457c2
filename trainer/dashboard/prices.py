"""What was paid for which accuracy, and when."""

from dataclasses import dataclass

from trainer.index import Challenge, Index
from trainer.protocol import Outcome


@dataclass(frozen=True, kw_only=True)
class Price:
    """A reward that was paid.

    reward:    in the token's smallest unit.
    score:     right answers, of `samples`, that the market counted.
    threshold: right answers that were asked for.
    timestamp: of the settlement, in seconds.
    """

    challenge: int
    token: str
    reward: int
    score: int
    samples: int
    threshold: int
    winner: str
    timestamp: int

    @property
    def accuracy(self) -> float:
        """Part of the hold-out that was right."""
        return self.score / self.samples


def history(index: Index, lives: list[Challenge]) -> list[Price]:
    """Every reward paid to a winner, in the order of the settlements."""
    terms = {life.id: life.terms for life in lives}
    # a later candidate's score takes the place of one who fell
    scores = {event.values["id"]: event.values["score"] for event in index.everywhere("Unsealed")}
    return [
        Price(
            challenge=id,
            token=terms[id].token,
            reward=event.values["reward"],
            score=scores[id],
            samples=terms[id].holdout * terms[id].samples,
            threshold=terms[id].threshold,
            winner=event.values["winner"],
            timestamp=event.timestamp,
        )
        for event in index.everywhere("Settled")
        if event.values["outcome"] == Outcome.WON and (id := event.values["id"]) in terms and id in scores
    ]
