"""Being asked to end: by Ctrl-C, by `kill`, or by a terminal that is closed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from trainer.errors import AssayError


class Unfinished(AssayError):
    """Work that was asked to end, and has; what was done is saved."""


ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end."""


class Request:
    """Whether this process was asked to end, for work that ends where it can go on later.

    Asked again, it ends at once, with `KeyboardInterrupt`.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Nobody has asked; `say` is told what becomes of it."""
        self._say, self.name = say, ""

    def __call__(self) -> bool:
        """Whether anybody has."""
        return bool(self.name)

    @property
    def code(self) -> int:
        """Exit code of a process that ends because of it, by which shells name a signal."""
        return 128 + signal.Signals[self.name]

    def ask(self, name: str) -> None:
        """Take the signal of that name in."""
        if self.name:
            raise KeyboardInterrupt
        self.name = name
        self._say(f"{name}: ends after this epoch, which is saved; once more ends at once")


@contextmanager
def when_asked(told: Callable[[str], None]) -> Iterator[None]:
    """Call `told` with the name of each signal that asks this process to end, in place of what it did before.

    Signals that are ignored, such as by `nohup`, stay so. Of use in the first thread alone; elsewhere it does nothing.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        told(signal.Signals(number).name)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in ASKING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    except ValueError:
        # another thread: who runs the first one decides
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
