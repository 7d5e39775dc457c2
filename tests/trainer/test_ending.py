"""Being asked to end: by any of the signals, once and again, and what was there before is put back."""

import os
import signal
import threading

import pytest

from trainer.ending import ASKING, Request, when_asked


@pytest.mark.usefixtures("hangups")
@pytest.mark.parametrize("number", ASKING)
def test_each_signal_is_told_and_its_handler_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    told: list[str] = []
    with when_asked(told.append):
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert told == [number.name] * 2
    assert signal.getsignal(number) == before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told: list[str] = []
    try:
        with when_asked(told.append):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told == []


def test_another_thread_leaves_signals_as_they_are() -> None:
    seen: list[object] = []

    def work() -> None:
        with when_asked(lambda _: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_a_request_is_taken_in_once_and_the_second_is_meant() -> None:
    said: list[str] = []
    request = Request(said.append)
    assert not request()
    request.ask("SIGTERM")
    assert request()
    assert request.code == 143
    assert said == ["SIGTERM: ends after this epoch, which is saved; once more ends at once"]
    with pytest.raises(KeyboardInterrupt):
        request.ask("SIGINT")
    assert len(said) == 1
