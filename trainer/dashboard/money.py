"""Where a challenge's money came from, and where it went."""

from collections import Counter
from dataclasses import dataclass

from trainer.dashboard.reading import Story

BURNED = "burned"
HELD = "escrowed"


@dataclass(frozen=True)
class Flow:
    """Sums in the token's smallest unit.

    paid_in:  by account.
    paid_out: by account what it was credited, and `burned`, and what is still `escrowed`.
    """

    paid_in: dict[str, int]
    paid_out: dict[str, int]

    @property
    def total(self) -> int:
        """What came in, which is what went out."""
        return sum(self.paid_in.values())


def flow(story: Story) -> Flow:
    """A challenge's money up to now."""
    terms = story.life.terms
    paid: Counter[str] = Counter({story.life.poster: terms.reward + terms.poster_bond})
    for seal in story.life.seals:
        paid[seal.trainer] += terms.trainer_bond + terms.seal_fee
    out: Counter[str] = Counter()
    burned = 0
    for event in story.events:
        if event.name == "Credited":
            out[event.values["owner"]] += event.values["amount"]
        elif event.name == "Burned":
            burned += event.values["amount"]
    held = paid.total() - out.total() - burned
    rest = {BURNED: burned, HELD: held}
    return Flow(dict(paid), {**out, **{name: amount for name, amount in rest.items() if amount}})
