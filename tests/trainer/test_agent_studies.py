"""Studies in the background: who waits for whom, and that nobody waits for one that is given up."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.agent import studies as module
from trainer.agent.studies import FETCHES, Stage, Studies, Ticket
from trainer.errors import DataError, PackageError

A, B, C = Path("a"), Path("b"), Path("c")


class Played:
    """A study that fetches until it is let, and trains until it is let, and asks at every moment."""

    def __init__(self) -> None:
        self.fetched, self.trained, self.training, self.over = (threading.Event() for _ in range(4))
        self.deaf = threading.Event()

    def __call__(self, ticket: Ticket) -> None:
        try:
            self.pass_time(self.fetched, ticket)
            with ticket.training():
                self.training.set()
                self.pass_time(self.trained, ticket)
        finally:
            self.over.set()

    def pass_time(self, until: threading.Event, ticket: Ticket) -> None:
        while not until.wait(0.01):
            if not self.deaf.is_set():
                ticket.go_on()


def soon(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.005)
    return False


def ended(studies: Studies, *directories: Path) -> bool:
    return soon(lambda: not set(directories) & set(studies.stages()))


def test_several_fetch_at_once_and_the_most_urgent_trains_first() -> None:
    studies, played = Studies(), {A: Played(), B: Played(), C: Played()}
    for directory, by in ((A, 30), (B, 20), (C, 10)):
        assert studies.begin(directory, played[directory], by=by)
    assert set(studies.stages().values()) == {Stage.FETCH}
    for directory in played:
        played[directory].fetched.set()
        assert soon(lambda directory=directory: studies.stages()[directory] != Stage.FETCH)  # type: ignore[misc]
    # A was there first, and then it goes by urgency
    assert studies.stages() == {A: Stage.TRAIN, B: Stage.QUEUE, C: Stage.QUEUE}
    played[A].trained.set()
    assert played[C].training.wait(20)
    assert ended(studies, A)
    assert studies.stages() == {B: Stage.QUEUE, C: Stage.TRAIN}
    played[C].trained.set()
    assert played[B].training.wait(20)
    played[B].trained.set()
    assert ended(studies, B, C)
    assert not studies.busy()
    assert studies.failed == {}


def test_fetches_beyond_a_few_wait_for_room_which_slow_ones_make(monkeypatch: pytest.MonkeyPatch) -> None:
    studies, played = Studies(), [Played() for _ in range(FETCHES + 3)]
    for number in range(FETCHES):
        assert studies.begin(Path(str(number)), played[number])
    assert not studies.begin(A, played[-1])
    # one that has fetched makes room, although its model still trains
    played[0].fetched.set()
    assert played[0].training.wait(20)
    assert studies.begin(A, played[-1])
    assert not studies.begin(B, played[-2])
    # and so do those that take too long
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.0)
    assert studies.begin(B, played[-2])
    assert len(studies.stages()) == FETCHES + 2
    studies.stop()
    assert all(one.over.is_set() for one in played[:-3])


@pytest.mark.parametrize("stage", list(Stage))
def test_one_that_is_given_up_ends_and_the_others_go_on(stage: Stage) -> None:
    studies, one, other = Studies(), Played(), Played()
    if stage == Stage.QUEUE:
        assert studies.begin(B, other, by=1)
        other.fetched.set()
        assert other.training.wait(20)
    assert studies.begin(A, one)
    if stage != Stage.FETCH:
        one.fetched.set()
    assert soon(lambda: studies.stages()[A] == stage)
    studies.give_up(A)
    assert A not in studies.stages()
    assert one.over.wait(20)
    assert not one.trained.is_set()
    if stage != Stage.QUEUE:
        assert studies.begin(B, other)
        other.fetched.set()
    assert other.training.wait(20)
    other.trained.set()
    assert ended(studies, B)
    assert studies.failed == {}


@pytest.mark.parametrize("stage", [Stage.FETCH, Stage.TRAIN])
def test_one_that_hangs_is_waited_for_by_nobody_and_not_begun_again(stage: Stage) -> None:
    studies, one, other = Studies(), Played(), Played()
    assert studies.begin(A, one)
    if stage == Stage.TRAIN:
        one.fetched.set()
        assert one.training.wait(20)
    one.deaf.set()
    studies.give_up(A)
    assert not studies.busy()
    # it still writes to its directory
    assert not studies.begin(A, Played())
    assert studies.begin(B, other)
    other.fetched.set()
    assert other.training.wait(20)
    assert not one.over.is_set()
    other.trained.set()
    one.deaf.clear()
    assert one.over.wait(20)
    again = Played()
    assert soon(lambda: studies.begin(A, again))
    studies.stop()
    assert again.over.is_set()


def test_a_training_that_takes_too_long_ends_and_lets_the_next_one_train() -> None:
    studies, one, other = Studies(seconds=0.05), Played(), Played()
    assert studies.begin(A, one)
    one.fetched.set()
    assert one.training.wait(20)
    # it hangs in an epoch
    one.deaf.set()
    assert studies.begin(B, other)
    other.fetched.set()
    assert other.training.wait(20)
    other.trained.set()
    assert not one.over.is_set()
    one.deaf.clear()
    assert ended(studies, A, B)
    assert isinstance(studies.failed[A], DataError)
    assert "allow more with --training-time" in str(studies.failed[A])


def test_a_fetch_may_take_longer_than_a_training() -> None:
    studies, one = Studies(seconds=0.01), Played()
    assert studies.begin(A, one)
    assert not one.over.wait(0.1)
    studies.stop()
    assert studies.failed == {}


def test_sleep_ends_at_once_where_it_is_given_up() -> None:
    studies, over = Studies(), threading.Event()

    def sleeper(ticket: Ticket) -> None:
        try:
            ticket.sleep(600)
        finally:
            over.set()

    assert studies.begin(A, sleeper)
    studies.give_up(A)
    assert over.wait(20)


def test_what_goes_wrong_is_kept_or_raised() -> None:
    studies, began = Studies(), threading.Event()

    def refused(_: Ticket) -> None:
        raise PackageError("no mirror")

    def broken(_: Ticket) -> None:
        raise ZeroDivisionError

    def late(ticket: Ticket) -> None:
        began.set()
        ticket._stop.wait(20)
        raise PackageError("after it was given up")

    assert studies.begin(A, refused)
    studies.wait(20)
    assert not studies.busy()
    assert str(studies.failed[A]) == "no mirror"
    assert studies.begin(B, broken)
    studies.wait(20)
    with pytest.raises(ZeroDivisionError):
        studies.busy()
    assert studies.begin(C, late)
    assert began.wait(20)
    studies.give_up(C)
    studies.wait(20)
    assert set(studies.failed) == {A}
    # the next try forgets the last one
    assert soon(lambda: studies.begin(A, Played()))
    assert studies.failed == {}
    studies.stop()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_what_has_no_room_fails_alone_and_may_be_tried_again(error: Exception) -> None:
    studies = Studies()

    def full(_: Ticket) -> None:
        raise error

    assert studies.begin(A, full)
    studies.wait(20)
    assert not studies.busy()
    failed = studies.failed[A]
    # a `DataError` would be for good
    assert (type(failed), "make room" in str(failed)) == (PackageError, True)
