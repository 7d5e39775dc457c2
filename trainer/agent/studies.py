"""Studies in the background: several challenges' groups are fetched at once, and one model trains at a time.

None holds up the others: a fetch that is slow leaves its place to the next one, a training ends after so many seconds,
and a study that is given up is waited for by nobody, even if its thread hangs in a request.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from trainer.amounts import show_duration
from trainer.errors import AssayError, DataError, PackageError

FETCHES = 4
"""Fetches that may be under way when another begins; those that are slow are not counted."""
SLOW_SECONDS = 60.0
"""A fetch that takes longer is slow."""
TICK = 1.0
"""Seconds after which a study that waits for its turn looks whether it was given up."""
LAST_EPOCH = 600.0
"""Seconds that an epoch is waited for when the agent ends."""
LAST_REQUEST = 5.0
"""Seconds that fetches are waited for when the agent ends."""


class Stopped(Exception):
    """The study was given up, or the agent ends; what is on the disk stays there."""


class Stage(StrEnum):
    """What a study is at, as a sentence goes on."""

    FETCH = "its training groups are being fetched"
    QUEUE = "its model waits for another to be trained"
    TRAIN = "its model is in training"


class Ticket:
    """One study, as itself and those that wait for it see it."""

    def __init__(self, turns: "_Turns", *, by: int, seconds: float) -> None:
        """A study that begins with its fetch.

        by:      second of the chain at which its challenge's commits end: the sooner, the sooner it trains.
        seconds: how long its training may take.
        """
        self.by, self.stage = by, Stage.FETCH
        self._turns, self._seconds, self._stop = turns, seconds, threading.Event()
        self._began, self._until = time.monotonic(), float("inf")

    @property
    def slow(self) -> bool:
        """Whether it fetches for longer than others should wait."""
        return self.stage == Stage.FETCH and time.monotonic() - self._began > SLOW_SECONDS

    @property
    def lapsed(self) -> bool:
        """Whether it was given up, or has trained for too long: it keeps no other waiting."""
        return self._stop.is_set() or time.monotonic() > self._until

    def stop(self) -> None:
        """Have it end when it next asks."""
        self._stop.set()
        self._turns.look()

    def go_on(self) -> None:
        """To be called now and then: raises `Stopped`, or `DataError` where the training took too long."""
        if self._stop.is_set():
            raise Stopped
        if time.monotonic() > self._until:
            allowed = show_duration(int(self._seconds))
            raise DataError(f"its training took longer than {allowed}; allow more with --training-time")

    def sleep(self, seconds: float) -> None:
        """Let time pass; raises `Stopped` once it was given up."""
        if self._stop.wait(seconds):
            raise Stopped

    @contextmanager
    def training(self) -> Iterator[None]:
        """Wait for its turn to train, and hold it; from here on the seconds count."""
        self.stage = Stage.QUEUE
        with self._turns.of(self):
            self.stage, self._until = Stage.TRAIN, time.monotonic() + self._seconds
            yield


class _Turns:
    """One at a time, the most urgent first; who has lapsed holds nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._holder: Ticket | None = None

    @contextmanager
    def of(self, ticket: Ticket) -> Iterator[None]:
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not self._next(ticket):
                    ticket.go_on()
                    self._changed.wait(TICK)
                self._holder = ticket
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                if self._holder is ticket:
                    self._holder = None
                self._changed.notify_all()

    def look(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _next(self, ticket: Ticket) -> bool:
        free = self._holder is None or self._holder.lapsed
        return free and min(self._waiting, key=lambda one: one.by) is ticket


class Studies:
    """Studies by the directory that each works in."""

    def __init__(self, seconds: float = 900.0) -> None:
        """Nothing is under way.

        seconds: how long each training may take.
        """
        self.seconds = seconds
        self.failed: dict[Path, AssayError] = {}
        """What the last try came to where it failed."""
        self._turns, self._lock, self._ended = _Turns(), threading.Lock(), threading.Event()
        self._running: dict[Path, Ticket] = {}
        self._threads: dict[Path, threading.Thread] = {}
        self._broken: BaseException | None = None

    def busy(self) -> bool:
        """Whether any is under way; raises what one raised that no study should."""
        broken, self._broken = self._broken, None
        if broken is not None:
            raise broken
        return bool(self.stages())

    def stages(self) -> Mapping[Path, Stage]:
        """What is under way, and what each is at."""
        with self._lock:
            return {directory: ticket.stage for directory, ticket in self._running.items()}

    def begin(self, directory: Path, study: Callable[[Ticket], object], *, by: int = 0) -> bool:
        """Begin one, if there is room; whether it has begun.

        study: is given its ticket, which it asks now and then whether to go on.
        by:    second of the chain at which it is too late.
        """
        with self._lock:
            old = self._threads.get(directory)
            if old is not None and old.is_alive():
                # one that was given up may still hang in a request: two would write to the same files
                return False
            fetching = [one for one in self._running.values() if one.stage == Stage.FETCH and not one.slow]
            if len(fetching) >= FETCHES:
                return False
            self.failed.pop(directory, None)
            ticket = Ticket(self._turns, by=by, seconds=self.seconds)
            self._running[directory] = ticket
            thread = threading.Thread(
                target=self._run, args=(directory, ticket, study), name=f"study in {directory.name}", daemon=True
            )
            self._threads = {where: one for where, one in self._threads.items() if one.is_alive()} | {directory: thread}
            thread.start()
        return True

    def _run(self, directory: Path, ticket: Ticket, study: Callable[[Ticket], object]) -> None:
        failed: AssayError | None = None
        try:
            study(ticket)
        except Stopped:
            pass
        except AssayError as error:
            failed = error
        except (OSError, MemoryError) as error:
            # no room: what is at stake elsewhere does not end for it
            failed = PackageError(f"its study failed ({error or type(error).__name__}); make room")
        except BaseException as error:  # the loop raises it, where a traceback belongs
            self._broken = error
        finally:
            with self._lock:
                # of one that was given up nobody wants to know any more
                if self._running.get(directory) is ticket:
                    del self._running[directory]
                    if failed is not None:
                        self.failed[directory] = failed
            self._ended.set()

    def wait(self, seconds: float) -> None:
        """Wait until one ends, or for so long."""
        self._ended.wait(seconds)
        self._ended.clear()

    def give_up(self, directory: Path) -> None:
        """End one as soon as it asks, and count it no more."""
        with self._lock:
            ticket = self._running.pop(directory, None)
        if ticket is not None:
            ticket.stop()

    def stop(self) -> None:
        """End all that are under way: trainings after their epoch, fetches with what they have."""
        stages = self.stages()
        for directory in stages:
            self.give_up(directory)
        until = time.monotonic() + LAST_REQUEST
        for directory, stage in stages.items():
            left = LAST_EPOCH if stage == Stage.TRAIN else max(until - time.monotonic(), 0.0)
            self._threads[directory].join(left)
