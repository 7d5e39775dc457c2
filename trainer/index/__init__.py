"""Everything about a market from its event logs, kept in a cache that can be thrown away.

Needs no titanoboa and no compiler. What a challenge's events say is in `challenge`, where time has led it in `clock`,
how the chain is followed in `sync`, and what is kept where in `store`.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from trainer.errors import ChainError, DataError
from trainer.index import record
from trainer.index.challenge import Challenge, GroupView, SealView
from trainer.index.clock import FOREVER, Clock
from trainer.index.events import Event, checksum
from trainer.index.source import TOO_LARGE, Block, Log, Source
from trainer.index.store import Store, Unusable
from trainer.index.sync import Progress, follow
from trainer.shown import Holdout, Unsealed

__all__ = [
    "FOREVER",
    "TOO_LARGE",
    "Block",
    "Challenge",
    "Clock",
    "Event",
    "GroupView",
    "Index",
    "Log",
    "SealView",
    "Source",
]

T = TypeVar("T")


def _to_stderr(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


class Index:
    """A market on one chain, as its logs tell it.

    Nothing but `sync` (and the rebuilding of a cache that cannot be read) asks the node. Several processes may use
    one file; a thread needs an index of its own.
    """

    def __init__(
        self, path: Path, source: Source, market: str, start: int = 0, *, note: Callable[[str], None] = _to_stderr
    ) -> None:
        """Open the cache at `path`, or begin one; a file of another version, or that cannot be read, is replaced.

        market: the market's address.
        start:  a block not after its deployment.
        note:   is told when a file is thrown away.

        Raises `ChainError` if the file belongs to another market, `DataError` if no file can be there.
        """
        self.source, self.market = source, checksum(market)
        self.store = Store(path, self.market, start, note)

    def sync(self, progress: Progress | None = None) -> Block:
        """Read what is new; returns the block everything is known up to: the head, unless the chain grew meanwhile.

        progress: is called with the last block known and the head, after each range.

        Raises `NodeError` if the node cannot be reached or answers wrongly, `ChainError` if it is on another chain.
        """
        return self._whole(lambda: self._sync(progress))

    def _sync(self, progress: Progress | None) -> Block:
        here, there = self.store.chain_id(), self.source.chain_id()
        if here is None:
            self.store.set_chain_id(there)
        elif here != there:
            raise ChainError(f"{self.store.path} is the cache of chain {here}, the node is on {there}; choose another")
        return follow(self.store, self.source, progress)

    def last(self) -> Block | None:
        """The block everything is known up to; None before the first `sync`."""
        return self._whole(self.store.last)

    def challenges(self) -> list[Challenge]:
        """Every challenge, in the order of their ids."""
        return self._whole(lambda: [record.unpacked(*row) for row in self.store.challenges()])

    def moment(self) -> AbstractContextManager[None]:
        """For `with`: all that is read inside is of one moment, though another process reads the chain on."""
        return self.store.moment()

    def challenge(self, id: int) -> Challenge:
        """One challenge. Raises `ChainError` if there is none of that id."""
        life = self._whole(lambda: record.read(self.store, id)) if 0 <= id < 2**63 else None
        if life is None:
            raise ChainError(f"market {self.market} has no challenge {id}; look at the list, or wait for its post")
        return life

    def events(self, id: int, *, whole: bool = False) -> list[Event]:
        """A challenge's events in order, with the payments and burnings of its calls before each call's own event.

        whole: with samples, models and predictions, which are left out otherwise.
        """
        self.challenge(id)
        names = ("Revealed", "Unsealed") if whole else ()
        return self._whole(
            lambda: [
                Event(*record.said(row), row.block, row.timestamp, row.transaction)
                for row in self.store.events(challenge=id, whole=names)
            ]
        )

    def everywhere(self, name: str) -> list[Event]:
        """Events of one name of all challenges, in the order of the chain, without values of variable length."""
        return self._whole(
            lambda: [
                Event(*record.said(row), row.block, row.timestamp, row.transaction)
                for row in self.store.events(name=name)
            ]
        )

    def holdout(self, id: int) -> Holdout:
        """Every group revealed so far, with its samples."""
        found = Holdout()
        for values in self._long(id, "Revealed"):
            found.labels[values["slot"]] = values["labels"]
            found.samples[values["slot"]] = values["samples"]
        return found

    def unsealed(self, id: int) -> Unsealed:
        """The latest candidate's model and predictions. Raises `ChainError` if none has shown any."""
        shown = self._long(id, "Unsealed", newest=True)
        if not shown:
            raise ChainError(f"challenge {id}: nobody has unsealed a model yet; wait for a candidate")
        values = shown[0]
        return Unsealed(
            seal=values["seal"],
            score=values["score"],
            model=values["model"],
            predictions=tuple(values["predictions"]),
            cost=values["cost"],
        )

    def _long(self, id: int, name: str, *, newest: bool = False) -> list[dict[str, Any]]:
        """Values of a challenge's events of one name, with all their bytes."""
        self.challenge(id)
        return self._whole(
            lambda: [
                record.said(row)[1] for row in self.store.events(challenge=id, name=name, whole=(name,), newest=newest)
            ]
        )

    def credits(self, token: str) -> dict[str, int]:
        """What each owner may withdraw of a token, in its smallest unit, where that is anything."""
        return self._whole(lambda: self.store.credits(checksum(token)))

    def books(self, token: str) -> dict[str, int]:
        """A token's sums `escrowed`, `credited` and `burned`, as the market's ledger keeps them."""
        sums = self._whole(lambda: self.store.books(checksum(token)))
        return dict(zip(("escrowed", "credited", "burned"), sums, strict=True))

    def close(self) -> None:
        """Close the cache; the index is of no use afterwards."""
        self.store.close()

    def _whole(self, work: Callable[[], T]) -> T:
        """Do it; if the cache turns out unreadable, build another and do it again."""
        try:
            return work()
        except Unusable as error:
            self.store.replace(str(error))
        try:
            self._sync(None)
            return work()
        except Unusable as error:
            raise DataError(f"{self.store.path} cannot be read even when new ({error}); choose another file") from error
