"""Follows the chain in a thread of its own, and keeps what every page needs as one value that is replaced whole."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from trainer.errors import AssayError, ChainError, NodeError
from trainer.index import Block, Challenge, Index
from trainer.index.clock import Clock
from trainer.prices.declarations import Declared
from trainer.prices.facts import Payment, history

log = logging.getLogger("trainer.dashboard")

EVERY = 4.0
"""Seconds between two looks at the chain."""


@dataclass(frozen=True)
class Picture:
    """A market as it is known up to a block.

    lives:  every challenge, by id.
    prices: what was paid, oldest first.
    books:  by token the sums `escrowed`, `credited` and `burned`.
    """

    block: Block
    lives: list[Challenge]
    prices: list[Payment]
    books: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Moment:
    """When a transaction sent now would be mined: seconds, and the block's number."""

    now: int
    block: int

    def clock(self, life: Challenge) -> Clock:
        """Where a challenge stands."""
        return life.clock(self.now, self.block)


class Watch:
    """The thread that reads; what it knows may be looked at from any thread.

    picture:  None until everything was read once.
    progress: the block up to which the first reading came, and the head, while it lasts.
    trouble:  a sentence without names of machines or files, empty while the node answers.
    """

    def __init__(
        self,
        open_index: Callable[[], Index],
        *,
        present: Callable[[], int] = lambda: 0,
        declared: Callable[[], list[Declared]] = list,
        every: float = EVERY,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        open_index: called in the thread, as a cache belongs to the thread that opened it.
        present:    the chain's time in seconds, which may be later than its newest block; 0 where nobody knows.
        declared:   what winners said their training took, called in the thread.
        every:      seconds between two readings.
        ticks:      seconds that pass.
        """
        self._open, self._present, self._every, self._ticks = open_index, present, every, ticks
        self._declared = declared
        self._said: list[Declared] = []
        self._behind = False
        self._index: Index | None = None
        self._anchor: tuple[int, float] = (0, 0.0)
        self._stop = threading.Event()
        # not waited for at the end: it may be asking a node that does not answer, and a cut-off reading loses nothing
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)
        self.picture: Picture | None = None
        self.progress: tuple[int, int] | None = None
        self.trouble = ""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._every)

    def look(self) -> None:
        """Read once, in the calling thread."""
        try:
            self._read()
            self.trouble = ""
        except AssayError as error:
            told = _told(error)
            if told != self.trouble:
                log.warning("%s", error)
            self.trouble = told
        except Exception:
            # the pages stay, and say so
            log.exception("reading the chain failed")
            self.trouble = "Reading the chain failed; the log of this server says why."

    def _read(self) -> None:
        if self._index is None:
            self._index = self._open()
        index = self._index
        block = index.sync(self._told)
        present = self._present()
        before = self.picture
        if present or before is None or before.block != block:
            self._anchor = (max(block.timestamp, present), self._ticks())
        failed: AssayError | None = None
        if before is None or before.block != block or self._behind:
            try:
                self._said, self._behind = self._declared(), False
            except AssayError as error:
                # the market's own logs are worth showing without what others say beside them
                failed, self._behind = error, True
            lives = index.challenges()
            tokens = sorted({life.terms.token for life in lives})
            payments = history(index, lives, self._said)
            self.picture = Picture(block, lives, payments, {token: index.books(token) for token in tokens})
        self.progress = None
        if failed is not None:
            raise failed

    def _told(self, done: int, head: int) -> None:
        self.progress = (done, head)

    def moment(self) -> Moment:
        """Now, as the chain would say: its time at the last reading, and what passed since."""
        start, ticks = self._anchor
        number = 0 if self.picture is None else self.picture.block.number
        return Moment(start + int(self._ticks() - ticks), number + 1)


def _told(error: AssayError) -> str:
    """What strangers may know of an error: no address of a node, no path."""
    if isinstance(error, NodeError):
        return "The node does not answer, or not as it should. What is shown may be out of date."
    if isinstance(error, ChainError):
        return "The node is on another chain than before. What is shown may be out of date."
    return "The cache of this server cannot be used; its log says why."
