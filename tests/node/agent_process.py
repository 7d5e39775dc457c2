"""An agent as a process that dies: `python -m tests.node.agent_process`, for `tests/node/killing.py`.

Imports everything once, then forks a process for every line of JSON on its stdin, and answers with how it ended. What
is killed is a process of the system, with SIGKILL: nothing of it gets a chance to tidy up.

A *step* is what a kill can come between: a request to the node ("request"), one that sends a transaction ("send"), a
row that the outbox writes ("row"), a file that reaches the disk ("file"). Killed after a request, its answer is lost.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from eth_account import Account

from trainer import networks
from trainer.agent.account import Agent, Plan
from trainer.agent.lock import alone
from trainer.agent.study import Wish
from trainer.chain import CONTRACTS, compile_contract
from trainer.node.chain import connect
from trainer.node.keys import KeySigner
from trainer.node.outbox import Outbox
from trainer.node.rpc import Rpc
from trainer.node.settings import Settings
from trainer.protocol import ETHER
from trainer.roles import scoring
from trainer.roles.desk import Desk

SECONDS = 240
"""A life that takes longer hangs."""


@dataclass
class Killer:
    """Counts steps, and kills this process at one of them.

    kind:  of the steps that count; empty for none.
    step:  which of them, from 1.
    after: whether the step is done before the process dies.
    """

    kind: str
    step: int
    after: bool

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def around(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as a step."""

        def step(*args: Any, **more: Any) -> Any:
            self.counts[kind] += 1
            hit = kind == self.kind and self.counts[kind] == self.step
            if hit and not self.after:
                die()
            found = function(*args, **more)
            if hit:
                die()
            return found

        return step


def die() -> None:
    """At once."""
    os.kill(os.getpid(), signal.SIGKILL)


class Rows:
    """A connection whose writes are steps."""

    def __init__(self, inner: Any, killer: Killer) -> None:
        self._inner, self._write = inner, killer.around("row", inner.execute)

    def execute(self, text: str, *more: Any) -> Any:
        """Run a statement."""
        return (self._inner.execute if text.lstrip().startswith(("SELECT", "PRAGMA")) else self._write)(text, *more)

    def executescript(self, text: str) -> Any:
        """Run several."""
        return self._inner.executescript(text)


def patch(killer: Killer) -> None:
    """Make steps of everything that leaves a trace."""
    Rpc._once = killer.around("request", Rpc._once)  # type: ignore[method-assign]
    Rpc.send = killer.around("send", Rpc.send)  # type: ignore[method-assign]
    os.fsync = killer.around("file", os.fsync)
    Path.rename = killer.around("file", Path.rename)  # type: ignore[method-assign]
    Path.replace = killer.around("file", Path.replace)  # type: ignore[method-assign]
    begin = Outbox.__init__

    def opened(self: Outbox, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        self._db = Rows(self._db, killer)  # type: ignore[assignment]

    Outbox.__init__ = opened  # type: ignore[method-assign]
    # the same bits without waking JAX, which does not survive a fork
    scoring.networks.predict_jax = networks.predict


def live(asked: dict[str, Any]) -> None:
    """One life, to its end or to the kill."""
    signal.alarm(SECONDS)
    killer = Killer(asked["kind"], asked["step"], asked["after"])
    patch(killer)
    settings = Settings(node=asked["node"], market=asked["market"], home=Path(asked["home"]), patience=2.0)
    signer = KeySigner(Account.from_key(bytes.fromhex(asked["key"])))
    desk = Desk(connect(settings, signer), settings)
    plan = Plan(
        budget=2 * 10**18,
        depth=0,
        sources=(asked["source"],),
        wish=Wish(hidden=()),
        rates={ETHER: Fraction(1)},
        study_seconds=600,
    )

    def tell(event: str, text: str, **_: Any) -> None:
        with Path(asked["log"]).open("a") as file:
            file.write(f"{event}: {text}\n")

    agent = Agent(desk, plan, tell, poll=0.1)
    with alone(agent.lock):
        agent.run(until_idle=True)
    Path(asked["counts"]).write_text(json.dumps(killer.counts))


def main() -> None:
    """Fork for every line."""
    compile_contract(CONTRACTS / "Market.vy")
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                live(asked)
                code = 0
            except BaseException:
                import traceback

                Path(asked["log"] + ".error").write_text(traceback.format_exc())
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
    # nothing is left to tidy up, and JAX would take its time
    os._exit(0)


if __name__ == "__main__":
    main()
