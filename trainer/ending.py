"""Being asked to end: by Ctrl-C, by `kill`, or by a terminal that is closed."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end."""


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
