"""What of a budget is used, from the chain's logs and the outbox's receipts: nothing of it is remembered."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Protocol

from trainer.index import Challenge
from trainer.node.outbox import DONE, FAILED, OPEN, Record
from trainer.node.rpc import number

POSTS = ("post", "cancel")
"""Transactions that are not the agent's own idea."""


class Attempts(Protocol):
    """What is asked of an outbox."""

    def records(self) -> list[Record]:
        """All transactions of the account."""
        ...


def used(challenges: Iterable[Challenge], records: Iterable[Record], me: str, rates: Mapping[str, Fraction]) -> int:
    """Wei at risk or gone: bonds of open seals, bonds that fell, fees, gas, and what is under way.

    What was won does not count: a budget is what may be lost.
    """
    total = Fraction(0)
    sealed = set()
    for challenge in challenges:
        terms = challenge.terms
        # an unknown token is not the agent's doing
        rate = rates.get(terms.token, Fraction(0))
        for seal in challenge.seals:
            if seal.trainer == me:
                sealed.add(challenge.id)
                lost = terms.trainer_bond if seal.fell else 0
                total += (seal.bond + lost + terms.seal_fee) * rate
    for record in records:
        market, _, meaning = record.key.partition("/")
        if not market.startswith("0x") or meaning.startswith(POSTS):
            continue
        total += gas_paid(record)
        kind, _, rest = meaning.partition("/")
        if kind == "commit" and record.state == OPEN and int(rest) not in sealed:
            total += record.value
    return int(total) + (total.denominator > 1)


def gas_paid(record: Record) -> int:
    """Wei that a transaction paid for gas; 0 before it is mined."""
    if record.receipt is None or record.state not in (DONE, FAILED, OPEN):
        return 0
    return number(record.receipt["gasUsed"]) * number(record.receipt["effectiveGasPrice"])
