"""The loop: what goes wrong is told once, waited out, and loud when time runs out."""

from types import SimpleNamespace
from typing import Any

import pytest

from trainer.agent.loop import Loop, Turn
from trainer.errors import ChainError, DataError, NodeError, Reverted, RpcError
from trainer.node.outbox import DONE, OPEN, FeeTooHigh

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
        self.away = False
        chain: Any = SimpleNamespace(wait=0, now=now, outbox=None, dry=False, rpc=SimpleNamespace(head=self.head))
        desk: Any = SimpleNamespace(chain=chain)
        super().__init__(desk, lambda event, text, **_: self.told.append((event, text)), poll=12.0)

    def turn(self) -> Turn:
        turn = self.turns.pop(0)
        if isinstance(turn, NodeError):
            raise turn
        return turn

    def head(self) -> None:
        if self.away:
            raise NodeError("nobody there")

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
    loop = Played()
    loop.away = True
    with pytest.raises(NodeError, match="gone"):
        loop.attempt(1, "claim", None, raising(NodeError("gone")))
    with pytest.raises(NodeError, match="gone"):
        loop.apart(1, None, raising(NodeError("gone")))
    assert loop.told == []
    # what the node has nothing to do with is waited out
    assert not loop.attempt(1, "claim", None, raising(DataError("no space left")))
    assert loop.apart(1, None, raising(DataError("no space left"))) is None


def test_what_a_node_refuses_for_one_challenge_keeps_no_other_waiting() -> None:
    loop = Played(now=0)
    refusal = RpcError("eth_sendRawTransaction", -32000, "who knows")
    assert not loop.attempt(1, "claim", 5000, raising(refusal))
    assert not loop.attempt(1, "claim", 5000, raising(refusal))
    assert loop.attempt(2, "claim", 5000, lambda: None)
    loop.desk.chain.now = 4800  # type: ignore[misc]
    assert not loop.attempt(1, "claim", 5000, raising(refusal))
    assert [event for event, _ in loop.told] == ["refused", "danger"]


@pytest.mark.parametrize("error", [RpcError("eth_call", -32603, "EVM error OutOfGas"), ChainError("no such segment")])
def test_what_cannot_be_looked_at_is_told_once_and_again_after_it_could(error: Exception) -> None:
    loop = Played()
    for _ in range(3):
        assert loop.apart(1, None, raising(error)) is None
    assert loop.apart(2, None, lambda: "found") == "found"
    assert [event for event, _ in loop.told] == ["refused"]
    assert str(error) in loop.told[0][1]
    assert loop.apart(1, None, lambda: "found") == "found"
    loop.apart(1, None, raising(error))
    assert [event for event, _ in loop.told] == ["refused", "refused"]


def test_what_cannot_be_looked_at_is_loud_before_a_deadline() -> None:
    loop = Played(now=0)
    for now in (0, 10, 100, 110, 150, 200):
        loop.desk.chain.now = now  # type: ignore[misc]
        assert loop.apart(1, 1000, raising(ChainError("no such segment"))) is None
    assert [event for event, _ in loop.told] == ["refused", "danger", "danger", "danger"]


def test_a_look_that_worked_takes_back_nothing_else() -> None:
    loop = Played()
    loop.attempt(1, "settle", None, raising(Reverted("no")))
    loop.apart(1, None, lambda: "found")
    loop.attempt(1, "settle", None, raising(Reverted("no")))
    assert [event for event, _ in loop.told] == ["refused"]


class Tended:
    """An outbox with one open transaction, to which a list of things happens."""

    def __init__(self, *happens: Exception | None) -> None:
        self.happens, self.left = list(happens), [SimpleNamespace(state=OPEN), SimpleNamespace(state=DONE)]

    def tend(self) -> None:
        error = self.happens.pop(0)
        if error is not None:
            raise error

    def records(self) -> list[Any]:
        return self.left


def tending(*happens: Exception | None) -> tuple[Played, Tended]:
    loop, outbox = Played(), Tended(*happens)
    loop.desk.chain.outbox = outbox  # type: ignore[assignment]
    return loop, outbox


def test_a_fee_above_the_limit_ends_the_looking_after_for_this_turn() -> None:
    # a second look would find an empty list
    loop, outbox = tending(FeeTooHigh("a gas costs 200 gwei"))
    assert loop.tend() == outbox.left[:1]
    assert loop.told == [("waiting", "a gas costs 200 gwei")]


def test_a_transaction_that_failed_is_told_and_the_rest_looked_after() -> None:
    loop, outbox = tending(Reverted("market: wrong phase"), ChainError("another program used nonce 3"), None)
    assert loop.tend() == outbox.left[:1]
    assert [event for event, _ in loop.told] == ["failed", "failed"]
    assert outbox.happens == []


def test_a_transaction_that_the_node_refuses_to_hold_is_told_once_and_waited_for() -> None:
    refusal = RpcError("eth_sendRawTransaction", -32000, "who knows")
    loop, outbox = tending(refusal, refusal, None, refusal)
    for _ in range(4):
        assert loop.tend() == outbox.left[:1]
    assert [event for event, _ in loop.told] == ["waiting", "waiting"]
    loop, _ = tending(NodeError("gone"))
    loop.away = True
    with pytest.raises(NodeError, match="gone"):
        loop.tend()


def test_what_worked_may_be_told_anew() -> None:
    loop = Played()
    loop.attempt(1, "settle", None, raising(Reverted("no")))
    assert loop.attempt(1, "settle", None, lambda: None)
    loop.attempt(1, "settle", None, raising(Reverted("no")))
    assert [event for event, _ in loop.told] == ["refused", "refused"]
