"""Writes logs into the cache, and takes them back: challenges after their last event, credits, a token's sums."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.errors import NodeError
from trainer.index.challenge import Challenge, apply, pack, unpack
from trainer.index.events import LEDGER, decoded, split
from trainer.index.source import Block, Log
from trainer.index.store import Row, Store, Unusable
from trainer.protocol import Terms

FOLDED = ("Unsealed",)
"""Events whose long values a challenge's state is made of."""
ESCROWED = {"Posted": ("reward", "poster_bond"), "Committed": ("trainer_bond", "seal_fee")}
"""Events with which money comes in, and what it is."""


@dataclass(frozen=True)
class Entry:
    """A log and what it says.

    challenge: whose event it is; of the ledger's, the challenge whose call paid or burned, None for a withdrawal.
    """

    log: Log
    name: str
    values: dict[str, Any]
    challenge: int | None


def entries(logs: Sequence[Log]) -> list[Entry]:
    """What some whole blocks' logs say. Raises `NodeError` if one is not the market's."""
    found: list[Entry] = []
    payer = None
    # the market logs what it pays or burns before what it does, so the next event that is not the ledger's says whose
    # it is; a withdrawal is a call of its own
    for log in reversed(logs):
        name, values = decoded(log.topics, *split(log.topics, log.data))
        if name == "Withdrawn":
            payer = None
        elif name not in LEDGER:
            payer = values["id"]
            if payer >= 2**63:
                raise NodeError(f"{name} of challenge {payer}: there are not so many; ask another node")
        found.append(Entry(log, name, values, payer))
    return found[::-1]


def add(store: Store, found: Iterable[Entry], blocks: dict[int, Block]) -> None:
    """Write logs and what follows from them; inside `store.writing`, after the blocks.

    Raises `NodeError` if no market could go on so.
    """
    lives: dict[int, Challenge | None] = {}
    sums = Sums(store)
    for entry in found:
        log, id = entry.log, entry.challenge
        store.add_event(log, id, entry.name, *split(log.topics, log.data))
        if entry.name in LEDGER:
            sums.pay(entry.name, entry.values, 1)
        elif id is not None:
            if id not in lives:
                lives[id] = read(store, id)
            life = lives[id] = apply(lives[id], entry.name, entry.values, blocks[log.block])
            if entry.name in ESCROWED:
                sums.take(entry.name, life.terms, 1)
    for id, changed in lives.items():
        if changed is not None:
            store.save_challenge(id, *pack(changed))
    sums.save()


def take_back(store: Store, last: int) -> None:
    """Forget all above a block; inside `store.writing`. Raises `Unusable` if what is kept does not go together."""
    if last < store.start:
        store.clear()
        return
    sums, touched = Sums(store), set()
    for row in store.events(above=last):
        name, values = said(row)
        if name in LEDGER:
            sums.pay(name, values, -1)
        elif row.challenge is not None:
            touched.add(row.challenge)
            if name in ESCROWED:
                before = read(store, row.challenge)
                if before is None:
                    raise Unusable(f"challenge {row.challenge} is missing")
                sums.take(name, before.terms, -1)
    store.cut(last)
    try:
        sums.save()
        for id in touched:
            _rewrite(store, id)
    except NodeError as error:
        raise Unusable(str(error)) from error


def _rewrite(store: Store, id: int) -> None:
    """A challenge from all of its events."""
    life: Challenge | None = None
    for row in store.events(challenge=id, whole=FOLDED):
        name, values = said(row)
        if name not in LEDGER:
            block = store.known(row.block)
            assert block is not None, "events are read with their blocks"
            life = apply(life, name, values, block)
    if life is None:
        store.drop_challenge(id)
    else:
        store.save_challenge(id, *pack(life))


def said(row: Row) -> tuple[str, dict[str, Any]]:
    """Name and values of an event that was kept. Raises `Unusable` if they cannot be read."""
    try:
        return decoded(row.topics, row.head, row.tail)
    except NodeError as error:
        raise Unusable(f"an event of block {row.block} cannot be read ({error})") from error


def read(store: Store, id: int) -> Challenge | None:
    """A challenge as it was last written. Raises `Unusable` if that cannot be read."""
    packed = store.challenge(id)
    return None if packed is None else unpacked(id, *packed)


def unpacked(id: int, state: str, details: str) -> Challenge:
    """`unpack`, of texts that may have been spoilt. Raises `Unusable`."""
    try:
        return unpack(id, state, details)
    except (ValueError, TypeError, LookupError) as error:
        raise Unusable(f"challenge {id} cannot be read ({error})") from error


class Sums:
    """Credits and books of a store, changed in memory and then written at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.credits: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.books: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])

    def take(self, name: str, terms: Terms, sign: int) -> None:
        """What a post or a commit escrows."""
        first, second = ESCROWED[name]
        self.books[terms.token][0] += sign * (getattr(terms, first) + getattr(terms, second))

    def pay(self, name: str, values: dict[str, Any], sign: int) -> None:
        """What an event of the ledger moves. Raises `NodeError` if somebody withdraws another sum than all he has."""
        amount, books = sign * values["amount"], self.books[values["token"]]
        if name == "Burned":
            books[0] -= amount
            books[2] += amount
            return
        if name == "Withdrawn":
            owner = values["token"], values["owner"]
            if sign > 0 and amount != self.store.credit(*owner) + self.credits[owner]:
                raise _missing(f"{owner[1]} withdrew {amount}, not all he had")
            amount = -amount
        else:
            books[0] -= amount
        books[1] += amount
        self.credits[values["token"], values["owner"]] += amount

    def save(self) -> None:
        """Write what changed. Raises `NodeError` if a sum would be below zero: logs are missing."""
        for (token, owner), change in self.credits.items():
            amount = self.store.credit(token, owner) + change
            self._check(f"credit of {owner}", amount)
            self.store.save_credit(token, owner, amount)
        for token, changes in self.books.items():
            sums = [old + change for old, change in zip(self.store.books(token), changes, strict=True)]
            self._check(f"escrow of {token}", min(sums))
            self.store.save_books(token, sums)

    def _check(self, what: str, amount: int) -> None:
        if amount < 0:
            raise _missing(f"{what} would be {amount}")


def _missing(what: str) -> NodeError:
    return NodeError(f"{what}; the node left out logs, or the index starts too late")
