"""Challenges that are over, as the chain tells: looked up in a thread, as a node may take its time to answer."""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing

from trainer.errors import AssayError
from trainer.index import Index

EVERY = 60.0
"""Seconds between two looks."""


class MarketWatch:
    """Follows a market until the process ends."""

    def __init__(self, index: Callable[[], Index], say: Callable[..., None], *, every: float = EVERY) -> None:
        """Nothing is asked yet; `index` is called in the thread."""
        self._index, self._say, self._every = index, say, every
        self._over: dict[int, str] = {}
        self._trouble = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)

    def __call__(self) -> Mapping[int, str]:
        """What is over, as far as it is known now, with its outcome."""
        return self._over

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a look that is under way ends with the process."""
        self._end.set()

    def look(self) -> None:
        """Look once; what goes wrong is said once, until it goes well again."""
        try:
            with closing(self._index()) as index:
                head = index.sync()
                clocks = {found.id: found.clock(head.timestamp, head.number) for found in index.challenges()}
            self._over = {
                number: (clock.outcome.name or "over").lower() for number, clock in clocks.items() if clock.outcome
            }
        except AssayError as error:
            if not self._trouble:
                self._say("outage", f"the market cannot be asked: {error}; challenges that end are not noticed")
            self._trouble = str(error)
            return
        if self._trouble:
            self._say("recovered", "the market can be asked again")
        self._trouble = ""

    def _run(self) -> None:
        while True:
            self.look()
            if self._end.wait(self._every):
                return
