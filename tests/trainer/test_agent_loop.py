"""The loop: what goes wrong is told once, waited out, and loud when time runs out."""

from types import SimpleNamespace
from typing import Any

import pytest

from trainer.agent.loop import Loop, Turn
from trainer.errors import DataError, NodeError, Reverted
from trainer.node.outbox import FeeTooHigh

QUIET, ACTED, BUSY, PART = (
    Turn(False, False, False),
    Turn(True, False, True),
    Turn(False, True, True),
    Turn(False, False, True),
)


class Played(Loop):
    """A loop that plays turns from a list, and counts its pauses."""

    def __init__(self, *turns: Turn | NodeError, now: int = 0) -> None:
        self.told: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self.turns = list(turns)
        chain: Any = SimpleNamespace(wait=0, now=now, outbox=None, dry=False)
        desk: Any = SimpleNamespace(chain=chain)
        super().__init__(desk, lambda event, text, **_: self.told.append((event, text)), poll=12.0)

    def turn(self) -> Turn:
        turn = self.turns.pop(0)
        if isinstance(turn, NodeError):
            raise turn
        return turn

    def rest(self, seconds: float) -> None:
        self.pauses.append(seconds)


def test_once_ends_when_nothing_is_left_to_do_now() -> None:
    loop = Played(ACTED, BUSY, ACTED, PART, ACTED)
    loop.run(once=True)
    assert len(loop.turns) == 1
    assert loop.pauses == [1.0]


def test_until_idle_ends_when_it_has_no_part_in_anything() -> None:
    loop = Played(PART, ACTED, BUSY, PART, QUIET, ACTED)
    loop.run(until_idle=True)
    assert len(loop.turns) == 1
    assert loop.pauses == [12.0, 1.0, 12.0]


def test_an_outage_is_told_once_and_waited_out() -> None:
    loop = Played(NodeError("gone"), NodeError("gone"), NodeError("gone"), QUIET)
    loop.run(once=True)
    assert [event for event, _ in loop.told] == ["outage", "recovered"]
    assert loop.pauses == [1.0, 2.0, 4.0]


def raising(error: Exception) -> Any:
    def work() -> None:
        raise error

    return work


def test_who_was_first_is_no_error() -> None:
    loop = Played()
    for _ in range(3):
        assert not loop.attempt(1, "settle", None, raising(Reverted("market: wrong phase")))
    assert [event for event, _ in loop.told] == ["refused"]


@pytest.mark.parametrize("error", [FeeTooHigh("a gas costs 200 gwei"), DataError("no space left")])
def test_what_cannot_be_sent_is_told_once_and_loudly_every_minute_before_a_deadline(error: Exception) -> None:
    loop = Played(now=0)
    for now in (0, 10, 100, 110, 150, 200):
        loop.desk.chain.now = now  # type: ignore[misc]
        assert not loop.attempt(1, "unseal", 1000, raising(error))
    assert [event for event, _ in loop.told] == ["refused", "danger", "danger", "danger"]
    assert "DEADLINE: 1: 900 s are left to unseal" in loop.told[1][1]


def test_a_node_that_is_away_ends_the_turn() -> None:
    with pytest.raises(NodeError):
        Played().attempt(1, "claim", None, raising(NodeError("gone")))


def test_what_worked_may_be_told_anew() -> None:
    loop = Played()
    loop.attempt(1, "settle", None, raising(Reverted("no")))
    assert loop.attempt(1, "settle", None, lambda: None)
    loop.attempt(1, "settle", None, raising(Reverted("no")))
    assert [event for event, _ in loop.told] == ["refused", "refused"]
