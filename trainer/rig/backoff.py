"""How long to leave alone what keeps failing: a little longer each time, and in the end for a good while."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Patience:
    """All in seconds.

    first:  pause after the first failure; each one after it is twice as long, up to
    most:   this one.
    proven: what has run for so long begins again with the first pause.
    crashes, within: so many failures in so long open the breaker:
    rest:   for so long nothing is tried.
    """

    first: float = 5.0
    most: float = 600.0
    proven: float = 600.0
    crashes: int = 5
    within: float = 1800.0
    rest: float = 3600.0


@dataclass
class Backoff:
    """The failures of one thing; all times are those of one clock that never goes back."""

    patience: Patience
    until: float = 0.0
    """Nothing is tried before."""
    broken: bool = False
    """Whether the breaker is open, and not merely a pause under way."""
    _pause: float = 0.0
    _failures: deque[float] = field(default_factory=deque)

    def failed(self, now: float, ran: float) -> None:
        """It failed after so many seconds."""
        patience = self.patience
        if ran >= patience.proven:
            self._pause = 0.0
        self._pause = min(2 * self._pause or patience.first, patience.most)
        self._failures.append(now)
        while self._failures[0] <= now - patience.within:
            self._failures.popleft()
        # a breaker that was open gives one try, not so many again
        self.broken = len(self._failures) >= patience.crashes or (self.broken and ran < patience.proven)
        self.until = now + (patience.rest if self.broken else self._pause)

    def ready(self, now: float) -> bool:
        """Whether it may be tried."""
        return now >= self.until
