"""Lives of an agent that is killed at one step and started again, until it has nothing left to do."""

import json
import os
import selectors
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from tests.node import town
from tests.node.command import ROOT
from tests.node.town import Host, Place
from trainer.index import Challenge
from trainer.integer import Network
from trainer.protocol import Outcome, Phase

KINDS = ("request", "send", "row", "file")
ACCOUNT = 6
PAUSE = 0.1
"""Seconds between two looks at what there is to do for everybody else: they take the agent's time."""
STARTS = 8
"""A life that begins so often gets nowhere."""


@dataclass(frozen=True)
class Kill:
    """Where a process dies: at the `step`-th step of a kind, or once that is done."""

    kind: str
    step: int
    after: bool


class Server:
    """Forks agents."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert self._line(120.0) == "ready\n"

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Start one."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def ended(self, seconds: float) -> int | None:
        """How it ended, negative for a signal; None if it still runs."""
        line = self._line(seconds)
        return None if line is None else int(json.loads(line)["code"])

    def _line(self, seconds: float) -> str | None:
        assert self._process.stdout is not None
        # not `select.select`, which takes no file above the 1,024th
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if waiting.select(seconds) else None


@contextmanager
def server() -> Iterator[Server]:
    """A process that forks agents."""
    # Python warns of forks where there are threads, of which those of importing do nothing
    words = [sys.executable, "-W", "ignore", "-m", "tests.node.agent_process"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    try:
        yield Server(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@dataclass
class Life:
    """One life: the chain is as it was before it once it is over."""

    place: Place
    host: Host
    server: Server
    network: Network
    directory: Path

    def __post_init__(self) -> None:
        """A poster's home of its own, as the chain is put back after every life, and the model to be found."""
        home = self.directory / "poster"
        shutil.copytree(self.host.desk.settings.home, home)
        self.host = Host(self.place, self.place.desk(town.POSTER, home), self.host.challenge)
        self.desk = self.place.desk(ACCOUNT, self.directory / "agent")
        town.give(self.desk, self.host, self.network)
        anvil = self.place.anvil
        self.before, self.first = town.balance(anvil, self.desk.me), anvil.block().number + 1
        self.kills = 0

    @property
    def counts(self) -> dict[str, int]:
        """Steps by kind of the last start that came to its end."""
        found: dict[str, int] = json.loads((self.directory / "counts.json").read_text())
        return found

    @property
    def log(self) -> str:
        """What the agent told, and why it broke if it did."""
        texts = [self.directory / "log", self.directory / "log.error"]
        return "\n".join(text.read_text() for text in texts if text.exists())

    def play(self, kills: list[Kill]) -> None:
        """Start it with one kill after the other, then without, until it ends in order."""
        for number in range(STARTS):
            kill = kills[number] if number < len(kills) else Kill("", 0, False)
            self.server.begin(
                {
                    "node": self.place.anvil.url,
                    "market": self.place.market,
                    "home": str(self.directory / "agent"),
                    "key": self.place.anvil.accounts[ACCOUNT].key.hex(),
                    "source": str(self.host.public),
                    "log": str(self.directory / "log"),
                    "counts": str(self.directory / "counts.json"),
                    "kind": kill.kind,
                    "step": kill.step,
                    "after": kill.after,
                }
            )
            while (code := self.server.ended(PAUSE)) is None:
                self.hand()
            if code == 0:
                break
            assert code == -signal.SIGKILL, f"{code}: {self.log}"
            self.kills += 1
        assert code == 0, f"{STARTS} starts: {self.log}"
        self.host.take_out()

    def hand(self) -> None:
        """Everybody else: the clock, and the poster."""
        found, phase = self.host.found, self.host.phase
        if phase == Phase.COMMIT and found.seals:
            self.host.reveal()
        elif phase == Phase.CLAIM and found.seals[0].claim:
            self.host.end(Phase.CLAIM)

    def check(self) -> None:
        """Won and paid, each thing done once, every wei accounted for."""
        place, found, me = self.place, self.host.found, self.desk.me
        self.desk.index.sync()
        names = [event.name for event in self.desk.index.events(self.host.challenge)]
        once = ("Committed", "Claimed", "Unsealed", "Settled")
        assert [names.count(name) for name in once] == [1] * 4, f"{names}: {self.log}"
        assert (found.stored.outcome, found.winner) == (Outcome.WON, me), self.log
        terms = found.terms
        fee = terms.seal_fee
        assert town.books(self.host.desk) == {"escrowed": 0, "credited": 0, "burned": fee, "held": fee}
        assert town.earned(place.anvil, me, self.before, self.first) == terms.reward - fee
        check_nonces(self, found)


def check_nonces(life: Life, found: Challenge) -> None:
    """Every nonce was used once, nothing reverted, and whatever was signed for a nonce means the same."""
    anvil, me = life.place.anvil, life.desk.me
    mined: dict[int, tuple[str, str, str]] = {}
    for number in range(life.first, anvil.block().number + 1):
        for one in anvil.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if one["from"].lower() == me.lower():
                assert int(anvil.receipt(one["hash"])["status"], 16) == 1, life.log
                mined[int(one["nonce"], 16)] = (one["to"].lower(), one["input"], one["value"])
    assert sorted(mined) == list(range(len(mined)))
    assert len(set(mined.values())) == len(mined), "something was sent twice"
    (file,) = (life.directory / "agent").glob("*/outbox.sqlite")
    with sqlite3.connect(file) as rows:
        raws = [bytes(row[0]) for row in rows.execute("SELECT raw FROM attempts")]
    rows.close()
    for raw in raws:
        signed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        assert Account.recover_transaction(raw) == me
        meaning = ("0x" + bytes(signed["to"]).hex(), "0x" + bytes(signed["data"]).hex(), hex(signed["value"]))
        assert mined[signed["nonce"]] == meaning, "a nonce was signed for two things"


def kills(random: Random, counts: Mapping[str, int]) -> list[Kill]:
    """One or two places to die at."""
    found = []
    for _ in range(random.choice((1, 1, 2))):
        kind = random.choice(KINDS)
        found.append(Kill(kind, random.randint(1, counts[kind]), random.random() < 0.5))
    return found
