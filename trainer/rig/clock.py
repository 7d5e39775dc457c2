"""The three clocks of a rig, so that tests can bring their own."""

import time


class Clock:
    """The system's."""

    def now(self) -> float:
        """Unix seconds: what plans are written in, and what a person may set back."""
        return time.time()

    def elapsed(self) -> float:
        """Seconds since some moment, which never go back: what waits and sums are measured in."""
        return time.monotonic()

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)
