"""The loop of everyone who acts alone: turns, what goes wrong in them, and telling each thing once."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from trainer.errors import AssayError, ChainError, NodeError, Reverted
from trainer.node.outbox import OPEN, FeeTooHigh, Record
from trainer.roles.desk import Desk

Found = TypeVar("Found")
Tell = Callable[..., None]
"""Is told of an event: its name, a line for people, and named values for programs."""
URGENT_SECONDS = 900
"""Before a deadline what keeps the agent from acting is said loudly, every minute."""
LONGEST_PAUSE = 30.0
TRANSACTION_WAIT = 30.0
"""Seconds for which a transaction is waited for before others are looked after."""


class Turn(NamedTuple):
    """What one turn came to: whether anything was done, is under way, and whether something is still to be expected."""

    acted: bool
    busy: bool
    part: bool


class Loop(ABC):
    """Turn after turn, whatever the node does."""

    def __init__(self, desk: Desk, tell: Tell, *, poll: float) -> None:
        """Ask nothing yet.

        poll: seconds between two turns in which there was nothing to do.
        """
        self.desk, self.tell, self.poll = desk, tell, poll
        desk.chain.wait = TRANSACTION_WAIT
        self._told: dict[object, str] = {}
        self._outage = False

    @abstractmethod
    def turn(self) -> Turn:
        """Look at everything once, and do what there is to do."""

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def run(self, *, once: bool = False, until_idle: bool = False) -> None:
        """Take turns for good.

        once:       until nothing is left to do now.
        until_idle: until it has no part in any open challenge.
        """
        pause = min(self.poll, 1.0)
        while True:
            try:
                turn = self.turn()
            except NodeError as error:
                if not self._outage:
                    self.tell("outage", f"{error}; going on when it answers", error=str(error))
                self._outage = True
                self.rest(pause)
                pause = min(2 * pause, max(LONGEST_PAUSE, self.poll))
                continue
            if self._outage:
                self.tell("recovered", "the node answers again")
            self._outage, pause = False, min(self.poll, 1.0)
            if turn.acted:
                continue
            if not turn.busy and (once or (until_idle and not turn.part)):
                return
            self.rest(min(self.poll, 1.0) if turn.busy else self.poll)

    def once(self, subject: object, reason: str, event: str, text: str, **values: object) -> None:
        """Tell something, unless it was the last that was told about its subject."""
        if self._told.get(subject) != reason:
            self._told[subject] = reason
            self.tell(event, text, **values)

    def tend(self) -> list[Record]:
        """Look after what was sent before; returns what is not mined yet, for which nothing else is sent."""
        outbox = self.desk.chain.outbox
        if outbox is None or self.desk.chain.dry:
            return []
        while True:
            try:
                outbox.tend()
                self._told.pop("tend", None)
                break
            except FeeTooHigh as error:
                # nothing failed: what is open stays so until gas is cheaper
                self.tell("waiting", str(error), error=str(error))
                break
            except ChainError as error:
                # it is marked as failed, and the next look at the logs tells what to do instead
                self.tell("failed", str(error), error=str(error))
            except NodeError as error:
                # what the node has against one transaction keeps nobody from looking at what else there is
                self.outage(error)
                self.once("tend", type(error).__name__, "waiting", str(error), error=str(error))
                break
        return self.pending()

    def pending(self) -> list[Record]:
        """What was sent and does not count yet."""
        outbox = self.desk.chain.outbox
        return [] if outbox is None else [record for record in outbox.records() if record.state == OPEN]

    def outage(self, error: AssayError) -> None:
        """Raise an error of a node that answers nobody; one that is about one thing alone is left to the caller."""
        if isinstance(error, NodeError):
            try:
                self.desk.chain.rpc.head()
            except NodeError:
                raise error from None

    def apart(self, challenge: int, by: int | None, look: Callable[[], Found]) -> Found | None:
        """What a look at one challenge finds; None where that fails, which is told once and keeps no other waiting.

        by: second of the chain at which it is too late to do something there; None for no such second.

        Raises `NodeError` where the node answers nobody.
        """
        try:
            found = look()
        except AssayError as error:
            self.outage(error)
            self._late(challenge, "look", by, error)
            return None
        if self._told.get((challenge, "refused"), "").startswith("look "):
            del self._told[(challenge, "refused")]
        return found

    def attempt(self, challenge: int, what: str, by: int | None, work: Callable[[], None]) -> bool:
        """Do something that the chain, a fee or a file may refuse; whether it was done.

        by: second of the chain at which it is too late; None for no such second.

        Raises `NodeError` where the node answers nobody.
        """
        try:
            work()
        except Reverted as error:
            # somebody was first, or the clock moved on: the logs will tell
            self.once(
                (challenge, "refused"),
                f"{what} {error}",
                "refused",
                f"{challenge}: {what}: {error}",
                challenge=challenge,
                act=what,
                error=str(error),
            )
            return False
        except AssayError as error:
            self.outage(error)
            self._late(challenge, what, by, error)
            return False
        self._told.pop((challenge, "refused"), None)
        return True

    def _late(self, challenge: int, what: str, by: int | None, error: AssayError) -> None:
        left = None if by is None else by - self.desk.chain.now
        if left is None or left > URGENT_SECONDS:
            self.once(
                (challenge, "refused"),
                f"{what} {type(error).__name__}",
                "refused",
                f"{challenge}: {what} must wait: {error}",
                challenge=challenge,
                act=what,
                error=str(error),
            )
            return
        self.once(
            (challenge, "refused"),
            f"{what} {left // 60}",
            "danger",
            f"DEADLINE: {challenge}: {left} s are left to {what}, and it is not done: {error}",
            challenge=challenge,
            act=what,
            left=left,
            error=str(error),
        )
